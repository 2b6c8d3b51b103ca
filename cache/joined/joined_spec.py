"""JoinedSpec: the specs of several sets whose columns stand side by side."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import CacheFormatError, ConfigError
from ..spec import FeatureSpec, differing_fields

JOINED = "joined"
"""The only key in the JSON of a joined spec; its value lists the specs in order of the columns."""

MAX_SETS = 12


@dataclass(frozen=True)
class JoinedSpec:
    """All that decides the numbers of features of several sets side by side.

    It answers as a FeatureSpec does, as far as both have an answer.

    Attributes
    ----------
    parts : tuple of FeatureSpec
        In the order of the columns; two or more, no two of them equal.

    Raises
    ------
    ConfigError
        There are too few or too many specs, or one of them stands there twice.
    """

    parts: tuple[FeatureSpec, ...]

    def __post_init__(self) -> None:
        if not 2 <= len(self.parts) <= MAX_SETS:
            raise ConfigError(
                f"expected 2 to {MAX_SETS} sets of features to join, got {len(self.parts)}"
            )
        twice = next((part for part in self.parts if self.parts.count(part) > 1), None)
        if twice is not None:
            raise ConfigError(
                f"the features {twice.describe()} ({twice.digits}) are named twice: a set is "
                "joined with others, not with itself"
            )

    @property
    def single(self) -> FeatureSpec:
        """The spec of the only set; raises ConfigError: there are several."""
        raise ConfigError(
            f"this takes the features of one set, and these are of {len(self.parts)} side by side: "
            f"{self.describe()}"
        )

    @property
    def backbone(self) -> str:
        """The backbones, each once, with ``+`` between them."""
        return "+".join(dict.fromkeys(part.backbone for part in self.parts))

    @property
    def layer(self) -> str:
        """The layers, with ``+`` between them."""
        return "+".join(part.layer for part in self.parts)

    @property
    def storage(self) -> str:
        """Number format of joined rows: float16 where all sets have it, else float32."""
        formats = {part.storage for part in self.parts}
        return formats.pop() if len(formats) == 1 else "float32"

    @property
    def precision(self) -> str:
        """Number format of the computation, or several with ``+`` between them."""
        return "+".join(dict.fromkeys(part.precision for part in self.parts))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the JSON, hexadecimal."""
        return hashlib.sha256(self.to_json().encode("ascii")).hexdigest()

    @property
    def digits(self) -> str:
        """The beginnings of the fingerprints, as they stand in a name of features."""
        return "+".join(part.digits for part in self.parts)

    def describe(self) -> str:
        """Return backbones, layers, pooling, sizes and precisions, for people."""
        return "; ".join(part.describe() for part in self.parts)

    def to_json(self) -> str:
        """Return the canonical JSON: one object with the list of the specs."""
        return f'{{"{JOINED}":[{",".join(part.to_json() for part in self.parts)}]}}'

    def difference(self, other: AnySpec) -> dict[str, tuple[Any, Any]]:
        """Return the fields in which two specs differ, as ``{field: (self's, other's)}``."""
        return differing_fields(self.parts, other.parts)


AnySpec = FeatureSpec | JoinedSpec


def joined(specs: Sequence[FeatureSpec]) -> AnySpec:
    """Return one spec as it is, several as a JoinedSpec."""
    return specs[0] if len(specs) == 1 else JoinedSpec(tuple(specs))


def spec_from_json(text: str) -> AnySpec:
    """Read a FeatureSpec or a JoinedSpec.

    Raises
    ------
    CacheFormatError
        The text is neither, or one of a newer format.
    """
    try:
        fields = json.loads(text)
        parts = fields[JOINED] if isinstance(fields, dict) and JOINED in fields else None
        if parts is None:
            return FeatureSpec.from_json(text)
        return JoinedSpec(tuple(FeatureSpec.from_json(json.dumps(part)) for part in parts))
    except CacheFormatError:
        raise
    except (ValueError, TypeError, ConfigError) as error:
        raise CacheFormatError(f"not a feature spec: {error}") from error
