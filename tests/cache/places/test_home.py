"""Where featx keeps what it keeps per user."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from featx.cache.places import home


def test_the_variables_name_the_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("FEATX_HOME", str(tmp_path / "mine"))
    assert home.featx_home() == home.writable_home() == tmp_path / "mine"
    monkeypatch.delenv("FEATX_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert home.featx_home() == tmp_path / "caches" / "featx"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    assert home.featx_home() == tmp_path / "user" / ".cache" / "featx"


def test_a_home_that_cannot_be_written_gives_way_to_a_temporary_one(monkeypatch, tmp_path, caplog):
    (tmp_path / "file").write_text("a file is no folder")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(home.tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("FEATX_HOME", str(tmp_path / "file" / "featx"))
    found = home.writable_home()
    assert found.parent == tmp_path / "temporary" and found.stat().st_mode & 0o077 == 0
    assert home.writable_home() == found
    (message,) = caplog.messages
    assert str(tmp_path / "file" / "featx") in message and "FEATX_HOME" in message


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_a_temporary_folder_that_another_user_may_have_made_is_not_used(monkeypatch, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"featx-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr(home.tempfile, "tempdir", str(tmp_path))
    found = home._temporary_home()
    assert found.is_dir() and not found.is_symlink() and found.name != f"featx-{os.getuid()}"


def test_an_unknown_home_folder_is_no_error(monkeypatch):
    monkeypatch.delenv("FEATX_HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert home.featx_home() == Path("~/.cache/featx")
    assert home.writable_home().is_absolute()
    assert not Path("~").exists()
