"""featx sweep: many heads on cached features, one leaderboard."""

from __future__ import annotations

import csv
import io
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import (
    DEFAULT_CACHE,
    FEATURES_HELP,
    CacheOption,
    JsonOption,
    MemoryOption,
    ModelOutOption,
    OverwriteOption,
    answer,
    draw_table,
    human_bytes,
    metric_cell,
    metric_cells,
    notes,
    parsed_memory,
    table_metrics,
    typed_command,
)

if TYPE_CHECKING:
    from rich.console import Console

    from ...cache import Scores
    from ...classifiers.selection.sweep import Candidate, SweepOptions, SweepReport

LINE_SECONDS = 10.0
CSV_KEYS = ("features", "head", "parameters")
CSV_SPEEDS = ("fit_seconds", "model_bytes", "rows_per_second")


def sweep(
    features: Annotated[
        list[str] | None, typer.Argument(help=FEATURES_HELP, show_default=False)
    ] = None,
    heads: Annotated[
        str | None,
        typer.Option(help="Heads to try, separated by commas; default: all.", show_default=False),
    ] = None,
    grid: Annotated[
        Path | None,
        typer.Option(help="A TOML file: a table for each head, lists of values to try."),
    ] = None,
    cv: Annotated[
        int, typer.Option("--cv", min=0, help="Judge over so many folds, not on one split.")
    ] = 0,
    metric: Annotated[str, typer.Option(help="{metrics}.")] = "accuracy",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the splits and folds.")] = 0,
    memory: MemoryOption = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write the leaderboard to this file too.")
    ] = None,
    out: ModelOutOption = Path("model.featx"),
    overwrite: OverwriteOption = False,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Compare many heads on cached features; the winner becomes the model file.

    Heads are ranked on validation, or over folds with --cv. The test split is looked at once, for
    the winner. Results are kept in the cache: a repeated or extended sweep computes what is new.

    Example: featx sweep --heads logreg,svm,dense --cv 5
    """
    from ...cache.output_path import output_file
    from ...classifiers import sweep_model
    from ...classifiers.selection.sweep import SweepOptions

    families = _families(heads, grid)
    csv_target = csv_file and output_file(
        csv_file, "a leaderboard", _is_leaderboard, overwrite=overwrite
    )
    options = SweepOptions(families, metric, cv, seed, parsed_memory(memory))
    with _SweepProgress(quiet=as_json) as progress:
        report = sweep_model(
            features or [None],
            options,
            cache=cache,
            out=out,
            overwrite=overwrite,
            observer=progress,
            command=typed_command(),
        )
    if report.left_out:
        notes().print(
            f"Left out, as they need all features in memory: {', '.join(report.left_out)}"
        )
    if report.not_kept:
        notes().print(f"A repeated sweep will measure anew: {report.not_kept}")
    if csv_target:
        _write_csv(csv_target, report)
    answer(as_json, _data(report, out), lambda console: _draw(console, report, out))


def _families(heads: str | None, grid: Path | None) -> Any:
    from ...cache.errors import ConfigError
    from ...classifiers.selection.grid import default_families, read_grid

    if heads and grid:
        raise ConfigError("--heads and --grid both say what to try: give one of them")
    if grid:
        return tuple(read_grid(grid))
    names = [name.strip() for name in heads.split(",") if name.strip()] if heads else []
    return tuple(default_families(names))


class _SweepProgress:
    """Counts configurations as they are measured."""

    def __init__(self, quiet: bool) -> None:
        self._quiet, self._total, self._done = quiet, 0, 0
        self._bar: Any = None
        self._task: Any = None
        self._last_line = time.monotonic()

    def begin(self, n_candidates: int) -> None:
        """Start counting to ``n_candidates``."""
        self._total = n_candidates
        console = notes()
        if self._quiet:
            return
        if console.is_terminal:
            self._bar = _bar(console)
            self._bar.start()
            self._task = self._bar.add_task("sweeping", total=n_candidates, last="")
        else:
            console.print(f"sweeping: {n_candidates} configurations to measure")

    def advance(self, candidate: Candidate) -> None:
        """Count one more."""
        self._done += 1
        if self._bar is not None:
            self._bar.update(self._task, advance=1, last=candidate.scores.head)
        elif not self._quiet and time.monotonic() - self._last_line >= LINE_SECONDS:
            self._last_line = time.monotonic()
            notes().print(f"sweeping: {self._done} of {self._total} measured")

    def __enter__(self) -> _SweepProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def _bar(console: Any) -> Any:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.completed}/{task.total} configurations"),
        TextColumn("{task.fields[last]}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


def _data(report: SweepReport, out: Path) -> dict[str, Any]:
    return {
        "model": str(out),
        "metric": report.options.metric,
        "cv": report.options.cv,
        "left_out": list(report.left_out),
        "leaderboard": [asdict(candidate) for candidate in report.candidates],
        "winner": {
            "head": report.winner.head_name,
            "params": report.candidates[0].params,
            "features": report.candidates[0].features,
        },
        "test": report.test.to_dict() if report.test else None,
        "seconds": report.seconds,
    }


def _draw(console: Console, report: SweepReport, out: Path) -> None:
    several, metric = _several(report), report.options.metric
    rows = [
        (
            str(place),
            c.scores.head,
            _params_text(c.params),
            *([f"{c.backbone} {c.layer}"] if several else []),
            _with_interval(c.scores),
            *([] if metric == "accuracy" else [metric_cell(c.scores, metric)]),
            f"{c.scores.fit_seconds:.2f}",
            human_bytes(c.measured.model_bytes),
            f"{c.measured.predict_rate:,.0f}",
        )
        for place, c in enumerate(report.candidates, 1)
    ]
    middle = ["features"] if several else []
    ranked = [] if metric == "accuracy" else [metric]
    headers = ("", "head", "parameters", *middle, "accuracy", *ranked, "fit s", "size", "rows/s")
    draw_table(console, headers, rows)
    console.print(_summary(report))
    if report.test:
        metrics = table_metrics(metric)
        cells = zip(metrics, metric_cells(report.test, metrics), strict=True)
        shown = ", ".join(f"{metric.title} {cell}" for metric, cell in cells)
        console.print(f"The winner on test: {shown}")
    console.print(f"Model: {out}. Next: featx score {out} photos/ --out predictions.parquet")


def _with_interval(scores: Scores) -> str:
    low, high = scores.intervals["accuracy"]
    return f"{scores.metrics['accuracy']:.4f} ±{(high - low) / 2:.3f}"


def _several(report: SweepReport) -> bool:
    return len({candidate.features for candidate in report.candidates}) > 1


def _summary(report: SweepReport) -> str:
    n_stored = sum(candidate.is_stored for candidate in report.candidates)
    options: SweepOptions = report.options
    judged = f"over {options.cv} folds" if options.cv else "on validation"
    stored = f", {n_stored} of them measured before" if n_stored else ""
    where = "several feature sets" if _several(report) else report.candidates[0].features
    return (
        f"{len(report.candidates)} configurations on {where} in {report.seconds:.1f} s{stored}; "
        f"ranked by {options.metric} {judged}, ± is half the 95 % interval"
    )


def _params_text(params: dict[str, Any]) -> str:
    return " ".join(f"{name}={_value(value)}" for name, value in params.items())


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_leaderboard(path: Path) -> bool:
    header = ",".join(CSV_KEYS).encode("ascii")
    with path.open("rb") as file:
        return file.read(len(header)) == header


def _write_csv(path: Path, report: SweepReport) -> None:
    from ...cache.format.atomic import write_text
    from ...classifiers.selection.metrics import DEFAULT_METRIC, METRICS

    text = io.StringIO(newline="")
    writer = csv.writer(text)
    first = [metric.name for metric in table_metrics()]
    more = [name for name in METRICS if name not in first]
    writer.writerow((*CSV_KEYS, *first, "low", "high", *CSV_SPEEDS, *more))
    for c in report.candidates:
        values = c.scores.metrics
        writer.writerow(
            (
                *(c.features, c.scores.head, _params_text(c.params)),
                *(values.get(name, "") for name in first),
                *c.scores.intervals.get(DEFAULT_METRIC, ("", "")),
                *(c.scores.fit_seconds, c.measured.model_bytes, c.measured.predict_rate),
                *(values.get(name, "") for name in more),
            )
        )
    write_text(path, text.getvalue())
