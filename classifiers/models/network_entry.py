"""What a model file says of the converted network that it holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import AnySpec
from ...cache.errors import ModelFileError
from ...extractor.engines.choose import FORMAT_NAMES
from ...extractor.engines.model_folder import uses
from ...extractor.engines.packed import FILES, PackedNetwork

REFERENCE = "network_reference"
"""Name of the array of reference features."""

FINGERPRINT = "fingerprint"


def network_document(network: PackedNetwork) -> dict[str, Any]:
    """Return the JSON object that stands for a network in a model file."""
    return {
        "format": network.format,
        "facts": dict(network.facts),
        "files": dict(network.digests),
        "made": dict(network.made),
    }


def read_network(
    path: Path, document: Any, spec: AnySpec, reference: NDArray[Any] | None
) -> PackedNetwork | None:
    """Return the network of a model file; None where it holds none. Its files are not read.

    Raises
    ------
    ModelFileError
        It is misshapen, or not a network of the model's features.
    """
    if document is None:
        return None
    parts = [document[name] for name in ("facts", "files", "made")]
    if not all(isinstance(part, Mapping) for part in parts) or reference is None:
        raise ModelFileError("its network is misshapen")
    facts, files, made = parts
    if set(files) != set(FILES) or document["format"] not in FORMAT_NAMES:
        raise ModelFileError("its network is not one that this featx knows: upgrade featx")
    only = spec.single
    outputs = [{"layer": only.layer, "pool": only.pool}]
    is_its_own = uses(only, facts) and facts.get("taps") == outputs
    if not is_its_own or made.get(FINGERPRINT) != spec.fingerprint:
        raise ModelFileError("its network is not of the features that the model takes")
    if reference.ndim != 2 or reference.dtype != np.float32:
        raise ModelFileError("the reference features of its network are misshapen")
    return PackedNetwork(path, facts, files, document["format"], reference, made)
