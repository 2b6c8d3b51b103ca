"""What a scoring run comes to, counted as its rows are put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import NO_SPLIT, Listing
from ..models.split_rows import TEST, TRAIN, SplitRows
from .outputs.formats.record import UNLIKE
from .outputs.provenance import printable
from .row_block import bytes_of

SHOWN_ERRORS = 5


@dataclass
class Summary:
    """Counts of predictions, and how they agree with the labels of the source.

    Attributes
    ----------
    listing : Listing
        The source's own labels, if it has any.
    class_names : tuple of str
        Of the model.
    rows : SplitRows or None
        The images that the model was trained, chosen and tested on.
    source_digests : ndarray of uint8, shape (n_samples, 32), or None
        Of the images, where they do not come with the predictions.
    n_samples : int
    by_status, by_class : Counter
    bad : list of (index, reason)
        Samples without features.
    digests : list of ndarray
        Of the images, where they came with the predictions.
    n_compared, n_agreeing : int
        Rows with a prediction and a label that the model knows; of these, where both are equal.
    n_trained_on, n_held_out, n_held_out_agreeing : int
        Compared rows that the model was trained on; that it was neither trained on nor chosen by;
        of these, where both are equal.
    unknown_labels : Counter
        Rows by label, where the model does not know the label.
    n_unlike : int or None
        Rows that are unlike the training images; None where nobody asked.
    """

    listing: Listing
    class_names: tuple[str, ...]
    rows: SplitRows | None = None
    source_digests: NDArray[np.uint8] | None = None
    n_samples: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    by_class: Counter[str] = field(default_factory=Counter)
    bad: list[tuple[int, str]] = field(default_factory=list)
    digests: list[NDArray[np.uint8]] = field(default_factory=list)
    n_compared: int = 0
    n_agreeing: int = 0
    n_trained_on: int = 0
    n_held_out: int = 0
    n_held_out_agreeing: int = 0
    unknown_labels: Counter[str] = field(default_factory=Counter)
    n_unlike: int | None = None

    def count(self, tables: Iterable[Any]) -> Iterator[Any]:
        """Pass tables of predictions on, counted."""
        for table in tables:
            predicted = table.column("predicted").combine_chunks()
            status = table.column("status").combine_chunks()
            self.by_class.update(_counts(predicted.drop_null()))
            self.by_status.update(_counts(status))
            self._note_errors(table, status)
            digests = None
            if "digest" in table.column_names:
                digests = bytes_of(table.column("digest"))
                self.digests.append(digests)
            elif self.source_digests is not None:
                digests = self.source_digests[self.n_samples : self.n_samples + len(table)]
            self._compare(predicted, digests)
            self.n_samples += len(table)
            if UNLIKE in table.column_names:
                flagged = table.column(UNLIKE).to_pylist().count(True)
                self.n_unlike = (self.n_unlike or 0) + flagged
            yield table

    @property
    def agreement(self) -> float | None:
        """Share of the compared rows that agree with their label; None where there are none."""
        return self.n_agreeing / self.n_compared if self.n_compared else None

    @property
    def held_out_agreement(self) -> float | None:
        """The same of the rows that are held out."""
        return self.n_held_out_agreeing / self.n_held_out if self.n_held_out else None

    def first_errors(self) -> tuple[tuple[str, str], ...]:
        """Return id and reason of the first few samples without features."""
        ids = self.listing.sample_ids
        return tuple((printable(ids[row]), reason) for row, reason in self.bad[:SHOWN_ERRORS])

    def _note_errors(self, table: Any, status: Any) -> None:
        import pyarrow.compute as pc

        is_bad = pc.equal(status.cast("string"), "error")
        rows = np.flatnonzero(is_bad.to_numpy(zero_copy_only=False)) + self.n_samples
        reasons = table.column("reason").filter(is_bad).to_pylist()
        self.bad.extend(zip(rows.tolist(), reasons, strict=True))

    def _compare(self, predicted: Any, digests: NDArray[np.uint8] | None) -> None:
        names = self.listing.class_names
        if not names:
            return
        labels = self.listing.labels[self.n_samples : self.n_samples + len(predicted)]
        codes = {name: code for code, name in enumerate(self.class_names)}
        # The last entry answers for the label -1: no label.
        expected = np.array([*(codes.get(name, -2) for name in names), -1])[labels]
        answers = predicted.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        is_compared = (expected >= 0) & (answers >= 0)
        self.n_compared += int(is_compared.sum())
        is_right = is_compared & (expected == answers)
        self.n_agreeing += int(is_right.sum())
        if self.rows is not None and digests is not None:
            roles = self.rows.find(digests)
            is_held_out = is_compared & ((roles == NO_SPLIT) | (roles == TEST))
            self.n_trained_on += int((is_compared & (roles == TRAIN)).sum())
            self.n_held_out += int(is_held_out.sum())
            self.n_held_out_agreeing += int((is_held_out & is_right).sum())
        counts = np.bincount(labels[expected == -2], minlength=len(names))
        rows = zip(names, counts.tolist(), strict=True)
        self.unknown_labels.update({name: n for name, n in rows if n})


def _counts(values: Any) -> dict[str, int]:
    """Count a dictionary array without nulls by its codes."""
    codes = values.indices.to_numpy(zero_copy_only=False)
    counts = np.bincount(codes, minlength=len(values.dictionary)).tolist()
    return {name: n for name, n in zip(values.dictionary.to_pylist(), counts, strict=True) if n}
