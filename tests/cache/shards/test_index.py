from __future__ import annotations

import numpy as np
from cache_shared import digests_of
from hypothesis import given
from hypothesis import strategies as st

from featx.cache.shards.index import FIND_ROWS, DigestIndex

keys = st.lists(st.integers(0, 5), max_size=30)


@given(known=keys, wanted=keys, prefix_only=st.booleans())
def test_find_agrees_with_a_plain_search(
    known: list[int], wanted: list[int], prefix_only: bool
) -> None:
    # With equal first words only the rest of the digest tells rows apart.
    digests, asked = digests_of(known).copy(), digests_of(wanted).copy()
    if prefix_only:
        digests[:, :8] = asked[:, :8] = 7
    found = DigestIndex(digests).find(asked)
    if known == wanted:
        assert found.tolist() == list(range(len(known)))
        return
    assert found.tolist() == [known.index(key) if key in known else -1 for key in wanted]


def test_find_answers_more_than_one_block_of_questions() -> None:
    digests = np.random.default_rng(0).integers(0, 256, (FIND_ROWS + 77, 32), dtype=np.uint8)
    index = DigestIndex(digests)
    order = np.random.default_rng(1).permutation(len(digests))
    assert (index.find(digests[order]) == order).all()
    assert (index.find(digests) == np.arange(len(digests))).all()
