"""Importing Keras without the greetings of its backends."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...cache.errors import MissingLibraryError
from ..machine.hardware import thread_limit
from .telemetry import switch_off_telemetry

STDERR = 2
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
"""What TensorFlow and PyTorch read when they are imported."""


def import_keras() -> Any:
    """Import and return Keras; what its backend writes to standard error meanwhile is dropped.

    TensorFlow's native libraries log to the file descriptor itself before their log level can be
    set. An import that fails shows all that was written.

    Raises
    ------
    MissingLibraryError
        Keras or its backend (``KERAS_BACKEND``) is not installed.
    """
    switch_off_telemetry()
    if "keras" in sys.modules:
        return sys.modules["keras"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if limit := thread_limit():
        for variable in THREADS:
            os.environ.setdefault(variable, str(limit))
    try:
        with silenced():
            import keras

            keras.ops.zeros(1)
    except ModuleNotFoundError as error:
        raise _missing(str(error.name)) from error
    return keras


def check_keras() -> None:
    """Refuse early where Keras or its backend is not installed; loads neither.

    Raises
    ------
    MissingLibraryError
        The message says what to install.
    """
    if name := missing_for_keras():
        raise _missing(name)


def missing_for_keras() -> str:
    """Return which of Keras and its backend is not installed; empty where both are."""
    return next((name for name in ("keras", _backend()) if not find_spec(name)), "")


def _backend() -> str:
    """Return the backend that Keras takes when it is imported, as Keras finds it."""
    if name := os.environ.get("KERAS_BACKEND"):
        return name
    home = os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras")  # noqa: PTH111
    try:
        config = json.loads((Path(home) / "keras.json").read_text(encoding="utf-8"))
        return str(config["backend"])
    except (OSError, ValueError, LookupError, TypeError):
        return "tensorflow"


def _missing(name: str) -> MissingLibraryError:
    return MissingLibraryError(
        f"this needs {name}, which is not installed: pip install {name}. With KERAS_BACKEND=jax or "
        "torch, Keras computes with what is installed of these. Models that `featx model pack` "
        "wrote on a machine that has it are scored here without"
    )


@contextmanager
def silenced() -> Iterator[None]:
    """Drop what native libraries write to standard error; an error of the block shows it all."""
    sys.stderr.flush()
    kept = os.dup(STDERR)
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), STDERR)
        try:
            yield
        except BaseException:
            sink.seek(0)
            os.write(kept, sink.read())
            raise
        finally:
            os.dup2(kept, STDERR)
            os.close(kept)
