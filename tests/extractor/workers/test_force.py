"""Several workers by force, on a Ray of two nodes and as a job array: nothing lost or doubled."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from featx.cache import FeatureStore
from featx.cache.maintenance.verify import verify
from tests_shared import CHEAP

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
N_IMAGES = 3000
PARTS = re.compile(r"\.part-\d+-of-\d+\.h5$")
QUICK_NEWS = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 5000,
    "health_check_failure_threshold": 4,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small images, one of them broken and two of them equal, extracted by one process."""
    folder = tmp_path_factory.mktemp("force")
    rng = np.random.default_rng(0)
    for i in range(N_IMAGES):
        path = folder / "photos" / "ab"[i % 2] / f"{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    (folder / "photos" / "a" / "0000.png").write_bytes(b"broken")
    (folder / "photos/b/2999.png").write_bytes((folder / "photos/b/0001.png").read_bytes())
    time.sleep(2.1)  # so that the files count as unchanged from now on
    assert finished(featx(folder, "extract", "photos", *CHEAP, "--cache", "whole"))
    assert finished(
        featx(folder, "fit", "--head", "ridge", "--cache", "whole", "-o", "model.featx")
    )
    return folder


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A Ray of two nodes, each of one core."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "_system_config": QUICK_NEWS, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


def featx(folder: Path, *words: object) -> subprocess.Popen[str]:
    """Start the true command line in ``folder``."""
    script = "from featx.cli import main; main()"
    line = [sys.executable, "-c", script, *map(str, words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(line, cwd=folder, stdout=pipe, stderr=pipe, text=True)


def finished(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for a command that succeeds; return what it wrote."""
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, out + err
    return out, err


def wait_for(what: Callable[[], Any], process: subprocess.Popen[str], seconds: float = 300) -> Any:
    """Wait until something is there while a command runs."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := what():
            return value
        assert process.poll() is None, f"it ended before: {process.communicate()}"
        time.sleep(0.05)
    raise AssertionError("it did not come in time")


def finished_parts(cache: Path) -> list[Path]:
    return [path for path in cache.glob("manifests/*") if PARTS.search(path.name)]


def workers(folder: Path) -> list[int]:
    """Return the processes of the actors that work for a driver in ``folder``."""
    pids = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
            if b"ray::Actor" in command and (entry / "cwd").readlink() == folder:
                pids.append(int(entry.name))
        except OSError:
            continue
    return sorted(pids)


def extraction(project: Path, cache: Path, cluster: Any, *more: object) -> subprocess.Popen[str]:
    words = ("extract", "photos", *CHEAP, "--cache", cache, "--json", "-v")
    return featx(project, *words, "--ray", cluster.address, *more)


def check(project: Path, cache: Path) -> None:
    """Make sure that the cache holds, bit for bit, what one process made, and no leftovers."""
    store, alone = FeatureStore(cache), FeatureStore(project / "whole")
    features, whole = store.open_features(), alone.open_features()
    assert list(features.manifest.sample_ids) == list(whole.manifest.sample_ids)
    assert list(features.sample_ids) == list(whole.sample_ids)
    assert np.asarray(features.X).tobytes() == np.asarray(whole.X).tobytes()
    assert verify(store).findings == []
    assert not finished_parts(cache)
    bad = [one.read_quarantine(whole.manifest.name) for one in (store, alone)]
    assert bad[0] == bad[1]


def test_a_worker_is_killed(project: Path, tmp_path: Path, cluster: Any) -> None:
    driver = extraction(project, tmp_path, cluster)
    wait_for(lambda: finished_parts(tmp_path), driver)
    os.kill(workers(project)[0], signal.SIGKILL)
    out, _ = finished(driver)
    assert json.loads(out)["n_samples"] == N_IMAGES
    check(project, tmp_path)


def test_a_node_leaves(project: Path, tmp_path: Path, cluster: Any) -> None:
    driver = extraction(project, tmp_path, cluster)
    wait_for(lambda: finished_parts(tmp_path) and len(workers(project)) == 2, driver)
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    finished(driver)
    check(project, tmp_path)


def test_the_driver_is_killed_and_started_again(
    project: Path, tmp_path: Path, cluster: Any
) -> None:
    driver = extraction(project, tmp_path, cluster)
    wait_for(lambda: finished_parts(tmp_path), driver)
    driver.kill()
    driver.communicate()
    assert finished_parts(tmp_path)
    out, _ = finished(extraction(project, tmp_path, cluster))
    assert json.loads(out)["n_cached"] > 0
    check(project, tmp_path)


def test_the_disk_of_one_worker_is_full(project: Path, tmp_path: Path, cluster: Any) -> None:
    driver = extraction(project, tmp_path, cluster)
    pids = wait_for(lambda: len(workers(project)) == 2 and workers(project), driver)
    resource.prlimit(pids[0], resource.RLIMIT_FSIZE, (4096, 4096))
    finished(driver)
    check(project, tmp_path)


def test_where_every_disk_is_full_the_parts_are_named(
    project: Path, tmp_path: Path, cluster: Any
) -> None:
    driver = extraction(project, tmp_path, cluster)
    for pid in wait_for(lambda: len(workers(project)) == 2 and workers(project), driver):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, 4096))
    out, _ = driver.communicate(timeout=600)
    data = json.loads(out)
    assert driver.returncode == 1 and data["error"] == "IncompleteError"
    assert "All earlier rows are safe" in data["message"] and data["report"]["parts"]
    finished(extraction(project, tmp_path, cluster))
    check(project, tmp_path)


def test_two_jobs_over_one_source(project: Path, tmp_path: Path, cluster: Any) -> None:
    cluster.add_node(num_cpus=2)
    drivers = [extraction(project, tmp_path, cluster, "--actors", 2) for _ in range(2)]
    for driver in drivers:
        finished(driver)
    check(project, tmp_path)


def test_scoring_with_a_worker_that_is_killed(project: Path, tmp_path: Path, cluster: Any) -> None:
    words = ("score", "model.featx", "photos", "--weights", "random:0", "--cache", tmp_path / "c")
    finished(featx(project, *words, "-o", tmp_path / "alone.csv"))
    out = tmp_path / "shared.csv"
    driver = featx(project, *words, "-o", out, "--ray", cluster.address)
    wait_for(lambda: list(tmp_path.glob("shared.csv.shards-*/part-*.parquet")), driver)
    os.kill(workers(project)[0], signal.SIGKILL)
    finished(driver)
    rows = [
        [line.split(",")[:2] for line in path.read_text().splitlines()]
        for path in (tmp_path / "alone.csv", out)
    ]
    assert rows[0] == rows[1] and len(rows[0]) == N_IMAGES + 1
    assert not list(tmp_path.glob("shared.csv.*"))


def test_a_process_with_a_device_is_killed(project: Path, tmp_path: Path) -> None:
    words = ("extract", "photos", *CHEAP, "--cache", tmp_path, "--devices", "cpu:2")
    driver = featx(project, *words)
    wait_for(lambda: finished_parts(tmp_path), driver)
    children = Path(f"/proc/{driver.pid}/task/{driver.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    _, err = finished(driver)
    assert "died and is replaced" in err
    check(project, tmp_path)


def test_sixteen_array_jobs_of_which_three_are_killed(project: Path, tmp_path: Path) -> None:
    words = ("extract", "photos", *CHEAP, "--cache", tmp_path)

    def job(number: int, seconds: float | None = None) -> int:
        process = featx(project, *words, "--shard", f"{number}/16")
        if seconds is not None:
            time.sleep(seconds)
            process.kill()
        process.communicate(timeout=600)
        return process.returncode

    killed = {3: 1.0, 8: 3.0, 13: 5.0}
    with ThreadPoolExecutor(2) as executor:
        codes = list(executor.map(lambda n: job(n, killed.get(n)), range(1, 17)))
    again = [n for n, code in enumerate(codes, 1) if code]
    assert again and set(again) <= set(killed)
    refused = featx(project, *words, "--join")
    _, err = refused.communicate(timeout=600)
    assert refused.returncode == 1
    unfinished = {int(n) for n in re.findall(r"(\d+)/16", err)}
    assert unfinished and unfinished <= set(again), err  # a job may be done when the blow falls
    assert [job(n) for n in again] == [0] * len(again)
    finished(featx(project, *words, "--join"))
    check(project, tmp_path)
