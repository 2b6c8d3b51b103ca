"""Ends of a network's stages: the last layers before its maps become smaller.

The rule sees a network as steps in an order of computation. All data goes through a *gate*: no
later step takes what an earlier one gave. At each size of the maps, the end of the stage is the
last sum or concatenation that is a gate (the end of a residual or dense block), else the last such
step at all, else the last gate. At the size of the last layer it is the network's last such step,
where convolutions come after it: the last layer itself is taken anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MERGE, WEIGHTED, ACTIVATION, OTHER = "merge", "weighted", "activation", "other"


@dataclass(frozen=True)
class Step:
    """One layer or operation of a network.

    Attributes
    ----------
    name : str
    kind : str
        ``merge`` (sums and concatenations), ``weighted`` (convolutions and products),
        ``activation`` or ``other``.
    shape : (height, width, channels)
        Of its output; empty where that is no map.
    parents : tuple of str
        The steps whose output it takes.
    can_be_named : bool
        Whether ``--layer`` takes its name.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parents: tuple[str, ...]
    can_be_named: bool = True


def stage_ends(steps: Sequence[Step], last: str, n_ends: int = 3) -> list[str]:
    """Return the names of the last stages' ends, in the order of computation.

    Parameters
    ----------
    steps : sequence of Step
        In an order in which they can be computed.
    last : str
        The last layer, which is taken beside them.
    n_ends : int
        How many; fewer are returned where there are fewer.
    """
    needed = _needed_for(steps, last)
    gates = _gates(needed)
    weighted = [i for i, step in enumerate(needed) if step.kind == WEIGHTED]
    if not weighted:
        return []
    inner = [i for i in range(weighted[0], len(needed) - 1) if needed[i].shape]
    last_merge = max((i for i in inner if needed[i].kind == MERGE), default=-1)
    size_of_last = _size(needed[-1])
    ends = []
    for size in dict.fromkeys(_size(needed[i]) for i in inner):
        at_size = [i for i in inner if _size(needed[i]) == size]
        if size == size_of_last:
            at_size = [i for i in at_size if i == last_merge < weighted[-1]]
        end = _end(needed, at_size, gates)
        if end is not None:
            ends.append(_after_activation(needed, end))
    return [needed[i].name for i in sorted(ends)[-n_ends:]]


def _end(steps: Sequence[Step], at_size: Sequence[int], gates: Sequence[bool]) -> int | None:
    """Return the end of a stage among the steps at one size; None where no step can be one."""
    named = [i for i in at_size if steps[i].can_be_named]
    merges = [i for i in named if steps[i].kind == MERGE]
    candidates = [i for i in merges if gates[i]] or merges
    candidates = candidates or [i for i in named if gates[i] and steps[i].kind != OTHER]
    return candidates[-1] if candidates else None


def _after_activation(steps: Sequence[Step], index: int) -> int:
    """Return the activation that alone takes what a step gives; else the step."""
    takers = [i for i, step in enumerate(steps) if steps[index].name in step.parents]
    is_one = len(takers) == 1 and steps[takers[0]].kind == ACTIVATION
    return takers[0] if is_one and steps[takers[0]].can_be_named else index


def _needed_for(steps: Sequence[Step], last: str) -> list[Step]:
    """Return the steps that ``last`` is computed from, itself included."""
    wanted, needed = {last}, []
    for step in reversed(steps):
        if step.name in wanted:
            wanted.update(step.parents)
            needed.append(step)
    return needed[::-1]


def _gates(steps: Sequence[Step]) -> list[bool]:
    """Tell of each step whether all data goes through it."""
    positions = {step.name: i for i, step in enumerate(steps)}
    last_use = list(range(len(steps)))
    for i, step in enumerate(steps):
        for parent in step.parents:
            if parent in positions:
                last_use[positions[parent]] = i
    furthest, gates = 0, []
    for i in range(len(steps)):
        gates.append(furthest <= i)
        furthest = max(furthest, last_use[i])
    return gates


def _size(step: Step) -> tuple[int, ...]:
    return step.shape[:2]
