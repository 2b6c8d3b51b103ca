"""What goes to standard error: notes, warnings and errors, as text for people or as JSON lines.

All of it passes through Python's logging under ``featx``; this is its handler on the command line.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal

import typer

LogFormat = Literal["text", "json"]
TEXT: LogFormat = "text"
JSON: LogFormat = "json"
LOGGER = logging.getLogger("featx")
WARNING = "Warning: "
FLAGS, LOG_FORMAT = ("-v", "--verbose", "-q", "--quiet"), "--log-format"


class Notes(logging.Handler):
    """Writes records to standard error.

    Attributes
    ----------
    form : str
        ``text`` or ``json``.
    console : rich.console.Console or None
        Of a bar that moves: text appears above it.
    """

    def __init__(self, form: LogFormat = TEXT) -> None:
        super().__init__()
        self.form = form
        self.console: Any = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record: a line of text, or one JSON object on a line."""
        text = record.getMessage()
        if self.form == JSON:
            sys.stderr.write(json.dumps(_fields(record, text), ensure_ascii=True) + "\n")
            sys.stderr.flush()
        elif record.levelno >= logging.ERROR:
            typer.echo(f"featx: {text}", err=True)
        else:
            from .common import notes

            (self.console or notes()).print(text)


def configure(verbose: bool = False, quiet: bool = False, form: LogFormat = TEXT) -> None:
    """Begin to write notes.

    Parameters
    ----------
    verbose : bool
        Also what helps to find a fault.
    quiet : bool
        Warnings and errors only.
    form : str
        ``text`` or ``json``.
    """
    for handler in _handlers():
        LOGGER.removeHandler(handler)
    LOGGER.addHandler(Notes(form))
    # Other libraries give the root logger handlers of their own, which would write it all again.
    LOGGER.propagate = False
    LOGGER.setLevel(logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO)


def shows_bars() -> bool:
    """Tell whether progress is a bar: notes are texts on a terminal, and wanted."""
    wanted = LOGGER.isEnabledFor(logging.INFO) and all(h.form == TEXT for h in _handlers())
    return wanted and sys.stderr.isatty()


def write_through(console: Any) -> None:
    """Let texts appear on ``console``, above its bar; None ends that."""
    for handler in _handlers():
        handler.console = console


def _handlers() -> list[Notes]:
    return [handler for handler in LOGGER.handlers if isinstance(handler, Notes)]


def notes_first(words: list[str]) -> list[str]:
    """Return a command line with the options for notes in front, wherever they were typed."""
    first: list[str] = []
    rest: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        if word == "--":
            break
        n_words = 2 if word == LOG_FORMAT else 1
        is_ours = word in FLAGS or word.split("=")[0] == LOG_FORMAT
        (first if is_ours else rest).extend(words[position : position + n_words])
        position += n_words
    return [*first, *rest, *words[position:]]


def _fields(record: logging.LogRecord, text: str) -> dict[str, Any]:
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    fields = {"time": time, "level": record.levelname.lower(), "logger": record.name}
    more: dict[str, Any] = getattr(record, "fields", {})
    return {**fields, "message": text.removeprefix(WARNING), **more}
