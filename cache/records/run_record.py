"""Run records: which source was used under which spec, when, and how it went."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CacheFormatError
from ..format.atomic import write_text
from ..format.version import check_fields, stamped, without_version
from .tag import NO_TAG, Tag

EXTRACT, SCORE, TRANSFORM, BASELINE = "extract", "score", "transform", "baseline"
TUNING = "tuning"
PART = "part"
UNFINISHED = "unfinished"
EXTRACT_SECONDS = "extract_seconds"
"""The note of how long the rows took to compute, over all runs that computed some."""


@dataclass(frozen=True)
class RunRecord:
    """The last finished run over one source under one spec.

    Attributes
    ----------
    manifest, fingerprint : str
        Names of the source's snapshot and of the set.
    finished_ns : int
        Nanoseconds since the epoch.
    n_samples, n_extracted, n_cached, n_bad : int
        Samples in the source; rows made by this run, found in the cache, and unreadable images.
    seconds : float
    engine : str
        What ran the backbone; empty where nothing was extracted.
    notes : mapping
        Further measurements of the run.
    kind : str
        ``extract`` (also an import), ``score``, ``transform`` or ``baseline`` (pixels for a network
        that is trained from scratch), ``tuning`` (outputs of a layer after which a backbone is
        trained further), ``part`` (of a job array, until it is joined);
        ``unfinished`` is never written.
    tag : Tag
        What the user calls the features, and says of them.
    """

    manifest: str
    fingerprint: str
    finished_ns: int
    n_samples: int
    n_extracted: int
    n_cached: int
    n_bad: int
    seconds: float
    engine: str
    notes: dict[str, Any] = field(default_factory=dict)
    kind: str = EXTRACT
    tag: Tag = NO_TAG

    @property
    def extract_seconds(self) -> float | None:
        """How long the rows took to compute; None where no run of this source computed any."""
        seconds = self.notes.get(EXTRACT_SECONDS, self.seconds if self.n_extracted else None)
        return None if seconds is None else float(seconds)


def write_run(path: Path, record: RunRecord) -> None:
    """Write ``record`` to ``path`` as JSON, atomically."""
    fields = asdict(record)
    if record.kind == EXTRACT:
        del fields["kind"]  # as in the first release
    if record.tag == NO_TAG:
        del fields["tag"]
    write_text(path, json.dumps(stamped(fields), indent=1) + "\n")


def read_run(path: Path) -> RunRecord:
    """Read a run record; raises CacheFormatError where the file is none."""
    try:
        fields = without_version(path, json.loads(path.read_text(encoding="utf-8")), RunRecord)
        tag = fields.get("tag", {})
        check_fields(path, tag, Tag)
        return RunRecord(**{**fields, "tag": Tag(**tag)})
    except CacheFormatError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CacheFormatError(
            f"{path}: not a run record ({error}): `featx cache repair` sets it aside"
        ) from error
