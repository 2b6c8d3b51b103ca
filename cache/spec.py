"""FeatureSpec: all that decides the numbers of a feature, and its fingerprint."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from .errors import CacheFormatError, ConfigError, NewerFormatError
from .suggest import did_you_mean

SPEC_VERSION = 1
# The name under which a spec's version stands in its JSON since the first release.
VERSION_KEY = "format_version"
# Marks a field that was introduced after the first release. It stands in the canonical JSON only
# where it differs from its default, so that the fingerprints of earlier features stay.
LATER = {"later": True}
FULL_RANGE = "full"
SHOWN_DIGITS = 12
MAX_PLAIN_INTEGER = 1 << 53
POOLS = ("avg", "max", "mean", "cls", "grid:2", "flatten", "none")
RESIZES = ("squash", "crop", "pad")
PUBLISHED_RESIZE = re.compile(r"(exact|shortest|window):(\d+)(?:x(\d+))?(:rounded)?")
"""Resize rules of published backbones (see ``extractor.images.published_resize``)."""

INTERPOLATIONS = (
    *("nearest", "bilinear", "bilinear-sampled", "bicubic", "box", "hamming", "lanczos"),
)
PRECISIONS = ("float32", "bfloat16", "float16")
STORAGES = ("float32", "float16")


class HasParts(Protocol):
    """A spec of one set, or of several side by side."""

    @property
    def parts(self) -> tuple[FeatureSpec, ...]:
        """The specs of the sets, in the order of the columns."""
        ...


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """All that decides the numbers of a feature vector; equal specs mean comparable features.

    Attributes
    ----------
    backbone : str
        Name of the backbone.
    weights_digest : str
        SHA-256, hexadecimal, of the bytes that the weights come from.
    layer, pool : str
        The layer whose output is taken and how its map becomes a vector (one of ``POOLS``).
    image_size : tuple of int
        Height and width in pixels of the image that the backbone sees.
    resize : str
        How an image of another shape gets there: one of ``RESIZES``, or a published rule.
    interpolation : str
        The resampling filter, one of ``INTERPOLATIONS``; all but ``nearest`` and
        ``bilinear-sampled`` with antialiasing.
    preprocess : str
        How 8-bit RGB becomes the backbone's input.
    background : str
        The colour, ``#rrggbb``, that shows through transparent pixels and fills padding.
    views : int
        1: each set holds one row of an image.
    views_seed : int
        The seed that a view is drawn with.
    precision, storage : str
        Number format of the computation and of the stored rows.
    pixel_range : str
        Which pixel values become black and white: ``full`` (all that the format can hold) or
        ``LOW:HIGH``.
    view : int
        Which random view of each image the backbone sees; 0 is the image itself.
    view_ops : str
        What a view changes, as ``crop,flip``; empty for the image itself.
    spec_version : int
        Version of the spec itself, which changes where a field changes its meaning. The version of
        the cache's files is another one and no part of the spec.

    Raises
    ------
    ConfigError
        A field has a value outside its domain.
    """

    backbone: str
    weights_digest: str
    layer: str
    pool: str
    image_size: tuple[int, int]
    resize: str
    preprocess: str
    interpolation: str = "bicubic"
    background: str = "#ffffff"
    views: int = 1
    views_seed: int = 0
    precision: str = "float32"
    storage: str = "float32"
    spec_version: int = SPEC_VERSION
    pixel_range: str = field(default=FULL_RANGE, metadata=LATER)
    view: int = field(default=0, metadata=LATER)
    view_ops: str = field(default="", metadata=LATER)

    def __post_init__(self) -> None:
        for name, domain in (
            ("pool", POOLS),
            ("interpolation", INTERPOLATIONS),
            ("precision", PRECISIONS),
            ("storage", STORAGES),
        ):
            value = getattr(self, name)
            if value not in domain:
                raise ConfigError(f"unknown {name} {value!r}. {did_you_mean(str(value), domain)}")
        if self.resize not in RESIZES and not is_published(self.resize):
            close = did_you_mean(str(self.resize), RESIZES)
            raise ConfigError(f"unknown resize {self.resize!r}. {close}")
        if len(self.image_size) != 2 or min(self.image_size) < 1:
            raise ConfigError(f"image_size is (height, width) in pixels, got {self.image_size}")
        if self.views < 1:
            raise ConfigError(f"views counts from 1, got {self.views}")
        if self.view < 0 or bool(self.view) != bool(self.view_ops):
            raise ConfigError(
                f"a view counts from 1 and names what it changes; 0 is the image itself. Got view "
                f"{self.view} with {self.view_ops!r}"
            )
        object.__setattr__(self, "pixel_range", _canonical_range(self.pixel_range))

    @property
    def parts(self) -> tuple[FeatureSpec, ...]:
        """The specs of the sets whose columns stand side by side: this one alone."""
        return (self,)

    @property
    def single(self) -> FeatureSpec:
        """This spec, for what takes one set of features only."""
        return self

    @property
    def original(self) -> FeatureSpec:
        """The spec of the images themselves, whose view this is."""
        return replace(self, view=0, view_ops="", views_seed=0) if self.view else self

    @property
    def digits(self) -> str:
        """The beginning of the fingerprint, as it stands in a name of features."""
        return self.fingerprint[:SHOWN_DIGITS]

    def describe(self) -> str:
        """Return backbone, layer, pooling, size, precision and view, for people."""
        size = "×".join(map(str, self.image_size))
        view = f", view {self.view}" if self.view else ""
        return f"{self.backbone}, {self.layer}, {self.pool}, {size}, {self.precision}{view}"

    @property
    def pixel_limits(self) -> tuple[float, float] | None:
        """The values that become black and white, or None for the format's own range."""
        if self.pixel_range == FULL_RANGE:
            return None
        low, _, high = self.pixel_range.partition(":")
        return float(low), float(high)

    def to_json(self) -> str:
        """Return the canonical JSON: sorted keys, no spaces, ASCII, no later field at default."""
        fields = dataclasses.asdict(self)
        fields[VERSION_KEY] = fields.pop("spec_version")
        for later in dataclasses.fields(self):
            if later.metadata == LATER and fields[later.name] == later.default:
                del fields[later.name]
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> FeatureSpec:
        """Read a spec from its JSON.

        Raises
        ------
        CacheFormatError
            The text is no spec, or one of a newer format.
        """
        try:
            fields: dict[str, Any] = json.loads(text)
            version = int(fields.pop(VERSION_KEY))
            unknown = fields.keys() - {f.name for f in dataclasses.fields(cls)}
            if version > SPEC_VERSION or unknown:
                what = f"fields {sorted(unknown)}" if unknown else f"version {version}"
                raise NewerFormatError(
                    f"the features were written by a newer featx (a spec with {what}; this "
                    f"featx knows version {SPEC_VERSION}): upgrade featx"
                )
            fields["image_size"] = tuple(int(n) for n in fields["image_size"])
            return cls(**fields, spec_version=version)
        except CacheFormatError:
            raise
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise CacheFormatError(f"not a feature spec: {error}") from error

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical JSON, hexadecimal."""
        return hashlib.sha256(self.to_json().encode("ascii")).hexdigest()

    def difference(self, other: HasParts) -> dict[str, tuple[Any, Any]]:
        """Return the fields in which two specs differ, as ``{field: (self's, other's)}``."""
        return differing_fields(self.parts, other.parts)


def differing_fields(
    mine: Sequence[FeatureSpec], theirs: Sequence[FeatureSpec]
) -> dict[str, tuple[Any, Any]]:
    """Return the fields in which the specs of one or several sets differ, with both values.

    Values of several sets stand in a tuple. Where there are more sets on one side, the only field
    is ``features``, and tells what each side has.
    """
    if len(mine) != len(theirs):
        texts = ["; ".join(spec.describe() for spec in side) for side in (mine, theirs)]
        return {"features": (texts[0], texts[1])}
    sides = [[dataclasses.asdict(spec) for spec in side] for side in (mine, theirs)]
    differing: dict[str, tuple[Any, Any]] = {}
    for name in sides[0][0]:
        first, second = (tuple(fields[name] for fields in side) for side in sides)
        if first != second:
            differing[name] = (first, second) if len(mine) > 1 else (first[0], second[0])
    return differing


def is_published(resize: str) -> bool:
    """Tell whether a resize rule is that of a published backbone."""
    return PUBLISHED_RESIZE.fullmatch(str(resize)) is not None


def _canonical_range(text: str) -> str:
    """Return ``full`` or ``LOW:HIGH`` in the one spelling that fingerprints use."""
    if text == FULL_RANGE:
        return text
    try:
        low, high = (float(part) for part in text.split(":"))
        if math.isfinite(low) and math.isfinite(high) and low < high:
            return f"{_canonical_number(low)}:{_canonical_number(high)}"
    except (ValueError, AttributeError):
        pass
    raise ConfigError(
        f"unknown pixel_range {text!r}. Expected full, or LOW:HIGH with two numbers of which the "
        "first is smaller, such as 0:4095"
    )


def _canonical_number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < MAX_PLAIN_INTEGER else repr(value)
