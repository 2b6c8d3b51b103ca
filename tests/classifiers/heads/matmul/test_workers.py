"""Workers keep BLAS to one thread each, and hand its threads back."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from featx.classifiers.heads.matmul.workers import Workers


def blas_threads():
    return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}


def test_blas_has_one_thread_until_the_workers_leave():
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        with Workers(2) as workers:
            assert blas_threads() == {1}
            assert workers.map(np.sqrt, [4.0, 9.0]) == [2.0, 3.0]
            assert blas_threads() == {1}
        assert blas_threads() == before


def test_a_failing_task_gives_the_threads_back():
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        with pytest.raises(ZeroDivisionError), Workers(2) as workers:
            workers.map(lambda n: 1 // n, [1, 0])
        assert blas_threads() == before
