"""Bars and curves of block characters."""

from __future__ import annotations

from featx.commands.judging.bars import bars, sparkline


def test_the_best_value_has_the_longest_bar() -> None:
    assert bars([0.9, 0.5, None]) == ["██████████", "▏", ""]
    assert bars([0.9, 0.5], higher_is_better=False) == ["▏", "██████████"]
    assert bars([0.7, 0.7]) == ["██████████"] * 2
    assert bars([None]) == [""]


def test_a_sparkline_has_a_character_for_each_value() -> None:
    assert sparkline([0, 1, 2, 7]) == "▁▂▃█"
    assert sparkline([3, 3]) == "▁▁"
