"""Several workers over one source: processes of this machine, and actors of Ray."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import featx
from featx.cache import FeatureStore
from featx.cli import app
from tests_shared import Cli

N_IMAGES = 150
PIXELS = ("--backbone", "pixels", "--size", "8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 images, one of them broken, extracted by one process into ``whole``, and a model."""
    folder = tmp_path_factory.mktemp("workers")
    rng = np.random.default_rng(0)
    for i in range(N_IMAGES):
        path = folder / "photos" / "ab"[i % 2] / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.normal(90 + 60 * (i % 2), 30, (8, 8, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(path)
    (folder / "photos" / "a" / "000.png").write_bytes(b"broken")
    for words in (
        ("extract", folder / "photos", *PIXELS, "--cache", folder / "whole"),
        ("fit", "--head", "ridge", "--cache", folder / "whole", "-o", folder / "model.featx"),
    ):
        result = CliRunner().invoke(app, list(map(str, words)))
        assert result.exit_code == 0, result.output
    return folder


def ok(result: Any) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def check_features(project: Path) -> None:
    """Make sure that the cache here holds, bit for bit, what one process made."""
    shared, whole = featx.open_features(), featx.open_features(cache=project / "whole")
    assert list(shared.sample_ids) == list(whole.sample_ids)
    assert np.asarray(shared.X).tobytes() == np.asarray(whole.X).tobytes()
    (stored,) = FeatureStore().list_features()
    assert (stored.record.kind, stored.record.n_bad) == ("extract", 1)
    (alone,) = FeatureStore(project / "whole").list_features()
    assert stored.record.engine == alone.record.engine


def test_two_processes_make_what_one_makes(cli: Cli, project: Path) -> None:
    words = ("extract", project / "photos", *PIXELS, "--devices", "cpu:2", "--json")
    report = ok(cli(*words))
    assert (report["n_samples"], report["n_extracted"], report["n_bad"]) == (N_IMAGES, 149, 1)
    check_features(project)
    again = ok(cli(*words))
    assert (again["n_extracted"], again["n_cached"]) == (0, 149)


def check_scores(cli: Cli, project: Path, *words: str) -> None:
    """Score with workers and by one process; the files must tell the same, and nothing is left."""
    score = ("score", project / "model.featx", project / "photos", "--json", "--tta", 2)
    alone = ok(cli(*score, "--cache", "empty", "-o", "alone.csv"))
    shared = ok(cli(*score, "--cache", "empty", "-o", "shared.csv", *words))
    counts = ("n_samples", "n_ok", "n_errors", "by_class", "agreement", "n_views")
    assert [shared[name] for name in counts] == [alone[name] for name in counts]
    rows = [
        [line.split(",")[:2] for line in Path(name).read_text().splitlines()]
        for name in ("alone.csv", "shared.csv")
    ]
    assert rows[0] == rows[1] and len(rows[0]) == N_IMAGES + 1
    assert not list(Path().glob("shared.csv.*"))


@pytest.mark.long
def test_two_processes_score_what_one_scores(cli: Cli, project: Path) -> None:
    check_scores(cli, project, "--devices", "cpu:2")


def test_what_cannot_be_shared_is_refused(cli: Cli, project: Path) -> None:
    words = ("extract", project / "photos", *PIXELS)
    for more, message in (
        (("--devices", "cpu:2", "--shard", "1/2"), "give one of them"),
        (("--devices", "cpu:2", "--join"), "give one of them"),
        (("--devices", "7"), "7 is not here"),
        (("--devices", "cpu:2", "--ray"), "give one of them"),
        (("--actors", "2"), "add --ray"),
        (("--devices", "cpu:2", "--pool", "nothing"), "unknown pool"),
    ):
        refused = cli(*words, *more)
        assert refused.exit_code == 1 and message in refused.stderr, refused.output
    refused = cli("extract", "-", *PIXELS, "--devices", "cpu:2")
    assert refused.exit_code == 1 and ".txt" in refused.stderr


def test_a_ray_that_is_not_there_is_named(cli: Cli, project: Path) -> None:
    pytest.importorskip("ray")
    words = ("extract", project / "photos", *PIXELS)
    for address, message in (("nowhere", "HOST:PORT"), ("127.0.0.1:1", "Connection refused")):
        refused = cli(*words, f"--ray={address}")
        assert refused.exit_code == 1 and message in refused.stderr, refused.output


def test_without_ray_the_extra_is_named(
    cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for words in (
        ("extract", project / "photos", *PIXELS),
        ("sweep", "--cache", project / "whole"),
    ):
        refused = cli(*words, "--ray")
        assert refused.exit_code == 1 and "pip install 'featx[ray]'" in refused.stderr


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[str]:
    """A Ray of this machine that all tests of this file share."""
    pytest.importorskip("ray")
    from featx.extractor.workers.ray_session import RaySession

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONWARNINGS", "default")
        session = RaySession("local")
        yield "local"
        session.close()


def test_ray_makes_what_one_process_makes(cli: Cli, project: Path, ray_cluster: str) -> None:
    words = ("extract", project / "photos", *PIXELS, "--json")
    report = ok(cli(*words, "--actors", 2, "--ray", ray_cluster))
    assert (report["n_samples"], report["n_extracted"], report["n_bad"]) == (N_IMAGES, 149, 1)
    check_features(project)


def test_another_featx_on_a_node_is_refused(
    cli: Cli, project: Path, ray_cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("featx.extractor.workers.ray_pool.version", lambda _: "0.0.1")
    refused = cli("extract", project / "photos", *PIXELS, "--ray", ray_cluster)
    assert refused.exit_code == 1 and "pip install featx==0.0.1" in refused.stderr


@pytest.mark.long
def test_ray_scores_what_one_process_does(cli: Cli, project: Path, ray_cluster: str) -> None:
    check_scores(cli, project, "--ray", ray_cluster)
    words = ("score", project / "model.featx", "features:", "--cache", project / "whole", "--json")
    assert ok(cli(*words, "--ray", "-o", "cached"))["n_cached"] == N_IMAGES - 1


@pytest.mark.long
def test_ray_sweeps_to_the_same_leaderboard(cli: Cli, project: Path, ray_cluster: str) -> None:
    boards = []
    for cache, more in (("one", ()), ("other", ("--ray", ray_cluster))):
        shutil.copytree(project / "whole", cache)
        words = ("sweep", "--heads", "ridge,knn", "--cache", cache, "-o", f"{cache}.featx")
        data = ok(cli(*words, "--json", *more))
        rows = data["leaderboard"]
        boards.append([(r["params"], r["measured"]["scores"]["metrics"]["accuracy"]) for r in rows])
    assert boards[0] == boards[1]


@pytest.mark.long
@pytest.mark.parametrize("words", [("--devices", "cpu:2"), ("--actors", "2", "--ray")])
def test_workers_read_a_source_in_a_bucket_and_write_a_cache_there(
    project: Path, bucket: str, words: tuple[str, ...]
) -> None:
    import fsspec

    if "--ray" in words:
        pytest.importorskip("ray")
    fsspec.filesystem("s3").put(str(project / "photos"), f"{bucket}/photos", recursive=True)
    script = "from featx.cli import main; main()"
    extract = ("extract", f"{bucket}/photos", *PIXELS, "--cache", f"{bucket}/cache", "--json")
    for n_extracted in (149, 0):  # in a process of its own, whose Ray knows the server
        line = [sys.executable, "-c", script, *extract, *words]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert (report["n_samples"], report["n_extracted"], report["n_bad"]) == (
            *(N_IMAGES, n_extracted),
            1,
        )
    there, whole = (featx.open_features(cache=c) for c in (f"{bucket}/cache", project / "whole"))
    order = [list(whole.sample_ids).index(name) for name in there.sample_ids]
    assert np.asarray(there.X).tobytes() == np.asarray(whole.X)[order].tobytes()
    names = fsspec.filesystem("s3", use_listings_cache=False).find(f"{bucket}/cache")
    assert not [name for name in names if "part-" in name or name.endswith(".journal")]
