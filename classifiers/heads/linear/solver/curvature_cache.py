"""Second derivatives that have been found, and for which grid points they still serve."""

from __future__ import annotations

from dataclasses import dataclass, field

from .row_blocks import Curvature

# The fold that stands for all that are much like it, and the class.
Group = tuple[int, int]


@dataclass
class KnownCurvatures:
    """Keeps curvatures by group and by the C of the point where they were taken.

    Attributes
    ----------
    reuse_ratio : float
        They serve grid points from that C up to this multiple of it.
    """

    reuse_ratio: float
    _found: dict[Group, dict[float, Curvature]] = field(init=False, default_factory=dict)

    def add(self, group: Group, C: float, curvature: Curvature) -> None:
        """Keep what was found at a point of this C."""
        self._found.setdefault(group, {})[C] = curvature

    def find(self, group: Group, C: float) -> Curvature | None:
        """Return the nearest that serves ``C``, or None."""
        known = self._found.get(group, {})
        fits = [origin for origin in known if origin <= C <= self.reuse_ratio * origin]
        return known[max(fits)] if fits else None
