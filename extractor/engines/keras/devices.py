"""The accelerators that Keras' backend can use, and what they compute in hardware."""

from __future__ import annotations

from types import MappingProxyType

from ..keras_import import import_keras

FIRST_NVIDIA_WITH_BFLOAT16 = 8
AMD_WITH_BFLOAT16 = (
    *("gfx908", "gfx90a", "gfx940", "gfx941", "gfx942", "gfx950"),
    *("gfx1100", "gfx1101", "gfx1102", "gfx1200", "gfx1201"),
)


def accelerators() -> list[str]:
    """Return the accelerators that Keras' backend can use, as in ``gpu:0``."""
    keras = import_keras()
    devices: list[str] = []
    for kind in ("gpu", "tpu"):
        try:
            devices += keras.distribution.list_devices(kind)
        except (RuntimeError, NotImplementedError, AttributeError, ValueError):
            continue  # JAX raises for a kind that is absent, some backends have no such list
    return [str(device) for device in devices]


def has_bfloat16() -> bool:
    """Tell whether the accelerator that Keras' backend uses multiplies bfloat16 in hardware."""
    keras = import_keras()
    try:
        return bool(accelerators()) and BFLOAT16[keras.backend.backend()]()
    except (KeyError, ImportError, AttributeError, RuntimeError):
        return False


def _jax_has_bfloat16() -> bool:
    import jax

    device = jax.devices()[0]
    return device.platform == "tpu" or _is_capable(getattr(device, "compute_capability", ""))


def _tensorflow_has_bfloat16() -> bool:
    import tensorflow as tf

    if tf.config.list_physical_devices("TPU"):
        return True
    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    return _is_capable(".".join(map(str, details.get("compute_capability", ()))))


def _torch_has_bfloat16() -> bool:
    import torch

    is_there = torch.cuda.is_available()
    return is_there and bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _is_capable(capability: str) -> bool:
    """Tell whether a GPU has bfloat16: NVIDIA from 8.0 (Ampere) on, AMD from gfx908 (CDNA) on."""
    if capability.startswith("gfx"):
        return capability.partition(":")[0] in AMD_WITH_BFLOAT16
    major = capability.partition(".")[0]
    return major.isdigit() and int(major) >= FIRST_NVIDIA_WITH_BFLOAT16


BFLOAT16 = MappingProxyType(
    {
        "jax": _jax_has_bfloat16,
        "tensorflow": _tensorflow_has_bfloat16,
        "torch": _torch_has_bfloat16,
    }
)
"""Asks each backend."""
