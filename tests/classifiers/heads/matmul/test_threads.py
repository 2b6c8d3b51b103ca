"""Threads that end with the first exception, and spare objects that nobody waits for."""

from __future__ import annotations

import threading

import pytest

from featx.classifiers.heads.matmul.threads import Spares, StopFlag, run_in_threads


def test_results_come_in_the_order_of_the_items():
    assert list(run_in_threads(lambda n: n * n, range(20), 4)) == [n * n for n in range(20)]


def test_an_exception_drops_what_waits_and_tells_what_runs():
    stop, done, failed = StopFlag(), [], threading.Event()

    def work(n):
        if n == 0:
            failed.set()
            raise ZeroDivisionError
        failed.wait(20)
        while not stop.byte[0]:
            pass
        done.append(n)

    with pytest.raises(ZeroDivisionError):
        list(run_in_threads(work, range(100), 2, stop))
    assert len(done) <= 2


@pytest.mark.timeout(60)
def test_an_exception_ends_earlier_items_that_still_run():
    stop = StopFlag()

    def work(n):
        if n == 1:
            raise ZeroDivisionError
        while not stop.byte[0]:
            pass
        raise RuntimeError("stopped")

    with pytest.raises(ZeroDivisionError):
        list(run_in_threads(work, range(10), 2, stop))


def test_a_caller_that_leaves_early_ends_the_threads():
    stop, done = StopFlag(), []
    results = run_in_threads(lambda n: done.append(n), range(1000), 1, stop)
    next(results)
    results.close()
    assert stop.byte[0] and len(done) < 1000


def test_spares_are_lent_once_at_a_time_and_come_back_after_an_exception():
    spares = Spares(list)
    with pytest.raises(ZeroDivisionError), spares.borrow() as first:
        raise ZeroDivisionError
    with spares.borrow() as again, spares.borrow() as second:
        assert again is first
        assert second is not first


def test_many_threads_never_wait_for_a_spare():
    spares = Spares(list)

    def work(n):
        with spares.borrow() as own:
            own.append(n)

    for _ in run_in_threads(work, range(5000), 8):
        pass
