"""Short names of sets of features: what tells them apart."""

from __future__ import annotations

from collections.abc import Mapping

from ...cache import AnySpec, FeatureSpec
from ...cache.joined.names import PLUS

FINGERPRINT_DIGITS = 8
SHOWN_SETS = 2


def feature_labels(specs: Mapping[str, AnySpec]) -> dict[str, str]:
    """Return a label for each set of features, by its name ``source@fingerprint``.

    It holds the backbone, and of source, layer, size, precision and all else what differs. Where
    joined features are among them, a backbone that all have is left out: the names are long.

    Parameters
    ----------
    specs : mapping of str to FeatureSpec or JoinedSpec
    """
    facts = {name: _facts(name, spec) for name, spec in specs.items()}
    first = next(iter(facts.values()), {})
    differing = [key for key in first if len({one[key] for one in facts.values()}) > 1]
    is_short = len(differing) > 0 and any(len(spec.parts) > 1 for spec in specs.values())
    shown = [key for key in first if key in differing or (key == "backbone" and not is_short)]
    labels = {name: " ".join(one[key] for key in shown) for name, one in facts.items()}
    if len(set(labels.values())) == len(labels):
        return labels
    prints = {name: spec.fingerprint[:FINGERPRINT_DIGITS] for name, spec in specs.items()}
    return {name: f"{label} {prints[name]}" for name, label in labels.items()}


def _facts(name: str, spec: AnySpec) -> dict[str, str]:
    facts = [_facts_of_set(part) for part in spec.parts]
    shown = {key: PLUS.join(dict.fromkeys(one[key] for one in facts)) for key in facts[0]}
    if len(facts) > SHOWN_SETS:
        shown["layer"] = f"{facts[0]['layer']}+{len(facts) - 1} more"
    return {"source": name.rpartition("@")[0], **shown}


def _facts_of_set(spec: FeatureSpec) -> dict[str, str]:
    height, width = spec.image_size
    return {
        "backbone": spec.backbone,
        "layer": spec.layer,
        "pool": spec.pool,
        "size": f"{width}×{height}",
        "precision": spec.precision,
        "resize": spec.resize,
        "views": f"{spec.views} view{'s' * (spec.views > 1)}",
        "preprocess": spec.preprocess,
    }
