"""StoredFeatures: one line of ``featx cache ls``, and which of them a name means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..errors import CacheFormatError, FeaturesNotFoundError
from ..layout import Layout, size_of
from ..spec import SHOWN_DIGITS, FeatureSpec
from ..suggest import did_you_mean
from .manifest_file import read_location
from .run_record import EXTRACT, RunRecord

# The name of a snapshot ends in eight digits of a hash of the source's location.
SOURCE_HASH = re.compile(r"-[0-9a-f]{8}(?=$|\.)")
LEAST_FINGERPRINT = 4


@dataclass(frozen=True)
class StoredFeatures:
    """A source under a spec.

    Attributes
    ----------
    record : RunRecord
        Of the last run; of kind ``unfinished`` where none has finished yet.
    spec : FeatureSpec
    layout : Layout
    """

    record: RunRecord
    spec: FeatureSpec
    layout: Layout

    @property
    def name(self) -> str:
        """``manifest@fingerprint``, which names the features on the command line."""
        return f"{self.record.manifest}@{self.record.fingerprint[:SHOWN_DIGITS]}"

    @property
    def is_extracted(self) -> bool:
        """Whether these are the images of a finished extraction, and not random views of them."""
        return self.record.kind == EXTRACT and not self.spec.view

    @property
    def source(self) -> str:
        """The manifest's name without the digits of its location."""
        return SOURCE_HASH.sub("", self.record.manifest)

    @cached_property
    def n_bytes(self) -> int:
        """Bytes of the set's shards, which other sources may share."""
        return sum(map(size_of, self.layout.shard_paths(self.record.fingerprint)))

    @cached_property
    def location(self) -> str:
        """Where the source was, for people."""
        try:
            return read_location(self.layout.manifest(self.record.manifest))
        except FileNotFoundError:
            return "(snapshot missing)"
        except CacheFormatError:
            return "(snapshot damaged)"

    def describe(self) -> str:
        """Return what tells these features from others: name, spec and location."""
        spec = self.spec
        size = "x".join(map(str, spec.image_size))
        view = [f"view {spec.view} by {spec.view_ops}"] if spec.view else []
        facts = (spec.backbone, spec.layer, spec.pool, size, spec.precision, *view)
        return f"{self.name}\n    {', '.join(facts)}\n    {self.location}"


def choose(stored: Sequence[StoredFeatures], name: str, only_one: bool) -> StoredFeatures:
    """Return the features that ``name`` means, of several of one source the newest.

    A path with a slash in it means the features of that source. The first of these that something
    answers to counts: the full name; the name that the user gave; the exact name of a source, with
    or without the digits of its location; an exact fingerprint; a backbone; a layer, or
    ``backbone:layer``; the beginning of a name or, from four digits, of a fingerprint. What was
    extracted goes before what was only scored or transformed, and images before their views.

    Parameters
    ----------
    stored : sequence of StoredFeatures
        Newest first.
    name : str
    only_one : bool
        Refuse also several features of one source.

    Raises
    ------
    FeaturesNotFoundError
        Nothing answers to the name, or the features of several sources do.
    """
    if not name.strip():
        raise FeaturesNotFoundError("the name is empty. `featx cache ls` lists all names")
    matches = _answering(stored, name)
    matches = [s for s in matches if not s.spec.view] or matches
    if not only_one:
        matches = [s for s in matches if s.is_extracted] or matches
    if not matches:
        names = {n for s in stored for n in (s.source, s.name, s.record.tag.name) if n}
        raise FeaturesNotFoundError(
            f"no cached features answer to {name!r}. {did_you_mean(name, names)} "
            "`featx cache ls` lists all"
        )
    if len(matches) > 1 and (only_one or len({s.record.manifest for s in matches}) > 1):
        candidates = "\n".join(f"  {s.describe()}" for s in matches)
        raise FeaturesNotFoundError(
            f"{name!r} is ambiguous, type more of the name of one of these:\n{candidates}"
        )
    return matches[0]


def answers_to(stored: Sequence[StoredFeatures], name: str) -> bool:
    """Tell whether any features answer to a name."""
    return bool(_answering(stored, name))


def _answering(stored: Sequence[StoredFeatures], name: str) -> list[StoredFeatures]:
    tests = (
        lambda s: name in (s.name, *_full_names(s)),
        lambda s: name == s.record.tag.name,
        lambda s: name == s.record.manifest,
        lambda s: name == s.source,
        lambda s: name in (s.record.fingerprint, s.record.fingerprint[:SHOWN_DIGITS]),
        lambda s: name == s.spec.backbone and s.is_extracted,
        lambda s: name in _layer_names(s) and s.is_extracted,
        lambda s: "/" in name and s.location == str(Path(name).resolve()),
        lambda s: _begins(s, name),
    )
    for test in tests:
        matches = [s for s in stored if test(s)]
        if matches:
            return matches
    return []


def _full_names(stored: StoredFeatures) -> tuple[str, str]:
    fingerprint = stored.record.fingerprint
    return f"{stored.record.manifest}@{fingerprint}", f"{stored.source}@{fingerprint}"


def _layer_names(stored: StoredFeatures) -> tuple[str, str]:
    return stored.spec.layer, f"{stored.spec.backbone}:{stored.spec.layer}"


def _begins(stored: StoredFeatures, name: str) -> bool:
    is_fingerprint = len(name) >= LEAST_FINGERPRINT and stored.record.fingerprint.startswith(name)
    return is_fingerprint or any(full.startswith(name) for full in _full_names(stored))
