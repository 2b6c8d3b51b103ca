"""The shape of the project: what may import what, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import featx

ROOT = Path(featx.__file__).parent
ORDER = ("cache", "extractor", "classifiers", "commands", "cli")
FORBIDDEN = {
    "cache": {"PIL", "keras", "tensorflow", "sklearn", "typer", "rich", "openvino"},
    "extractor": {"sklearn", "typer", "rich"},
    "classifiers": {"h5py", "PIL", "typer", "rich"},
}


def modules() -> list[Path]:
    return [p for p in ROOT.rglob("*.py") if p.relative_to(ROOT).parts[0] != "tests"]


def imported(path: Path) -> set[str]:
    """Absolute module names, and ours as ``featx.<folder>``."""
    package = path.relative_to(ROOT).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            full = [*base, *(node.module or "").split(".")]
            found.add(".".join(["featx", *filter(None, full)]))
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    folder = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if folder not in ORDER:
        return
    allowed = set(ORDER[: ORDER.index(folder) + 1])
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("featx.")}
    assert ours <= allowed, f"{path} imports {ours - allowed}"


@pytest.mark.parametrize("folder", sorted(FORBIDDEN))
def test_folders_do_not_know_what_is_not_theirs(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        tops = {name.split(".")[0] for name in imported(path)}
        assert not tops & FORBIDDEN[folder], path


def test_the_check_sees_a_wrong_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "bad.py").write_text("from ..extractor import plan\nimport keras.ops\n")
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert imported(folder / "bad.py") == {"featx.extractor", "keras.ops"}
    with pytest.raises(AssertionError):
        test_imports_run_one_way(folder / "bad.py")
    with pytest.raises(AssertionError):
        test_folders_do_not_know_what_is_not_theirs("cache")


def test_importing_featx_loads_nothing_heavy() -> None:
    code = "import featx, featx.cli, sys; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = set(result.stdout.split())
    assert result.returncode == 0, result.stderr
    assert not loaded & {"keras", "tensorflow", "sklearn", "h5py", "numpy", "PIL", "pyarrow"}


def test_public_names() -> None:
    assert sorted(featx.__all__) == [
        "FeatureExtractor",
        "FeatureOptions",
        "FeatureSet",
        "FeatureSpec",
        "FeatureStore",
        "FeatxError",
        "HeadOptions",
        "Manifest",
        "Model",
        "PredictionOptions",
        "RunOptions",
        "ScoreOptions",
        "Scores",
        "SourceOptions",
        "SweepOptions",
        "Tag",
        "Views",
        "export",
        "extract",
        "fit",
        "load_model",
        "open_features",
        "open_source",
        "pack_model",
        "save",
        "save_model",
        "score",
        "sweep",
        "unpack_network",
    ]
    assert all(hasattr(featx, name) for name in featx.__all__)
    assert not hasattr(featx, "nothing")


def test_the_solver_and_the_heads_are_public() -> None:
    import featx.classifiers

    assert {"make_head", "solve_path"} <= set(featx.classifiers.__all__)
    X = np.array([[0.0], [1.0], [2.0], [3.0]], np.float32)
    found = featx.classifiers.solve_path(X, [0, 0, 1, 1], C=[1.0, 10.0])
    assert found.coef.shape == (2, 1, 1)
    head = featx.classifiers.make_head("linear-svm", C=1.0).fit(X, ["a", "a", "b", "b"])
    assert head.predict(X).tolist() == ["a", "a", "b", "b"]
    with pytest.raises(AttributeError):
        featx.classifiers.nothing  # noqa: B018


def test_the_wheel_holds_every_folder_of_the_package() -> None:
    root = Path(__file__).resolve().parents[1]
    listed = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    rooms = ("cache", "classifiers", "commands", "extractor")
    files = [path for room in rooms for path in (root / room).rglob("__init__.py")]
    folders = {".".join(("featx", *path.parent.relative_to(root).parts)) for path in files}
    assert set(listed) == {"featx", *folders}


def test_only_featx_lands_in_site_packages() -> None:
    from importlib.metadata import files

    tops = {path.parts[0] for path in files("featx") or []}
    assert {top for top in tops if not top.startswith(("featx", "..", "__"))} == set()
