"""Views: an image itself and random variants of it, as a person asks for them."""

from __future__ import annotations

from dataclasses import dataclass

from ...cache.errors import ConfigError
from ...cache.views import DrawnViews
from .view import ALL_OPS, parse_ops


@dataclass(frozen=True)
class Views(DrawnViews):
    """How many views of each image are taken.

    Attributes
    ----------
    n : int
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

    n: int = 1
    ops: str = ALL_OPS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigError(f"views counts from 1, the image itself; got {self.n}")
        object.__setattr__(self, "ops", ",".join(parse_ops(self.ops)))


ITSELF = Views()
"""The image alone."""
