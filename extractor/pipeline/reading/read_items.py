"""Where images are read and decoded: in threads of this process, or in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from ...engines.choose import runs_on_accelerator
from ...run_options import RunOptions
from .reader import Item, Reader, read_ahead

WORTH_PROCESSES = 4000
"""Images below which processes that decode would hardly have started."""


def read_items(
    reader: Reader,
    indices: Iterable[int],
    n_images: int,
    formats: Collection[str],
    options: RunOptions,
    window: Callable[[], int],
    say: Callable[[str], object],
) -> Iterator[Item]:
    """Yield the items of ``indices`` in order, read and decoded ahead; close it to end the readers.

    Processes decode for an accelerator: threads of one process could not keep up with it.

    Parameters
    ----------
    reader : Reader
    indices : iterable of int
    n_images : int
        About how many there are.
    formats : collection of str
        Of the backbones that see them.
    options : RunOptions
    window : callable
        Returns how many images threads may be ahead.
    say : callable
        Told where processes ended and threads go on.
    """
    if n_images >= WORTH_PROCESSES and any(
        runs_on_accelerator(options.engine, format) for format in formats
    ):
        # Joblib's processes take a thirtieth of the start of a run that has no use for them.
        from .processes import open_processes, read_by_processes

        processes = open_processes(
            reader.source, reader.distinct, options.n_workers, options.max_pixels
        )
        if processes:
            return read_by_processes(reader, indices, processes, options.n_workers, say)
    return read_ahead(reader, indices, options.n_workers, window)
