"""featx.toml: defaults of a project, found from its subfolders."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import typer.main

from featx.cli import app
from featx.commands.config import default_map
from featx.commands.config_file import read_config
from tests_shared import Cli

PIXELS = ("--backbone", "pixels", "--size", "8")


def test_defaults_come_from_featx_toml(cli: Cli, photos: Path) -> None:
    Path("featx.toml").write_text(
        f'source = "{photos}"\nbackbone = "mobilenet"\nweights = "random:0"\n'
        'cache = "elsewhere"\nworkers = 1\nprecision = "float32"\n'
        '[extract]\nsize = 32\n[fit]\nhead = "centroid"\n'
    )
    result = cli("extract")
    assert result.exit_code == 0, result.output
    assert "from featx.toml" in result.stderr
    assert Path("elsewhere").is_dir() and not Path("featx-cache").exists()
    assert "centroid on" in cli("fit").stdout


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("bakcbone = 'x'\n", "backbone"),
        ("[extract]\nbakcbone = 'x'\n", "backbone"),
        ("[extrct]\nsize = 3\n", "extract"),
        ("size = \n", "TOML"),
    ],
)
def test_a_wrong_featx_toml_is_explained(cli: Cli, text: str, hint: str) -> None:
    Path("featx.toml").write_text(text)
    result = cli("backbones")
    assert result.exit_code == 1 and "featx.toml" in result.stderr and hint in result.stderr


def test_a_wrong_value_is_blamed_on_the_file(cli: Cli) -> None:
    Path("featx.toml").write_text("[fit]\nepochs = 'many'\n")
    blame = "(it stands in featx.toml)"
    assert blame in cli("fit").stderr
    assert blame in json.loads(cli("fit", "--json").stdout)["message"]
    typed = cli("fit", "--epochs", "few")
    assert "'--epochs'" in typed.stderr and blame not in typed.stderr


def test_values_in_the_table_of_a_group(cli: Cli) -> None:
    Path("featx.toml").write_text('[cache]\ncache = "a"\n[cache.ls]\ncache = "b"\n')
    assert "No features in b." in cli("cache", "ls").stdout
    assert "the cache a holds" in cli("cache", "info").stderr
    Path("featx.toml").write_text("[cache]\nchache = 1\n")
    assert "Did you mean cache?" in cli("cache", "ls").stderr
    Path("featx.toml").write_text("[cache.lss]\nx = 1\n")
    assert "[cache]: no command 'lss'. Did you mean ls?" in cli("cache", "ls").stderr


def test_found_from_subfolders_and_paths_relative_to_the_file(
    cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("featx.toml").write_text('source = "photos"\nworkers = 1\n')
    below = photos / "red"
    monkeypatch.chdir(below)
    result = cli("extract", *PIXELS)
    assert result.exit_code == 0, result.output
    assert "Defaults from ../../featx.toml." in result.stderr
    assert "No SOURCE given: using ../../photos from ../../featx.toml." in result.stderr
    assert (photos.parent / "featx-cache").is_dir() and not Path("featx-cache").exists()
    monkeypatch.chdir(photos.parent)
    assert "0 extracted, 24 already cached" in cli("extract", *PIXELS).stdout
    monkeypatch.chdir(below)
    assert cli("fit", "--head", "centroid").exit_code == 0 and Path("model.featx").exists()
    Path("featx.toml").write_text("")
    assert "No features in featx-cache." in cli("cache", "ls").stdout


def test_a_cache_in_the_working_folder_stays_the_default(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("featx.toml").write_text("")
    Path("below/featx-cache").mkdir(parents=True)
    monkeypatch.chdir("below")
    assert "No features in featx-cache." in cli("cache", "ls").stdout
    monkeypatch.setenv("FEATX_CACHE", "named")
    assert "No features in named." in cli("cache", "ls").stdout


def test_home_and_variables_expand_in_paths(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("DATA", "/data")
    for text, path in {
        "~/caches": "/home/somebody/caches",
        "$DATA/a": "/data/a",
        "${DATA}s/$$a": "/datas/$a",
    }.items():
        Path("featx.toml").write_text(f"cache = '{text}'\n")
        assert f"No features in {path}." in cli("cache", "ls").stdout
    Path("featx.toml").write_text("source = ['$DATA/a', '~/b']\n")
    assert "/data/a does not exist" in cli("extract").stderr


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("$NOBODY_SET_IT/x", "the variable NOBODY_SET_IT is not set"),
        ("/a/$", "write $$ for a"),
        ("~nobody-of-that-name/x", "no home folder is known"),
    ],
)
def test_paths_that_cannot_be_expanded(cli: Cli, text: str, hint: str) -> None:
    Path("featx.toml").write_text(f"cache = '{text}'\n")
    result = cli("cache", "ls")
    assert result.exit_code == 1 and "featx.toml: cache = " in result.stderr
    assert hint in result.stderr


def test_names_are_no_paths(cli: Cli, monkeypatch: pytest.MonkeyPatch, photos: Path) -> None:
    Path("featx.toml").write_text(
        'backbone = "mobilenet"\nweights = "random:0"\nsource = "photos/*/0*.png"\n'
        "[extract]\nsize = 32\n"
    )
    monkeypatch.chdir(photos / "red")
    result = cli("extract")
    assert result.exit_code == 0, result.output
    assert "mobilenet" in cli("cache", "ls").stdout


def test_models_and_images_of_a_table_are_relative_to_the_file(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = ("compare", "report")
    measuring = ("fit", "sweep", "curve", "results", *tables)
    text = "".join(f'[{name}]\nmodels = ["m/a.featx", "ridge-1"]\n' for name in tables)
    text = 'metric = "cost:costs.csv"\n' + text
    Path("featx.toml").write_text(text + '[similar]\nimage = "p/1.png"\n')
    Path("below").mkdir()
    monkeypatch.chdir("below")
    defaults = default_map(typer.main.get_command(app), read_config())
    for name in tables:
        assert defaults[name]["models"] == ["../m/a.featx", "ridge-1"]
    assert defaults["similar"]["image"] == "../p/1.png"
    for name in measuring:
        values = defaults[name]
        assert values["sort" if name == "results" else "metric"] == "cost:../costs.csv", name


def test_every_source_of_every_command_is_relative_to_the_file(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("featx.toml").write_text('source = "below/photos"\nweights = "w/x.h5"\nout = "o"\n')
    Path("below").mkdir()
    monkeypatch.chdir("below")
    root = typer.main.get_command(app)
    defaults = default_map(root, read_config())
    flat = [values.get(sub, {}) for values in defaults.values() for sub in values]
    commands = [values for values in [*defaults.values(), *flat] if isinstance(values, dict)]
    sources = [values["source"] for values in commands if "source" in values]
    assert sources and all(value in ("photos", ["photos"]) for value in map(shortest, sources))
    assert {values["weights"] for values in commands if "weights" in values} == {"../w/x.h5"}
    assert {values["out"] for values in commands if "out" in values} == {"../o"}


def shortest(value: Any) -> Any:
    """Return paths as they are from the working folder."""
    if isinstance(value, list):
        return [shortest(item) for item in value]
    return os.path.relpath(value)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs another file system")
def test_a_file_system_ends_the_search(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from featx.commands.config_file import find_config

    Path("featx.toml").write_text("")
    assert find_config() == Path("featx.toml")
    monkeypatch.chdir("/proc/self/fd")
    assert find_config() is None


SOURCE_TABLE = """
[source]
path = "data/shop.csv"
path-column = "file"
label_column = "kind"
separator = "semicolon"
pixel-range = "full"
crop-columns = ["x", "y", "w", "h"]
"""


def test_the_table_of_the_source(cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("data").mkdir()
    rows = [
        f"../{p.relative_to(photos.parent)};{p.parent.name};1;1;9;9" for p in photos.rglob("0*.*")
    ]
    Path("data/shop.csv").write_text("\n".join(["file;kind;x;y;w;h", *rows]))
    Path("featx.toml").write_text(SOURCE_TABLE)
    monkeypatch.chdir(photos)
    result = cli("extract", *PIXELS)
    assert result.exit_code == 0, result.output
    assert (
        "24 images, 3 classes (blue, green, red), from shop.csv (the column file" in result.stderr
    )
    assert "No SOURCE given: using ../data/shop.csv from ../featx.toml." in result.stderr
    shown = json.loads(cli("config", "extract", "--json").stdout)["settings"]
    by_option = {s["option"]: (s["value"], s["origin"]) for s in shown}
    assert by_option["SOURCE"] == (["../data/shop.csv"], "../featx.toml")
    assert by_option["--crop-columns"] == ("x,y,w,h", "../featx.toml")
    assert by_option["--pixel-range"] == ("full", "../featx.toml")
    shown = json.loads(cli("config", "score", "m.featx", "new.csv", "--json").stdout)["settings"]
    by_option = {s["option"]: s["value"] for s in shown}
    assert by_option["SOURCE"] == ["new.csv"] and by_option["--label-column"] == "kind"


def test_wrong_keys_of_the_source_are_named(cli: Cli) -> None:
    Path("featx.toml").write_text('[source]\nlable-column = "kind"\n')
    result = cli("extract")
    assert result.exit_code == 1
    assert "featx.toml [source]: no key 'lable_column'. Did you mean label_column" in result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "[fit.class_weight]\nred = 5\ngreen = 1.5\n",
        "[fit]\nclass-weight = {red = 5, green = 1.5}\n",
        "class_weight = {red = 5, green = 1.5}\n",
        "[class_weight]\nred = 5\ngreen = 1.5\n",
    ],
)
def test_weights_of_classes_may_be_a_table(cli: Cli, text: str) -> None:
    Path("featx.toml").write_text(text)
    defaults = default_map(typer.main.get_command(app), read_config())
    assert defaults["fit"]["class_weight"] == "red=5,green=1.5"


def test_a_table_for_an_option_of_one_value_is_refused(cli: Cli) -> None:
    Path("featx.toml").write_text("[fit]\nseed = {red = 5}\n")
    refused = cli("fit")
    assert refused.exit_code == 1 and "seed takes one value, and no table" in refused.stderr
