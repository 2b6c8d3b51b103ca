"""What a report holds, and what it refuses."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import featx
from featx.cache import FeatureStore, ResultStore
from featx.cache.errors import ConfigError, FeaturesNotFoundError, SourceError
from featx.classifiers.comparison.report.named import find_named
from featx.classifiers.comparison.report.report import ReportOptions, write_report
from featx.classifiers.selection.splitting.splits import split_features

from .conftest import N_IMAGES, QUOTES, SCRIPT, data_of

PLAIN = ReportOptions(with_tsne=False)


class Tags(HTMLParser):
    """Collects the tags of a page with their attributes, and the text between them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_holds_every_part(made: SimpleNamespace) -> None:
    ids = set(re.findall(r'<section id="([\w-]+)"', made.text))
    assert ids == {
        "summary", "leaderboard", "curves", "confusion", "calibration", "training", "mistakes",
        "label-errors", "near-duplicates", "outliers", "map", "made",
    }  # fmt: skip
    assert made.info.n_images == N_IMAGES and made.info.n_thumbnails == N_IMAGES
    assert made.info.n_bytes == made.page.stat().st_size < 3_000_000
    n_results = len(ResultStore(FeatureStore(made.cache).layout).read())
    assert made.info.n_models == n_results > 3
    assert made.spec.fingerprint in made.text and f"featx extract {made.photos} " in made.text


def test_nothing_is_loaded_from_elsewhere(made: SimpleNamespace) -> None:
    parser = Tags()
    parser.feed(made.text)
    for tag, attributes in parser.tags:
        assert tag not in ("link", "iframe", "object", "embed", "img"), tag
        assert "src" not in attributes, tag
        assert attributes.get("href", "#").startswith("#")
    policy = next(a["content"] for t, a in parser.tags if a.get("http-equiv"))
    assert "default-src 'none'" in policy


def test_hostile_names_are_text(made: SimpleNamespace) -> None:
    parser = Tags()
    parser.feed(made.text)
    assert sum(tag == "script" for tag, _ in parser.tags) == made.text.count("</script>")
    assert SCRIPT not in made.text
    assert "\u202e" not in made.text, "marks of direction are written as escapes"
    shown = [SCRIPT, QUOTES.replace("\u202e", "\\u202e")]
    assert set(shown) < set(made.data["class_names"])
    assert all(name in "".join(parser.texts) for name in shown)


def test_a_class_that_ends_a_script_ends_none(tmp_path: Path) -> None:
    from selection_shared import make_features

    from featx.cache import Listing, Manifest, StringColumn

    name = "</script><script>window.broken=1</script><!--"
    features = make_features(tmp_path / "c", [0, 1] * 40)
    listing = Listing(
        StringColumn.from_strings(f"{name}{i}" for i in range(80)),
        features.y, features.splits, None, (name, "</title>\n]]>"),
    )  # fmt: skip
    store = FeatureStore(tmp_path / "c")
    store.write_manifest(
        Manifest("m", name, listing, features.digests, np.zeros((80, 3), np.int64), 1)
    )
    from cache_shared import record_of

    store.write_run(record_of("m", features.spec, 80))
    featx.fit(options=featx.HeadOptions("centroid"), cache=store.root, out=tmp_path / "m.featx")
    write_report(out=tmp_path / "r.html", options=PLAIN, cache=store.root)
    text = (tmp_path / "r.html").read_text("utf-8")
    parser = Tags()
    parser.feed(text)
    assert sum(tag == "script" for tag, _ in parser.tags) == text.count("</script>")
    assert "<script>window" not in text and "</title>\n]]>" not in text
    assert data_of(text)["ids"][3] == f"{name}3"
    assert "There are no images" in text and "--source" in text


