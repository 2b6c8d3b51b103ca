"""How many shard files this process holds open, within its limit on open files.

A set of few shards keeps them all mapped, so that its readers go on when ``compact`` or ``gc``
removes their names. A set of more shards than the limit leaves room for opens each when it is read,
and of those only the ones that were read last stay open.
"""

from __future__ import annotations

import resource
import threading
import weakref
from collections import OrderedDict
from typing import Protocol

# A compressed shard takes two descriptors, and at least half of all belong to the rest of the
# process. Past the upper bound more open shards make nothing faster.
DESCRIPTORS_PER_SHARD = 4
MOST_SHARDS = 256
FEWEST_ON_DEMAND = 4
SHARE_ON_DEMAND = 4


class Closable(Protocol):
    """A shard that is open and can be closed until it is read again."""

    def close(self) -> None:
        """Let go of the file."""
        ...


class OpenFiles:
    """Counts the shards that sets keep open, and closes those that are read on demand.

    Its methods may be called from several threads. A shard that is closed while another thread
    reads it stays mapped until that thread is done.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_kept = 0
        self._on_demand: OrderedDict[int, weakref.ref[Closable]] = OrderedDict()

    def keep(self, n_shards: int) -> bool:
        """Count ``n_shards`` as open for good where the limit allows it; else return False."""
        with self._lock:
            if self._n_kept + n_shards > _limit():
                return False
            self._n_kept += n_shards
            return True

    def release(self, n_shards: int) -> None:
        """Take back what ``keep`` granted."""
        with self._lock:
            self._n_kept -= n_shards

    def touch(self, shard: Closable) -> None:
        """Note that ``shard`` is read now; close those that were not read for longest."""
        oldest = []
        with self._lock:
            self._on_demand[id(shard)] = weakref.ref(shard)
            self._on_demand.move_to_end(id(shard))
            while len(self._on_demand) > max(FEWEST_ON_DEMAND, _limit() // SHARE_ON_DEMAND):
                oldest.append(self._on_demand.popitem(last=False)[1]())
        for closable in oldest:
            if closable is not None:
                closable.close()


def _limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    n_descriptors = MOST_SHARDS * DESCRIPTORS_PER_SHARD if soft < 0 else soft
    return min(MOST_SHARDS, n_descriptors // DESCRIPTORS_PER_SHARD)


# The limit is the process's, so this is one for all sets that are open at once.
OPEN_FILES = OpenFiles()
