"""A fine-tuned model's file as a backbone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...extractor import FeatureOptions


def of_tuned_backbone(options: FeatureOptions) -> FeatureOptions:
    """Return options with a model file for their backbone as those of the backbone in it.

    Size and resizing are the model's, unless they are given. Others stay as they are.

    Raises
    ------
    ConfigError
        The model was not fine-tuned, or weights are named beside it.
    ModelFileError, WeightsNotFoundError
        The file cannot be read, or a model in files that it was trained from is gone.
    """
    path = Path(options.backbone)
    if path.suffix != ".featx":
        return options
    from ...cache.errors import ConfigError, ModelFileError
    from ...classifiers import load_model
    from ...extractor.backbones import IMAGENET, recall_backbone

    if not path.exists():
        raise ModelFileError(
            f"no model at {path}: --backbone takes a file that `featx finetune` has written"
        )
    model = load_model(path)
    tail = model.tail
    if tail is None:
        names = ", ".join(sorted({part.backbone for part in model.spec.parts}))
        raise ConfigError(f"{path} was not fine-tuned: its backbone is {names} as it was published")
    if options.weights != IMAGENET:
        raise ConfigError(f"the model in {path} brings its own weights: leave --weights out")
    spec = next(part for part in model.spec.parts if part.weights_digest == tail.digest)
    record = recall_backbone(replace(spec, weights_digest=tail.base_digest), IMAGENET)
    return replace(
        options,
        backbone=str(record.path or record.name),
        weights=str(tail.kept()),
        preprocess=options.preprocess or (spec.preprocess if record.path else None),
        image_size=options.image_size or spec.image_size[0],
        resize=options.resize or spec.resize,
    )
