"""Views: an image itself and random variants of it, as a person asks for them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from ...cache import FeatureSpec
from ...cache.errors import ConfigError
from .view import ALL_OPS, parse_ops


@dataclass(frozen=True)
class Views:
    """How many views of each image are taken.

    Attributes
    ----------
    number : int
        With the image itself: 1 is the image alone.
    ops : str
        What a random view changes: of ``crop,flip,rotation,brightness``.
    seed : int
        That the views are drawn with.

    Raises
    ------
    ConfigError
        The number is below 1, or ``ops`` names something else.
    """

    number: int = 1
    ops: str = ALL_OPS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ConfigError(f"views counts from 1, the image itself; got {self.number}")
        object.__setattr__(self, "ops", ",".join(parse_ops(self.ops)))

    @property
    def are_random(self) -> bool:
        """Whether there are other views than the image itself."""
        return self.number > 1

    def of(self, spec: FeatureSpec) -> tuple[FeatureSpec, ...]:
        """Return the spec of the images themselves, then that of each random view."""
        views = range(1, self.number)
        return (
            spec,
            *(replace(spec, view=n, view_ops=self.ops, views_seed=self.seed) for n in views),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; nothing for the image alone."""
        return asdict(self) if self.are_random else {}

    def describe(self) -> str:
        """Say which views these are, for people; empty for the image alone."""
        if not self.are_random:
            return ""
        return f"{self.number} views ({self.ops}; seed {self.seed})"

    def options(self) -> str:
        """Return the options of ``featx extract`` that compute these views."""
        ops = "" if self.ops == ALL_OPS else f" --view-ops {self.ops}"
        return f"--views {self.number}{ops}{f' --views-seed {self.seed}' if self.seed else ''}"


ITSELF = Views()
"""The image alone."""
