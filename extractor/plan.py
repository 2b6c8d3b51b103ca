"""What an extraction shall compute, decided without loading Keras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..cache import POOLS, PRECISIONS, FeatureSpec
from ..cache.errors import ConfigError
from ..cache.suggest import did_you_mean
from .backbones import (
    DEFAULT_BACKBONE,
    IMAGENET,
    BackboneRecord,
    Weights,
    choose_backbone,
    choose_size,
    find_weights,
    packed_backbone,
    recall_backbone,
)
from .backbones.graphs.describe import GraphChoice
from .backbones.tuned import TailWeights
from .engines import Engine, FeatureOutput, Network, build_engine
from .engines.choose import AUTO
from .engines.packed import PackedNetwork
from .images.geometry import Geometry, canonical_colour
from .images.pixel_range import FULL, RangeChoice, check_pixel_range
from .views.view import ALL_OPS, View, parse_ops

ASKED_FOR = "asked for"
RULE = "precision_rule"
CALIBRATED = "calibration 2"
"""Stands under ``RULE`` in the note of a precision that was decided on the calibration set.

``calibration``, without the number, took bfloat16 only on processors with AMX.
"""


@dataclass(frozen=True, kw_only=True)
class FeatureOptions:
    """What a person chooses of the features.

    Attributes
    ----------
    backbone : str
    weights : str
        ``imagenet``, ``random:SEED``, or the path of a weights file.
    layer : str or None
        None stands for the backbone's last map; of a graph, for the output that holds features.
    pool : str or None
        None stands for the backbone's own, mostly ``avg`` over its last map; for the vector itself
        where a layer gives one.
    image_size : int or None
        Side of the square in pixels; None stands for the backbone's own.
    resize : str or None
        ``squash``, ``crop`` or ``pad``; None stands for the backbone's own: as its files state it,
        else ``squash``.
    precision : str
        ``float32``, ``bfloat16`` or ``float16``; ``auto`` takes a fast one where its drift from
        float32, measured once for the network on this machine, is small enough.
    storage : str
        ``float32`` or ``float16`` rows in the cache.
    preprocess : str or None
        How a model in files wants its pixels where they do not say so: a name, or a file that
        states it. A known backbone has its own.
    background : str
        The colour that shows through transparent pixels and fills padding.
    pixel_range : str
        Which values become black and white in images of more than 8 bits: ``full`` (all that the
        format can hold), ``LOW:HIGH``, or ``auto``, which asks the files and a sample of them.
    view : int
        Which random view of each image the backbone sees; 0 is the image itself.
    view_ops : str
        What a view changes: of ``crop,flip,rotation,brightness``.
    views_seed : int
        That views are drawn with.
    """

    backbone: str = DEFAULT_BACKBONE
    weights: str = IMAGENET
    layer: str | None = None
    pool: str | None = None
    image_size: int | None = None
    resize: str | None = None
    precision: str = AUTO
    storage: str = "float32"
    preprocess: str | None = None
    background: str = "#ffffff"
    pixel_range: str = AUTO
    view: int = 0
    view_ops: str = ALL_OPS
    views_seed: int = 0


@dataclass(frozen=True)
class Plan:
    """One forward pass through a backbone, and the sets of features that are taken from it.

    Attributes
    ----------
    record : BackboneRecord
    weights : Weights
    specs : tuple of FeatureSpec
        They differ in nothing but the layer, the pooling and the storage; views of images have a
        plan each.
    is_open : bool
        Whether the precision is still to be chosen; float32 stands for it till then.
    is_range_open : bool
        Whether the pixel range is still to be chosen by the source; ``full`` stands for it till
        then.
    packed : PackedNetwork or None
        The converted network, where a file brought it.
    notes : tuple of dict
        One for each spec, for its run record: ``precision`` and ``pixel_range`` say why they are
        what they are, ``precision_rule`` by which rule the precision was chosen.
    """

    record: BackboneRecord
    weights: Weights
    specs: tuple[FeatureSpec, ...]
    is_open: bool = False
    is_range_open: bool = False
    notes: tuple[dict[str, Any], ...] = ()
    packed: PackedNetwork | None = None

    @property
    def spec(self) -> FeatureSpec:
        """The first spec."""
        return self.specs[0]

    @property
    def geometry(self) -> Geometry:
        """How images get the size that the backbone sees."""
        height, width = self.spec.image_size
        spec = self.spec
        ops = parse_ops(spec.view_ops) if spec.view else ()
        return Geometry(
            height,
            width,
            spec.resize,
            spec.background,
            spec.pixel_limits,
            spec.interpolation,
            View(spec.view, spec.views_seed, ops) if spec.view else None,
        )

    @property
    def original(self) -> Plan:
        """The plan for the images themselves: views of them take the same forward pass."""
        if not any(spec.view for spec in self.specs):
            return self
        return replace(self, specs=tuple(spec.original for spec in self.specs))

    @property
    def network(self) -> Network:
        """The function from pixels to one vector for each spec."""
        outputs = tuple(FeatureOutput(spec.layer, spec.pool) for spec in self.specs)
        return Network(self.record, self.weights, outputs, self.spec.image_size, self.packed)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know of the backbone before its features are used."""
        return tuple(f"{self.record.name}: {remark}" for remark in self.record.remarks)

    @property
    def noted_specs(self) -> list[tuple[FeatureSpec, dict[str, Any]]]:
        """Each spec with its note."""
        return list(zip(self.specs, self.notes or ({},) * len(self.specs), strict=True))

    def with_precision(self, precision: str, why: str = ASKED_FOR, rule: str = "") -> Plan:
        """Return this plan with its precision chosen, and the reason and the rule noted."""
        note = {"precision": f"{precision}: {why}", **({RULE: rule} if rule else {})}
        specs = tuple(replace(spec, precision=precision) for spec in self.specs)
        return replace(self, specs=specs, is_open=False, notes=self._noting(note))

    def with_pixel_range(self, choice: RangeChoice) -> Plan:
        """Return this plan with its pixel range chosen where it is open, and the reason noted."""
        if not self.is_range_open:
            return self
        specs = tuple(replace(spec, pixel_range=choice.pixel_range) for spec in self.specs)
        notes = self._noting({"pixel_range": choice.note} if choice.note else {})
        return replace(self, specs=specs, is_range_open=False, notes=notes)

    def _noting(self, note: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        return tuple({**earlier, **note} for _, earlier in self.noted_specs)

    def build_engine(self, batch_size: int, engine: str = AUTO) -> Engine:
        """Build what runs this plan, in exactly its precision."""
        return build_engine(self.network, self.spec.precision, engine, batch_size)


def merge_plans(plans: Sequence[Plan]) -> list[Plan]:
    """Join the plans that one forward pass can serve, in the order of their first; drop repeats."""
    groups: dict[tuple[object, ...], list[Plan]] = {}
    for plan in plans:
        spec = plan.spec
        key = (spec.backbone, spec.weights_digest, plan.geometry, spec.precision, spec.preprocess)
        groups.setdefault((*key, plan.is_open), []).append(plan)
    return [_merged(group) for group in groups.values()]


def _merged(plans: Sequence[Plan]) -> Plan:
    noted = {spec: note for plan in plans for spec, note in plan.noted_specs}
    weights = [plan.weights for plan in plans]
    return replace(
        plans[0],
        # Weights with the top serve the layers below it as well.
        weights=next((w for w in weights if w.include_top), weights[0]),
        specs=tuple(noted),
        notes=tuple(noted.values()),
    )


def make_plan(options: FeatureOptions) -> Plan:
    """Turn options into a plan with its FeatureSpec.

    Raises
    ------
    UnknownBackboneError, WeightsNotFoundError, WeightsMismatchError, ConfigError
        An option names something that does not exist or cannot be used.
    """
    graph_choice = GraphChoice(options.layer, options.image_size)
    record = choose_backbone(options.backbone, options.preprocess, graph_choice)
    layer = record.layer if record.graph else options.layer or record.layer
    size = choose_size(record, layer, options.image_size)
    pool = options.pool or (record.pool if layer == record.layer else "avg")
    resize, interpolation = options.resize or record.resize, "bicubic"
    if resize == record.resize:
        interpolation = record.interpolation
    if pool not in POOLS:
        raise ConfigError(f"unknown pool {pool!r}. {did_you_mean(pool, POOLS)}")
    if options.precision not in (AUTO, *PRECISIONS):
        close = did_you_mean(options.precision, (AUTO, *PRECISIONS))
        raise ConfigError(f"unknown precision {options.precision!r}. {close}")
    is_open = options.precision == AUTO
    pixel_range = check_pixel_range(options.pixel_range)
    is_range_open = pixel_range == AUTO
    weights = find_weights(record, options.weights, layer in record.top_layers)
    spec = FeatureSpec(
        backbone=record.name,
        weights_digest=weights.digest,
        layer=layer,
        pool=pool,
        image_size=size,
        resize=resize,
        interpolation=interpolation,
        background=canonical_colour(options.background),
        preprocess=record.preprocess,
        precision="float32" if is_open else options.precision,
        storage=options.storage,
        view=options.view,
        view_ops=",".join(parse_ops(options.view_ops)) if options.view else "",
        views_seed=options.views_seed if options.view else 0,
        pixel_range=FULL if is_range_open else pixel_range,
    )
    plan = Plan(record, weights, (spec,), is_open, is_range_open)
    return plan if is_open else plan.with_precision(spec.precision)


def plan_for(
    spec: FeatureSpec,
    weights: str,
    tail: TailWeights | None = None,
    packed: PackedNetwork | None = None,
) -> Plan:
    """Return the plan that computes ``spec`` with the weights of this machine.

    Its spec differs from the one given where the weights do; who needs equality compares them.

    Parameters
    ----------
    spec : FeatureSpec
    weights : str
        Where to find the weights on this machine, as in ``FeatureOptions``.
    tail : TailWeights, optional
        Of a fine-tuned backbone; ``weights`` says where those are that it was trained from. By
        default those that this machine has run, where ``spec`` is of such a backbone.
    packed : PackedNetwork, optional
        The converted network: with it the weights need not be here, and nobody looks for them where
        ``weights`` is ``imagenet``.

    Raises
    ------
    WeightsNotFoundError, UnknownBackboneError
        This machine does not have what the spec needs.
    """
    tail = tail or TailWeights.recall(spec)
    base = spec if tail is None else replace(spec, weights_digest=tail.base_digest)
    if packed is not None and weights == IMAGENET:
        record = packed_backbone(base, packed.format)
        kept = tail.kept() if tail is not None else None
        absent = Weights(None, None, spec.weights_digest, spec.layer in record.top_layers, kept)
        return Plan(record, absent, (spec,), packed=packed).with_precision(spec.precision)
    record = recall_backbone(base, weights)
    choice = weights if record.path is None else IMAGENET
    found = find_weights(record, choice, spec.layer in record.top_layers)
    if tail is not None and found.digest == tail.base_digest:
        found = found.with_tail(tail)
    here = replace(spec, weights_digest=found.digest)
    usable = packed if found.digest == spec.weights_digest else None
    return Plan(record, found, (here,), packed=usable).with_precision(spec.precision)
