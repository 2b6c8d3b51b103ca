"""File systems behind URLs, through fsspec: bounded waiting, and bounded trying again."""

from __future__ import annotations

import errno
import logging
import os
import random
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ConfigError

LOGGER = logging.getLogger(__name__)
INCOMPLETE_URL = re.compile(r"([a-z0-9]+):/?([^/].*)", re.DOTALL)
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "hf": "hf"}
SCHEMES = frozenset(
    (
        *EXTRAS,
        *("http", "https", "ftp", "ftps", "sftp", "ssh", "smb", "file", "memory", "webhdfs"),
        *("az", "abfs", "abfss", "adl", "wasb", "wasbs", "oci", "oss", "hdfs", "dbfs", "github"),
    )
)
ATTEMPTS = "FEATX_URL_ATTEMPTS"
DEFAULT_ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.25
PAUSE_FACTOR = 3.0

# Seconds until a silent server counts as a failure; fsspec's own configuration has precedence.
S3_CONFIG: Mapping[str, Any] = {
    "connect_timeout": 10,
    "read_timeout": 60,
    "retries": {"total_max_attempts": 1},
}
# Trying again changes nothing about these, whichever client raises them.
FINAL_ERRORS = (FileNotFoundError, PermissionError, FileExistsError, IsADirectoryError)
FINAL_CODES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOSYS)
PASSING_NAMES = frozenset(
    (
        *("HTTPClientError", "ClientError", "ClientPayloadError", "HttpError", "IncompleteRead"),
        *("FSTimeoutError", "ResponseParserError", "ServiceRequestError", "ServiceResponseError"),
        *("EndpointConnectionError", "ConnectionClosedError", "RequestException"),
    )
)
ADVICE = {
    "NoCredentialsError": "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name them",
    "PartialCredentialsError": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together",
    "ProfileNotFound": "AWS_PROFILE names one of ~/.aws/config",
    "EndpointConnectionError": "AWS_ENDPOINT_URL names the server",
    "ConnectTimeoutError": "AWS_ENDPOINT_URL names the server",
}
NO_RIGHTS = (
    "The credentials lack the right. A cache is listed, read, written and deleted from "
    "(s3:ListBucket, GetObject, PutObject, DeleteObject); a source is listed and read"
)
VERSION_KEYS = (
    *("ETag", "etag", "md5Hash", "md5", "checksum", "generation", "version_id", "blob_id"),
)
TIME_KEYS = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")

T = TypeVar("T")


def is_url(location: str) -> bool:
    """Tell whether a place is a URL and not a path."""
    return "://" in location


def meant_url(path: str | Path) -> str:
    """Return the URL that a path stands for that lacks slashes, as ``s3:bucket/x`` does.

    Empty for other paths, and where there is a file or folder of that name. A URL that became a
    ``Path`` lacks a slash, too.
    """
    match = INCOMPLETE_URL.fullmatch(str(path))
    if not match or match[1] not in SCHEMES or Path(Path(path).parts[0]).exists():
        return ""
    if match[1] == "file":
        return f"file://{Path(str(path).removeprefix('file:')).absolute()}"
    return f"{match[1]}://{match[2]}"


def refuse_incomplete_url(path: str | Path) -> None:
    """Raise ConfigError for a URL whose slashes are missing."""
    if url := meant_url(path):
        raise ConfigError(f"{path} is no path and no URL. Did you mean {url}?")


