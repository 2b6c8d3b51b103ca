"""Random views of training images: those that the cache has, beside the images themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ....cache import AnySpec, FeatureSet, FeatureStore, joined
from ....cache.errors import ConfigError, FeaturesNotFoundError
from ....cache.views import DrawnViews
from ....extractor.extract_command import extract_command
from ....extractor.views.view import ALL_OPS, parse_ops


def with_views(
    features: FeatureSet,
    store: FeatureStore,
    n_views: int,
    ops: str | None = None,
    seed: int | None = None,
) -> FeatureSet:
    """Return features with random views of their images, which the cache has.

    Parameters
    ----------
    features : FeatureSet
    store : FeatureStore
    n_views : int
        With the image itself; 1 takes no views.
    ops, seed : str and int, optional
        How the views were drawn; by default as the newest ones of which there are enough.

    Raises
    ------
    ConfigError
        The number is below 1, or ``ops`` names something else.
    FeaturesNotFoundError
        The cache has too few such views; the message says which command makes them.
    """
    if n_views < 1:
        raise ConfigError(f"views counts from 1, the image itself; got {n_views}")
    if n_views == 1:
        return features.with_views(()) if features.views else features
    wanted = None if ops is None else ",".join(parse_ops(ops))

    def chosen(n_least: int) -> DrawnViews | None:
        kinds = _kinds(features.spec, store, n_least)
        return next((k for k in kinds if wanted in (None, k.ops) and seed in (None, k.seed)), None)

    if kind := chosen(n_views):
        specs = _view_specs(features.spec, kind)
        return features.with_views([store.open_spec(s, features.digests) for s in specs])
    # Of a kind that is there, only what is missing is computed.
    asked = replace(chosen(2) or DrawnViews(2, wanted or ALL_OPS, seed or 0), n=n_views)
    raise FeaturesNotFoundError(
        f"the cache {store.root} does not have {asked.n} views of the images of {features.name}"
        f"{'' if wanted is None else f' by {wanted}'}: {views_command(features, asked)} "
        "computes what is missing"
    )


def check_views(features: FeatureSet, rows: NDArray[np.int64], what: str) -> None:
    """Check that every view of some rows of ``features`` is there.

    Parameters
    ----------
    features : FeatureSet
    rows : ndarray of int64
    what : str
        The images in these rows, for the message.

    Raises
    ------
    FeaturesNotFoundError
        The cache lacks a view of one of them; the message says which command makes it.
    """
    for number, matrix in enumerate(features.views, 1):
        n_lacking = len(matrix.lacking(rows))
        if n_lacking:
            raise FeaturesNotFoundError(
                f"{n_lacking:,} of {len(rows):,} {what} of {features.name} have no view {number} "
                f"in the cache: {views_command(features, features.views_taken)} computes what is "
                "missing"
            )


def views_command(features: FeatureSet, views: DrawnViews) -> str:
    """Return the commands that extract views of images, one for each set that is joined."""
    location, options = features.manifest.location, view_options(views)
    commands = [extract_command(location, part, options) for part in features.spec.parts]
    return " and ".join(f"`{command}`" for command in commands)


def view_options(views: DrawnViews) -> list[str]:
    """Return the options of commands that ask for views; none where there are no views."""
    if views.n == 1:
        return []
    options = ["--views", str(views.n), "--view-ops", views.ops]
    return [*options, "--views-seed", str(views.seed)] if views.seed else options


def _kinds(spec: AnySpec, store: FeatureStore, n_views: int) -> Iterator[DrawnViews]:
    """Yield the kinds of views that the cache has enough of for each set, newest first."""
    stored = [one.spec for one in store.list_features() if one.spec.view]
    there = {one.fingerprint for one in stored}
    originals = set(spec.parts)
    of_spec = [one for one in stored if one.original in originals]
    for ops, seed in dict.fromkeys((one.view_ops, one.views_seed) for one in of_spec):
        kind = DrawnViews(n_views, ops, seed)
        parts = [part for view in _view_specs(spec, kind) for part in view.parts]
        if all(part.fingerprint in there for part in parts):
            yield kind


def _view_specs(spec: AnySpec, views: DrawnViews) -> list[AnySpec]:
    """Return the specs of all views of the features of ``spec``, in the order of their numbers."""
    parts = zip(*map(views.specs_of, spec.parts), strict=True)
    return [joined(several) for several in parts][1:]
