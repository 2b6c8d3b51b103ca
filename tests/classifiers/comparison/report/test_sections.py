"""The sections of the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from selection_shared import make_features

from featx.cache import Scores
from featx.classifiers.comparison.report.board import board_csv, board_section
from featx.classifiers.comparison.report.sections import (
    MAX_MATRIX,
    confusion_section,
    epoch_charts,
)
from featx.classifiers.comparison.report.study import Answers, Study, StudyModel
from featx.classifiers.comparison.report.verdict import cards
from featx.classifiers.selection.metrics import always
from featx.classifiers.selection.splitting.splits import split_features


def entry(name: str, accuracy: float, **fields: object) -> StudyModel:
    metrics = {"accuracy": accuracy, "f1": accuracy}
    interval = {"accuracy": (accuracy - 0.05, accuracy + 0.05)}
    scores = {"val": Scores(name, "val", {}, 60, metrics, interval)}
    return StudyModel(name, name, "", "m@1", "b", scores, **fields)  # type: ignore[arg-type]


def study(root: Path, n_classes: int, *entries: StudyModel) -> Study:
    features = make_features(root, np.arange(60) % 8)
    rng = np.random.default_rng(0)
    y = np.arange(300) % n_classes
    probabilities = rng.dirichlet(np.ones(n_classes), 300)
    answers = tuple(Answers(e, e.id, np.arange(300) % 60, y, probabilities) for e in entries)
    object.__setattr__(features.manifest.listing, "class_names", tuple(map(str, range(n_classes))))
    return Study(features, None, entries, answers, "val", "val", "accuracy")


def test_models_that_learn_in_epochs_have_curves(tmp_path: Path) -> None:
    history = {"loss": [2.0, 1.0], "val_loss": [2.1, 1.2], "val_accuracy": [0.4, 0.6]}
    loss, accuracy = epoch_charts(study(tmp_path, 8, entry("dense", 0.6, history=history)))
    assert [series.name for series in loss.series] == ["training", "validation"]
    assert loss.series[1].x.tolist() == [1, 2] and loss.series[1].y.tolist() == [2.1, 1.2]
    assert [series.name for series in accuracy.series] == ["validation"]
    assert epoch_charts(study(tmp_path / "b", 8, entry("ridge", 0.6))) == []


def test_a_matrix_of_many_classes_keeps_every_count(tmp_path: Path) -> None:
    section = confusion_section(study(tmp_path, MAX_MATRIX + 10, entry("a", 0.5)))
    assert section is not None
    (matrix,) = section["models"]
    assert len(matrix["rows"]) == MAX_MATRIX == len(matrix["names"])
    assert sum(cell["count"] for row in matrix["rows"] for cell in row["cells"]) == 300
    assert "the rest is others" in matrix["note"] and matrix["names"][-1] == "others"


def test_the_board_has_a_place_for_what_was_not_measured(tmp_path: Path) -> None:
    odd = StudyModel("x", "x", "", "m@1", "b", {"cv5": Scores("x", "cv5", {}, 60, {})})
    board = board_section(study(tmp_path, 8, entry("a", 0.5), odd))
    assert board is not None
    values = [cell["text"] for cell in board["rows"][1]]
    assert values.count("–") >= 3 and len(values) == len(board["columns"])


def test_the_verdict_says_how_near_the_others_are(tmp_path: Path) -> None:
    found = study(tmp_path, 8, entry("a", 0.9), entry("b", 0.87), entry("c", 0.3))
    texts = {card.title: card for card in cards(found, [])}
    assert texts["Winner"].figure == "90.0%" and "the best of 3" in texts["Winner"].text
    assert texts["How sure"].figure == "85.0% to 95.0%"
    assert "1 other model lies within" in texts["How sure"].text
    alone = cards(study(tmp_path / "b", 8, entry("a", 0.9), entry("c", 0.3)), [])
    assert "No other model comes near" in alone[2].text
    nothing = Study(found.features, None, (), (), "val", "val", "accuracy")
    assert [card.figure for card in cards(nothing, [])][1:] == ["none yet", "Train"]


def test_a_page_on_unbalanced_data_shows_what_always_saying_one_class_gives(tmp_path: Path) -> None:
    features = make_features(tmp_path, [0] * 400 + [1] * 60)
    split = split_features(features)
    y = features.y[split.val]
    lazy = always(y, features.class_names, 0, "val")
    model = StudyModel("x", "knn", "", "m@1", "b", {"val": lazy})
    found = Study(features, split, (model,), (), "val", "val", "balanced_accuracy")
    board = board_section(found)
    assert board is not None
    titles = [column["title"] for column in board["columns"]]
    last = [cell["text"] for cell in board["baseline"]]
    assert len(last) == len(titles) and last[:2] == ["baseline", "always 'a'"]
    assert last[titles.index("balanced accuracy, validation")] == "0.5000"
    n_rare = int((y == 1).sum())
    assert board["rows"][0][titles.index("recall b, validation")]["text"] == f"0.00 of {n_rare}"
    header, *lines = board_csv(found)
    rarest = dict(zip(header, lines[0], strict=True))
    assert (rarest["rarest_class"], rarest["rarest_recall"], rarest["rarest_rows"]) == (
        "b", 0.0, n_rare,
    )  # fmt: skip
    few, lost = found.cautions()
    assert "'b' has" in few and lost.startswith("The winner is no better than always saying 'a'")
