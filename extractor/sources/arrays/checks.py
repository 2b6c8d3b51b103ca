"""Arrays of images and labels in the forms that featx takes: one place for what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache.errors import SourceFormatError

CHANNELS = (1, 3, 4)
MAX_VALUE = 255
BLOCK_IMAGES = 256


def check_images(images: NDArray[Any], where: str) -> tuple[NDArray[np.uint8], list[str]]:
    """Return images as ``(n, h, w[, 1|3|4])`` of uint8, and what to know of them.

    Numbers of another type are taken where each is whole and from 0 to 255.

    Raises
    ------
    SourceFormatError
        They have another shape, type or range; the message says what to do.
    """
    notes = _check_shape(images, where)
    if images.dtype == np.uint8:
        return images.view(np.uint8), notes
    if images.dtype.kind not in "iuf":
        raise SourceFormatError(
            f"{where} holds {images.dtype}, expected uint8 from 0 to 255. "
            + _remedy_for_kind(images)
        )
    converted = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), BLOCK_IMAGES):
        block = np.asarray(images[start : start + BLOCK_IMAGES])
        if not _is_lossless(block):
            raise SourceFormatError(
                f"{where} holds {images.dtype} from {block.min():g} to {block.max():g}, expected "
                f"uint8 from 0 to 255. {_remedy_for_range(block)}"
            )
        converted[start : start + BLOCK_IMAGES] = block.astype(np.uint8)
    return converted, [*notes, f"{images.dtype} taken as uint8: all values are whole, 0 to 255"]


def check_labels(labels: NDArray[Any], where: str) -> NDArray[Any]:
    """Return labels ``(n,)`` as int64 or text.

    Raises
    ------
    SourceFormatError
        They are no whole numbers or names, or there are several for an image.
    """
    flat = labels.reshape(-1) if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.ndim == 1 and flat.dtype.kind in "US":
        return np.char.strip(flat.astype(np.str_))
    if flat.ndim == 1 and flat.dtype.kind in "iub":
        return flat.astype(np.int64)
    if flat.ndim == 1 and flat.dtype.kind == "f" and (flat == np.rint(flat)).all():
        return flat.astype(np.int64)
    message = (
        f"{where} holds labels of type {labels.dtype} and shape {labels.shape}, expected (n,) "
        "whole numbers or names"
    )
    if flat.ndim == 2 and flat.dtype.kind in "iubf" and (flat.sum(axis=1) == 1).all():
        message += ". They look one-hot: store y.argmax(axis=1)"
    elif flat.ndim == 1 and flat.dtype.kind == "f":
        message += ". featx trains classes, not regression"
    elif flat.dtype.kind == "O":
        message += ". Store names as y.astype(str)"
    raise SourceFormatError(message)


def _check_shape(images: NDArray[Any], where: str) -> list[str]:
    shape = images.shape
    fits = images.ndim == 3 or (images.ndim == 4 and shape[3] in CHANNELS)
    channels_first = images.ndim == 4 and shape[1] in CHANNELS
    if fits and channels_first:
        return [f"read as height {shape[1]}, width {shape[2]}, {shape[3]} channels"]
    if fits:
        is_odd = images.ndim == 3 and shape[2] in CHANNELS
        return [f"read as {len(images)} grey images, width {shape[2]}"] if is_odd else []
    message = (
        f"{where} has the shape {shape}, expected (n, height, width) or (n, height, width, "
        "channels) with 1, 3 or 4 channels"
    )
    if channels_first:
        message += ". The channels seem to come first: store X.transpose(0, 2, 3, 1)"
    elif images.ndim == 2:
        message += (
            ". For one image, store X[None]; for rows of pixels, X.reshape(-1, height, width)"
        )
    raise SourceFormatError(message)


def _is_lossless(block: NDArray[Any]) -> bool:
    """Tell whether all values are whole and from 0 to 255; and more than zeros and ones."""
    if not block.size:
        return True
    in_range = bool(np.isfinite(block).all()) and block.min() >= 0 and block.max() <= MAX_VALUE
    is_whole = block.dtype.kind in "iu" or bool(in_range and (block == np.rint(block)).all())
    return bool(in_range and is_whole and (block.dtype.kind in "iu" or block.max() > 1))


def _remedy_for_kind(images: NDArray[Any]) -> str:
    if images.dtype == np.bool_:
        return "Store X.astype('uint8') * 255"
    if images.dtype == np.object_:
        return "Images of different sizes make no array: store them as files, or resize them"
    return "Store numbers"


def _remedy_for_range(block: NDArray[Any]) -> str:
    low, high = float(block.min()), float(block.max())
    if low >= 0 and high <= 1:
        return "Convert it first: (X * 255).round().astype('uint8')"
    if -1 <= low < 0 and high <= 1:
        return "Convert it first: ((X + 1) * 127.5).round().astype('uint8')"
    if low >= 0 and high > MAX_VALUE:
        return "Convert it first: scale it so that its largest possible value becomes 255"
    return "Convert it first: add to it where it is centred, and scale it to 0 to 255"
