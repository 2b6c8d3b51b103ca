"""FeatureSet: one Manifest under one FeatureSpec, read lazily."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import CacheError, ConfigError
from .format.facts import Shown, shortened
from .format.strings import StringColumn
from .layout import Layout
from .manifest import NO_LABEL, NO_SPLIT, SPLITS, Manifest
from .shards.set_index import open_set
from .shards.shardset import ShardSet
from .spec import FeatureSpec
from .suggest import did_you_mean

BLOCK_ROWS = 4096
Splitter = Callable[["FeatureSet", int], Mapping[str, NDArray[np.int64]]]
# With one block ahead the reading thread stands still whenever both it and its user finish at once.
BLOCKS_AHEAD = 2


class FeatureMatrix:
    """A read-only matrix of features that is read from the cache as it is indexed.

    It has ``shape``, ``dtype`` and ``len``, takes integers, slices, index arrays and masks of rows,
    and becomes an ndarray through ``numpy.asarray``.
    """

    def __init__(self, shards: ShardSet, positions: NDArray[np.int64]) -> None:
        self._shards = shards
        self._positions = positions

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_samples, n_features)``."""
        return len(self._positions), self._shards.n_features

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number format of the stored rows."""
        return np.dtype(self._shards.spec.storage)

    @property
    def ndim(self) -> int:
        """Always 2."""
        return 2

    def __len__(self) -> int:
        return len(self._positions)

    def __repr__(self) -> str:
        n_samples = len(self)
        width = f"{self.shape[1]:,}" if self._shards.shards else "?"
        return f"FeatureMatrix({n_samples:,} samples × {width} features, {self.dtype}, on disk)"

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        if isinstance(rows, int | np.integer):
            row: NDArray[Any] = self._shards.take(self._positions[int(rows)].reshape(1))[0]
            return row
        return self._shards.take(self._positions[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self[:], dtype=dtype) if copy else np.asarray(self[:], dtype=dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle where the rows lie in the cache, and not the rows."""
        return _reopened, (self._shards.address, self._shards.digests_at(self._positions))

    def select(self, rows: NDArray[np.int64]) -> FeatureMatrix:
        """Return some rows as a matrix that is read as it is indexed."""
        return FeatureMatrix(self._shards, self._positions[rows])

    def window(self, start: int, stop: int) -> FeatureMatrix:
        """Return the rows from ``start`` to ``stop`` as a matrix that is read as it is indexed."""
        return FeatureMatrix(self._shards, self._positions[start:stop])

    def blocks(self, n_rows: int = BLOCK_ROWS) -> Iterator[NDArray[Any]]:
        """Iterate over the rows in blocks of at most ``n_rows``, in order.

        While one block is used, a thread reads and checks the next two. Neighbouring rows of one
        uncompressed shard are mapped; all others take up to four blocks of memory.
        """
        cuts = self._shards.cuts(self._positions, n_rows)
        coming: deque[Future[NDArray[Any]]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="featx-read") as reader:
            for start, stop in pairwise(cuts):
                coming.append(reader.submit(self.__getitem__, slice(start, stop)))
                if len(coming) > BLOCKS_AHEAD:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()


def _reopened(address: tuple[Path, FeatureSpec], digests: NDArray[np.uint8]) -> FeatureMatrix:
    """Open the rows of some images in another process."""
    shards = open_set(*address, digests)
    positions = shards.index.find(digests)
    if (positions < 0).any():
        raise CacheError(
            f"{address[0]} lacks rows that were there when the work was handed out. Every machine "
            "needs the cache under the same path; run the command again"
        )
    return FeatureMatrix(shards, positions)


