"""Which engine is chosen on which machine."""

from __future__ import annotations

import pytest

from featx.cache.errors import ConfigError
from featx.extractor.engines import choose_engine
from featx.extractor.engines.choose import idle_gpu
from featx.extractor.hardware import Hardware, this_machine

pytest.importorskip("openvino")


def machine(flags=(), gpus=(), is_x86=True):
    return Hardware("a processor", is_x86, 2, frozenset(flags), 1 << 30, gpus)


@pytest.mark.parametrize(
    ("wanted", "where", "engine", "formats"),
    [
        ("auto", machine(), "openvino", ()),
        ("auto", machine({"amx_bf16"}), "openvino", ("bfloat16",)),
        ("auto", machine({"amx_bf16", "avx512_fp16"}), "openvino", ("bfloat16", "float16")),
        ("auto", machine(is_x86=False), "keras", ()),
        ("auto", machine(gpus=("/dev/nvidia0",)), "keras", ("bfloat16",)),
        ("keras", machine({"amx_bf16"}), "keras", ()),
        ("openvino", machine(gpus=("/dev/nvidia0",)), "openvino", ()),
    ],
)
def test_choose_engine(wanted, where, engine, formats):
    choice = choose_engine(wanted, where)
    assert (choice.engine, choice.fast_formats) == (engine, formats) and choice.why


def test_an_unknown_engine_lists_close_ones():
    with pytest.raises(ConfigError, match="openvino"):
        choose_engine("openvin", machine())


def test_a_gpu_that_does_nothing_is_reported_loudly():
    with_gpu = machine(gpus=("/dev/nvidia0",))
    assert "THE GPU IS IDLE" in idle_gpu("keras/tensorflow", with_gpu)
    assert "THE GPU IS IDLE" in idle_gpu("openvino/2026", with_gpu)
    assert not idle_gpu("keras/jax on gpu:0", with_gpu)
    assert not idle_gpu("openvino/2026", machine())


def test_this_machine_can_be_looked_at():
    found = this_machine()
    assert found.n_cores >= 1 and found.memory_bytes > 0 and found.cpu
