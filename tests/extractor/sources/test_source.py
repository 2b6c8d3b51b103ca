"""What a source is."""

from __future__ import annotations

import numpy as np

from featx.extractor.sources import digest_of


def test_equal_pixels_of_other_shape_have_another_digest() -> None:
    pixels = np.arange(12, dtype=np.uint8)
    assert digest_of(pixels.reshape(3, 4)) != digest_of(pixels.reshape(4, 3))
