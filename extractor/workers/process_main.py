"""The program of a worker process: it answers requests that come through a pipe."""

from __future__ import annotations

import os
import queue
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from .pool import Answered, Heard
from .work import Worker

SAY_SECONDS = 0.5
GRACE_SECONDS = 30.0
"""How long a worker may take to save its rows once the driver is gone."""


class WorkerProcess:
    """Answers the requests of the driver at the other end of a pipe, until it closes.

    Parameters
    ----------
    connection : Connection
    """

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection, self._worker = connection, Worker()
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._sending = threading.Lock()

    def serve(self) -> None:
        """Answer until the driver says stop or is gone."""
        for target in (self._receive, self._say):
            threading.Thread(target=target, daemon=True).start()
        self._send("started")
        while request := self._requests.get():
            name, *arguments = request
            answer = getattr(self._worker, name)(*arguments)
            self._tell()
            self._send((Answered, answer))

    def _receive(self) -> None:
        try:
            while (request := self._connection.recv()) != ("stop",):
                self._requests.put(request)
        except (EOFError, OSError):
            pass
        self._worker.relay.stop()
        self._requests.put(None)
        threading.Event().wait(GRACE_SECONDS)
        os._exit(1)

    def _say(self) -> None:
        while True:
            threading.Event().wait(SAY_SECONDS)
            self._tell()

    def _tell(self) -> None:
        n_images, texts = self._worker.relay.take()
        if n_images or texts:
            self._send((Heard, n_images, texts))

    def _send(self, message: Any) -> None:
        try:
            with self._sending:
                self._connection.send(message)
        except OSError:  # the driver is gone
            self._worker.relay.stop()


if __name__ == "__main__":
    WorkerProcess(Connection(int(sys.argv[1]))).serve()
