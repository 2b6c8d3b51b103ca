"""Sizes as people write them."""

from __future__ import annotations

import re

from ..errors import ConfigError

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
BINARY_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(I?)B?", re.IGNORECASE)


def parse_size(text: str, option: str) -> int:
    """Return the bytes that ``2GB``, ``300 MB``, ``1.5GiB`` or ``1000000`` stand for.

    Parameters
    ----------
    text : str
    option : str
        What the error names, as ``--memory``.

    Raises
    ------
    ConfigError
        It is no size.
    """
    match = PATTERN.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise ConfigError(f"{option} takes a size such as 300MB, 2GB or 1.5GiB, got {text!r}")
    units = BINARY_UNITS if match[3] else UNITS
    return int(float(match[1]) * units[match[2].upper()])
