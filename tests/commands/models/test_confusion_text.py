"""The confusion matrix on the terminal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from comparison_shared import extract_pixels

from featx.commands.models.confusion_text import MAX_CLASSES, confusion_lines
from tests_shared import Cli


def test_counts_stand_below_the_numbers_of_their_classes() -> None:
    assert list(confusion_lines(np.array([[12, 0], [1, 1034]]), ["cat", "dog"])) == [
        "rows: true class, columns: predicted class; images",
        "          1     2",
        "1 cat    12     ·",
        "2 dog     1 1,034",
    ]


@pytest.mark.parametrize("largest", [9, 99_999])
@pytest.mark.parametrize("n_classes", [1, 2, MAX_CLASSES])
def test_lines_fit_into_80_columns(n_classes: int, largest: int) -> None:
    names = [f"a very long name of a class, number {i}\n" for i in range(n_classes)]
    counts = np.full((n_classes, n_classes), largest)
    title, *lines = confusion_lines(counts, names)
    assert ("percent" in title) == (n_classes == MAX_CLASSES and largest > 9)
    assert len(lines) == n_classes + 1 and len({*map(len, lines)}) == 1
    assert max(map(len, lines)) <= 80 and not any("\n" in line for line in lines)


def test_fit_draws_the_confusion_of_few_classes(cli: Cli, photos: Path) -> None:
    extract_pixels(Path("featx-cache"), photos)
    result = cli("fit", "--head", "centroid")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    first = lines.index("Confusion on test (rows: true class, columns: predicted class; images)")
    assert [line.split()[:2] for line in lines[first + 2 : first + 5]] == [
        ["1", "blue"], ["2", "green"], ["3", "red"]
    ]  # fmt: skip
