"""Plans that one forward pass serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..backbones import Weights
from ..engines import Engine, Network, build_engine
from ..images.geometry import Geometry
from ..plan import Plan


@dataclass(frozen=True)
class Group:
    """Plans that differ in nothing but the layer, the pooling and the storage.

    Attributes
    ----------
    plans : tuple of Plan
    members : tuple of int
        Their places among all plans of the run.
    """

    plans: tuple[Plan, ...]
    members: tuple[int, ...]

    @property
    def precision(self) -> str:
        """Number format of the computation."""
        return self.plans[0].spec.precision

    @property
    def geometry(self) -> Geometry:
        """How images get their size."""
        return self.plans[0].geometry

    @property
    def network(self) -> Network:
        """The function from pixels to all their vectors."""
        first = self.plans[0]
        weights: Weights = next((p.weights for p in self.plans if p.weights.include_top), None) or (
            first.weights
        )
        outputs = tuple(plan.output for plan in self.plans)
        return Network(first.record, weights, outputs, first.spec.image_size)

    def build_engine(self, engine: str, batch_size: int) -> Engine:
        """Build what runs all plans at once."""
        return build_engine(self.network, self.precision, engine, batch_size)


def group_plans(plans: Sequence[Plan]) -> list[Group]:
    """Bring together the plans that one forward pass can serve, in order of their first."""
    found: dict[tuple[object, ...], list[int]] = {}
    for place, plan in enumerate(plans):
        spec = plan.spec
        key = (spec.backbone, spec.weights_digest, plan.geometry, spec.precision, spec.preprocess)
        found.setdefault(key, []).append(place)
    return [Group(tuple(plans[i] for i in places), tuple(places)) for places in found.values()]
