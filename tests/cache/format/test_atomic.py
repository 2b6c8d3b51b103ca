"""What a file system refuses is said in one clear error."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from featx.cache.errors import CacheWriteError
from featx.cache.format.atomic import write_text


def test_a_read_only_file_system_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux answers EROFS to every call that would change it, even to removing what is absent."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(CacheWriteError, match=r"cannot write .*run\.json: Read-only file system"):
        write_text(tmp_path / "run.json", "{}")


def test_what_was_there_stays_and_nothing_is_left_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.json"
    write_text(path, "old")

    def fill_up(partial: Path, text: str, **_: object) -> None:
        partial.write_bytes(text.encode()[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fill_up)
    with pytest.raises(CacheWriteError, match="No space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]
