"""Exported models: they agree with featx, carry their labels, and run without it."""

from __future__ import annotations

import ast
import json
import runpy
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import make_photos

import featx
from export_shared import needs
from featx.cache.errors import ConfigError, ModelError
from featx.classifiers.heads.registry import make_head
from featx.classifiers.models.export import FORMATS
from featx.extractor.backbones.tuned import TailWeights
from featx.extractor.feature_plans import FeaturePlans
from featx.extractor.plan import make_plan
from tests_shared import Cli

EXAMPLES = Path(__file__).resolve().parents[4] / "examples"
OPTIONS = featx.FeatureOptions(
    backbone="mobilenet", weights="random:0", image_size=32, precision="float32"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, their features, and a model."""
    folder = tmp_path_factory.mktemp("export")
    make_photos(folder / "photos")
    featx.extract(folder / "photos", OPTIONS, cache=folder / "cache")
    options = featx.HeadOptions("ridge")
    featx.fit(options=options, cache=folder / "cache", out=folder / "model.featx")
    return folder


def model_with(made: Path, name: str) -> featx.Model:
    features = featx.open_features(cache=made / "cache")
    head = make_head(name).fit(np.asarray(features.X), features.y)
    return featx.Model(features.spec, features.class_names, name, head)


@pytest.mark.parametrize("to", FORMATS)
def test_each_format_is_checked_and_its_example_runs(
    made: Path,
    to: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    needs(to)
    out = made / "out" / f"model{FORMATS[to].ending}"
    report = featx.export(made / "model.featx", to, out, weights="random:0")
    assert report.difference <= 1e-4 and report.n_bytes > 1e6
    assert FORMATS[to].is_own(out) and not list(out.parent.glob(".*"))
    assert capfd.readouterr() == ("", "")
    photos = [str(made / "photos" / name) for name in ("blue/00.png", "red/01.jpg")]
    monkeypatch.setattr(sys, "argv", ["run", str(out), *photos])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow announces where its Lite interpreter moves to
        runpy.run_path(str(EXAMPLES / f"run_{to}.py"), run_name="__main__")
    lines = [line.split("\t") for line in capfd.readouterr().out.splitlines()]
    assert [path for path, _, _ in lines] == photos
    score = featx.ScoreOptions(weights="random:0")
    cache = made / "cache"
    featx.score(made / "model.featx", made / "photos", made / "p.jsonl", score, cache=cache)
    rows = map(json.loads, (made / "p.jsonl").read_text(encoding="utf-8").splitlines())
    known = {row["id"]: row for row in rows}
    for (_, label, probability), name in zip(lines, ("blue/00.png", "red/01.jpg"), strict=True):
        assert label == known[name]["predicted"]
        assert float(probability) == pytest.approx(known[name]["probability"], abs=1e-4)


@pytest.mark.parametrize("to", FORMATS)
def test_an_example_knows_nothing_of_featx(to: str) -> None:
    tree = ast.parse((EXAMPLES / f"run_{to}.py").read_text(encoding="utf-8"))
    names = {alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    names |= {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert names and not any(name.startswith("featx") for name in names)


def test_a_graph_that_disagrees_is_not_left_behind(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = FeaturePlans.compute
    monkeypatch.setattr(FeaturePlans, "compute", lambda *words: compute(*words) + 0.5)
    model = model_with(made, "ridge")
    with pytest.raises(ModelError, match="differs from featx score"):
        featx.export(model, "keras", made / "d.keras", weights="random:0")
    assert not list(made.glob("*d.keras*"))


def test_a_model_of_fast_features_says_how_far_its_graph_is(made: Path) -> None:
    model = model_with(made, "ridge")
    fast = replace(model, spec=replace(model.spec, precision="bfloat16"))
    report = featx.export(fast, "keras", made / "f.keras", weights="random:0")
    assert report.difference <= 1e-4 and report.precision == "bfloat16"
    assert report.drift is not None and report.drift >= 0


def test_a_head_is_fitted_again_on_float32_features(made: Path, tmp_path: Path) -> None:
    # The same images under a spec of another precision, as a processor with bfloat16 has them.
    exact = featx.load_model(made / "model.featx")
    fast = replace(exact, spec=replace(exact.spec, precision="bfloat16"))
    new = tmp_path / "float32.featx"
    words = {"weights": "random:0", "refit": new, "cache": made / "cache"}
    report = featx.export(fast, "keras", tmp_path / "r.keras", **words)
    assert report.difference <= 1e-4 and report.drift is None and report.precision == "float32"
    refitted = featx.load_model(new)
    assert refitted.spec == exact.spec and refitted.split == exact.split
    assert refitted.head.get_json_params() == fast.head.get_json_params()
    with pytest.raises(ConfigError, match="nothing to refit"):
        featx.export(exact, "keras", tmp_path / "s.keras", **words)
    with pytest.raises(ConfigError, match="--precision float32"):
        featx.export(fast, "keras", tmp_path / "s.keras", **{**words, "cache": tmp_path})
    tail = TailWeights("top_conv", "0" * 64, {"top_conv/0": np.zeros(2, np.float32)})
    of_tuned = replace(fast, tail=tail, spec=replace(fast.spec, weights_digest=tail.digest))
    with pytest.raises(ConfigError, match=r"--backbone FINETUNED\.featx .* `featx finetune` wrote"):
        featx.export(of_tuned, "keras", tmp_path / "s.keras", **{**words, "cache": tmp_path})
    with pytest.raises(ConfigError, match="rows that the model learned from"):
        other = replace(fast, rows=None)
        featx.export(other, "keras", tmp_path / "s.keras", **words)


def test_files_of_the_user_are_not_replaced(made: Path, tmp_path: Path) -> None:
    model = featx.load_model(made / "model.featx")
    for to, form in FORMATS.items():
        out = tmp_path / f"m{form.ending}"
        if form.ending:
            out.write_bytes(b"mine")
        else:
            out.mkdir()
            (out / "saved_model.pb").write_bytes(b"mine")
        needs(to)
        with pytest.raises(ConfigError, match=r"not replaced|does not replace"):
            featx.export(model, to, out, weights="random:0")
    (tmp_path / "w.bin").write_bytes(b"mine")
    with pytest.raises(ConfigError, match=r"w\.bin exists"):
        featx.export(model, "openvino", tmp_path / "w.xml", weights="random:0")


def test_wrong_requests_are_explained(cli: Cli, made: Path) -> None:
    model = made / "model.featx"
    for words, hint in (
        (("--to", "onxx"), "onnx"),
        (("--to", "keras", "-o", "x.h5", "--weights", "random:0"), "ends in .keras"),
        (("--to", "keras", "--weights", "random:1"), "weights_digest"),
    ):
        result = cli("export", model, *words)
        assert result.exit_code == 1 and hint in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
    assert make_plan(OPTIONS).spec == featx.load_model(model).spec
