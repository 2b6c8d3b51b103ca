"""Layers that stay in float32 while the rest of a network computes in bfloat16.

Rounding hurts most in the first layers of small networks: they have few channels over which errors
could average out, and all later layers build on them. They take a few hundredths of the
multiplications. How many of them stay in float32 is measured once for a network on the calibration
set: the least number with which the drift is small enough.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from ....cache.errors import BackboneError
from ...machine.hardware import this_machine
from ...precision.calibration import calibration_images
from ...precision.drift import CALIBRATION_SHARE, MAX_DRIFT, Drift, measure
from ..base import Engine, Network, run_rows
from ..model_folder import ModelFolder
from .openvino_import import import_openvino

CANDIDATES = (0, 2, 3, 6)
NOTE = "exact-layers"
CONVOLUTIONS = ("Convolution", "GroupConvolution")
FUSED = ("Add", "Clamp", "Relu", "Swish", "HSwish", "Sigmoid")
"""Operations that OpenVINO computes together with the convolution before them."""

# OpenVINO's name, in the files of its models, for what must not be rounded to 16 bits.
PRECISE = '<attribute name="precise" version="0"/>'

logger = logging.getLogger(__name__)


def choose_exact_layers(
    network: Network, folder: ModelFolder, build: Callable[[str, int], Engine]
) -> int:
    """Return how many of the first convolutions stay in float32; measured once on this machine.

    0 where no number makes the drift small enough.

    Parameters
    ----------
    network : Network
    folder : ModelFolder
        Keeps the answer.
    build : callable
        Builds the engine for a precision and a number of exact convolutions.
    """
    noted = (folder.read_note(_note_name()) or {}).get("n_exact")
    if isinstance(noted, int) and 0 <= noted <= max(CANDIDATES):
        return noted
    images = calibration_images(network.image_size)
    exact = run_rows(build("float32", 0), images)
    drifts: dict[int, Drift] = {}
    for n_exact in _candidates(folder):
        try:
            rows = run_rows(build("bfloat16", n_exact), images)
        except (RuntimeError, BackboneError) as error:  # OpenVINO cannot compile every mixture
            logger.debug("%s with %d exact layers: %s", network.record.name, n_exact, error)
            continue
        drifts[n_exact] = measure("bfloat16", rows, exact)
        if drifts[n_exact].within(CALIBRATION_SHARE * MAX_DRIFT):
            break
    else:
        n_exact = 0
    measured = {str(n): drift.to_dict() for n, drift in drifts.items()}
    note = {"n_exact": n_exact, "drifts": measured, "processor": this_machine().kind}
    folder.write_note(_note_name(), note)
    return n_exact


def measured_drift(folder: ModelFolder) -> Drift | None:
    """Return the drift with the number that was chosen; None where this machine measured none."""
    note = folder.read_note(_note_name()) or {}
    if note.get("processor") != this_machine().kind:
        return None
    return Drift.from_dict(note.get("drifts", {}).get(str(note.get("n_exact"))))


def _note_name() -> str:
    return f"{NOTE}-{version('openvino')}"


def _candidates(folder: ModelFolder) -> list[int]:
    """Return the numbers to try: no more than there are convolutions, as one in transformers."""
    if not folder.is_there:
        return list(CANDIDATES)
    model = import_openvino().Core().read_model(folder.model)
    n_convolutions = len(convolutions(model))
    return sorted({min(n, n_convolutions) for n in CANDIDATES})


def read_with_exact(core: Any, folder: ModelFolder, n_exact: int) -> Any:
    """Return the converted model with its first convolutions marked to stay in float32."""
    model = core.read_model(folder.model)
    if not n_exact:
        return model
    names = {node.get_friendly_name() for node in exact_nodes(model, n_exact)}
    text = folder.model.read_text(encoding="utf-8")
    weights = np.fromfile(folder.model.with_suffix(".bin"), np.uint8)
    import openvino

    return core.read_model(_marked(text, names).encode(), openvino.Tensor(weights))


def exact_nodes(model: Any, n_exact: int) -> list[Any]:
    """Return the first ``n_exact`` convolutions, and the operations that are fused into them."""
    nodes = []
    for convolution in convolutions(model)[:n_exact]:
        node = convolution
        while node is not None:
            nodes.append(node)
            node = _fused_user(node)
    return nodes


def convolutions(model: Any) -> list[Any]:
    """Return the convolutions of a model in the order of its operations."""
    return [node for node in model.get_ordered_ops() if node.get_type_name() in CONVOLUTIONS]


def _fused_user(node: Any) -> Any | None:
    users = [target.get_node() for target in node.output(0).get_target_inputs()]
    if len(users) != 1 or users[0].get_type_name() not in FUSED:
        return None
    others = [users[0].input_value(i).get_node() for i in range(1, users[0].get_input_size())]
    is_bias = all(other.get_type_name() == "Constant" for other in others)
    return users[0] if is_bias else None


def _marked(text: str, names: set[str]) -> str:
    """Mark the layers of these names in the text of a model."""
    parts = re.split(r"(?=<layer )", text)
    return "".join(_mark(part) if _name(part) in names else part for part in parts)


def _name(part: str) -> str:
    match = re.match(r'<layer [^>]*?\bname="([^"]*)"', part)
    return match.group(1) if match else ""


def _mark(part: str) -> str:
    if "<rt_info>" in part:
        return part.replace("<rt_info>", f"<rt_info>{PRECISE}", 1)
    beginning = re.match(r"<layer [^>]*>(\s*<data [^>]*/>)?", part)
    end = beginning.end() if beginning else 0
    return f"{part[:end]}<rt_info>{PRECISE}</rt_info>{part[end:]}"
