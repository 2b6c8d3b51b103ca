"""Backbones in files for tests: real architectures exported by PyTorch, and graphs made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from featx.extractor import FeatureOptions
from featx.extractor.engines import run_rows
from featx.extractor.images.decode import decode
from featx.extractor.plan import make_plan

FOLDER = Path(__file__).parent / "data" / "graphs"
NAMES = tuple(sorted(path.name for path in FOLDER.iterdir() if path.is_dir()))


def expected(name):
    """Return what PyTorch gives: outputs, the processor's pixels, and the pictures."""
    with np.load(FOLDER / name / "expected.npz") as file:
        return {key: file[key] for key in file.files}


def features_of(backbone, images, engine="auto", **options):
    """Return the features of pictures, as an extraction computes them."""
    plan = make_plan(FeatureOptions(backbone=str(backbone), precision="float32", **options))
    pixels = np.stack([decode(image, [plan.geometry])[0] for image in images])
    (X,) = run_rows(plan.build_engine(2, engine), pixels)
    return X


def save_graph(path, nodes, outputs, constants=None, image=("n", 3, 8, 8), opset=17, **more):
    """Write an ONNX file that takes ``image`` and computes ``nodes``, given as tuples.

    A node is (kind, inputs, output, attributes); outputs are names.
    """
    made = [helper.make_node(k, [*i], [o], name=f"node_{o}", **a) for k, i, o, a in nodes]
    tensors = [numpy_helper.from_array(v, k) for k, v in (constants or {}).items()]
    inputs = [helper.make_tensor_value_info("image", more.get("dtype", TensorProto.FLOAT), image)]
    inputs += [
        helper.make_tensor_value_info(n, TensorProto.INT64, ["n"]) for n in more.get("words", ())
    ]
    results = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs]
    graph = helper.make_graph(made, "graph", inputs, results, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def convolution(rng=None, patch=4, width=6):
    """Return the node and the weights of a convolution to patches: ``map`` (n, width, 2, 2)."""
    rng = rng or np.random.default_rng(0)
    kernel = rng.standard_normal((width, 3, patch, patch)).astype(np.float32)
    attributes = {"strides": [patch, patch]}
    return ("Conv", ("image", "kernel"), "map", attributes), {"kernel": kernel}
