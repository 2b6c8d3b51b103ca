"""Runs name their rows before they appear, so that nothing that is in use can be deleted."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from cache_shared import batch_of, digests_of, fill, make_spec, manifest_of, record_of, rows_of

from featx.cache import FeatureStore, Run, has_digest, sample_keys
from featx.cache.errors import (
    CacheFormatError,
    CacheWriteError,
    ConfigError,
    FeaturesNotFoundError,
)
from featx.cache.exchange.merge import merge
from featx.cache.maintenance.compact import compact
from featx.cache.maintenance.gc import collect_garbage, find_garbage
from featx.cache.maintenance.reachability import STALE_DAYS
from featx.cache.maintenance.repair import repair
from featx.cache.maintenance.rm import remove
from featx.cache.maintenance.verify import verify
from featx.cache.records.journal import is_in_use


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "cache")


def begin(store: FeatureStore, kind: str = "extract", name: str = "photos") -> Run:
    return store.begin_run(kind, name, "/photos", [make_spec()])


def journals(store: FeatureStore) -> list[Path]:
    return store.layout.journal_paths()


def age(path: Path, days: float) -> None:
    past = time.time() - days * 86_400
    os.utime(path, (past, past))


def test_a_run_that_names_nothing_writes_nothing(store: FeatureStore) -> None:
    with begin(store) as run:
        run.name_rows(np.zeros((3, 32), np.uint8))
    assert not store.root.exists()


@pytest.mark.parametrize("kind", ["extract", "score", "transform"])
def test_gc_spares_what_an_unfinished_run_has_named(store: FeatureStore, kind: str) -> None:
    with begin(store, kind) as run:
        run.name_rows(digests_of(range(5)))
        store.write_rows(make_spec(), [batch_of(range(5))])
        run.name_rows(digests_of(range(5, 9)))
        store.write_rows(make_spec(), [batch_of(range(5, 9))])
        assert collect_garbage(store).n_rows == 0
    assert collect_garbage(store).n_rows == 0
    assert len(store.open_set(make_spec())) == 9
    assert verify(store).findings == []


def test_gc_spares_cached_rows_that_a_new_run_counts_on(store: FeatureStore) -> None:
    fill(store, names=range(20))
    with begin(store, name="others") as run:
        run.count_on(digests_of(range(4, 8)))
        remove(store, "photos")
        collect_garbage(store)
        assert len(store.open_set(make_spec())) == 4
        run.finish(manifest_of("others", range(4, 8)), [record_of("others", make_spec(), 4)])
    assert collect_garbage(store).n_rows == 0
    assert (np.asarray(store.open_features().X) == rows_of(range(4, 8))).all()


def test_a_finished_extraction_leaves_a_snapshot_and_no_journal(store: FeatureStore) -> None:
    with begin(store) as dead:
        dead.name_rows(digests_of(range(9)))
    with begin(store) as alive, begin(store, name="others") as other, begin(store) as run:
        alive.name_rows(digests_of([50]))
        other.name_rows(digests_of([51]))
        run.name_rows(digests_of(range(5)))
        store.write_rows(make_spec(), [batch_of(range(5))])
        (record,) = run.finish(manifest_of("x", range(5)), [record_of("x", make_spec(), 5)])
        assert (record.manifest, record.kind) == ("photos", "extract")
        left = {tuple(j.digests[:, 0]) for j in store.read_journals()}
        assert left == {tuple(digests_of([n])[:, 0]) for n in (50, 51)}
    assert len(store.open_features()) == 5


def test_what_only_scores_is_not_the_newest(store: FeatureStore) -> None:
    with begin(store, "score") as run:
        run.name_rows(digests_of(range(5)))
        store.write_rows(make_spec(), [batch_of(range(5))])
        run.finish(manifest_of("photos", range(5)), [record_of("photos", make_spec(), 5)])
    with pytest.raises(
        FeaturesNotFoundError, match=r"no features of a finished extraction.*photos\.scored@"
    ):
        store.find()
    assert len(store.open_features("photos.scored")) == 5
    fill(store, names=range(3))
    with begin(store, "score") as run:
        run.finish(manifest_of("photos", range(5)), [record_of("photos", make_spec(), 5)])
    assert len(store.open_features()) == 3
    assert store.find().record.kind == "extract"


def transform(store: FeatureStore, names: range) -> None:
    with begin(store, "transform", "transformer") as run:
        run.count_on(digests_of(names))
        missing = store.open_set(make_spec()).index.find(digests_of(names)) < 0
        new = [name for name, is_missing in zip(names, missing, strict=True) if is_missing]
        if new:
            store.write_rows(make_spec(), [batch_of(new)])
        run.finish()


def test_a_transformers_rows_are_listed_and_can_be_removed(store: FeatureStore) -> None:
    transform(store, range(8))
    transform(store, range(4, 12))
    (stored,) = store.list_features()
    assert (stored.record.kind, stored.record.n_samples) == ("transform", 12)
    assert stored.name.startswith("transformer-")
    before = store.layout.run_paths()
    transform(store, range(12))
    assert store.layout.run_paths() == before, "nothing new, nothing written"
    assert collect_garbage(store).n_rows == 0
    assert len(store.open_features(stored.name)) == 12
    assert journals(store) == []
    remove(store, stored.name)
    assert store.list_features() == []
    assert not list(store.root.rglob("*.h5"))


def test_transformers_side_by_side_lose_nothing(store: FeatureStore) -> None:
    with begin(store, "transform", "t") as one, begin(store, "transform", "t") as two:
        for run, names in ((one, range(5)), (two, range(5, 9))):
            run.name_rows(digests_of(names))
            store.write_rows(make_spec(), [batch_of(names)])
        one.finish()
        two.finish()
    assert collect_garbage(store).n_rows == 0
    assert [s.record.n_samples for s in store.list_features()] == [9]


def test_threads_name_rows_in_one_journal(store: FeatureStore) -> None:
    with begin(store) as run, ThreadPoolExecutor(8) as executor:
        list(executor.map(lambda n: run.name_rows(digests_of([n, n + 100])), range(60)))
        (journal,) = store.read_journals()
        assert len(np.unique(journal.digests, axis=0)) == 120


def test_an_unknown_kind_is_refused(store: FeatureStore) -> None:
    with pytest.raises(ConfigError, match="Did you mean extract"):
        begin(store, "extrac")


def test_the_next_run_recalls_digests_of_unchanged_files(store: FeatureStore) -> None:
    manifest = manifest_of("photos", range(6))
    stamps = np.arange(18, dtype=np.int64).reshape(6, 3) + 1
    ids = manifest.sample_ids
    for start in (0, 3):  # two runs that died
        rows = np.arange(start, start + 2)
        with begin(store) as run:
            run.name_rows(manifest.digests[rows], sample_keys(ids, stamps, rows))
    changed = stamps.copy()
    changed[4] += 1
    digests = store.recall_digests("photos", manifest.listing, changed)
    assert has_digest(digests).tolist() == [True, True, False, True, False, False]
    assert (digests[:2] == manifest.digests[:2]).all()
    assert not store.recall_digests("others", manifest.listing, stamps).any()
    moved = manifest_of("photos", [9, 1, 0])
    digests = store.recall_digests("photos", moved.listing, stamps[[2, 1, 0]])
    assert has_digest(digests).tolist() == [False, True, True]
    now = np.full((6, 3), time.time_ns())
    with begin(store, name="young") as run:
        run.name_rows(manifest.digests, sample_keys(ids, now, np.arange(6)))
    assert not store.recall_digests("young", manifest.listing, now).any(), "racy"


def test_a_torn_tail_harms_nothing_and_damage_before_it_is_found(store: FeatureStore) -> None:
    with begin(store) as run:
        run.name_rows(digests_of(range(5)))
        run.name_rows(digests_of(range(5, 9)))
    store.write_rows(make_spec(), [batch_of(range(9))])
    (path,) = journals(store)
    whole = path.read_bytes()
    for cut in range(len(whole) - 4 * 48 - 16, len(whole)):
        path.write_bytes(whole[:cut])
        (journal,) = store.read_journals()
        assert len(journal.digests) == 5
    path.write_bytes(whole[:-10] + bytes(10))
    assert len(store.read_journals()[0].digests) == 5
    path.write_bytes(whole + bytes(100))
    assert len(store.read_journals()[0].digests) == 9
    assert verify(store).findings == []
    hurt = bytearray(whole)
    hurt[len(whole) - 4 * 48 - 16 - 5] ^= 1
    path.write_bytes(bytes(hurt))
    assert [f.path for f in verify(store).findings] == [path]
    with pytest.raises(CacheFormatError, match="repair"):
        find_garbage(store)
    assert list(repair(store).moved) == [str(path)]
    path.write_bytes(b"{}\n")
    assert [f.kind for f in verify(store).findings] == ["damaged"]


def test_a_stale_run_protects_its_rows_for_a_week_and_a_living_one_for_ever(
    store: FeatureStore,
) -> None:
    store.write_rows(make_spec(), [batch_of(range(9))])
    with begin(store) as run:
        run.name_rows(digests_of(range(9)))
        (path,) = journals(store)
        age(path, STALE_DAYS + 1)
        assert find_garbage(store).n_rows == 0
    age(path, STALE_DAYS - 1)
    assert find_garbage(store).n_rows == 0
    age(path, STALE_DAYS + 1)
    garbage = collect_garbage(store)
    assert (garbage.n_rows, garbage.partials) == (9, [path])
    assert journals(store) == []


def test_rm_spares_what_a_living_run_of_the_same_source_uses(store: FeatureStore) -> None:
    fill(store, names=range(8))
    with begin(store) as run:
        run.count_on(digests_of(range(8)))
        remove(store, "photos")
        assert len(store.open_set(make_spec())) == 8
        run.finish(manifest_of("photos", range(8)), [record_of("photos", make_spec(), 8)])
    assert len(store.open_features()) == 8


def test_merge_takes_over_unfinished_runs(store: FeatureStore, tmp_path: Path) -> None:
    with begin(store) as run:
        run.name_rows(digests_of(range(5)))
    store.write_rows(make_spec(), [batch_of(range(5))])
    target = FeatureStore(tmp_path / "target")
    for _ in range(2):
        merge(target, store)
        assert len(journals(target)) == 1
    assert collect_garbage(target).n_rows == 0
    compact(target)
    assert len(target.open_set(make_spec())) == 5


def test_on_a_full_disk_no_name_and_no_half_name_is_left(store: FeatureStore) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with begin(store) as run:
        run.name_rows(digests_of(range(5)))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            with pytest.raises(CacheWriteError, match="free some space"):
                run.name_rows(digests_of(range(5, 50)))
            run.count_on(digests_of(range(5, 50)))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
        run.name_rows(digests_of(range(5, 7)))
    assert [len(journal.digests) for journal in store.read_journals()] == [7]


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[2])
from cache_shared import *
store = FeatureStore(sys.argv[1])
run = store.begin_run("score", "photos", "/photos", [make_spec()])
run.name_rows(digests_of(range(9)))
store.write_rows(make_spec(), [batch_of(range(9))])
print("named", flush=True)
sys.stdin.read()
"""


def test_the_run_of_a_killed_process_counts_as_ended_and_keeps_its_rows(
    store: FeatureStore,
) -> None:
    words = [sys.executable, "-c", KILLED, str(store.root), str(Path(__file__).parents[1])]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"named\n"
        assert [is_in_use(path) for path in journals(store)] == [True]
        process.kill()
    assert [is_in_use(path) for path in journals(store)] == [False]
    assert collect_garbage(store).n_rows == 0
    assert len(store.open_set(make_spec())) == 9
