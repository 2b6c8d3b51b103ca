"""Hugging Face's ``preprocessor_config.json``.

The rules are those of the image processors of ``transformers`` with Pillow as their backend. Their
torchvision backend rounds some pixels the other way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....cache.errors import ConfigError
from ....cache.suggest import did_you_mean
from ...images.published_resize import PublishedResize
from .normalisation import Preprocess, from_published
from .published import FILTERS, PublishedInput, check_crop, three_numbers, whole_number

KIND_KEYS = ("image_processor_type", "feature_extractor_type")
CONVNEXT_WARP_SIZE = 384
CONVNEXT_FRACTION = 224 / 256
SIDES = ("height", "width")


@dataclass(frozen=True)
class _Processor:
    """What an image processor assumes where its file does not say it.

    Attributes
    ----------
    resample : int
        The number of Pillow's filter.
    crops : bool
    keeps_shape : bool
        Whether a size of one number is that of the shorter side.
    remark : str
    """

    resample: int
    crops: bool = False
    keeps_shape: bool = False
    remark: str = ""


PROCESSORS = {
    "ViT": _Processor(2),
    "DeiT": _Processor(3, crops=True),
    "Beit": _Processor(3),
    "CLIP": _Processor(3, crops=True, keeps_shape=True),
    "Bit": _Processor(3, crops=True, keeps_shape=True),
    "Siglip": _Processor(3),
    "ConvNext": _Processor(3, keeps_shape=True),
    "MobileNetV1": _Processor(2, crops=True, keeps_shape=True),
    "MobileNetV2": _Processor(2, crops=True, keeps_shape=True),
    "MobileViT": _Processor(3, crops=True, keeps_shape=True),
    "DINOv3ViT": _Processor(
        2, remark="the publisher resizes in floating point, featx rounds resized pixels to 8 bits"
    ),
}


def read_hugging_face(fields: Mapping[str, Any], origin: str) -> PublishedInput:
    """Read the fields of an image processor.

    Raises
    ------
    ConfigError
        They state something that featx does not do, or leave out what it needs.
    """
    processor = _processor(fields, origin)
    if fields.get("do_resize") is False:
        raise ConfigError(
            f"{origin} resizes no image (do_resize), and a backbone needs images of one size. "
            "Name another file with --preprocess FILE"
        )
    if fields.get("do_pad"):
        raise ConfigError(f"{origin} pads images (do_pad), which featx does not do as published")
    rule, size = _geometry(fields, processor, origin)
    check_crop(rule, size, origin)
    resample = fields.get("resample", processor.resample)
    if resample not in FILTERS:
        raise ConfigError(f"{origin}: unknown resample {resample!r}. Expected 0 to 5, as in Pillow")
    return PublishedInput(
        size,
        str(rule),
        FILTERS[resample],
        _normalisation(fields, origin).name,
        origin,
        processor.remark,
    )


def _processor(fields: Mapping[str, Any], origin: str) -> _Processor:
    kind = next((str(fields[key]) for key in KIND_KEYS if fields.get(key)), "")
    name = re.sub(r"(ImageProcessor(Fast|Pil)?|FeatureExtractor)$", "", kind)
    if kind and name not in PROCESSORS:
        raise ConfigError(
            f"{origin} is of {kind}, whose rules featx does not know: it knows those of "
            f"{', '.join(PROCESSORS)}. {did_you_mean(name, PROCESSORS)} Where it does no more than "
            "its fields say: copy the file without that line, and name it with --preprocess FILE"
        )
    return PROCESSORS[name or "ViT"]


def _geometry(
    fields: Mapping[str, Any], processor: _Processor, origin: str
) -> tuple[PublishedResize, tuple[int, int]]:
    """Return the resize and the size (height, width) that is cut from its middle."""
    if "size" not in fields:
        raise ConfigError(f"{origin} does not say its `size`. {_complete(fields)}")
    rule = _resize(fields["size"], processor, origin)
    if processor is PROCESSORS["ConvNext"]:
        return _convnext(rule.height, float(fields.get("crop_pct") or CONVNEXT_FRACTION))
    crops = fields.get("do_center_crop")
    crops = processor.crops or "crop_size" in fields if crops is None else crops
    if crops:
        if "crop_size" not in fields:
            raise ConfigError(f"{origin} does not say its `crop_size`. {_complete(fields)}")
        return rule, _sides(fields["crop_size"], "crop_size", origin)
    if rule.keeps_shape:
        raise ConfigError(
            f"{origin} keeps the shape of images (shortest_edge) and crops none, so that they have "
            "different sizes. A backbone needs one size: write a copy with a crop_size, and name "
            "it with --preprocess FILE"
        )
    return rule, (rule.height, rule.width)


def _resize(size: Any, processor: _Processor, origin: str) -> PublishedResize:
    if isinstance(size, Mapping) and size.get("shortest_edge"):
        if size.get("longest_edge"):
            raise ConfigError(
                f"{origin} bounds the longest edge of images, which featx does not do as published"
            )
        side = whole_number(size["shortest_edge"], "size", origin)
        return PublishedResize(side, side, keeps_shape=True)
    keeps_shape = not isinstance(size, Mapping | list) and processor.keeps_shape
    return PublishedResize(*_sides(size, "size", origin), keeps_shape=keeps_shape)


def _convnext(side: int, fraction: float) -> tuple[PublishedResize, tuple[int, int]]:
    """Return the resize of ConvNeXT's processor: a crop below 384 pixels, a squash from there."""
    if side >= CONVNEXT_WARP_SIZE:
        return PublishedResize(side, side, keeps_shape=False), (side, side)
    shortest = int(side / fraction)
    return PublishedResize(shortest, shortest, keeps_shape=True), (side, side)


def _sides(value: Any, key: str, origin: str) -> tuple[int, int]:
    if isinstance(value, Mapping):
        height, width = (value.get(side) for side in SIDES)
    elif isinstance(value, list) and len(value) == 2:
        height, width = value
    else:
        height = width = value
    return whole_number(height, key, origin), whole_number(width, key, origin)


def _normalisation(fields: Mapping[str, Any], origin: str) -> Preprocess:
    is_normalised = bool(fields.get("do_normalize", "image_mean" in fields))
    is_rescaled = bool(fields.get("do_rescale", True))
    factor = fields.get("rescale_factor", 1 / 255) if is_rescaled else 1.0
    if not isinstance(factor, int | float) or not factor:
        raise ConfigError(f"{origin}: rescale_factor holds {factor!r}. Expected a number")
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if is_normalised:
        missing = [key for key in ("image_mean", "image_std") if not fields.get(key)]
        if missing:
            raise ConfigError(f"{origin} does not say its `{missing[0]}`. {_complete(fields)}")
        mean = three_numbers(fields["image_mean"], "image_mean", origin)
        std = three_numbers(fields["image_std"], "image_std", origin)
    bgr = bool(fields.get("do_flip_channel_order"))
    return from_published(mean, std, float(factor), bgr)


def _complete(fields: Mapping[str, Any]) -> str:
    return (
        "featx does not guess it: write a copy that does, and name it with --preprocess FILE "
        f"(it has {', '.join(sorted(fields)) or 'no field'})"
    )
