"""What a source is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from images_shared import touch

from featx.extractor.parts import Part
from featx.extractor.sources import Source, digest_of, open_source
from featx.extractor.sources.files.files import Stamp
from featx.extractor.sources.files.local import LocalFiles


def test_equal_pixels_of_other_shape_have_another_digest() -> None:
    pixels = np.arange(12, dtype=np.uint8)
    assert digest_of(pixels.reshape(3, 4)) != digest_of(pixels.reshape(4, 3))


def test_the_line_that_says_how_a_source_is_understood(tmp_path: Path) -> None:
    for number, name in enumerate(["train/cat/1.png", "train/dog/2.png", "test/cat/3.png"]):
        touch(tmp_path / name, number)
    (tmp_path / "train" / "ape").mkdir()
    (tmp_path / "@eaDir").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    assert open_source(tmp_path).understood == (
        "3 images, 2 classes (cat, dog), splits: 2 train / 1 test, from its folders (classes in "
        "splits); no image in train/ape/; passed over @eaDir; left out: 1 .txt"
    )


def test_the_line_stays_one_line(tmp_path: Path) -> None:
    touch(tmp_path / "a\nb" / "1.png")
    assert "a\\nb" in open_source(tmp_path).understood
    assert "\n" not in open_source(tmp_path).understood


def test_a_part_looks_at_its_own_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(70):
        touch(tmp_path / "ab"[number % 2] / f"{number}.png", number)
    paths = [tmp_path / "a", tmp_path / "b"]
    seen: list[str] = []
    stamp = LocalFiles.stamp

    def noted(files: LocalFiles, name: str) -> Stamp | None:
        seen.append(f"{files.root.name}/{name}")
        return stamp(files, name)

    def check(source: Source, whole: Source) -> None:
        part = Part(2, 2).of(source)
        seen.clear()
        stamps = part.stamps()
        assert len(set(seen)) == len(seen) == len(part.listing()) == 32
        assert np.array_equal(stamps, whole.stamps()[Part(2, 2).rows(70)]) and stamps.all()

    monkeypatch.setattr(LocalFiles, "stamp", noted)
    check(open_source(tmp_path), open_source(tmp_path))
    check(open_source(paths), open_source(paths))
