from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from featx.extractor.pipeline.seen import Claims


def digest(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def test_every_digest_is_taken_once_by_any_number_of_threads():
    n = 3000
    digests = np.zeros((3 * n, 32), np.uint8)
    claims = Claims(digests)
    with ThreadPoolExecutor(8) as executor:
        taken = list(executor.map(lambda i: claims.add(i, digest(i % n)), range(3 * n)))
    assert sum(taken) == n
    assert all(digests[i].tobytes() == digest(i % n) for i in np.flatnonzero(taken))


def test_digests_that_share_their_first_bytes_differ():
    claims = Claims(np.zeros((4, 32), np.uint8))
    same = [bytes(8) + bytes(23) + bytes([i]) for i in range(3)]
    assert [claims.add(i, d) for i, d in enumerate(same)] == [True, True, True]
    assert [claims.add(i, d) for i, d in enumerate(same)] == [False, False, False]
    last = bytes([1]) + bytes(31)
    assert claims.add(3, last) and not claims.add(3, last)


def test_a_table_has_room_for_every_sample():
    for n in (1, 2, 3, 4, 5, 819, 820, 1024):
        claims = Claims(np.zeros((n, 32), np.uint8))
        assert all(claims.add(i, digest(i)) for i in range(n))
        assert not any(claims.add(i, digest(i)) for i in range(n))
