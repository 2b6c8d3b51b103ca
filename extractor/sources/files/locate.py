"""From a path or URL to the files that lie there."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from ....cache.errors import SourceNotFoundError
from ....cache.places.file_system import is_url, refuse_incomplete_url
from .files import Files
from .local import LocalFiles
from .remote import RemoteFiles, reach_advice


def locate(location: str | Path) -> tuple[Files, str | None]:
    """Return the files at a path or URL and, where it is one file, its name among them.

    Raises
    ------
    SourceNotFoundError
        There is nothing at ``location``.
    SourceFormatError
        ``location`` is a URL that nothing installed can read.
    ConfigError
        ``location`` is a URL whose slashes are missing.
    """
    if isinstance(location, str) and is_url(location):
        if not location.startswith("file://"):
            return _locate_url(location)
        location = file_url_path(location)
    path = Path(location)
    try:
        if path.is_dir():
            return LocalFiles(path), None
        if path.exists():
            return LocalFiles(path.parent), path.name
    except (OSError, ValueError) as error:
        raise SourceNotFoundError(f"cannot reach {str(location)!r}: {error}") from error
    refuse_incomplete_url(location)
    raise SourceNotFoundError(f"{location} does not exist")


def file_url_path(url: str) -> str:
    """Return the path that a ``file://`` URL names."""
    return unquote(urlsplit(url.replace("?", "%3F").replace("#", "%23")).path)


def _locate_url(url: str) -> tuple[Files, str | None]:
    files = RemoteFiles(url)
    try:
        kind = files.kind()
    except OSError as error:
        reason = f"{error.strerror or error}{reach_advice(url)}"
        raise SourceNotFoundError(f"cannot reach {url}: {reason}") from error
    # Clients refuse with errors of their own where credentials are missing.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}{reach_advice(url)}"
        raise SourceNotFoundError(f"cannot reach {url}: {reason}") from error
    if kind == "none":
        raise SourceNotFoundError(f"{url} does not exist{files.problem()}")
    if kind == "directory":
        return files, None
    folder, _, name = files.location.rpartition("/")
    return RemoteFiles(folder), name
