"""What a source of images is."""

from __future__ import annotations

import hashlib
import re
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...cache import Listing

Raw = bytes | NDArray[np.uint8]
"""An image before decoding: the bytes of a file, or pixels ``(h, w)`` or ``(h, w, 3)``."""


class Source(Protocol):
    """Images in a fixed order with what is known of them.

    Attributes
    ----------
    name : str
        Short name, safe as a file name, equal for equal places.
    location : str
        Where the images are, for people.
    left_out : dict of str to int
        How many files were seen that are no images, by their ending.
    """

    name: str
    location: str
    left_out: dict[str, int]

    def listing(self) -> Listing:
        """Return ids, labels, splits, groups and class names; reads no image."""
        ...

    def stamps(self) -> NDArray[np.int64]:
        """Return size, mtime and ctime of each image's file ``(n, 3)``; zeros where unknown."""
        ...

    def read(self, index: int) -> Raw:
        """Return one image as it lies there; safe to call from several threads.

        Raises
        ------
        OSError
            The image cannot be read.
        """
        ...


def digest_of(raw: Raw) -> bytes:
    """Return the SHA-256 of an image's bytes; of an array with its shape, 32 bytes."""
    if isinstance(raw, bytes):
        return hashlib.sha256(raw).digest()
    state = hashlib.sha256(f"uint8{raw.shape}".encode("ascii"))
    state.update(np.ascontiguousarray(raw).tobytes())
    return state.digest()


def source_name(label: str, location: str) -> str:
    """Return a file-name-safe name: the readable ``label`` and a digest of ``location``."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", label).strip("-.") or "source"
    encoded = location.encode("utf-8", "surrogateescape")
    return f"{readable[:40]}-{hashlib.sha256(encoded).hexdigest()[:8]}"
