"""Where a backbone's graph lies, and the files that its publisher put beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ....cache.errors import WeightsMismatchError, WeightsNotFoundError

ENDINGS = (".onnx", ".xml")
USUAL = (
    *("model.onnx", "onnx/model.onnx", "vision_model.onnx", "onnx/vision_model.onnx"),
    *("openvino_model.xml", "model.xml", "openvino/openvino_model.xml"),
)
"""Where publishers put a folder's graph, the one to prefer first."""

PLAIN_NAMES = ("model", "openvino_model", "vision_model")
SUBFOLDERS = ("onnx", "openvino")
OTHER_WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True)
class GraphPlace:
    """A graph on this machine.

    Attributes
    ----------
    path : Path
    name : str
        What its features are said to be of: its folder's name, or the file's.
    folders : tuple of Path
        Where its publisher's files may lie.
    """

    path: Path
    name: str
    folders: tuple[Path, ...]


def is_graph_file(name: str) -> bool:
    """Tell whether a backbone's name is the path of a graph, by its ending."""
    return name.lower().endswith(ENDINGS)


def find_graph(path: Path) -> GraphPlace:
    """Return the graph at a path, a file or a folder as Hugging Face and timm lay them out.

    Raises
    ------
    WeightsNotFoundError
        There is nothing at the path.
    WeightsMismatchError
        The folder holds no graph, or several of which none is called as usual.
    """
    if path.is_dir():
        return _place(_in_folder(path))
    if not path.is_file():
        raise WeightsNotFoundError(f"no ONNX file, OpenVINO file or folder of a model at {path}")
    return _place(path)


def _place(path: Path) -> GraphPlace:
    folder = path.absolute().parent
    top = folder.parent if folder.name in SUBFOLDERS else folder
    name = top.name if path.stem in PLAIN_NAMES and top.name else path.name
    return GraphPlace(path, name, tuple(dict.fromkeys((path.parent, top))))


def _in_folder(folder: Path) -> Path:
    for name in USUAL:
        if (folder / name).is_file():
            return folder / name
    graphs = sorted(path for path in folder.rglob("*") if is_graph_file(path.name))
    if len(graphs) == 1:
        return graphs[0]
    if graphs:
        names = ", ".join(str(path.relative_to(folder)) for path in graphs[:6])
        raise WeightsMismatchError(
            f"{folder} holds {len(graphs)} graphs ({names}). Name the one to use: --backbone FILE"
        )
    if any(next(folder.glob(pattern), None) for pattern in OTHER_WEIGHTS):
        raise WeightsMismatchError(
            f"{folder} holds PyTorch weights without a graph, which featx does not run. Export it: "
            f"optimum-cli export onnx --model {folder} --task feature-extraction {folder}"
        )
    raise WeightsMismatchError(
        f"{folder} holds no backbone: expected model.onnx, onnx/model.onnx or model.xml in it"
    )
