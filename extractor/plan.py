"""What an extraction shall compute, decided without loading Keras."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..cache import POOLS, FeatureSpec
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
    recall_backbone,
)
from .engines import PRECISIONS, Engine, FeatureOutput, Network, build_engine
from .engines.choose import AUTO
from .images.geometry import Geometry, canonical_colour


@dataclass(frozen=True, kw_only=True)
class FeatureOptions:
    """What a person chooses of the features.

    Attributes
    ----------
    backbone : str
    weights : str
        ``imagenet``, ``random:SEED``, or the path of a weights file.
    layer : str or None
        None stands for the backbone's last map.
    pool : str or None
        None stands for ``avg`` on maps, and for the vector itself elsewhere.
    image_size : int or None
        Side of the square in pixels; None stands for the backbone's own.
    resize : str
        ``squash``, ``crop`` or ``pad``.
    precision : str
        ``float32``, ``bfloat16`` or ``float16``; ``auto`` takes a fast one where its measured drift
        from float32 is small enough.
    storage : str
        ``float32`` or ``float16`` rows in the cache.
    preprocess : str or None
        How a model file wants its pixels; a known backbone has its own.
    background : str
        The colour that shows through transparent pixels and fills padding.
    """

    backbone: str = DEFAULT_BACKBONE
    weights: str = IMAGENET
    layer: str | None = None
    pool: str | None = None
    image_size: int | None = None
    resize: str = "squash"
    precision: str = AUTO
    storage: str = "float32"
    preprocess: str | None = None
    background: str = "#ffffff"


@dataclass(frozen=True)
class Plan:
    """One backbone with its weights and the features to be taken from it.

    Attributes
    ----------
    record : BackboneRecord
    weights : Weights
    output : FeatureOutput
    spec : FeatureSpec
    is_open : bool
        Whether the precision is still to be settled by measuring; float32 stands for it till then.
    """

    record: BackboneRecord
    weights: Weights
    output: FeatureOutput
    spec: FeatureSpec
    is_open: bool = False

    @property
    def geometry(self) -> Geometry:
        """How images get the size that the backbone sees."""
        height, width = self.spec.image_size
        return Geometry(height, width, self.spec.resize, self.spec.background)

    @property
    def network(self) -> Network:
        """The function from pixels to these features."""
        return Network(self.record, self.weights, (self.output,), self.spec.image_size)

    def with_precision(self, precision: str) -> Plan:
        """Return this plan with its precision settled."""
        return replace(self, spec=replace(self.spec, precision=precision), is_open=False)

    def build_engine(self, batch_size: int, engine: str = AUTO) -> Engine:
        """Build what runs this plan, in exactly its precision."""
        return build_engine(self.network, self.spec.precision, engine, batch_size)


def make_plan(options: FeatureOptions) -> Plan:
    """Turn options into a plan with its FeatureSpec.

    Raises
    ------
    UnknownBackboneError, WeightsNotFoundError, WeightsMismatchError, ConfigError
        An option names something that does not exist or cannot be used.
    """
    record = choose_backbone(options.backbone, options.preprocess)
    layer = options.layer or record.layer
    size = choose_size(record, layer, options.image_size)
    pool = options.pool or "avg"
    if pool not in POOLS:
        raise ConfigError(f"unknown pool {pool!r}. {did_you_mean(pool, POOLS)}")
    if options.precision not in PRECISIONS:
        close = did_you_mean(options.precision, PRECISIONS)
        raise ConfigError(f"unknown precision {options.precision!r}. {close}")
    is_open = options.precision == AUTO
    weights = find_weights(record, options.weights, layer in record.top_layers)
    spec = FeatureSpec(
        backbone=record.name,
        weights_digest=weights.digest,
        layer=layer,
        pool=pool,
        image_size=size,
        resize=options.resize,
        background=canonical_colour(options.background),
        preprocess=record.preprocess,
        precision="float32" if is_open else options.precision,
        storage=options.storage,
    )
    return Plan(record, weights, FeatureOutput(layer, pool), spec, is_open)


def plan_for(spec: FeatureSpec, weights: str) -> Plan:
    """Return the plan that computes ``spec`` with the weights of this machine.

    Its spec differs from the one given where the weights do; who needs equality compares them.

    Parameters
    ----------
    spec : FeatureSpec
    weights : str
        Where to find the weights on this machine, as in ``FeatureOptions``.

    Raises
    ------
    WeightsNotFoundError, UnknownBackboneError
        This machine does not have what the spec needs.
    """
    record = recall_backbone(spec.backbone, spec.preprocess, weights)
    choice = weights if record.path is None else IMAGENET
    found = find_weights(record, choice, spec.layer in record.top_layers)
    here = replace(spec, weights_digest=found.digest)
    return Plan(record, found, FeatureOutput(spec.layer, spec.pool), here)
