"""featx fit and featx sweep: cached features to a model file."""

from __future__ import annotations

import shlex
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import DEFAULT_CACHE, CacheOption, JsonOption, answer, draw_table, notes

if TYPE_CHECKING:
    from rich.console import Console

    from ..cache import Scores
    from ..classifiers.fit import FitReport
    from ..classifiers.sweep import Candidate, SweepReport

OutOption = Annotated[Path, typer.Option("--out", "-o", help="The model file to write.")]
FEATURES_HELP = "Cached features by the start of their name, or a backbone; default: the newest."


def fit(
    features: Annotated[str | None, typer.Argument(help=FEATURES_HELP, show_default=False)] = None,
    head: Annotated[
        str, typer.Option("--head", help="The classifier; see `featx sweep --help` for all.")
    ] = "logreg",
    param: Annotated[
        list[str] | None,
        typer.Option("--param", help="A parameter of the head, as C=0.1; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the split and the head.")] = 0,
    out: OutOption = Path("model.featx"),
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Train one head on cached features and write one model file.

    Splits that the source has (train, val, test) are kept; others are drawn, stratified.

    Example: featx fit --head svm --param C=10
    """
    from ..classifiers import HeadOptions, fit_model

    options = HeadOptions(head, _params(param or []), seed)
    report = fit_model(features, options, cache=cache, out=out, command=_command())
    answer(as_json, _fit_data(report, out), lambda console: _draw_fit(console, report, out))


def sweep(
    features: Annotated[
        list[str] | None, typer.Argument(help=FEATURES_HELP, show_default=False)
    ] = None,
    heads: Annotated[
        str | None,
        typer.Option(help="Heads to try, separated by commas; default: all.", show_default=False),
    ] = None,
    metric: Annotated[str, typer.Option(help="accuracy, f1 or auc, on validation.")] = "accuracy",
    out: OutOption = Path("model.featx"),
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Compare many heads on cached features; the winner becomes the model file.

    Heads are ranked on validation. The test split is looked at once, for the winner.

    Example: featx sweep --heads logreg,svm,dense
    """
    from ..classifiers import sweep_model

    names = [name.strip() for name in heads.split(",")] if heads else []
    with _SweepProgress(quiet=as_json) as progress:
        report = sweep_model(
            features or [None],
            names,
            metric=metric,
            cache=cache,
            out=out,
            run=(progress, _command()),
        )
    answer(as_json, _sweep_data(report, out), lambda console: _draw_sweep(console, report, out))


class _SweepProgress:
    """Counts configurations as they are fitted."""

    def __init__(self, quiet: bool) -> None:
        self._quiet, self._total, self._done = quiet, 0, 0
        self._status: Any = None

    def begin(self, n_candidates: int) -> None:
        """Start counting to ``n_candidates``."""
        self._total = n_candidates
        console = notes()
        if self._quiet:
            return
        if console.is_terminal:
            self._status = console.status(f"0 of {n_candidates} heads fitted")
            self._status.start()
        else:
            console.print(f"fitting {n_candidates} heads")

    def advance(self, candidate: Candidate) -> None:
        """Count one more."""
        self._done += 1
        if self._status is not None:
            last = f"{candidate.scores.head} {_params_text(candidate.scores)}"
            self._status.update(f"{self._done} of {self._total} heads fitted; last: {last}")

    def __enter__(self) -> _SweepProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()


def _params(pairs: list[str]) -> dict[str, Any]:
    from ..cache.errors import ConfigError

    params: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigError(f"--param takes NAME=VALUE, as in C=0.1, got {pair!r}")
        try:
            params[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            params[name] = value
    return params


def _command() -> str:
    return shlex.join(["featx", *sys.argv[1:]])


def _fit_data(report: FitReport, out: Path) -> dict[str, Any]:
    return {
        "model": str(out),
        "features": report.features,
        "scores": [scores.to_dict() for scores in report.scores],
        "n_train": len(report.split.train),
        "n_leaking": report.split.n_leaking,
        "n_skipped": report.n_skipped,
        "fit_seconds": report.seconds,
    }


def _draw_fit(console: Console, report: FitReport, out: Path) -> None:
    split = report.split
    console.print(
        f"{report.model.head_name} on {report.features}: {len(split.train):,} training rows, "
        f"{len(report.model.class_names)} classes, {report.seconds:.1f} s"
    )
    if report.n_skipped:
        console.print(f"  {report.n_skipped} samples of the source have no features")
    if split.n_leaking:
        console.print(f"  {split.n_leaking} training rows left out: equal to val or test images")
    draw_table(console, ("split", "rows", "accuracy", "F1", "AUC"), list(map(_row, report.scores)))
    console.print(f"Model: {out}. Next: featx score {out} photos/ --out predictions.parquet")


def _row(scores: Scores) -> tuple[str, ...]:
    return (scores.split, f"{scores.n_samples:,}", *_cells(scores))


def _cells(scores: Scores) -> tuple[str, str, str]:
    low, high = scores.intervals["accuracy"]
    half = (high - low) / 2
    auc = scores.metrics.get("auc")
    return (
        f"{scores.metrics['accuracy']:.4f} ± {half:.4f}",
        f"{scores.metrics['f1']:.4f}",
        "–" if auc is None else f"{auc:.4f}",
    )


def _sweep_data(report: SweepReport, out: Path) -> dict[str, Any]:
    return {
        "model": str(out),
        "metric": report.metric,
        "leaderboard": [asdict(candidate) for candidate in report.candidates],
        "winner": {"head": report.winner.head_name, "features": report.candidates[0].features},
        "test": report.test.to_dict() if report.test else None,
        "seconds": report.seconds,
    }


def _draw_sweep(console: Console, report: SweepReport, out: Path) -> None:
    several = len({candidate.features for candidate in report.candidates}) > 1
    rows = [
        (
            str(place),
            candidate.scores.head,
            _params_text(candidate.scores),
            *([candidate.backbone] if several else []),
            *_cells(candidate.scores),
            f"{candidate.scores.fit_seconds:.2f}",
        )
        for place, candidate in enumerate(report.candidates, 1)
    ]
    middle = ["backbone"] if several else []
    headers = ("", "head", "parameters", *middle, "accuracy", "F1", "AUC", "fit s")
    draw_table(console, headers, rows)
    console.print(
        f"{len(rows)} heads on {report.winner.origin['features']} in {report.seconds:.1f} s, "
        f"ranked by {report.metric} on validation"
    )
    if report.test:
        accuracy, f1, auc = _cells(report.test)
        console.print(f"The winner on test: accuracy {accuracy}, F1 {f1}, AUC {auc}")
    console.print(f"Model: {out}. Next: featx score {out} photos/ --out predictions.parquet")


def _params_text(scores: Scores) -> str:
    from ..classifiers.heads.table import find_head

    grid = find_head(scores.head).grid
    return " ".join(
        f"{name}={_value(scores.params[name])}" for name in grid if name in scores.params
    )


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
