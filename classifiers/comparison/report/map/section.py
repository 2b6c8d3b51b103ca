"""The section of the map on the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...visible import visible
from ..lists.findings import split_words
from ..study import Study
from .plot import make_plot


def map_section(
    study: Study,
    points: NDArray[np.int64],
    layouts: Sequence[NDArray[np.float32]],
    titles: Sequence[str],
) -> dict[str, Any]:
    """Return the section of the map: its lead, its plot, and the middle of each class."""
    plot = make_plot()
    shown = f"{len(points):,} images"
    if len(points) < len(study.features):
        shown = f"A stratified sample of {len(points):,} of {len(study.features):,} images"
    colours = [("label", "class"), ("predicted", "prediction"), ("error", "right or wrong")]
    if study.winner is None:
        colours = colours[:1]
    judged = ""
    everywhere = study.winner_everywhere
    if everywhere is not None:
        splits = split_words(everywhere.splits)
        judged = f" Predictions are those of the winner for {splits} images."
    return {
        "lead": f"{shown}; near ones look alike to the network.{judged} Move the pointer over "
        "a point, or tap it, to see its image; drag to move, and zoom with the buttons or the "
        "wheel tool.",
        "label": f"Scatter of {len(points):,} images by their features; the table below has "
        "the middle of each class.",
        "layouts": titles,
        "colours": colours,
        "table": _class_table(study, points, layouts[0]),
        "library": plot.library,
        "div": plot.div,
        "script": plot.script,
    }


def _class_table(
    study: Study, points: NDArray[np.int64], layout: NDArray[np.float32]
) -> list[dict[str, str]]:
    """Return a row for each class: images, judged, right, and where its middle lies."""
    y, winner = study.features.y[points], study.winner_everywhere
    rows = []
    for label, name in enumerate(study.features.class_names):
        at = y == label
        judged = winner.y == label if winner is not None else np.zeros(0, np.bool_)
        right = (winner.predicted == winner.y)[judged] if winner is not None else judged
        middle = layout[at].mean(axis=0) if at.any() else (0.0, 0.0)
        rows.append(
            {
                "name": visible(name),
                "n": f"{at.sum():,}",
                "judged": f"{judged.sum():,}",
                "right": f"{right.mean():.1%}" if judged.any() else "–",
                "middle": f"{middle[0]:.2f}, {middle[1]:.2f}",
            }
        )
    return rows
