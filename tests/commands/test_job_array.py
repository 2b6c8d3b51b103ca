"""Job arrays: parts of one source side by side, and the step that puts them together."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

import featx
from featx.cache import FeatureStore
from featx.classifiers.scoring.outputs.formats import FORMATS
from featx.cli import app
from tests_shared import CHEAP, Cli

N_IMAGES, N_PARTS = 150, 3
RANDOM = ("--weights", "random:0")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 images, two of them broken, extracted by one process into ``whole``, and a model."""
    folder = tmp_path_factory.mktemp("array")
    rng = np.random.default_rng(0)
    for i in range(N_IMAGES):
        path = folder / "photos" / "ab"[i % 2] / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.normal(90 + 60 * (i % 2), 30, (32, 32, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(path)
    (folder / "photos" / "a" / "000.png").write_bytes(b"broken")
    (folder / "photos" / "b" / "149.png").write_bytes(b"")
    for words in (
        ("extract", folder / "photos", *CHEAP, "--cache", folder / "whole"),
        ("fit", "--head", "ridge", "--cache", folder / "whole", "-o", folder / "model.featx"),
    ):
        result = CliRunner().invoke(app, list(map(str, words)))
        assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def photos(project: Path, tmp_path: Path) -> Path:
    shutil.copytree(project, tmp_path, dirs_exist_ok=True)
    return tmp_path / "photos"


def ok(result: Any) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def test_parts_become_what_one_process_makes(cli: Cli, photos: Path) -> None:
    words = ("extract", photos, *CHEAP, "--json")
    n_samples = [ok(cli(*words, "--shard", f"{k}/3"))["n_samples"] for k in (1, 3)]
    refused = cli(*words, "--join")
    data = json.loads(refused.stdout)
    assert refused.exit_code == 1 and data["report"]["unfinished"] == ["2/3"]
    assert len(data["report"]["missing"]) == N_IMAGES - sum(n_samples)
    assert "2/3" in refused.stderr and "so nothing was joined" in refused.stderr
    with pytest.raises(featx.FeatxError, match="no features of a finished extraction"):
        featx.open_features()
    assert ok(cli(*words, "--shard", "2/3"))["n_samples"] + sum(n_samples) == N_IMAGES
    joined = ok(cli(*words, "--join"))
    assert (joined["n_samples"], joined["n_extracted"], joined["n_bad"]) == (N_IMAGES, 0, 2)
    assert ok(cli(*words, "--join"))["n_extracted"] == 0
    parts, whole = featx.open_features(), featx.open_features(cache="whole")
    assert list(parts.sample_ids) == list(whole.sample_ids)
    assert np.asarray(parts.X).tobytes() == np.asarray(whole.X).tobytes()
    assert [s.record.kind for s in FeatureStore().list_features()] == ["extract"]
    stores = ((parts, "featx-cache"), (whole, "whole"))
    bad = [FeatureStore(root).read_quarantine(one.manifest.name) for one, root in stores]
    assert bad[0] == bad[1]
    assert [image.sample_id for image in bad[0]] == ["a/000.png", "b/149.png"]


def test_parts_side_by_side_and_one_that_is_killed(cli: Cli, photos: Path) -> None:
    command = [sys.executable, "-c", "from featx.cli import main; main()"]
    words = ["extract", str(photos), *CHEAP, "--shard"]
    jobs = [subprocess.Popen([*command, *words, f"{k}/3"]) for k in (1, 2, 3)]
    jobs[1].kill()
    assert [job.wait() for job in jobs] == [0, -9, 0]
    refused = cli("extract", photos, *CHEAP, "--join")
    assert refused.exit_code == 1 and "parts that did not finish: 2/3" in refused.stderr
    assert cli(*words, "2/3").exit_code == 0
    assert cli("extract", photos, *CHEAP, "--join").exit_code == 0
    assert len(featx.open_features()) == N_IMAGES - 2


def test_a_file_that_came_later_is_in_no_part(cli: Cli, photos: Path) -> None:
    for k in (1, 2):
        assert cli("extract", photos, *CHEAP, "--shard", f"{k}/2").exit_code == 0
    shutil.copy(photos / "b" / "001.png", photos / "b" / "999.png")
    Image.new("RGB", (32, 32)).save(photos / "b" / "998.png")
    refused = cli("extract", photos, *CHEAP, "--join")
    assert refused.exit_code == 1 and "Missing: b/998.png, b/999.png" in refused.stderr
    for k in (1, 2):
        report = ok(cli("extract", photos, *CHEAP, "--json", "--shard", f"{k}/2"))
        assert report["n_extracted"] <= 1
    assert cli("extract", photos, *CHEAP, "--join").exit_code == 0


def test_gc_keeps_the_rows_of_parts(cli: Cli, photos: Path) -> None:
    assert cli("extract", photos, *CHEAP, "--shard", "1/2").exit_code == 0
    before = sum(path.stat().st_size for path in Path("featx-cache/sets").rglob("*.h5"))
    assert cli("cache", "gc", "--yes").exit_code == 0
    assert sum(p.stat().st_size for p in Path("featx-cache/sets").rglob("*.h5")) == before


@pytest.mark.parametrize("source", ["photos", "features:"])
@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_scored_parts_become_what_one_process_writes(
    cli: Cli, photos: Path, source: str, form: str
) -> None:
    cache = ("--cache", "whole")
    words = ("score", "model.featx", source, *RANDOM, *cache, "--top-k", 2, "--json")
    for k in (1, 3):
        ok(cli(*words, "--shard", f"{k}/3", "-o", "p"))
    refused = cli(*words, "--join", "-o", "p", "--format", form)
    report = json.loads(refused.stdout)["report"]
    assert refused.exit_code == 1 and report["unfinished"] == ["2/3"] and report["missing"]
    ok(cli(*words, "--shard", "2/3", "-o", "p"))
    assert len(pq.ParquetDataset("p").read()) == N_IMAGES
    joined = ok(cli(*words, "--join", "-o", "p", "--format", form))
    alone = ok(cli(*words, "-o", "q", "--format", form))
    assert {k: v for k, v in joined.items() if k in ("n_ok", "n_errors", "agreement")} == {
        k: v for k, v in alone.items() if k in ("n_ok", "n_errors", "agreement")
    }
    record = FORMATS[form]
    ending = record.endings[0]
    assert [path.name for path in Path("p").iterdir()] == [f"part-00000{ending}"]
    one, other = (Path(folder) / f"part-00000{ending}" for folder in "pq")
    assert record.column_names(one) == record.column_names(other)
    columns = ["id", "predicted", "status", "reason"]
    assert record.read(one, columns).to_pylist() == record.read(other, columns).to_pylist()
    p, q = (record.read(path, ["probability"]).to_pylist() for path in (one, other))
    for a, b in zip(p, q, strict=True):
        if a["probability"]:
            assert float(a["probability"]) == pytest.approx(float(b["probability"]), abs=1e-6)
    again = cli(*words, "--join", "-o", "p")
    assert again.exit_code == 1 and "no parts to join" in again.stderr


def test_parts_of_another_model_and_mixed_options_are_refused(cli: Cli, photos: Path) -> None:
    assert cli("fit", "--head", "centroid", "--cache", "whole", "-o", "other.featx").exit_code == 0
    words = (photos, *RANDOM, "-o", "p")
    for k, model in ((1, "model.featx"), (2, "other.featx")):
        assert cli("score", model, *words, "--shard", f"{k}/2").exit_code == 0
    refused = cli("score", "model.featx", *words, "--join")
    assert refused.exit_code == 1 and "another model" in refused.stderr
    for more in (
        ("--shard", "1/2", "--join"),
        ("--shard", "1/2", "--format", "csv"),
        ("--new-only",),
    ):
        assert cli("score", "model.featx", *words, *more).exit_code == 1
    for wrong in ("0/3", "4/3", "1/0", "a/b", "3"):
        result = cli("extract", photos, *CHEAP, "--shard", wrong)
        assert result.exit_code == 1 and "--shard" in result.stderr
    one_file = cli("score", "model.featx", photos, *RANDOM, "-o", "p.csv", "--shard", "1/2")
    assert one_file.exit_code == 1 and "--out p\n" in one_file.stderr


def test_a_part_without_images_is_finished(cli: Cli, photos: Path) -> None:
    for k in range(1, 9):
        assert cli("extract", photos, *CHEAP, "--shard", f"{k}/8").exit_code == 0
        assert cli("score", "model.featx", photos, *RANDOM, "--shard", f"{k}/8").exit_code == 0
    assert cli("extract", photos, *CHEAP, "--join").exit_code == 0
    assert cli("score", "model.featx", photos, *RANDOM, "--join").exit_code == 0
    assert len(pq.read_table("predictions")) == N_IMAGES
