"""The machine's notes: whole or not at all, the first one stays, and nothing depends on them."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace

import pytest

from featx.extractor.engines.openvino.engine import OPENVINO
from featx.extractor.machine.hardware import this_machine
from featx.extractor.precision.drift import Drift
from featx.extractor.precision.note import drift_note
from tests_engines import FeatureOutput, network

GOOD = Drift("bfloat16", 0.9999, 0.999, 82)
OTHER = Drift("bfloat16", 0.9, 0.8, 82)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FEATX_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def note(*outputs, machine=None, **options):
    return drift_note(network(*outputs, **options), OPENVINO, machine or this_machine())


def files(home):
    return list((home / "precision").iterdir())


def test_a_note_is_read_again(home):
    assert note().read() == []
    assert note().keep([GOOD]) == [GOOD] == note().read()
    (path,) = files(home)
    assert path.name.startswith("mobilenet-") and json.loads(path.read_text())["facts"]["version"]


def test_each_network_layer_engine_and_processor_has_its_own(home):
    note().keep([GOOD])
    machine = this_machine()
    others = [
        note(FeatureOutput("conv_pw_11_relu", "avg")),
        note(FeatureOutput("conv_pw_13_relu", "max")),
        note(size=64),
        note(weights="random:1"),
        note(machine=replace(machine, cpu="another")),
        note(machine=replace(machine, flags=machine.flags ^ {"amx_bf16"})),
        drift_note(network(), replace(OPENVINO, name="another"), machine),
    ]
    assert [other.read() for other in others] == [[]] * len(others)
    assert note(machine=replace(machine, n_cores=99, memory_bytes=1)).read() == [GOOD]


def test_the_first_of_two_writers_stays(home):
    assert note().keep([GOOD]) == [GOOD]
    assert note().keep([OTHER]) == [GOOD] == note().read()
    more = Drift("float16", 1.0, 1.0, 82)
    assert note().keep([OTHER, more]) == [GOOD, more] == note().read()


def test_writers_at_the_same_time_agree(home):
    answers = []
    barrier = threading.Barrier(8)

    def write(number):
        barrier.wait()
        answers.append(note().keep([replace(GOOD, median=1 - number / 1e6)]))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [note().read()] * 8 and len(files(home)) == 1


@pytest.mark.parametrize(
    "damage", [lambda t: t[: len(t) // 2], lambda t: t.replace("0.9999", "0.9998"), lambda t: "[]"]
)
def test_a_damaged_note_is_none_and_is_replaced(home, damage):
    note().keep([GOOD])
    (path,) = files(home)
    path.write_text(damage(path.read_text()))
    assert note().read() == []
    assert note().keep([OTHER]) == [OTHER] == note().read()


def test_a_home_that_cannot_be_written_costs_only_the_note(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FEATX_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert note().keep([GOOD]) == [GOOD]


def test_a_file_system_without_links_takes_the_note(home, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    assert note().keep([GOOD]) == [GOOD] == note().read()
