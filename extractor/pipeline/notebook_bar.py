"""Progress in Jupyter notebooks, by IPython alone: no widget has to be installed."""

from __future__ import annotations

import sys
import time
from html import escape
from typing import Any

UPDATE_SECONDS = 0.2


class NotebookBar:
    """A bar below the cell that is running.

    Parameters
    ----------
    n_units : int
    task : str
    """

    def __init__(self, n_units: int, task: str) -> None:
        from IPython import display

        self._display: Any = display
        self._total, self._task, self._done = n_units, task, 0
        self._started = self._updated = time.monotonic()
        self._handle = display.display(display.HTML(self._html()), display_id=True)

    def advance(self, n_units: int) -> None:
        """Count ``n_units`` more, and draw the bar anew a few times a second."""
        self._done += n_units
        now = time.monotonic()
        if self._handle and (now - self._updated > UPDATE_SECONDS or self._done >= self._total):
            self._updated = now
            self._handle.update(self._display.HTML(self._html()))

    def _html(self) -> str:
        seconds = time.monotonic() - self._started
        rate = self._done / max(seconds, 1e-9)
        is_done = self._done >= self._total
        left = (self._total - self._done) / max(rate, 1e-9)
        times = (
            f", {rate:,.0f}/s, {seconds:.0f} s"
            if is_done
            else f", {rate:,.0f}/s, {left:.0f} s left"
        )
        counts = f"{self._done:,} of {self._total:,}{times if self._done else ''}"
        return (
            f'<progress value="{self._done}" max="{max(1, self._total)}"></progress> '
            f"{escape(self._task)}: {counts}"
        )


def notebook_bar(n_units: int, task: str) -> NotebookBar | None:
    """Return a bar where this process is the kernel of a notebook, else None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return NotebookBar(n_units, task) if hasattr(shell, "kernel") else None
