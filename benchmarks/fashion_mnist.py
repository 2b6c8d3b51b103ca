"""Fashion-MNIST: the default sweep beside networks trained from scratch, all on the same splits.

Every command is one that users type. A run that was cut off goes on: models that are there are not
trained again. Prints a Markdown table of the test rows, and McNemar's test between the best head
and the best network.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path("/usr/share/datasets/fashion-mnist")
NETWORKS = ("fc", "cnn1", "cnn2", "cnn3", "cnn4", "cnn5")
SIZES = {"cnn5": 94}
"""Sides in pixels where the images' own 28 are too few for a network's poolings."""
BASELINE = "baseline"
BACKBONE = "efficientnet_lite0"
HEAD_MODEL = "sweep.featx"
COLUMNS = "model", "accuracy", "AUC", "log loss", "parameters trained", "seconds to fit"


@dataclass(frozen=True)
class Study:
    """Where the study runs, and how long its networks train.

    Attributes
    ----------
    source : Path
        The folder of the four IDX files.
    work : Path
        For the cache and the models.
    epochs, augment_epochs : int
        Of each network; of the second phase where it has one.
    """

    source: Path
    work: Path
    epochs: int
    augment_epochs: int

    def featx(self, *words: str) -> str:
        """Run a command; return what it writes to standard output."""
        print("featx", *words, file=sys.stderr)
        command = [sys.executable, "-c", "from featx.cli import main; main()", *words]
        done = subprocess.run(command, cwd=self.work, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout

    def answer(self, *words: str) -> Any:
        """Run a command; return its JSON."""
        return json.loads(self.featx(*words, "--json"))

    def sweep(self) -> None:
        """Extract features and write the winner of the default sweep."""
        if not (self.work / HEAD_MODEL).exists():
            self.featx("extract", str(self.source), "--backbone", BACKBONE)
            self.featx("sweep", str(self.source), "--out", HEAD_MODEL)

    def train(self, network: str, *, augment: bool) -> None:
        """Train a network; its augmented phase goes on from the state that the plain one left."""
        plain, out = model_file(network), model_file(network, augment)
        words = ["baseline", network, str(self.source), "--epochs", str(self.epochs)]
        words += ["--out", out, "--keep-state"]
        if network in SIZES:
            words += ["--size", str(SIZES[network])]
        if augment:
            words += ["--augment", "--augment-epochs", str(self.augment_epochs)]
            state, finished = self.work / f"{out}.epochs", self.work / f"{plain}.epochs"
            if finished.exists() and not state.exists():
                shutil.copyfile(finished, state)
        if not (self.work / out).exists():
            self.featx(*words)

    def rows(self) -> list[Mapping[str, Any]]:
        """Return what `featx results` says of all models on the test rows, the best first."""
        boards = self.answer("results", str(self.source), "--split", "test")["boards"]
        rows: list[Mapping[str, Any]] = boards[0]["results"]
        return rows


def model_file(network: str, augment: bool = False) -> str:
    """Return the name of a network's model file."""
    return f"{network}{'-augmented' if augment else ''}.featx"


def cells(row: Mapping[str, Any]) -> list[str]:
    """Return what the table says of one result; the interval's half width after the accuracy."""
    metrics, (low, high) = row["metrics"], row["intervals"]["accuracy"]
    augment_epochs = row["params"].get("augment_epochs")
    name = row["name"] if row["kind"] == BASELINE else f"**{row['backbone']} + {row['head']}**"
    return [
        f"{name}, then {augment_epochs} epochs augmented" if augment_epochs else name,
        f"{metrics['accuracy']:.4f} ± {(high - low) / 2:.4f}",
        f"{metrics['auc']:.4f}",
        f"{metrics['log_loss']:.3f}",
        f"{row['n_trained']:,}",
        f"{row['fit_seconds']:,.0f}",
    ]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=FOLDER)
    parser.add_argument("--work", type=Path, default=Path(".fashion-mnist"))
    parser.add_argument("--networks", nargs="*", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--augmented", nargs="*", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--augment-epochs", type=int, default=50)
    chosen = parser.parse_args(arguments)
    chosen.work.mkdir(parents=True, exist_ok=True)
    study = Study(chosen.source, chosen.work, chosen.epochs, chosen.augment_epochs)
    study.sweep()
    for network in chosen.networks:
        study.train(network, augment=False)
    for network in chosen.augmented:
        study.train(network, augment=True)
    rows = study.rows()
    print(table([COLUMNS, ["---"] * len(COLUMNS), *map(cells, rows)]))
    best_head = next(row["id"] for row in rows if row["kind"] != BASELINE)
    best_network = next(row["id"] for row in rows if row["kind"] == BASELINE)
    print(study.featx("compare", best_network, best_head, "--split", "test"))


if __name__ == "__main__":
    main()
