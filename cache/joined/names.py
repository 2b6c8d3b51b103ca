"""Names of joined features: ``a+b`` means the features a with the features b beside them."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import FeaturesNotFoundError
from ..records.stored import StoredFeatures, answers_to, choose

PLUS = "+"


def part_names(name: str) -> list[str]:
    """Return the names ``source@digits`` of the sets that a full name joins, or of the one set."""
    source, _, digits = name.rpartition("@")
    return [f"{source}@{one}" for one in digits.split(PLUS)]


def choose_parts(
    stored: Sequence[StoredFeatures], name: str, only_one: bool = False
) -> list[StoredFeatures]:
    """Return the features that a name means; several where it joins them with ``+``.

    The first part says the source, and is chosen as a name without ``+`` is. The others are looked
    for among the features of that source, then in the whole cache. A name with a ``+`` in it that
    something answers to as a whole is that one's.

    Parameters
    ----------
    stored : sequence of StoredFeatures
        Newest first.
    name : str
    only_one : bool
        Of a name without ``+``: refuse one that several features of one source answer to.

    Raises
    ------
    FeaturesNotFoundError
        Nothing answers to a part, or the features of several sources do.
    """
    if PLUS not in name or answers_to(stored, name):
        return [choose(stored, name, only_one)]
    words = [word.strip() for word in name.split(PLUS)]
    if not all(words):
        raise FeaturesNotFoundError(
            f"{name!r} has an empty name beside a {PLUS}. Features are joined as in "
            "resnet50+mobilenet; `featx cache ls` lists all names"
        )
    first = choose(stored, words[0], only_one=False)
    same_source = [s for s in stored if s.record.manifest == first.record.manifest]
    parts = [first]
    for word in words[1:]:
        # Rows are found by their digest, so that features of another source do as well.
        candidates = same_source if answers_to(same_source, word) else stored
        parts.append(choose(candidates, word, only_one=False))
    return parts
