"""Converted networks that travel in a file, to machines without their converter."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ...cache.errors import ModelFileError

FOLDER = "network"
FILES = ("model.xml", "model.bin")
"""Of a network that OpenVINO runs."""


@dataclass(frozen=True)
class PackedNetwork:
    """A converted network in a model file; its bytes are read where an engine needs them.

    Attributes
    ----------
    source : Path
        The model file, a zip whose members below ``network/`` it is; or the folder of its files.
    facts : mapping
        All that decided the network, as ``network_facts`` gives it.
    digests : mapping of str to str
        SHA-256, hexadecimal, of each file.
    format : str
        Of the backbone that was converted.
    reference : ndarray of float32, shape (n, d)
        What the definition of the features gives for some calibration pictures.
    made : mapping
        Fingerprint of the features, and how the network was packed: the engines, its drift.
    """

    source: Path
    facts: Mapping[str, Any]
    digests: Mapping[str, str]
    format: str
    reference: NDArray[Any]
    made: Mapping[str, Any] = field(default_factory=dict)

    def read(self, name: str) -> bytes:
        """Return the bytes of a file.

        Raises
        ------
        ModelFileError
            They are not those that were packed.
        """
        try:
            data = self._read(name)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise ModelFileError(
                f"the network in {self.source} cannot be read ({str(error)[:200]}): copy the file "
                "again"
            ) from error
        if hashlib.sha256(data).hexdigest() != self.digests[name]:
            raise ModelFileError(
                f"the network in {self.source} does not have the bytes that were packed ({name}): "
                "copy the file again"
            )
        return data

    def _read(self, name: str) -> bytes:
        if self.source.is_dir():
            return (self.source / name).read_bytes()
        with zipfile.ZipFile(self.source) as archive:
            return archive.read(f"{FOLDER}/{name}")

    def unpack(self, folder: Path) -> None:
        """Write all files into a folder.

        Raises
        ------
        ModelFileError
            They are not those that were packed.
        """
        for name in self.digests:
            (folder / name).write_bytes(self.read(name))
