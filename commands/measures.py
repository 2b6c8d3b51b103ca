"""Cells and notes that tables of measures share: the rarest class, few rows, the baseline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from .common import UNDEFINED

if TYPE_CHECKING:
    from ..cache import Scores
    from ..classifiers.selection.metrics import Metric

MOST_LETTERS = 12


def rarest_header(scores: Iterable[Scores]) -> str:
    """Return the heading of the column with the recall of the rarest class."""
    name = next((one.rarest.name for one in scores if one.rarest), "")
    short = name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"
    return f"recall {short}".strip()


def rarest_cell(scores: Scores) -> str:
    """Return recall and support of the rarest class: ``0.67 of 3``."""
    rarest = scores.rarest
    if rarest is None:
        return UNDEFINED
    return f"{UNDEFINED if rarest.recall is None else f'{rarest.recall:.2f}'} of {rarest.rows:,}"


def cautions(
    measured: Iterable[Scores], baseline: Scores | None, metric: Metric, what: str
) -> Iterator[str]:
    """Yield what keeps numbers from misleading: few rows, and a baseline that is not beaten.

    Parameters
    ----------
    measured : iterable of Scores
        Of ``what`` on each split; the first is held against the baseline.
    baseline : Scores or None
    metric : Metric
    what : str
        ``The winner``.
    """
    from ..classifiers.selection.metrics import baseline_note, few_rows_note

    scores = list(measured)
    yield from dict.fromkeys(filter(None, map(few_rows_note, scores)))
    note = baseline_note(scores[0], baseline, metric, what) if baseline and scores else ""
    if note:
        yield note
