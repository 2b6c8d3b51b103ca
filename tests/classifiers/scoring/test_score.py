"""Scoring: one row per input in every form, killed and resumed, from images and from the cache."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from featx.cache import NO_LABEL, FeatureSpec, Listing, StringColumn
from featx.cache.errors import (
    ConfigError,
    FeatureMismatchError,
    ModelError,
    TooManyBadImagesError,
)
from featx.classifiers.heads.registry import make_head
from featx.classifiers.models.model import Model
from featx.classifiers.scoring import predict_missing
from featx.classifiers.scoring.outputs.target import Target
from featx.classifiers.scoring.outputs.work_folder import WorkFolder
from featx.classifiers.scoring.predictions import PredictionOptions, Predictor, id_array
from featx.classifiers.scoring.row_block import RowBlock
from featx.classifiers.scoring.score import ScoreJob, ScoreReport, score
from featx.extractor.run_options import BadLimit

SPEC = FeatureSpec(
    backbone="mobilenet",
    weights_digest="0" * 64,
    layer="x",
    pool="avg",
    image_size=(32, 32),
    resize="squash",
    preprocess="tf",
)


def make_model(names: tuple[str, ...] = ("a", "b", "c"), n_features: int = 8) -> Model:
    rng = np.random.default_rng(1)
    y = np.arange(60) % len(names)
    X = rng.normal(size=(60, n_features)).astype(np.float32) + 0.4 * y[:, None]
    return Model(SPEC, names, "ridge", make_head("ridge").fit(X, y))


class Kill(BaseException):
    """Stands for a kill: nothing in the package may catch it."""


class ArrayRows:
    """Rows of an array; every seventh one cannot be read."""

    location = "an array"
    is_cached = False

    def __init__(
        self, n: int = 50, step: int = 8, die_at: int | None = None, keeps_features: bool = False
    ) -> None:
        self.ids = [f'd/é "{i}"\n.png' if i % 5 == 0 else f"d/{i}.png" for i in range(n)]
        labels = np.where(np.arange(n) % 4 == 3, NO_LABEL, np.arange(n) % 2)
        column = StringColumn.from_strings(self.ids)
        self.listing = Listing(column, labels, np.full(n, -1, np.int8), None, ("b", "z"))
        self.marks = np.arange(n)[:, None]
        self.step, self.die_at, self.n_cached = step, die_at, 0
        self.keeps_features, self.flushed, self.committed = keeps_features, 0, None
        self.asked: list[range] = []
        self.X = np.random.default_rng(2).normal(0.4, 1, (n, 8)).astype(np.float32)

    def blocks(self, ranges: list[range], group_rows: int) -> Iterator[RowBlock]:
        self.asked = list(ranges)
        for rows in ranges:
            for start in range(rows.start, rows.stop, self.step):
                if self.die_at is not None and start >= self.die_at:
                    raise Kill
                part = range(start, min(start + self.step, rows.stop))
                ok = np.array([i % 7 != 6 for i in part])
                reasons = ["" if good else "cut short" for good in ok]
                digests = np.arange(part.start, part.stop, dtype=np.uint8)[:, None].repeat(32, 1)
                X = self.X[part.start : part.stop][ok]
                yield RowBlock(part.start, ok, X, reasons, digests)

    def flush(self) -> None:
        self.flushed += 1

    def commit(self, digests: np.ndarray, bad: list[tuple[int, str]]) -> None:
        assert digests[:, 0].tolist() == list(range(len(self.ids)))
        assert [row for row, _ in bad] == [i for i in range(len(self.ids)) if i % 7 == 6]
        self.committed = bad


def run(out: Path, rows: ArrayRows | None = None, **options: object) -> ScoreReport:
    job = ScoreJob(
        make_model(), rows or ArrayRows(), Target.parse(out), PredictionOptions(**options)
    )
    return score(job)


def test_rows_follow_the_source_and_say_what_failed(tmp_path: Path) -> None:
    source = ArrayRows()
    report = run(tmp_path / "p.parquet", source)
    rows = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert [row["id"] for row in rows] == source.ids
    expected = make_model().predict_proba(source.X)
    for i, row in enumerate(rows):
        if i % 7 == 6:
            assert (row["status"], row["reason"]) == ("error", "cut short")
            assert row["predicted"] is None and row["probability"] is None
        else:
            assert (row["status"], row["reason"]) == ("ok", "")
            assert row["predicted"] == "abc"[expected[i].argmax()]
            assert row["probability"] == pytest.approx(expected[i].max(), abs=1e-6)
    assert report.n_samples == 50 and report.n_errors == 7 and report.n_ok == 43
    assert report.first_errors[0] == ("d/6.png", "cut short") and len(report.first_errors) == 5
    judged = [r for i, r in enumerate(rows) if i % 4 != 3 and r["predicted"] and i % 2 == 0]
    right = sum(row["predicted"] == "b" for row in judged)
    assert report.agreement == right / len(judged) and report.n_compared == len(judged)
    assert report.unknown_labels == {"z": 13}
    assert len(source.committed) == 7
    assert not list(tmp_path.glob("*.parts"))


def test_every_format_holds_the_same(tmp_path: Path) -> None:
    for name in ("p.parquet", "p.csv", "p.jsonl", "p"):
        run(tmp_path / name, top_k=2, probabilities=True)
    table = pq.read_table(tmp_path / "p.parquet")
    assert table.column_names == [
        *("id", "predicted", "probability", "top_classes", "top_probabilities"),
        *("p_a", "p_b", "p_c", "status", "reason"),
    ]
    text = (tmp_path / "p.jsonl").read_text(encoding="utf-8")
    records = [json.loads(line) for line in text.split("\n")[:-1]]
    rows = table.to_pylist()
    for row, record in zip(rows, records, strict=True):
        assert list(record) == table.column_names
        assert as_float32(record) == as_float32(row)
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    for row, line in zip(rows, lines, strict=True):
        assert line["id"] == row["id"] and line["status"] == row["status"]
        assert line["predicted"] == (row["predicted"] or "")
        if row["top_classes"]:
            assert line["top1_class"] == row["top_classes"][0] == row["predicted"]
            assert float(line["top2_probability"]) == np.float32(row["top_probabilities"][1])
            assert np.float32(line["p_b"]) == np.float32(row["p_b"])
        else:
            assert line["top1_class"] == line["top2_probability"] == line["p_b"] == ""
    assert [p.name for p in (tmp_path / "p").iterdir()] == ["part-00000.parquet"]
    assert pq.read_table(tmp_path / "p").to_pylist() == rows


def as_float32(row: dict[str, object]) -> dict[str, object]:
    def convert(value: object) -> object:
        if isinstance(value, list):
            return [convert(item) for item in value]
        return float(np.float32(value)) if isinstance(value, float) else value

    return {name: convert(value) for name, value in row.items()}


def test_top_k_is_the_order_of_the_probabilities(tmp_path: Path) -> None:
    run(tmp_path / "p.parquet", top_k=9, probabilities=True)
    for row in pq.read_table(tmp_path / "p.parquet").to_pylist():
        if row["status"] == "ok":
            order = sorted("abc", key=lambda name: -row[f"p_{name}"])
            assert row["top_classes"] == order
            assert row["top_probabilities"] == [row[f"p_{name}"] for name in order]
            assert sum(row["top_probabilities"]) == pytest.approx(1, abs=1e-5)


def test_abstaining_gives_no_class_and_the_reason(tmp_path: Path) -> None:
    report = run(tmp_path / "p.parquet", abstain_below=0.5)
    rows = pq.read_table(tmp_path / "p.parquet").to_pylist()
    unsure = [row for row in rows if row["status"] == "unsure"]
    assert unsure and report.n_unsure == len(unsure)
    assert all(row["predicted"] is None and row["probability"] < 0.5 for row in unsure)
    assert all(row["reason"].startswith("below 0.5; the best guess is ") for row in unsure)
    assert all(row["probability"] >= 0.5 for row in rows if row["status"] == "ok")


def test_a_threshold_decides_between_two_classes(tmp_path: Path) -> None:
    model, source = make_model(("no", "yes")), ArrayRows()
    for threshold in (0.2, 0.8):
        job = ScoreJob(
            model,
            source,
            Target.parse(tmp_path / "p.parquet"),
            PredictionOptions(threshold=threshold, probabilities=True),
        )
        score(job)
        for row in pq.read_table(tmp_path / "p.parquet").to_pylist():
            if row["status"] == "ok":
                assert (row["predicted"] == "yes") == (row["p_yes"] >= threshold)
                assert row["probability"] == row[f"p_{row['predicted']}"]
    with pytest.raises(ConfigError, match="two classes, this one has 3"):
        run(tmp_path / "q.parquet", threshold=0.5)


GROUP = 4


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the head predict four rows together, so that few rows make many groups."""
    monkeypatch.setattr(Predictor, "group_rows", GROUP)


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("name", ["p.parquet", "p.csv", "p.jsonl", "p"])
def test_a_run_that_died_goes_on_and_ends_byte_for_byte_the_same(tmp_path: Path, name: str) -> None:
    run(tmp_path / "whole" / name)
    out = tmp_path / "broken" / name
    for die_at, step in ((18, 3), (22, 1), (31, 5)):
        with pytest.raises(Kill):
            run(out, ArrayRows(step=step, die_at=die_at))
        assert not out.exists() and out.with_name(f"{name}.parts").is_dir()
    rest = ArrayRows()
    report = run(out, rest)
    assert rest.asked == [range(32, 50)] and report.n_resumed == 32
    same = tmp_path / "whole" / name
    if same.is_dir():
        out, same = out / "part-00000.parquet", same / "part-00000.parquet"
    assert out.read_bytes() == same.read_bytes()
    assert [p.name for p in (tmp_path / "broken").iterdir()] == [name]


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("step", [1, 3, 13, 50])
@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_blocks_and_saves_change_no_bit(
    tmp_path: Path, step: int, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "a.parquet")
    monkeypatch.setattr(predict_missing, "SAVE_SECONDS", seconds)
    run(tmp_path / "b.parquet", ArrayRows(step=step))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("first", [False, True])
