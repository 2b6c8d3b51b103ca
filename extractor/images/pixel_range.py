"""Which values are black and white in images of more than 8 bits: one rule for a whole source.

The rule is part of the FeatureSpec. Images of 8 bits and fewer always run from 0 to 255.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import ConfigError, ImageError
from ..sources import Raw
from ..sources.crop import Crop
from .deep import Limits, whole_range
from .encoded import EncodedImage

AUTO, FULL = "auto", "full"
N_SAMPLED = 32
DEPTHS = (8, 10, 12, 14, 16, 24, 32)
"""Bits that cameras and scanners fill."""
FLOAT_TOPS = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)
OVERSHOOT = 1.1
"""Filters that sharpen leave floats somewhat over their range."""
NEARLY_BLACK = 1 / 16
"""Share of the range below which a picture shows next to nothing; 12 bits in 16 lie below it."""
BRIGHT_SHARE = 99
"""Percentile that stands for a picture's brightest values; single hot pixels lie above it."""
MAX_VALUES = 100_000
OPTION = "--pixel-range full|LOW:HIGH"


@dataclass(frozen=True)
class DeepImage:
    """What one sampled image of more than 8 bits says of its range.

    Attributes
    ----------
    kind : str
        The type of its values, such as ``uint16``.
    low, high : float
        Its least and its largest value, opacity left out.
    bright : float
        What nearly all of its values lie below.
    whole : tuple of float or None
        All that its type can hold; None where that is no range of a picture.
    stated : tuple of float or None
        The range that its file states.
    """

    kind: str
    low: float
    high: float
    bright: float
    whole: Limits | None
    stated: Limits | None


@dataclass(frozen=True)
class RangeChoice:
    """The pixel range of a source.

    Attributes
    ----------
    pixel_range : str
        ``full`` or ``LOW:HIGH``, as in a FeatureSpec.
    note : str
        What was chosen and why; empty where all images have 8 bits or fewer.
    is_sure : bool
        Whether files state it, or values leave no other choice.
    """

    pixel_range: str = FULL
    note: str = ""
    is_sure: bool = True


def choose_pixel_range(read: Callable[[int], Raw], n_images: int) -> RangeChoice:
    """Choose the pixel range of a source from a sample that is spread over it.

    Parameters
    ----------
    read : callable
        Returns the image at an index, as ``Source.read``.
    n_images : int
        Images of the source.
    """
    images = sample_deep_images(read, n_images)
    if not images:
        return RangeChoice()
    n_sampled = min(n_images, N_SAMPLED)
    by_kind = {kind: [i for i in images if i.kind == kind] for kind in {i.kind for i in images}}
    choices = {kind: _choose(alike, n_sampled) for kind, alike in by_kind.items()}
    kind = max(sorted(choices), key=lambda k: len(by_kind[k]))
    choice = choices[kind]
    others = sorted(k for k in choices if choices[k].pixel_range != choice.pixel_range)
    if not others:
        return choice
    return RangeChoice(
        choice.pixel_range,
        f"{choice.note}. The source also holds {' and '.join(others)} images, for which it is "
        "wrong: keep them in a source of their own",
        is_sure=False,
    )


def contradiction(read: Callable[[int], Raw], n_images: int, pixel_range: str) -> str:
    """Return how a sample of a source contradicts a model's pixel range; empty where it does not.

    Parameters
    ----------
    read, n_images
        As in ``choose_pixel_range``.
    pixel_range : str
        ``full`` or ``LOW:HIGH``, as in a FeatureSpec.
    """
    choice = choose_pixel_range(read, n_images)
    if not choice.note or choice.pixel_range == pixel_range:
        return ""
    return (
        f"the model reads images of more than 8 bits with the pixel range {pixel_range}, but these "
        f"look otherwise: {choice.note}"
    )


def sample_deep_images(read: Callable[[int], Raw], n_images: int) -> list[DeepImage]:
    """Look at images spread over a source; return those of more than 8 bits.

    Files of fewer bits are told by their first bytes and not decoded. Images that cannot be read
    are passed over: the run itself meets them again.
    """
    n_sampled = min(n_images, N_SAMPLED)
    indices = np.linspace(0, n_images - 1, n_sampled).astype(int) if n_sampled else ()
    images = []
    for index in indices:
        try:
            image = _look_at(read(int(index)))
        except (ImageError, OSError):
            continue
        if image is not None:
            images.append(image)
    return images


