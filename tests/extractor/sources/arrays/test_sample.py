"""The bundled sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from featx.cache.errors import ConfigError
from featx.extractor.sources import open_source, write_sample


def test_the_sample_becomes_a_class_folder(tmp_path: Path) -> None:
    assert write_sample(tmp_path / "photos", "test") == 500
    listing = open_source(tmp_path / "photos").listing()
    assert len(listing) == 500 and len(listing.class_names) == 10
    assert np.bincount(listing.labels).tolist() == [50] * 10
    with pytest.raises(ConfigError, match="does not replace"):
        write_sample(tmp_path / "photos", "test")
