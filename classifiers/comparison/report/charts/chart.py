"""Chart: lines, bands and points on two axes, and the table of the same numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_STYLES = 8
"""Colours and dashes in the style sheet; each series has one of both."""
MAX_POINTS = 200
TABLE_ROWS = 12

Values = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Series:
    """One line or one set of points.

    Attributes
    ----------
    name : str
    x, y : ndarray of float, shape (n,)
    low, high : ndarray of float or None
        The interval of ``y``.
    style : int
        Of colour and dash; the same model has the same one in all charts.
    is_line : bool
    names : sequence of str
        Of the points, where they have any.
    note : str
        Stands behind the name, such as an AUC.
    """

    name: str
    x: Values
    y: Values
    low: Values | None = None
    high: Values | None = None
    style: int = 0
    is_line: bool = True
    names: Sequence[str] = ()
    note: str = ""


@dataclass(frozen=True)
class Axis:
    """What an axis shows, from where to where.

    Attributes
    ----------
    title : str
    low, high : float
    is_log : bool
    is_share : bool
        Ticks are percentages.
    """

    title: str
    low: float
    high: float
    is_log: bool = False
    is_share: bool = False

    def position(self, values: Values) -> Values:
        """Return where values stand, 0 at the low end and 1 at the high end."""
        low, high = self.low, self.high
        if self.is_log:
            values, low, high = np.log10(np.maximum(values, low)), math.log10(low), math.log10(high)
        positions: Values = np.clip((values - low) / ((high - low) or 1), 0, 1)
        return positions

    def ticks(self) -> list[tuple[float, str]]:
        """Return positions from 0 to 1 and what stands there."""
        values = self._log_ticks() if self.is_log else self._even_ticks()
        at = self.position(np.array(values, float))
        return [(float(p), self.text(v)) for p, v in zip(at, values, strict=True)]

    def text(self, value: float) -> str:
        """Return a value as the axis and the table show it."""
        if not math.isfinite(value):
            return "–"
        if self.is_share:
            return (
                f"{value:.0%}" if abs(value * 100 - round(value * 100)) < 1e-6 else f"{value:.1%}"
            )
        if value and abs(value) < 0.01:
            return f"{value:.1e}"
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

    def _log_ticks(self) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        step = max(1, (last - first + 4) // 5)
        ticks = [10.0**e for e in range(first, last + 1, step) if self.low <= 10.0**e <= self.high]
        if len(ticks) > 1:
            return ticks
        finer = [m * 10.0**e for e in range(first, last + 1) for m in (1, 2, 5)]
        return [value for value in finer if self.low <= value <= self.high]

    def _even_ticks(self) -> list[float]:
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        step = 10.0 ** math.floor(math.log10(span / 4))
        step *= next(m for m in (1, 2, 2.5, 5, 10) if span / (step * m) <= 5)
        first = math.ceil(self.low / step - 1e-9)
        return [round(i * step, 12) for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Chart:
    """A drawing with its table.

    Attributes
    ----------
    title : str
    x, y : Axis
    series : sequence of Series
    diagonal : str
        What the dotted line from corner to corner means; empty where there is none.
    note : str
        A sentence below.
    """

    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    diagonal: str = ""
    note: str = ""
    size: tuple[int, int] = field(default=(420, 300))

    def lines(self) -> list[dict[str, Any]]:
        """Return what is drawn, in pixels: path, band, points, style and name of each series."""
        return [self._line(series) for series in self.series]

    def x_ticks(self) -> list[tuple[float, str]]:
        """Return ticks in pixels from the left."""
        return [(round(at * self.size[0], 1), text) for at, text in self.x.ticks()]

    def y_ticks(self) -> list[tuple[float, str]]:
        """Return ticks in pixels from the top."""
        return [(round((1 - at) * self.size[1], 1), text) for at, text in self.y.ticks()]

    def table(self) -> list[tuple[str, str, str, str]]:
        """Return rows of name, x, y and interval; of long lines a dozen points."""
        rows = []
        for series in self.series:
            n = len(series.x)
            chosen = np.unique(np.linspace(0, max(0, n - 1), min(n, TABLE_ROWS)).astype(int))
            for i in chosen.tolist() if series.is_line else range(n):
                name = series.names[i] if len(series.names) else series.name
                interval = ""
                if series.low is not None and series.high is not None:
                    low, high = self.y.text(series.low[i]), self.y.text(series.high[i])
                    interval = f"{low} to {high}"
                rows.append((name, self.x.text(series.x[i]), self.y.text(series.y[i]), interval))
        return rows

    def _line(self, series: Series) -> dict[str, Any]:
        keep = np.isfinite(series.x) & np.isfinite(series.y)
        x, y = self._pixels(series.x[keep], series.y[keep])
        if series.is_line:
            chosen = simplified(x, y)
            x, y = x[chosen], y[chosen]
        points = list(zip(x.round(1).tolist(), y.round(1).tolist(), strict=True))
        drawn: dict[str, Any] = {
            "name": series.name,
            "note": series.note,
            "style": series.style % N_STYLES,
            "path": "M" + "L".join(f"{a:g} {b:g}" for a, b in points) if series.is_line else "",
            "points": [] if series.is_line and len(points) > TABLE_ROWS * 2 else points,
            "titles": self._titles(series, keep),
            "band": "",
            "bars": [],
        }
        if series.low is not None and series.high is not None and len(points):
            _, low = self._pixels(series.x[keep], series.low[keep])
            _, high = self._pixels(series.x[keep], series.high[keep])
            x, _ = self._pixels(series.x[keep], series.y[keep])
            if series.is_line:
                ends = [*zip(x, high, strict=True), *zip(x[::-1], low[::-1], strict=True)]
                drawn["band"] = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in ends) + "Z"
            else:
                bars = zip(x, low, high, strict=True)
                drawn["bars"] = [tuple(round(float(v), 1) for v in bar) for bar in bars]
        return drawn

    def _titles(self, series: Series, keep: NDArray[np.bool_]) -> list[str]:
        numbers = np.flatnonzero(keep).tolist()
        names = [series.names[i] if len(series.names) else series.name for i in numbers]
        return [
            f"{name}: {self.x.text(series.x[i])}, {self.y.text(series.y[i])}"
            for name, i in zip(names, numbers, strict=True)
        ]

    def _pixels(self, x: Values, y: Values) -> tuple[Values, Values]:
        return self.x.position(x) * self.size[0], (1 - self.y.position(y)) * self.size[1]


def simplified(x: Values, y: Values, n_points: int = MAX_POINTS) -> NDArray[np.int64]:
    """Return the points that a drawing of a line needs: ``n_points`` even steps along it."""
    if len(x) <= n_points:
        return np.arange(len(x))
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    steps = np.linspace(0, length[-1], n_points)
    return np.unique(np.searchsorted(length, steps).clip(0, len(x) - 1))


def log_axis(title: str, values: Sequence[float]) -> Axis:
    """Return a logarithmic axis around positive values, with room at both ends."""
    positive = [v for v in values if v > 0] or [1.0]
    return Axis(title, min(positive) / 1.6, max(positive) * 1.6, is_log=True)


def padded_axis(title: str, values: Sequence[float]) -> Axis:
    """Return an axis from the smallest to the largest value, with a tenth of room on both sides."""
    room = (max(values, default=1.0) - min(values, default=0.0)) * 0.1 or 0.1
    return Axis(title, min(values, default=0.0) - room, max(values, default=1.0) + room)


def share_axis(title: str, values: Sequence[float]) -> Axis:
    """Return an axis of shares around values, with room at both ends."""
    finite = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
    room = max(0.02, (max(finite) - min(finite)) * 0.1)
    low, high = max(0.0, min(finite) - room), min(1.0, max(finite) + room)
    return Axis(title, low, high, is_share=True)