def _look_at(raw: Raw) -> DeepImage | None:
    raw = raw.image if isinstance(raw, Crop) else raw
    n_bits, stated = 16, None
    if isinstance(raw, bytes):
        image = EncodedImage(raw)
        if image.container.is_shallow:
            return None
        values = image.deep_values()
        n_bits, stated = image.container.bits, image.container.stated_range
    else:
        values = None if raw.dtype == np.uint8 else raw
    if values is None:
        return None
    colours = values[..., :-1] if values.shape[2:] in ((2,), (4,)) else values
    finite = colours[np.isfinite(colours)] if colours.dtype.kind == "f" else colours
    if not finite.any():
        return None
    try:
        whole = whole_range(values, n_bits)
    except ImageError:
        whole = None
    if stated and isinstance(raw, bytes) and image.container.kind == "PNG":
        stated = whole if _is_scaled_up(finite, round(math.log2(stated[1] + 1))) else stated
    low, high = float(finite.min()), float(finite.max())
    bright = np.percentile(finite.ravel()[:: finite.size // MAX_VALUES + 1], BRIGHT_SHARE)
    return DeepImage(values.dtype.name, low, high, float(bright), whole, stated)


def _is_scaled_up(values: NDArray[Any], n_bits: int) -> bool:
    """Tell whether values of 16 bits hold ``n_bits``, scaled to the whole range.

    PNG 1.2, section 12.5: by a linear equation, by repeating the upper bits, or by zeros below.
    """
    n_zeros = 16 - n_bits
    upper = values.astype(np.int64) >> n_zeros
    scaled = np.rint(upper * (65535 / (2**n_bits - 1)))
    shifted = upper << n_zeros
    forms = [scaled, shifted, shifted | upper >> max(0, n_bits - n_zeros)]
    return n_zeros > 0 and any(np.array_equal(values, form) for form in forms)


def _choose(images: Sequence[DeepImage], n_sampled: int) -> RangeChoice:
    """Choose the range of images of one type, of ``n_sampled`` that were looked at."""
    low, high = min(i.low for i in images), max(i.high for i in images)
    seen = (
        f"{images[0].kind} values from {low:g} to {high:g} in {len(images)} of {n_sampled} images "
        "looked at"
    )
    stated = Counter(i.stated for i in images)
    (limits, n_stating), *rest = stated.most_common()
    if limits is not None and not rest and limits[0] <= low and high <= limits[1]:
        return RangeChoice(_text(limits, images), f"{seen}; their files state this range")
    if limits is None and rest:
        limits, n_stating = rest[0]
    guess = _guess(images[0].kind, low, high)
    fills_whole = all(i.whole == guess for i in images)
    below = guess[0] + NEARLY_BLACK * (guess[1] - guess[0])
    n_dark = sum(i.bright < below for i in images)
    note = seen
    if limits is not None:
        of = f"{n_stating} of {len(images)} files state {limits[0]:g}:{limits[1]:g}"
        note = f"{seen}; {of}, which does not fit the others"
    elif not fills_whole:
        note = f"{seen}; no file states a range, so this is a guess. If it is wrong: {OPTION}"
    if n_dark:
        note += (
            f"; {n_dark} of them stay below {below:g} and become nearly black: if their range is "
            "another one, keep them in a source of their own"
        )
    return RangeChoice(_text(guess, images), note, fills_whole and limits is None and not n_dark)


def _guess(kind: str, low: float, high: float) -> Limits:
    """Return the likeliest range of a type that holds the values from ``low`` to ``high``."""
    if kind.startswith("float"):
        tops = [top for top in FLOAT_TOPS if top * OVERSHOOT >= max(high, -low)]
        top = tops[0] if tops else _power_of_2(max(high, -low)) - 1
        return (-top if low < 0 else 0.0), top
    bits = next((bits for bits in DEPTHS if high < 2**bits), DEPTHS[-1])
    least = -float(_power_of_2(-low)) if low < 0 else 0.0
    return least, float(min(2**bits - 1, np.iinfo(kind).max))


def _power_of_2(value: float) -> int:
    return 1 << math.ceil(math.log2(max(value, 1)))


def _text(limits: Limits, images: Iterable[DeepImage]) -> str:
    """Return limits as text; ``full`` where they are all that each image's type can hold."""
    if all(image.whole == limits for image in images):
        return FULL
    return ":".join(f"{limit:g}" if abs(limit) < 1e6 else repr(limit) for limit in limits)


def check_pixel_range(text: str) -> str:
    """Return the option ``--pixel-range`` where it is ``auto``, ``full`` or ``LOW:HIGH``.

    Raises
    ------
    ConfigError
        It is something else.
    """
    try:
        low, high = (0.0, 1.0) if text in (AUTO, FULL) else map(float, text.split(":"))
    except ValueError:
        low, high = 0.0, 0.0
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(
            f"unknown pixel range {text!r}. Expected auto, full, or LOW:HIGH with two numbers of "
            "which the first is smaller, such as 0:4095"
        )
    return text
