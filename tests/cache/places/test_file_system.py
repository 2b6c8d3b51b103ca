"""Trying again: bounded, and only where it may help."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from featx.cache.errors import ConfigError
from featx.cache.places.file_system import meant_url, open_file_system, persist


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("featx.cache.places.file_system.FIRST_PAUSE_SECONDS", 0.001)


def failing(errors: list[Exception]):
    def action() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    return action


class ClientPayloadError(Exception):
    """As aiohttp has one."""


@pytest.mark.parametrize(
    "error", [TimeoutError("slow"), OSError(errno.EBUSY, "SlowDown"), ClientPayloadError("cut")]
)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    assert persist(failing([error] * 5), "read it") == "done"
    with pytest.raises(OSError, match=r"\(tried 6 times\)"):
        persist(failing([error] * 6), "read it")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError("x"), FileNotFoundError),
        (PermissionError("x"), PermissionError),
        (OSError(errno.ENOSPC, "full"), OSError),
        (ValueError("NoCredentials"), OSError),
    ],
)
def test_what_no_repetition_mends_is_raised_at_once(
    error: Exception, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        persist(failing([error]), "read it")


class NoCredentialsError(Exception):
    """As botocore has one."""


class EndpointConnectionError(Exception):
    """As botocore has one."""


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (NoCredentialsError("Unable to locate credentials"), "AWS_PROFILE, or AWS_ACCESS_KEY_ID"),
        (EndpointConnectionError("Could not connect"), "AWS_ENDPOINT_URL names the server"),
        (PermissionError("Access Denied"), "Access Denied. The credentials lack the right"),
    ],
)
def test_what_is_refused_says_what_to_set(error: Exception, advice: str) -> None:
    with pytest.raises(OSError, match=advice):
        persist(failing([error] * 6), "read it")


def test_the_number_of_attempts_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATX_URL_ATTEMPTS", "2")
    with pytest.raises(OSError, match="tried 2 times"):
        persist(failing([TimeoutError("slow")] * 2), "read it")
    monkeypatch.setenv("FEATX_URL_ATTEMPTS", "many")
    with pytest.raises(ConfigError, match="takes a whole number from 1"):
        persist(failing([]), "read it")


def test_options_of_fsspec_have_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("s3fs")
    options = {"config_kwargs": {"read_timeout": 7}, "key": "a", "secret": "b"}
    monkeypatch.setitem(fsspec.config.conf, "s3", options)
    file_system, path = open_file_system("s3://bucket/a b/")
    assert path == "bucket/a b" and file_system.config_kwargs["read_timeout"] == 7
    assert file_system.config_kwargs["connect_timeout"] == 10


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("s3:bucket/x", "s3://bucket/x"),
        ("s3:/bucket/x", "s3://bucket/x"),
        ("gs:bucket", "gs://bucket"),
        ("https:example.org/a.zip", "https://example.org/a.zip"),
        ("http:/example.org", "http://example.org"),
        ("hf:datasets/a/b", "hf://datasets/a/b"),
        ("s3://bucket/x", ""),
        ("a:b", ""),
        ("C:/photos", ""),
        ("/s3:bucket", ""),
        ("photos/s3:x", ""),
        ("s3:", ""),
    ],
)
def test_a_url_without_its_slashes_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert meant_url(path) == url
    assert meant_url("file:a") == f"file://{tmp_path}/a"
    assert meant_url("file:/a") == "file:///a"
    (tmp_path / "s3:bucket").mkdir()
    (tmp_path / "gs:bucket").touch()
    assert meant_url("s3:bucket/x") == meant_url("gs:bucket") == ""
