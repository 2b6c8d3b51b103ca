"""What all commands share: their common options, and the two ways to answer."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import BY_CLASS, WITH_FILE
from .output_encoding import encodable, knows_unicode

if TYPE_CHECKING:
    from rich.console import Console

    from ..cache import Scores
    from ..classifiers.selection.metrics import Metric
    from ..classifiers.selection.splitting.preparation import Prepared
    from ..extractor.sources import Source

CacheOption = Annotated[
    Path, typer.Option("--cache", envvar="FEATX_CACHE", help="Folder of the feature cache.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Write machine-readable JSON to standard output.")
]
ModelOutOption = Annotated[Path, typer.Option("--out", "-o", help="The model file to write.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace any file that is there, whoever wrote it.")
]
DropNearDuplicatesOption = Annotated[
    bool,
    typer.Option(
        "--drop-near-duplicates",
        help="Leave out of training what looks like validation or test images saved again.",
    ),
]
NameOption = Annotated[
    str, typer.Option("--name", help="What you call it, for lists.", show_default=False)
]
NoteOption = Annotated[
    str, typer.Option("--note", help="A line that you want to keep with it.", show_default=False)
]
ClassWeightOption = Annotated[
    str | None,
    typer.Option(
        "--class-weight",
        help="balanced: rare classes count more; or by class: Shirt=5,Bag=2.",
        show_default=False,
    ),
    BY_CLASS,
]
KeepStateOption = Annotated[
    bool,
    typer.Option(
        "--keep-state",
        help="Leave OUT.epochs: the same command with more epochs goes on from there.",
    ),
]
MetricOption = Annotated[
    str,
    typer.Option(
        help="{metrics}; auto: accuracy, and balanced_accuracy where the largest class has more "
        "than three times the images of the smallest."
    ),
    WITH_FILE,
]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        help="Most that training takes, as 2GB, else three quarters of what is free; "
        "larger features stay on disk."
    ),
]
SelectOption = Annotated[
    int | None,
    typer.Option(
        "--select",
        min=1,
        help="Keep so many columns: the most useful ones by the group lasso, on training rows.",
        show_default="all",
    ),
]
SplitSeedOption = Annotated[
    int | None,
    typer.Option("--split-seed", min=0, help="Of the split alone.", show_default="--seed"),
]
TensorboardOption = Annotated[
    Path | None,
    typer.Option(help="Folder for the training curves, for TensorBoard.", show_default=False),
]
TrainingPrecisionOption = Annotated[
    str,
    typer.Option("--precision", help="Of the arithmetic in training: auto, float32 or bfloat16."),
]
UNDEFINED = "–"
COLUMN_GAP = 2
LEAST_CUT = 8
DEFAULT_CACHE = Path("featx-cache")
FEATURES_HELP = (
    "Cached features: their --name, a source, source@fingerprint, a backbone, a layer; a+b are two "
    "sets side by side; default: the newest."
)


def answer(as_json: bool, data: Any, render: Callable[[Console], None]) -> None:
    """Write ``data`` as one JSON document, or let ``render`` draw it for a person."""
    if as_json:
        is_ascii = not knows_unicode(sys.stdout)
        text = json.dumps(data, indent=2, ensure_ascii=is_ascii, default=str)
        sys.stdout.write(text + "\n")
        return
    render(output())


def output() -> Console:
    """Return the console on standard output: results."""
    return _console(stderr=False)


def notes() -> Console:
    """Return the console on standard error: progress, warnings, errors."""
    return _console(stderr=True)


def say(text: str) -> None:
    """Log what a person should know; as a warning where it begins with ``Warning:``."""
    from ..extractor.run_options import log

    log(text)


def _console(stderr: bool) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)


def draw_table(
    console: Console,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    optional: Sequence[str] = (),
    cut: Sequence[str] = (),
) -> None:
    """Draw a table; columns whose every cell is a number are aligned right.

    Where the console is too narrow for a line a row, ``optional`` columns are left out in turn,
    then texts in the columns ``cut`` are shortened.
    """
    from rich.table import Table
    from rich.text import Text

    from ..classifiers.comparison.visible import visible

    rows = [[visible(cell) for cell in row] for row in rows]
    shown = list(range(len(headers)))
    for name in optional:
        widths = [max(len(row[i]) for row in (headers, *rows)) for i in shown]
        if sum(widths) + COLUMN_GAP * (len(shown) - 1) > console.width and name in headers:
            shown.remove(list(headers).index(name))
    rows = _cut(headers, rows, shown, [list(headers).index(name) for name in cut], console.width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in shown:
        numeric = bool(rows) and all(_is_number(row[column]) for row in rows)
        justify = "right" if numeric else "left"
        table.add_column(headers[column], justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(Text(encodable(row[column], console.encoding)) for column in shown))
    console.print(table, soft_wrap=False)


def _cut(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    shown: Sequence[int],
    cut: Sequence[int],
    room: int,
) -> list[list[str]]:
    """Return rows whose cells in the columns ``cut`` are shortened until a line holds a row."""
    cells = [list(row) for row in rows]
    widths = {i: max(len(row[i]) for row in (headers, *cells)) for i in shown}
    for i in filter(widths.__contains__, cut):
        excess = sum(widths.values()) + COLUMN_GAP * (len(widths) - 1) - room
        if excess > 0:
            widths[i] = max(len(headers[i]), LEAST_CUT, widths[i] - excess)
            for row in cells:
                if len(row[i]) > widths[i]:
                    row[i] = _shortened(row[i], widths[i])
    return cells


def _shortened(text: str, width: int) -> str:
    """Return a text without its middle: parameters differ at their end."""
    n_first = (width - 1) // 3
    return f"{text[:n_first]}…{text[len(text) - (width - 1 - n_first) :]}"


def _is_number(cell: str) -> bool:
    return cell.strip()[:1].isdigit() or cell in ("", UNDEFINED)


def human_bytes(n_bytes: float) -> str:
    """Return ``n_bytes`` in decimal units, as disks are sold: ``1.5 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"


