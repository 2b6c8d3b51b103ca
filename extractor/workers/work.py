"""What workers do, and what they say of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Protocol

from ...cache.errors import FeatxError
from ..parts import Part
from ..run_options import Observer


class Task(Protocol):
    """A work that has begun in one worker."""

    @property
    def settled(self) -> Any:
        """What all workers must agree on, such as a precision; small."""
        ...

    def run(self, part: Part) -> Any:
        """Do one part and return counts; images and features go to the disk."""
        ...


class Work(Protocol):
    """What all workers do; it travels to them and must pickle."""

    def n_left(self, settled: Any, part: Part) -> int:
        """Return how many images of a part are left to do, once the first worker has settled."""
        ...

    def begin(self, settled: Any, observer: Observer) -> Task:
        """Begin in this process.

        Parameters
        ----------
        settled : Any
            What the first worker settled; None in the first worker.
        observer : Observer
        """
        ...


@dataclass(frozen=True)
class Answer:
    """What came of a request.

    Attributes
    ----------
    value : Any
    error : FeatxError or None
        Raised on purpose.
    reason : str
        What went wrong, for people; empty where nothing did.
    """

    value: Any = None
    error: FeatxError | None = None
    reason: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Answer:
        """Return the answer of a request that failed."""
        if isinstance(error, FeatxError):
            return cls(error=error, reason=str(error))
        return cls(reason=f"{type(error).__name__}: {error}".removesuffix(": "))


class Relay:
    """The observer in a worker: it keeps what is said until the driver asks for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_images, self._texts = 0, list[str]()
        self._is_stopped = threading.Event()

    def begin(self, n_images: int, task: str) -> None:
        """Do nothing: the driver counts the images of all parts."""

    def advance(self, n_images: int) -> None:
        """Count images; raises KeyboardInterrupt once the driver has told the worker to stop."""
        with self._lock:
            self._n_images += n_images
        if self._is_stopped.is_set():
            raise KeyboardInterrupt

    def say(self, text: str) -> None:
        """Keep a text for the driver."""
        with self._lock:
            self._texts.append(text)

    def take(self) -> tuple[int, list[str]]:
        """Return the images and texts since the last call."""
        with self._lock:
            heard = self._n_images, self._texts
            self._n_images, self._texts = 0, []
        return heard

    def stop(self) -> None:
        """End the part at its next batch; what is computed is saved."""
        self._is_stopped.set()


class Worker:
    """The part of a worker that is the same wherever it runs: it answers requests, one at a time.

    Attributes
    ----------
    relay : Relay
    """

    def __init__(self) -> None:
        self.relay = Relay()
        self._task: Task | None = None

    def begin(self, work: Work, settled: Any) -> Answer:
        """Begin; the answer is what all workers must agree on."""
        try:
            self._task = work.begin(settled, self.relay)
            return Answer(self._task.settled)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (the driver decides)
            return Answer.of(error)

    def run(self, part: Part) -> Answer:
        """Do one part; the answer is its counts."""
        try:
            if self._task is None:
                raise RuntimeError("a worker was given a part before it had begun")
            return Answer(self._task.run(part))
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (the driver decides)
            return Answer.of(error)
