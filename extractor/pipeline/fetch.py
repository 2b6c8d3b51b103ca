"""Reading, hashing and decoding one image, without knowing what is cached of it."""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import ImageError
from ..images.decode import decode_with_remark
from ..images.geometry import Geometry
from ..sources import Source, digest_of

OURS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors of this process or machine, which say nothing about an image."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One image as it was read and decoded, before anything was asked about it.

    Attributes
    ----------
    index : int
    digest : bytes
        Empty where it could not be read.
    images : tuple of ndarray of uint8, each (height, width, 3)
        One for each geometry; empty where there are none.
    reason : str
        Why there are none; else empty.
    remark : str
        What a person should know of the image.
    read_seconds, decode_seconds : float
    """

    index: int
    digest: bytes = b""
    images: tuple[NDArray[np.uint8], ...] = ()
    reason: str = ""
    remark: str = ""
    read_seconds: float = 0.0
    decode_seconds: float = 0.0


def fetch(source: Source, geometries: Sequence[Geometry], index: int) -> Fetched:
    """Read, hash and decode the image at ``index``; a failure becomes the reason.

    Raises
    ------
    OSError
        It says nothing about the image, but about this process or machine.
    """
    start = time.perf_counter()
    try:
        raw = source.read(index)
    except OSError as error:
        return Fetched(index, reason=why_unreadable(error))
    digest = digest_of(raw)
    read = time.perf_counter()
    images: tuple[NDArray[np.uint8], ...] = ()
    reason = remark = ""
    try:
        images, remark = decode_with_remark(raw, geometries, digest)
    except ImageError as error:
        reason = str(error)
    decoded = time.perf_counter()
    return Fetched(index, digest, images, reason, remark, read - start, decoded - read)


def why_unreadable(error: OSError) -> str:
    """Return why an image cannot be read; raise an error that says nothing about the image."""
    if error.errno in OURS:
        raise error
    return f"cannot read: {error.strerror or error}"
