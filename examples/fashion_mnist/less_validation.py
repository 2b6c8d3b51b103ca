"""Keep some images of each class for validation, and learn from the others that validated before.

python less_validation.py splits.csv 300

Rewrites a table that ``featx split export`` wrote, for ``featx split import``. The images that stay
are those with the least digests: the choice depends on their bytes alone.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path


def main(path: Path, n_of_class: int) -> None:
    """Rewrite the table; test images stay where they are."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    n_kept = Counter[str]()
    for row in sorted(rows, key=lambda row: row["digest"]):
        if row["split"] != "test":
            n_kept[row["label"]] += 1
            row["split"] = "val" if n_kept[row["label"]] <= n_of_class else "train"
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
