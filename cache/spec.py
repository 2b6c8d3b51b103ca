"""FeatureSpec: all that decides the numbers of a feature, and its fingerprint."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from .errors import CacheFormatError, ConfigError, NewerFormatError
from .suggest import did_you_mean

FORMAT_VERSION = 1
POOLS = ("avg", "max", "grid:2", "flatten", "none")
RESIZES = ("squash", "crop", "pad")
PRECISIONS = ("float32", "bfloat16", "float16")
STORAGES = ("float32", "float16")


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
        How an image of another shape gets there (one of ``RESIZES``).
    interpolation : str
        The resampling filter, always with antialiasing.
    preprocess : str
        How 8-bit RGB becomes the backbone's input.
    background : str
        The colour, ``#rrggbb``, that shows through transparent pixels and fills padding.
    views, views_seed : int
        How many augmented views of each image there are, and the seed they are drawn with.
    precision, storage : str
        Number format of the computation and of the stored rows.
    format_version : int
        Version of this record; another meaning of a field needs another version.

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
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        for field, domain in (
            ("pool", POOLS),
            ("resize", RESIZES),
            ("precision", PRECISIONS),
            ("storage", STORAGES),
        ):
            value = getattr(self, field)
            if value not in domain:
                raise ConfigError(f"unknown {field} {value!r}. {did_you_mean(str(value), domain)}")
        if len(self.image_size) != 2 or min(self.image_size) < 1:
            raise ConfigError(f"image_size is (height, width) in pixels, got {self.image_size}")
        if self.views < 1:
            raise ConfigError(f"views counts from 1, got {self.views}")

    def to_json(self) -> str:
        """Return the canonical JSON: sorted keys, no spaces, ASCII."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"))

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
            version = int(fields["format_version"])
            if version > FORMAT_VERSION:
                raise NewerFormatError(
                    f"the features were written by a newer featx (spec format {version}, this "
                    f"version reads up to {FORMAT_VERSION}): upgrade featx"
                )
            fields["image_size"] = tuple(int(n) for n in fields["image_size"])
            return cls(**fields)
        except CacheFormatError:
            raise
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise CacheFormatError(f"not a feature spec: {error}") from error

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical JSON, hexadecimal."""
        return hashlib.sha256(self.to_json().encode("ascii")).hexdigest()

    def difference(self, other: FeatureSpec) -> dict[str, tuple[Any, Any]]:
        """Return the fields in which two specs differ, as ``{field: (self's, other's)}``."""
        mine, theirs = dataclasses.asdict(self), dataclasses.asdict(other)
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}
