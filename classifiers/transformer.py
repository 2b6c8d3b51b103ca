"""FeatureExtractor: images to features as a scikit-learn transformer, each image once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..cache import DEFAULT_ROOT, FeatureStore
from ..cache.errors import CacheWriteError, ConfigError
from ..cache.records.run_record import TRANSFORM
from ..extractor import FeatureOptions, RunOptions
from ..extractor.images.pixel_range import AUTO
from ..extractor.pipeline.scan import scan_source
from ..extractor.pipeline.stream import FeatureBlock, FeatureStream
from ..extractor.pipeline.writer import ShardWriter, write_new_rows
from ..extractor.plan import CALIBRATED, Plan, make_plan
from ..extractor.precision.decide import decide
from ..extractor.precision.drift import MAX_DRIFT
from ..extractor.run_options import LogObserver, log
from .image_items import ImageItems, image_items, warner


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
        As in ``FeatureOptions``, with the same defaults, so that ``featx extract`` and a
        transformer share their rows; but the pixel range is ``full`` or ``LOW:HIGH``: a transformer
        sees its images in pieces, so it cannot look at all of them first.
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
        precision: str = AUTO,
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
        image_items(X)
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
        source, plan, store = ImageItems(image_items(X)), self._plan(), FeatureStore(self.cache)
        options = RunOptions(workers=self.workers, batch_size=self.batch_size)
        scan, warn = scan_source(source), warner()
        with scan.begin_run(TRANSFORM, store, plan.specs) as run:
            rows = np.full(scan.n_samples, -1, np.int64)
            # Repeated only if rows were deleted between their look-up and their naming.
            while (rows < 0).any():
                with FeatureStream(scan, [plan], store, options, say=warn) as stream:
                    writer = ShardWriter(store, run, stream)
                    write_new_rows(stream, writer, _watched(stream, source))
                scan.name_rows(run.count_on)
                shards = store.open_set(plan.spec)
                rows = shards.index.find(scan.digests)
            features: NDArray[Any] = np.array(shards.take(rows))
            self._n_features_out = features.shape[1]
            with suppress(CacheWriteError):
                run.finish()
        return features

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return names of the features, ``(n_features,)``: ``featureextractor0`` and so on.

        ``set_output(transform="pandas")`` takes them as the names of its columns.

        Parameters
        ----------
        input_features : ignored
            Images have no names.

        Raises
        ------
        ConfigError
            The number of features is not known before the first image: call ``transform`` first.
        """
        n_features = getattr(self, "_n_features_out", None)
        if n_features is None:
            record = (plan := self._plan()).record
            if (plan.spec.layer, plan.spec.pool) != (record.layer, record.pool):
                raise ConfigError(
                    f"how many features {plan.spec.layer!r} gives is not known before an image was "
                    "transformed: call transform first"
                )
            n_features = record.n_features
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{column}" for column in range(n_features)], object)

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
        plan = make_plan(
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
        if not plan.is_open:
            return plan
        return plan.with_precision(*decide(plan, AUTO, MAX_DRIFT, log), rule=CALIBRATED)


def _watched(stream: FeatureStream, source: ImageItems) -> Callable[[FeatureBlock], None]:
    """Return what refuses unreadable images, and shows the progress in a notebook."""
    observer, n_todo = LogObserver(), int(stream.pending.must_read.sum())
    if n_todo:
        observer.begin(n_todo, f"{stream.specs[0].backbone}: extracting")

    def watch(block: FeatureBlock) -> None:
        source.refuse_bad(block)
        observer.advance(len(block.indices))

    return watch
