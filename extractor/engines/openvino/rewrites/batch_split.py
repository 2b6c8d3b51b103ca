"""Running the first layers of a network on few images at a time.

The first layers have large maps and few weights. The maps of a whole batch do not fit into the
processor's second-level cache, so each layer would write them to memory and the next one would read
them back. Therefore the batch is split, and each piece goes through the first layers by itself. The
later layers have small maps and many weights; they take the whole batch, which shares the reading
of the weights. No operation before the split ends mixes images, so no number changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

CACHED_VALUES = 1 << 20
"""Values of a piece's largest map: 2 MiB in bfloat16."""

FIRST_WEIGHTS = 1 << 20
"""Weights of the first layers, which are read for each piece."""

CUT_VALUES = 1 << 19
"""Values of an image where pieces are joined: joining more costs more than the split gains."""

FEW_PIXELS = 512
"""Pixels of a map below which a convolution needs several images to use the matrix unit well."""

MAX_PIECES = 32
IMAGE_BY_IMAGE = frozenset(
    (
        *("Convert", "Convolution", "GroupConvolution", "MaxPool", "AvgPool"),
        *("Relu", "Clamp", "Elu", "Sigmoid", "HSigmoid", "Swish", "HSwish"),
    )
)
"""Operations that never mix the images of a batch."""

CONVOLUTIONS = ("Convolution", "GroupConvolution")
OF_TWO = ("Add", "Multiply", "Subtract")
OF_AXES = ("ReduceMean", "ReduceMax")


def split_batch(model: Any) -> None:
    """Rewrite ``model`` to run its first layers on pieces of the batch, where that is faster.

    Parameters
    ----------
    model : openvino.Model
        With one input of a fixed shape ``(b, ...)``.
    """
    if len(model.get_parameters()) != 1:
        return
    pixels = model.get_parameters()[0]
    batch_size = int(pixels.output(0).get_shape()[0])
    cut, largest = _find_cut(model, batch_size)
    n_pieces = _n_pieces(batch_size, largest)
    if cut is None or n_pieces == 1:
        return
    import openvino
    from openvino import opset13

    users = cut.output(0).get_target_inputs()
    first_layers = openvino.Model([opset13.result(cut, name="split")], [pixels], "split")
    kernels = {node.get_friendly_name(): node for node in _kernels(first_layers)}
    pieces = opset13.split(pixels, 0, n_pieces)
    joined = []
    for number in range(n_pieces):
        piece = first_layers.clone()
        # One copy of them stays in the cache. A bias of several users would not be fused.
        for node in _kernels(piece):
            _move_users(node, kernels[node.get_friendly_name()].output(0))
        _move_users(piece.get_parameters()[0], pieces.output(number))
        joined.append(piece.get_results()[0].input_value(0))
    whole = opset13.concat(joined, 0)
    for user in users:
        user.replace_source_output(whole.output(0))
    model.validate_nodes_and_infer_types()


def _kernels(model: Any) -> list[Any]:
    """Return the constants that are kernels of convolutions."""
    users = (node for node in model.get_ops() if node.get_type_name() in CONVOLUTIONS)
    sources = (user.input_value(1).get_node() for user in users)
    return [source for source in sources if source.get_type_name() == "Constant"]


def _move_users(node: Any, output: Any) -> None:
    """Connect all users of ``node`` to ``output``."""
    for user in node.output(0).get_target_inputs():
        user.replace_source_output(output)


def _n_pieces(batch_size: int, largest: int) -> int:
    """Return into how many pieces a batch is cut, given the values of one image's largest map."""
    most = max(1, CACHED_VALUES // max(1, largest), batch_size // MAX_PIECES)
    size = next(n for n in range(min(most, batch_size), 0, -1) if batch_size % n == 0)
    return batch_size // size


def _find_cut(model: Any, batch_size: int) -> tuple[Any, int]:
    """Return the last operation that runs on pieces, or None, and the values of its largest map."""
    cut, largest_before_cut, largest, n_weights = None, 0, 0, 0
    for node, is_joint in _walk(model):
        shape = list(node.output(0).get_shape())
        if not _is_per_image(node, shape, batch_size):
            break
        if node.get_type_name() == "Convolution":
            n_weights += _size(node.input(1).get_shape())
            if n_weights > FIRST_WEIGHTS or 1 < _size(shape[2:]) < FEW_PIXELS:
                break
        largest = max(largest, _size(shape[1:]))
        if is_joint and _size(shape[1:]) <= CUT_VALUES:
            cut, largest_before_cut = node, largest
    return cut, largest_before_cut


def _walk(model: Any) -> Iterator[tuple[Any, bool]]:
    """Yield each operation after the input, and whether the later ones need only its output."""
    waiting: dict[str, int] = {}
    for node in model.get_ordered_ops():
        sources = [value.get_node() for value in node.input_values()]
        names = [s.get_friendly_name() for s in sources if s.get_friendly_name() in waiting]
        is_input = node.get_type_name() == "Parameter"
        if not names and not is_input:
            continue
        for name in names:
            waiting[name] -= 1
            if not waiting[name]:
                del waiting[name]
        n_users = [len(output.get_target_inputs()) for output in node.outputs()]
        waiting[node.get_friendly_name()] = sum(n_users)
        if not is_input:
            yield node, len(waiting) == 1 and not any(n_users[1:])


def _is_per_image(node: Any, shape: list[int], batch_size: int) -> bool:
    """Tell whether an operation does not mix the images of a batch."""
    kind = node.get_type_name()
    if not shape or shape[0] != batch_size:
        return False
    if kind in IMAGE_BY_IMAGE:
        return True
    operand = node.input_value(1).get_node() if node.get_input_size() > 1 else None
    if operand is None or operand.get_type_name() != "Constant":
        return kind in OF_TWO
    if kind in OF_TWO:
        # An operand with values for each image of the batch cannot be split.
        sides = list(operand.output(0).get_shape())
        return len(sides) < len(shape) or sides[0] == 1
    numbers = operand.data.reshape(-1).tolist()
    if kind in ("Transpose", "Pad"):
        return bool(numbers[0] == 0)
    if kind == "Reshape":
        # -1 stands for the batch; the values of an image stay together.
        return bool(numbers[0] == -1) and int(node.input(0).get_shape()[0]) == batch_size
    return kind in OF_AXES and min(numbers) > 0


def _size(shape: Any) -> int:
    n_values = 1
    for side in shape:
        n_values *= int(side)
    return n_values
