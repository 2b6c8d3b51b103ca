"""Views: how many random views of each image stand beside it, and how they were drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from .errors import CacheFormatError
from .joined.joined_spec import AnySpec
from .spec import FeatureSpec


@dataclass(frozen=True)
class DrawnViews:
    """How many views of each image there are, and how they were drawn.

    Attributes
    ----------
    n : int
        With the image itself; 1 stands for no views.
    ops : str
        What a view changes, as ``crop,flip``.
    seed : int
        That the views were drawn with.
    """

    n: int = 1
    ops: str = ""
    seed: int = 0

    @classmethod
    def of(cls, specs: Sequence[AnySpec]) -> Self:
        """Return what the specs of all views but that of the images themselves say."""
        if not specs:
            return cls()
        first = specs[0].parts[0]
        return cls(1 + len(specs), first.view_ops, first.views_seed)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Rebuild what ``to_dict`` gives; raises CacheFormatError where it is something else."""
        if not fields:
            return cls()
        try:
            return cls(int(fields["n"]), str(fields["ops"]), int(fields["seed"]))
        except (TypeError, KeyError, ValueError) as error:
            raise CacheFormatError(f"not a number and kind of views: {fields!r}") from error

    def specs_of(self, spec: FeatureSpec) -> tuple[FeatureSpec, ...]:
        """Return the spec of the images themselves, then that of each random view."""
        return (
            spec,
            *(
                replace(spec, view=number, view_ops=self.ops, views_seed=self.seed)
                for number in range(1, self.n)
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types; empty where there are no views."""
        return asdict(self) if self.n > 1 else {}

    def describe(self) -> str:
        """Return number, operations and seed, for people; empty where there are no views."""
        return f"{self.n} views ({self.ops}; seed {self.seed})" if self.n > 1 else ""


NO_VIEWS = DrawnViews()
