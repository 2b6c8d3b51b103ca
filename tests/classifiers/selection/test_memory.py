"""Training in a stated amount of memory, with a limit set on the process."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from cache_shared import make_spec, record_of

from featx.cache import FeatureBatch, FeatureStore, Listing, Manifest, StringColumn
from featx.cache.errors import ConfigError, TrainingDataError
from featx.classifiers.heads.row_blocks import RowView
from featx.classifiers.selection.fit import HeadOptions, fit
from featx.classifiers.selection.grid import Family
from featx.classifiers.selection.memory import least_memory, parse_memory, training_rows
from featx.classifiers.selection.sweep import sweep
from featx.classifiers.selection.sweep_options import SweepOptions

SHARD_ROWS = 20_000
N_CLASSES = 4
# Once everything is imported and warm, the process may take no more than ``memory`` beside that.
CHILD = """
import json, os, resource, sys, threading, time
import numpy as np
from featx.cache import FeatureStore
from featx.classifiers.selection.fit import HeadOptions, fit
from featx.classifiers.selection.grid import Family
from featx.classifiers.selection.sweep import sweep
from featx.classifiers.selection.sweep_options import SweepOptions

cache, name, params, memory, bounded = sys.argv[1:]
params, memory = json.loads(params), int(memory)

def status(key):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))

def run(features, memory):
    store, memory = FeatureStore(cache), memory if bounded == "1" else None
    opened = store.open_features(features)
    if name != "sweep":
        return fit(opened, HeadOptions(name, params, 0, memory)).scores[-1]
    families = tuple(Family(head, tuple(grid)) for head, grid in params.items())
    report = sweep([opened], SweepOptions(families, memory=memory), store)
    assert bool(report.left_out) == (features == "large")
    return report.test

run("small", memory)
before, peak, done = status("RssAnon"), 0, False
def watch():
    global peak
    while not done:
        peak = max(peak, status("RssAnon") - before)
        time.sleep(0.01)
watcher = threading.Thread(target=watch)
watcher.start()
# Where threads collide glibc makes a heap of 64 MiB: of addresses, which count here, not of memory.
limit = status("VmData") + memory + (1 << 26 if bounded == "1" else 0)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
start = time.perf_counter()
try:
    report = run("large", memory)
    answer = {"accuracy": report.metrics["accuracy"]}
except MemoryError:
    answer = {"failed": True}
