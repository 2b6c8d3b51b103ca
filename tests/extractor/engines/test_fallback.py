"""A slow engine is announced before it computes, with what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from featx import FeatureExtractor
from featx.extractor.engines import fallback
from featx.extractor.engines.fallback import slow_fallback
from featx.extractor.engines.model_folder import model_folder
from featx.extractor.machine.hardware import Hardware
from tests_engines import SumEngine, network
from tests_shared import CHEAP, Cli


def machine(gpus: tuple[str, ...] = (), is_x86: bool = True) -> Hardware:
    return Hardware("a processor", is_x86, 2, frozenset(), 1 << 30, gpus)


def engine(kind: str, on_accelerator: bool = False, precision: str = "float32") -> SumEngine:
    made = SumEngine(8)
    made.kind, made.name, made.on_accelerator, made.precision = (
        kind,
        f"{kind}/1.0",
        on_accelerator,
        precision,
    )
    return made


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATX_HOME", str(tmp_path / "home"))


def without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)


def test_a_missing_library_is_named_with_its_command(
    home: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert slow_fallback(network(), engine("keras"), "auto", machine()) == ""
    without_openvino(monkeypatch)
    said = slow_fallback(network(), engine("keras"), "auto", machine())
    assert "slower" in said and "pip install openvino" in said
    for built, wanted, where in (
        (engine("keras"), "keras", machine()),
        (engine("keras", True), "auto", machine(gpus=("/dev/nvidia0",))),
        (engine("keras"), "auto", machine(is_x86=False)),
        (engine("openvino"), "auto", machine()),
    ):
        assert slow_fallback(network(), built, wanted, where) == ""


def test_a_precision_that_the_processor_lacks_is_announced(home: None) -> None:
    avx2 = Hardware("a processor", True, 2, frozenset({"avx2"}), 1 << 30, ())
    said = slow_fallback(network(), engine("keras", precision="bfloat16"), "auto", avx2)
    assert "openvino, which cannot compute bfloat16 on this processor" in said
    assert "--precision float32" in said
    assert slow_fallback(network(), engine("keras"), "auto", avx2) == ""


def test_a_network_that_could_not_be_converted_is_announced_with_the_reason(home: None) -> None:
    model_folder(network()).write_refusal("OpenVINO cannot convert mobilenet (Bitcast)")
    said = slow_fallback(network(), engine("keras"), "auto", machine())
    assert "slower" in said and "(Bitcast)" in said


def test_an_idle_gpu_is_announced(home: None) -> None:
    said = slow_fallback(network(), engine("openvino"), "auto", machine(gpus=("/dev/nvidia0",)))
    assert "THE GPU IS IDLE" in said and "pip install" in said


def test_every_door_announces_it_before_it_computes(
    cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("extract", photos, *CHEAP).exit_code == 0
    assert cli("fit", "--head", "centroid").exit_code == 0
    monkeypatch.setattr(fallback, "this_machine", lambda: machine(gpus=("/dev/nvidia7",)))
    shown = cli("extract", photos, *CHEAP, "--cache", "a").stderr
    assert 0 <= shown.index("/dev/nvidia7 is here") < shown.index("Warning: ")
    words = ("score", "model.featx", photos, "--weights", "random:0", "-o", "p.csv", "--cache", "b")
    assert "/dev/nvidia7 is here" in cli(*words).stderr
    extractor = FeatureExtractor("mobilenet", weights="random:0", image_size=32, cache="c")
    with pytest.warns(UserWarning, match="/dev/nvidia7 is here"):
        extractor.transform([photos / "red" / "00.png"])
