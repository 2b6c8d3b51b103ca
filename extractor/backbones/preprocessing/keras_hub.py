"""KerasHub's ``image_converter.json``: how its ImageConverter resizes and scales images."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....cache.errors import ConfigError
from ...images.published_resize import PublishedResize
from .normalisation import Channels, Preprocess
from .published import PublishedInput, three_numbers, whole_number

CONVERTER = "image_converter.json"
OTHER_CONVERTERS = ("Gemma4ImageConverter", "Qwen3_5ImageConverter")
"""Converters that do something else than resize, scale and shift."""

FILTERS = {
    ("bilinear", False): "bilinear-sampled",
    ("nearest", False): "nearest",
    ("bilinear", True): "bilinear",
    ("bicubic", True): "bicubic",
}
"""featx' filters by KerasHub's, without and with antialiasing."""


def read_image_converter(path: Path, side: int | None = None) -> PublishedInput:
    """Read the converter of a preset, for images of another ``side`` where one is asked for.

    Raises
    ------
    ConfigError
        It is damaged, or states something that featx does not do.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        name, config = str(fields["class_name"]), fields["config"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is no image converter of KerasHub: {error}") from error
    if name in OTHER_CONVERTERS or not isinstance(config, Mapping):
        raise ConfigError(f"{path} states a {name}, which featx does not follow")
    normalisation = _normalisation(config, str(path))
    size = (side, side) if side else _size(config, str(path))
    if size is None:
        return PublishedInput(None, "squash", "bicubic", normalisation.name, str(path))
    key = (str(config.get("interpolation", "bilinear")), bool(config.get("antialias", False)))
    if key not in FILTERS or config.get("pad_to_aspect_ratio"):
        how = "pads" if config.get("pad_to_aspect_ratio") else f"resizes with {key[0]!r}"
        raise ConfigError(
            f"{path} {how} {'with' if key[1] else 'without'} antialiasing, which featx does not do "
            "as published. Name another file, or the normalisation, with --preprocess"
        )
    is_window = bool(config.get("crop_to_aspect_ratio", True))
    rule = PublishedResize(*size, keeps_shape=False, is_window=is_window)
    return PublishedInput(size, str(rule), FILTERS[key], normalisation.name, str(path))


def _normalisation(config: Mapping[str, Any], origin: str) -> Preprocess:
    """Return ``x * scale + offset`` as ``(x - mean) / scale``."""
    factor = 1.0 if config.get("scale") is None else config["scale"]
    scale = three_numbers(factor, "scale", origin)
    offset = three_numbers(config.get("offset") or 0.0, "offset", origin)
    if "variance" in config and "mean" in config:  # as older presets have it
        stds = [math.sqrt(v) for v in three_numbers(config["variance"], "variance", origin)]
        mean = three_numbers(config["mean"], "mean", origin)
        scale = _channels(s / std for s, std in zip(scale, stds, strict=True))
        offset = _channels(-m / std for m, std in zip(mean, stds, strict=True))
    if not all(scale):
        raise ConfigError(f"{origin}: scale holds {factor!r}. Expected numbers other than 0")
    shift = _channels(-o / s for o, s in zip(offset, scale, strict=True))
    return Preprocess(shift, _channels(1 / s for s in scale))


def _channels(values: Any) -> Channels:
    red, green, blue = values
    return red, green, blue


def _size(config: Mapping[str, Any], origin: str) -> tuple[int, int] | None:
    value = config.get("image_size") or [config.get("height"), config.get("width")]
    if value == [None, None]:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise ConfigError(f"{origin}: image_size holds {value!r}. Expected [height, width]")
    return whole_number(value[0], "image_size", origin), whole_number(
        value[1], "image_size", origin
    )
