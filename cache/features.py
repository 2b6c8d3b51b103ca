"""FeatureSet: one Manifest under one FeatureSpec, or several side by side, read lazily."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError, FeaturesNotFoundError
from .format.facts import Shown, shortened
from .format.strings import StringColumn
from .joined.feature_matrix import AnyShards, FeatureMatrix, join_shards
from .joined.joined_shards import JoinedShards
from .joined.joined_spec import AnySpec
from .layout import Layout
from .manifest import NO_LABEL, NO_SPLIT, SPLITS, Manifest
from .suggest import did_you_mean
from .views import DrawnViews

Splitter = Callable[["FeatureSet", int], Mapping[str, NDArray[np.int64]]]


class FeatureSet(Shown):
    """The features of a source's samples, in the manifest's order.

    Samples without a row (unreadable images, or an extraction that was cut short) are left out of
    every column alike, and counted in ``n_missing``.

    Attributes
    ----------
    manifest : Manifest
    spec : FeatureSpec or JoinedSpec
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
    views : tuple of FeatureMatrix, each of shape (n_samples, n_features)
        Random views of the same images in the same order, which heads learn from beside ``X``; see
        ``with_views``.

    Notes
    -----
    ``a + b`` are the features of ``a`` with those of ``b`` beside them: the samples, labels and
    splits of ``a``, without those whose image ``b`` has no row of. Nothing is copied on disk.
    """

    def __init__(
        self,
        manifest: Manifest,
        shards: AnyShards,
        layout: Layout | None = None,
        views: Sequence[AnyShards] = (),
    ) -> None:
        self.layout = layout
        rows = shards.index.find(manifest.digests)
        self.manifest, self._shards, self._views = manifest, shards, tuple(views)
        self.spec: AnySpec = shards.spec
        self.kept: NDArray[np.int64] = np.flatnonzero(rows >= 0)
        if len(self.kept) < len(rows):
            rows = rows[self.kept]
        self.X = FeatureMatrix(shards, rows)
        self.views = tuple(FeatureMatrix(v, v.index.find(self.digests)) for v in self._views)
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

    def __add__(self, other: FeatureSet) -> FeatureSet:
        """Return these features with those of ``other`` beside them; rows match by digest.

        Raises
        ------
        ConfigError
            Both hold one set, or together too many; or one has more views than the other.
        FeaturesNotFoundError
            They share no image.
        """
        if not isinstance(other, FeatureSet):
            return NotImplemented
        if len(self.views) != len(other.views):
            raise ConfigError(
                f"features with {1 + len(self.views)} and {1 + len(other.views)} views of each "
                "image cannot be joined: take as many of both"
            )
        views = [join_shards(*pair) for pair in zip(self._views, other._views, strict=True)]
        shards = join_shards(self._shards, other._shards)
        joined = FeatureSet(self.manifest, shards, self.layout, views)
        joined.splitter = self.splitter
        joined.check_shared()
        return joined

    def check_shared(self) -> None:
        """Refuse joined features without a row.

        Raises
        ------
        FeaturesNotFoundError
            Names the sets.
        """
        if not len(self) and len(self.manifest):
            raise FeaturesNotFoundError(
                f"the sets {self.spec.digits.replace('+', ' and ')} share no image of "
                f"{self.manifest.name}: extract them from one source to join them"
            )

    def join_note(self) -> str:
        """Say which samples are left out because a set that is joined lacks their image.

        Empty where none is: rows that no set has are missing as in any features.
        """
        if not isinstance(self._shards, JoinedShards) or not self.n_missing:
            return ""
        has_row = [one.index.find(self.manifest.digests) >= 0 for one in self._shards.sets]
        in_some = np.logical_or.reduce(has_row)
        parts = []
        for one, has in zip(self._shards.sets, has_row, strict=True):
            lacking = np.flatnonzero(in_some & ~has)
            if len(lacking):
                first = self.manifest.sample_ids[int(lacking[0])]
                parts.append(f"{len(lacking):,} by {one.spec.digits} (the first is {first})")
        if not parts:
            return ""
        n_out = int((in_some & ~np.logical_and.reduce(has_row)).sum())
        return (
            f"{n_out:,} image{'s are' if n_out > 1 else ' is'} left out, which a set that is "
            f"joined lacks: {', '.join(parts)}. `featx extract` with its options computes them"
        )

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
        return {
            "X": f"{self.X!r}{missing}",
            "y": f"{len(names)} classes: {shortened(names)}" if names else "no labels",
            "splits": given or "none given by the source",
            "made by": spec.describe(),
            **({"learned from": self.views_taken.describe()} if self.views else {}),
            "source": self.manifest.location,
        }

    def of_samples(self, rows: NDArray[np.int64]) -> FeatureSet:
        """Return the features of the samples at ``rows`` of the manifest, in that order."""
        return FeatureSet(self.manifest.take(rows), self._shards, self.layout, self._views)

    def with_views(self, views: Sequence[AnyShards]) -> FeatureSet:
        """Return the same features with random views of the images, which are learned from, too.

        Parameters
        ----------
        views : sequence of ShardSet or JoinedShards
            One set for each view. A row that a set lacks is missed only where it is learned from.
        """
        viewed = FeatureSet(self.manifest, self._shards, self.layout, views)
        viewed.splitter = self.splitter
        return viewed

    @property
    def views_taken(self) -> DrawnViews:
        """How many views of each image are learned from, and how they were drawn."""
        return DrawnViews.of([shards.spec for shards in self._views])

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
        manifest = replace(self.manifest, listing=listing)
        return FeatureSet(manifest, self._shards, layout, self._views)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order that ``y`` counts."""
        return self.manifest.class_names

    @property
    def name(self) -> str:
        """``manifest@fingerprint``, which names this view on the command line."""
        return f"{self.manifest.name}@{self.spec.digits}"

    def in_split(self, split: str) -> NDArray[np.bool_]:
        """Return the mask of the labelled samples of one split, bool ``(n_samples,)``."""
        mask: NDArray[np.bool_] = (self.splits == SPLITS.index(split)) & (self.y >= 0)
        return mask