def human_count(n: int) -> str:
    """Return ``n`` with a comma between thousands."""
    return f"{n:,}"


def parsed_memory(text: str | None) -> int | None:
    """Return the bytes that ``--memory`` stands for; raises ConfigError where it is no size."""
    from ..classifiers.selection.memory import parse_memory

    return None if text is None else parse_memory(text)


def say_understood(source: Source) -> None:
    """Say in one line how a source is understood, before anything is computed."""
    say(f"Source: {source.understood}")


def prepared_data(prepared: Sequence[Prepared]) -> dict[str, Any]:
    """Return what was said of the data, and all near duplicates, as JSON types."""
    pairs = [asdict(pair) for part in prepared for pair in part.near_duplicates.pairs]
    for pair in pairs:
        del pair["row"]
    notes = dict.fromkeys(note for part in prepared for note in part.notes)
    return {"notes": list(notes), "near_duplicates": pairs}


def split_text(split: Mapping[str, Any]) -> str:
    """Return a model's split in short: rows, digest and seed."""
    rows = ", ".join(f"{split[name]:,} {name}" for name in ("train", "val", "test"))
    return f"split {str(split['digest'])[:12]}, seed {split['seed']}: {rows}"


def typed_command() -> str:
    """Return the command line as it was typed, for a model's origin."""
    return shlex.join(["featx", *sys.argv[1:]])


def table_metrics(*more: Metric) -> list[Metric]:
    """Return the metrics that stand in every table, and ``more``."""
    from ..classifiers.selection.metrics import METRICS

    return [m for m in METRICS.values() if m.in_tables] + [m for m in more if not m.in_tables]


def metric_cells(scores: Scores, metrics: Sequence[Metric]) -> list[str]:
    """Return one cell for each metric, with half the 95 % interval where there is one."""
    return [metric_cell(scores, metric.name) for metric in metrics]


def metric_cell(scores: Scores, name: str, half: str = " ± {:.4f}") -> str:
    """Return a metric and half its 95 % interval; a dash where it is undefined."""
    if name not in scores.metrics:
        return UNDEFINED
    text = f"{scores.metrics[name]:.4f}"
    if name not in scores.intervals:
        return text
    low, high = scores.intervals[name]
    return text + half.format((high - low) / 2)


def check_curves(folder: Path | None) -> None:
    """Refuse ``--tensorboard`` before anything is trained where it cannot be served."""
    if folder is not None:
        from ..cache.output_path import output_folder

        output_folder(folder, "training curves", lambda _: None)
        from ..classifiers.comparison.event_files import check_tensorboard

        check_tensorboard()


def write_curves(
    folder: Path | None, histories: Mapping[str, Mapping[str, Sequence[float]]]
) -> None:
    """Write training curves for TensorBoard, where ``--tensorboard`` names a folder."""
    if folder is None:
        return
    if not any(histories.values()):
        say("No training curves: of the heads only dense is trained in epochs.")
        return
    from ..classifiers.comparison.event_files import write_training_curves

    write_training_curves(folder, histories)
    say(f"Training curves: tensorboard --logdir {folder}")
