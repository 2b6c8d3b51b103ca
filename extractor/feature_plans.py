"""FeaturePlans: what computes features again, those of one set or of several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..cache import AnySpec, FeatureSpec, joined
from ..cache.errors import BackboneError, ConfigError
from .backbones import IMAGENET
from .backbones.tuned import TailWeights
from .engines import run_rows
from .engines.packed import PackedNetwork
from .images.geometry import Geometry
from .plan import Plan, merge_plans, plan_for
from .views.views import Views


@dataclass(frozen=True)
class FeaturePlans:
    """The forward passes that compute features, and the order of their columns.

    Attributes
    ----------
    plans : tuple of Plan
        One for each forward pass; sets of one backbone at one size share it.
    specs : tuple of FeatureSpec
        Of all plans, in the order of the columns.
    """

    plans: tuple[Plan, ...]
    specs: tuple[FeatureSpec, ...]

    @property
    def spec(self) -> AnySpec:
        """What is computed here; it differs from what was asked for where the weights do."""
        return joined(self.specs)

    @property
    def name(self) -> str:
        """The backbones, for people."""
        return "+".join(dict.fromkeys(plan.record.name for plan in self.plans))

    @property
    def geometries(self) -> list[Geometry]:
        """How images get the size that each plan takes."""
        return [plan.geometry for plan in self.plans]

    @property
    def only_plan(self) -> Plan:
        """The one plan.

        Raises
        ------
        ConfigError
            There are several sets of features.
        """
        return self.plans[self.specs.index(self.spec.single)]

    def as_fed(self) -> AnySpec:
        """Return the spec with the preprocessing that the backbones get from this featx."""
        fed = {s: p.record.preprocess for p in self.plans for s in p.specs}
        return joined([replace(spec, preprocess=fed[spec]) for spec in self.specs])

    def with_precision(self, precision: str) -> FeaturePlans:
        """Return these plans in another precision."""
        return FeaturePlans(
            tuple(plan.with_precision(precision) for plan in self.plans),
            tuple(replace(spec, precision=precision) for spec in self.specs),
        )

    def with_views(self, views: Views) -> FeaturePlans:
        """Return plans for the images and for random views of them: the columns of each view.

        The columns of these plans stand first, then those of the first random view, and so on.
        """
        plans = [list(zip(*map(views.specs_of, plan.specs), strict=True)) for plan in self.plans]
        return FeaturePlans(
            tuple(
                replace(plan, specs=specs)
                for of_view in zip(*plans, strict=True)
                for plan, specs in zip(self.plans, of_view, strict=True)
            ),
            tuple(s for view in zip(*map(views.specs_of, self.specs), strict=True) for s in view),
        )

    def compute(self, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the features of images ``(n, d)``, rounded as they are stored.

        Parameters
        ----------
        pixels : sequence of ndarray of uint8, each (n, height, width, 3)
            The same images at the size of each plan.
        """
        columns: dict[FeatureSpec, NDArray[np.float32]] = {}
        for plan, images in zip(self.plans, pixels, strict=True):
            outputs = run_rows(plan.build_engine(len(images)), images)
            for spec, X in zip(plan.specs, outputs, strict=True):
                columns[spec] = X.astype(spec.storage).astype(np.float32)
        return np.hstack([columns[spec] for spec in self.specs])


def plans_for(
    spec: AnySpec,
    weights: str,
    tail: TailWeights | None = None,
    packed: PackedNetwork | None = None,
) -> FeaturePlans:
    """Return what computes ``spec`` with the weights of this machine.

    Parameters
    ----------
    spec : FeatureSpec or JoinedSpec
    weights, tail, packed
        See ``plan_for``. Of joined features, sets that were not made with ``weights`` are computed
        with ImageNet's, and ``tail`` is of those that were made with it.

    Raises
    ------
    WeightsNotFoundError, UnknownBackboneError
        This machine does not have what the spec needs.
    """
    if isinstance(spec, FeatureSpec):
        plan = plan_for(spec, weights, tail, packed)
        return FeaturePlans((plan,), plan.specs)
    plans = [_plan_of_part(part, weights, tail) for part in spec.parts]
    return FeaturePlans(tuple(merge_plans(plans)), tuple(plan.spec for plan in plans))


def _plan_of_part(spec: FeatureSpec, weights: str, tail: TailWeights | None) -> Plan:
    own = tail if tail is not None and tail.digest == spec.weights_digest else None
    if weights != IMAGENET:
        with suppress(BackboneError, ConfigError):  # they are those of another set
            plan = plan_for(spec, weights, own)
            if plan.spec == spec:
                return plan
    return plan_for(spec, IMAGENET, own)
