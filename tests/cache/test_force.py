"""The promises of the cache, tried by force on real processes: kills, crowds, full disks."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from cache_shared import shards_in
from extract_driver import BATCH
from numpy.typing import NDArray
from PIL import Image

from featx.cache import FeatureStore
from featx.cache.maintenance.verify import verify
from featx.extractor.pipeline.writer import ON_THEIR_WAY
from tests_shared import CHEAP

DRIVER = Path(__file__).parents[1] / "extract_driver.py"
N_IMAGES = 480
# Rows that a kill may cost: three times the batches that can be on their way at once.
SHARD_ROWS = 3 * ON_THEIR_WAY * BATCH


@dataclass(frozen=True)
class Pictures:
    """A folder of pictures and what their features must be."""

    root: Path
    rows: dict[str, bytes]

    def check(self, cache: Path) -> None:
        """Make sure that every row in the cache is right and that the features are whole."""
        store = FeatureStore(cache)
        features = store.open_features()
        assert not features.damaged
        assert features.n_missing == 0
        X = np.asarray(features.X)
        assert {n: x.tobytes() for n, x in zip(features.sample_ids, X, strict=True)} == self.rows


def paint(path: Path, number: int) -> bytes:
    """Write one picture; return the features that the driver's engine makes of it."""
    pixels = np.random.default_rng(number).integers(1, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels.astype(np.float32).tobytes()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    root = tmp_path_factory.mktemp("pictures")
    names = [f"{i:04d}.png" for i in range(N_IMAGES)]
    return Pictures(root, {name: paint(root / name, i) for i, name in enumerate(names)})


def start(source: Path, cache: Path, log: Path) -> subprocess.Popen[str]:
    """Start the driver and wait until it has loaded."""
    words = [sys.executable, str(DRIVER), str(source), str(cache), str(log), str(SHARD_ROWS)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


def work_in(log: Path) -> int:
    """Return how many images went through the engine in all runs."""
    return sum(map(int, log.read_text().split())) if log.exists() else 0


def committed(cache: Path) -> int:
    """Check that every row that is there is readable, and return of how many images there are.

    A kill between a joined shard and the small ones that it replaces leaves rows twice.
    """
    store = FeatureStore(cache)
    assert verify(store).findings == []
    n_rows = 0
    for fingerprint in store.layout.fingerprints():
        shards = store.open_set(store.read_spec(fingerprint))
        assert not shards.damaged
        if len(shards):
            assert len(shards.take(np.arange(len(shards)))) == len(shards)
            n_rows += len(np.unique(np.concatenate([s.digests for s in shards.shards]), axis=0))
    return n_rows


def kill_and_resume(pictures: Pictures, folder: Path, n_kills: int, seed: int) -> list[int]:
    """Kill runs at random moments, each time resuming; return the rows found after each kill."""
    chance = random.Random(seed)
    timing = folder / "timing"
    process = start(pictures.root, timing, folder / "timing.log")
    loaded = time.perf_counter()
    assert finish(process)[0] == 0
    seconds = time.perf_counter() - loaded
    found: list[int] = []
    round_ = 0
    while len(found) < n_kills:
        round_ += 1
        cache, log = folder / f"cache-{round_}", folder / f"log-{round_}"
        n_round = 0
        while len(found) < n_kills:
            before = committed(cache)
            work_before = work_in(log)
            process = start(pictures.root, cache, log)
            time.sleep(chance.uniform(0, seconds * 1.1))
            process.kill()
            if finish(process)[0] == 0:
                break  # it was done before the blow fell
            after = committed(cache)
            lost = (work_in(log) - work_before) - (after - before)
            assert 0 <= lost <= SHARD_ROWS, "at most one shard's work is done again"
            n_round += 1
            found.append(after)
        code, _, err = finish(start(pictures.root, cache, log))
        assert code == 0, err
        pictures.check(cache)
        assert work_in(log) <= N_IMAGES + n_round * SHARD_ROWS
    return found


def test_killed_at_random_moments(pictures: Pictures, tmp_path: Path) -> None:
    found = kill_and_resume(pictures, tmp_path, 5, seed=0)
    assert any(0 < n < N_IMAGES for n in found), "no kill fell between two shards"


@pytest.mark.long
def test_killed_at_200_random_moments(pictures: Pictures, tmp_path: Path) -> None:
    found = kill_and_resume(pictures, tmp_path, 200, seed=1)
    assert len({n for n in found if 0 < n < N_IMAGES}) > 3


def cli(*words: object, cache: Path) -> subprocess.Popen[str]:
    """Start the true command line."""
    script = "from featx.cli import main; main()"
    line = [sys.executable, "-c", script, *map(str, words), "--cache", str(cache)]
    pipe = subprocess.PIPE
    return subprocess.Popen(line, stdout=pipe, stderr=pipe, text=True)


def features_of(cache: Path) -> tuple[list[str], NDArray[np.float32]]:
    features = FeatureStore(cache).open_features()
    assert features.n_missing == 0
    return list(features.sample_ids), np.asarray(features.X)


def kill_the_command_line(source: Path, folder: Path, moments: list[float]) -> None:
    """Kill ``featx extract`` at shares of its running time; compare with an undisturbed run."""
    words = ("extract", source, *CHEAP, "--batch-size", 16)
    began = time.perf_counter()
    code, _, err = finish(cli(*words, cache=folder / "whole"))
    assert code == 0, err
    seconds = time.perf_counter() - began
    ids, X = features_of(folder / "whole")
    for i, moment in enumerate(moments):
        cache = folder / f"killed-{i}"
        process = cli(*words, cache=cache)
        time.sleep(moment * seconds)
        process.send_signal(signal.SIGKILL)
        finish(process)
        committed(cache)
        code, _, err = finish(cli(*words, cache=cache))
        assert code == 0, err
        again_ids, again = features_of(cache)
        assert again_ids == ids
        assert again.tobytes() == X.tobytes(), "resumed features differ from undisturbed ones"


def test_the_command_line_killed_and_resumed(pictures: Pictures, tmp_path: Path) -> None:
    kill_the_command_line(pictures.root, tmp_path, [0.9])


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_command_line_killed_often(pictures: Pictures, tmp_path: Path) -> None:
    kill_the_command_line(pictures.root, tmp_path, [0.3, 0.6, 0.8, 0.85, 0.9, 0.95, 0.97])


def test_interrupted_runs_give_the_same_bits_whatever_is_left(
    pictures: Pictures, tmp_path: Path
) -> None:
    """One image more is a batch of one; its features must not depend on that."""
    words = (*CHEAP, "--batch-size", 16)
    part = tmp_path / "part"
    part.mkdir()
    for name in list(pictures.rows)[:21]:
        shutil.copy(pictures.root / name, part)
    assert finish(cli("extract", part, *words, cache=tmp_path / "whole"))[0] == 0
    (part / "0020.png").rename(tmp_path / "0020.png")
    assert finish(cli("extract", part, *words, cache=tmp_path / "grown"))[0] == 0
    (tmp_path / "0020.png").rename(part / "0020.png")
    code, out, err = finish(cli("extract", part, *words, "--json", cache=tmp_path / "grown"))
    assert code == 0, err
    assert '"n_extracted": 1,' in out
    _, grown = features_of(tmp_path / "grown")
    _, whole = features_of(tmp_path / "whole")
    assert grown.tobytes() == whole.tobytes()


def test_four_extractions_of_overlapping_sources_at_once(
    pictures: Pictures, tmp_path: Path
) -> None:
    names = list(pictures.rows)
    sources = []
    for i in range(4):
        folder = tmp_path / f"source-{i}"
        folder.mkdir()
        for name in names[i * 40 : i * 40 + 120]:
            shutil.copy(pictures.root / name, folder)
        sources.append(folder)
    cache = tmp_path / "cache"
    running = [start(source, cache, tmp_path / "log") for source in sources]
    for process in running:
        code, _, err = finish(process)
        assert code == 0, err
    store = FeatureStore(cache)
    assert verify(store).findings == []
    stored = store.list_features()
    assert len(stored) == 4
    for s in stored:
        features = store.open_features(s.name)
        assert features.n_missing == 0
        assert len(features) == 120
        assert len(set(features.sample_ids)) == 120
        for name, x in zip(features.sample_ids, np.asarray(features.X), strict=True):
            assert x.tobytes() == pictures.rows[name]
    kinds = {"".join(p.suffixes[-1:]) for p in store.layout.files()}
    assert kinds <= {".h5", ".json", ".jsonl"}, "locks or leftovers"


@contextmanager
def limited(n_bytes: int) -> Iterator[None]:
    """Give processes that start now a limit on the size of a file: the disk of the unprivileged."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_is_a_clear_error_and_the_run_resumes(
    pictures: Pictures, tmp_path: Path
) -> None:
    cache, log = tmp_path / "cache", tmp_path / "log"
    half = tmp_path / "half"
    half.mkdir()
    for name in list(pictures.rows)[:20]:
        (half / name).write_bytes((pictures.root / name).read_bytes())
    assert finish(start(half, cache, log))[0] == 0
    before = {p: p.read_bytes() for p in shards_in(cache)}
    with limited(150_000):  # less than one shard of 24 rows of 12 kB
        code, _, err = finish(start(pictures.root, cache, log))
    assert code == 1
    assert err.startswith("featx: cannot write ")
    assert "File too large" in err
    assert "free some space" in err
    assert len(err.splitlines()) == 1
    assert not list(cache.rglob("*.partial"))
    assert committed(cache) == 20
    assert {p: p.read_bytes() for p in before} == before
    assert finish(start(pictures.root, cache, log))[0] == 0
    pictures.check(cache)


def test_the_command_line_on_a_full_disk(pictures: Pictures, tmp_path: Path) -> None:
    words = ("extract", pictures.root, *CHEAP)
    with limited(60_000):
        code, out, err = finish(cli(*words, cache=tmp_path / "cache"))
    assert code == 1, err
    assert "featx: cannot write" in err
    assert "Traceback" not in err
    assert not out
    assert committed(tmp_path / "cache") == 0
    assert finish(cli(*words, cache=tmp_path / "cache"))[0] == 0


def test_only_new_and_changed_images_are_extracted(pictures: Pictures, tmp_path: Path) -> None:
    source, cache = tmp_path / "source", tmp_path / "cache"
    source.mkdir()
    want = {f"{i}.png": paint(source / f"{i}.png", i) for i in range(10)}

    def extract_now() -> int:
        code, out, err = finish(start(source, cache, tmp_path / "log"))
        assert code == 0, err
        Pictures(source, want).check(cache)
        return int(out)

    assert extract_now() == 10
    assert extract_now() == 0
    want["new.png"] = paint(source / "new.png", 50)
    want["3.png"] = paint(source / "3.png", 51)
    assert extract_now() == 2
    (source / "4.png").rename(source / "renamed.png")
    want["renamed.png"] = want.pop("4.png")
    (source / "copy.png").write_bytes((source / "5.png").read_bytes())
    want["copy.png"] = want["5.png"]
    (source / "0.png").unlink()
    del want["0.png"]
    assert extract_now() == 0
    assert committed(cache) == 12, "the deleted image's row and the old 3.png's stay until gc"
    assert finish(cli("cache", "gc", "--yes", cache=cache))[0] == 0
    assert committed(cache) == 10
    assert extract_now() == 0
    want["0.png"] = paint(source / "0.png", 0)
    assert extract_now() == 1