class FeatureSet(Shown):
    """The features of a source's samples, in the manifest's order.

    Samples without a row (unreadable images, or an extraction that was cut short) are left out of
    every column alike, and counted in ``n_missing``.

    Attributes
    ----------
    manifest : Manifest
    spec : FeatureSpec
    X : FeatureMatrix, shape (n_samples, n_features)
    y : ndarray of int64, shape (n_samples,)
        -1 where a sample has no label.
    splits : ndarray of int8, shape (n_samples,)
        Index into ``SPLITS``, or -1.
    kept : ndarray of int64, shape (n_samples,)
        Each row's index in the manifest.
    splitter : callable or None
        Returns the rows of each split for a seed; None knows what the source gives only.
    layout : Layout or None
        The cache that keeps which split each sample was assigned to; None keeps nothing.
    """

    def __init__(self, manifest: Manifest, shards: ShardSet, layout: Layout | None = None) -> None:
        self.layout = layout
        rows = shards.index.find(manifest.digests)
        self.manifest, self._shards = manifest, shards
        self.spec: FeatureSpec = shards.spec
        self.kept: NDArray[np.int64] = np.flatnonzero(rows >= 0)
        if len(self.kept) < len(rows):
            rows = rows[self.kept]
        self.X = FeatureMatrix(shards, rows)
        self.y: NDArray[np.int64] = manifest.labels[self.kept]
        self.splits: NDArray[np.int8] = manifest.listing.splits[self.kept]
        self.n_missing = len(manifest) - len(self.kept)
        self.damaged = list(shards.damaged)
        self.splitter: Splitter | None = None

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, rows: Any) -> FeatureSet:
        """Return some rows as a FeatureSet of their own.

        Parameters
        ----------
        rows : slice, index array or mask, of the rows of ``X``
        """
        index = np.arange(len(self))[rows]
        if index.ndim != 1:
            raise ConfigError(f"expected a slice, a mask or an array of rows, got {rows!r}")
        subset = self.of_samples(self.kept[index])
        subset.splitter = None  # a part of a source is not split like the whole
        return subset

    def split(self, name: str, seed: int = 0) -> FeatureSet:
        """Return the labelled rows of one split, as ``featx fit`` takes them.

        Parameters
        ----------
        name : str
            ``train``, ``val`` or ``test``.
        seed : int
            Of the split, where the source gives none; that of ``featx fit`` is 0.

        Returns
        -------
        FeatureSet
            Rows that stand in two splits (equal images, one group) are left out, as in ``fit``.

        Raises
        ------
        ConfigError
            No such split.
        TrainingDataError
            There are no labels.
        """
        if name not in SPLITS:
            raise ConfigError(f"unknown split {name!r}. {did_you_mean(name, SPLITS)}")
        if self.splitter is None:
            return self[self.in_split(name)]
        return self[self.splitter(self, seed)[name]]

    def to_numpy(self, dtype: Any = None) -> NDArray[Any]:
        """Return all features in memory, ``(n_samples, n_features)``.

        Parameters
        ----------
        dtype : dtype, optional
            By default that of the stored rows: float32 or float16.
        """
        return np.array(self.X[:], dtype=dtype)

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame`` in memory, one row a sample, indexed by ``sample_id``.

        Its columns are ``label`` (a categorical of the class names), ``split`` (a categorical of
        what the source gives), ``group`` where there are groups, then ``x0``, ``x1``, … for the
        features. A sample without a label or split has a missing value there.

        Raises
        ------
        ConfigError
            pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ConfigError("to_pandas needs pandas: pip install pandas") from error
        index = pandas.Index(self.sample_ids.to_numpy(), name="sample_id")
        facts = {
            "label": pandas.Categorical.from_codes(self.y, list(self.class_names)),
            "split": pandas.Categorical.from_codes(self.splits, list(SPLITS)),
        }
        groups = self.manifest.listing.groups
        if groups is not None:
            facts["group"] = groups.take(self.kept).to_numpy()
        X = self.to_numpy()
        names = [f"x{column}" for column in range(X.shape[1])]
        columns = pandas.DataFrame(X, index=index, columns=names)
        return pandas.concat([pandas.DataFrame(facts, index=index), columns], axis=1)

    def _title(self) -> str:
        return f"FeatureSet {self.name}"

    def _facts(self) -> dict[str, str]:
        spec, names = self.spec, self.class_names
        counts = [(int(self.in_split(split).sum()), split) for split in SPLITS]
        given = ", ".join(f"{n:,} {split}" for n, split in counts if n)
        missing = f", {self.n_missing:,} samples without" if self.n_missing else ""
        size = "×".join(map(str, spec.image_size))
        return {
            "X": f"{self.X!r}{missing}",
            "y": f"{len(names)} classes: {shortened(names)}" if names else "no labels",
            "splits": given or "none given by the source",
            "made by": f"{spec.backbone}, {spec.layer}, {spec.pool}, {size}, {spec.precision}",
            "source": self.manifest.location,
        }

    def of_samples(self, rows: NDArray[np.int64]) -> FeatureSet:
        """Return the features of the samples at ``rows`` of the manifest, in that order."""
        return FeatureSet(self.manifest.take(rows), self._shards, self.layout)

    @property
    def digests(self) -> NDArray[np.uint8]:
        """Digests of the images, ``(n_samples, 32)``."""
        digests: NDArray[np.uint8] = self.manifest.digests[self.kept]
        return digests

    @property
    def sample_ids(self) -> StringColumn:
        """Ids of the samples that have a row, in order."""
        if not self.n_missing:
            return self.manifest.sample_ids
        return self.manifest.sample_ids.take(self.kept)

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """How much each sample counts in training, ``(n_samples,)``; None where all count alike."""
        weights = self.manifest.listing.weights
        return None if weights is None else weights[self.kept]

    def relabelled(
        self,
        splits: NDArray[np.int8] | None = None,
        weights: NDArray[np.float64] | None = None,
    ) -> FeatureSet:
        """Return the same features with other splits or weights than the source gives.

        Parameters
        ----------
        splits : ndarray of int8, shape (n_samples,), optional
            Index into ``SPLITS``; rows of -1 lose their label, so that nothing learns from them.
        weights : ndarray of float64, shape (n_samples,), optional
        """
        listing = self.manifest.listing
        if splits is not None:
            codes, labels = listing.splits.copy(), listing.labels.copy()
            codes[self.kept] = splits
            labels[self.kept[splits == NO_SPLIT]] = NO_LABEL
            listing = replace(listing, splits=codes, labels=labels)
        if weights is not None:
            column = np.ones(len(listing))
            column[self.kept] = weights
            listing = replace(listing, weights=column)
        # What is drawn beside a split of somebody's own is not kept as the source's split.
        layout = self.layout if splits is None else None
        return FeatureSet(replace(self.manifest, listing=listing), self._shards, layout)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order that ``y`` counts."""
        return self.manifest.class_names

    @property
    def name(self) -> str:
        """``manifest@fingerprint``, which names this view on the command line."""
        return f"{self.manifest.name}@{self.spec.fingerprint[:12]}"

    def in_split(self, split: str) -> NDArray[np.bool_]:
        """Return the mask of the labelled samples of one split, bool ``(n_samples,)``."""
        mask: NDArray[np.bool_] = (self.splits == SPLITS.index(split)) & (self.y >= 0)
        return mask
