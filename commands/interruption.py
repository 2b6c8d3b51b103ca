"""What a command leaves where it is stopped: said on Ctrl-C, and where memory runs out."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

P = ParamSpec("P")

NO_RESULT = "Its result is not written, and the same command starts again."
NEW_FEATURES = (
    "Features that were computed are in the cache, and the same command goes on from there."
)
RESULTS = "Configurations that were measured are kept, and the same command goes on with the rest."
EPOCHS = "Epochs that were finished are saved, and the same command goes on after the last one."
PREDICTIONS = "What was predicted is saved, and the same command goes on."
STEPS = "What was done so far stays, and the same command does the rest."
SOME_FILES = "The folder holds only some of the images: delete it before the same command."
OUT_OF_MEMORY = (
    "Fewer --workers, a smaller --batch-size, --memory and smaller images need less, where the "
    "command has them"
)


def leaves(text: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Decorate a command with what it leaves where it is stopped; others leave nothing."""

    def decorate(command: Callable[P, None]) -> Callable[P, None]:
        @wraps(command)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                command(*args, **kwargs)
            except (KeyboardInterrupt, MemoryError) as error:
                error.add_note(text)
                raise

        return run

    return decorate


def describe_stop(error: KeyboardInterrupt | MemoryError) -> str:
    """Return what stopped a command, and what it leaves."""
    text = str(error)
    if isinstance(error, KeyboardInterrupt) and text:
        return text
    left = next(reversed(getattr(error, "__notes__", [])), NO_RESULT)
    if isinstance(error, KeyboardInterrupt):
        return f"interrupted. {left}"
    return f"out of memory. {left} {OUT_OF_MEMORY}{f' ({text})' if text else ''}"
