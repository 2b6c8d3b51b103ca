"""featx baseline, from pictures to a scored and exported model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from featx.classifiers import load_model
from tests_shared import Cli


@pytest.fixture
def trained(cli: Cli, photos: Path) -> dict[str, object]:
    result = cli("baseline", "cnn1", photos, "--epochs", "3", "--size", "16", "--json")
    assert result.exit_code == 0, result.output
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


def test_baseline_is_a_model_like_any_other(
    cli: Cli, photos: Path, trained: dict[str, object]
) -> None:
    history = trained["history"]
    assert {name: len(values) for name, values in history.items()} == {
        "loss": 3,
        "accuracy": 3,
        "val_loss": 3,
        "val_accuracy": 3,
    }
    assert {scores["split"] for scores in trained["scores"]} == {"val", "test"}
    model = load_model("baseline.featx")
    assert model.head_name == "baseline" and model.origin["history"] == history
    scored = cli("score", "baseline.featx", photos, "--out", "p.csv")
    assert scored.exit_code == 0 and "24" in scored.output
    for words in (
        ("score", "baseline.featx", photos, "--flag-unlike"),
        ("drift", "baseline.featx"),
    ):
        refused = cli(*words, *(() if photos in words else (photos,)))
        assert refused.exit_code == 1 and "a network trained on pixels holds no" in refused.stderr
    assert not Path("baseline.featx.epochs").exists()


def test_kept_state_saves_the_first_phase_of_a_longer_run_with_curves(
    cli: Cli, photos: Path
) -> None:
    words = ("baseline", "fc", str(photos), "--epochs", "2", "--size", "8", "--overwrite")
    assert cli(*words, "--keep-state").exit_code == 0
    assert Path("baseline.featx.epochs").exists()
    longer = cli(*words, "--augment", "--augment-epochs", "1", "--tensorboard", "logs")
    assert longer.exit_code == 0 and "going on after epoch 2 of 3" in longer.output
    assert not Path("baseline.featx.epochs").exists()
    events = [path for path in Path("logs").rglob("*tfevents*") if path.is_file()]
    assert events and all(path.relative_to("logs").parts[0] == "fc" for path in events)


def test_pixels_do_not_become_the_newest_features(
    cli: Cli, photos: Path, trained: dict[str, object]
) -> None:
    refused = cli("fit")
    assert refused.exit_code == 1 and "featx extract" in refused.output
    ranked = cli("results")
    assert ranked.exit_code == 0 and "cnn1" in ranked.output
    by_name = cli("fit", trained["features"], "--head", "centroid")
    assert by_name.exit_code == 0, by_name.output


def test_splits_are_those_of_the_heads(cli: Cli, photos: Path, trained: dict[str, object]) -> None:
    cli("fit", trained["features"], "--head", "centroid", "--out", "head.featx")
    head, baseline = load_model("head.featx"), load_model("baseline.featx")
    assert head.split == baseline.split and head.data_digest == baseline.data_digest


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cnn7"], "cnn5"),
        (["cnn5", "--size", "50"], "--size 94"),
        (["fc", "--lr", "-1"], "lr"),
        (["fc", "--class-weight", "heavy"], "class_weight"),
    ],
)
def test_what_cannot_be_trained_is_said_before_anything_is_computed(
    cli: Cli, photos: Path, words: list[str], message: str
) -> None:
    name, *options = words
    result = cli("baseline", name, photos, *options)
    assert result.exit_code == 1 and message in result.output
    assert not Path("featx-cache").exists()


def test_killed_training_goes_on_after_its_last_epoch(cli: Cli, photos: Path) -> None:
    words = ("baseline", "fc", str(photos), "--epochs", "150", "--size", "8")
    script = "from featx.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, *words],
        env={**os.environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not Path("baseline.featx.epochs").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not Path("baseline.featx").exists()
    from featx.classifiers.baselines import checkpoint

    done = json.loads(str(checkpoint.np.load("baseline.featx.epochs")[checkpoint.SIGNATURE]))
    result = cli(*words)
    assert result.exit_code == 0
    assert f"going on after epoch {sum(done['epochs'])} of 150" in result.output
    assert len(load_model("baseline.featx").origin["history"]["loss"]) == 150
