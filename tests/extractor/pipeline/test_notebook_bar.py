"""Progress in notebooks: a bar that is drawn anew, and nothing elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import featx
from featx.extractor.pipeline import notebook_bar as module
from featx.extractor.pipeline.notebook_bar import notebook_bar


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a notebook shows: IPython is no dependency, its three functions are stood in for."""
    texts: list[str] = []

    def display(html: str, display_id: bool) -> SimpleNamespace:
        texts.append(html)
        return SimpleNamespace(update=texts.append)

    ipython = ModuleType("IPython")
    ipython.display = SimpleNamespace(display=display, HTML=str)  # type: ignore[attr-defined]
    shell = SimpleNamespace(kernel=object())
    ipython.get_ipython = lambda: shell  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    return texts


def test_a_bar_moves_with_an_extraction(
    shown: list[str], photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UPDATE_SECONDS", 0)
    options = featx.FeatureOptions(backbone="pixels", image_size=8)
    featx.extract(photos, options, cache=photos.parent / "cache")
    assert shown[0].startswith('<progress value="0" max="24"></progress> pixels: extracting: 0 of')
    assert 'value="24"' in shown[-1] and "24 of 24" in shown[-1]


def test_updates_are_rare_and_names_are_escaped(shown: list[str]) -> None:
    bar = notebook_bar(1000, "<b>")
    assert bar is not None and "&lt;b&gt;" in shown[0]
    for _ in range(999):
        bar.advance(1)
    assert len(shown) < 5
    bar.advance(1)
    assert "1,000 of 1,000" in shown[-1]


def test_no_bar_outside_of_notebooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert notebook_bar(3, "task") is None
    terminal = ModuleType("IPython")
    terminal.get_ipython = lambda: SimpleNamespace()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", terminal)
    assert notebook_bar(3, "task") is None
