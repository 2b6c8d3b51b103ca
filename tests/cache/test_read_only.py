"""A read-only cache serves fit and score: nothing in it is opened for writing, or changed."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

from tests_shared import CHEAP, Cli

SCORE = ("--weights", "random:0", "--out", "predictions.csv")

# Root may write anywhere, so permissions alone would prove nothing in a container: the audit hook
# sees every file that Python opens, makes, renames or removes.
WATCHED = """
import json, os, sys
root, log = os.path.abspath(sys.argv[1]), sys.argv[2]
touched = []
WRITES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate",
          "os.chmod", "os.utime")
def watch(event, words):
    if event == "open":
        path, mode, flags = words
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))
        paths = [path] if writes else []
    else:
        paths = list(words) if event in WRITES else []
    for path in paths:
        if isinstance(path, (str, bytes, os.PathLike)):
            if os.path.abspath(os.fsdecode(path)).startswith(root):
                touched.append(f"{event} {os.fsdecode(path)}")
sys.addaudithook(watch)
sys.argv[1:] = sys.argv[3:]
from featx.cli import main
code = 0
try:
    main()
except SystemExit as stop:
    code = stop.code
finally:
    with open(log, "w") as file:
        json.dump(touched, file)
sys.exit(code)
"""


def state_of(root: Path) -> dict[str, tuple[int, int, int]]:
    """Return size, mtime and ctime of everything below ``root``."""
    found = {}
    for path in sorted([root, *root.rglob("*")]):
        status = path.stat()
        found[str(path)] = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return found


def test_a_read_only_cache_serves_fit_and_score(cli: Cli, photos: Path, tmp_path: Path) -> None:
    assert cli("extract", photos, *CHEAP).exit_code == 0
    cache = tmp_path / "featx-cache"
    paths = [cache, *cache.rglob("*")]
    for path in paths:
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    before = state_of(cache)
    log = tmp_path / "touched.json"
    try:
        for words in (
            ("fit", "--head", "logreg"),
            ("score", "model.featx", str(photos), *SCORE),
            ("cache", "ls"),
            ("cache", "info"),
            ("cache", "verify"),
            ("cache", "export", "features.npz"),
        ):
            line = [sys.executable, "-c", WATCHED, str(cache), str(log), *words]
            run = subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path)
            assert run.returncode == 0, run.stderr
            assert json.loads(log.read_text()) == [], words
        assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 25
        assert state_of(cache) == before
    finally:
        for path in paths:
            os.chmod(path, path.stat().st_mode | stat.S_IWUSR)  # noqa: PTH101


def test_the_watch_sees_writes(cli: Cli, photos: Path, tmp_path: Path) -> None:
    assert cli("extract", photos, *CHEAP).exit_code == 0
    (photos / "red" / "00.png").unlink()
    log = tmp_path / "touched.json"
    words = ("cache", "compact", "--compression", "gzip")
    line = [sys.executable, "-c", WATCHED, str(tmp_path / "featx-cache"), str(log), *words]
    assert subprocess.run(line, check=False, cwd=tmp_path).returncode == 0
    assert any("shards" in touched for touched in json.loads(log.read_text()))
