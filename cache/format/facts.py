"""Facts about an object, as lines of text and as HTML for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

SHOWN = 6


class Shown:
    """Shows its title and its facts: as text, and as a table in notebooks."""

    def _title(self) -> str:
        raise NotImplementedError

    def _facts(self) -> Mapping[str, str]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return as_text(self._title(), self._facts())

    def _repr_html_(self) -> str:
        return as_html(self._title(), self._facts())


def as_text(title: str, facts: Mapping[str, str]) -> str:
    """Return a title and one indented line for each fact."""
    width = max(map(len, facts), default=0)
    return "\n".join([title, *(f"  {name:{width}}  {fact}" for name, fact in facts.items())])


def as_html(title: str, facts: Mapping[str, str]) -> str:
    """Return a small table."""
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(fact)}</td></tr>'
        for name, fact in facts.items()
    )
    return f"<table><caption><b>{escape(title)}</b></caption><tbody>{rows}</tbody></table>"


def shortened(names: tuple[str, ...]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
