"""What `featx score --tta` does to accuracy on a part of Fashion-MNIST, and what it costs.

    python benchmarks/view_scores.py --work DIR [--train 2000] [--test 2000] [--size 96]

Models are fitted on the images alone and with their random views, and one is fine-tuned each way;
each scores the test images by themselves and by the mean over 2, 4 and 8 views. Beside an accuracy
stand the images that only the mean gets right, and those that only the image itself does. A run
that was cut off goes on with the cached features. Prints Markdown.
"""

from __future__ import annotations

import argparse
import gzip
import logging
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

import featx
from featx.classifiers.tuning.finetune import FinetuneOptions, run_finetune
from featx.extractor import extract_several
from featx.extractor.api import options_of_views
from featx.extractor.views.view import ALL_OPS

FOLDER = Path("/usr/share/datasets/fashion-mnist")
NUMBERS = (1, 2, 4, 8)
OPS = ("flip", "crop", "crop,flip", ALL_OPS)
HEADS = ("centroid", "ridge", "logreg", "svm")
LAYER = "block6d_add"
REPEATS = 3
N_TIMED = 500


@dataclass(frozen=True)
class Study:
    """Where the images, the cache and the models are.

    Attributes
    ----------
    work : Path
    size : int
        Side of the images that the backbone sees.
    """

    work: Path
    size: int

    @property
    def cache(self) -> str:
        """The folder of the features."""
        return str(self.work / "cache")

    @property
    def features(self) -> featx.FeatureOptions:
        """Of the embedded backbone, in float32."""
        return featx.FeatureOptions(image_size=self.size, precision="float32")

    def extract(self, ops: str) -> None:
        """Cache the images and seven views of each."""
        options = options_of_views(featx.Views(max(NUMBERS), ops), self.features)
        extract_several(self.work / "images", options, cache=self.cache)

    def fit(self, head: str, n_views: int, ops: str) -> Path:
        """Fit a head on the training images and views of them; return its file."""
        out = self.work / f"{head}-{n_views}.featx"
        options = featx.HeadOptions(head, views=n_views, view_ops=ops if n_views > 1 else None)
        featx.fit(None, options, cache=self.cache, out=out, overwrite=True)
        return out

    def finetune(self, n_views: int, ops: str, epochs: int) -> tuple[Path, list[float]]:
        """Train the last block further; return the file and each epoch's loss on held-out rows."""
        out = self.work / f"finetuned-{n_views}.featx"
        views = featx.Views(n_views, ops) if n_views > 1 else featx.Views()
        params = {"epochs": epochs, "lr": 1e-5, "head_lr": 1e-4, "patience": epochs}
        options = FinetuneOptions(params=params, views=views)
        report = run_finetune(LAYER, None, options, cache=self.cache, out=out, overwrite=True)
        return out, report.model.origin["history"]["val_loss"]

    def right(
        self, model: Path, views: featx.Views, source: str = "features:"
    ) -> NDArray[np.bool_]:
        """Score; return which test images the model is right on."""
        out = self.work / "scored.parquet"
        options = featx.ScoreOptions(views=views, columns=["label", "split"], overwrite=True)
        featx.score(model, source, out, options, cache=self.cache)
        table = pq.read_table(out)
        is_test = np.array([split == "test" for split in table.column("split").to_pylist()])
        pairs = zip(
            table.column("predicted").to_pylist(), table.column("label").to_pylist(), strict=True
        )
        return np.array([one == other for one, other in pairs])[is_test]

    def cells(self, model: Path, ops: str, source: str = "features:") -> Iterator[str]:
        """Yield the accuracy for each number of views; what the mean wins and loses."""
        alone = self.right(model, featx.Views(), source)
        yield f"{alone.mean():.4f}"
        for n in NUMBERS[1:]:
            mean = self.right(model, featx.Views(n, ops), source)
            won, lost = int((mean & ~alone).sum()), int((alone & ~mean).sum())
            yield f"{mean.mean():.4f} (+{won} −{lost})"

    def seconds(self, model: Path, n_views: int) -> float:
        """Score some images whose features no cache has; return the seconds."""
        options = featx.ScoreOptions(views=featx.Views(n_views), overwrite=True)
        start = time.perf_counter()
        featx.score(
            model, self.work / "timed", self.work / "timed.csv", options, cache=self.work / "none"
        )
        return time.perf_counter() - start


def cut(source: Path, target: Path, name: str, n: int) -> None:
    """Write the first images of an IDX pair as a pair of its own."""
    target.mkdir(parents=True, exist_ok=True)
    for kind, header in (("images-idx3", 16), ("labels-idx1", 8)):
        content = gzip.decompress((source / f"{name}-{kind}-ubyte.gz").read_bytes())
        width = 784 if header == 16 else 1
        head = content[:4] + struct.pack(">I", n) + content[8:header]
        part = head + content[header : header + n * width]
        (target / f"{name}-{kind}-ubyte.gz").write_bytes(gzip.compress(part))


def line(*cells: str) -> None:
    """Print a row of a table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Extract, fit, score, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=FOLDER)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--test", type=int, default=2000)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=4)
    chosen = parser.parse_args(arguments)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    study = Study(chosen.work, chosen.size)
    cut(chosen.source, chosen.work / "images", "train", chosen.train)
    cut(chosen.source, chosen.work / "images", "t10k", chosen.test)
    cut(chosen.source, chosen.work / "test", "t10k", chosen.test)
    cut(chosen.source, chosen.work / "timed", "t10k", N_TIMED)
    for ops in OPS:
        study.extract(ops)

    print("\nScored by views of several kinds; heads of the images alone\n")
    line("head", "views", *map(str, NUMBERS))
    line(*["---"] * (2 + len(NUMBERS)))
    for head in HEADS:
        model = study.fit(head, 1, ALL_OPS)
        for ops in OPS:
            line(head, ops, *study.cells(model, ops))

    learned = "crop,flip"
    print(f"\nLearned from views, too ({learned})\n")
    line("head", "learned from", *map(str, NUMBERS))
    line(*["---"] * (2 + len(NUMBERS)))
    for head in HEADS:
        for n in (4, 8):
            line(head, f"{n} views", *study.cells(study.fit(head, n, learned), learned))
    for n in (1, 4):
        model, losses = study.finetune(n, learned, chosen.epochs)
        words = " ".join(f"{loss:.4f}" for loss in losses)
        source = str(chosen.work / "test")
        line(f"fine-tuned ({words})", f"{n} views", *study.cells(model, learned, source))

    print(f"\nSeconds of `featx score` over {N_TIMED} images that no cache has, in turns\n")
    model = study.work / "ridge-1.featx"
    study.seconds(model, 1)
    turns = [[study.seconds(model, n) for n in NUMBERS] for _ in range(REPEATS)]
    medians = [median(column) for column in zip(*turns, strict=True)]
    line(*(f"{n} views" for n in NUMBERS))
    line(*["---"] * len(NUMBERS))
    line(*(f"{value:.2f} ({value / medians[0]:.2f} times)" for value in medians))


if __name__ == "__main__":
    main()
