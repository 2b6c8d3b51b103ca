"""featx threshold: when a model decides for a class."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import (
    DEFAULT_CACHE,
    UNDEFINED,
    CacheOption,
    JsonOption,
    OverwriteOption,
    answer,
    draw_table,
    say,
)
from ..options import BY_CLASS

if TYPE_CHECKING:
    from rich.console import Console

    from ...classifiers import Model
    from ...classifiers.selection.decisions.thresholds import Thresholds, Wish

SHOWN_CLASSES = 20


def threshold(
    model: Annotated[Path, typer.Argument(help="A model file, as `featx fit` writes it.")],
    max_false_alarm: Annotated[
        str | None,
        typer.Option(
            help="1%, or Bag=1%: rows of other classes that are said to be of a class; without a "
            "name, of each class but the most frequent one.",
            show_default=False,
        ),
        BY_CLASS,
    ] = None,
    min_recall: Annotated[
        str | None,
        typer.Option(help="Shirt=0.95: rows of a class that are found.", show_default=False),
        BY_CLASS,
    ] = None,
    cost: Annotated[
        Path | None,
        typer.Option(
            help="A CSV file of costs: a row for each true class, a column for each prediction.",
            show_default=False,
        ),
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Decide for the most probable class again.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The model file to write.", show_default="MODEL"),
    ] = None,
    overwrite: OverwriteOption = False,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Choose thresholds of classes on validation rows; the model file keeps them.

    `featx score` and `featx export` apply them. Test rows show what they do.

    Example: featx threshold model.featx --min-recall Shirt=0.95
    """
    from dataclasses import replace

    from ...cache import FeatureStore
    from ...classifiers import load_model, save_model
    from ...classifiers.selection.decisions.thresholds import check_wish, choose_thresholds

    loaded = load_model(model)
    given = {"--max-false-alarm": max_false_alarm, "--min-recall": min_recall}
    check_wish({**given, "--cost": cost, "--reset": reset})
    target = out or model
    if reset:
        save_model(replace(loaded, decision={}), target, overwrite=overwrite)
        text = f"{target} decides for the most probable class"
        answer(as_json, {"model": str(target), "decision": {}}, lambda c: c.print(text))
        return
    wish = _wish(loaded, max_false_alarm, min_recall, cost)
    chosen = choose_thresholds(loaded, wish, FeatureStore(cache))
    save_model(chosen.model, target, overwrite=overwrite)
    for note in chosen.notes:
        say(note)
    answer(as_json, _data(chosen, target), lambda console: _draw(console, chosen, target))


def _wish(model: Model, alarm: str | None, recall: str | None, cost: Path | None) -> Wish:
    from ...classifiers.selection.decisions.class_values import (
        class_index,
        parse_pairs,
        parse_share,
        read_costs,
    )
    from ...classifiers.selection.decisions.thresholds import Wish

    names = model.class_names
    if cost is not None:
        return Wish(costs=read_costs(cost, names), rule=f"--cost {cost.name}")
    option, text = ("--min-recall", recall) if recall else ("--max-false-alarm", alarm or "")
    if option == "--max-false-alarm" and "=" not in text:
        return Wish(any_false_alarm=parse_share(text, option), rule=f"{option} {text}")
    shares = {
        class_index(name, names, option): parse_share(value, option)
        for name, value in parse_pairs(text, option).items()
    }
    rule = f"{option} {text}"
    return Wish(min_recall=shares, rule=rule) if recall else Wish(max_false_alarm=shares, rule=rule)


def _data(chosen: Thresholds, target: Path) -> dict[str, Any]:
    def plain(rates: Any) -> Any:
        return {
            split: [
                {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}
                for row in map(asdict, rows)
            ]
            for split, rows in rates.items()
        }

    return {
        "model": str(target),
        "decision": dict(chosen.model.decision),
        "before": plain(chosen.before),
        "after": plain(chosen.after),
        "cost_before": dict(chosen.cost_before),
        "cost_after": dict(chosen.cost_after),
        "notes": list(chosen.notes),
    }


def _draw(console: Console, chosen: Thresholds, target: Path) -> None:
    factors = chosen.model.decision["factors"]
    for split in chosen.after:
        console.print(f"On {'validation (chosen here)' if split == 'val' else 'test'}:")
        headers = ("class", "rows", "factor", "found", "before", "false alarms", "before ")
        pairs = zip(chosen.after[split], chosen.before[split], factors, strict=True)
        rows = [
            (
                *(now.name, f"{now.rows:,}", f"{factor:.3g}"),
                *map(_percent, (now.recall, was.recall, now.false_alarm, was.false_alarm)),
            )
            for now, was, factor in pairs
        ]
        draw_table(console, headers, rows[:SHOWN_CLASSES])
        if len(rows) > SHOWN_CLASSES:
            console.print(f"and {len(rows) - SHOWN_CLASSES} more classes (--json lists all)")
        if split in chosen.cost_after:
            was, now = chosen.cost_before[split], chosen.cost_after[split]
            console.print(f"mean cost of a row: {now:.4g}, before {was:.4g}")
    if len(factors) == 2:
        share = factors[0] / sum(factors)
        name = chosen.model.class_names[1]
        console.print(f"{name!r} is predicted from a probability of {share:.4g} on")
    console.print(f"Model: {target}. featx score and featx export apply these thresholds")


def _percent(share: float) -> str:
    return UNDEFINED if math.isnan(share) else f"{share:.1%}"
