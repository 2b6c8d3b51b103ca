"""Counting predictions as they are put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...cache import Listing

SHOWN_ERRORS = 5


@dataclass
class Tally:
    """What a table of predictions comes to.

    Attributes
    ----------
    listing : Listing
        The source's own labels, if it has any.
    n_by_status, n_by_class : Counter
    first_errors : list of (id, reason)
    n_judged, n_right : int
        Rows with a prediction and a label that the model knows; of these, where they agree.
    """

    listing: Listing
    n_by_status: Counter[str] = field(default_factory=Counter)
    n_by_class: Counter[str] = field(default_factory=Counter)
    first_errors: list[tuple[str, str]] = field(default_factory=list)
    n_samples: int = 0
    n_judged: int = 0
    n_right: int = 0

    def watch(self, tables: Iterable[Any]) -> Iterator[Any]:
        """Count ``tables`` on their way."""
        for table in tables:
            self._add(table)
            self.n_samples += len(table)
            yield table

    @property
    def accuracy(self) -> float | None:
        """Share of the judged rows that agree with their label; None where there are none."""
        return self.n_right / self.n_judged if self.n_judged else None

    def _add(self, table: Any) -> None:
        status = table.column("status").combine_chunks()
        counts = zip(*_counts(status), strict=True)
        self.n_by_status.update(dict(counts))
        predicted = table.column("predicted").combine_chunks()
        self.n_by_class.update(dict(zip(*_counts(predicted.drop_null()), strict=True)))
        self._note_errors(table, status)
        self._judge(predicted)

    def _note_errors(self, table: Any, status: Any) -> None:
        import pyarrow.compute as pc

        wanted = SHOWN_ERRORS - len(self.first_errors)
        if wanted > 0 and self.n_by_status["error"]:
            bad = table.filter(pc.equal(status.cast("string"), "error")).slice(0, wanted)
            pairs = zip(bad["id"].to_pylist(), bad["reason"].to_pylist(), strict=True)
            self.first_errors.extend(pairs)

    def _judge(self, predicted: Any) -> None:
        names = self.listing.class_names
        if not names:
            return
        labels = self.listing.labels[self.n_samples : self.n_samples + len(predicted)]
        codes = {name: code for code, name in enumerate(predicted.dictionary.to_pylist())}
        # The last entry answers for the label -1.
        expected = np.array([*(codes.get(name, -1) for name in names), -1])[labels]
        found = predicted.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        judged = (expected >= 0) & (found >= 0)
        self.n_judged += int(judged.sum())
        self.n_right += int((judged & (expected == found)).sum())


def _counts(values: Any) -> tuple[list[str], list[int]]:
    """Count a dictionary array without nulls by its codes."""
    codes = values.indices.to_numpy(zero_copy_only=False)
    counts = np.bincount(codes, minlength=len(values.dictionary))
    seen = np.flatnonzero(counts)
    names = values.dictionary.to_pylist()
    return [names[i] for i in seen], counts[seen].tolist()
