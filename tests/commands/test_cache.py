"""featx cache …: exit codes, output, and what happens to the files."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cache_shared import fill, flip, make_spec, manifest_of, offset_of_rows, shards_in

from featx.cache import BadImage, FeatureStore
from tests_shared import Cli


@pytest.fixture
def store(tmp_path: Path, cli: Cli) -> FeatureStore:
    """A cache where the command line looks for it by default."""
    store = FeatureStore(tmp_path / "featx-cache")
    fill(store, names=range(20), per_shard=8)
    store.write_quarantine("photos", [BadImage("bad.png", "", "it is empty")] * 2)
    return store


def as_json(result: Any) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_every_command_has_help_with_an_example(cli: Cli) -> None:
    names = "ls info verify repair gc rm merge compact export import"
    for name in names.split():
        result = cli("cache", name, "--help")
        assert result.exit_code == 0
        assert f"Example: featx cache {name}" in result.stdout
    assert cli("cache", "nonsense").exit_code == 2


def test_ls_lists_the_features(cli: Cli, store: FeatureStore) -> None:
    (row,) = as_json(cli("cache", "ls", "--json"))
    assert row["name"] == store.open_features().name
    assert row["n_samples"] == 20
    assert row["n_bytes"] == sum(p.stat().st_size for p in shards_in(store.root))
    assert "tiny" in cli("cache", "ls").stdout
    (run,) = store.layout.run_paths()
    run.write_text("{", encoding="utf-8")
    result = cli("cache", "ls", "--json")
    assert as_json(result) == []
    assert "photos.json" in result.stderr


def test_ls_of_no_cache_says_what_to_do(cli: Cli) -> None:
    assert "featx extract" in cli("cache", "ls").stdout


def test_info_tells_everything(cli: Cli, store: FeatureStore) -> None:
    facts = as_json(cli("cache", "info", "--json"))
    assert facts["class_counts"] == {"cat": 10, "dog": 10}
    assert facts["split_counts"] == {"train": 7, "val": 7, "test": 6}
    assert facts["reasons"] == {"it is empty": 2}
    assert (facts["n_rows"], facts["n_features"], facts["n_shards"]) == (20, 5, 3)
    assert facts["spec"]["backbone"] == "tiny"
    text = cli("cache", "info", "photos").stdout
    for word in ("cat 10", "2 × it is empty", "20 × 5", make_spec().fingerprint, "/photos/photos"):
        assert word in text
    assert cli("cache", "info", "nobody").exit_code == 1


def test_verify_and_repair(cli: Cli, store: FeatureStore) -> None:
    assert as_json(cli("cache", "verify", "--json"))["ok"] is True
    hurt = shards_in(store.root)[0]
    flip(hurt, offset_of_rows(hurt))
    result = cli("cache", "verify")
    assert result.exit_code == 1
    assert hurt.name in result.stdout
    assert "featx cache repair" in result.stdout
    assert json.loads(cli("cache", "verify", "--json").stdout)["findings"][0]["bad_rows"] == [0]
    repaired = cli("cache", "repair")
    assert repaired.exit_code == 0
    assert "7 rows kept, 1 lost" in repaired.stdout
    assert (store.root / "damaged").is_dir()
    assert cli("cache", "verify").exit_code == 0


@pytest.mark.parametrize("words", [("rm", "photos"), ("gc",)])
def test_deleting_says_how_much_and_asks(cli: Cli, store: FeatureStore, words: Any) -> None:
    store.write_manifest(manifest_of("photos", range(10)))
    refused = cli("cache", *words)
    assert refused.exit_code == 1
    assert "--yes" in refused.stderr
    assert "To delete: " in refused.stderr
    assert "kB" in refused.stderr
    assert len(store.open_set(make_spec())) == 20
    done = as_json(cli("cache", *words, "--yes", "--json"))
    assert done["n_bytes"] > 0
    assert len(store.open_set(make_spec())) == (0 if words[0] == "rm" else 10)


@pytest.mark.parametrize(("reply", "left"), [("n\n", 20), ("y\n", 0)])
def test_on_a_terminal_rm_waits_for_an_answer(store: FeatureStore, reply: str, left: int) -> None:
    ours, theirs = pty.openpty()
    script = "from featx.cli import main; main()"
    words = [sys.executable, "-c", script, "cache", "rm", "photos", "--cache", str(store.root)]
    run = subprocess.Popen(words, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.write(ours, reply.encode())
    _, told = run.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert b"Delete?" in told
    assert run.returncode == (0 if left == 0 else 1)
    assert len(store.open_set(make_spec())) == left


def test_gc_with_nothing_to_do_does_not_ask(cli: Cli, store: FeatureStore) -> None:
    assert as_json(cli("cache", "gc", "--json"))["n_rows"] == 0


def test_merge_compact_export_import(cli: Cli, store: FeatureStore, tmp_path: Path) -> None:
    other = FeatureStore(tmp_path / "other")
    fill(other, "theirs", names=range(100, 130), per_shard=10)
    assert as_json(cli("cache", "merge", other.root, "--json"))["n_rows"] == 30
    assert cli("cache", "merge", tmp_path / "nothing").exit_code == 1
    assert "6 shards became 1" in cli("cache", "compact").stdout
    assert as_json(cli("cache", "compact", "--compression", "gzip", "--json"))["n_after"] == 1
    exported = as_json(cli("cache", "export", tmp_path / "a.npz", "theirs", "--json"))
    assert (exported["n_samples"], exported["n_features"]) == (30, 5)
    imported = as_json(cli("cache", "import", tmp_path / "a.npz", "--name", "again", "--json"))
    assert imported["n_new"] == 30
    text = cli("cache", "import", tmp_path / "a.npz", "--name", "again").stdout
    assert "featx fit again@" in text
    assert np.array_equal(store.open_features("again").X, store.open_features("theirs").X)
    assert cli("cache", "export", tmp_path / "a.csv").exit_code == 1
    assert cli("cache", "compact", "--compression", "zip").exit_code == 1


def test_a_head_is_fitted_on_imported_features(cli: Cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    np.savez(tmp_path / "clip.npz", X=rng.standard_normal((120, 8)) + 5 * y[:, None], y=y)
    name = as_json(cli("cache", "import", tmp_path / "clip.npz", "--json"))["name"]
    fitted = cli("fit", name, "--head", "logreg", "--json")
    assert fitted.exit_code == 0, fitted.output
    assert (tmp_path / "model.featx").exists()
