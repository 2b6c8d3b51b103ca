"""The recipe that moves validation images into training."""

from __future__ import annotations

import csv
import runpy
from collections import Counter
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "fashion_mnist" / "less_validation.py"


def test_the_images_of_the_least_digests_validate(tmp_path: Path) -> None:
    names = ("id", "digest", "group", "label", "split")
    table = tmp_path / "splits.csv"
    rows = [
        (f"{i}.png", f"{7 * i % 24:064x}", "", "ab"[i % 2], ("test", "val", "train")[i % 3])
        for i in range(24)
    ]
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])
    runpy.run_path(str(SCRIPT))["main"](table, 3)
    with table.open(newline="", encoding="utf-8") as file:
        changed = list(csv.DictReader(file))
    assert [row["id"] for row in changed] == [row[0] for row in rows]
    assert all((row["split"] == "test") == (i % 3 == 0) for i, row in enumerate(changed))
    rest = [row for row in changed if row["split"] != "test"]
    assert Counter((row["label"], row["split"]) for row in rest) == {
        ("a", "val"): 3,
        ("b", "val"): 3,
        ("a", "train"): 5,
        ("b", "train"): 5,
    }
    digests = {
        (label, split): [r["digest"] for r in rest if (r["label"], r["split"]) == (label, split)]
        for label in "ab"
        for split in ("val", "train")
    }
    assert all(max(digests[label, "val"]) < min(digests[label, "train"]) for label in "ab")
