"""The rows of cached features that are nearest to an image, exactly, in one pass over them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import NO_LABEL, FeatureSet
from ...cache.errors import ConfigError, FeatureMismatchError, SourceNotFoundError
from ...extractor.engines import run_rows
from ...extractor.images.decode import decode, strict_images
from ...extractor.plan import plan_for
from ...extractor.sources import open_source


@dataclass(frozen=True)
class Neighbour:
    """An image that is near.

    Attributes
    ----------
    sample_id : str
    similarity : float
        The cosine of the angle between the features: 1 for equal directions.
    label : str
        Empty where it has none.
    row : int
        Its row in the features.
    """

    sample_id: str
    similarity: float
    label: str
    row: int


def find_similar(
    features: FeatureSet, image: str, top: int = 20, *, weights: str = "imagenet"
) -> list[Neighbour]:
    """Return the images of a set that are nearest to one, the nearest first.

    Parameters
    ----------
    features : FeatureSet
    image : str
        An image file, whose features are computed as those of the set were, or an id of the set,
        which is then left out of the answer.
    top : int
        How many.
    weights : str
        Where this machine has the backbone's weights.

    Raises
    ------
    SourceNotFoundError
        There is neither such a file nor such an id.
    FeatureMismatchError
        This machine's backbone is not the one of the features.
    ConfigError
        ``top`` is less than 1.
    """
    if top < 1:
        raise ConfigError(f"--top counts from 1, got {top}")
    row = query_row(features, image)
    is_known = row >= 0
    query = features.X[row] if is_known else _features_of(features, image, weights)
    similarities, rows = _nearest(features, query.astype(np.float32), top + is_known)
    pairs = zip(similarities.tolist(), rows.tolist(), strict=True)
    others = [(r, similarity) for similarity, r in pairs if r != row][:top]
    ids = features.sample_ids
    return [Neighbour(ids[r], similarity, label_of(features, r), r) for r, similarity in others]


def query_row(features: FeatureSet, image: str) -> int:
    """Return the row of an id; -1 for an image file, which goes first where both are there.

    Raises
    ------
    SourceNotFoundError
        There is neither such a file nor such an id.
    """
    if Path(image).is_file():
        return -1
    row = features.sample_ids.find(image)
    if row < 0:
        raise SourceNotFoundError(
            f"{image} is neither an image file nor an id of {features.manifest.name}. Its ids are "
            f"such as {features.sample_ids[0]}"
        )
    return row


def _features_of(features: FeatureSet, image: str, weights: str) -> NDArray[np.float32]:
    plan = plan_for(features.spec, weights)
    if plan.spec != features.spec:
        raise FeatureMismatchError(
            "the features were made with other weights than this machine has of "
            f"{features.spec.backbone}: name theirs with --weights"
        )
    with strict_images():
        (pixels,) = decode(open_source(image).read(0), [plan.geometry])
    (X,) = run_rows(plan.build_engine(1), pixels[np.newaxis])
    stored: NDArray[Any] = X[0].astype(features.spec.storage)
    return stored.astype(np.float32)


def _nearest(
    features: FeatureSet, query: NDArray[np.float32], top: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the largest cosines and their rows; equal ones in the order of the rows."""
    unit = query / (float(np.linalg.norm(query)) or 1.0)
    best = np.empty(0, np.float32)
    rows = np.empty(0, np.int64)
    start = 0
    for block in features.X.blocks():
        X = np.asarray(block, np.float32)
        lengths = np.sqrt(np.einsum("ij,ij->i", X, X))
        lengths[lengths == 0] = 1
        # One vector is bound by memory: a BLAS' threads only wait for each other.
        cosines = np.einsum("ij,j->i", X, unit) / lengths
        kept = np.flatnonzero(cosines >= best[-1]) if len(best) == top else np.arange(len(X))
        best, rows = np.concatenate([best, cosines[kept]]), np.concatenate([rows, kept + start])
        order = np.argsort(-best, kind="stable")[:top]
        best, rows = best[order], rows[order]
        start += len(X)
    return best, rows


def label_of(features: FeatureSet, row: int) -> str:
    """Return a row's label; empty where it has none."""
    code = int(features.y[row])
    return "" if code == NO_LABEL else features.class_names[code]
