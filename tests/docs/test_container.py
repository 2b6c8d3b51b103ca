"""The Dockerfile installs what the pages say, and its size is counted."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest

from docs_shared import ROOT, blocks

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
FLAGS = {"--no-cache-dir", "--no-compile"}


def pip_installs() -> list[list[str]]:
    """Return the words of each `pip install` of the Dockerfile, without flags for its size."""
    text = DOCKERFILE.replace("\\\n", " ")
    lines = re.findall(r"(?<!\S)pip install (.*?)(?:&&|\n)", text)
    return [[word for word in shlex.split(line) if word not in FLAGS] for line in lines]


def test_the_image_is_installed_as_the_page_says() -> None:
    wheel_of = {"/wheels/*.whl": ".", "/slim.txt": "docs/slim.txt"}
    installs = [[wheel_of.get(word, word) for word in words] for words in pip_installs()]
    page = ROOT / "docs" / "install.md"
    lines = [words for block in blocks(page, "console") for words in block.lines()]
    documented = [words[2:] for words in lines if words[:2] == ["pip", "install"]]
    assert len(installs) == 2 and all(words in documented for words in installs)
    assert "source=docs/slim.txt,target=/slim.txt" in DOCKERFILE


def test_the_image_runs_featx() -> None:
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", DOCKERFILE, re.MULTILINE)
    assert json.loads(entry) == ["featx"]
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    assert "featx score packed.featx" in page and "docker build -t featx ." in page


def test_the_packages_that_are_compiled_are_those_of_the_list() -> None:
    (words,) = re.findall(r"compileall -q (.*?) &&", DOCKERFILE)
    assert all(importlib.util.find_spec(name) for name in words.split())


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_image", ROOT / "scripts/build_image.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_image_stays_below_a_gigabyte() -> None:
    build = script()
    assert build.BASE_BYTES + build.PACKAGE_BYTES < build.MAX_BYTES == 10**9


def test_the_dockerfile_passes_its_check_and_faults_are_found(tmp_path: Path) -> None:
    pytest.importorskip("dockerfile_parse")
    build = script()
    assert build.find_faults(DOCKERFILE) == []
    broken = DOCKERFILE.replace("USER 1000\n", "").replace('["featx"]', "featx")
    faults = build.find_faults(broken.replace(":3.11-slim", "") + "COPY nowhere /x\nRUNN x\n")
    assert len(faults) == 5, faults
