"""A map of the images for Embedding Atlas, as a page to open in a browser.

    featx cache export features.parquet
    python map_embedding_atlas.py features.parquet atlas.zip

Needs embedding-atlas.
"""

from __future__ import annotations

import subprocess
import sys


def main(path: str, out: str) -> None:
    words = [path, "--vector", "features", "--export-application", out]
    subprocess.run(["embedding-atlas", *words], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
