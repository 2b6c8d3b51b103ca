"""RemotePath: a path of a cache behind a URL, used as a path of this machine is.

What is read comes from a copy on this machine; what is written goes up whole, under its final name,
in one request. Nothing here keeps a connection or a state: a path is its URL.
"""

from __future__ import annotations

import io
import os
import re
import stat as stat_module
import uuid
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path, PosixPath
from typing import Any
from urllib.parse import unquote

from ..errors import CacheError
from .copies import Copies
from .file_system import (
    bucket_problem,
    open_file_system,
    persist,
    refuse_incomplete_url,
    seconds_of,
    version_of,
)

SCHEME = re.compile(r"[a-z][a-z0-9+.\-]+:")
OPEN_ATTEMPTS = 10
# Object stores show an object when its last byte has come; elsewhere a rename does that.
OBJECT_STORES = frozenset(("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci", "oss", "memory"))
IMMUTABLE_FOLDERS = frozenset(("shards", "index", "splits"))
IMMUTABLE_NAMES = (".journal", "/spec.json")


def cache_path(location: str | Path) -> Path:
    """Return the path of a cache: a ``RemotePath`` for a URL, also for one that became a ``Path``.

    Parameters
    ----------
    location : str or Path
        A folder, or a URL such as ``s3://bucket/features``.

    Raises
    ------
    ConfigError
        It is a URL whose slashes are missing.
    """
    path = Path(location) if not isinstance(location, Path) else location
    if isinstance(path, RemotePath) or not path.parts or path.is_absolute():
        return path
    scheme, *names = path.parts
    if not SCHEME.fullmatch(scheme) or not names or Path(scheme).is_dir():
        refuse_incomplete_url(path)
        return path
    if scheme == "file:":
        return Path("/", *map(unquote, names))
    return RemotePath(path)


