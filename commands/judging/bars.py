"""Bars and curves of block characters, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

EIGHTHS = " ▏▎▍▌▋▊▉█"
LEVELS = "▁▂▃▄▅▆▇█"
BAR_WIDTH = 10


def bars(values: Sequence[float | None], higher_is_better: bool = True) -> list[str]:
    """Return a bar for each value, from the worst, which has the shortest, to the best one."""
    defined = [value for value in values if value is not None]
    if not defined:
        return [""] * len(values)
    low, high = min(defined), max(defined)
    span = (high - low) or 1.0
    texts = []
    for value in values:
        if value is None:
            texts.append("")
            continue
        share = (value - low) / span if higher_is_better else (high - value) / span
        eighths = max(1, round((share if high > low else 1.0) * 8 * BAR_WIDTH))
        texts.append("█" * (eighths // 8) + EIGHTHS[eighths % 8].strip())
    return texts


def sparkline(values: Sequence[float]) -> str:
    """Return a character for each value, higher for larger ones."""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return "".join(LEVELS[round((value - low) / span * (len(LEVELS) - 1))] for value in values)
