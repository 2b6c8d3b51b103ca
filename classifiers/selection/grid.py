"""What a sweep tries: every combination of each head's values."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from ...cache.errors import ConfigError, UnknownHeadError
from ...cache.suggest import did_you_mean
from ..heads.registry import HEADS, find_head

NONE = "none"
"""Stands for None in TOML, which has none."""


@dataclass(frozen=True)
class Family:
    """All configurations of one head, in the order of its grid.

    Attributes
    ----------
    head : str
    params : tuple of mapping
        One for each configuration.
    """

    head: str
    params: tuple[Mapping[str, Any], ...]

    def with_default(self, name: str, value: Any) -> Family:
        """Return the family with a parameter set where its configurations do not set it."""
        return Family(self.head, tuple({name: value, **params} for params in self.params))


def default_families(heads: Sequence[str] = ()) -> list[Family]:
    """Return the built-in grids of ``heads``, by default of all.

    Raises
    ------
    UnknownHeadError
        There is no such head.
    """
    return [_family(name, find_head(name).grid) for name in heads or HEADS]


def read_grid(path: Path) -> list[Family]:
    """Read a grid from TOML: a table for each head, a value or a list of values for each parameter.

    Raises
    ------
    ConfigError
        The file cannot be read, or is no grid.
    UnknownHeadError
        A head or a parameter is unknown; all are named at once.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"--grid {path}: not a readable TOML file ({error})") from error
    if not tables or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(
            f"--grid {path}: expected a table for each head, such as [logreg] with C = [0.01, 0.1]"
        )
    problems = [hint for name, table in tables.items() for hint in _problems(name, table)]
    if problems:
        raise UnknownHeadError(f"--grid {path}: {' '.join(problems)}")
    return [
        _family(name, {k: _values(v) for k, v in table.items()}) for name, table in tables.items()
    ]


def _problems(name: str, table: Mapping[str, Any]) -> list[str]:
    if name not in HEADS:
        return [f"No head is called {name!r}. {did_you_mean(name, HEADS)}"]
    parameters = find_head(name).parameters()
    return [
        f"{key!r} is no parameter of {name}. {did_you_mean(key, parameters)}"
        for key in table
        if key not in parameters
    ]


def _values(value: Any) -> Sequence[Any]:
    values = value if isinstance(value, list) else [value]
    return [None if one == NONE else one for one in values]


def _family(name: str, grid: Mapping[str, Sequence[Any]]) -> Family:
    combinations = product(*grid.values())
    return Family(name, tuple(dict(zip(grid, values, strict=True)) for values in combinations))


def params_text(params: Mapping[str, Any]) -> str:
    """Return parameters as ``C=0.1 gamma=2``, in one line."""
    text = " ".join(f"{name}={_value_text(value)}" for name, value in params.items())
    return " ".join(text.split())


def _value_text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{name}:{_value_text(one)}" for name, one in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
