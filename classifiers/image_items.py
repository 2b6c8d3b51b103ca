"""Images that a caller hands over, as paths or as arrays, and their features."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cache import NO_LABEL, NO_SPLIT, Listing, StringColumn
from ..cache.errors import ImageError, SourceFormatError
from ..extractor import RunOptions
from ..extractor.feature_plans import FeaturePlans
from ..extractor.pipeline.scan import scan_source
from ..extractor.pipeline.stream import FeatureBlock, FeatureStream
from ..extractor.run_options import LogObserver
from ..extractor.sources import Raw

NAME, LOCATION = "transformer", "a FeatureExtractor"


def features_of_images(
    X: Any, plans: FeaturePlans, options: RunOptions | None = None
) -> NDArray[Any]:
    """Return the features of images under some plans, ``(n, n_features)``; nothing is cached.

    Raises
    ------
    ImageError
        An image cannot be read; the message names the first.
    SourceFormatError
        See ``image_items``.
    """
    source = ImageItems(image_items(X))
    scan, parts = scan_source(source), []
    observer = LogObserver()
    observer.begin(scan.n_samples, f"{plans.name}: predicting")
    with FeatureStream(scan, plans.plans, None, options or RunOptions(), say=warner()) as stream:
        for block in stream.every_row([range(scan.n_samples)], plans.specs):
            source.refuse_bad(block)
            observer.advance(len(block.indices))
            if block.X is not None:
                parts.append(block.X)
    return np.concatenate(parts)


def warner() -> Callable[[str], None]:
    """Return what warns as it would have here: while images are decoded, warnings are not shown."""
    filters = list(warnings.filters)

    def warn(text: str) -> None:
        with warnings.catch_warnings():
            warnings.filters[:] = filters  # type: ignore[index]
            warnings.warn(text, stacklevel=2)

    return warn


class ImageItems:
    """Images in memory or on disk, as a source."""

    name, location = NAME, LOCATION
    understood = ""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = items
        self.left_out: dict[str, int] = {}

    def listing(self) -> Listing:
        """Return a listing in which ids count the images."""
        n = len(self.items)
        names = StringColumn.from_strings(map(str, range(n)))
        return Listing(names, np.full(n, NO_LABEL), np.full(n, NO_SPLIT, np.int8), None, ())

    def stamps(self) -> NDArray[np.int64]:
        """Return zeros: each image is read, and known by its bytes."""
        return np.zeros((len(self.items), 3), np.int64)

    def read(self, index: int) -> Raw:
        """Return one image as it lies there; raises OSError where it cannot be read."""
        item = self.items[index]
        return item if isinstance(item, np.ndarray) else Path(item).read_bytes()

    def refuse_bad(self, block: FeatureBlock) -> None:
        """Raise ImageError for the first image of ``block`` that cannot be read."""
        for index, reason in zip(block.indices.tolist(), block.reasons, strict=True):
            if reason:
                item = self.items[index]
                name = "an array" if isinstance(item, np.ndarray) else str(item)
                raise ImageError(f"{name}: {reason}")


def image_items(X: Any) -> Sequence[Any]:
    """Return the images of ``X`` one by one, arrays checked.

    Parameters
    ----------
    X : sequence of paths, or uint8 arrays
        Paths as text or ``Path``; arrays ``(n, h, w)`` or ``(n, h, w, 3)``, or a sequence of
        ``(h, w)`` or ``(h, w, 3)``.

    Raises
    ------
    SourceFormatError
        ``X`` holds neither paths nor uint8 images.
    """
    if isinstance(X, np.ndarray) and X.ndim == 2 and X.shape[1] == 1:
        X = X[:, 0]
    if isinstance(X, str | os.PathLike) or not hasattr(X, "__len__"):
        raise SourceFormatError("expected a sequence of images; for one image use [image]")
    items = [_item(item) for item in X]
    if not items:
        raise SourceFormatError("there are no images: X has 0 samples")
    return items


def _item(item: Any) -> Any:
    if isinstance(item, str | os.PathLike):
        return item
    array = np.asarray(item)
    is_image = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
    if array.dtype != np.uint8 or not is_image:
        raise SourceFormatError(
            f"an image is a path or a uint8 array (h, w) or (h, w, 3), got {array.dtype} "
            f"{array.shape}"
        )
    return array
