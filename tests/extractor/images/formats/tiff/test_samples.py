"""Samples of TIFFs that Pillow has no mode for."""

import zlib

import numpy as np
import pytest

from featx.cache.errors import ImageError
from featx.extractor.images.formats.tiff.samples import TiffSamples

VALUES = np.random.default_rng(0).normal(size=(6, 5, 3))


def samples(data, dtype, **changes):
    fields = {
        "data": data,
        "shape": (6, 5),
        "block": (6, 5),
        "n_channels": 3,
        "n_kept": 3,
        "dtype": np.dtype(dtype),
        "is_planar": False,
        "compression": 1,
        "predictor": 1,
        "offsets": (0,),
        "counts": (len(data),),
    }
    return TiffSamples(**(fields | changes))


@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"])
def test_predictor_of_floats_is_undone(dtype):
    """A row's bytes lie sorted by their weight, as differences (Technical Note 3)."""
    values = VALUES.astype(dtype)
    heavy_first = values.astype(values.dtype.newbyteorder(">")).reshape(6, 15, 1).view(np.uint8)
    sorted_bytes = np.moveaxis(heavy_first, -1, 1).reshape(6, -1, 3)
    differences = np.diff(sorted_bytes, axis=1, prepend=np.zeros((6, 1, 3), np.uint8))
    data = zlib.compress(differences.astype(np.uint8).tobytes())
    seen = samples(data, dtype, compression=8, predictor=3).read()
    np.testing.assert_array_equal(seen, values)


def test_only_the_channels_of_the_picture_are_kept():
    values = VALUES.astype("<f4")
    np.testing.assert_array_equal(samples(values.tobytes(), "<f4", n_kept=1).read(), values[..., 0])


@pytest.mark.parametrize(
    "changes",
    [
        {"offsets": ()},
        {"counts": (3,)},
        {"shape": (60, 5)},
        {"block": (0, 5)},
        {"compression": 8},
        {"offsets": (10**9,)},
    ],
    ids=str,
)
def test_missing_and_damaged_blocks_are_named(changes):
    with pytest.raises(ImageError, match="cut short or damaged"):
        samples(VALUES.astype("<f4").tobytes(), "<f4", **changes).read()
