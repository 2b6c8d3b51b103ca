"""Results and their predictions: kept whole, checked, and cleaned up with what they belong to."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from cache_shared import digests_of, fill, flip

from featx.cache import FeatureStore, JudgedRows, Predictions, Result, ResultStore, Scores
from featx.cache.errors import CacheFormatError
from featx.cache.format.strings import StringColumn
from featx.cache.maintenance.gc import collect_garbage, find_garbage
from featx.cache.maintenance.rm import remove
from featx.cache.maintenance.verify import verify
from featx.cache.results import judged_rows


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    store = FeatureStore(tmp_path)
    fill(store)
    return store


def rows_of(n: int = 6, class_names: tuple[str, ...] = ("cat", "dog")) -> JudgedRows:
    ids = StringColumn.from_strings(f"{i}.png" for i in range(n))
    return JudgedRows(ids, digests_of(range(n)), np.arange(n) % 2, class_names)


def predictions_of(rows: JudgedRows, seed: int = 0) -> Predictions:
    p = np.random.default_rng(seed).random(len(rows), np.float32)
    return Predictions(rows, np.stack([p, 1 - p], axis=1))


def result_of(store: FeatureStore, split: str = "val", name: str = "logreg") -> Result:
    scores = Scores(name, split, {"C": 1.0}, 6, {"accuracy": 0.5}, {"accuracy": (0.2, 0.8)})
    (stored,) = store.list_features()
    return Result(
        id=f"{name}-0123abcd",
        name=name,
        kind="fit",
        features=stored.name,
        backbone="tiny",
        layer="top",
        head=name,
        params={"C": 1.0},
        scores={split: scores},
        history={"loss": [1.0, 0.5]},
        created_ns=time.time_ns(),
    )


def test_a_result_comes_back_with_its_predictions(store: FeatureStore) -> None:
    results, predictions = ResultStore(store.layout), predictions_of(rows_of())
    kept = results.put(result_of(store), {"val": predictions})
    (read,) = results.read("photos")
    assert read == kept and read.rows == {"val": predictions.rows.name}
    again = results.predictions(read, "val")
    assert again is not None
    assert (again.probabilities == predictions.probabilities).all()
    assert again.probabilities.dtype == np.float32
    assert list(again.rows.sample_ids) == [f"{i}.png" for i in range(6)]
    assert (again.rows.digests == predictions.rows.digests).all()
    assert again.y.tolist() == [0, 1, 0, 1, 0, 1] and again.rows.class_names == ("cat", "dog")
    assert results.predictions(read, "test") is None
    assert results.read("others") == []


def test_scores_of_another_split_join_those_that_are_kept(store: FeatureStore) -> None:
    results, rows = ResultStore(store.layout), rows_of()
    results.put(result_of(store), {"val": predictions_of(rows)})
    results.put(result_of(store, "test"), {"test": predictions_of(rows_of(4), 1)})
    (read,) = results.read()
    assert set(read.scores) == {"val", "test"}
    assert {split: len(results.predictions(read, split).rows) for split in read.rows} == {
        "val": 6,
        "test": 4,
    }


def test_equal_rows_have_equal_names_and_one_file(store: FeatureStore) -> None:
    results = ResultStore(store.layout)
    assert rows_of().name == rows_of().name
    assert len({rows_of().name, rows_of(5).name, rows_of(6, ("cat", "fox")).name}) == 3
    for seed, name in enumerate(("logreg", "svm")):
        results.put(result_of(store, name=name), {"val": predictions_of(rows_of(), seed)})
    assert len(list(store.root.glob("results/*/rows-*.h5"))) == 1


def test_a_large_matrix_is_kept_in_half_precision(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judged_rows, "LARGEST_FLOAT32", 11)
    results, predictions = ResultStore(store.layout), predictions_of(rows_of())
    kept = results.put(result_of(store), {"val": predictions})
    read = results.predictions(kept, "val").probabilities
    assert read.dtype == np.float32
    assert 0 < np.abs(read - predictions.probabilities).max() < 1e-3


def test_damaged_predictions_are_refused_and_found(store: FeatureStore) -> None:
    results = ResultStore(store.layout)
    kept = results.put(result_of(store), {"val": predictions_of(rows_of())})
    assert verify(store).findings == []
    (path,) = store.root.glob("results/*/logreg-*.h5")
    flip(path, 2200)
    with pytest.raises(CacheFormatError, match="not as it was written"):
        results.predictions(kept, "val")
    (record,) = store.root.glob("results/*/logreg-*.json")
    record.write_text("{}", encoding="utf-8")
    assert results.read() == []
    assert {f.path.name: f.kind for f in verify(store).findings} == {
        path.name: "damaged",
        record.name: "damaged",
    }


def test_predictions_of_other_rows_are_refused(store: FeatureStore) -> None:
    results = ResultStore(store.layout)
    one = results.put(result_of(store), {"val": predictions_of(rows_of())})
    results.put(result_of(store), {"val": predictions_of(rows_of(5))})
    with pytest.raises(CacheFormatError, match="other rows"):
        results.predictions(one, "val")


def test_predictions_that_no_result_names_go_after_an_hour(store: FeatureStore) -> None:
    results = ResultStore(store.layout)
    kept = results.put(result_of(store), {"val": predictions_of(rows_of())})
    results.put(result_of(store, name="svm"), {"val": predictions_of(rows_of(5))})
    (store.layout.results(kept.features) / "svm-0123abcd.json").unlink()
    assert find_garbage(store).partials == [], "a sweep may be about to name them"
    for path in store.root.glob("results/*/*"):
        os.utime(path, (0, 0))
    names = {path.name for path in collect_garbage(store).partials}
    assert names == {"svm-0123abcd.val.h5", f"rows-{rows_of(5).name}.h5"}
    assert results.predictions(kept, "val") is not None


def test_results_go_with_their_features(store: FeatureStore) -> None:
    results = ResultStore(store.layout)
    results.put(result_of(store), {"val": predictions_of(rows_of())})
    assert find_garbage(store).sweeps == []
    remove(store, "photos")
    assert not list(store.root.glob("results/*"))
    results.put(
        result := Result(**{**vars(result_of_gone()), "features": "gone@0123456789ab"}),
        {"val": predictions_of(rows_of())},
    )
    (folder,) = find_garbage(store).sweeps
    assert folder.name == result.features
    collect_garbage(store)
    assert not folder.exists()


def result_of_gone() -> Result:
    scores = Scores("logreg", "val", {}, 6, {})
    return Result(
        id="logreg-0",
        name="logreg",
        kind="fit",
        features="",
        backbone="tiny",
        layer="top",
        head="logreg",
        params={},
        scores={"val": scores},
    )


def test_what_sweeps_of_before_measured_is_listed(store: FeatureStore) -> None:
    (stored,) = store.list_features()
    scores = Scores("ridge", "val", {"alpha": 1.0}, 6, {"accuracy": 0.5}).to_dict()
    path = store.layout.sweeps(stored.name) / "ridge-0123456789abcdef01234567.json"
    path.parent.mkdir(parents=True)
    old = {"scores": scores, "model_bytes": 10, "predict_rate": 5.0}
    path.write_text(json.dumps(old), encoding="utf-8")
    (read,) = ResultStore(store.layout).read("photos")
    assert (read.id, read.kind, read.backbone, read.rows) == (path.stem, "sweep", "tiny", {})
    assert read.scores["val"].metrics == {"accuracy": 0.5}
    again = Result(
        **{**vars(result_of(store, name="ridge")), "params": {"alpha": 1.0}, "kind": "sweep"}
    )
    ResultStore(store.layout).put(again, {"val": predictions_of(rows_of())})
    assert [r.id for r in ResultStore(store.layout).read()] == [again.id], "measured again since"
