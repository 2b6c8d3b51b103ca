"""Sprites."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from featx.cache.errors import ConfigError
from featx.extractor.images.sprite import encode_sprite, fitting_side, make_sprite, n_columns


def flat(n: int, side: int) -> np.ndarray:
    colours = np.arange(n, dtype=np.uint8) * 20 + 20
    return np.broadcast_to(colours[:, None, None, None], (n, side, side, 3)).copy()


def test_thumbnails_stand_row_by_row_in_a_square() -> None:
    sprite = make_sprite(flat(5, 4))
    assert sprite.shape == (12, 12, 3)
    corners = sprite[::4, ::4, 0]
    assert corners.tolist() == [[20, 40, 60], [80, 100, 0], [0, 0, 0]]
    assert all(
        np.unique(sprite[y : y + 4, x : x + 4]).size == 1
        for y, x in np.ndindex(9, 9)
        if not (y % 4 or x % 4)
    )


@pytest.mark.parametrize(
    ("n", "side", "expected"), [(70_000, 64, 30), (100_000, 64, 25), (500, 64, 64), (1, 28, 28)]
)
def test_a_sprite_has_at_most_8192_pixels_a_side(n: int, side: int, expected: int) -> None:
    assert fitting_side(n, side) == expected
    assert n_columns(n) * expected <= 8192


def test_too_many_thumbnails_are_refused() -> None:
    with pytest.raises(ConfigError, match="at most 16"):
        fitting_side(17, 8, max_side=4)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_encoded_sprites_keep_their_colours(kind: str) -> None:
    sprite = make_sprite(flat(9, 8))
    image = Image.open(io.BytesIO(encode_sprite(sprite, kind)))
    assert image.format == kind and image.size == (24, 24)
    assert np.abs(np.asarray(image.convert("RGB")).astype(int) - sprite).max() < 25
