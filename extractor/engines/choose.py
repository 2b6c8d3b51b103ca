"""Which engine runs a network here, and why."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from ...cache.errors import ConfigError, ConversionError
from ...cache.suggest import did_you_mean
from ..hardware import Hardware, this_machine
from .base import Engine, Network

AUTO = "auto"
ENGINES = (AUTO, "keras", "openvino")
PRECISIONS = (AUTO, "float32", "bfloat16", "float16")
NEEDS = {"float32": "", "bfloat16": "avx512bw", "float16": "avx512_fp16"}
"""What OpenVINO needs of the CPU for a number format."""


@dataclass(frozen=True)
class EngineChoice:
    """An engine, the fast number formats that are worth a try on it, and the reason.

    Attributes
    ----------
    engine : str
        ``keras`` or ``openvino``.
    fast_formats : tuple of str
        Fastest first; empty where float32 is the fastest.
    why : str
        One clause for people.
    """

    engine: str
    fast_formats: tuple[str, ...]
    why: str


def choose_engine(wanted: str = AUTO, hardware: Hardware | None = None) -> EngineChoice:
    """Choose the engine for this machine; loads none.

    Parameters
    ----------
    wanted : str
        One of ``ENGINES``.
    hardware : Hardware, optional
        By default this machine.

    Raises
    ------
    ConfigError
        There is no such engine, or it is not installed.
    """
    if wanted not in ENGINES:
        raise ConfigError(f"unknown engine {wanted!r}. {did_you_mean(wanted, ENGINES)}")
    machine = hardware or this_machine()
    if wanted == "openvino" and not find_spec("openvino"):
        raise ConfigError("--engine openvino: OpenVINO is not installed (pip install openvino)")
    if wanted == AUTO and machine.gpus:
        return EngineChoice("keras", ("bfloat16",), f"{len(machine.gpus)} GPU(s) are here")
    if wanted == "openvino" or (wanted == AUTO and machine.is_x86 and find_spec("openvino")):
        why = "asked for" if wanted != AUTO else "the fastest on x86 processors"
        return EngineChoice("openvino", machine.fast_formats, why)
    why = "asked for" if wanted != AUTO else "OpenVINO is not installed or not for this processor"
    return EngineChoice("keras", ("bfloat16",) if machine.gpus else (), why)


def build_engine(network: Network, precision: str, wanted: str, batch_size: int) -> Engine:
    """Build the engine that ``wanted`` means for exactly this precision.

    Under ``auto``, a network that OpenVINO cannot convert runs in Keras.

    Raises
    ------
    ConfigError, BackboneError
        There is no such engine, or the network cannot be built.
    """
    from .keras import KerasEngine

    if _prefers_openvino(precision, wanted):
        from .openvino.engine import OpenVinoEngine

        try:
            return OpenVinoEngine(network, precision, batch_size)
        except ConversionError:
            if wanted != AUTO:
                raise
    return KerasEngine(network, precision, batch_size)


def _prefers_openvino(precision: str, wanted: str) -> bool:
    machine = this_machine()
    choice = choose_engine(wanted, machine)
    need = NEEDS[precision]
    able = not need or need in machine.flags or not machine.flags
    if choice.engine == "openvino" and (able or wanted == "openvino"):
        return True
    if wanted != AUTO or not machine.is_x86 or not find_spec("openvino"):
        return False
    from .keras import accelerators

    # A GPU that Keras cannot use: the processor with OpenVINO beats the processor with Keras.
    return not accelerators()


def idle_gpu(engine_name: str, hardware: Hardware | None = None) -> str:
    """Return a loud sentence where a GPU is here and the engine does not use it; else nothing."""
    machine = hardware or this_machine()
    if not machine.gpus or " on gpu" in engine_name.lower():
        return ""
    return (
        f"THE GPU IS IDLE: {', '.join(machine.gpus)} is here, but {engine_name} computes on the "
        "CPU. Install what it needs: pip install 'featx[gpu]' (TensorFlow with CUDA), featx[jax] "
        "or featx[torch] with KERAS_BACKEND set, and do not pass --engine openvino"
    )
