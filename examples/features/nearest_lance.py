"""The nearest images by a Lance data set, without a data base.

    featx cache export features.arrow
    python nearest_lance.py features.arrow images.lance

Needs pylance.
"""

from __future__ import annotations

import sys

import lance
from pyarrow import feather


def main(path: str, folder: str) -> None:
    images = feather.read_table(path)
    dataset = lance.write_dataset(images, folder, mode="overwrite")
    query = images["features"][0].values.to_numpy()
    columns = ["sample_id", "_distance"]
    nearest = {"column": "features", "q": query, "k": 6, "metric": "cosine"}
    for row in dataset.to_table(columns=columns, nearest=nearest).to_pylist():
        print(f"{1 - row['_distance']:.4f}\t{row['sample_id']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
