"""What a driver asks of the workers, wherever they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ..parts import Part
from .work import Answer


@dataclass(frozen=True)
class Event:
    """News of the worker in one seat."""

    seat: int


@dataclass(frozen=True)
class Started(Event):
    """It waits for its first request."""

    where: str


@dataclass(frozen=True)
class Answered(Event):
    """It has done what was asked, or could not."""

    answer: Answer


@dataclass(frozen=True)
class Heard(Event):
    """It has computed more images, or has something to say."""

    n_images: int
    texts: list[str]


@dataclass(frozen=True)
class Died(Event):
    """It is gone."""

    reason: str


class Pool(Protocol):
    """Seats for workers; each holds one at a time. All calls but ``events`` return at once.

    Attributes
    ----------
    n_seats : int
    """

    n_seats: int

    def start(self, seat: int) -> None:
        """Start a new worker in a seat, in place of one that died."""
        ...

    def begin(self, seat: int, settled: Any) -> None:
        """Let a worker begin its work (see ``Work``)."""
        ...

    def run(self, seat: int, part: Part) -> None:
        """Let a worker do a part."""
        ...

    def events(self, seconds: float) -> list[Event]:
        """Wait for news, at most so many seconds."""
        ...

    def waiting(self) -> str:
        """Say why no worker may have started yet, and what to do."""
        ...

    def close(self, is_interrupted: bool) -> None:
        """End all workers; after an interrupt they save what they have computed first."""
        ...
