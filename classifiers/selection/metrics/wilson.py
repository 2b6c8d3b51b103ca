"""Wilson's interval of a share."""

from __future__ import annotations

import math

Z_95 = 1.959963984540054
Interval = tuple[float, float]


def wilson_interval(share: float, n: int) -> Interval:
    """Return the 95 % interval of a share of ``n`` (Wilson 1927, JASA 22:209)."""
    if n == 0:
        return 0.0, 1.0
    z2 = Z_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)
