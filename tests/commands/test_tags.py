"""`--name` and `--note` on features and models."""

from __future__ import annotations

import json
from pathlib import Path

from tests_shared import Cli

PIXELS = ("--backbone", "pixels", "--size", "8")


def listed(cli: Cli) -> list[dict[str, str]]:
    return json.loads(cli("cache", "ls", "--json").stdout)


def test_features_are_listed_and_found_by_their_name(cli: Cli, photos: Path) -> None:
    cli("extract", photos, *PIXELS, "--name", "daylight", "--note", "before the new camera")
    (before,) = listed(cli)
    assert (before["given_name"], before["note"]) == ("daylight", "before the new camera")
    assert "  daylight: before the new camera" in cli("cache", "ls").stdout.splitlines()
    assert "before the new camera" in cli("cache", "info", "daylight").stdout
    assert cli("fit", "daylight", "--head", "ridge").exit_code == 0
    assert "Did you mean daylight?" in cli("fit", "daylihgt").stderr

    assert cli("extract", photos, *PIXELS, "--note", "after it").exit_code == 0
    (after,) = listed(cli)
    assert (after["given_name"], after["note"]) == ("daylight", "after it")
    assert after["fingerprint"] == before["fingerprint"]


def test_models_say_their_name_and_predict_the_same(cli: Cli, photos: Path) -> None:
    cli("extract", photos, *PIXELS)
    digests = []
    for tag in ((), ("--name", "winner", "--note", "for the shop")):
        for command in (("fit", "--head", "ridge"), ("sweep", "--heads", "ridge")):
            assert cli(*command, *tag).exit_code == 0
            info = json.loads(cli("model", "info", "model.featx", "--json").stdout)
            digests += [info["digest"]] if command[0] == "fit" else []
            assert info["origin"].get("name") == ("winner" if tag else None)
    assert digests[0] == digests[1]
    shown = cli("model", "info", "model.featx").stdout
    assert "  name: winner\n  note: for the shop\n" in shown


def test_reports_say_the_names_of_features_and_models(cli: Cli, photos: Path) -> None:
    assert cli("extract", photos, *PIXELS, "--name", "daylight").exit_code == 0
    assert cli("fit", "--head", "centroid", "--name", "winner").exit_code == 0
    result = cli("report", "model.featx", "--no-tsne", "--out", "page.html")
    assert result.exit_code == 0, result.output
    page = Path("page.html").read_text(encoding="utf-8")
    assert "winner (model.featx)" in page and "daylight" in page
    assert cli("report", "winner", "--no-tsne", "--out", "page.html").exit_code == 0
    assert "winner (centroid-" in Path("page.html").read_text(encoding="utf-8")


def test_networks_from_scratch_have_names_too(cli: Cli, photos: Path) -> None:
    words = ("baseline", "fc", photos, "--size", "8", "--epochs", "1", "--name", "small")
    assert cli(*words).exit_code == 0
    assert "name: small" in cli("model", "info", "baseline.featx").stdout


def test_names_that_cannot_be_typed_again_are_refused(cli: Cli, photos: Path) -> None:
    result = cli("extract", photos, "--name", "a@b")
    assert result.exit_code == 1 and "without @" in result.stderr
    assert not Path("featx-cache").exists()
