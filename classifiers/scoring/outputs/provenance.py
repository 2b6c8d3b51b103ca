"""What predictions say of their making: model, version and time, as metadata and as columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache import SPLITS, Listing
from ....cache.errors import ConfigError
from ....cache.suggest import did_you_mean
from ...models.split_rows import SplitRows
from ..row_block import bytes_of
from .formats.record import LAST_COLUMNS

KNOWN = ("new", "trained on", "validation", "test")
"""What the column ``known`` says; the first of images that the model never saw."""

MODEL, VERSION, SCORED_AT = "featx.model", "featx.version", "featx.scored_at"
VIEWS = "featx.views"


@dataclass(frozen=True)
class Provenance:
    """Who made predictions, and when.

    Attributes
    ----------
    model : str
        Digest of the model, 64 hexadecimal digits; empty where it is not known.
    scored_at : str
        Time of the run, ISO 8601 in UTC; empty where equal inputs shall give equal bytes.
    views : str
        Over which views of an image the probabilities are the mean; empty for the image itself.
    """

    model: str = ""
    scored_at: str = ""
    views: str = ""

    def to_metadata(self) -> dict[str, str]:
        """Return texts for the metadata of a file."""
        metadata = {VERSION: version("featx")}
        metadata |= {MODEL: self.model} if self.model else {}
        metadata |= {VIEWS: self.views} if self.views else {}
        return metadata | ({SCORED_AT: self.scored_at} if self.scored_at else {})


@dataclass(frozen=True)
class MoreColumns:
    """Columns on request, which stand before the status.

    Attributes
    ----------
    names : sequence of str
        Keys of ``COLUMNS``.
    listing : Listing
        The samples, in the order of the rows.
    provenance : Provenance
    known : SplitRows or None
        The images that the model was trained, chosen and tested on.
    digests : ndarray of uint8, shape (n_samples, 32), or None
        Of the images, where they do not come with the predictions in a column ``digest``.

    Raises
    ------
    ConfigError
        A name is unknown.
    """

    names: Sequence[str]
    listing: Listing
    provenance: Provenance
    known: SplitRows | None = None
    digests: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        check_columns(self.names)

    def add_to(self, tables: Iterable[Any]) -> Iterator[Any]:
        """Pass on the tables of all rows, in order, with the columns, without their digests."""
        start = 0
        for table in tables:
            rows, digests = range(start, start + len(table)), self.digests
            if digests is not None:
                digests = digests[rows.start : rows.stop]
            if "digest" in table.column_names:
                digests = bytes_of(table.column("digest"))
                table = table.drop_columns(["digest"])
            position = table.num_columns - len(LAST_COLUMNS)
            for number, name in enumerate(self.names):
                column = COLUMNS[name](replace(self, digests=digests), rows)
                table = table.add_column(position + number, name, column)
            start = rows.stop
            yield table


def check_columns(names: Sequence[str]) -> None:
    """Refuse the name of an unknown column; raises ConfigError."""
    for name in names:
        if name not in COLUMNS:
            raise ConfigError(f"unknown column {name!r}. {did_you_mean(name, COLUMNS)}")


def _label(more: MoreColumns, rows: range) -> Any:
    import pyarrow as pa

    codes = more.listing.labels[rows.start : rows.stop].astype("int32")
    names = pa.array([printable(name) for name in more.listing.class_names], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), names)


def _split(more: MoreColumns, rows: range) -> Any:
    import pyarrow as pa

    codes = more.listing.splits[rows.start : rows.stop]
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(SPLITS))


def _known(more: MoreColumns, rows: range) -> Any:
    """Return what the model did with each image; null where its file does not say."""
    import pyarrow as pa

    if more.known is None or more.digests is None:
        return pa.DictionaryArray.from_arrays(pa.nulls(len(rows), pa.int8()), pa.array(KNOWN))
    splits = more.known.find(more.digests)
    return pa.DictionaryArray.from_arrays(pa.array(splits + 1, pa.int8()), pa.array(KNOWN))


def _constant(text: Callable[[Provenance], str]) -> Callable[[MoreColumns, range], Any]:
    def column(more: MoreColumns, rows: range) -> Any:
        import pyarrow as pa

        codes = pa.array([0] * len(rows), pa.int8())
        return pa.DictionaryArray.from_arrays(codes, pa.array([text(more.provenance)]))

    return column


def printable(text: str) -> str:
    """Return ``text`` as valid Unicode; bytes of a name that are no UTF-8 become ``\\xNN``."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


COLUMNS: dict[str, Callable[[MoreColumns, range], Any]] = {
    "label": _label,
    "split": _split,
    "known": _known,
    "model": _constant(lambda provenance: provenance.model),
    "version": _constant(lambda _: version("featx")),
    "time": _constant(lambda provenance: provenance.scored_at),
}
