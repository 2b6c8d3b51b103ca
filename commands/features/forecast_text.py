"""How the forecast of an extraction reads on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common import human_bytes, human_count

if TYPE_CHECKING:
    from rich.console import Console

    from ...extractor.forecast import Forecast

MINUTE, HOUR = 60, 3600


def draw_forecast(console: Console, expected: Forecast) -> None:
    """Draw what an extraction would do."""
    failed = f", {human_count(expected.n_failed)} unreadable before" if expected.n_failed else ""
    console.print(
        f"{human_count(expected.n_images)} images: {human_count(expected.n_done)} already cached"
        f"{failed}, {human_count(expected.n_to_read)} to read"
        + (
            f" ({human_bytes(expected.n_bytes_to_read)})"
            if expected.n_bytes_to_read and expected.n_to_read
            else ""
        )
    )
    if expected.n_unknown:
        console.print(
            f"{human_count(expected.n_unknown)} of these are new or changed: reading tells whether "
            "the cache has them by their bytes"
        )
    for one in expected.sets:
        new = "size known after the first image" if one.n_bytes is None else _new_rows(one.n_bytes)
        console.print(f"  {one.backbone}, {one.layer}, {one.precision}: {new}")
    if expected.images_per_second:
        console.print(
            f"About {human_duration(expected.seconds)} and the start, an estimate: "
            f"{expected.images_per_second:,.0f} images/s, {expected.basis}"
        )
    console.print("Nothing was extracted: --dry-run")


def _new_rows(n_bytes: int) -> str:
    return f"at most {human_bytes(n_bytes)} of new features" if n_bytes else "nothing new"


def human_duration(seconds: float) -> str:
    """Return a duration in the unit that a person would say it in."""
    if seconds < 1:
        return "a second"
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.1f} h"
