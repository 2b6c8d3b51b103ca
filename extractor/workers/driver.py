"""Handing out the parts of a source to workers: retries are bounded, and failures are named."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ...cache.errors import FeatxError, IncompleteError
from ..parts import Part
from ..run_options import Observer
from .pool import Answered, Died, Event, Heard, Pool, Started
from .work import Answer

MAX_TRIES = 3
"""How often a part is tried."""

MAX_FAILURES = 2
"""Parts that may fail one after the other in a seat, or workers that may die there."""

POLL_SECONDS = 1.0
START_SECONDS = 600.0
"""How long no worker at all may be there: a cluster may have to start machines."""

SAY_SECONDS = 30.0
SHOWN = 5
BLOCKS_OF_PART, PART_IMAGES, PARTS_PER_SEAT = 256, 1 << 14, 8


class State(Enum):
    """What the worker of a seat does."""

    STARTING, BEGINNING, IDLE, BUSY, LEFT_OUT = range(5)


@dataclass
class Seat:
    """A place for a worker.

    Attributes
    ----------
    state : State
    where : str
        Where its worker runs, for people.
    part : Part or None
        What it is at.
    n_failures : int
        Failures since the last part that was finished here.
    reason : str
        Why the last one failed.
    """

    state: State = State.STARTING
    where: str = ""
    part: Part | None = None
    n_failures: int = 0
    reason: str = ""


@dataclass
class Todo:
    """A part that is not finished.

    Attributes
    ----------
    part : Part
    n_images, n_heard : int
        In it and left to do; of these, already counted as progress.
    failed_in : list of int
        Seats in which it failed, one for each try.
    reason, where : str
        Why it failed last, and in which worker.
    """

    part: Part
    n_images: int = 0
    n_heard: int = 0
    failed_in: list[int] = field(default_factory=list)
    reason: str = ""
    where: str = ""


@dataclass(frozen=True)
class Unfinished:
    """What workers did not finish.

    Attributes
    ----------
    n_parts : int
    parts : dict of str to str
        Why each of them failed last.
    workers : dict of str to str
        Why workers were left out.
    """

    n_parts: int
    parts: dict[str, str]
    workers: dict[str, str]


def cut(n_samples: int, n_seats: int) -> list[Part]:
    """Return parts for so many workers: several for each, none too small and none too large."""
    n_wanted = max(PARTS_PER_SEAT * n_seats, -(-n_samples // PART_IMAGES))
    count = max(1, min(n_wanted, n_samples // BLOCKS_OF_PART))
    count = max(count, min(n_seats, n_samples // 32))
    return [Part(number, count) for number in range(1, count + 1)]


class Driver:
    """Hands out parts, and counts what comes back.

    It keeps a few numbers for each part, and never an image or a feature.

    Parameters
    ----------
    pool : Pool
    parts : sequence of Part
    n_left : callable
        Takes what the workers agreed on and a part, and returns how many images are left to do.
    task : str
        For the progress.
    observer : Observer

    Attributes
    ----------
    settled : Any
        What the workers agreed on.
    """

    def __init__(
        self,
        pool: Pool,
        parts: Sequence[Part],
        n_left: Callable[[Any, Part], int],
        task: str,
        observer: Observer,
    ) -> None:
        self._pool, self._observer = pool, observer
        self._n_left, self._task = n_left, task
        self._todo = {part: Todo(part) for part in parts}
        self._queue, self._n_parts = deque(parts), len(parts)
        self._seats = [Seat() for _ in range(pool.n_seats)]
        self._results: dict[Part, Any] = {}
        self._given_up: list[Todo] = []
        self._alone_since = self._said = time.monotonic()
        self._settling: int | None = None
        self.settled: Any = None

    def run(self) -> list[Any]:
        """Return what came of each part, in order of the parts.

        Raises
        ------
        IncompleteError
            Parts did not finish; ``report`` is an ``Unfinished``. What is finished is saved.
        FeatxError
            No worker could begin, as where an option is wrong.
        """
        try:
            for seat in range(self._pool.n_seats):
                self._pool.start(seat)
            while self._queue or any(seat.part for seat in self._seats):
                if all(seat.state is State.LEFT_OUT for seat in self._seats):
                    break
                for event in self._pool.events(POLL_SECONDS):
                    self._take(event)
                self._hand_out()
                self._check_start()
        except BaseException as error:
            self._pool.close(isinstance(error, KeyboardInterrupt))
            raise
        self._pool.close(False)
        if self._todo:
            raise self._unfinished()
        return [self._results[part] for part in sorted(self._results)]

    def _take(self, event: Event) -> None:
        seat = self._seats[event.seat]
        match event:
            case Started(where=where):
                seat.state, seat.where = State.BEGINNING, where
                if self.settled is not None:
                    self._pool.begin(event.seat, self.settled)
                self._let_settle()
            case Heard(n_images=n_images, texts=texts):
                self._hear(seat, n_images, texts)
            case Answered(answer=answer) if seat.state is State.BEGINNING:
                self._take_beginning(event.seat, answer)
            case Answered(answer=answer):
                self._take_part(event.seat, answer)
            case Died(reason=reason):
                self._bury(event.seat, reason)

    def _take_beginning(self, number: int, answer: Answer) -> None:
        seat = self._seats[number]
        if answer.reason:
            if answer.error and self.settled is None:
                raise answer.error
            self._leave_out(number, answer.reason)
            self._let_settle()
            return
        seat.state = State.IDLE
        if self.settled is None:
            self.settled = answer.value
            self._begin_count()
            for other, waiting in enumerate(self._seats):
                if waiting.state is State.BEGINNING:
                    self._pool.begin(other, self.settled)

    def _begin_count(self) -> None:
        for todo in self._todo.values():
            todo.n_images = self._n_left(self.settled, todo.part)
        if n_left := sum(todo.n_images for todo in self._todo.values()):
            self._observer.begin(n_left, self._task)

    def _let_settle(self) -> None:
        """Let one worker settle what all must agree on, where none does; the others wait for it."""
        if self.settled is not None:
            return
        waiting = [i for i, seat in enumerate(self._seats) if seat.state is State.BEGINNING]
        if self._settling not in waiting and waiting:
            self._settling = waiting[0]
            self._pool.begin(waiting[0], None)

    def _take_part(self, number: int, answer: Answer) -> None:
        seat = self._seats[number]
        part, seat.part, seat.state = seat.part, None, State.IDLE
        if part is None:
            return
        if answer.reason:
            self._fail(part, number, answer.reason)
            seat.n_failures += 1
            if seat.n_failures >= MAX_FAILURES:
                self._leave_out(number, answer.reason)
            return
        seat.n_failures = 0
        todo = self._todo.pop(part)
        self._advance(todo.n_images - todo.n_heard)
        self._results[part] = answer.value

    def _hear(self, seat: Seat, n_images: int, texts: Sequence[str]) -> None:
        for text in texts:
            self._observer.say(text)
        todo = self._todo.get(seat.part) if seat.part else None
        if todo and not todo.failed_in:  # of a part that is tried again, nothing counts twice
            n_new = min(n_images, todo.n_images - todo.n_heard)
            todo.n_heard += n_new
            self._advance(n_new)

    def _advance(self, n_images: int) -> None:
        if n_images:
            self._observer.advance(n_images)

    def _bury(self, number: int, reason: str) -> None:
        """Go on without a worker that died, with a new one in its place."""
        seat = self._seats[number]
        if seat.part is not None:
            self._fail(seat.part, number, f"the worker died: {reason}")
        seat.part = None
        seat.n_failures += 1
        if seat.n_failures > MAX_FAILURES:
            self._leave_out(number, reason)
        else:
            self._observer.say(f"Warning: {self._name(number)} died and is replaced: {reason}")
            seat.state = State.STARTING
            self._pool.start(number)
        self._let_settle()

    def _leave_out(self, number: int, reason: str) -> None:
        seat = self._seats[number]
        seat.state, seat.reason = State.LEFT_OUT, reason
        self._observer.say(f"Warning: {self._name(number)} is left out: {reason}")

    def _fail(self, part: Part, number: int, reason: str) -> None:
        todo = self._todo[part]
        todo.failed_in.append(number)
        todo.reason, todo.where = reason, self._name(number)
        if len(todo.failed_in) < MAX_TRIES:
            self._queue.append(part)
        else:
            self._given_up.append(todo)

    def _hand_out(self) -> None:
        for number, seat in enumerate(self._seats):
            if seat.state is State.IDLE and (part := self._next_part(number)):
                seat.state, seat.part = State.BUSY, part
                self._pool.run(number, part)

    def _next_part(self, number: int) -> Part | None:
        """Return a part for a seat; one that failed there only where no other seat can take it."""
        at_work = (State.BEGINNING, State.IDLE, State.BUSY)
        others = {i for i, s in enumerate(self._seats) if i != number and s.state in at_work}
        for part in self._queue:
            failed_in = set(self._todo[part].failed_in)
            if number not in failed_in or not others - failed_in:
                self._queue.remove(part)
                return part
        return None

    def _check_start(self) -> None:
        """Say that nothing goes on while no worker is there; give up after a while."""
        now = time.monotonic()
        if any(seat.state not in (State.STARTING, State.LEFT_OUT) for seat in self._seats):
            self._alone_since = self._said = now
        elif now - self._alone_since > START_SECONDS:
            raise IncompleteError(f"no worker has started. {self._pool.waiting()}")
        elif now - self._said > SAY_SECONDS:
            self._said = now
            self._observer.say(f"No worker has started yet. {self._pool.waiting()}")

    def _name(self, number: int) -> str:
        where = self._seats[number].where
        return f"worker {number + 1}{f' on {where}' if where else ''}"

    def _unfinished(self) -> FeatxError:
        todos = self._todo.values()
        parts = {str(todo.part): f"{todo.reason} ({todo.where})" for todo in todos}
        seats = enumerate(self._seats)
        workers = {self._name(i): s.reason for i, s in seats if s.state is State.LEFT_OUT}
        reasons = dict.fromkeys(filter(None, [*(t.reason for t in todos), *workers.values()]))
        shown = "; ".join(list(reasons)[:SHOWN])
        error = IncompleteError(
            f"{len(parts)} of {self._n_parts} parts did not finish, each tried up to {MAX_TRIES} "
            f"times: {', '.join(list(parts)[:SHOWN])}{' …' if len(parts) > SHOWN else ''}. What is "
            f"finished is saved, and the same command goes on. {shown}"
        )
        error.report = Unfinished(self._n_parts, parts, workers)
        return error


class SaysOnce:
    """An observer that passes each text on once, as all workers say the same.

    Parameters
    ----------
    observer : Observer
    """

    def __init__(self, observer: Observer) -> None:
        self._observer, self._texts = observer, set[str]()
        self.begin: Callable[[int, str], None] = observer.begin
        self.advance: Callable[[int], None] = observer.advance

    def say(self, text: str) -> None:
        """Pass a text on, where it is new."""
        if text not in self._texts:
            self._texts.add(text)
            self._observer.say(text)
