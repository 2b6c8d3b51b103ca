"""Findings: the lists of images that a person should look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....selection.splitting.near_duplicates import NearDuplicates, find_near_duplicates
from ...curves.stratified import stratified_sample
from ...visible import visible
from ..study import Study
from .label_errors import LabelErrors, find_label_errors
from .outliers import MAX_REFERENCE, find_outliers, neighbour_distances

SHOWN = 60
MOST_OUTLIERS = 200
MAX_PRODUCTS = 2_500_000_000_000
"""Multiplications of the search for near duplicates: about a minute on two cores."""


@dataclass(frozen=True)
class ListEntry:
    """One entry of a list: one image or a pair, and what is said of them.

    Attributes
    ----------
    samples : tuple of int
        Numbers in the manifest.
    lines : tuple of (text, name, kind)
        Sentences, a name at their end, and their style: ``right``, ``wrong``, ``id`` or none.
    """

    samples: tuple[int, ...]
    lines: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class FindingList:
    """A list with all of its rows for a CSV file.

    Attributes
    ----------
    id, title, lead : str
    findings : tuple of ListEntry
        The first ones, which the page shows.
    header : tuple of str
        Empty where nothing was looked for; then the lead says why.
    rows : list of tuple
    """

    id: str
    title: str
    lead: str
    findings: tuple[ListEntry, ...] = ()
    header: tuple[str, ...] = ()
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def was_looked_for(self) -> bool:
        """Whether the list is what was found, and not only why nothing was looked for."""
        return bool(self.header)

    @property
    def samples(self) -> list[int]:
        """Numbers in the manifest of all images that are shown."""
        return [sample for finding in self.findings for sample in finding.samples]


class Finder:
    """Makes the lists of one study.

    Parameters
    ----------
    study : Study
    components : ndarray of float32, shape (n_rows, n_components)
        Principal components of all rows of the features.
    """

    def __init__(self, study: Study, components: NDArray[np.float32]) -> None:
        self.study, self.components = study, components
        self.features = study.features
        self.names = [visible(name) for name in self.features.class_names]
        self.ids = self.features.sample_ids

    def id_of(self, row: int) -> str:
        """Return the id of a row of the features as text that is safe to show."""
        return visible(self.ids[row])

    def sample_of(self, row: int) -> int:
        """Return the number in the manifest of a row of the features."""
        return int(self.features.kept[row])

    def label_of(self, row: int) -> str:
        """Return the label of a row."""
        label = int(self.features.y[row])
        return self.names[label] if label >= 0 else "no label"

    def mistakes(self) -> FindingList:
        """Return the wrong answers of the winner, the surest first."""
        winner = self.study.winner_everywhere
        if winner is None:
            return FindingList("mistakes", "Surest mistakes", "No model has judged these images.")
        wrong = np.flatnonzero(winner.predicted != winner.y)
        wrong = wrong[np.argsort(-winner.confidence[wrong], kind="stable")]
        manifest = self.features.manifest
        rows: list[tuple[Any, ...]] = []
        findings: list[ListEntry] = []
        for i in wrong:
            sample = int(winner.samples[i])
            truth, said = self.names[winner.y[i]], self.names[winner.predicted[i]]
            sure, of_truth = (
                float(winner.confidence[i]),
                float(winner.probabilities[i, winner.y[i]]),
            )
            rows.append(
                (
                    visible(manifest.sample_ids[sample]),
                    truth,
                    said,
                    f"{sure:.4f}",
                    f"{of_truth:.4f}",
                )
            )
            if len(findings) < SHOWN:
                lines = (
                    (f"{sure:.1%} sure:", said, "wrong"),
                    ("labelled", truth, ""),
                    ("", rows[-1][0], "id"),
                )
                findings.append(ListEntry((sample,), lines))
        lead = (
            f"{len(wrong):,} of {len(winner.y):,} {split_words(winner.splits)} images are wrong. "
            "The surest come first: some of them are label errors."
        )
        header = ("id", "label", "predicted", "probability", "probability_of_label")
        return FindingList("mistakes", "Surest mistakes", lead, tuple(findings), header, rows)

    def label_errors(self) -> FindingList:
        """Return the images whose label is probably wrong."""
        title, name = "Probable label errors", "label-errors"
        if self.study.split is None:
            return FindingList(name, title, "Not looked for: there are no labels.")
        found = find_label_errors(self.features, self.study.split)
        if found.skipped:
            return FindingList(name, title, f"Not looked for: {found.skipped}.")
        rows, findings = [], []
        for row, given, suggested, p_given, p_suggested in zip(
            found.rows, found.given, found.suggested, found.given_probability,
            found.suggested_probability, strict=True,
        ):  # fmt: skip
            row = int(row)
            old, new = self.names[given], self.names[suggested]
            rows.append((self.id_of(row), old, new, f"{p_given:.4f}", f"{p_suggested:.4f}"))
            lines = (
                ("labelled", old, "wrong"),
                (f"{p_suggested:.1%} sure:", new, ""),
                ("", rows[-1][0], "id"),
            )
            findings.append(ListEntry((self.sample_of(row),), lines))
        return FindingList(
            name,
            title,
            _label_error_lead(found),
            tuple(findings[:SHOWN]),
            ("id", "label", "suggested", "probability_of_label", "probability_of_suggested"),
            rows,
        )

    def near_duplicates(self) -> FindingList:
        """Return pairs that look like the same picture, across splits and within training."""
        title, name, split = "Near duplicates", "near-duplicates", self.study.split
        if split is None:
            return FindingList(name, title, "Not looked for: there are no labels.")
        n_train, n_features = len(split.train), int(self.features.X.shape[1])
        within = n_train * n_train * n_features <= MAX_PRODUCTS
        found = find_near_duplicates(self.features, split, MAX_PRODUCTS, within_train=within)
        scope = "across splits" + (
            " and within the training images"
            if within
            else "; within the training images there are too many pairs to compare"
        )
        if found.skipped:
            return FindingList(name, title, f"{found.skipped[0].upper()}{found.skipped[1:]}.")
        by_id = {sample_id: row for row, sample_id in enumerate(self.ids)} if found.pairs else {}
        entries = []
        for pair in found.pairs:
            other = by_id[pair.other_sample]
            differs = self.features.y[pair.row] != self.features.y[other]
            crosses = pair.split != pair.other_split
            key = (not differs, not crosses, -pair.cosine)
            entries.append((key, pair, other, differs))
        entries.sort(key=lambda entry: entry[0])
        rows: list[tuple[Any, ...]] = []
        findings: list[ListEntry] = []
        for _, pair, other, differs in entries:
            labels = self.label_of(pair.row), self.label_of(other)
            rows.append(
                (visible(pair.sample), pair.split, labels[0], visible(pair.other_sample),
                 pair.other_split, labels[1], f"{pair.cosine:.4f}")
            )  # fmt: skip
            if len(findings) < SHOWN:
                where = (
                    pair.split
                    if pair.split == pair.other_split
                    else f"{pair.split} and {pair.other_split}"
                )
                said = (
                    ("labels differ:", " / ".join(labels), "wrong")
                    if differs
                    else ("", labels[0], "")
                )
                ids = tuple(("", visible(text), "id") for text in (pair.sample, pair.other_sample))
                lines = (said, (f"in {where}, cosine {pair.cosine:.3f}", "", ""), *ids)
                findings.append(ListEntry((self.sample_of(pair.row), self.sample_of(other)), lines))
        return FindingList(
            name,
            title,
            _duplicate_lead(found, sum(entry[3] for entry in entries), scope),
            tuple(findings),
            ("id", "split", "label", "other_id", "other_split", "other_label", "cosine"),
            rows,
        )

    def outliers(self) -> FindingList:
        """Return images that are far from all others."""
        title, name = "Outliers", "outliers"
        reference = stratified_sample(self.features.y, MAX_REFERENCE)
        distances = neighbour_distances(self.components, reference)
        far = find_outliers(distances, MOST_OUTLIERS)
        middle = float(np.median(distances)) or 1.0
        rows, findings = [], []
        for row in far.tolist():
            times = float(distances[row]) / middle
            rows.append((self.id_of(row), self.label_of(row), f"{times:.3f}"))
            lines = (
                (f"{times:.1f} times as far as usual", "", ""),
                ("labelled", self.label_of(row), ""),
                ("", rows[-1][0], "id"),
            )
            findings.append(ListEntry((self.sample_of(row),), lines))
        of = "" if len(reference) == len(self.features) else f" of a sample of {len(reference):,}"
        number = (
            "No image stands"
            if not len(far)
            else "1 image stands"
            if len(far) == 1
            else f"{len(far):,} images stand"
        )
        lead = (
            f"{number} apart: farther from the ten nearest others{of} than the upper quartile of "
            "all images by three times the distance between the quartiles."
        )
        header = ("id", "label", "times_the_median_distance")
        return FindingList(name, title, lead, tuple(findings[:SHOWN]), header, rows)


WORDS = {"val": "validation", "test": "test", "train": "training"}


def split_words(splits: Sequence[str]) -> str:
    """Return the splits as people call them: ``validation and test``."""
    return " and ".join(WORDS.get(split, f"held-out ({split})") for split in splits)


def _label_error_lead(found: LabelErrors) -> str:
    many = "image has" if len(found.rows) == 1 else "images have"
    return (
        f"{len(found.rows):,} of {found.n_judged:,} {many} a label that is contradicted by a model "
        f"which has not seen them ({found.head}, out of fold; confident learning by cleanlab). "
        "Look before you correct: rare pictures are among them."
    )


def _duplicate_lead(found: NearDuplicates, n_differing: int, scope: str) -> str:
    n_crossing = sum(pair.split != pair.other_split for pair in found.pairs)
    have = "pair has" if n_differing == 1 else "pairs have"
    differing = f" {n_differing:,} {have} different labels." if n_differing else ""
    look = "pair looks" if len(found.pairs) == 1 else "pairs look"
    if not found.pairs:
        return f"No two images look like one picture saved again. Compared {scope}."
    return (
        f"{len(found.pairs):,} {look} like one picture saved again, {n_crossing:,} of them in "
        f"different splits, where they flatter the scores.{differing} Compared {scope}."
    )
