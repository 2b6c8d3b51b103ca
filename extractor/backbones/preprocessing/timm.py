"""timm's ``config.json``: its ``pretrained_cfg``, as timm's evaluation transform reads it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ....cache.errors import ConfigError
from ...images.published_resize import PublishedResize
from .normalisation import from_published
from .published import FILTERS, PublishedInput, three_numbers, whole_number

NEEDED = ("input_size", "mean", "std")
CROP_FRACTION = 0.875


def read_timm(fields: Mapping[str, Any], origin: str) -> PublishedInput:
    """Read the fields of a ``pretrained_cfg``.

    Raises
    ------
    ConfigError
        They state something that featx does not do, or leave out what it needs.
    """
    missing = [key for key in NEEDED if not fields.get(key)]
    if missing:
        raise ConfigError(
            f"{origin} does not say its `{missing[0]}`. featx does not guess it: name another file "
            "with --preprocess FILE"
        )
    height, width = _size(fields["input_size"], origin)
    fraction = fields.get("crop_pct") or CROP_FRACTION
    interpolation = fields.get("interpolation") or "bilinear"
    if interpolation not in FILTERS.values():
        raise ConfigError(
            f"{origin}: unknown interpolation {interpolation!r}. Expected one of "
            f"{', '.join(FILTERS.values())}"
        )
    mode = fields.get("crop_mode") or "center"
    if mode not in ("center", "squash") or (mode == "center" and height != width):
        raise ConfigError(
            f"{origin} crops {height}×{width} pixels in the mode {mode!r}, which featx does not do "
            "as published: it does squash, and center for squares"
        )
    sides = math.floor(height / fraction), math.floor(width / fraction)
    rule = PublishedResize(*sides, keeps_shape=mode == "center", is_rounded=True)
    mean, std = (three_numbers(fields[key], key, origin) for key in ("mean", "std"))
    normalisation = from_published(mean, std)
    return PublishedInput((height, width), str(rule), interpolation, normalisation.name, origin)


def _size(value: Any, origin: str) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 3 or value[0] != 3:
        raise ConfigError(f"{origin}: input_size holds {value!r}. Expected [3, height, width]")
    return whole_number(value[1], "input_size", origin), whole_number(
        value[2], "input_size", origin
    )
