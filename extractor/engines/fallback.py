"""What makes a run slower than this machine allows, said before the run begins."""

from __future__ import annotations

from importlib.util import find_spec

from ..hardware import Hardware, this_machine
from .base import Network
from .choose import AUTO, idle_gpu
from .model_folder import model_folder

SLOWER = "computes on the processor, several times slower than OpenVINO"


def slow_fallback(
    network: Network, engine_name: str, wanted: str, hardware: Hardware | None = None
) -> str:
    """Return why a slow engine runs a network, and what to do; empty where none does.

    Parameters
    ----------
    network : Network
    engine_name : str
        Of the engine that was built.
    wanted : str
        As in ``RunOptions``: what a person asked for is not commented on.
    hardware : Hardware, optional
        By default this machine.
    """
    machine = hardware or this_machine()
    idle = idle_gpu(engine_name, machine)
    if idle or wanted != AUTO or not engine_name.startswith("keras") or " on " in engine_name:
        return idle
    if not machine.is_x86:
        return ""
    if not find_spec("openvino"):
        return f"{engine_name} {SLOWER}, which is not installed: pip install openvino"
    reason = model_folder(network).refusal()
    return f"{engine_name} {SLOWER}, which cannot run this network. {reason}" if reason else ""
