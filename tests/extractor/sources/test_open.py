"""The one door to all sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from featx.cache.errors import SourceFormatError, SourceNotFoundError
from featx.extractor.sources import open_source


@pytest.mark.parametrize("make", ["empty", "missing", "file", "only text"])
def test_places_that_are_no_source(tmp_path: Path, make: str) -> None:
    place = tmp_path / "place"
    if make == "file":
        place.write_text("hello")
    elif make != "missing":
        place.mkdir()
    if make == "only text":
        (place / "a.txt").write_text("hello")
    expected = SourceNotFoundError if make == "missing" else SourceFormatError
    with pytest.raises(expected, match="place"):
        open_source(place)
