"""Which devices --devices names, and what each worker is let see."""

from __future__ import annotations

import pytest

from featx.cache.errors import ConfigError
from featx.extractor.machine.hardware import CORES, VISIBLE, n_usable_cores
from featx.extractor.parts import Part
from featx.extractor.run_options import RunOptions
from featx.extractor.workers import devices
from featx.extractor.workers.devices import choose_devices
from featx.extractor.workers.worker_options import WorkerOptions


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "featx.extractor.machine.hardware._gpus", lambda root: ("/dev/nvidia0",) * 4
    )
    monkeypatch.setattr(devices, "n_usable_cores", lambda: 6)
    monkeypatch.delenv(VISIBLE, raising=False)


def visible(text: str) -> list[str]:
    return [device.environment[VISIBLE] for device in choose_devices(text)]


@pytest.mark.usefixtures("four_gpus")
def test_accelerators_that_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    assert visible("auto") == ["0", "1", "2", "3"]
    assert visible("2, 0") == ["2", "0"]
    assert [d.environment[CORES] for d in choose_devices("auto")] == ["2", "2", "1", "1"]
    monkeypatch.setenv(VISIBLE, "3,1")
    assert visible("auto") == ["3", "1"]
    for wrong in ("0", "3,7", "3,3", "3,,1", "gpu", "", "cpu:0", "cpu:x"):
        with pytest.raises(ConfigError, match="--devices"):
            choose_devices(wrong)


def test_a_processor_is_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "n_usable_cores", lambda: 2)
    assert visible("cpu:3") == ["-1"] * 3
    assert [d.environment[CORES] for d in choose_devices("cpu:2")] == ["1", "1"]
    monkeypatch.setenv(CORES, "1")
    assert n_usable_cores() == 1


def test_options_that_contradict_each_other() -> None:
    with pytest.raises(ConfigError, match="give one of them"):
        WorkerOptions(devices="auto", ray="local")
    with pytest.raises(ConfigError, match="options of --ray"):
        WorkerOptions(devices="auto", actors=2)
    with pytest.raises(ConfigError, match="--shard"):
        RunOptions(part=Part(1, 2), shared_by=WorkerOptions(devices="cpu:2"))
