"""The verdict: what a study says, in a sentence each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...selection.metrics import Metric, find_metric
from ..visible import visible
from .lists.findings import WORDS, FindingList
from .study import Study, StudyModel

DEFAULT_BACKBONE = "efficientnet_lite0"
FEW_IMAGES = 200
"""Images of a class, below which more of them almost always help."""
SURE, MANY_ERRORS, MANY_LEAKS = 0.9, 0.01, 0.005


@dataclass(frozen=True)
class Card:
    """A heading, a large figure and a sentence."""

    title: str
    figure: str
    text: str


def cards(study: Study, lists: Sequence[FindingList]) -> list[Card]:
    """Return data, winner, certainty and next step."""
    return [_data(study), *_winner(study), _next_step(study, {one.id: one for one in lists})]


def _data(study: Study) -> Card:
    features = study.features
    names, y, spec = features.class_names, features.y, features.spec
    sizes = dict.fromkeys("×".join(map(str, part.image_size)) for part in spec.parts)
    text = (
        f"of {features.manifest.location}, as {features.X.shape[1]:,} features of {spec.backbone} "
        f"at {' and '.join(sizes)} pixels."
    )
    if names:
        counts = np.bincount(y[y >= 0], minlength=len(names))
        largest, smallest = int(counts.max()), int(counts.min())
        spread = f"{largest:,} each" if largest == smallest else f"{smallest:,} to {largest:,} each"
        text = f"{len(names):,} classes ({spread}), {text}"
    if features.n_missing:
        text += f" {features.n_missing:,} more have no features."
    return Card("Data", f"{len(features):,} images", visible(text))


def _best(study: Study) -> StudyModel:
    return study.answers[0].entry if study.answers else study.entries[0]


def _winner(study: Study) -> list[Card]:
    if not study.entries:
        text = "Nothing was measured yet: featx sweep compares heads on these features."
        return [Card("Winner", "none yet", text)]
    best, metric = _best(study), find_metric(study.metric)
    split = "test" if best.value(metric.name, "test") is not None else study.ranked_on
    value = best.value(metric.name, split)
    judged, ranked = (WORDS.get(s, s) for s in (split, study.ranked_on))
    what = visible(f"{best.head} {best.params}".strip())
    won = Card(
        "Winner",
        _figure(metric, value),
        f"{metric.title} on {judged} images: {what} on {best.backbone}, the best of "
        f"{len(study.entries):,} by {metric.title} on {ranked} images.",
    )
    return [won, _certainty(study, metric, split)]


def _figure(metric: Metric, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1%}" if metric.in_percent else f"{value:.4g}"


def _certainty(study: Study, metric: Metric, split: str) -> Card:
    scores = _best(study).scores[split]
    interval = scores.intervals.get(metric.name)
    if interval is None:
        text = f"{metric.title} has no interval here. {_rivals(study, metric)}"
        return Card("How sure", "–", text)
    figure = " to ".join(_figure(metric, end) for end in interval)
    judged = WORDS.get(split, split)
    text = f"is the 95 % interval from {scores.n_samples:,} {judged} images."
    return Card("How sure", figure, f"{text} {_rivals(study, metric)}")


def _rivals(study: Study, metric: Metric) -> str:
    """Say how many others lie within the winner's interval on the rows that rank."""
    best = _best(study)
    scores = best.scores.get(study.ranked_on)
    interval = None if scores is None else scores.intervals.get(metric.name)
    if interval is None or len(study.entries) < 2:
        return ""
    sign = 1 if metric.higher_is_better else -1
    edge = interval[0] if metric.higher_is_better else interval[1]
    others = [e.value(metric.name, study.ranked_on) for e in study.entries if e.id != best.id]
    n_near = sum(value is not None and sign * value >= sign * edge for value in others)
    if not n_near:
        return "No other model comes near."
    lie = "other model lies" if n_near == 1 else "other models lie"
    return (
        f"{n_near:,} {lie} within that of the winner on the images that rank: featx compare tells "
        "which differences are real."
    )


def _next_step(study: Study, lists: dict[str, FindingList]) -> Card:
    """Return the first step that applies: leaks, labels, training, backbone, images."""
    n = len(study.features)
    errors, pairs = lists.get("label-errors"), lists.get("near-duplicates")
    n_leaks = sum(row[1] != row[4] for row in pairs.rows) if pairs else 0
    n_errors = sum(float(row[4]) >= SURE for row in errors.rows) if errors else 0
    if n_leaks > MANY_LEAKS * n:
        title = "Remove leaks"
        text = (
            f"{n_leaks:,} near duplicates stand in different splits and flatter the scores: train "
            "again with --drop-near-duplicates."
        )
    elif n_errors > MANY_ERRORS * n:
        title = "Check labels"
        text = (
            f"{n_errors:,} labels are almost surely wrong. Go through the list, save it as CSV, "
            "and correct the data."
        )
    elif not study.entries:
        title, text = "Train", "featx sweep tries some forty configurations in one go."
    elif len(backbones := {entry.backbone for entry in study.entries} - {"pixels"}) < 2:
        title = "Another backbone"
        other = "resnet50" if DEFAULT_BACKBONE in backbones else DEFAULT_BACKBONE
        text = (
            f"All heads stand on one network. Try another: featx extract --backbone {other}, then "
            "featx sweep on both."
        )
    else:
        return _more_images(study, lists)
    return Card("What next", title, text)


def _more_images(study: Study, lists: dict[str, FindingList]) -> Card:
    y = study.features.y
    counts = np.bincount(y[y >= 0], minlength=len(study.features.class_names))
    median = int(np.median(counts))
    if median < FEW_IMAGES:
        text = f"The median class has {median:,} images. featx curve says how much more would help."
        return Card("What next", "More images", text)
    words = {"mistakes": "mistakes", "label-errors": "labels", "near-duplicates": "duplicates"}
    seen = [word for name, word in words.items() if name in lists and lists[name].was_looked_for]
    shown = " and ".join(filter(None, (", ".join(seen[:-1]), *seen[-1:]))).capitalize()
    found = f"{shown} show nothing large. " if seen else ""
    text = f"{found}featx curve says whether more images would help."
    return Card("What next", "Nothing pressing", text)
