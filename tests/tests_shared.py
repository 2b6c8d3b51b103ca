"""Names that test modules share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Cli = Callable[..., Any]
CHEAP = ("--backbone", "mobilenet", "--weights", "random:0", "--size", "32")
