from __future__ import annotations

from pathlib import Path

import pytest

from featx.cache.errors import ConfigError, UnknownHeadError
from featx.classifiers.heads.registry import HEADS
from featx.classifiers.selection.grid import default_families, params_text, read_grid


def test_grid_files(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text("[ridge]\nalpha = [1.0, 2.0]\n[knn]\nn_neighbors = 3\n")
    ridge, knn = read_grid(path)
    assert ridge.params == ({"alpha": 1.0}, {"alpha": 2.0})
    assert knn.params == ({"n_neighbors": 3},)
    path.write_text("[rigde]\nalpha = 1\n[knn]\nneighbours = 3\nn_neighbors = 2\n")
    with pytest.raises(UnknownHeadError, match=r"ridge.*neighbours"):
        read_grid(path)
    for text in ("", "x = 1", "[ridge"):
        path.write_text(text)
        with pytest.raises(ConfigError):
            read_grid(path)
    with pytest.raises(ConfigError, match="nowhere"):
        read_grid(tmp_path / "nowhere.toml")


def test_the_default_grid_covers_all_heads() -> None:
    families = default_families()
    assert [family.head for family in families] == list(HEADS)
    assert sum(len(family.params) for family in families) >= 40


def test_parameters_as_text() -> None:
    assert params_text({"C": 1e-4, "preset": "mlp", "hidden": (8, 4)}) == (
        "C=0.0001 preset=mlp hidden=(8, 4)"
    )
