"""Ends of stages, by rule."""

from __future__ import annotations

from featx.extractor.backbones.presets.stages import (
    ACTIVATION,
    MERGE,
    OTHER,
    WEIGHTED,
    Step,
    stage_ends,
)

Size = int


def chain(*parts: tuple[str, str, Size]) -> list[Step]:
    """Return steps in a row, each with the name, kind and side of its map."""
    names = [None, *(name for name, *_ in parts)]
    return [
        Step(name, kind, (side, side, 8), (before,) if before else ())
        for before, (name, kind, side) in zip(names, parts, strict=False)
    ]


def residual() -> list[Step]:
    """Three stages of a convolution and a sum, and a convolution at the end."""
    steps = [Step("input", OTHER, (64, 64, 3), ())]
    for number, side in enumerate((32, 16, 8), 1):
        before, shape = steps[-1].name, (side, side, 8 * number)
        steps += [
            Step(f"down{number}", WEIGHTED, shape, (before,)),
            Step(f"conv{number}", WEIGHTED, shape, (f"down{number}",)),
            Step(f"add{number}", MERGE, shape, (f"down{number}", f"conv{number}")),
        ]
    return [*steps, Step("top", WEIGHTED, (8, 8, 99), ("add3",))]


def test_sums_at_the_end_of_each_size_are_taken() -> None:
    assert stage_ends(residual(), "top") == ["add1", "add2", "add3"]
    assert stage_ends(residual(), "top", 2) == ["add2", "add3"]


def test_the_last_layer_is_not_taken_twice() -> None:
    relu = Step("relu", ACTIVATION, (8, 8, 24), ("add3",))
    assert stage_ends([*residual()[:-1], relu], "relu") == ["add1", "add2"]
    assert stage_ends(residual(), "add3") == ["add1", "add2"]


def test_an_activation_belongs_to_its_sum() -> None:
    steps = residual()
    at = next(i for i, step in enumerate(steps) if step.name == "down2")
    relu = Step("out1", ACTIVATION, (32, 32, 8), ("add1",))
    steps[at:at] = [relu]
    steps[at + 1] = Step("down2", WEIGHTED, (16, 16, 16), ("out1",))
    assert stage_ends(steps, "top") == ["out1", "add2", "add3"]


def test_a_sum_inside_a_block_is_no_end() -> None:
    steps = residual()
    at = next(i for i, step in enumerate(steps) if step.name == "add2")
    inside = Step("inside", MERGE, (16, 16, 16), ("conv2", "conv2"))
    steps[at:at] = [inside]
    late = Step("late", MERGE, (16, 16, 16), ("inside", "add2"))
    assert stage_ends(steps, "top") == ["add1", "add2", "add3"]
    assert "late" not in stage_ends([*steps, late], "top")


def test_networks_without_sums_end_with_what_all_data_goes_through() -> None:
    plain = chain(
        ("conv1", WEIGHTED, 32),
        ("conv2", WEIGHTED, 32),
        ("pool1", OTHER, 16),
        ("conv3", WEIGHTED, 16),
        ("relu3", ACTIVATION, 16),
        ("pad", OTHER, 17),
        ("pool2", OTHER, 8),
    )
    assert stage_ends(plain, "pool2") == ["conv2", "relu3"]


def test_what_has_no_maps_or_no_names_has_no_stages() -> None:
    tokens = [Step("a", WEIGHTED, (), ()), Step("b", MERGE, (), ("a",))]
    assert stage_ends(tokens, "b") == []
    assert stage_ends([Step("pixels", OTHER, (8, 8, 3), ())], "pixels") == []
    unnamed = [Step(s.name, s.kind, s.shape, s.parents, False) for s in residual()]
    assert stage_ends(unnamed, "top") == []