def test_a_run_goes_on_with_write_cache_switched(tmp_path: Path, first: bool) -> None:
    out = tmp_path / "p.parquet"
    run(tmp_path / "whole.parquet")
    with pytest.raises(Kill):
        run(out, ArrayRows(die_at=30, keeps_features=first))
    rest = ArrayRows(keeps_features=not first)
    report = run(out, rest)
    # Rows whose features did not go into the cache are computed again for it.
    assert report.n_resumed == (32 if first else 0)
    assert rest.committed and out.read_bytes() == (tmp_path / "whole.parquet").read_bytes()


@pytest.mark.usefixtures("small_groups")
def test_only_checkpoints_whose_inputs_are_unchanged_are_used_again(tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    with pytest.raises(Kill):
        run(out, ArrayRows(die_at=24))
    changed = ArrayRows(die_at=24)
    changed.marks[40] += 1
    with pytest.raises(Kill):
        run(out, changed)
    assert changed.asked == [range(24, 50)]
    changed.marks[9] += 1
    with pytest.raises(Kill):
        run(out, changed)
    assert changed.asked == [range(50)]
    other = ArrayRows()
    run(out, other, top_k=1)
    assert other.asked == [range(50)]


@pytest.mark.usefixtures("small_groups")
def test_a_damaged_checkpoint_is_made_anew(tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    with pytest.raises(Kill):
        run(out, ArrayRows(step=5, die_at=35))
    for part in (tmp_path / "p.csv.parts").glob("*.arrow"):
        part.write_bytes(part.read_bytes()[:50])
    with pytest.raises(OSError, match="run the same command again"):
        run(out)
    run(out)
    assert len(out.read_text(encoding="utf-8").splitlines()) > 50


@pytest.mark.usefixtures("small_groups")
def test_rows_that_the_head_refuses_leave_no_gap(tmp_path: Path) -> None:
    run(tmp_path / "whole.csv")
    broken = ArrayRows(step=4)
    broken.X[22] = np.inf
    with pytest.raises(FeatureMismatchError):
        run(tmp_path / "p.csv", broken)
    rest = ArrayRows()
    report = run(tmp_path / "p.csv", rest)
    assert rest.asked[0] == range(report.n_resumed, 50) and report.n_resumed <= 20
    assert (tmp_path / "p.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize(("die_at", "n_saved"), [(0, 0), (24, 24)])
def test_an_interrupted_run_says_how_many_images_are_saved(
    tmp_path: Path, die_at: int, n_saved: int
) -> None:
    class Interrupted(ArrayRows):
        def blocks(self, ranges: list[range], group_rows: int) -> Iterator[RowBlock]:
            try:
                yield from super().blocks(ranges, group_rows)
            except Kill:
                raise KeyboardInterrupt from None

    rows = Interrupted(die_at=die_at)
    with pytest.raises(KeyboardInterrupt, match=f"{n_saved} of 50 images are saved"):
        run(tmp_path / "p.csv", rows)


def test_two_runs_to_one_place_do_not_mix(tmp_path: Path) -> None:
    with WorkFolder(tmp_path / "p.csv").hold(), pytest.raises(ModelError, match="another process"):
        run(tmp_path / "p.csv")


def test_max_bad_is_checked_after_writing(tmp_path: Path) -> None:
    job = ScoreJob(make_model(), ArrayRows(), Target.parse(tmp_path / "p.csv"))
    with pytest.raises(TooManyBadImagesError, match="7 of 50"):
        score(replace(job, max_bad=BadLimit.parse("1%")))
    assert (tmp_path / "p.csv").exists()


def test_names_that_are_no_unicode_become_readable() -> None:
    column = StringColumn.from_strings(["a", b"b\xff".decode("utf-8", "surrogateescape"), "c"])
    assert id_array(column, 1, 3).to_pylist() == ["b\\xff", "c"]
