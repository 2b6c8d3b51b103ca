"""A read-only cache serves fit and score: what fit cannot keep it goes without."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cache_shared import digests_of, fill, make_spec, manifest_of, record_of

from featx.cache import FeatureStore
from featx.cache.errors import CacheError, CacheWriteError, FeatxError
from tests_shared import CHEAP, Cli

KEPT_BY_FIT = {"splits", "labels", "results"}
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


def watched(words: tuple[str, ...], cache: Path, log: Path) -> list[str]:
    """Run featx beside ``cache`` and return the attempts to write below it."""
    line = [sys.executable, "-c", WATCHED, str(cache), str(log), *words]
    run = subprocess.run(line, capture_output=True, text=True, check=False, cwd=cache.parent)
    assert run.returncode == 0, run.stderr
    return list(json.loads(log.read_text()))


def test_a_read_only_cache_serves_fit_and_score(cli: Cli, photos: Path, tmp_path: Path) -> None:
    assert cli("extract", photos, *CHEAP).exit_code == 0
    cache = tmp_path / "featx-cache"
    paths = [cache, *cache.rglob("*")]
    for path in paths:
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    log = tmp_path / "touched.json"
    try:
        # Root may write everywhere: what fit keeps is all that it writes.
        touched = watched(("fit", "--head", "logreg"), cache, log)
        assert {line.split("featx-cache/")[1].split("/")[0] for line in touched} <= KEPT_BY_FIT
        before = state_of(cache)
        for words in (
            ("score", "model.featx", str(photos), *SCORE),
            ("cache", "ls"),
            ("cache", "info"),
            ("cache", "verify"),
            ("cache", "export", "features.npz"),
        ):
            assert watched(words, cache, log) == [], words
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


@contextmanager
def unprivileged(folder: Path) -> Iterator[None]:
    """Be a user who may write nowhere and read what all may read, also where root runs this."""
    for parent in [folder, *folder.parents][:4]:
        parent.chmod(parent.stat().st_mode | 0o055)
    if os.getuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("part", ["sets", "manifests", ""])
def test_a_cache_that_cannot_be_read_is_an_error(tmp_path: Path, part: str) -> None:
    store = FeatureStore(tmp_path / "cache")
    fill(store)
    store.open_features()  # Python loads what this takes while it may read its own files
    folder = store.root / part
    folder.chmod(0)
    try:
        with unprivileged(tmp_path), pytest.raises(FeatxError, match=r"cannot be (read|opened)"):
            store.open_features()
        if part != "manifests":
            with unprivileged(tmp_path), pytest.raises(CacheError, match="Permission denied"):
                store.list_features()
    finally:
        folder.chmod(0o755)


def test_shards_that_cannot_be_listed_are_no_missing_rows(tmp_path: Path) -> None:
    store, spec = FeatureStore(tmp_path / "cache"), make_spec()
    fill(store)
    store.open_features()
    shards = store.layout.shards(spec.fingerprint)
    shards.chmod(0)
    try:
        with unprivileged(tmp_path), pytest.raises(CacheError, match="shards cannot be read"):
            store.open_set(spec)
    finally:
        shards.chmod(0o755)


def test_a_cache_that_is_no_folder_is_an_error(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for words in (("ls",), ("verify",), ("gc",), ("compact",)):
        result = cli("cache", *words, "--cache", "file")
        assert result.exit_code == 1
        assert "file/sets cannot be read (Not a directory)" in result.output
        assert "No features" not in result.output


def test_a_run_with_nothing_to_do_needs_no_permission_to_write(tmp_path: Path) -> None:
    store, spec = FeatureStore(tmp_path / "cache"), make_spec()
    fill(store)
    manifest, record = manifest_of("photos", range(20)), record_of("photos", spec, 20)
    store.open_features()
    with unprivileged(tmp_path):
        with store.begin_run("extract", "photos", "/photos", [spec]) as run:
            run.count_on(manifest.digests)
            store.write_quarantine("photos", [])
            run.finish(manifest, [record])
        with store.begin_run("transform", "transformer", "", [spec]) as run:
            run.count_on(manifest.digests)
            run.finish()
        with store.begin_run("extract", "photos", "/photos", [spec]) as run:
            with pytest.raises(CacheWriteError):
                run.name_rows(digests_of([50]))
            with pytest.raises(CacheWriteError):
                run.finish(manifest_of("photos", range(21)), [record])
    assert len(store.open_features()) == 20
