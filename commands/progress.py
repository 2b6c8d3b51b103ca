"""Progress: a bar on a terminal, plain lines elsewhere; always on standard error."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from .common import human_count, notes, say
from .logs import LOGGER, shows_bars, write_through

LINE_SECONDS = 10.0


class Progress:
    """Shows how many units are done, how many a second, and the time left; a context manager.

    Parameters
    ----------
    unit : str
        What is counted, in the plural.
    """

    def __init__(self, unit: str = "images") -> None:
        self._unit = unit
        self._bar: Any = None
        self._task: Any = None
        self._total = self._done = 0
        self._label = ""
        self._started = self._last_line = 0.0

    def begin(self, n_units: int, task: str) -> None:
        """Start counting to ``n_units``, anew where an earlier task is done."""
        self._stop()
        self._total, self._label, self._done = n_units, task, 0
        self._started = self._last_line = time.monotonic()
        if shows_bars():
            self._start_bar()
        else:
            unit = self._unit.removesuffix("s") if n_units == 1 else self._unit
            self._log(f"{task}: {human_count(n_units)} {unit} to do")

    def advance(self, n_units: int) -> None:
        """Count ``n_units`` more."""
        self._done += n_units
        if self._bar is not None:
            self._bar.update(
                self._task, advance=n_units, rate=f"{self._rate_text()} {self._unit}/s"
            )
        elif time.monotonic() - self._last_line >= LINE_SECONDS:
            self._last_line = time.monotonic()
            left = (self._total - self._done) / max(self._rate(), 1e-9)
            done = f"{human_count(self._done)} of {human_count(self._total)} {self._unit}"
            self._log(f"{self._label}: {done}, {self._rate_text()}/s, {left:.0f} s left")

    def say(self, text: str) -> None:
        """Log a line at once; a bar moves below it."""
        say(text)

    def _log(self, text: str) -> None:
        numbers = {"done": self._done, "total": self._total, "unit": self._unit}
        LOGGER.info("%s", text, extra={"fields": numbers})

    def _start_bar(self) -> None:
        console = notes()
        self._bar = _bar(console)
        self._bar.start()
        self._task = self._bar.add_task(self._label, total=self._total, rate="")
        write_through(console)

    def _rate(self) -> float:
        return self._done / max(time.monotonic() - self._started, 1e-9)

    def _rate_text(self) -> str:
        rate = self._rate()
        return f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            write_through(None)


def _bar(console: Any) -> Any:
    from rich import progress

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=None),
        progress.TextColumn("{task.completed:,}/{task.total:,}"),
        progress.TextColumn("{task.fields[rate]}"),
        progress.TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )
