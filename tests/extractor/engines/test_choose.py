"""Which engine is chosen on which machine, and in which precision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from featx.cache.errors import ConfigError, ConversionError
from featx.extractor.engines import ENGINE_NAMES, build_engine, choose, choose_engine
from featx.extractor.engines.keras import devices as keras_devices
from featx.extractor.engines.keras import engine as keras_engine
from featx.extractor.engines.registry import ENGINES
from featx.extractor.machine.hardware import Hardware, this_machine
from tests_engines import SumEngine, network

pytest.importorskip("openvino")

AVX2 = {"avx2"}
AVX512 = {"avx2", "avx512bw"}
AMX = {*AVX512, "amx_bf16"}


def machine(flags=(), gpus=(), is_x86=True):
    return Hardware("a processor", is_x86, 2, frozenset(flags), 1 << 30, gpus)


GPU = machine(AMX, gpus=("/dev/nvidia0",))


@pytest.mark.parametrize(
    ("wanted", "where", "engine", "formats"),
    [
        ("auto", machine(), "openvino", ()),
        ("auto", machine({"amx_bf16"}), "openvino", ("bfloat16",)),
        ("auto", machine({"amx_bf16", "avx512_fp16"}), "openvino", ("bfloat16", "float16")),
        ("auto", machine({"avx512_bf16"}), "openvino", ("bfloat16",)),
        ("auto", machine({"avx512_bf16", "amx_bf16"}), "openvino", ("bfloat16",)),
        ("auto", machine(is_x86=False), "keras", ()),
        ("auto", machine(gpus=("/dev/nvidia0",)), "keras", ("bfloat16",)),
        ("keras", machine({"amx_bf16"}), "keras", ()),
        ("openvino", machine(gpus=("/dev/nvidia0",)), "openvino", ()),
    ],
)
def test_choose_engine(wanted, where, engine, formats, monkeypatch):
    monkeypatch.setattr(keras_engine, "accelerators", lambda: ["gpu:0"])
    monkeypatch.setattr(keras_engine, "has_bfloat16", lambda: True)
    record, why = choose_engine(wanted, where)
    assert (record.name, record.fast_precisions(where)) == (engine, formats) and why


def test_a_gpu_without_bfloat16_in_hardware_computes_nothing_faster(monkeypatch):
    monkeypatch.setattr(keras_engine, "accelerators", lambda: ["gpu:0"])
    monkeypatch.setattr(keras_engine, "has_bfloat16", lambda: False)
    assert choose_engine("auto", GPU)[0].fast_precisions(GPU) == ()


def test_behind_a_gpu_that_cannot_be_used_the_processor_has_its_fast_formats():
    assert choose_engine("auto", GPU)[0].fast_precisions(GPU) == ("bfloat16",)


@pytest.mark.parametrize("sign", ["ROCm", "WSL", "Metal"])
@pytest.mark.parametrize(("devices", "engine"), [(["gpu:0"], "keras"), ([], "openvino")])
def test_a_sign_of_an_accelerator_counts_where_the_library_can_use_it(
    sign, devices, engine, monkeypatch
):
    records = {
        n: replace(r, accelerators=r.accelerators and (lambda: devices)) for n, r in ENGINES.items()
    }
    monkeypatch.setattr(choose, "ENGINES", records)
    record, why = choose_engine("auto", replace(machine(AVX2), gpu_hints=(sign,)))
    assert record.name == engine and ("GPU" in why) == bool(devices)


@pytest.mark.parametrize(
    ("capability", "has"),
    [
        ("9.0", True),
        ("8.0", True),
        ("7.5", False),
        ("", False),
        ("gfx90a:sramecc+", True),
        ("gfx906", False),
        ("12.0", True),
    ],
)
def test_which_gpus_have_bfloat16(capability, has):
    assert keras_devices._is_capable(capability) is has


def test_where_no_accelerator_is_there_is_no_bfloat16_of_it():
    assert not keras_engine.has_bfloat16()


def test_an_unknown_engine_lists_close_ones():
    with pytest.raises(ConfigError, match="openvino"):
        choose_engine("openvin", machine())


@pytest.fixture
def built(monkeypatch):
    """Build engines that only have a name, on a machine that a test gives."""

    def build_on(where, precision, wanted="auto", accelerators=(), fails=()):
        monkeypatch.setattr(choose, "this_machine", lambda: where)
        records = {
            name: replace(
                record,
                build=lambda *_, name=name: _named(name, fails),
                accelerators=record.accelerators and (lambda: list(accelerators)),
            )
            for name, record in ENGINES.items()
        }
        monkeypatch.setattr(choose, "ENGINES", records)
        return build_engine(network(), precision, wanted, 8).kind

    return build_on


def _named(name, fails):
    if name in fails:
        raise ConversionError(f"{name} cannot")
    engine = SumEngine(8)
    engine.kind = name
    return engine


@pytest.mark.parametrize(
    ("where", "precision", "engine"),
    [
        (machine(AVX2), "float32", "openvino"),
        (machine(AVX2), "bfloat16", "keras"),
        (machine(AVX2), "float16", "keras"),
        (machine(AVX512), "bfloat16", "openvino"),
        (machine(AVX512), "float16", "keras"),
        (machine({*AMX, "avx512_fp16"}), "float16", "openvino"),
        (machine(is_x86=False), "bfloat16", "keras"),
    ],
)
def test_a_precision_runs_where_the_processor_has_it(where, precision, engine, built):
    assert built(where, precision) == engine


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_an_engine_that_was_asked_for_refuses_what_it_cannot_compute(precision, built):
    with pytest.raises(ConfigError) as error:
        built(machine(AVX2), precision, "openvino")
    message = str(error.value)
    assert f"computes in float32 on this processor, not in {precision}" in message
    assert "--precision float32" in message and "--engine keras" in message
    assert built(machine(AVX2), precision, "keras") == "keras"


@pytest.mark.parametrize(
    ("accelerators", "precision", "fails", "engine"),
    [
        (["gpu:0"], "bfloat16", (), "keras"),
        ([], "bfloat16", (), "openvino"),
        ([], "bfloat16", ("openvino",), "keras"),
        ([], "float16", (), "keras"),
    ],
)
def test_a_gpu_that_keras_cannot_use(accelerators, precision, fails, engine, built):
    assert built(GPU, precision, accelerators=accelerators, fails=fails) == engine


def test_the_help_lists_the_engines_of_the_registry(cli):
    names = ", ".join(ENGINE_NAMES[:-1])
    for command in ("extract", "doctor", "score"):
        assert f"{names} or {ENGINE_NAMES[-1]}" in cli(command, "--help").stdout


def test_this_machine_can_be_looked_at():
    found = this_machine()
    assert found.n_cores >= 1 and found.memory_bytes > 0 and found.cpu
