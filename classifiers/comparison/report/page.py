"""The page: templates filled with sections, data for its scripts, and nothing from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..visible import visible
from .album import Album
from .lists.findings import FindingList
from .map.plot import OUTCOMES, PALETTE
from .study import Answers, Study
from .template import fill, read

SIGNATURE = "<!doctype html>\n<!-- featx report -->"


def render(context: dict[str, Any]) -> str:
    """Return the page as text."""
    scripts = read("page.js") + read("map.js")
    return fill(__package__, "page.html.j2", {**context, "js": scripts})


def page_data(
    study: Study,
    album: Album,
    lists: Sequence[FindingList],
    board_csv: list[tuple[Any, ...]],
    matrices: Sequence[dict[str, Any]],
    map_data: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return what the scripts read: ids, answers, thumbnails, rows of CSV files, points."""
    csv = {one.id: [one.header, *one.rows] for one in lists if one.header}
    samples = list(album.cells)
    return {
        "ids": [visible(sample_id) for sample_id in study.features.manifest.sample_ids],
        "class_names": [visible(name) for name in study.features.class_names],
        "album": {
            "columns": album.columns,
            "samples": samples,
            "sheet": [album.cells[sample][0] for sample in samples],
            "cell": [album.cells[sample][1] for sample in samples],
        },
        "models": [
            _model_data(answers, matrix)
            for answers, matrix in zip(study.answers, matrices, strict=True)
        ],
        "csv": {"leaderboard": board_csv, **csv},
        "map": map_data,
    }


def _model_data(answers: Answers, matrix: dict[str, Any]) -> dict[str, Any]:
    return {
        "samples": answers.samples.tolist(),
        "y": answers.y.tolist(),
        "predicted": answers.predicted.tolist(),
        "probability": np.round(answers.confidence.astype(float), 4).tolist(),
        "shown": matrix["shown"],
    }


def map_data(
    study: Study,
    rows: NDArray[np.int64],
    layouts: Sequence[NDArray[np.float32]],
    answers: Answers | None,
) -> dict[str, Any]:
    """Return the points of the map as base64 of plain numbers, in the order of ``rows``.

    Parameters
    ----------
    study : Study
    rows : ndarray of int64
        Rows of the features.
    layouts : sequence of ndarray, each of shape (n_rows, 2)
    answers : Answers or None
        The winner's; other samples count as not judged.
    """
    samples = study.features.kept[rows]
    predicted = np.full(len(study.features.manifest), -1, np.int32)
    probability = np.zeros(len(predicted), np.float32)
    if answers is not None:
        predicted[answers.samples] = answers.predicted
        probability[answers.samples] = answers.confidence
    return {
        "samples": _packed(samples, "<i4"),
        "labels": _packed(study.features.y[rows], "<i4"),
        "predicted": _packed(predicted[samples], "<i4"),
        "probability": _packed(probability[samples], "<f4"),
        "layouts": [[_packed(xy[:, axis], "<f4") for axis in (0, 1)] for xy in layouts],
        "palette": [*PALETTE, *OUTCOMES],
    }


def _packed(values: NDArray[Any], dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype).tobytes()).decode("ascii")
