"""How many shards a large extraction leaves, and what a kill could cost on the way.

python benchmarks/shard_count.py [--images 100000] [--pool avg] [--engine auto]

Random 32-pixel images go through a small network. Prints the number of shards at the end, the most
that there were on the way, and the seconds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from featx import FeatureOptions, FeatureStore, RunOptions
from featx.extractor import extract_features
from featx.extractor.run_options import LogObserver


class Watch(LogObserver):
    """Counts the shards of a cache as a run goes on."""

    def __init__(self, cache: Path) -> None:
        self.cache, self.most, self._due = cache, 0, 0

    def advance(self, n_images: int) -> None:
        """Look at the cache once for each thousand images."""
        self._due += n_images
        if self._due >= 1000:
            self._due = 0
            self.most = max(self.most, n_shards(self.cache))


def n_shards(cache: Path) -> int:
    """Return the number of shards in a cache."""
    return len(list(cache.glob("sets/*/shards/*.h5")))


def main() -> None:
    """Extract and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--pool", default="avg")
    parser.add_argument("--engine", default="auto")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos, cache = Path(folder) / "photos.npy", Path(folder) / "cache"
        shape = (words.images, 32, 32, 3)
        np.save(photos, np.random.default_rng(0).integers(0, 256, shape, np.uint8))
        features = FeatureOptions(
            backbone="mobilenet", weights="random:0", image_size=32, pool=words.pool
        )
        watch, start = Watch(cache), time.perf_counter()
        run = RunOptions(engine=words.engine)
        report = extract_features(photos, features, cache=cache, run=run, observer=watch)
        seconds = time.perf_counter() - start
        stored = FeatureStore(cache).open_features()
        width, n_images = stored.X.shape[1], report.record.n_extracted
        print(f"{n_images:,} images of {width:,} numbers in {seconds:.0f} s")
        print(f"{n_shards(cache)} shards at the end, {watch.most} at most on the way")


if __name__ == "__main__":
    main()
