from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

from featx.extractor.claims import Claims


def digest(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def test_every_digest_is_taken_once_by_any_number_of_threads():
    n = 3000
    claims = Claims(n)
    with ThreadPoolExecutor(8) as executor:
        taken = list(executor.map(lambda i: claims.add(digest(i % n)), range(3 * n)))
    assert sum(taken) == n


def test_digests_that_share_their_first_bytes_differ():
    claims = Claims(4)
    same = [bytes(8) + bytes(23) + bytes([i]) for i in range(3)]
    assert [claims.add(d) for d in same] == [True, True, True]
    assert [claims.add(d) for d in same] == [False, False, False]
    assert claims.add(bytes([1]) + bytes(31)) and not claims.add(bytes([1]) + bytes(31))
