"""Cells that tables of measures share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .common import UNDEFINED

if TYPE_CHECKING:
    from ..cache import Scores

MOST_LETTERS = 12


def rarest_header(scores: Iterable[Scores]) -> str:
    """Return the heading of the column with the recall of the rarest class."""
    name = next((one.rarest.name for one in scores if one.rarest), "")
    short = name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"
    return f"recall {short}".strip()


def rarest_cell(scores: Scores) -> str:
    """Return recall and support of the rarest class: ``0.67 of 3``."""
    return scores.rarest.describe() if scores.rarest else UNDEFINED
