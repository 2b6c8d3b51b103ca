"""featx split: which images are learned from, judge and test, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..common import (
    DEFAULT_CACHE,
    FEATURES_HELP,
    CacheOption,
    JsonOption,
    OverwriteOption,
    answer,
    notes,
    split_text,
)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Keep a split as a table, or take one.\n\nSplits that the source gives stay. Else a hash "
    "of each image's bytes (or of its group), keyed by the seed, decides: about 20 % test, 16 % "
    "validation. No image moves when others come or go, or when labels or class names change. Of "
    "each class 10 to 30 % go to test and 8 to 24 % to validation, at least one of three. The "
    "cache notes the split of each image, and what is noted stays.",
)
FeaturesArgument = Annotated[
    str | None, typer.Option("--features", help=FEATURES_HELP, show_default=False)
]
SeedOption = Annotated[int, typer.Option("--split-seed", min=0, help="Which split.")]


@app.command("export")
def export(
    table: Annotated[Path, typer.Argument(help="The file to write: .csv or .parquet.")],
    features: FeaturesArgument = None,
    split_seed: SeedOption = 0,
    overwrite: OverwriteOption = False,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Write which split each image is in: columns id, digest, group, label, split.

    Example: featx split export splits.csv
    """
    from ...classifiers import open_features
    from ...classifiers.selection.splitting.exchange import export_split

    opened = open_features(features, cache)
    split = export_split(opened, table, split_seed, overwrite=overwrite)
    data = {"table": str(table), "features": opened.name, "split": split.to_dict()}
    answer(
        as_json,
        data,
        lambda console: console.print(f"{opened.name}: {split_text(split.to_dict())}\nIn {table}"),
    )
    if split.not_kept:
        notes().print(f"The cache cannot keep this split: {split.not_kept}")


@app.command("import")
def import_(
    table: Annotated[
        Path, typer.Argument(help="A table with columns split, and digest or id; CSV or Parquet.")
    ],
    features: FeaturesArgument = None,
    split_seed: SeedOption = 0,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Take the splits of a table: they count before all that was drawn with this seed.

    Example: featx split import splits.csv
    """
    from ...classifiers import open_features
    from ...classifiers.selection.splitting.exchange import import_split

    opened = open_features(features, cache)
    report = import_split(opened, table, split_seed)
    data = {
        "features": opened.name,
        "n_taken": report.n_taken,
        "n_drawn": report.n_drawn,
        "n_unknown": report.n_unknown,
        "given": list(report.given),
        "split": report.split.to_dict(),
    }

    lines = [
        f"{report.n_taken:,} rows of {opened.name} take their split from {table}",
        f"  {split_text(report.split.to_dict())}",
    ]
    if report.n_drawn:
        lines.append(f"  {report.n_drawn:,} labelled rows are not in the table: drawn")
    if report.n_unknown:
        lines.append(f"  {report.n_unknown:,} rows of the table are no row of the features")
    if report.given:
        lines.append(f"  The source gives {' and '.join(report.given)} itself: that stays")
    answer(as_json, data, lambda console: console.print("\n".join(lines)))
