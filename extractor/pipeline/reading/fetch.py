"""Reading, hashing and decoding one image, without knowing what is cached of it."""

from __future__ import annotations

import errno
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ....cache.errors import ImageError
from ...images.decode import decode_with_remark
from ...images.geometry import Geometry
from ...sources import Raw, Source, digest_of

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
    images : mapping of Geometry to ndarray of uint8 (height, width, 3)
        Empty where the image was not decoded, or cannot be.
    reason : str
        Why it cannot be read or decoded; else empty.
    remark : str
        What a person should know of the image.
    read_seconds, decode_seconds : float
    """

    index: int
    digest: bytes = b""
    images: Mapping[Geometry, NDArray[np.uint8]] = field(default_factory=dict)
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
    raw, fetched = read_raw(source, index)
    return fetched if raw is None else decode_raw(raw, geometries, fetched)


def read_raw(source: Source, index: int) -> tuple[Raw | None, Fetched]:
    """Read and hash the image at ``index``; None stands for what cannot be read.

    Raises
    ------
    OSError
        As of ``fetch``.
    """
    start = time.perf_counter()
    try:
        raw = source.read(index)
    except OSError as error:
        if error.errno in OURS:
            raise
        return None, Fetched(index, reason=f"cannot read: {error.strerror or error}")
    digest = digest_of(raw)
    return raw, Fetched(index, digest, read_seconds=time.perf_counter() - start)


def decode_raw(raw: Raw, geometries: Sequence[Geometry], fetched: Fetched) -> Fetched:
    """Return what ``read_raw`` fetched with its images, or with the reason why there are none."""
    start = time.perf_counter()
    images: dict[Geometry, NDArray[np.uint8]] = {}
    reason = remark = ""
    try:
        decoded, remark = decode_with_remark(raw, geometries, fetched.digest)
        images = dict(zip(geometries, decoded, strict=True))
    except ImageError as error:
        reason = str(error)
    seconds = time.perf_counter() - start
    return replace(fetched, images=images, reason=reason, remark=remark, decode_seconds=seconds)
