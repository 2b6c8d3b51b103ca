"""Trained with one engine, scored with another."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from featx.classifiers import load_model, save_model
from featx.classifiers.scoring.engine_drift import measure_engine_drift
from featx.extractor.pipeline.scan import scan_source
from featx.extractor.plan import plan_for
from featx.extractor.sources import open_source
from tests_shared import CHEAP, Cli


def test_another_engine_is_measured_and_said(cli: Cli, photos: Path) -> None:
    assert cli("extract", photos, *CHEAP).exit_code == 0
    assert cli("fit", "--head", "centroid").exit_code == 0
    model = load_model("model.featx")
    here = str(model.origin["engine"])
    plan, scan = plan_for(model.spec, "random:0"), scan_source(open_source(photos))
    assert here and measure_engine_drift(plan, scan, here) is None
    assert measure_engine_drift(plan, scan, "") is None
    elsewhere = replace(model, origin={**model.origin, "engine": "keras/jax on gpu:0"})
    save_model(elsewhere, Path("gpu.featx"))
    (photos / "blue" / "00.png").write_bytes(b"no image")
    words = ("score", "gpu.featx", photos, "--weights", "random:0", "-o", "p.csv")
    shown = cli(*words)
    assert shown.exit_code == 0, shown.output
    assert f"trained on features of keras/jax on gpu:0, scoring with {here}" in shown.stderr
    drift = json.loads(cli(*words, "--json").stdout)["engine_drift"]
    assert drift["drift"]["n_images"] == 8 and drift["drift"]["worst"] > 0.95
