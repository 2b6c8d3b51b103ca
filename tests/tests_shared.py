"""Names that test modules share."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

Cli = Callable[..., Any]
CHEAP = (
    "--backbone",
    "mobilenet",
    "--weights",
    "random:0",
    "--size",
    "32",
    "--precision",
    "float32",
)


def interrupted(code: str) -> str:
    """Run ``code`` in a process, press Ctrl-C a second after it printed a line; return its errors.

    The handler is set by hand: a process in a shell's background begins with Ctrl-C ignored.
    """
    handler = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    command = [sys.executable, "-c", handler + code]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            time.sleep(1)
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            return process.communicate(timeout=30)[1]
        finally:
            process.kill()