class RemotePath(PosixPath):
    """A file or folder behind a URL."""

    # What the listing said that this path came from; None for a path that was named.
    _listed: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        scheme, separator, rest = super().__str__().partition(":/")
        return f"{scheme}://{rest}" if separator else scheme

    def __fspath__(self) -> str:
        return str(self.copy_path())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __hash__(self) -> int:
        return hash(str(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and str(self) == str(other)

    @property
    def is_immutable(self) -> bool:
        """Whether the file never changes once it has its name."""
        return self.parent.name in IMMUTABLE_FOLDERS or f"/{self.name}".endswith(IMMUTABLE_NAMES)

    @property
    def has_copy(self) -> bool:
        """Whether this machine has a copy of a file that never changes."""
        return self.is_immutable and Copies.of_user().path(str(self)).exists()

    def copy_path(self) -> Path:
        """Return a copy of the file on this machine, fetched now where there is none.

        Raises
        ------
        FileNotFoundError, OSError
            There is no such file; the server refused.
        """
        copies, url = Copies.of_user(), str(self)
        found = copies.find(url) if self.is_immutable else None
        if found is not None:
            return found
        info = self._info()
        if info["type"] == "directory":
            raise IsADirectoryError(f"{url} is a folder")
        # Where the server tells no versions apart, nobody knows whether a copy is the newest.
        version = "" if self.is_immutable else version_of(info) or uuid.uuid4().hex
        file_system, key = self._at()

        def download(path: Path) -> None:
            file_system.get_file(key, str(path))

        return persist(
            lambda: copies.fetch(url, version, int(info["size"]), download), f"read {url}"
        )

    def drop_copy(self) -> None:
        """Remove the copy of a file that never changes, so that it is fetched anew."""
        Copies.of_user().drop(str(self))

    @contextmanager
    def uploaded(self) -> Iterator[Path]:
        """Yield a path of this machine; the file there goes up when the block ends without error.

        A file that never changes takes its name only where nobody has it, in one request where the
        server offers that (S3: ``If-None-Match: *``), else after a look.

        Raises
        ------
        OSError
            The server or the disk refused; nothing half is to be seen.
        """
        copies = Copies.of_user()
        with copies.partial() as partial:
            yield partial
            self._upload(partial)
            if self.is_immutable:
                copies.keep(partial, str(self))

    def _upload(self, partial: Path) -> None:
        file_system, key = self._at()
        n_bytes = partial.stat().st_size

        def put() -> None:
            if self.parts[0].rstrip(":") in OBJECT_STORES:
                _put(file_system, partial, key, create=self.is_immutable)
            else:
                temporary = f"{key}.{uuid.uuid4().hex}.partial"
                file_system.put_file(str(partial), temporary)
                file_system.mv(temporary, key)

        # Names are unique: whoever has this one is we, whose first answer was lost.
        with suppress(FileExistsError):
            persist(put, f"write {self}")
        if self.is_immutable and (size := int(self._info()["size"])) != n_bytes:
            raise OSError(f"{size:,} bytes arrived of {n_bytes:,}")

    def _at(self) -> tuple[Any, str]:
        return open_file_system(str(self), lists_anew=True)

    def _info(self) -> Mapping[str, Any]:
        file_system, key = self._at()
        try:
            info: Mapping[str, Any] = persist(lambda: file_system.info(key), f"look at {self}")
        except FileNotFoundError:
            self._check_bucket()
            raise
        return info

    def _check_bucket(self) -> None:
        """Raise CacheError where nothing is there because the bucket is not."""
        if problem := bucket_problem(str(self)):
            raise CacheError(f"cannot use {self}: {problem}")

    def open(self, mode: str = "r", *args: Any, **options: Any) -> Any:
        """Open a copy of the file for reading."""
        if set(mode) & set("wax+"):
            raise io.UnsupportedOperation(f"{self} is written whole, by `uploaded`")
        for _ in range(OPEN_ATTEMPTS - 1):
            copy = self.copy_path()
            try:
                return copy.open(mode, *args, **options)
            except FileNotFoundError:
                continue  # another process needed the room
        return self.copy_path().open(mode, *args, **options)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return size and time of the last change, of the listing that the path came from."""
        info = self._listed or self._info()
        is_folder = info["type"] == "directory"
        mode = stat_module.S_IFDIR | 0o777 if is_folder else stat_module.S_IFREG | 0o666
        seconds = seconds_of(info)
        version = zlib.crc32(f"{version_of(info)} {seconds}".encode())
        times = (int(seconds),) * 3
        fields = (mode, version, 0, 1, 0, 0, int(info.get("size") or 0), *times)
        return os.stat_result(fields, {"st_mtime": seconds, "st_mtime_ns": int(seconds * 1e9)})

    def lstat(self) -> os.stat_result:
        """Return what ``stat`` returns."""
        return self.stat()

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Ask the server whether there is such a file or folder."""
        try:
            return bool(self._info())
        except FileNotFoundError:
            return False

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a folder: something lies below it."""
        return self._is("directory")

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a file."""
        return self._is("file")

    def _is(self, kind: str) -> bool:
        try:
            return bool((self._listed or self._info())["type"] == kind)
        except FileNotFoundError:
            return False

    def iterdir(self) -> Generator[RemotePath, None, None]:
        """Yield what lies right in the folder.

        Raises
        ------
        FileNotFoundError
            Nothing does.
        """
        file_system, key = self._at()
        try:
            infos = persist(lambda: file_system.ls(key, detail=True), f"list {self}")
        except FileNotFoundError:
            self._check_bucket()
            raise
        for info in infos:
            name = str(info["name"]).rstrip("/").rpartition("/")[2]
            if str(info["name"]).rstrip("/") != key:
                yield self._child(name, info)

    def glob(self, pattern: str, **options: Any) -> Generator[RemotePath, None, None]:
        """Yield what lies right in the folder and has a name of this pattern.

        Raises
        ------
        TypeError
            There are options: those of newer versions of ``pathlib`` mean nothing in a bucket.
        """
        _refuse(options)
        try:
            children = list(self.iterdir())
        except FileNotFoundError:
            return
        yield from (child for child in children if fnmatchcase(child.name, pattern))

    def rglob(self, pattern: str, **options: Any) -> Generator[RemotePath, None, None]:
        """Yield the files at any depth below the folder that have a name of this pattern.

        Raises
        ------
        TypeError
            As ``glob``.
        """
        _refuse(options)
        file_system, key = self._at()
        infos = persist(lambda: file_system.find(key, detail=True), f"list {self}")
        if not infos:
            self._check_bucket()
        for name, info in infos.items():
            child = self._child(str(name)[len(key) :].lstrip("/"), info)
            if fnmatchcase(child.name, pattern):
                yield child

    def _child(self, name: str, info: Mapping[str, Any]) -> RemotePath:
        child: RemotePath = self / name
        child._listed = info
        return child

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the file, and its copy."""
        file_system, key = self._at()
        try:
            persist(lambda: file_system.rm_file(key), f"remove {self}")
        except FileNotFoundError:
            if not missing_ok:
                raise
        self.drop_copy()

    def replace(self, target: Any) -> RemotePath:
        """Give the file another name in the same place; two requests, the copy first."""
        file_system, key = self._at()
        _, target_key = open_file_system(str(target))
        persist(lambda: file_system.cp_file(key, target_key), f"write {target}")
        self.unlink()
        return RemotePath(target)

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Do nothing: a folder is there as long as a file is in it."""

    def rmdir(self) -> None:
        """Do nothing: a folder goes with its last file."""

    def absolute(self) -> RemotePath:
        """Return the path: a URL is absolute."""
        return self

    def resolve(self, strict: bool = False) -> RemotePath:
        """Return the path: a URL has no links."""
        return self

    def is_symlink(self) -> bool:
        """Return False: a URL has no links."""
        return False


def _put(file_system: Any, path: Path, key: str, *, create: bool) -> None:
    """Upload a file; raises FileExistsError where ``create`` asks for a new name and it is not."""
    try:
        file_system.put_file(str(path), key, mode="create" if create else "overwrite")
    except OSError as error:
        if "PreconditionFailed" in repr(error.__cause__):
            raise FileExistsError(str(error)) from error
        raise


def _refuse(options: Mapping[str, Any]) -> None:
    if options:
        raise TypeError(f"a bucket is listed without options, got {', '.join(options)}")
