"""The files of a tar archive and where their bytes lie in it."""

from __future__ import annotations

import posixpath
import tarfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from ....cache.errors import SourceFormatError
from ..files.files import Files, shown
from ..files.names import is_visible

UNKNOWN = -1


@dataclass(frozen=True)
class Member:
    """A file in a tar.

    Attributes
    ----------
    name : str
        Relative POSIX path, without dots at its front.
    start, n_bytes : int
        Where its bytes lie; -1 where they do not lie together: a link to a file that the archive
        does not hold, or a sparse file.
    content : bytes
        Where it was wanted; else empty.
    """

    name: str
    start: int
    n_bytes: int
    content: bytes = b""


def read_members(files: Files, name: str, wants_content: Callable[[str], bool]) -> list[Member]:
    """Return the visible files of an uncompressed tar, in its order; links count as their target.

    Parameters
    ----------
    wants_content : callable
        Told a file's name, tells whether its bytes are read at once.

    Raises
    ------
    SourceFormatError
        The tar is compressed, damaged, cut short, or holds a file twice.
    """
    where = f"{files.location}/{name}"
    try:
        with files.open(name) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            listed = [(member, _content(tar, member, wants_content)) for member in tar]
            _check_end(file, tar.offset, where)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise SourceFormatError(
            f"{where} is not a readable tar, uncompressed ({error}). Expected a whole archive; "
            "unpack a compressed one, such as .tar.gz"
        ) from error
    by_name = {_clean(member.name): (member, content) for member, content in listed}
    kept = [member for member, _ in listed if not member.isdir() and _is_visible(member.name)]
    _refuse_repeats([_clean(member.name) for member in kept], where)
    members = []
    for member in kept:
        target, content = _follow(member, by_name)
        if target is None or target.issparse():
            members.append(Member(_clean(member.name), UNKNOWN, 0))
        elif target.isreg():
            members.append(Member(_clean(member.name), target.offset_data, target.size, content))
    return members


def _content(
    tar: tarfile.TarFile, member: tarfile.TarInfo, wants_content: Callable[[str], bool]
) -> bytes:
    if not member.isreg() or not wants_content(member.name):
        return b""
    file = tar.extractfile(member)
    return file.read() if file is not None else b""


def _check_end(file: IO[bytes], offset: int, where: str) -> None:
    """Refuse an archive in which more than zeros follows what was read."""
    file.seek(offset)
    while block := file.read(1 << 20):
        if block.count(0) < len(block):
            raise SourceFormatError(
                f"{where} is damaged, or several archives in one: it ends after {offset} bytes "
                "and then goes on. Expected one whole archive: pack it anew"
            )


def _follow(
    member: tarfile.TarInfo, by_name: dict[str, tuple[tarfile.TarInfo, bytes]]
) -> tuple[tarfile.TarInfo | None, bytes]:
    """Return the file that a link leads to, and its content; None where there is none."""
    content = by_name[_clean(member.name)][1]
    for _ in by_name:
        if member.islnk():
            target = _clean(member.linkname)
        elif member.issym():
            folder = posixpath.dirname(_clean(member.name))
            target = _clean(posixpath.join(folder, member.linkname))
        else:
            return member, content
        if target not in by_name:
            return None, b""
        member, content = by_name[target]
    return None, b""


def _clean(name: str) -> str:
    """Return a member's name without ``./``, ``..`` or a slash at its front."""
    return posixpath.normpath(f"/{name}").lstrip("/")


def _is_visible(name: str) -> bool:
    return all(is_visible(part) for part in _clean(name).split("/"))


def _refuse_repeats(names: list[str], where: str) -> None:
    repeated = [f"{name} {n} times" for name, n in Counter(names).items() if n > 1]
    if repeated:
        raise SourceFormatError(
            f"{where} holds files of one name: {shown(repeated)}. Expected a name of its own for "
            "each: unpacked, all but the last would be lost. Pack them under different names"
        )
