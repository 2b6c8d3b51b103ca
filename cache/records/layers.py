"""Files of fine-tuned layers in a cache, which only the extractor can read."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from ..errors import CacheFormatError


def check_layers(path: Path) -> None:
    """Check the checksums of an archive of arrays.

    Raises
    ------
    CacheFormatError
        It cannot be read, or is damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            damaged = archive.testzip()
    except (OSError, zipfile.BadZipFile) as error:
        raise CacheFormatError(f"{path}: not readable ({error})") from error
    if damaged is not None:
        raise CacheFormatError(f"{path}: {damaged} is damaged")
