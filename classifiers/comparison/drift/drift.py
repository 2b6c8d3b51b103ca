"""SourceDrift: whether a source's images are like those that a model was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....cache import FeatureSet
from ....cache.errors import ConfigError
from ...models.model import Model
from ...models.novelty import MOST_ROWS, why_without_novelty
from ...models.split_rows import TRAIN
from .two_sample import two_sample_test

ALPHA = 0.05
MAX_AUC = 0.65
"""An area above which a difference matters: it tells 65 of 100 pairs apart, 15 more than chance."""
RATE = 0.01
FEWEST_ROWS = 20


@dataclass(frozen=True)
class SourceDrift:
    """How far the images of a source are from those that a model was trained on.

    Attributes
    ----------
    features : str
    n_rows, n_compared, n_reference : int
        Rows of the source; those that were compared, and with how many training rows.
    n_trained_on : int
        Rows of the source that the model was trained on: they are not compared.
    auc : float
        In what share of pairs, a new image and a training image, a classifier tells them apart; 0.5
        is chance. The size of the difference, whatever the number of images.
    p_value : float
        Of "both come from one distribution", by permutations.
    max_auc : float
    unlike : float
        Share of the compared images that are unlike the training images.
    unlike_rate : float
        What share would be expected of images like them, at most.
    drifted : bool
        The p value is at most 0.05, and the area above ``max_auc``.
    """

    features: str
    n_rows: int
    n_compared: int
    n_reference: int
    n_trained_on: int
    auc: float
    p_value: float
    max_auc: float
    unlike: float
    unlike_rate: float
    drifted: bool

    @property
    def sentence(self) -> str:
        """What came of it, in plain words."""
        pairs = (
            f"a classifier tells a new image from a training image in {self.auc:.0%} of pairs "
            f"(chance: 50%; p = {self.p_value:.2g})"
        )
        if self.p_value > ALPHA:
            return f"Nothing shows that these images differ from the training images: {pairs}."
        if not self.drifted:
            return f"These images differ from the training images, but little: {pairs}."
        return f"These images differ from the training images: {pairs}."


def measure_drift(model: Model, features: FeatureSet, max_auc: float = MAX_AUC) -> SourceDrift:
    """Compare the rows of ``features`` with training rows of ``model``.

    Up to 1,000 rows of each are compared; rows that the model was trained on are left out. Another
    mix of classes is a difference, too.

    Parameters
    ----------
    model : Model
    features : FeatureSet
        Made as those of the model.
    max_auc : float
        The area under the ROC curve above which a difference counts as drift.

    Raises
    ------
    ConfigError
        The model file does not hold training rows, or there are fewer than 20 new rows.
    """
    model.check_spec(features.spec)
    novelty = model.novelty
    if novelty is None:
        raise ConfigError(why_without_novelty(model.head_name))
    rows = np.arange(len(features))
    if model.rows is not None:
        rows = rows[model.rows.find(features.digests) != TRAIN]
    if len(rows) < FEWEST_ROWS:
        raise ConfigError(
            f"{len(rows)} of the {len(features):,} images are none that the model was trained on: "
            f"drift is measured on {FEWEST_ROWS} new images or more"
        )
    chosen = np.sort(np.random.default_rng(0).permutation(rows)[:MOST_ROWS])
    X = np.asarray(features.X[chosen], np.float32)
    reference = _described(novelty.rows.astype(np.float64), novelty.lengths)
    tested = two_sample_test(reference, _described(*novelty.project(X)))
    rate = max(RATE, novelty.least_rate)
    return SourceDrift(
        features=features.name,
        n_rows=len(features),
        n_compared=len(chosen),
        n_reference=len(novelty.rows),
        n_trained_on=len(features) - len(rows),
        auc=tested.auc,
        p_value=tested.p_value,
        max_auc=max_auc,
        unlike=float(novelty.flag(X, rate).mean()),
        unlike_rate=rate,
        drifted=tested.p_value <= ALPHA and tested.auc > max_auc,
    )


def _described(rows: NDArray[np.floating], lengths: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return projected rows beside the logarithm of their lengths."""
    return np.column_stack([rows, np.log(lengths)]).astype(np.float64)
