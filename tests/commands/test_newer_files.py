"""Files that a newer featx wrote are called that, whatever they are; none is set aside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Cli

from featx.cache import FeatureStore
from featx.cache.errors import NewerFormatError
from featx.cache.format import version
from featx.cache.maintenance.verify import NEWER, verify
from featx.cache.results.result_store import ResultStore
from featx.classifiers.baselines.checkpoint import Checkpoint, read_checkpoint, write_checkpoint

PIXELS = ("--backbone", "pixels", "--size", "8", "--precision", "float32")


def fill(cli: Cli, photos: Path) -> None:
    for command in (
        ("extract", photos, *PIXELS),
        ("fit", "--head", "centroid", "--name", "winner"),
        ("sweep", "--heads", "centroid"),
    ):
        assert cli(*command).exit_code == 0


def newer(cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(version, "FORMAT_VERSION", version.FORMAT_VERSION + 1)
        fill(cli, photos)


def test_no_file_of_a_newer_format_is_called_damaged(
    cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer(cli, photos, monkeypatch)
    report = verify(FeatureStore("featx-cache"))
    folders = {finding.path.relative_to("featx-cache").parts[0] for finding in report.findings}
    assert folders == {"sets", "manifests", "results", "splits", "labels"}
    assert {finding.kind for finding in report.findings} == {NEWER}
    shown = cli("cache", "verify")
    assert shown.exit_code == 1 and "Next: upgrade featx" in shown.stdout
    before = sorted(Path("featx-cache").rglob("*"))
    assert "0 files set aside" in cli("cache", "repair").stdout
    assert sorted(Path("featx-cache").rglob("*")) == before
    for command in (("results",), ("compare", "winner", "centroid"), ("fit",), ("curve",)):
        result = cli(*command)
        assert result.exit_code == 1 and "newer featx" in result.stderr, result.output
    result = cli("extract", photos, *PIXELS)
    assert result.exit_code == 0 and "newer featx" in result.stderr


def test_some_newer_results_are_left_out_with_a_warning(cli: Cli, photos: Path) -> None:
    fill(cli, photos)
    paths = sorted(Path("featx-cache", "results").rglob("*.json"))
    for path, added in ((paths[0], {"format_version": 99}), (paths[1], {"colour": "red"})):
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | added), "utf-8")
    scores = json.loads(paths[1].read_text("utf-8"))
    scores["scores"]["val"]["mood"] = "good"
    paths[1].write_text(json.dumps(scores), "utf-8")
    result = cli("results")
    assert result.exit_code == 0 and "1 results are left out" in result.stderr
    kept = ResultStore(FeatureStore("featx-cache").layout).read()
    assert [result.id for result in kept] == [path.stem for path in paths[1:]]


def test_fields_that_came_later_are_of_a_newer_featx(cli: Cli, photos: Path) -> None:
    fill(cli, photos)
    (path,) = Path("featx-cache", "sets").rglob("runs/*.json")
    record = json.loads(path.read_text("utf-8"))
    for added in ({"mood": "good"}, {"tag": {"mood": "good"}}):
        path.write_text(json.dumps(record | added), "utf-8")
        assert "newer featx (it has fields ['mood']" in cli("cache", "verify").stdout
        assert "newer featx" in cli("fit").stderr


def test_the_state_of_a_training_has_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, state = tmp_path / "model.epochs", Checkpoint(1, 0, 1.0, {}, {})
    write_checkpoint(path, {}, state)
    assert read_checkpoint(path, {}) == state
    monkeypatch.setattr(version, "FORMAT_VERSION", 0)
    with pytest.raises(NewerFormatError, match="newer featx"):
        read_checkpoint(path, {})
