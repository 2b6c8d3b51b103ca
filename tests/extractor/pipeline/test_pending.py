from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from featx.extractor.pipeline.pending import SeenSet


def digest(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def test_every_digest_is_added_once_by_any_number_of_threads():
    n = 3000
    digests = np.zeros((3 * n, 32), np.uint8)
    seen = SeenSet(digests)
    with ThreadPoolExecutor(8) as executor:
        added = list(executor.map(lambda i: seen.add(i, digest(i % n)), range(3 * n)))
    assert sum(added) == n
    assert all(digests[i].tobytes() == digest(i % n) for i in np.flatnonzero(added))


def test_digests_that_share_their_first_bytes_differ():
    seen = SeenSet(np.zeros((4, 32), np.uint8))
    same = [bytes(8) + bytes(23) + bytes([i]) for i in range(3)]
    assert [seen.add(i, d) for i, d in enumerate(same)] == [True, True, True]
    assert [seen.add(i, d) for i, d in enumerate(same)] == [False, False, False]
    last = bytes([1]) + bytes(31)
    assert seen.add(3, last) and not seen.add(3, last)


def test_a_table_has_room_for_every_sample():
    for n in (1, 2, 3, 4, 5, 819, 820, 1024):
        seen = SeenSet(np.zeros((n, 32), np.uint8))
        assert all(seen.add(i, digest(i)) for i in range(n))
        assert not any(seen.add(i, digest(i)) for i in range(n))
