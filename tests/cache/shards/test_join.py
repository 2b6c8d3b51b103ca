"""Joining small shards when a run ends."""

from __future__ import annotations

import multiprocessing
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
import pytest
from cache_shared import (
    batch_of,
    digests_of,
    fill,
    flip,
    make_spec,
    manifest_of,
    offset_of_rows,
    record_of,
    rows_of,
    shards_in,
)

from featx.cache import FeatureBatch, FeatureStore
from featx.cache.layout import size_of
from featx.cache.maintenance.compact import compact
from featx.cache.maintenance.verify import verify
from featx.cache.shards.join import FEW_SHARDS, MOST_SHARDS, join_small_shards
from featx.cache.shards.shard import Shard


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "cache")


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_small_shards_become_one_and_open_readers_go_on(tmp_path: Path, compression: str) -> None:
    store = FeatureStore(tmp_path, compression=compression)
    spec = fill(store, names=range(100), per_shard=5)
    X = store.open_features().X
    assert store.join_small_shards(spec) == ""
    assert len(shards_in(store.root)) == 1
    for matrix in (X, store.open_features().X):
        assert (np.asarray(matrix) == rows_of(range(100))).all()
    assert verify(store).findings == []
    assert {shard.compression for shard in store.open_set(spec).shards} == {compression}


def test_few_shards_stay_as_they_are(store: FeatureStore) -> None:
    assert store.join_small_shards(make_spec()) == ""
    spec = fill(store, names=range(FEW_SHARDS), per_shard=1)
    before = shards_in(store.root)
    assert store.join_small_shards(spec) == ""
    assert shards_in(store.root) == before


def test_any_number_of_small_shards_ends_as_few(store: FeatureStore) -> None:
    spec = make_spec()
    X = np.random.default_rng(0).standard_normal((400, 3000)).astype(np.float32)
    digests = digests_of(range(400))
    for start in range(0, 400, 4):
        part = slice(start, start + 4)
        store.write_rows(spec, [FeatureBatch(digests[part], X[part])])
    join_small_shards(store.layout.shards(spec.fingerprint), spec, target_bytes=100_000)
    assert FEW_SHARDS < len(shards_in(store.root)) <= MOST_SHARDS + 2
    opened = store.open_set(spec)
    assert (opened.take(opened.index.find(digests)) == X).all()


def test_many_short_runs_do_not_write_the_same_rows_again_and_again(store: FeatureStore) -> None:
    spec = make_spec()
    store.write_rows(spec, [batch_of(range(5000))])
    (large,) = shards_in(store.root)
    for i in range(60):
        store.write_rows(spec, [batch_of([10_000 + i])])
        store.join_small_shards(spec)
        assert len(shards_in(store.root)) <= 2 * FEW_SHARDS
    assert large.exists()
    assert len(store.open_set(spec)) == 5060


def test_a_full_disk_while_joining_is_a_warning_and_loses_nothing(store: FeatureStore) -> None:
    spec = fill(store, names=range(400), per_shard=20)
    before = shards_in(store.root)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, hard))
    try:
        warning = store.join_small_shards(spec)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert "File too large" in warning
    assert shards_in(store.root) == before
    assert not list(store.root.rglob("*.partial"))
    assert store.join_small_shards(spec) == ""
    assert (np.asarray(store.open_features().X) == rows_of(range(400))).all()


def test_a_damaged_row_is_a_warning_and_its_shard_stays(store: FeatureStore) -> None:
    spec = fill(store, names=range(100), per_shard=5)
    hurt = shards_in(store.root)[7]
    flip(hurt, offset_of_rows(hurt))
    assert hurt.name in store.join_small_shards(spec)
    assert len(store.open_set(spec)) == 100


def _join(root: Path) -> None:
    FeatureStore(root).join_small_shards(make_spec())


