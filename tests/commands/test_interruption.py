"""What a command says where it is stopped is true of that command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli

from featx.commands.progress import Progress

CHEAP = ("--backbone", "pixels", "--size", "8", "--precision", "float32")


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ctrl-C, or too little memory, at the second progress of a command."""

    @contextmanager
    def stop(error: type[BaseException] = KeyboardInterrupt) -> Iterator[None]:
        calls = []

        def advance(self: Progress, n_units: int) -> None:
            calls.append(n_units)
            if len(calls) > 1:
                raise error

        with monkeypatch.context() as patch:
            patch.setattr(Progress, "advance", advance)
            yield

    return stop


def test_extract_and_sweep_go_on_from_what_they_kept(cli: Cli, photos: Path, stopped: Any) -> None:
    with stopped():
        result = cli("extract", photos, *CHEAP, "--batch-size", "4")
    assert result.exit_code == 130
    assert "Features that were computed are in the cache" in result.stderr
    result = cli("extract", photos, *CHEAP, "--batch-size", "4")
    assert "0 already cached" not in result.stdout and "24 extracted" not in result.stdout
    with stopped():
        result = cli("sweep", "--heads", "ridge")
    assert result.exit_code == 130 and "measured are kept" in result.stderr
    assert "measured before" in cli("sweep", "--heads", "ridge").output


@pytest.mark.parametrize(
    ("error", "exit_code", "said"),
    [
        (KeyboardInterrupt, 130, "interrupted. Its result is not written"),
        (MemoryError, 1, "out of memory. Its result is not written, and the same command starts"),
    ],
)
def test_a_curve_keeps_nothing_and_says_so(
    cli: Cli, photos: Path, stopped: Any, error: type[BaseException], exit_code: int, said: str
) -> None:
    assert cli("extract", photos, *CHEAP).exit_code == 0
    with stopped(error):
        result = cli("curve", "ridge")
    assert result.exit_code == exit_code and said in result.stderr, result.output
