"""A real extraction in a process of its own, with a small NumPy engine in Keras' place.

python extract_driver.py SOURCE CACHE LOG SHARD_ROWS

Says ``ready`` when all is loaded; appends to LOG how many images each batch holds before their rows
can be in the cache. Exits as the command line does.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import featx.extractor.pipeline.writer as writer
from featx.cache import FeatureStore
from featx.cache.errors import FeatxError
from featx.extractor.extract import extract
from featx.extractor.plan import FeatureOptions, Plan, make_plan
from featx.extractor.run_options import RunOptions
from featx.extractor.sources import open_source

BATCH = 8
N_FEATURES = 3072


class PixelEngine:
    """Features are the pixels themselves, so that every row can be told from the image."""

    name = kind = "test/pixels"
    on_accelerator = False
    precision = "float32"
    batch_size = BATCH
    n_parallel = 1

    def __init__(self, log: int) -> None:
        self.log = log

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """Return each image's pixels; count those that are no padding."""
        n_images = int(images.any(axis=(1, 2, 3)).sum())
        os.write(self.log, f"{n_images}\n".encode())
        return (images.reshape(len(images), -1).astype(np.float32),)


def main() -> int:
    """Extract; return the exit code."""
    source, cache, log, shard_rows = sys.argv[1:]
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    writer.UNSAVED_BYTES = int(shard_rows) * N_FEATURES * 4
    engine = PixelEngine(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT))
    Plan.build_engine = lambda *words: engine  # type: ignore[assignment,method-assign]
    choice = FeatureOptions(
        backbone="mobilenet", weights="random:0", image_size=32, precision="float32"
    )
    plan = make_plan(choice)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    try:
        options = RunOptions(workers=2, batch_size=BATCH)
        (report,) = extract(open_source(Path(source)), [plan], FeatureStore(cache), options)
    except FeatxError as error:
        sys.stderr.write(f"featx: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{report.record.n_extracted}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
