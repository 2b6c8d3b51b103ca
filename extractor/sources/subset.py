"""A part of a source, and a source without images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...cache import Listing, StringColumn
from .source import Contents, ListedSource, Raw, Source, stamps_of


class Subset:
    """Some of a source's images, in the source's order.

    Parameters
    ----------
    source : Source
    rows : ndarray of int64
        Indices of the images.
    name, location : str
        See ``Source``.
    """

    def __init__(self, source: Source, rows: NDArray[np.int64], name: str, location: str) -> None:
        self.whole, self._rows = source, rows
        self._listing = source.listing().take(rows)
        self.name, self.location = name, location
        self.left_out, self.understood = source.left_out, source.understood

    def listing(self) -> Listing:
        """Return ids, labels, splits, groups and class names of the chosen images."""
        return self._listing

    def stamps(self) -> NDArray[np.int64]:
        """Return the stamps of the chosen images; the other files are not looked at."""
        return stamps_of(self.whole, self._rows)

    def read(self, index: int) -> Raw:
        """Return one image as it lies there."""
        return self.whole.read(int(self._rows[index]))


class EmptySource(ListedSource):
    """A source without images.

    Parameters
    ----------
    location : str
    """

    def __init__(self, location: str) -> None:
        none = StringColumn.from_strings([])
        listing = Listing(none, np.zeros(0, np.int64), np.zeros(0, np.int8), None, ())
        super().__init__(location, Contents(listing, location))

    def stamps(self) -> NDArray[np.int64]:
        """Return no stamps."""
        return np.zeros((0, 3), np.int64)

    def read(self, index: int) -> Raw:
        """Raise IndexError: there is none."""
        raise IndexError(f"no image {index}: the source is empty")
