"""An S3 server on loopback, and a proxy before it that fails as networks do."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

SLOW_DOWN = (
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)
HANG_SECONDS = 6
READ_SECONDS = 4
POLL_SECONDS = 0.02
HALF, HANG, LOST, SLOW = "half an upload", "no answer", "an answer lost", "throttled"


def s3_options(endpoint: str) -> dict[str, Any]:
    """Return what fsspec's configuration must say to reach a server on this machine."""
    return {
        "endpoint_url": endpoint,
        "key": "test",
        "secret": "test",
        "config_kwargs": {"connect_timeout": 5, "read_timeout": READ_SECONDS},
    }


@contextmanager
def s3_server() -> Iterator[str]:
    """Run a server and yield its address; it forgets all at the end."""
    moto = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def configured(endpoint: str, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process, and those that it starts, find ``s3://`` at an address."""
    import fsspec

    patch.setenv("FSSPEC_S3", json.dumps(s3_options(endpoint)))
    patch.setitem(fsspec.config.conf, "s3", s3_options(endpoint))
    yield
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()


@dataclass
class Fault:
    """What happens to requests of a method whose path matches a pattern, so many times."""

    kind: str
    method: str
    pattern: str
    times: int = 1


@dataclass
class Proxy:
    """A proxy that fails as it is told.

    Attributes
    ----------
    faults : list of Fault
    requests : list of tuple of str
        Method and path of all that came.
    n_bytes : int
        That went to the client.
    """

    upstream: tuple[str, int]
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    n_bytes: int = 0

    def fault_of(self, method: str, path: str) -> str:
        """Return what to do to a request; empty for nothing."""
        self.requests.append((method, path))
        for fault in self.faults:
            if fault.times and fault.method == method and re.search(fault.pattern, path):
                fault.times -= 1
                return fault.kind
        return ""

    def count(self, method: str, pattern: str = "") -> int:
        """Return how many requests of a method there were."""
        return sum(
            m == method and re.search(pattern, path) is not None for m, path in self.requests
        )


@contextmanager
def proxy_before(endpoint: str) -> Iterator[tuple[Proxy, str]]:
    """Run a proxy before a server; yield it and its address."""
    host, port = endpoint.removeprefix("http://").split(":")
    proxy = Proxy((host, int(port)))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = proxy.fault_of(self.command, self.path)
            if fault == SLOW:
                self._answer(503, {"Content-Type": "application/xml"}, SLOW_DOWN)
            elif fault == HANG:
                threading.Event().wait(HANG_SECONDS)
                self.close_connection = True
            elif fault == HALF:
                self._send(body[: len(body) // 2])
                self.close_connection = True
            else:
                status, headers, content = self._forward(body)
                if fault == LOST:
                    self.close_connection = True
                else:
                    self._answer(status, headers, content)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any

        def _forward(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
            connection = http.client.HTTPConnection(*proxy.upstream, timeout=30)
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            content = response.read()
            connection.close()
            return response.status, dict(response.getheaders()), content

        def _send(self, half: bytes) -> None:
            """Send the whole head and half of the body, and go away."""
            connection = http.client.HTTPConnection(*proxy.upstream, timeout=30)
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(half)
            connection.close()

        def _answer(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            if not {"content-length"} & {name.lower() for name in headers}:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                proxy.n_bytes += len(content)
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    try:
        yield proxy, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
