"""Study: all that was measured on a source, and the models that a report draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache import FeatureSet, Scores
from ....cache.views import NO_VIEWS, DrawnViews
from ...selection.metrics import always, cautions, find_metric
from ...selection.splitting.splits import Split
from .charts.performance import Judged


@dataclass(frozen=True)
class StudyModel:
    """One line of the leaderboard.

    Attributes
    ----------
    id : str
        Of the result, or the path of a model file.
    head, params : str
    features : str
        ``manifest@fingerprint``.
    backbone : str
    scores : mapping of str to Scores
        By split.
    fit_seconds : float
    model_bytes : int
    predict_rate : float
    history : mapping of str to list of float
    style : int
        Of its lines in all charts; -1 where it is not drawn.
    all_params : mapping
        All parameters of the head.
    views : DrawnViews
        Of training images, which the head learned from.
    """

    id: str
    head: str
    params: str
    features: str
    backbone: str
    scores: Mapping[str, Scores]
    fit_seconds: float = 0.0
    model_bytes: int = 0
    predict_rate: float = 0.0
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)
    style: int = -1
    all_params: Mapping[str, Any] = field(default_factory=dict)
    views: DrawnViews = NO_VIEWS

    @property
    def setup(self) -> str:
        """The parameters and the views that the head learned from, for people."""
        return " ".join(filter(None, (self.params, self.views.describe())))

    def value(self, metric: str, split: str) -> float | None:
        """Return a metric on a split; None where it was not measured or is undefined."""
        scores = self.scores.get(split)
        return None if scores is None else scores.metrics.get(metric)


@dataclass(frozen=True)
class Answers:
    """The probabilities of one model for the rows of one split.

    Attributes
    ----------
    entry : StudyModel
    title : str
        As the legends call it.
    samples : ndarray of int64, shape (n,)
        Numbers in the manifest.
    y : ndarray of int64, shape (n,)
    probabilities : ndarray of float, shape (n, n_classes)
    splits : tuple of str
        That the rows are of.
    """

    entry: StudyModel
    title: str
    samples: NDArray[np.int64]
    y: NDArray[np.int64]
    probabilities: NDArray[Any]
    splits: tuple[str, ...] = ()

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class of each row."""
        labels: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return labels

    @property
    def confidence(self) -> NDArray[Any]:
        """The probability of that class."""
        highest: NDArray[Any] = self.probabilities.max(axis=1)
        return highest

    def judged(self) -> Judged:
        """Return what the charts draw."""
        return Judged(self.title, max(0, self.entry.style), self.y, self.probabilities)


@dataclass(frozen=True)
class Study:
    """What a report is about.

    Attributes
    ----------
    features : FeatureSet
        Of the winner, or the newest where nothing was measured.
    split : Split or None
        The rows of the features; None where there are no labels.
    entries : tuple of StudyModel
        Best first.
    answers : tuple of Answers
        Of the models that are drawn, the winner first, all on the same rows.
    judged_on : str
        The split of these rows: ``test``, else ``val``.
    ranked_on : str
        The split by which entries are ranked.
    metric : str
        That ranks.
    winner_everywhere : Answers or None
        The winner's predictions of all rows that it has judged, of several splits together.
    """

    features: FeatureSet
    split: Split | None
    entries: tuple[StudyModel, ...]
    answers: tuple[Answers, ...]
    judged_on: str
    ranked_on: str
    metric: str
    winner_everywhere: Answers | None = None

    @cached_property
    def baseline(self) -> StudyModel | None:
        """Always saying the most frequent class of the rows that judge.

        It has scores on the rows that rank and on the test rows, as far as the winner was measured
        on these; None where it was on neither.
        """
        if self.split is None or not self.entries:
            return None
        rows_by_split = {**self.split.parts(), self.ranked_on: self._rows_that_rank(self.split)}
        scores = {}
        for split, measured in self.entries[0].scores.items():
            y = self.features.y[rows_by_split.get(split, np.zeros(0, np.int64))]
            if len(y) and len(y) == measured.n_samples:
                label, metric = int(np.bincount(y).argmax()), find_metric(self.metric)
                scores[split] = always(y, self.features.class_names, label, split, [metric])
        if not scores:
            return None
        always_said = next(iter(scores.values())).params["class"]
        return StudyModel("", "baseline", f"always {always_said!r}", self.features.name, "", scores)

    def cautions(self) -> list[str]:
        """Return what keeps the winner's numbers from misleading."""
        if not self.entries:
            return []
        splits = dict.fromkeys((self.ranked_on, "test"))
        winner, baseline = self.entries[0].scores, self.baseline
        least = baseline.scores.get(self.ranked_on) if baseline else None
        measured = [winner[split] for split in splits if split in winner]
        return list(cautions(measured, least, find_metric(self.metric), "The winner"))

    def _rows_that_rank(self, split: Split) -> NDArray[np.int64]:
        by_name = split.parts()
        return by_name[self.ranked_on] if self.ranked_on in by_name else split.merged().train

    @property
    def winner(self) -> Answers | None:
        """The best model that is drawn."""
        return self.answers[0] if self.answers else None
