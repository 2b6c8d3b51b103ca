"""The cached images that are nearest to one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ...cache import NO_LABEL, FeatureSet
from ...cache.errors import ConfigError, SourceNotFoundError
from ...extractor.machine.hardware import n_usable_cores
from .cosines import nearest_rows


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
    n_threads = n_usable_cores()
    similarities, rows = nearest_rows(features.X, query, top + is_known, n_threads)
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


def _features_of(features: FeatureSet, image: str, weights: str) -> NDArray[Any]:
    from .query import features_of_image  # it needs an engine, which an id does not

    return features_of_image(features, image, weights)


def label_of(features: FeatureSet, row: int) -> str:
    """Return a row's label; empty where it has none."""
    code = int(features.y[row])
    return "" if code == NO_LABEL else features.class_names[code]
