"""This machine's notes of the drift that was measured on the calibration set.

``$FEATX_HOME/precision/<backbone>-<key>.json``: one small file for each (backbone, weights, layer
and pooling, image size, engine, kind of processor). It says nothing of any source. Of several
processes that measure at the same time the first one's note stays, and the others go by it.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...cache.errors import CacheWriteError
from ...cache.format.atomic import PARTIAL, write_text
from ...cache.places.home import featx_home, writable_home
from ..engines import EngineRecord, Network
from ..machine.hardware import Hardware
from .calibration import calibration_digest
from .drift import Drift

NOTE_VERSION = 1
CHECKSUM = "checksum"


@dataclass(frozen=True)
class DriftNote:
    """The drift of a network's fast formats, kept on this machine.

    Attributes
    ----------
    name : str
        The beginning of the file's name, for people.
    facts : dict
        All that the drift depends on.
    """

    name: str
    facts: dict[str, Any]

    def read(self) -> list[Drift]:
        """Return the drifts that were measured; none where there is no note or it is damaged."""
        for home in (featx_home(), writable_home()):
            drifts = _read(self._path(home), self.facts)
            if drifts:
                return drifts
        return []

    def keep(self, drifts: Sequence[Drift]) -> list[Drift]:
        """Add drifts and return those that count: what another process has written stays.

        A folder that cannot be written only costs the time to measure again.
        """
        path = self._path(writable_home())
        text = _to_text(self.facts, drifts)
        if _write_first(path, text):
            return list(drifts)
        earlier = _read(path, self.facts)
        new = [drift for drift in drifts if drift.precision not in {e.precision for e in earlier}]
        if new:
            with suppress(CacheWriteError):
                write_text(path, _to_text(self.facts, [*earlier, *new]))
        return [*earlier, *new]

    def _path(self, home: Path) -> Path:
        key = hashlib.sha256(_canonical(self.facts)).hexdigest()[:24]
        return home / "precision" / f"{self.name}-{key}.json"


def drift_note(network: Network, engine: EngineRecord, machine: Hardware) -> DriftNote:
    """Return the note about a network on an engine and a kind of processor."""
    record = network.record
    facts = {
        "version": NOTE_VERSION,
        "calibration": calibration_digest(),
        "backbone": record.name,
        "weights": network.weights.digest,
        "preprocess": record.preprocess,
        "outputs": [asdict(output) for output in network.outputs],
        "image_size": list(network.image_size),
        "engine": engine.name,
        "processor": machine.kind,
    }
    readable = "".join(
        c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in record.name
    )
    return DriftNote(readable[-40:], facts)


def _write_first(path: Path, text: str) -> bool:
    """Write a file that is not there yet; False where it is there, or cannot be written."""
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}{PARTIAL}")
    try:
        write_text(partial, text)
        os.link(partial, path)
    except (OSError, CacheWriteError):  # FileExistsError, or a file system without links
        return False
    finally:
        with suppress(OSError):
            partial.unlink()
    return True


def _read(path: Path, facts: dict[str, Any]) -> list[Drift]:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        checksum = note.pop(CHECKSUM)
        if checksum != hashlib.sha256(_canonical(note)).hexdigest() or note["facts"] != facts:
            return []
        return [drift for drift in map(Drift.from_dict, note["drifts"]) if drift]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return []


def _to_text(facts: dict[str, Any], drifts: Sequence[Drift]) -> str:
    note = {"facts": facts, "drifts": [drift.to_dict() for drift in drifts]}
    return json.dumps({**note, CHECKSUM: hashlib.sha256(_canonical(note)).hexdigest()}, indent=1)


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
