"""A training set before training: its split, its near duplicates, and what is odd about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ....cache import FeatureSet
from ....cache.errors import TrainingDataError
from ....extractor.backbones.tuned import find_kept
from ..metrics import listed
from .near_duplicates import MAX_PRODUCTS, NearDuplicates, find_near_duplicates
from .splits import Crossing, Split, split_features

WORDS = {"train": "training", "val": "validation", "test": "test"}
FEW_ROWS = 20
SHOWN_PAIRS = 3


@dataclass(frozen=True)
class Prepared:
    """A training set that is ready to be learned from.

    Attributes
    ----------
    split : Split
    near_duplicates : NearDuplicates
    notes : tuple of str
        What a person should know before training, as sentences.
    """

    split: Split
    near_duplicates: NearDuplicates
    notes: tuple[str, ...]

    def with_note(self, note: str) -> Prepared:
        """Add a sentence, unless it is empty."""
        return replace(self, notes=(*self.notes, note)) if note else self


def prepare(
    features: FeatureSet,
    seed: int = 0,
    drop_near_duplicates: bool = False,
    is_cv: bool = False,
    looks_for_copies: bool = True,
) -> Prepared:
    """Split ``features``, look for near duplicates across the splits, and say what is odd.

    Parameters
    ----------
    features : FeatureSet
    seed : int
        Of the split.
    drop_near_duplicates : bool
        Leave them out of training.
    is_cv : bool
        Validation rows are trained on, too.
    looks_for_copies : bool
        False for features in which near duplicates cannot be told from others, such as pixels.

    Raises
    ------
    TrainingDataError
        There is nothing to learn from.
    ConfigError
        No model file could hold the backbones of the features.
    """
    find_kept(features.spec, features.layout)
    split = split_features(features, seed)
    limit = None if drop_near_duplicates else MAX_PRODUCTS
    searched = split.merged() if is_cv else split
    alike = NearDuplicates()
    if looks_for_copies:
        alike = find_near_duplicates(features, searched, limit, within_train=is_cv)
    notes = [*filter(None, [features.join_note()]), *_split_notes(features, split)]
    notes += _duplicate_notes(alike)
    if drop_near_duplicates and alike.pairs:
        split = split.without(alike.rows("train"))
        if not len(split.train):
            raise TrainingDataError(
                "--drop-near-duplicates leaves no training rows: all of them look like images in "
                "val or test"
            )
    notes += _class_notes(features, split)
    sentences = tuple(f"{note[0].upper()}{note[1:]}." for note in notes)
    return Prepared(split, alike, sentences)


def _split_notes(features: FeatureSet, split: Split) -> Iterator[str]:
    n_unlabelled = int((features.y < 0).sum())
    if n_unlabelled:
        yield f"{n_unlabelled:,} of {len(features):,} rows have no label: they are left out"
    for crossing in split.crossings:
        yield _crossing_note(crossing)
    if split.not_kept:
        yield f"which split each image has cannot be kept in the cache: {split.not_kept}"
    if not len(split.val):
        yield "no validation rows: too few images or groups, or all of them were assigned before"
    elif split.is_small:
        yield "few images or groups: each class gives one to validation, as far as it has two"
    if not len(split.test):
        yield "no test rows: too few images or groups to set some of them apart"
    for name, rows in (("val", split.val), ("test", split.test)):
        if 0 < len(rows) < FEW_ROWS:
            rows_text = "row" if len(rows) == 1 else "rows"
            yield f"only {len(rows)} {WORDS[name]} {rows_text}: what is measured there is a guess"


def _crossing_note(crossing: Crossing) -> str:
    n_equal, n_group, other = crossing.n_equal, crossing.n_group, WORDS[crossing.other]
    reasons = [
        f"{n_equal:,} with the bytes of {other} images" if n_equal else "",
        f"{n_group:,} of groups that have {other} images" if n_group else "",
    ]
    what = "the given splits cross" if crossing.is_given else "groups of several splits were joined"
    return (
        f"{what}. Left out of the {WORDS[crossing.split]} rows: {', '.join(filter(None, reasons))}"
    )


def _duplicate_notes(alike: NearDuplicates) -> Iterator[str]:
    if alike.skipped:
        yield alike.skipped
    if not alike.pairs:
        return
    numbers = Counter((pair.split, pair.other_split) for pair in alike.pairs)
    counts = ", ".join(
        f"{n:,} in {split} of images in {other}" if split != other else f"{n:,} across folds"
        for (split, other), n in numbers.items()
    )
    shown = ", ".join(f"{p.sample} = {p.other_sample}" for p in alike.pairs[:SHOWN_PAIRS])
    more = len(alike.pairs) - SHOWN_PAIRS
    yield (
        f"near duplicates across splits: {counts}, by their features the same pictures saved "
        "again. They flatter the scores; --drop-near-duplicates leaves them out of training. "
        f"{shown}{f' and {more:,} more (--json lists all)' if more > 0 else ''}"
    )


def _class_notes(features: FeatureSet, split: Split) -> Iterator[str]:
    names, n_classes = features.class_names, len(features.class_names)
    in_train = np.bincount(features.y[split.train], minlength=n_classes)
    judged = np.concatenate([split.val, split.test])
    in_judged = np.bincount(features.y[judged], minlength=n_classes)
    absent = [name for name, n in zip(names, in_train, strict=True) if not n]
    if absent:
        n_rows = int(in_judged[in_train == 0].sum())
        wrong = f", and {n_rows:,} validation and test rows count as wrong" if n_rows else ""
        yield f"no training images of {listed(absent)}: never predicted{wrong}"
    single = [
        name for name, n, m in zip(names, in_train, in_judged, strict=True) if n == 1 and not m
    ]
    if single:
        yield f"one image only of {listed(single)}: trained on, and never judged"