done = True
watcher.join()
print(json.dumps({**answer, "peak": peak, "seconds": time.perf_counter() - start}))
"""


def write_features(root, name, n, width):
    """Write a cache of ``n`` rows of float16 in overlapping classes; a few hundred to judge by."""
    store, rng = FeatureStore(root), np.random.default_rng(n)
    spec = make_spec(storage="float16")
    y = np.sort(rng.integers(0, N_CLASSES, n))
    centres = np.random.default_rng(0).standard_normal((N_CLASSES, width)).astype(np.float32)
    digests = rng.integers(0, 256, (n, 32), dtype=np.uint8)
    for start in range(0, n, SHARD_ROWS):
        rows = slice(start, start + SHARD_ROWS)
        X = rng.standard_normal((len(y[rows]), width), np.float32) * 4
        X += centres[y[rows]]
        store.write_rows(spec, [FeatureBatch(digests[rows], X)])
    splits = np.zeros(n, np.int8)
    splits[rng.permutation(n)[:600]] = np.tile([1, 2], 300)
    ids = StringColumn.from_strings(f"{i}.png" for i in range(n))
    listing = Listing(ids, y, splits, None, tuple("abcd"))
    stamps = np.ones((n, 3), np.int64)
    store.write_manifest(Manifest(name, f"/{name}", listing, digests, stamps, time.time_ns()))
    store.write_run(record_of(name, spec, n))


def run_limited(cache, head, params, memory, bounded=True):
    words = [sys.executable, "-c", CHILD, cache, head, json.dumps(params), memory, int(bounded)]
    threads = {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2", "MALLOC_ARENA_MAX": "2"}
    run = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, env={**os.environ, **threads}
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    root = tmp_path_factory.mktemp("bounded") / "cache"
    write_features(root, "small", 1200, 512)
    write_features(root, "large", 100_000, 512)
    return root


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA and /proc are Linux'")


@needs_linux
@pytest.mark.parametrize(
    ("head", "params"),
    [
        ("logreg", {"C": 1e-3}),
        pytest.param("dense", {"preset": "softmax", "epochs": 2}, marks=pytest.mark.long),
        (
            "sweep",
            {
                "logreg": [{"C": 1e-4}, {"C": 1e-3}],
                "dense": [{"preset": "softmax", "epochs": 1, "lr": lr} for lr in (1e-3, 3e-3)],
                "knn": [{"n_neighbors": 5}],
            },
        ),
    ],
    ids=["logreg", "dense", "sweep"],
)
def test_features_larger_than_the_limit_are_learned_from(head, params, cache):
    memory = 80_000_000
    assert memory < 100_000 * 512 * 2
    answer = run_limited(cache, head, params, memory)
    assert answer.get("accuracy", 0) > 0.9, answer
    assert answer["peak"] <= memory


@needs_linux
def test_the_limit_would_stop_a_training_that_reads_all(cache):
    assert "failed" in run_limited(cache, "logreg", {"C": 1e-3}, 80_000_000, bounded=False)


@needs_linux
@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("head", "params"), [("logreg", {"C": 1e-3}), ("dense", {"preset": "mlp", "epochs": 2})]
)
def test_a_gigabyte_is_learned_from_in_300_megabytes(head, params, tmp_path):
    write_features(tmp_path / "cache", "small", 1200, 1280)
    write_features(tmp_path / "cache", "large", 400_000, 1280)
    answer = run_limited(tmp_path / "cache", head, params, 300_000_000)
    assert answer.get("accuracy", 0) > 0.9, answer
    assert answer["peak"] <= 300_000_000


@pytest.mark.parametrize("head", ["logreg", "linear-svm"])
def test_bounded_training_finds_the_same_optimum(head, cache, monkeypatch):
    features = FeatureStore(cache).open_features("small")
    monkeypatch.setattr("featx.classifiers.selection.memory.least_memory", lambda *_: 0)
    free, bounded = (
        fit(features, HeadOptions(head, {"C": 1e-3}, 0, memory)).model.head
        for memory in (None, 1_000_000)
    )
    X = np.asarray(features.X)
    difference = np.abs(free.predict_proba(X) - bounded.predict_proba(X)).max()
    assert difference < 1e-3


def test_what_fits_is_read_and_what_does_not_stays_on_disk(cache):
    X = FeatureStore(cache).open_features("small").X
    rows = np.arange(0, 1200, 2)
    least = least_memory(600, 512, N_CLASSES)
    for memory, kind in ((None, np.ndarray), (10**9, np.ndarray), (least, RowView)):
        found = training_rows(X, rows, "logreg", N_CLASSES, memory)
        assert isinstance(found, kind)
        np.testing.assert_array_equal(np.asarray(found), X[rows])


def test_without_a_limit_most_of_what_is_free_is_one(cache, monkeypatch):
    X = FeatureStore(cache).open_features("small").X
    rows = np.arange(0, 1200, 2)
    least, needed = least_memory(600, 512, N_CLASSES), 600 * 512 * 6

    def kind(head, free):
        monkeypatch.setattr("featx.classifiers.selection.memory.free_memory_bytes", lambda: free)
        return type(training_rows(X, rows, head, N_CLASSES))

    enough = 4 * (least + needed) // 3
    assert kind("logreg", enough + 4) is np.ndarray
    assert kind("logreg", enough - 4) is RowView
    assert kind("svm", enough - 4) is np.ndarray  # it cannot train otherwise: nothing is refused
    assert kind("logreg", least) is np.ndarray  # three quarters of it are no limit to keep to


def test_a_sweep_of_more_than_is_free_trains_from_disk(cache, monkeypatch):
    store = FeatureStore(cache)
    features = store.open_features("large")
    monkeypatch.setattr("featx.classifiers.selection.memory.free_memory_bytes", lambda: 110_000_000)
    families = (Family("svm", ({"C": 1.0},)), Family("centroid", ({"metric": "euclidean"},)))
    report = sweep([features], SweepOptions(families), store)
    assert list(report.left_out) == ["svm"]
    assert [candidate.scores.head for candidate in report.candidates] == ["centroid"]


def test_a_head_that_needs_all_in_memory_names_those_that_do_not(cache):
    features = FeatureStore(cache).open_features("large")
    with pytest.raises(TrainingDataError, match=r"svm needs all .* logreg, linear-svm, .* dense"):
        fit(features, HeadOptions("svm", memory=80_000_000))


def test_a_sweep_leaves_out_heads_that_need_all_in_memory(cache):
    store = FeatureStore(cache)
    features = store.open_features("large")
    svm = Family("svm", ({"C": 1.0},))
    with pytest.raises(ConfigError, match=r"svm must have all .* logreg, linear-svm, .* dense"):
        sweep([features], SweepOptions((svm,), memory=80_000_000), store)
    with pytest.raises(ConfigError, match=r"5MB is too little"):
        sweep([features], SweepOptions((svm,), memory=5_000_000), store)


def test_a_random_projection_too_wide_for_the_memory_is_refused_or_left_out(cache):
    store = FeatureStore(cache)
    features = store.open_features("large")
    with pytest.raises(ConfigError, match=r"80MB is too little for .* of 2,048 features"):
        fit(features, HeadOptions("projection", memory=80_000_000))
    grid = (
        Family("projection", ({"width": 2048}, {"width": 64})),
        Family("centroid", ({"metric": "euclidean"},)),
    )
    report = sweep([features], SweepOptions(grid, memory=80_000_000), store)
    assert len(report.candidates) == 2


def test_a_sweep_within_memory_measures_what_it_would_without(cache, monkeypatch):
    store = FeatureStore(cache)
    features = store.open_features("small")
    for module in ("memory", "feature_sweep"):
        monkeypatch.setattr(f"featx.classifiers.selection.{module}.least_memory", lambda *_: 0)
    grid = (Family("logreg", ({"C": 1e-4}, {"C": 1e-3})), Family("ridge", ({"alpha": 10.0},)))
    boards = []
    for memory in (None, 1_000_000):
        shutil.rmtree(cache / "results", ignore_errors=True)
        report = sweep([features], SweepOptions(grid, memory=memory), store)
        assert not any(candidate.is_stored for candidate in report.candidates)
        boards.append([(c.scores.head, c.params, c.scores.metrics) for c in report.candidates])
    for free, bounded in zip(*boards, strict=True):
        assert free[:2] == bounded[:2]
        assert free[2] == pytest.approx(bounded[2], abs=0.01)


def test_too_little_memory_is_refused_with_the_least(cache):
    features = FeatureStore(cache).open_features("large")
    with pytest.raises(ConfigError, match=r"5MB is too little .* takes \d+MB or more"):
        fit(features, HeadOptions("logreg", memory=5_000_000))


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("2GB", 2 * 10**9), ("300 mb", 3 * 10**8), ("1.5GiB", 3 * 2**29), ("64K", 64_000), ("9", 9)],
)
def test_sizes_are_read_in_decimal_and_binary_units(text, n_bytes):
    assert parse_memory(text) == n_bytes


@pytest.mark.parametrize("text", ["", "0", "-1GB", "2XB", "two", "GB", "0MB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ConfigError, match="--memory"):
        parse_memory(text)


@pytest.mark.parametrize("module", ["baselines", "tuning"])
def test_networks_read_batch_by_batch_what_is_larger_than_what_is_free(module, monkeypatch):
    fit_module = importlib.import_module(f"featx.classifiers.{module}.fit")
    read = {"baselines": "_pixels", "tuning": "_maps"}[module]
    rows = np.arange(40)
    X = np.zeros((50, 6), np.uint8)
    features = SimpleNamespace(X=X, views=())
    for memory, free, is_read in ((None, 400, True), (None, 300, False), (240, 0, True)):
        monkeypatch.setattr(
            "featx.classifiers.selection.memory.free_memory_bytes", lambda free=free: free
        )
        found = getattr(fit_module, read)(features, rows, memory)
        found = found[0] if isinstance(found, list) else found
        assert isinstance(found, np.ndarray) == is_read
        np.testing.assert_array_equal(np.asarray(found), X[rows])
