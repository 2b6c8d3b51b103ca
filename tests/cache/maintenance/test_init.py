"""Making a cache, and sharing it: permissions hold whatever the umask of who writes."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cache_shared import digests_of, fill, make_spec, manifest_of

from featx.cache import FeatureStore
from featx.cache.errors import CacheWriteError, ConfigError
from featx.cache.exchange.merge import merge
from featx.cache.maintenance.compact import compact
from featx.cache.maintenance.gc import collect_garbage
from featx.cache.maintenance.init import init
from featx.cache.maintenance.repair import repair
from tests_shared import CHEAP, Cli

OTHER = 65534


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def closed_to_the_group(root: Path) -> list[Path]:
    """Return what the group cannot read and write, and folders that do not hand the group on."""
    bits = {True: 0o2070, False: 0o060}
    return [p for p in (root, *root.rglob("*")) if ~p.stat().st_mode & bits[p.is_dir()]]


def test_all_that_is_written_to_a_shared_cache_is_open_to_its_group(tmp_path: Path) -> None:
    store, spec = FeatureStore(tmp_path / "cache"), make_spec()
    with umask(0o077):
        report = init(store, shared=True)
        assert report.is_new and not report.not_opened and report.group
        fill(store, per_shard=2)
        compact(store)
        with store.begin_run("extract", "photos", "/photos", [spec]) as run:
            run.name_rows(digests_of([50]))
            assert list(store.layout.journals.iterdir()) and not closed_to_the_group(store.root)
        store.layout.shard_paths(spec.fingerprint)[0].write_bytes(b"damaged")
        repair(store)
        collect_garbage(store)
        assert store.layout.damaged.is_dir()
    assert not [p for p in closed_to_the_group(store.root) if store.layout.damaged not in p.parents]


def test_a_merge_copies_into_a_shared_cache_and_leaves_the_other_as_it_was(tmp_path: Path) -> None:
    ours, theirs = FeatureStore(tmp_path / "ours"), FeatureStore(tmp_path / "theirs")
    with umask(0o077):
        fill(theirs)
        before = [p.stat().st_mode for p in sorted(theirs.root.rglob("*"))]
        init(ours, shared=True)
        merge(ours, theirs)
    assert len(ours.open_features()) == 20 and not closed_to_the_group(ours.root)
    assert [p.stat().st_mode for p in sorted(theirs.root.rglob("*"))] == before


def test_a_cache_that_is_there_can_be_shared(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "cache")
    with umask(0o077):
        fill(store)
        assert closed_to_the_group(store.root)
        report = init(store, shared=True)
    assert not report.is_new and not closed_to_the_group(store.root)
    assert json.loads((store.root / "cache.json").read_text())["shared"] == "group"


def test_a_cache_that_is_not_shared_follows_the_umask(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "cache")
    with umask(0o077):
        assert not init(store).group
        fill(store)
    assert not [p for p in store.root.rglob("*") if p.stat().st_mode & 0o077]


@pytest.mark.skipif(os.getuid() != 0, reason="needs to become another user")
def test_members_write_beside_each_other_and_others_cannot(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "cache")
    for parent in [tmp_path, *tmp_path.parents][:4]:
        parent.chmod(parent.stat().st_mode | 0o055)
    init(store, shared=True)
    os.chown(store.root, -1, OTHER)
    store.root.chmod(0o2775)
    with umask(0o077), member(1, OTHER):
        fill(store, names=range(20))
    with umask(0o077), member(2, OTHER):
        fill(store, name="more", names=range(30))
        assert len(store.open_features()) == 30
        collect_garbage(store)
    with member(3, 3), pytest.raises(CacheWriteError):
        store.write_manifest(manifest_of("of-a-stranger", range(2)))
    owners = {path.stat().st_uid for path in store.root.rglob("*.h5")}
    assert owners == {1, 2}
    assert {path.stat().st_gid for path in store.root.rglob("*.h5")} == {OTHER}


@contextmanager
def member(user: int, group: int) -> Iterator[None]:
    """Be another user, who belongs to one group."""
    groups = os.getgroups()
    os.setgroups([group])
    os.setegid(user)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def test_what_cannot_be_shared_says_why(cli: Cli, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no group 'no such group'"):
        init(FeatureStore(tmp_path / "cache"), shared=True, group="no such group")
    assert not (tmp_path / "cache").exists()
    result = cli("cache", "init", "--group", "daemon")
    assert result.exit_code == 1 and "add --shared" in result.stderr


def test_a_new_cache_is_kept_out_of_git_and_an_old_one_is_left_alone(
    cli: Cli, photos: Path
) -> None:
    assert cli("extract", photos, *CHEAP).exit_code == 0
    ignored = Path("featx-cache/.gitignore")
    assert ignored.read_text().splitlines()[-1] == "*"
    ignored.unlink()
    assert cli("extract", photos / "red", *CHEAP).exit_code == 0
    assert not ignored.exists()
    assert stat.S_IMODE(Path("featx-cache").stat().st_mode) & stat.S_ISGID == 0


def test_the_command_says_who_shares(cli: Cli) -> None:
    result = cli("cache", "init")
    assert result.stdout.startswith("New cache in featx-cache, for one user.")
    result = cli("cache", "init", "--shared")
    assert "Existing cache in featx-cache, shared: the group" in result.stdout
    data = json.loads(cli("cache", "init", "--json").stdout)
    assert data["group"] and data["is_new"] is False
