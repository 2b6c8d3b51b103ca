"""The OpenVINO engine against Keras, and what it costs to start it again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from featx.cache import PRECISIONS
from featx.cache.errors import ConversionError, UnknownBackboneError, WeightsMismatchError
from featx.extractor.backbones.efficientnet_lite0 import EFFICIENTNET_LITE0
from featx.extractor.engines import FeatureOutput, Network
from featx.extractor.engines.model_folder import ModelFolder, model_folder
from featx.extractor.machine.hardware import this_machine
from tests_engines import network, pixels

pytest.importorskip("openvino")

from featx.extractor.engines.keras import KERAS, KerasEngine
from featx.extractor.engines.openvino.compiled import COMPILED
from featx.extractor.engines.openvino.engine import OPENVINO, OpenVinoEngine

THREADS = Path("/proc/self/task")
TAPS = (
    FeatureOutput("conv_pw_13_relu", "avg"),
    FeatureOutput("conv1_relu", "max"),
    FeatureOutput("conv_pw_5_relu", "grid:2"),
    FeatureOutput("conv_pw_13_relu", "flatten"),
)


@pytest.fixture(scope="module")
def exact():
    """What Keras computes in float32 on twenty images."""
    return KerasEngine(network(*TAPS), "float32", 20).run(pixels(20))


def test_every_tap_equals_keras_in_float32(exact):
    engine = OpenVinoEngine(network(*TAPS), "float32", 20)
    for ours, theirs in zip(engine.run(pixels(20)), exact, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


@pytest.mark.parametrize("record", [KERAS, OPENVINO], ids=lambda record: record.name)
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_fast_precisions_of_both_engines_stay_near_float32(exact, precision, record):
    if precision not in record.precisions(this_machine()):
        pytest.skip(f"{record.name} does not compute {precision} on this processor")
    engine = record.build(network(TAPS[0]), precision, 20)
    assert engine.precision == precision
    (ours,) = engine.run(pixels(20))
    assert ours.dtype == np.float32
    cosine = (ours * exact[0]).sum(1) / np.linalg.norm(ours, axis=1)
    assert (cosine / np.linalg.norm(exact[0], axis=1)).min() > 0.99


def test_an_engine_never_computes_in_another_precision_than_it_says():
    missing = [p for p in PRECISIONS if p not in OPENVINO.precisions(this_machine())]
    for precision in missing:
        with pytest.raises(ConversionError, match=f"not in {precision}"):
            OpenVinoEngine(network(TAPS[0]), precision, 20)


def test_bfloat16_rows_do_not_hang_on_their_neighbours():
    engine = OpenVinoEngine(network(TAPS[0]), "bfloat16", 8)
    images = pixels(8)
    (together,) = engine.run(images)
    (turned,) = engine.run(images[::-1].copy())
    np.testing.assert_array_equal(together, turned[::-1])


def cores_of_threads_during(work):
    """Return the sets of cores that threads of this process were tied to while ``work`` ran."""
    seen = set()
    with ThreadPoolExecutor(1) as executor:
        done = executor.submit(work)
        while not done.done():
            for thread in THREADS.iterdir():
                with suppress(ProcessLookupError):
                    seen.add(frozenset(os.sched_getaffinity(int(thread.name))))
    return seen


@pytest.mark.skipif(not THREADS.is_dir(), reason="needs Linux to see threads")
def test_an_engine_with_a_share_of_the_cores_is_tied_to_none_of_them(monkeypatch):
    monkeypatch.setenv("FEATX_CORES", "1")
    engine, images = OpenVinoEngine(network(TAPS[0]), "float32", 4), pixels(4)
    seen = cores_of_threads_during(lambda: [engine.run(images) for _ in range(20)])
    assert seen == {frozenset(os.sched_getaffinity(0))}


def test_first_layers_on_pieces_gives_what_single_images_give():
    # At this size the first maps of eight images are cut, those of one are not.
    one, eight = (OpenVinoEngine(network(TAPS[0], size=160), "float32", n) for n in (1, 8))
    images = pixels(8, 160)
    (together,) = eight.run(images)
    alone = np.concatenate([one.run(image[None])[0] for image in images])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4 * np.abs(alone).max())


def test_an_efficientnet_equals_keras():
    # Each of its swishes has a gradient of its own, which must not become an output.
    one = network(FeatureOutput("top_activation", "avg"), backbone="efficientnet_b0")
    (ours,) = OpenVinoEngine(one, "float32", 4).run(pixels(4))
    (theirs,) = KerasEngine(one, "float32", 4).run(pixels(4))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


def test_a_compiled_network_is_read_by_the_next_start_and_gives_the_same_bits():
    one, images = network(TAPS[0], size=160), pixels(8, 160)
    compiled = model_folder(one).path / COMPILED
    (first,) = OpenVinoEngine(one, "bfloat16", 8).run(images)
    before = {path: path.stat().st_mtime_ns for path in compiled.iterdir()}
    (second,) = OpenVinoEngine(one, "bfloat16", 8).run(images)
    assert before == {path: path.stat().st_mtime_ns for path in compiled.iterdir()}
    np.testing.assert_array_equal(first, second)


def zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


def zeros_inside(path):
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(4096))


def cut(path):
    os.truncate(path, 1000)


def emptied(path):
    os.truncate(path, 0)


HARMS = [zeros, zeros_inside, cut, emptied, os.unlink]
FILES = ["model.bin", "model.xml", "checksums.json"]


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("which", FILES)
def test_a_damaged_conversion_is_noticed(which, harm, damageable, tmp_path):
    one, _ = damageable
    copy = ModelFolder(Path(shutil.copytree(model_folder(one).path, tmp_path / "copy")))
    assert copy.is_whole()
    harm(copy.path / which)
    assert not copy.is_whole()


@pytest.mark.parametrize(
    ("which", "harm"),
    [("model.bin", zeros_inside), pytest.param("model.xml", cut, marks=pytest.mark.long)],
)
def test_a_damaged_conversion_is_made_anew(which, harm, damageable, caplog):
    one, (expected,) = damageable
    folder = model_folder(one)
    shutil.rmtree(folder.path / COMPILED)
    harm(folder.path / which)
    (found,) = OpenVinoEngine(one, "float32", 4).run(pixels(4))
    np.testing.assert_array_equal(found, expected)
    (message,) = caplog.messages
    assert "is damaged: it is made again" in message
    assert folder.is_whole() and not list(folder.path.parent.glob("*.partial"))


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_compiled_network_is_compiled_again(harm, damageable, caplog):
    one, (expected,) = damageable
    (path,) = model_folder(one).path.rglob("*.blob")
    harm(path)
    (found,) = OpenVinoEngine(one, "float32", 4).run(pixels(4))
    np.testing.assert_array_equal(found, expected)
    assert len(caplog.messages) == (harm not in (emptied, os.unlink))
    assert all("is damaged" in message for message in caplog.messages)
    (found,) = OpenVinoEngine(one, "float32", 4).run(pixels(4))
    np.testing.assert_array_equal(found, expected)


@pytest.fixture(scope="module")
def damageable():
    """A small network that has been converted and compiled, with its features."""
    one = network(FeatureOutput("conv_pw_2_relu", "avg"))
    return one, OpenVinoEngine(one, "float32", 4).run(pixels(4))


def test_a_second_start_loads_neither_keras_nor_tensorflow():
    OpenVinoEngine(network(TAPS[0]), "float32", 4)
    code = (
        "import sys, numpy as np\n"
        "from tests_engines import network, pixels\n"
        "from featx.extractor.engines import FeatureOutput\n"
        "from featx.extractor.engines.openvino.engine import OpenVinoEngine\n"
        "engine = OpenVinoEngine(network(FeatureOutput('conv_pw_13_relu', 'avg')), 'float32', 4)\n"
        "assert engine.run(pixels(4))[0].shape == (4, 1024)\n"
        "print(*{'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules))\n"
    )
    path = {"PYTHONPATH": ":".join(sys.path)}

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **path}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "" and done.stderr.strip() == ""


@pytest.mark.parametrize("n_starts", [3, pytest.param(12, marks=pytest.mark.long)])
def test_two_engines_may_start_at_the_same_moment_in_a_fresh_process(n_starts):
    # OpenVINO's Python layer, first used by two threads at once, can wait for ever: without the
    # warm-up 2 of 12 processes did.
    OpenVinoEngine(network(TAPS[0]), "float32", 4)
    code = (
        "import threading\n"
        "import openvino\n"
        "from tests_engines import network, pixels\n"
        "from featx.extractor.engines import FeatureOutput\n"
        "from featx.extractor.engines.openvino.engine import OpenVinoEngine\n"
        "one = network(FeatureOutput('conv_pw_13_relu', 'avg'))\n"
        "gate, done = threading.Barrier(2), []\n"
        "def start():\n"
        "    gate.wait()\n"
        "    engine = OpenVinoEngine(one, 'float32', 4)\n"
        "    assert engine.run(pixels(4))[0].shape == (4, 1024)\n"
        "    done.append(True)\n"
        "threads = [threading.Thread(target=start) for _ in range(2)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "print(len(done))\n"
    )
    env = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    for _ in range(n_starts):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=60
        )
        assert done.stdout.strip() == "2", done.stderr


def test_errors_of_the_converting_process_are_those_of_this_one():
    with pytest.raises(UnknownBackboneError, match="conv_pw_13_relu"):
        OpenVinoEngine(network(FeatureOutput("conv_pw_13_rel", "avg")), "float32", 4)
    wrong = network(backbone="mobilenet", weights=str(EFFICIENTNET_LITE0.embedded))
    with pytest.raises(WeightsMismatchError, match="does not fit mobilenet"):
        OpenVinoEngine(wrong, "float32", 4)
    assert not model_folder(wrong).path.exists()
    assert not list(model_folder(wrong).path.parent.glob("*.partial"))


def test_the_folder_of_a_model_hangs_on_all_that_decides_it():
    base = network()
    others = [
        network(weights="random:1"),
        network(size=64),
        network(TAPS[1]),
        Network(base.record, base.weights, (*base.outputs, TAPS[1]), base.image_size),
        network(backbone="vgg19", weights="random:0"),
    ]
    folders = {model_folder(n).path for n in (base, *others)}
    assert len(folders) == len(others) + 1
    assert model_folder(network()).path == model_folder(base).path
