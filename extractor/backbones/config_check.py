"""Refusing a model's configuration that could run code, before Keras sees it.

Keras' own safe mode stands behind this check. It has had holes (CVE-2024-3660, CVE-2025-1550,
CVE-2025-8747, CVE-2025-9905, CVE-2025-12058), so the check allows what an image network is made of
and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...cache.errors import WeightsMismatchError

REFUSED = frozenset(
    (
        *("Lambda", "__lambda__", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer"),
        *("StringLookup", "IntegerLookup", "TextVectorization", "FeatureSpace", "__typespec__"),
    )
)
PACKAGES = frozenset(
    (
        *("layers", "models", "initializers", "regularizers", "constraints", "activations"),
        *("dtype_policies", "ops", "optimizers", "losses", "metrics", "applications", "random"),
    )
)
HUB, HUB_ENDINGS = "keras_hub", ("Backbone", "VisionEncoder", "TextEncoder")
"""KerasHub's own classes that a configuration may name: backbones and the towers that they are made
of, which hold nothing to run."""

FUNCTION_PACKAGES = frozenset(("activations", "losses", "metrics", "ops"))


def check_config(config: dict[str, Any], where: str) -> None:
    """Check all that a model's configuration would make Keras build.

    Raises
    ------
    WeightsMismatchError
        Something in it is code, or a class that is not Keras' own; the message names it.
    """
    for node in _nodes(config):
        name, module = str(node["class_name"]), node.get("module")
        if name in REFUSED or node.get("function_type") == "lambda":
            raise WeightsMismatchError(
                f"{where} holds a {name} layer, which can carry code; featx runs no code from "
                "files. Save the model without it (for rescaling: a Rescaling layer)"
            )
        if str(module).split(".")[0] == HUB:
            _check_hub(str(module), name, where)
        elif not _is_keras(module, name == "function"):
            raise WeightsMismatchError(
                f"{where} needs {module}.{name}, which is not a part of Keras; featx loads models "
                "of Keras' own layers only"
            )


def needs_keras_hub(config: dict[str, Any]) -> bool:
    """Tell whether a model's configuration has parts of KerasHub."""
    return any(str(node.get("module")).split(".")[0] == HUB for node in _nodes(config))


def _check_hub(module: str, name: str, where: str) -> None:
    is_backbone = name.endswith(HUB_ENDINGS) and module.split(".")[1:3] in (
        ["src", "models"],
        ["models"],
    )
    if not is_backbone:
        raise WeightsMismatchError(
            f"{where} needs {module}.{name}; of KerasHub featx loads backbones only. Save the "
            "backbone: model.backbone.save_to_preset(FOLDER)"
        )


def _nodes(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield everything in a configuration that Keras would look up by name."""
    waiting: list[Any] = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "class_name" in value:
                yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _is_keras(module: Any, is_function: bool) -> bool:
    """Tell whether a module's name is of Keras' building blocks; the old format gives none."""
    if module in (None, "builtins"):
        return True
    parts = str(module).split(".")
    if parts[0] != "keras" or len(parts) == 1:
        return parts == ["keras"] and not is_function
    package = parts[2] if parts[1] == "src" and len(parts) > 2 else parts[1]
    return package in (FUNCTION_PACKAGES if is_function else PACKAGES)
