"""From results in the cache and model files to a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ....cache import FeatureSet, FeatureStore, Predictions, Result, ResultStore, Scores
from ....cache.errors import ConfigError, TrainingDataError
from ....cache.results.result import FIT
from ....cache.views import DrawnViews
from ...models.model_file import load_model
from ...selection.fit import predict_rows
from ...selection.like import split_like
from ...selection.metrics import AUTO, find_metric, metric_for
from ...selection.splitting.splits import Split, split_features
from ..source_results import describe_params, with_metric
from .study import Answers, Study, StudyModel

MAX_DRAWN = 6
"""Models in a chart, where none are named."""


@dataclass(frozen=True)
class GatheredModel:
    """An entry with its predictions by split; of results they are read when they are drawn."""

    entry: StudyModel
    manifest: str
    predictions: Mapping[str, Predictions]
    result: Result | None = None


def gather(
    store: FeatureStore,
    named: Sequence[Result | Path],
    features: str | None,
    split: str | None,
    metric: str,
) -> Study:
    """Return all that was measured on one source, with the models that are drawn.

    Parameters
    ----------
    store : FeatureStore
    named : sequence of Result or Path
        Results, and model files; they are drawn, the best first. Without any, the best result of
        each head and backbone.
    features : str, optional
        Names the source where nothing is named; by default the newest features.
    split : str, optional
        ``val`` or ``test``; by default test where the drawn models have predictions of it.
    metric : str
        That ranks.
    """
    results = ResultStore(store.layout)
    kept = results.read()
    if metric != AUTO:
        kept = [with_metric(results, one, find_metric(metric)) for one in kept]
    measured = [
        _of_result(one) if isinstance(one, Result) else _of_model_file(one, store, kept)
        for one in named
    ]
    manifests = {one.manifest for one in measured}
    if len(manifests) > 1:
        names = ", ".join(sorted(manifests))
        raise ConfigError(f"a report is of one source, these are of {len(manifests)}: {names}")
    manifest = next(iter(manifests), "") or store.open_features(features).manifest.name
    listed = {one.result.id for one in measured if one.result is not None}
    opened = store.open_features(features or manifest)
    metric = metric_for(metric, opened.y, opened.class_names)[0].name
    in_source = [r for r in kept if r.features.rpartition("@")[0] == manifest]
    others = [_of_result(r) for r in in_source if r.id not in listed]
    ranked_on = _ranking_split([*measured, *others])
    everything = _ranked([*measured, *others], metric, ranked_on)
    drawn = _ranked(measured, metric, ranked_on) if measured else _best_of_each(everything)
    answers, judged_on = _answers(drawn, results, store, split)
    styles = {one.entry.id: one.entry.style for one in answers}
    entries = tuple(replace(m.entry, style=styles.get(m.entry.id, -1)) for m in everything)
    if answers:
        opened = store.open_features(answers[0].entry.features)
    everywhere = _everywhere(drawn, answers, results, store)
    split_of_rows = _split_of(opened)
    return Study(opened, split_of_rows, entries, answers, judged_on, ranked_on, metric, everywhere)


def _of_result(result: Result) -> GatheredModel:
    seconds = next((s.fit_seconds for s in result.scores.values()), 0.0)
    name = result.tag.get("name")
    entry = StudyModel(
        id=f"{name} ({result.id})" if name else result.id,
        head=result.name,
        params=describe_params(result),
        features=result.features,
        backbone=result.backbone,
        scores=result.scores,
        fit_seconds=seconds,
        model_bytes=result.model_bytes,
        predict_rate=result.predict_rate,
        history=result.history,
        all_params=result.params,
        views=DrawnViews.from_dict(result.views),
    )
    return GatheredModel(entry, result.features.rpartition("@")[0], {}, result)


def _of_model_file(path: Path, store: FeatureStore, kept: Sequence[Result]) -> GatheredModel:
    """Return the kept result of a model file, under the file's name; without one, let it predict.

    It predicts the validation and test rows of the features that it was trained on.

    Raises
    ------
    ModelFileError, FeaturesNotFoundError, FeatureMismatchError, ConfigError
        It is no model, its features are gone or others, or it does not say its images.
    """
    model = load_model(path)
    name = model.origin.get("name")
    title = f"{name} ({path})" if name else str(path)
    result = next((r for r in kept if r.id == model.origin.get("result")), None)
    if result is not None:
        measured = _of_result(result)
        return replace(measured, entry=replace(measured.entry, id=title))
    features = store.open_features(str(model.origin.get("features", "")))
    model.check_spec(features.spec)
    split = split_like(model, features)
    parts = {n: r for n, r in (("val", split.val), ("test", split.test)) if len(r)}
    scores = {str(s["split"]): Scores.from_dict(s) for s in model.scores}
    result = Result(
        id=title,
        name=model.head_name,
        kind=FIT,
        features=features.name,
        backbone=features.spec.backbone,
        layer=features.spec.layer,
        head=model.head_name,
        params=model.head.get_json_params(),
        scores=scores,
        model_bytes=sum(array.nbytes for array in model.head.get_arrays().values()),
    )
    predictions = {name: predict_rows(model, features, rows) for name, rows in parts.items()}
    return replace(_of_result(result), predictions=predictions, result=None)


def _ranking_split(measured: Sequence[GatheredModel]) -> str:
    """Return the split on which most entries were measured; validation goes before test."""
    counts: dict[str, int] = {}
    for one in measured:
        for split in one.entry.scores:
            counts[split] = counts.get(split, 0) + 1
    return max(counts, key=lambda s: (counts[s], s == "val", s != "test"), default="val")


def _ranked(measured: Sequence[GatheredModel], metric: str, split: str) -> list[GatheredModel]:
    record = find_metric(metric)
    return sorted(measured, key=lambda m: record.rank(m.entry.value(metric, split)))


def _best_of_each(ranked: Sequence[GatheredModel]) -> list[GatheredModel]:
    """Return the best entry of each head and backbone, the best first."""
    first: dict[tuple[str, str], GatheredModel] = {}
    for one in ranked:
        first.setdefault((one.entry.head, one.entry.features), one)
    return list(first.values())


def _answers(
    drawn: Sequence[GatheredModel], results: ResultStore, store: FeatureStore, asked: str | None
) -> tuple[tuple[Answers, ...], str]:
    """Return the predictions of as many models as judged the same rows, and which split that is.

    Without ``asked`` it is the split on which most of them can be compared; of equals, test.

    Raises
    ------
    ConfigError
        The winner has no predictions of the split that was asked for.
    """
    best: tuple[list[tuple[GatheredModel, Predictions]], str] = ([], "val")
    splits = [asked] if asked else ["test", "val", *_fold_splits(drawn)]
    for split in splits:
        pairs = [(m, p) for m in drawn if (p := _predictions(m, results, split)) is not None]
        same = [(m, p) for m, p in pairs if p.rows.name == pairs[0][1].rows.name][:MAX_DRAWN]
        if len(same) > len(best[0]):
            best = same, split
    if asked and drawn and not best[0]:
        raise ConfigError(
            f"{drawn[0].entry.id} has no predictions of the split {asked!r}. Leave --split away, "
            "or name val or test"
        )
    several = len({m.entry.features for m, _ in best[0]}) > 1
    answers = [
        _answer(replace(m.entry, style=number), p, store, several)
        for number, (m, p) in enumerate(best[0])
    ]
    return tuple(answers), best[1]


def _everywhere(
    drawn: Sequence[GatheredModel],
    answers: Sequence[Answers],
    results: ResultStore,
    store: FeatureStore,
) -> Answers | None:
    """Return the winner's predictions of all splits; of folds where it has no validation split."""
    if not answers:
        return None
    winner = next(one for one in drawn if one.entry.id == answers[0].entry.id)
    splits = [s for s in ("val", "test") if _predictions(winner, results, s) is not None]
    splits = splits or _fold_splits([winner])[:1]
    kept = [p for s in splits if (p := _predictions(winner, results, s)) is not None]
    parts = [_answer(answers[0].entry, p, store, False) for p in kept]
    return replace(
        answers[0],
        samples=np.concatenate([part.samples for part in parts]),
        y=np.concatenate([part.y for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts]),
        splits=tuple(splits),
    )


def _fold_splits(drawn: Sequence[GatheredModel]) -> list[str]:
    return sorted({s for m in drawn for s in m.entry.scores if s not in ("val", "test")})


def _predictions(one: GatheredModel, results: ResultStore, split: str) -> Predictions | None:
    if one.result is None:
        return one.predictions.get(split)
    return results.predictions(one.result, split)


def _answer(
    entry: StudyModel, predictions: Predictions, store: FeatureStore, several: bool
) -> Answers:
    manifest = store.open_features(entry.features).manifest
    numbers = {sample_id: number for number, sample_id in enumerate(manifest.sample_ids)}
    samples = np.array([numbers.get(i, -1) for i in predictions.rows.sample_ids], np.int64)
    parts = [entry.head, entry.params, *([entry.backbone] if several else [])]
    kept = samples >= 0
    return Answers(
        entry,
        " ".join(filter(None, parts)),
        samples[kept],
        predictions.y[kept],
        predictions.probabilities[kept],
    )


def _split_of(features: FeatureSet) -> Split | None:
    try:
        return split_features(features)
    except TrainingDataError:
        return None
