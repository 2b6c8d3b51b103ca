"""Converted networks on this machine: conversion is paid once per network.

``$FEATX_HOME/models/<key>/`` (by default below ``~/.cache/featx``) holds ``model.xml``,
``model.bin``, their checksums and the compiled networks, ``notes/<key>/`` what was measured. Both
can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...cache import FeatureSpec
from ...cache.errors import CacheWriteError
from ...cache.format.atomic import PARTIAL, write_text
from ...cache.places.home import VARIABLE, featx_home, writable_home
from ..backbones.weights import file_digest
from ..machine.versions import installed_versions
from .base import Network

CONVERSION = 3
"""Counts up when the conversion changes, so that older results are not used."""

MODEL = "model.xml"
DIGESTS = "checksums.json"
REFUSAL, NETWORK = "refusal", "network"
NOTED_SECONDS = 86_400.0


@dataclass(frozen=True)
class ModelFolder:
    """Where one converted network lies, or will lie."""

    path: Path

    @property
    def model(self) -> Path:
        """The model in OpenVINO's own format."""
        return self.path / MODEL

    @property
    def is_there(self) -> bool:
        """Whether the network has been converted."""
        return self.model.is_file()

    def is_whole(self) -> bool:
        """Tell whether the converted network is the one that was written; reads all of it."""
        try:
            return self.digests() == _digests(self.path)
        except OSError:
            return False

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 sums of the network's files, as written with them; {} without any."""
        return _read_object(self.path / DIGESTS) or {}

    @contextmanager
    def filling(self) -> Iterator[Path]:
        """Yield a temporary folder that becomes this one when the block ends without an error.

        Of two processes that convert at the same time the first one's result stays.

        Raises
        ------
        CacheWriteError
            The file system refused.
        """
        partial = self._partial()
        try:
            partial.mkdir(parents=True)
            yield partial
            (partial / DIGESTS).write_text(json.dumps(_digests(partial)), encoding="utf-8")
            self._replace_with(partial)
        except OSError as error:
            raise CacheWriteError(
                f"cannot write {self.path}: {error.strerror or error}. {VARIABLE} names another "
                "folder for converted models; --engine keras needs none"
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _replace_with(self, partial: Path) -> None:
        if self.path.exists() and not self.is_whole():
            damaged = self._partial()
            with suppress(FileNotFoundError):  # another process was faster
                self.path.rename(damaged)
            shutil.rmtree(damaged, ignore_errors=True)
        try:
            partial.rename(self.path)
        except OSError:
            if not self.is_there:
                raise

    def _partial(self) -> Path:
        return self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}{PARTIAL}")

    def refusal(self) -> str:
        """Return why the installed libraries could not convert this network in an earlier run.

        Empty where they could, or have not tried.
        """
        note = self.read_note(REFUSAL) or {}
        return str(note.get("reason", "")) if note.get("versions") == _versions() else ""

    def write_refusal(self, reason: str) -> None:
        """Keep on record that this network cannot be converted with these libraries."""
        self.write_note(REFUSAL, {"reason": reason, "versions": _versions()})

    def read_note(self, name: str) -> dict[str, Any] | None:
        """Return a note that was kept with the model, or None."""
        return _read_object(self.note_path(name))

    def write_note(self, name: str, note: dict[str, Any]) -> None:
        """Keep a note with the model; a folder that cannot be written only costs time later."""
        with suppress(CacheWriteError):
            write_text(self.note_path(name), json.dumps(note, indent=1) + "\n")

    def note_path(self, name: str) -> Path:
        """Return where a note lies, or would lie."""
        return self.notes / f"{name}.json"

    @property
    def notes(self) -> Path:
        """The folder of the notes."""
        # Beside the models: a folder must not be there before its model is.
        return self.path.parent.parent / "notes" / self.path.name

    def mark_used(self, network: Network) -> None:
        """Note that the network is used now, and what it is of; at most once a day."""
        try:
            is_noted = time.time() - self.note_path(NETWORK).stat().st_mtime < NOTED_SECONDS
        except OSError:
            is_noted = False
        if not is_noted:
            self.write_note(NETWORK, network_facts(network))

    def last_use(self) -> float:
        """Return when the network was used last, in seconds since the epoch.

        Raises
        ------
        FileNotFoundError
            There is no such folder.
        """
        times = [path.stat().st_mtime for path in (self.path, *self.notes.glob("*.json"))]
        return max(times)

    def facts(self) -> dict[str, Any] | None:
        """Return what the network is of (see ``network_facts``), or None where nobody noted it."""
        return self.read_note(NETWORK)


def model_folder(network: Network) -> ModelFolder:
    """Return the folder of a network: its key covers all that decides the converted network.

    A network that a file brought has a folder of its own, so that only the models in such files
    use it; where this machine has made the same, it has that one's.
    """
    facts, packed = network_facts(network), network.packed
    folder = _folder(network, facts)
    if packed is None or (folder.is_there and folder.digests() == packed.digests):
        return folder
    return _folder(network, {**facts, "packed": dict(packed.digests)})


def _folder(network: Network, facts: Mapping[str, Any]) -> ModelFolder:
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]
    name = f"{readable_name(network.record.name)}-{key}"
    # A folder that may only be read can hold networks that others have converted.
    folder = ModelFolder(featx_home() / "models" / name)
    return folder if folder.is_there else ModelFolder(writable_home() / "models" / name)


def network_facts(network: Network) -> dict[str, Any]:
    """Return all that decides a converted network."""
    record = network.record
    return {
        "conversion": CONVERSION,
        "backbone": record.name,
        "weights": network.weights.digest,
        "include_top": network.weights.include_top,
        "taps": [asdict(output) for output in network.outputs],
        "image_size": list(network.image_size),
        "preprocess": record.preprocess,
    }


def uses(spec: FeatureSpec, facts: Mapping[str, Any]) -> bool:
    """Tell whether a network of these facts computes the features of a spec."""
    return (spec.backbone, spec.weights_digest, list(spec.image_size), spec.preprocess) == (
        facts.get("backbone"),
        facts.get("weights"),
        facts.get("image_size"),
        facts.get("preprocess"),
    )


def _digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 sums of the files that a converted network consists of."""
    return {path.name: file_digest(path) for path in sorted(folder.glob(f"{Path(MODEL).stem}.*"))}


def readable_name(name: str) -> str:
    """Return the part of a backbone's name that the name of its folder begins with."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in name)[-40:]


def _versions() -> dict[str, str]:
    return installed_versions(("openvino", "keras", "tensorflow"))


def _read_object(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file; None where there is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None
