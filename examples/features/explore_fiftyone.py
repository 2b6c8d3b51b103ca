"""Images with their labels and features in FiftyOne, which finds those that are alike.

    featx cache export features.arrow
    python explore_fiftyone.py features.arrow photos/

Needs fiftyone, pyarrow, and MongoDB, which fiftyone brings along on most systems.
"""

from __future__ import annotations

import sys
from pathlib import Path

import fiftyone as fo
import fiftyone.brain as fob
import numpy as np
from pyarrow import feather


def main(path: str, photos: str) -> None:
    table = feather.read_table(path)
    ids, labels = (table[name].to_pylist() for name in ("sample_id", "class_name"))
    dataset = fo.Dataset("featx", overwrite=True)
    dataset.add_samples(
        fo.Sample(str(Path(photos) / name), ground_truth=fo.Classification(label=label))
        for name, label in zip(ids, labels, strict=True)
    )
    X = np.stack(table["features"].to_numpy()).astype(np.float32)
    fob.compute_similarity(dataset, embeddings=X, brain_key="featx", metric="cosine")
    alike = dataset.sort_by_similarity(dataset.first().id, k=6, brain_key="featx")
    for sample in alike:
        print(f"{sample.ground_truth.label}\t{sample.filepath}")


if __name__ == "__main__":
    main(*sys.argv[1:])
