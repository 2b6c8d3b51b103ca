"""What a model file says of its making."""

from __future__ import annotations

import platform
import time
from typing import Any

from ...cache import FeatureSet
from ...extractor.machine.versions import installed_versions
from ..heads.registry import compiled_parts

LIBRARIES = ("featx", "numpy", "scikit-learn", "keras", "tensorflow", "jax", "torch", "openvino")


def origin(command: str, features: FeatureSet) -> dict[str, Any]:
    """Return what a model file says of its making."""
    return {
        "command": command,
        "features": features.name,
        **({"views": features.views_taken.to_dict()} if features.views else {}),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "versions": installed_versions(LIBRARIES),
        "compiled": {part.name: part.is_in_use for part in compiled_parts()},
    }
