"""The quarantine: images that could not be read, each with its reason."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import CacheFormatError
from ..format.atomic import write_text
from ..format.version import stamped, without_version


@dataclass(frozen=True)
class BadImage:
    """One image that could not be read.

    Attributes
    ----------
    sample_id : str
    digest : str
        SHA-256 of the bytes, hexadecimal; empty where not even the bytes could be read.
    reason : str
        One line for people.
    decoder : str
        What failed to decode it; another decoder tries again. Empty in files of the first release.
    """

    sample_id: str
    digest: str
    reason: str
    decoder: str = ""


def write_quarantine(path: Path, bad: Iterable[BadImage]) -> None:
    """Replace the quarantine at ``path`` by ``bad``, one JSON object a line, atomically;
    the same list is not written again."""
    lines = [json.dumps(stamped(asdict(image)), ensure_ascii=True) + "\n" for image in bad]
    text = "".join(lines)
    if text != (path.read_text(encoding="utf-8") if path.exists() else ""):
        write_text(path, text)


def read_quarantine(path: Path) -> list[BadImage]:
    """Read the quarantine at ``path``; an absent file is an empty quarantine.

    Raises
    ------
    CacheFormatError
        A line is not what ``write_quarantine`` writes.
    """
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8")
        lines = map(json.loads, text.splitlines())
        return [BadImage(**without_version(path, line, BadImage)) for line in lines]
    except CacheFormatError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CacheFormatError(
            f"{path}: not a quarantine list ({error}): `featx cache repair` sets it aside"
        ) from error
