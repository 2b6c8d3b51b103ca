"""The calibration set: what is in it, and that it is the same everywhere."""

from __future__ import annotations

from collections import Counter

import numpy as np

from featx.extractor.precision.calibration import (
    PICTURES,
    calibration_digest,
    calibration_images,
    calibration_names,
)


def test_it_holds_many_pictures_of_each_kind_in_little_space():
    names = calibration_names()
    kinds = Counter(name.split("-")[0] for name in names)
    assert kinds.keys() == {"photograph", "grey", "texture", "drawing", "garment"}
    assert len(names) >= 64 and min(kinds.values()) >= 10
    assert PICTURES.stat().st_size < 1 << 20


def test_the_pictures_differ_and_fit_any_network():
    images = calibration_images((32, 48))
    assert images.shape == (len(calibration_names()), 32, 48, 3) and images.dtype == np.uint8
    assert len({image.tobytes() for image in images}) == len(images)


def test_a_licence_is_stated_for_every_picture():
    text = (PICTURES.parent / "README.md").read_text(encoding="utf-8")
    drawn = ("grey-ramp", "grey-dim", "grey-flat", "grey-noise", "texture-", "drawing-")
    for name in calibration_names():
        subject = "-".join(name.split(".")[0].split("-")[:2])
        stated = f"`{subject}`" in text or f"`-{subject.split('-')[1]}`" in text
        assert stated or name.startswith(("garment", *drawn)), name


def test_its_digest_is_a_sha256():
    assert len(bytes.fromhex(calibration_digest())) == 32