def test_processes_that_join_at_once_lose_nothing(store: FeatureStore) -> None:
    spec = fill(store, names=range(300), per_shard=5)
    context = multiprocessing.get_context("fork")
    running = [context.Process(target=_join, args=(store.root,)) for _ in range(4)]
    for process in running:
        process.start()
    for process in running:
        process.join()
        assert process.exitcode == 0
    assert (np.asarray(store.open_features().X) == rows_of(range(300))).all()
    assert len(store.open_set(spec)) >= 300


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from cache_shared import FeatureStore, make_spec
n, real = 0, Path.unlink
def unlink(self, *words, **named):
    global n
    n += self.suffix == ".h5"
    if n > int(sys.argv[3]):
        os.kill(os.getpid(), 9)
    real(self, *words, **named)
Path.unlink = unlink
FeatureStore(sys.argv[1]).join_small_shards(make_spec())
"""


@pytest.mark.parametrize("survivors", [0, 7])
def test_killed_between_the_joined_and_the_small_shards_no_row_is_lost(
    store: FeatureStore, survivors: int
) -> None:
    spec = fill(store, names=range(100), per_shard=5)
    tests = str(Path(__file__).parents[2])
    words = [sys.executable, "-c", KILLED, str(store.root), tests, str(survivors)]
    assert subprocess.run(words, check=False).returncode == -9
    assert len(shards_in(store.root)) == 21 - survivors
    assert verify(store).findings == []
    assert (np.asarray(store.open_features().X) == rows_of(range(100))).all()
    compact(store)
    assert len(store.open_set(spec)) == 100


MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[2])
from cache_shared import *
store, spec = FeatureStore(sys.argv[1]), make_spec()
X = np.ones((1000, 1024), np.float32)
for i in range(40):
    store.write_rows(spec, [FeatureBatch(digests_of(range(i * 1000, i * 1000 + 1000)), X)])
def resident(name):
    text = Path("/proc/self/status").read_text()
    return int(text.split(name)[1].split()[0]) / 1000
Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
before = resident("VmRSS:")
store.join_small_shards(spec)
print(resident("VmHWM:") - before, len(list(Path(sys.argv[1]).rglob("*.h5"))))
"""


@pytest.mark.parametrize("ends_run", [True, False], ids=["run's end", "compact"])
def test_joining_holds_the_shards_of_one_group_at_a_time(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch, ends_run: bool
) -> None:
    spec, n_shards = make_spec(), 120
    folder = store.layout.shards(spec.fingerprint)
    for start in range(0, 5 * n_shards, 5):
        store.write_rows(spec, [batch_of(range(start, start + 5), width=4096)])
    target = sum(map(size_of, shards_in(store.root))) // MOST_SHARDS
    alive: WeakSet[Shard] = WeakSet()
    counts = []

    def note(self: Shard, *args: Any, open_one: Any = Shard.__init__, **kwargs: Any) -> None:
        open_one(self, *args, **kwargs)
        alive.add(self)
        counts.append(len(alive))

    monkeypatch.setattr(Shard, "__init__", note)
    if ends_run:
        join_small_shards(folder, spec, target)
    else:
        compact(store, target_bytes=target)
    n_joined = len(shards_in(store.root))
    assert 2 < n_joined < n_shards / 2
    assert max(counts) < n_shards / 2
    assert (store.open_set(spec).index.find(digests_of(range(5 * n_shards))) >= 0).all()


def test_joining_needs_memory_for_blocks_only(tmp_path: Path) -> None:
    words = [sys.executable, "-c", MEMORY, str(tmp_path), str(Path(__file__).parents[2])]
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    megabytes, n_shards = run.stdout.split()
    assert float(megabytes) < 60, "MB, of 164 MB of rows"
    assert n_shards == "1"
    store = FeatureStore(tmp_path)
    store.write_manifest(manifest_of("photos", range(40_000)))
    store.write_run(record_of("photos", make_spec(), 40_000))
    assert store.open_features().n_missing == 0
