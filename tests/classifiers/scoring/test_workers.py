"""Parts of a scoring side by side in one folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from featx.cache.errors import ConfigError
from featx.classifiers.scoring.outputs.target import Target
from featx.classifiers.scoring.outputs.work_folder import WorkFolder
from featx.extractor.parts import Part


def test_what_other_parts_write_beside_a_part_is_no_obstacle(tmp_path: Path) -> None:
    out = tmp_path / "predictions"
    first = Target.shard(out, Part(1, 3))
    with WorkFolder(first.path).hold():
        hexadecimal = 32 * "a"
        (out / f".{first.path.name}.parts.{hexadecimal}").mkdir()
        (out / f"{first.path.name}.{hexadecimal}.partial").write_bytes(b"")
        assert Target.shard(out, Part(2, 3)).path.name == "part-00002-of-00003.parquet"
        assert Target.parse(out).is_folder
    (out / "holiday").mkdir()
    for attempt in (lambda: Target.shard(out, Part(2, 3)), lambda: Target.parse(out)):
        with pytest.raises(ConfigError, match="holds holiday"):
            attempt()
