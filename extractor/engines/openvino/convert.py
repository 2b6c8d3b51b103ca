"""Converting a Keras model to OpenVINO's format, in a process of its own.

The process that extracts stays small: it never loads Keras or its backend. ``KERAS_BACKEND`` of the
user does not matter here: TensorFlow's converter folds normalisation and batch norms into the
convolutions, so it is taken where TensorFlow is installed; else Keras' own OpenVINO backend, which
needs nothing else but gives a slower model.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ....cache import errors
from ....cache.errors import ConversionError, FeatxError
from ..base import MEMORY_WORDS, Network
from ..model_folder import MODEL, REFUSAL, ModelFolder

FAILURE = "failure.json"
SHOWN_LINES = 3


def convert(network: Network, folder: ModelFolder) -> None:
    """Convert ``network`` and put the model into ``folder``, whole or not at all.

    Raises
    ------
    UnknownBackboneError, WeightsMismatchError
        As when the backbone is built in this process.
    ConversionError
        OpenVINO cannot convert the network; that stays on record, and later calls raise it at once.
    CacheWriteError
        The model cannot be written.
    """
    refusal = folder.refusal()
    if refusal:
        raise ConversionError(f"{refusal} (found by an earlier run: {folder.note_path(REFUSAL)})")
    with folder.filling() as partial:
        command = [sys.executable, "-W", "ignore", "-m", __name__, str(partial)]
        # The pickle goes through a pipe to our own process; nothing is read from a file.
        done = subprocess.run(
            command,
            input=pickle.dumps(network),
            capture_output=True,
            env=_environment(),
            check=False,
        )
        if done.returncode:
            error = _failure(network, partial, done.stderr)
            if _is_final(error, done.returncode):
                folder.write_refusal(str(error))
            raise error
        (partial / FAILURE).unlink(missing_ok=True)


def _environment() -> dict[str, str]:
    backend = "tensorflow" if find_spec("tensorflow") else "openvino"
    return {
        **os.environ,
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONPATH": os.pathsep.join(place for place in sys.path if place),
    }


def _is_final(error: FeatxError, returncode: int) -> bool:
    """Tell whether another try would fail as well: not where the process was killed."""
    text = str(error).lower()
    short = "memoryerror" in text or any(word in text for word in MEMORY_WORDS)
    return isinstance(error, ConversionError) and returncode > 0 and not short


def _failure(network: Network, partial: Path, stderr: bytes) -> FeatxError:
    """Return the error that the converting process met."""
    try:
        told = json.loads((partial / FAILURE).read_text(encoding="utf-8"))
        kind: type[FeatxError] = getattr(errors, told["kind"])
        return kind(told["message"])
    except (OSError, ValueError, KeyError, AttributeError):
        pass
    lines = stderr.decode("utf-8", "replace").strip().splitlines()[-SHOWN_LINES:]
    return ConversionError(
        f"OpenVINO cannot convert {network.record.name} ({' | '.join(lines) or 'no reason given'})."
        " Use --engine keras"
    )


def _work(network: Network, folder: Path) -> None:
    from ..keras import build_model

    model = build_model(network, "float32")
    import keras
    import openvino

    if keras.backend.backend() == "openvino":
        converted = _through_keras(model, folder)
    else:
        converted = openvino.convert_model(model)
    openvino.save_model(converted, folder / MODEL, compress_to_fp16=False)


def _through_keras(model: Any, folder: Path) -> Any:
    import openvino
    from openvino._offline_transformations import apply_moc_transformations

    exported = folder / "exported.xml"
    model.export(str(exported), format="openvino", verbose=False)
    converted = openvino.Core().read_model(exported)
    apply_moc_transformations(converted, cf=True)
    return converted


def main() -> int:
    """Convert the network that comes through standard input into the folder named."""
    folder = Path(sys.argv[1])
    try:
        _work(pickle.load(sys.stdin.buffer), folder)
    except FeatxError as error:
        told = {"kind": type(error).__name__, "message": str(error)}
        (folder / FAILURE).write_text(json.dumps(told), encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
