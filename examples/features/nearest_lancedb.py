"""The nearest images by LanceDB.

    featx cache export features.arrow
    python nearest_lancedb.py features.arrow lancedb

Needs lancedb.
"""

from __future__ import annotations

import sys

import lancedb
from pyarrow import feather


def main(path: str, folder: str) -> None:
    images = feather.read_table(path)
    table = lancedb.connect(folder).create_table("images", images, mode="overwrite")
    query = images["features"][0].as_py()
    search = table.search(query, vector_column_name="features").distance_type("cosine")
    for row in search.limit(6).to_list():
        print(f"{1 - row['_distance']:.4f}\t{row['sample_id']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
