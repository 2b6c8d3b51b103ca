"""Drawing a part of the units by their keyed hashes, with a share that each class keeps to.

A unit's hash is a position on a circle from 0 to 1. Units from 0 to 0.2 go to test, those from 0.2
to 0.36 to val (to 0.4, where the source gives the test images). A unit's split does not depend on
other units; the shares are those of a random draw.

In small classes a random draw strays: of 25 images it may take one for testing, or nine. Where a
class has less than half of its share, or more than one and a half times as much, the units nearest
to the border change sides. Only units that were never assigned before do so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CIRCLE = 2.0**64
TOLERANCE = 0.5


@dataclass(frozen=True)
class SplitShare:
    """A part of the units that is set apart.

    Attributes
    ----------
    start, share : float
        Where it begins on the circle, and how long it is.
    least : int
        Units that a class has so that one of them goes here at least.
    """

    start: float
    share: float
    least: int

    def bounds(self, n_units: int) -> tuple[int, int]:
        """Return how many of the units of a class go here, at least and at most."""
        if n_units < self.least:
            return 0, 0
        low, high = self.share * n_units * (1 - TOLERANCE), self.share * n_units * (1 + TOLERANCE)
        return max(1, math.ceil(low)), max(1, math.floor(high))


TEST = SplitShare(0.0, 0.2, least=3)
VAL = SplitShare(0.2, 0.16, least=2)
VAL_OF_REST = SplitShare(0.2, 0.2, least=2)


def draw_part(
    part: SplitShare,
    hashes: NDArray[np.uint64],
    classes: NDArray[np.int64],
    is_inside: NDArray[np.bool_],
    is_free: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return the mask of the units that a part takes, bool ``(n_units,)``.

    Parameters
    ----------
    part : SplitShare
    hashes : ndarray of uint64, shape (n_units,)
    classes : ndarray of int64, shape (n_units,)
    is_inside : ndarray of bool, shape (n_units,)
        Units that were assigned to the part before.
    is_free : ndarray of bool, shape (n_units,)
        Units that may be taken: never assigned before, and not taken by another part.
    """
    positions = (hashes / CIRCLE - part.start) % 1.0
    taken = is_inside.copy()
    for label in np.unique(classes[is_free]):
        is_member = classes == label
        candidates = np.flatnonzero(is_member & is_free)
        candidates = candidates[np.lexsort((hashes[candidates], positions[candidates]))]
        n_before = int((is_member & is_inside).sum())
        wanted = n_before + int((positions[candidates] < part.share).sum())
        low, high = part.bounds(int(is_member.sum()))
        n_taken = min(max(wanted, low), high) - n_before
        taken[candidates[: max(0, n_taken)]] = True
    return taken
