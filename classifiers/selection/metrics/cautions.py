"""What keeps measured numbers from misleading."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ....cache.results.scores import Scores
from .baseline import baseline_note
from .rarest import few_rows_note
from .record import Metric


def cautions(
    measured: Iterable[Scores], baseline: Scores | None, metric: Metric, what: str
) -> Iterator[str]:
    """Yield what to know of some numbers: they rest on few rows, or do not beat the baseline.

    Parameters
    ----------
    measured : iterable of Scores
        Of ``what`` on each split; the first is held against the baseline.
    baseline : Scores or None
    metric : Metric
    what : str
        ``The winner``.
    """
    scores = list(measured)
    yield from dict.fromkeys(filter(None, map(few_rows_note, scores)))
    note = baseline_note(scores[0], baseline, metric, what) if baseline and scores else ""
    if note:
        yield note
