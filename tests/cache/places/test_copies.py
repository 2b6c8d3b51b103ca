"""Copies: within their bound, whole, and shared by processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from featx.cache.errors import ConfigError
from featx.cache.places.copies import Copies


def write(n_bytes: int):
    return lambda path: path.write_bytes(b"x" * n_bytes)


def refuse(path: Path) -> None:
    raise AssertionError("must not be fetched")


def test_a_copy_is_made_once_for_each_version(tmp_path: Path) -> None:
    copies = Copies(tmp_path / "copies", 100)
    path = copies.fetch("s3://b/x", "1", 5, write(5))
    assert copies.fetch("s3://b/x", "1", 5, refuse) == path
    assert copies.fetch("s3://b/x", "2", 6, write(6)) != path
    copies.drop("s3://b/x", "1")
    assert copies.find("s3://b/x", "1") is None and copies.find("s3://b/x", "2") is not None


def test_those_unused_for_longest_go_first(tmp_path: Path) -> None:
    copies = Copies(tmp_path, 100)
    paths = [copies.fetch("s3://b/x", str(i), 30, write(30)) for i in range(3)]
    for age, path in zip((30, 10, 20), paths, strict=True):
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age))
    assert copies.find("s3://b/x", "0") == paths[0]  # used now
    newest = copies.fetch("s3://b/x", "3", 30, write(30))
    assert {path for path in paths if path.exists()} == {paths[0], paths[1]} and newest.exists()
    large = copies.fetch("s3://b/x", "4", 500, write(500))
    assert list(tmp_path.iterdir()) == [large]


def test_a_reader_keeps_a_copy_that_goes(tmp_path: Path) -> None:
    copies = Copies(tmp_path, 10)
    with copies.fetch("s3://b/x", "1", 5, write(5)).open("rb") as file:
        copies.fetch("s3://b/y", "1", 9, write(9))
        assert copies.find("s3://b/x", "1") is None and file.read() == b"xxxxx"


def test_half_a_file_is_not_kept(tmp_path: Path) -> None:
    copies = Copies(tmp_path, 100)
    with pytest.raises(OSError, match="5 bytes came of 9"):
        copies.fetch("s3://b/x", "1", 9, write(5))
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_was_fetching_goes_after_a_day(tmp_path: Path) -> None:
    copies = Copies(tmp_path, 100)
    new, old = tmp_path / "a.partial", tmp_path / "b.partial"
    for path in (new, old):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    copies.fetch("s3://b/x", "1", 5, write(5))
    assert new.exists() and not old.exists()


def test_one_process_holds_a_lock(tmp_path: Path) -> None:
    copies = Copies(tmp_path, 100)
    with copies.lock("s3://b") as first, copies.lock("s3://b") as second:
        assert first and not second
    with copies.lock("s3://b") as again:
        assert again


def test_a_bound_that_is_no_size_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATX_COPIES_SIZE", "much")
    with pytest.raises(ConfigError, match="FEATX_COPIES_SIZE takes a size such as 300MB"):
        Copies.of_user()
