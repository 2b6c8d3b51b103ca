"""Thumbnails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cache_shared import make_spec
from images_shared import touch

from featx.cache import Manifest
from featx.extractor.pipeline.thumbnails import BLANK, read_thumbnails, thumbnail_geometry
from featx.extractor.sources import digest_of, open_source
from featx.extractor.sources.snapshot_images import open_images


def test_thumbnails_stand_in_the_order_asked_for_and_what_is_lost_is_grey(tmp_path: Path) -> None:
    from PIL import Image

    for i, colour in enumerate([(200, 0, 0), (0, 200, 0), (0, 0, 200)]):
        path = tmp_path / "photos" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (20, 10), colour).save(path)
    touch(tmp_path / "photos" / "3.png", 3)
    source = open_source(tmp_path / "photos")
    digests = np.stack([np.frombuffer(digest_of(source.read(i)), np.uint8) for i in range(4)])
    manifest = Manifest("m", source.location, source.listing(), digests, source.stamps(), 0)
    (tmp_path / "photos" / "1.png").unlink()
    geometry = thumbnail_geometry(make_spec("b"), 10)
    thumbnails = read_thumbnails(open_images(manifest), [2, 0, 1], geometry)
    assert thumbnails.pixels.shape == (3, 10, 10, 3)
    assert thumbnails.pixels[:2, 5, 5].tolist() == [[0, 0, 200], [200, 0, 0]]
    assert thumbnails.pixels[0, 0, 0].tolist() == [255, 255, 255]  # the whole image, padded
    assert (thumbnails.pixels[2] == BLANK).all()
    assert list(thumbnails.reasons) == [2] and "no longer in" in thumbnails.reasons[2]
