"""The rarest class, and numbers that rest on few rows."""

from __future__ import annotations

from ....cache.results.scores import Rarest, Scores
from .weighted_rows import WeightedRows

FEW_ROWS = 20
"""A share of fewer rows is a guess: of 19 right answers in 20 the 95 % interval is 0.76 to 0.99."""
SPLIT_WORDS = {"val": "validation rows", "test": "test rows"}


def rarest_class(rows: WeightedRows) -> Rarest | None:
    """Return the class with the fewest rows, of equals the first; None without classes."""
    if not rows.class_names:
        return None
    counts = rows.n_true[:, 0]
    label = int(counts.argmin())
    return Rarest(
        name=rows.class_names[label],
        rows=int(counts[label]),
        n_found=int(rows.n_right[label, 0]),
        n_few=int((counts < FEW_ROWS).sum()),
    )


def few_rows_note(scores: Scores) -> str:
    """Say which numbers rest on few rows; empty where none does."""
    what, rarest = SPLIT_WORDS.get(scores.split, "rows that judge"), scores.rarest
    if scores.n_samples < FEW_ROWS:
        return f"Warning: only {scores.n_samples} {what}: every number measured on them is a guess."
    if rarest is None or not rarest.n_few:
        return ""
    more = rarest.n_few - 1
    others = f" and {more} other class{'es' * (more > 1)} fewer than {FEW_ROWS}" if more else ""
    count = f"{rarest.rows} of the {scores.n_samples:,}" if rarest.rows else "none of the"
    return (
        f"Warning: {rarest.name!r} has {count} {what}{others}: its recall, and every mean "
        "over classes, is a guess."
    )
