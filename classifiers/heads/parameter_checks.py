"""Rules for the parameters of heads: every bad value of a head is reported at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from ...cache.errors import ConfigError


@dataclass(frozen=True)
class Rule:
    """What a parameter may be.

    Attributes
    ----------
    text : str
        Completes "it must be ...".
    allows : callable
        Says whether a value may stand.
    """

    text: str
    allows: Callable[[Any], bool]

    def __or__(self, other: Rule) -> Rule:
        return Rule(
            f"{self.text} or {other.text}", lambda value: self.allows(value) or other.allows(value)
        )


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return math.isfinite(float(value))


def _is_whole(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral)


def number(low: float, high: float = math.inf, *, closed: bool = False) -> Rule:
    """Allow finite numbers above ``low`` (from ``low`` on where ``closed``) and below ``high``."""
    text = f"a number {'from' if closed else 'above'} {low:g}"
    if high < math.inf:
        text += f" and below {high:g}"

    def allows(value: Any) -> bool:
        if not _is_number(value):
            return False
        above = value >= low if closed else value > low
        return bool(above and value < high)

    return Rule(text, allows)


def whole(low: int) -> Rule:
    """Allow whole numbers from ``low`` on."""
    return Rule(
        f"a whole number from {low} on", lambda value: _is_whole(value) and bool(value >= low)
    )


def one_of(*names: str) -> Rule:
    """Allow a few names."""
    return Rule(
        " or ".join(repr(name) for name in names),
        lambda value: isinstance(value, str) and value in names,
    )


EXACTLY_MINUS_ONE = Rule("-1", lambda value: _is_whole(value) and bool(value == -1))


def widths() -> Rule:
    """Allow a sequence of layer widths."""

    def allows(value: Any) -> bool:
        sequence = isinstance(value, tuple | list)
        return sequence and all(_is_whole(width) and width >= 1 for width in value)

    return Rule("a sequence of whole numbers from 1 on", allows)


NOTHING = Rule("None", lambda value: value is None)
SELECT = whole(1) | NOTHING
FLAG = Rule("True or False", lambda value: isinstance(value, bool))
CLASS_WEIGHT = Rule(
    "None, 'balanced' or a mapping of class to weight",
    lambda value: (
        value is None
        or (isinstance(value, str) and value == "balanced")
        or isinstance(value, Mapping)
    ),
)
SEED = Rule(
    "a whole number from 0 on, a numpy RandomState or None",
    lambda value: (
        value is None or (_is_whole(value) and value >= 0) or hasattr(value, "random_sample")
    ),
)


def check_params(owner: str, params: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
    """Check every parameter that has a rule.

    Raises
    ------
    ConfigError
        One or more values may not stand; the message names them all.
    """
    bad = [
        f"{name} must be {rule.text}, not {params[name]!r}"
        for name, rule in rules.items()
        if not rule.allows(params[name])
    ]
    if bad:
        raise ConfigError(f"{owner}: {'; '.join(bad)}")