def open_file_system(url: str, *, lists_anew: bool = False) -> tuple[Any, str]:
    """Return the file system behind a URL, and the path in it.

    Parameters
    ----------
    url : str
    lists_anew : bool
        Ask the server for each listing, as others write there.

    Raises
    ------
    ConfigError
        The package for this kind of URL is not installed, or nothing answers to it.
    """
    protocol = url.split("://", maxsplit=1)[0]
    try:
        import fsspec

        options = _options(fsspec.config.conf, protocol, lists_anew)
        file_system, path = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        extra = EXTRAS.get(protocol, "remote")
        raise ConfigError(
            f"{url} cannot be read without a further package ({error}): "
            f"pip install 'featx[{extra}]'"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{url}: no file system answers to {protocol}:// ({error})") from error
    if "config_kwargs" in options:
        file_system.retries = 1  # `persist` tries again, for all kinds of URLs alike
    return file_system, str(path).rstrip("/")


def _options(configured: Mapping[str, Any], protocol: str, lists_anew: bool) -> dict[str, Any]:
    options: dict[str, Any] = {"use_listings_cache": False} if lists_anew else {}
    if EXTRAS.get(protocol) == "s3":
        own = configured.get(protocol, {}).get("config_kwargs", {})
        options["config_kwargs"] = {**S3_CONFIG, **own}
    return options


def persist(action: Callable[[], T], what: str) -> T:
    """Return what ``action`` returns; try again, ever more patiently, where that may help.

    Parameters
    ----------
    action : callable
        Can be repeated without harm.
    what : str
        Names it in errors, as in "read s3://bucket/a.png".

    Raises
    ------
    OSError
        It failed as often as ``FEATX_URL_ATTEMPTS`` says (by default 6 times, about 30 seconds), or
        in a way that no repetition mends.
    """
    n_attempts = _n_attempts()
    for attempt in range(1, n_attempts + 1):
        try:
            return action()
        except PermissionError as error:
            raise PermissionError(errno.EACCES, f"{_reason(error)}. {NO_RIGHTS}") from error
        except FINAL_ERRORS:
            raise
        except Exception as error:
            if not _may_pass(error):
                raise _as_os_error(error) from error
            if attempt == n_attempts:
                raise _as_os_error(error, f" (tried {n_attempts} times)") from error
            pause = FIRST_PAUSE_SECONDS * PAUSE_FACTOR ** (attempt - 1) * random.uniform(0.7, 1.3)
            reason = _reason(error)
            LOGGER.info("cannot %s: %s; trying again in %.1f s", what, reason, pause)
            time.sleep(pause)
    raise AssertionError("unreachable")  # the loop returns or raises


def _n_attempts() -> int:
    text = os.environ.get(ATTEMPTS, str(DEFAULT_ATTEMPTS))
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"{ATTEMPTS} takes a whole number from 1, got {text!r}")
    return int(text)


def _may_pass(error: Exception) -> bool:
    """Tell whether an error may be gone the next time."""
    if isinstance(error, OSError):
        return error.errno not in FINAL_CODES
    return any(kind.__name__ in PASSING_NAMES for kind in type(error).__mro__)


def _as_os_error(error: Exception, addition: str = "") -> OSError:
    code = getattr(error, "errno", None) or errno.EIO
    return OSError(code, f"{_reason(error)}{addition}{_advice(error)}")


def _advice(error: Exception) -> str:
    """Return what to set where a client cannot begin, as it never can; else nothing."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return next((f". {ADVICE[name]}" for name in ADVICE if name in kinds), "")


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text if isinstance(error, OSError) and text else f"{type(error).__name__}: {text}"


@cache
def bucket_problem(url: str) -> str:
    """Return why nothing can be at a URL: its bucket is not there; empty where it is.

    Servers answer alike for a missing bucket and for an empty folder. The server is asked once for
    each bucket.

    Raises
    ------
    OSError
        It does not answer.
    """
    protocol, _, rest = url.partition("://")
    bucket = rest.partition("/")[0]
    if EXTRAS.get(protocol) != "s3":
        return ""
    if url != f"{protocol}://{bucket}":
        return bucket_problem(f"{protocol}://{bucket}")
    file_system, path = open_file_system(url, lists_anew=True)
    try:
        persist(lambda: file_system.info(path), f"look at {url}")
    except FileNotFoundError:
        endpoint = file_system.endpoint_url or os.environ.get("AWS_ENDPOINT_URL", "")
        return (
            f"there is no bucket {bucket}{f' at {endpoint}' if endpoint else ''}. Check its name; "
            "AWS_ENDPOINT_URL names another server, AWS_PROFILE another account"
        )
    except PermissionError:
        return ""  # it may be looked into without the right to look at it
    return ""


def version_of(info: Mapping[str, Any]) -> str:
    """Return what changes with each version of an object; empty where the server says nothing."""
    return next((str(info[key]) for key in VERSION_KEYS if info.get(key)), "")


def seconds_of(info: Mapping[str, Any]) -> float:
    """Return when an object was last changed, in seconds since the epoch; 0 where unknown."""
    return next((_seconds(info[key]) for key in TIME_KEYS if info.get(key)), 0.0)


def _seconds(value: Any) -> float:
    """Return seconds since the epoch of a time in any of the forms that clients use."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, int | float):
        return float(value)
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return 0.0
