"""featx doctor, and the options that choose engine, precision and batch size."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from featx.extractor.pipeline import rates
from tests_shared import CHEAP, Cli


def test_doctor_names_hardware_engine_rates_and_the_bottleneck(cli: Cli, photos: Path) -> None:
    result = cli("doctor", photos, *CHEAP)
    assert result.exit_code == 0, result.output
    for word in ("processor", "memory", "GPU", "engine", "precision", "batch size", "inference"):
        assert word in result.stdout
    assert "-bound: " in result.stdout.splitlines()[-1]
    assert not Path("featx-cache").exists()


def test_doctor_answers_in_json(cli: Cli, photos: Path) -> None:
    result = cli("doctor", photos, *CHEAP, "--engine", "keras", "--json")
    data = json.loads(result.stdout)
    assert data["engine"].startswith("keras/") and data["precision"] == "float32"
    assert data["rates"]["decode"] > 0 and data["n_images"] == 24


def test_doctor_names_each_compiled_part_and_what_is_slower_without_it(
    cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = "featx.classifiers.heads.svm._smo"
    monkeypatch.setitem(sys.modules, part, None)
    result = cli("doctor", photos, *CHEAP, "--engine", "keras")
    assert "resize" in result.stdout and "dense in use" in result.stdout
    assert "smo is missing: libsvm trains the head svm" in result.stdout
    assert "C compiler" in result.stdout
    data = json.loads(cli("doctor", photos, *CHEAP, "--engine", "keras", "--json").stdout)
    in_use = {entry["name"]: entry["is_in_use"] for entry in data["compiled"]}
    assert in_use == {"resize": True, "rotate": True, "smo": False, "dense": True}


def test_several_backbones_and_layers_on_the_command_line(
    cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "WORTH_JUDGING", 0.0)
    layers = ("--layer", "conv_pw_5_relu", "--layer", "conv_pw_13_relu")
    result = cli("extract", photos, *CHEAP, *layers)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("24 extracted") == 2
    assert "the first named" in result.stdout and "-bound: " in result.stdout.splitlines()[-1]
    again = cli("extract", photos, *CHEAP, *layers, "--json")
    assert [s["n_cached"] for s in json.loads(again.stdout)["sets"]] == [24, 24]


def test_a_list_of_backbones_may_stand_in_featx_toml(cli: Cli, photos: Path) -> None:
    Path("featx.toml").write_text(
        'backbone = ["mobilenet", "efficientnet_lite0"]\nweights = "random:0"\nsize = 32\n'
    )
    result = cli("extract", photos, "--json")
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["sets"]) == 2


def test_wrong_engine_precision_and_batch_size(cli: Cli, photos: Path) -> None:
    for option, value, hint in (
        ("--engine", "openvin", "openvino"),
        ("--precision", "bf16", "bfloat16"),
        ("--batch-size", "0", "auto"),
        ("--max-drift", "0.1", "tighter"),
    ):
        result = cli("extract", photos, *CHEAP, option, value)
        assert result.exit_code == 1 and hint in result.stderr, result.output
    assert not Path("featx-cache").exists()


def test_doctor_shows_the_machine_where_nothing_can_run(cli: Cli, photos: Path) -> None:
    for path in photos.rglob("*.*"):
        path.write_bytes(b"no image")
    result = cli("doctor", photos, *CHEAP)
    assert result.exit_code == 1 and "can be read" in result.stderr
    assert result.stdout.startswith("processor ") and "compiled " in result.stdout
