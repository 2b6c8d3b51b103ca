"""How a report was made, and the commands that make it again."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import Any

from ....cache import FeatureStore
from ....cache.views import NO_VIEWS
from ....extractor.extract_command import extract_command
from ...selection.learned.views import view_options
from ..visible import visible
from .lists.findings import WORDS
from .study import Study


def made_section(study: Study, store: FeatureStore, command: str) -> dict[str, Any]:
    """Return how the report was made: spec, data, versions, and the commands that make it again."""
    spec, manifest = study.features.spec, study.features.manifest
    names = ("backbone", "layer", "pool", "image_size", "resize", "preprocess", "precision")
    tag = store.find_parts(study.features.name)[0].record.tag
    facts = [*tag.to_dict().items()]
    for part in spec.parts:
        facts += [(name.replace("_", " "), str(getattr(part, name))) for name in names]
        facts += [("fingerprint", part.fingerprint), ("weights", part.weights_digest)]
    data = [("source", manifest.location), ("data digest", manifest.data_digest)]
    split = study.split
    if split is not None:
        counts = split.to_dict()
        data += [(f"{WORDS[s]} images", f"{counts[s]:,}") for s in ("train", "val", "test")]
        data.append(("split digest", str(counts["digest"])))
    libraries = ("featx", "numpy", "scikit-learn", "bokeh", "jinja2")
    versions = [(name, version(name)) for name in libraries]
    groups = [("Features", facts), ("Data", data), ("Versions", versions)]
    return {
        "version": version("featx"),
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "groups": [
            {"title": title, "facts": [(t, visible(v)) for t, v in part]} for title, part in groups
        ],
        "commands": [visible(line) for line in _commands(study, command)],
    }


def _commands(study: Study, command: str) -> list[str]:
    location = study.features.manifest.location
    winner = study.winner
    views = view_options(NO_VIEWS if winner is None else winner.entry.views)
    lines = [extract_command(location, spec, views) for spec in study.features.spec.parts]
    if winner is not None:
        params = " ".join(f"--param {part}" for part in winner.entry.params.split())
        words = [study.features.name, "--head", winner.entry.head, params, *views]
        lines.append(f"featx fit {' '.join(filter(None, words))}")
    return [*lines, command] if command else lines
