"""Every command and every piece of code in docs/ runs as it stands, or says why it cannot."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import typer.main

from docs_shared import BLOCK, OPTION, PAGES, README, ROOT, blocks, check_options, parse, spans
from featx.classifiers.baselines.networks import NETWORKS
from featx.classifiers.heads.registry import HEADS
from featx.classifiers.models.export import FORMATS as GRAPH_FORMATS
from featx.classifiers.scoring.outputs.formats import FORMATS as OUTPUT_FORMATS
from featx.classifiers.selection.metrics import METRICS
from featx.cli import app
from featx.commands.config import default_map
from featx.commands.config_file import read_config
from featx.extractor.engines.registry import ENGINES
from tests_shared import Cli

KINDS = ("console", "python", "toml", "csv", "text")
WITH_CODE = [page for page in PAGES if any(not block.reason for block in blocks(page, *KINDS))]
every_page = pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.stem)


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_page_runs_from_top_to_bottom(page: Path, cli: Cli, project: Path) -> None:
    run_page(page, cli, is_long=False)


@pytest.mark.long
@pytest.mark.parametrize(
    "page", [p for p in PAGES if any(b.is_long for b in blocks(p, *KINDS))], ids=lambda p: p.stem
)
def test_page_runs_with_its_long_blocks(page: Path, cli: Cli, project: Path) -> None:
    run_page(page, cli, is_long=True)


def run_page(page: Path, cli: Cli, is_long: bool) -> None:
    variables: dict[str, object] = {}
    for block in blocks(page, *KINDS):
        if block.reason or (block.is_long and not is_long):
            continue
        if block.file:
            Path(block.file).write_text(block.text, encoding="utf-8")
        elif block.kind == "python":
            exec(compile(block.text, page.name, "exec"), variables)
        elif block.kind == "toml":
            Path("example.toml").write_text(block.text, encoding="utf-8")
            default_map(typer.main.get_command(app), read_config(Path("example.toml")))
        elif block.kind == "console":
            for words in block.commands():
                result = cli(*words[1:])
                assert result.exit_code == 0, f"{words}: {result.output}"


@every_page
def test_commands_that_are_not_run_say_why_and_can_be_parsed(page: Path) -> None:
    for block in blocks(page, "console"):
        if block.reason:
            for words in block.commands():
                parse(words)
        else:
            assert len(block.commands()) == len(block.lines()), f"not of featx: {block.text}"


@every_page
def test_no_command_hides_in_an_indented_block(page: Path) -> None:
    prose = BLOCK.sub("", page.read_text(encoding="utf-8"))
    assert not re.findall(r"^ {4}featx .*", prose, re.MULTILINE)


@every_page
def test_commands_in_sentences_and_scripts_exist(page: Path) -> None:
    scripts = [shlex.join(words) for b in blocks(page, "bash") for words in b.commands()]
    for text in (*spans(page), *scripts):
        check_options(text)


def test_every_command_is_in_the_pages() -> None:
    commands = typer.main.get_command(app).commands
    names = [
        f"featx {name} {inner}".strip()
        for name, command in commands.items()
        for inner in getattr(command, "commands", [""])
    ]
    text = all_pages() + README.read_text(encoding="utf-8")
    assert [name for name in names if name not in text] == []


def test_every_option_is_in_the_pages() -> None:
    named = set(OPTION.findall(all_pages()))
    missing = [
        f"{path}: {'/'.join(names)}"
        for path, command in every_command("featx", typer.main.get_command(app))
        for names in options_of(command)
        if not named & set(names)
    ]
    assert missing == []


def every_command(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from every_command(f"{path} {name}", inner)


def options_of(command: Any) -> list[list[str]]:
    """Return the long names of each option."""
    options = [p for p in command.params if p.param_type_name == "option"]
    return [[n for n in (*p.opts, *p.secondary_opts) if n.startswith("--")] for p in options]


def test_every_page_is_in_the_navigation_and_in_the_map() -> None:
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES}
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert pages == set(re.findall(r": ([\w/-]+\.md)", navigation))
    linked = set(re.findall(r"\(docs/([\w/-]+\.md)", README.read_text(encoding="utf-8")))
    assert pages - {"index.md"} <= linked


def test_every_link_between_pages_leads_to_a_file() -> None:
    for page in (README, *PAGES, ROOT / "CHANGELOG.md"):
        for target in re.findall(r"\]\(([^)#:]+)[)#]", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_metric_is_in_the_pages() -> None:
    assert set(METRICS) <= set(re.findall(r"^\| `(\w+)` \|", all_pages(), re.MULTILINE))


def test_dependencies_in_the_pages_are_those_of_the_package() -> None:
    declared = {
        re.split(r"[ ;]", line)[0].replace(">=", " ≥ ")
        for line in requires("featx") or []
        if "extra ==" not in line
    }
    listed = set(re.findall(r"[\w-]+ ≥ [\d.]+", all_pages()))
    assert {d.lower() for d in declared} <= {name.lower() for name in listed}


def test_the_slim_list_is_all_but_tensorflow() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    slim = (ROOT / "docs" / "slim.txt").read_text(encoding="utf-8").splitlines()
    assert slim == [line for line in project["dependencies"] if not line.startswith("tensorflow")]


def all_pages() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def test_every_file_that_the_map_names_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"(?<![\w./-])((?:[\w.-]+/)+(?:[\w.-]+)?|\w+\.(?:py|md|toml))", text)
    assert len(set(paths)) > 40
    missing = {path for path in paths if not (ROOT / path).exists()}
    assert missing - {".venv/bin/pytest", ".venv/bin/python"} == set()


def test_every_head_format_and_engine_is_in_the_pages() -> None:
    names = {*HEADS, *OUTPUT_FORMATS, *GRAPH_FORMATS, *NETWORKS, *ENGINES}
    assert {name for name in names if name.lower() not in all_pages().lower()} == set()
