"""Converting a network to OpenVINO's format, once per machine; Keras models in a process of their
own."""

from __future__ import annotations

import json
import logging
import pickle
import sys
from pathlib import Path

from ....cache import errors
from ....cache.errors import ConversionError, FeatxError, MissingLibraryError
from ..base import MEMORY_WORDS, Network
from ..model_folder import MODEL, REFUSAL, ModelFolder
from .from_graph import convert_graph
from .from_keras import converter_backends, failure_reason, run_converter, save, to_openvino

FAILURE = "failure.json"
logger = logging.getLogger(__name__)


def ensure_converted(network: Network, folder: ModelFolder) -> None:
    """Convert ``network`` into ``folder`` unless it is there and whole; raises as ``convert``."""
    if folder.is_there:
        if folder.is_whole():
            return
        logger.warning("the converted network in %s is damaged: it is made again", folder.path)
    convert(network, folder)


def convert(network: Network, folder: ModelFolder) -> None:
    """Convert ``network`` and put the model into ``folder``, whole or not at all.

    A network that a file brought in its converted form is unpacked.

    Raises
    ------
    UnknownBackboneError, WeightsMismatchError
        As when the backbone is built in this process.
    ConversionError
        OpenVINO cannot convert the network; that stays on record, and later calls raise it at once.
    MissingLibraryError
        The converter is not installed.
    ModelFileError
        The file that brought the network is damaged.
    CacheWriteError
        The model cannot be written.
    """
    if network.packed is not None:
        with folder.filling() as partial:
            return network.packed.unpack(partial)
    refusal = folder.refusal()
    if refusal:
        raise ConversionError(f"{refusal} (found by an earlier run: {folder.note_path(REFUSAL)})")
    with folder.filling() as partial:
        if network.record.graph:
            return save(convert_graph(network), partial / MODEL)
        reasons, backends = [], converter_backends()
        if not backends:
            raise _converter_missing(network)
        for backend in backends:
            # The pickle goes through a pipe to our own process; nothing is read from a file.
            done = run_converter(backend, [__name__, str(partial)], pickle.dumps(network))
            if not done.returncode:
                return None
            _raise_reported_error(partial)
            reasons.append(failure_reason(done.stderr))
            if not _is_final(reasons[-1], done.returncode):
                raise _conversion_error(network, reasons[-1])
        error = _conversion_error(network, reasons[0])
        folder.write_refusal(str(error))
        raise error


def _converter_missing(network: Network) -> MissingLibraryError:
    return MissingLibraryError(
        f"this machine has no converted form of {network.record.name}, and TensorFlow, which makes "
        "it, is not installed. Either: pip install tensorflow. Or, on a machine that has it: "
        "featx model pack MODEL. Such a model is scored here as it is, and `featx model unpack "
        "MODEL` lets extractions here use its network. Or --engine keras, slower, with "
        "KERAS_BACKEND=jax or torch"
    )


def _conversion_error(network: Network, reason: str) -> ConversionError:
    return ConversionError(
        f"OpenVINO cannot convert {network.record.name} ({reason}). Use --engine keras"
    )


def _is_final(reason: str, returncode: int) -> bool:
    """Tell whether another try would fail as well: not after a kill, for lack of memory,
    or where a library is missing."""
    text = reason.lower()
    short_of_memory = "memoryerror" in text or any(word in text for word in MEMORY_WORDS)
    is_missing = "modulenotfounderror" in text or "is not installed" in text
    return returncode > 0 and not short_of_memory and not is_missing


def _raise_reported_error(partial: Path) -> None:
    """Raise the FeatxError that the converting process met, if it met one."""
    try:
        failure = json.loads((partial / FAILURE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    kind: type[FeatxError] = getattr(errors, failure["kind"])
    raise kind(failure["message"])


def main() -> int:
    """Convert the network that comes through standard input into the folder that is named."""
    from ..keras import build_model

    folder = Path(sys.argv[1])
    try:
        model = build_model(pickle.load(sys.stdin.buffer), "float32")
    except FeatxError as error:
        failure = {"kind": type(error).__name__, "message": str(error)}
        (folder / FAILURE).write_text(json.dumps(failure), encoding="utf-8")
        return 1
    save(to_openvino(model), folder / MODEL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
