"""FeatureExtractor: images to features as a scikit-learn transformer, each image once."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..cache import (
    DEFAULT_ROOT,
    NO_LABEL,
    NO_SPLIT,
    FeatureStore,
    Listing,
    StringColumn,
)
from ..cache.errors import CacheWriteError, ConfigError, ImageError, SourceFormatError
from ..cache.records.run_record import TRANSFORM
from ..extractor import FeatureOptions, RunOptions
from ..extractor.images.pixel_range import AUTO
from ..extractor.pipeline.scan import scan_source
from ..extractor.pipeline.stream import FeatureBlock, FeatureStream
from ..extractor.pipeline.writer import ShardWriter, write_new_rows
from ..extractor.plan import Plan, make_plan
from ..extractor.sources import Raw

NAME, LOCATION = "transformer", "a FeatureExtractor"


class FeatureExtractor(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns images into the features of a frozen backbone.

    The features are kept in featx' cache under the digest of each image's bytes: in a pipeline,
    ``cross_val_score`` and ``GridSearchCV`` ask for the same images again and again, and the
    backbone sees each of them once.

    Parameters
    ----------
    backbone : str
    weights : str
        ``imagenet``, ``random:SEED``, or the path of a weights file.
    layer, pool, image_size, resize, precision, pixel_range
        As in ``FeatureOptions``. The pixel range is ``full`` or ``LOW:HIGH``: a transformer sees
        its images in pieces, so it cannot look at all of them first.
    cache : path
        Folder of the cache.
    batch_size, workers : int
        As in ``RunOptions``: 0 stands for what suits the machine.

    Attributes
    ----------
    spec_ : FeatureSpec
        All that decides the features.
    """

    def __init__(
        self,
        backbone: str = "efficientnet_lite0",
        *,
        weights: str = "imagenet",
        layer: str | None = None,
        pool: str | None = None,
        image_size: int | None = None,
        resize: str = "squash",
        precision: str = "float32",
        pixel_range: str = "full",
        cache: str | Path = str(DEFAULT_ROOT),
        batch_size: int = 0,
        workers: int = 0,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.layer = layer
        self.pool = pool
        self.image_size = image_size
        self.resize = resize
        self.precision = precision
        self.pixel_range = pixel_range
        self.cache = cache
        self.batch_size = batch_size
        self.workers = workers

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters; nothing is learned, and no image is opened.

        Raises
        ------
        BackboneError, ConfigError
            A parameter names something that does not exist.
        """
        _items(X)
        self.spec_ = self._plan().spec
        return self

    def transform(self, X: Any) -> NDArray[Any]:
        """Return the features of each image.

        Parameters
        ----------
        X : sequence of paths, or uint8 arrays
            Paths as text or ``Path``; arrays ``(n, h, w)`` or ``(n, h, w, 3)``, or a sequence of
            ``(h, w)`` or ``(h, w, 3)``.

        Returns
        -------
        ndarray of float32, shape (n, n_features)

        Raises
        ------
        ImageError
            An image cannot be read; the message names the first.
        SourceFormatError
            ``X`` holds neither paths nor uint8 images.
        """
        check_is_fitted(self)
        source, plan, store = _Items(_items(X)), self._plan(), FeatureStore(self.cache)
        options = RunOptions(workers=self.workers, batch_size=self.batch_size)
        scan, warn = scan_source(source), _warner()
        with scan.begin_run(TRANSFORM, store, plan.specs) as run:
            rows = np.full(scan.n_samples, -1, np.int64)
            # Repeated only if rows were deleted between their look-up and their naming.
            while (rows < 0).any():
                with FeatureStream(scan, [plan], store, options, say=warn) as stream:
                    write_new_rows(stream, ShardWriter(store, run, stream), source.refuse_bad)
                scan.name_rows(run.count_on)
                shards = store.open_set(plan.spec)
                rows = shards.index.find(scan.digests)
            features: NDArray[Any] = np.array(shards.take(rows))
            with suppress(CacheWriteError):
                run.finish()
        return features

    def __sklearn_tags__(self) -> Any:
        """Say that the input is paths or images, not a table of numbers."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        tags.requires_fit = False
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        """Nothing is learned: a transformer that was never fitted works as well."""
        return True

    def _plan(self) -> Plan:
        if self.pixel_range == AUTO:
            raise ConfigError("a transformer takes the pixel range full or LOW:HIGH, not auto")
        return make_plan(
            FeatureOptions(
                backbone=self.backbone,
                weights=self.weights,
                layer=self.layer,
                pool=self.pool,
                image_size=self.image_size,
                resize=self.resize,
                precision=self.precision,
                pixel_range=self.pixel_range,
            )
        )


def _warner() -> Callable[[str], None]:
    """Return what warns as it would have here: while images are decoded, warnings are not shown."""
    filters = list(warnings.filters)

    def warn(text: str) -> None:
        with warnings.catch_warnings():
            warnings.filters[:] = filters  # type: ignore[index]
            warnings.warn(text, stacklevel=2)

    return warn


class _Items:
    """Images in memory or on disk, as a source."""

    name, location = NAME, LOCATION
    understood = ""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = items
        self.left_out: dict[str, int] = {}

    def listing(self) -> Listing:
        n = len(self.items)
        names = StringColumn.from_strings(map(str, range(n)))
        return Listing(names, np.full(n, NO_LABEL), np.full(n, NO_SPLIT, np.int8), None, ())

    def stamps(self) -> NDArray[np.int64]:
        return np.zeros((len(self.items), 3), np.int64)

    def read(self, index: int) -> Raw:
        item = self.items[index]
        return item if isinstance(item, np.ndarray) else Path(item).read_bytes()

    def refuse_bad(self, block: FeatureBlock) -> None:
        """Raise ImageError for the first image of ``block`` that cannot be read."""
        for index, reason in zip(block.indices.tolist(), block.reasons, strict=True):
            if reason:
                item = self.items[index]
                name = "an array" if isinstance(item, np.ndarray) else str(item)
                raise ImageError(f"{name}: {reason}")


def _items(X: Any) -> Sequence[Any]:
    """Return the images of ``X`` one by one, arrays checked."""
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
