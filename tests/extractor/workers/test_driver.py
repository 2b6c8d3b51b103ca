"""How parts are handed out: every one once, whatever fails, and what failed is named."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from featx.cache.errors import ConfigError, IncompleteError
from featx.extractor.parts import Part
from featx.extractor.workers.driver import MAX_TRIES, Driver, SaysOnce, cut
from featx.extractor.workers.pool import Answered, Died, Event, Heard, Started
from featx.extractor.workers.work import Answer

N_SAMPLES = 1000


class Seen:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.n_images, self.texts = 0, list[str]()

    def begin(self, n_images: int, task: str) -> None:
        self.texts.append(f"{task}: {n_images} to do")

    def advance(self, n_images: int) -> None:
        self.n_images += n_images

    def say(self, text: str) -> None:
        self.texts.append(text)


class ScriptedPool:
    """Workers that do what ``script`` says for a seat and a part: an answer, or a death."""

    def __init__(self, n_seats: int, script: Any, silent: tuple[int, ...] = ()) -> None:
        self.n_seats, self._script, self._silent = n_seats, script, silent
        self._events: deque[Event] = deque()
        self.begun: list[tuple[int, Any]] = []
        self.n_started, self.closed = 0, list[bool]()

    def start(self, seat: int) -> None:
        self.n_started += 1
        if seat not in self._silent:
            self._events.append(Started(seat, f"node {seat}"))

    def begin(self, seat: int, settled: Any) -> None:
        self.begun.append((seat, settled))
        self._events.append(self._script(seat, None) or Answered(seat, Answer("float32")))

    def run(self, seat: int, part: Part) -> None:
        self._events.append(Heard(seat, 1, ["hello"]))
        self._events.append(self._script(seat, part) or Answered(seat, Answer(str(part))))

    def events(self, seconds: float) -> list[Event]:
        return [self._events.popleft()] if self._events else []

    def waiting(self) -> str:
        return "Free a machine."

    def close(self, is_interrupted: bool) -> None:
        self.closed.append(is_interrupted)


def all_images(settled: Any, part: Part) -> int:
    assert settled is not None
    return part.n_images(N_SAMPLES)


def driven(
    pool: ScriptedPool, n_parts: int = 6, n_left: Callable[[Any, Part], int] = all_images
) -> tuple[Driver, Seen]:
    seen, parts = Seen(), [Part(k, n_parts) for k in range(1, n_parts + 1)]
    return Driver(pool, parts, n_left, "extracting", SaysOnce(seen)), seen


def failed(seat: int, reason: str = "disk full") -> Answered:
    return Answered(seat, Answer(reason=reason))


def test_one_settles_and_all_parts_are_done_once() -> None:
    pool = ScriptedPool(3, lambda seat, part: None)
    driver, seen = driven(pool)
    assert driver.run() == [f"{k}/6" for k in range(1, 7)]
    assert driver.settled == "float32" and seen.n_images == N_SAMPLES
    assert pool.begun == [(0, None), (1, "float32"), (2, "float32")]
    assert seen.texts == ["extracting: 1000 to do", "hello"] and pool.closed == [False]


def test_only_what_is_left_counts() -> None:
    pool = ScriptedPool(2, lambda seat, part: None)
    driver, seen = driven(pool, n_left=lambda settled, part: 7 * (part.number == 2))
    driver.run()
    assert seen.n_images == 7 and seen.texts[0] == "extracting: 7 to do"
    driver, seen = driven(ScriptedPool(2, lambda seat, part: None), n_left=lambda *_: 0)
    driver.run()
    assert seen.n_images == 0 and seen.texts == ["hello"]


def test_a_worker_that_fails_twice_is_left_out_and_others_do_its_parts() -> None:
    pool = ScriptedPool(2, lambda seat, part: failed(seat) if part and seat == 0 else None)
    driver, seen = driven(pool)
    assert len(driver.run()) == 6 and seen.n_images == N_SAMPLES
    assert "Warning: worker 1 on node 0 is left out: disk full" in seen.texts


def test_a_worker_that_dies_is_replaced() -> None:
    deaths = [Died(1, "signal SIGKILL")]
    pool = ScriptedPool(2, lambda seat, part: deaths.pop() if part and seat and deaths else None)
    driver, seen = driven(pool)
    assert len(driver.run()) == 6 and pool.n_started == 3 and seen.n_images == N_SAMPLES


def test_a_part_that_kills_every_worker_is_named_and_the_others_are_done() -> None:
    bad = Part(2, 6)
    pool = ScriptedPool(2, lambda seat, part: Died(seat, "SIGSEGV") if part == bad else None)
    driver, _ = driven(pool)
    with pytest.raises(IncompleteError, match=r"1 of 6 parts did not finish.*2/6.*SIGSEGV") as info:
        driver.run()
    assert list(info.value.report.parts) == ["2/6"]
    assert pool.n_started == 2 + MAX_TRIES


def test_where_every_worker_fails_the_run_ends_and_names_them() -> None:
    pool = ScriptedPool(2, lambda seat, part: failed(seat) if part else None)
    with pytest.raises(IncompleteError, match="disk full") as info:
        driven(pool)[0].run()
    assert set(info.value.report.workers) == {"worker 1 on node 0", "worker 2 on node 1"}


def test_the_first_worker_dies_before_it_has_settled() -> None:
    deaths = [Died(0, "gone")]
    pool = ScriptedPool(2, lambda seat, part: deaths.pop() if deaths and not part else None)
    driver, _ = driven(pool)
    assert len(driver.run()) == 6


def test_a_wrong_option_is_the_error_itself_and_a_worker_unlike_the_others_is_left_out() -> None:
    wrong = Answer.of(ConfigError("no such layer"))
    with pytest.raises(ConfigError, match="no such layer"):
        driven(ScriptedPool(2, lambda seat, part: Answered(seat, wrong)))[0].run()
    pool = ScriptedPool(2, lambda seat, part: Answered(1, wrong) if seat and not part else None)
    driver, seen = driven(pool)
    assert len(driver.run()) == 6
    assert "Warning: worker 2 on node 1 is left out: no such layer" in seen.texts


def test_a_part_that_failed_does_not_wait_for_a_worker_that_never_starts() -> None:
    failures = [failed(0)]
    pool = ScriptedPool(2, lambda seat, part: failures.pop() if part and failures else None, (1,))
    driver, _ = driven(pool)
    assert len(driver.run()) == 6


def test_where_no_worker_starts_the_run_says_so_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("featx.extractor.workers.driver.START_SECONDS", 0.0)
    with pytest.raises(IncompleteError, match=r"no worker has started. Free a machine"):
        driven(ScriptedPool(2, lambda seat, part: None, (0, 1)))[0].run()


@pytest.mark.parametrize("n_samples", [0, 1, 31, 64, 150, 10_000, 1_000_000])
@pytest.mark.parametrize("n_seats", [1, 2, 16])
def test_cuts_cover_the_source_with_parts_of_a_fair_size(n_samples: int, n_seats: int) -> None:
    sizes = [part.n_images(n_samples) for part in cut(n_samples, n_seats)]
    assert sum(sizes) == n_samples
    assert sizes == [len(part.rows(n_samples)) for part in cut(n_samples, n_seats)]
    assert max(sizes) <= (1 << 14) + 32
