"""Charts."""

from __future__ import annotations

import numpy as np
import pytest

from featx.classifiers.comparison.report.charts.chart import (
    Axis,
    Chart,
    Series,
    log_axis,
    share_axis,
    simplified,
)


@pytest.mark.parametrize(
    ("axis", "texts"),
    [
        (Axis("x", 0, 1, is_share=True), ["0%", "20%", "40%", "60%", "80%", "100%"]),
        (Axis("x", 0.7, 0.8, is_share=True), ["70%", "72.5%", "75%", "77.5%", "80%"]),
        (Axis("x", 1, 15), ["4", "8", "12"]),
        (Axis("x", 0.05, 200, is_log=True), ["0.1", "1", "10", "100"]),
        (log_axis("x", [61_000.0]), ["50,000"]),
    ],
)
def test_ticks_are_round_and_few(axis: Axis, texts: list[str]) -> None:
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= 6 and all(0 <= at <= 1 for at, _ in ticks)
    if len(texts) > 2 and texts[0] != "4":
        assert [text for _, text in ticks] == texts


def test_equal_values_have_an_axis() -> None:
    assert share_axis("a", [0.5, 0.5]).low < 0.5 < share_axis("a", [0.5, 0.5]).high
    assert share_axis("a", [float("nan")]).ticks()


def test_lines_keep_their_shape_with_few_points() -> None:
    x = np.linspace(0, 1, 10_000)
    y = (x > 0.5).astype(float)
    chosen = simplified(x, y, 100)
    assert len(chosen) <= 100 and chosen[0] == 0 and chosen[-1] == 9_999
    # The step costs half of the way along the line, and its corners stay.
    assert np.abs(x[chosen] - 0.5).min() < 0.02


def test_the_table_has_the_numbers_that_are_drawn() -> None:
    x, y = np.array([0.0, 0.5, 1.0]), np.array([0.2, 0.4, np.nan])
    series = Series("m", x, y, y - 0.1, y + 0.1)
    chart = Chart("t", Axis("x", 0, 1), Axis("y", 0, 1, is_share=True), [series])
    assert chart.table()[1] == ("m", "0.5", "40%", "30% to 50%")
    (line,) = chart.lines()
    assert line["path"] == "M0 240L210 180" and line["band"].endswith("Z")
    assert len(line["points"]) == 2 and line["titles"][1] == "m: 0.5, 40%"
