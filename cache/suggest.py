"""Did you mean: close matches for a name that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return a sentence with the close matches of ``name``, else with all names."""
    ordered = sorted(names)
    close = difflib.get_close_matches(name, ordered, n=3, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return f"Known: {', '.join(ordered)}."
