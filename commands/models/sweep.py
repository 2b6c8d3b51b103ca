"""featx sweep: many heads on cached features, one leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import (
    DEFAULT_CACHE,
    FEATURES_HELP,
    CacheOption,
    DropNearDuplicatesOption,
    JsonOption,
    MemoryOption,
    MetricOption,
    ModelOutOption,
    NameOption,
    NoteOption,
    OverwriteOption,
    SelectOption,
    SplitSeedOption,
    TensorboardOption,
    answer,
    check_curves,
    parsed_memory,
    say,
    typed_command,
    write_curves,
)
from ..interruption import RESULTS, leaves
from ..options import ActorsOption, RayOption, workers_of
from ..progress import Progress
from ..view_options import (
    LearnedOpsOption,
    LearnedSeedOption,
    LearnedViewsOption,
    refuse_without_views,
)

if TYPE_CHECKING:
    from ...classifiers.selection.sweep import SweepReport


@leaves(RESULTS)
def sweep(
    context: typer.Context,
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
    select: SelectOption = None,
    views: LearnedViewsOption = None,
    view_ops: LearnedOpsOption = None,
    views_seed: LearnedSeedOption = None,
    metric: MetricOption = "auto",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the splits and folds.")] = 0,
    split_seed: SplitSeedOption = None,
    memory: MemoryOption = None,
    drop_near_duplicates: DropNearDuplicatesOption = False,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write the leaderboard to this file too.")
    ] = None,
    out: ModelOutOption = Path("model.featx"),
    overwrite: OverwriteOption = False,
    name: NameOption = "",
    note: NoteOption = "",
    tensorboard: TensorboardOption = None,
    ray: RayOption = None,
    actors: ActorsOption = 0,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Compare many heads on cached features; the winner becomes the model file.

    Heads are ranked on validation, or over folds with --cv. The test split is looked at once, for
    the winner. Results are kept in the cache: a repeated or extended sweep computes what is new.

    Example: featx sweep --heads logreg,svm,dense --cv 5
    """
    from ...cache import Tag
    from ...cache.output_path import output_file
    from ...classifiers import sweep_model
    from ...classifiers.selection.sweep_options import SweepOptions
    from ...extractor.workers.ray_session import joblib_on_ray
    from .leaderboard import draw_leaderboard, is_leaderboard, leaderboard_data, write_csv

    families = _families(heads, grid)
    if select is not None:
        families = tuple(family.with_default("select", select) for family in families)
    csv_target = csv_file and output_file(
        csv_file, "a leaderboard", is_leaderboard, overwrite=overwrite
    )
    refuse_without_views(context)
    options = SweepOptions(
        families,
        metric,
        cv,
        seed,
        parsed_memory(memory),
        drop_near_duplicates,
        split_seed,
        views or 1,
        view_ops,
        views_seed,
    )
    check_curves(tensorboard)
    workers = workers_of(None, ray, actors, None, alone=False)
    with Progress("configurations") as progress, joblib_on_ray(workers):
        report = sweep_model(
            features or [None],
            options,
            cache=cache,
            out=out,
            overwrite=overwrite,
            observer=progress,
            command=typed_command(),
            tag=Tag(name, note),
        )
    if report.left_out:
        say(f"Left out, as they need all features in memory: {', '.join(report.left_out)}")
    if report.not_kept:
        say(f"A repeated sweep will measure anew: {report.not_kept}")
    if csv_target:
        write_csv(csv_target, report)
    write_curves(tensorboard, _histories(report))
    answer(
        as_json,
        leaderboard_data(report, out),
        lambda console: draw_leaderboard(console, report, out),
    )


def _families(heads: str | None, grid: Path | None) -> Any:
    from ...cache.errors import ConfigError
    from ...classifiers.selection.grid import default_families, read_grid

    if heads and grid:
        raise ConfigError("--heads and --grid both say what to try: give one of them")
    if grid:
        return tuple(read_grid(grid))
    names = [name.strip() for name in heads.split(",") if name.strip()] if heads else []
    return tuple(default_families(names))


def _histories(report: SweepReport) -> dict[str, dict[str, list[float]]]:
    """Return the training curves of all configurations that have some."""
    from ...classifiers.selection.grid import params_text

    return {
        f"{c.backbone} {c.scores.head} {params_text(c.params)}": dict(c.measured.history)
        for c in report.candidates
        if c.measured.history
    }
