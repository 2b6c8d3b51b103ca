"""What makes a run slower than this machine allows, said before the run begins."""

from __future__ import annotations

from ..backbones.record import KERAS_FORMAT
from ..machine.hardware import Hardware, this_machine
from .base import Engine, EngineRecord, Network
from .choose import AUTO, with_accelerators
from .model_folder import model_folder
from .registry import ENGINES


def slow_fallback(
    network: Network, engine: Engine, wanted: str, hardware: Hardware | None = None
) -> str:
    """Return why a slow engine runs a network, and what to do; empty where none does.

    Parameters
    ----------
    network : Network
    engine : Engine
        The one that was built.
    wanted : str
        As in ``RunOptions``: what a person asked for is not commented on.
    hardware : Hardware, optional
        By default this machine.
    """
    machine = with_accelerators(hardware or this_machine())
    idle = _idle_gpu(engine, machine, network.record.format)
    if idle or wanted != AUTO or engine.on_accelerator:
        return idle
    format = network.record.format
    fastest = next(
        record
        for record in ENGINES.values()
        if format in record.formats and record.runs_on(machine)
    )
    if engine.kind == fastest.name:
        return ""
    reason = _reason(fastest, network, engine.precision, machine)
    if not reason:
        return ""
    return (
        f"{engine.name} computes on the processor, several times slower than {fastest.name}, which "
        f"{reason}"
    )


def _reason(record: EngineRecord, network: Network, precision: str, machine: Hardware) -> str:
    """Return why an engine does not run a network, as far as it is known."""
    if name := record.missing_module:
        return f"is not installed: pip install {name}"
    if precision not in record.precisions(machine):
        return f"cannot compute {precision} on this processor: --precision float32 is faster here"
    refusal = model_folder(network).refusal() if record.converts else ""
    return f"cannot run this network. {refusal}" if refusal else ""


def _idle_gpu(engine: Engine, machine: Hardware, format: str) -> str:
    """Return a loud sentence where a GPU is here and the engine does not use it; else nothing."""
    if not machine.gpus or engine.on_accelerator:
        return ""
    needed = (
        "pip install 'featx[gpu]' (TensorFlow with CUDA), featx[jax] or featx[torch] with "
        "KERAS_BACKEND set"
        if format == KERAS_FORMAT
        else "pip install 'featx[onnx-gpu]', for ONNX files"
    )
    return (
        f"THE GPU IS IDLE: {', '.join(machine.gpus)} is here, but {engine.name} computes on the "
        f"CPU. Install what it needs: {needed}, and do not pass --engine openvino"
    )