def test_the_numbers_are_those_of_the_results(made: SimpleNamespace) -> None:
    store = FeatureStore(made.cache)
    features, results = store.open_features(), ResultStore(store.layout)
    best = max(results.read(), key=lambda r: r.scores["val"].metrics["accuracy"])
    board = made.data["csv"]["leaderboard"]
    assert board[0][:5] == ["id", "head", "parameters", "features", "split"]
    row = next(row for row in board[1:] if row[0] == best.id and row[4] == "val")
    assert row[board[0].index("accuracy")] == best.scores["val"].metrics["accuracy"]
    for model in made.data["models"]:
        labels = features.manifest.labels[model["samples"]]
        assert model["y"] == labels.tolist()
    assert made.data["ids"] == [
        i.replace("\u202e", "\\u202e") for i in features.manifest.sample_ids
    ]


def test_every_wrong_answer_is_on_the_list_the_surest_first(made: SimpleNamespace) -> None:
    rows = made.data["csv"]["mistakes"]
    assert rows[0] == ["id", "label", "predicted", "probability", "probability_of_label"]
    assert all(row[1] != row[2] for row in rows[1:])
    assert len(rows) > 1
    sure = [float(row[3]) for row in rows[1:]]
    assert sure == sorted(sure, reverse=True)


def test_named_models_are_drawn_and_others_stay_on_the_board(
    made: SimpleNamespace, tmp_path: Path
) -> None:
    results = ResultStore(FeatureStore(made.cache).layout).read()
    centroid = next(r.id for r in results if r.name == "centroid")
    named = find_named([str(made.model), centroid], made.cache)
    info = write_report(named, tmp_path / "r.html", PLAIN, cache=made.cache)
    text = (tmp_path / "r.html").read_text("utf-8")
    assert len(data_of(text)["models"]) == 2
    assert info.n_models == len(results), "the result of the model file is not shown twice"
    one = write_report(named[:1], tmp_path / "r.html", PLAIN, cache=made.cache)
    drawn = data_of((tmp_path / "r.html").read_text("utf-8"))["models"]
    split = split_features(FeatureStore(made.cache).open_features())
    assert drawn[0]["samples"] == split.test.tolist() and one.n_models == info.n_models


def test_wrong_names_are_explained(made: SimpleNamespace) -> None:
    for word, hint in (("rigde", "no model file, result or head"), ("nothing", "featx results")):
        with pytest.raises(ConfigError, match=hint):
            find_named([word], made.cache)


def test_features_without_results_or_labels_have_a_report(
    made: SimpleNamespace, tmp_path: Path
) -> None:
    from comparison_shared import extract_pixels

    flat = tmp_path / "flat"
    flat.mkdir()
    for number, path in enumerate(sorted(made.photos.glob("blue/*.bmp"))):
        (flat / f"{number}.bmp").write_bytes(path.read_bytes())
    extract_pixels(tmp_path / "c", flat)
    info = write_report(out=tmp_path / "r.html", options=PLAIN, cache=tmp_path / "c")
    assert info.n_models == 0 and "mistakes" not in info.lists
    assert "featx sweep" in (tmp_path / "r.html").read_text("utf-8")


def test_refusals_write_nothing(made: SimpleNamespace, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    with pytest.raises(FeaturesNotFoundError):
        write_report(out=out, options=PLAIN, cache=tmp_path / "empty")
    with pytest.raises(ConfigError, match="no predictions of the split 'train'"):
        write_report(out=out, options=ReportOptions(split="train"), cache=made.cache)
    with pytest.raises(ConfigError, match="unknown metric"):
        write_report(out=out, options=ReportOptions(metric="acuracy"), cache=made.cache)
    with pytest.raises(SourceError):
        nowhere = ReportOptions(source=str(tmp_path / "nowhere"), with_tsne=False)
        write_report(out=out, options=nowhere, cache=made.cache)
    assert not out.exists()
    out.write_text("<!doctype html>\nmine")
    with pytest.raises(ConfigError, match="--overwrite"):
        write_report(out=out, options=PLAIN, cache=made.cache)
    assert out.read_text() == "<!doctype html>\nmine"
