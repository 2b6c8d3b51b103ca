"""Several sources as one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ...cache import NO_LABEL, Listing, StringColumn
from .files.files import NO_STAMP, shown
from .labels import encode_labels
from .source import Contents, ListedSource, Raw, Source, source_name, stamps_of

N_DIGITS = 12


class SeveralSources(ListedSource):
    """Several sources, one after the other; ids begin with what was typed for their source.

    Parameters
    ----------
    sources : sequence of Source
    typed : sequence of str
        What was typed for each; empty where its ids say it already.
    """

    def __init__(self, sources: Sequence[Source], typed: Sequence[str]) -> None:
        self._sources = sources
        listings = [source.listing() for source in sources]
        self._starts = np.cumsum([0, *map(len, listings)])
        digest = hashlib.sha256("\0".join(s.location for s in sources).encode("utf-8", "replace"))
        notes = [f"{p or 'files'}: {s.understood}" for p, s in zip(typed, sources, strict=True)]
        left_out: dict[str, int] = {}
        for source in sources:
            for suffix, n in source.left_out.items():
                left_out[suffix] = left_out.get(suffix, 0) + n
        contents = Contents(
            _joined(listings, typed), f"{len(sources)} sources", tuple(notes), left_out
        )
        super().__init__(
            f"{shown(filter(None, typed))} ({digest.hexdigest()[:N_DIGITS]})", contents
        )
        self.name = source_name(f"{len(sources)}-sources", self.location)

    def stamps(self) -> NDArray[np.int64]:
        """Return the stamps of all sources' images, in order."""
        return np.concatenate([source.stamps() for source in self._sources])

    def stamps_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the stamps of some images."""
        stamps = np.zeros((len(rows), len(NO_STAMP)), np.int64)
        numbers = np.searchsorted(self._starts, rows, "right") - 1
        for number, source in enumerate(self._sources):
            chosen = numbers == number
            stamps[chosen] = stamps_of(source, rows[chosen] - self._starts[number])
        return stamps

    def read(self, index: int) -> Raw:
        """Return one image as it lies there."""
        number = int(np.searchsorted(self._starts, index, "right")) - 1
        return self._sources[number].read(index - int(self._starts[number]))


def _joined(listings: Sequence[Listing], typed: Sequence[str]) -> Listing:
    ids: list[str] = []
    labels: list[str | None] = []
    groups: list[str] = []
    for listing, name in zip(listings, typed, strict=True):
        start = f"{name.rstrip('/')}/" if name else ""
        ids.extend(start + name for name in listing.sample_ids)
        labels.extend(_names(listing))
        groups.extend(listing.groups or [""] * len(listing))
    codes, class_names = encode_labels(labels)
    splits = np.concatenate([listing.splits for listing in listings])
    column = StringColumn.from_strings(groups) if any(groups) else None
    names = StringColumn.from_strings(ids)
    return Listing(names, codes, splits, column, class_names, _joined_weights(listings))


def _joined_weights(listings: Sequence[Listing]) -> NDArray[np.float64] | None:
    """Return the weights of all samples; those of sources without weights are 1."""
    if all(listing.weights is None for listing in listings):
        return None
    columns = [np.ones(len(one)) if one.weights is None else one.weights for one in listings]
    return np.concatenate(columns)


def _names(listing: Listing) -> Iterable[str | None]:
    return (None if code == NO_LABEL else listing.class_names[code] for code in listing.labels)
