"""The leaderboard of a sweep as it is drawn, and as CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from selection_shared import make_features, three_classes

from featx.cache import FeatureStore
from featx.classifiers.selection.grid import Family
from featx.classifiers.selection.metrics import METRICS
from featx.classifiers.selection.sweep import SweepReport, sweep
from featx.classifiers.selection.sweep_options import SweepOptions
from featx.commands.models.leaderboard import (
    draw_leaderboard,
    is_leaderboard,
    leaderboard_data,
    write_csv,
)

FAMILIES = (
    Family("logreg", ({"C": 1.0, "max_iter": 1}, {"C": 0.1, "class_weight": {9: 2.0}})),
    Family("ridge", ({"alpha": 100000.0}, {"alpha": 1.0})),
)


def drawn(report: SweepReport, width: int = 80) -> list[str]:
    file = io.StringIO()
    draw_leaderboard(Console(file=file, width=width, soft_wrap=True), report, Path("model.featx"))
    return file.getvalue().splitlines()


def swept(root: Path, metric: str = "auto") -> SweepReport:
    options = SweepOptions(FAMILIES, metric)
    return sweep([three_classes(root, noise=2.0)], options, FeatureStore(root))


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "log_loss"])
def test_the_table_has_one_line_a_row_on_80_columns(tmp_path: Path, metric: str) -> None:
    lines = drawn(swept(tmp_path, metric))
    assert [line.split()[0] for line in lines[1:4]] == ["1", "2", "3"]
    assert lines[4].split()[:2] == ["baseline", "always"]
    assert all(len(line) <= 80 for line in lines[:5])
    assert metric in lines[0] and "fit s" in lines[0]
    assert "rows/s" in drawn(swept(tmp_path, metric), 120)[0]


def test_what_did_not_converge_or_was_not_fitted_is_said(tmp_path: Path) -> None:
    text = drawn(swept(tmp_path))
    assert any(line.split()[1] == "logreg*" for line in text[1:4])
    assert any(line.startswith("* logreg did not converge within max_iter=1") for line in text)
    assert any(line.startswith("Not fitted: logreg C=0.1 class_weight=9:2: ") for line in text)
    data = leaderboard_data(swept(tmp_path), Path("model.featx"))
    converged = {
        c["measured"]["scores"]["head"]: c["measured"]["converged"] for c in data["leaderboard"]
    }
    assert converged == {"logreg": False, "ridge": True}
    assert data["not_fitted"][0]["configuration"].startswith("logreg C=0.1")
    assert data["higher_is_better"] and data["baseline"]["params"]["class"] in "abc"


def test_a_winner_that_is_no_better_than_the_baseline_is_said_to_be_none(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).permutation([0] * 190 + [1] * 10)
    X = np.random.default_rng(1).normal(size=(200, 32))
    features = make_features(tmp_path, labels, X=X)
    options = SweepOptions((Family("knn", ({"n_neighbors": 20},)),), "accuracy")
    text = drawn(sweep([features], options, FeatureStore(tmp_path)))
    assert "The winner is no better than always saying 'a', by accuracy." in text


def test_several_sets_are_told_apart_in_one_line_a_row(tmp_path: Path) -> None:
    sets = [three_classes(tmp_path, backbone=name) for name in ("resnet50", "efficientnet_lite0")]
    report = sweep(sets, SweepOptions(FAMILIES[1:]), FeatureStore(tmp_path))
    lines = drawn(report)
    assert "features" in lines[0] and all(len(line) <= 80 for line in lines[:6])
    assert {word for line in lines[1:5] for word in line.split()} >= {
        "resnet50",
        "efficientnet_lite0",
    }


def test_csv_has_the_columns_of_before_and_further_metrics_behind(tmp_path: Path) -> None:
    path = tmp_path / "board.csv"
    report = swept(tmp_path)
    write_csv(path, report)
    assert is_leaderboard(path)
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    first = "features head parameters accuracy f1 auc low high fit_seconds model_bytes"
    assert header[:11] == [*first.split(), "rows_per_second"]
    rarest = {"rarest_class", "rarest_rows", "rarest_recall"}
    assert set(header[11:]) == (set(METRICS) - {"accuracy", "f1", "auc"}) | rarest
    assert len(rows) == 3 and float(rows[0][3]) == report.candidates[0].value("accuracy")
