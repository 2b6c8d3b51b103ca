"""How fast each stage is, and which one holds the others up."""

from __future__ import annotations

from dataclasses import dataclass

WORTH_JUDGING = 1.0
"""Seconds of work below which what a run waits for at its start and end decides its rates."""

INFERENCE, DECODE, READ, WRITE = "inference", "decode", "read", "write"


@dataclass
class StageSeconds:
    """Seconds spent in each stage, summed over the threads that work on it."""

    read: float = 0.0
    decode: float = 0.0
    infer: float = 0.0
    write: float = 0.0

    @property
    def are_telling(self) -> bool:
        """Whether there was enough to do to judge the stages by."""
        return self.read + self.decode + self.infer + self.write >= WORTH_JUDGING


@dataclass(frozen=True)
class StageRates:
    """Images/s that each stage could do if the others were free, with what it has.

    Attributes
    ----------
    read, decode, inference, write : float
        Infinite where a stage did nothing.
    n_workers, n_cores : int
        Threads that read and decode; cores there are.
    """

    read: float
    decode: float
    inference: float
    write: float
    n_workers: int
    n_cores: int

    @classmethod
    def of(
        cls, n_images: int, seconds: StageSeconds, threads: tuple[int, int], n_cores: int
    ) -> StageRates:
        """Compute the rates of a run.

        Parameters
        ----------
        n_images : int
            Images that went through the engine.
        seconds : StageSeconds
        threads : (int, int)
            That read and decode, and that run the engine.
        n_cores : int
        """
        n_workers, n_parallel = threads
        return cls(
            _rate(n_images * n_workers, seconds.read),
            _rate(n_images * n_workers, seconds.decode),
            _rate(n_images * n_parallel, seconds.infer),
            _rate(n_images, seconds.write),
            n_workers,
            n_cores,
        )

    def by_stage(self) -> dict[str, float]:
        """Return the rates by the stages' names."""
        return {
            READ: self.read,
            DECODE: self.decode,
            INFERENCE: self.inference,
            WRITE: self.write,
        }

    def bottleneck(self) -> str:
        """Return the name of the slowest stage."""
        rates = self.by_stage()
        return min(rates, key=lambda stage: rates[stage])

    def sentence(self, advice: str = "") -> str:
        """Return one sentence: what holds the run up, and what to change.

        Parameters
        ----------
        advice : str
            What would make inference faster here; used where inference is the slowest.
        """
        rates = self.by_stage()
        slowest = self.bottleneck()
        others = {stage: rate for stage, rate in rates.items() if stage != slowest}
        next_ = min(others, key=lambda stage: others[stage])
        return (
            f"{slowest}-bound: {rates[slowest]:,.0f} images/s, where {next_} could do "
            f"{_number(others[next_])}; {self._cure(slowest, advice)}"
        )

    def _cure(self, slowest: str, advice: str) -> str:
        if slowest == INFERENCE:
            return advice or "a smaller --size or a lighter --backbone would help"
        if slowest == WRITE:
            return "a faster disk for --cache, or --storage float16, would help"
        if self.n_workers < self.n_cores:
            return f"more --workers would help ({self.n_workers} of {self.n_cores} cores decode)"
        if slowest == READ:
            return "a faster disk, or more --workers to have more reads under way, would help"
        return "more cores, or smaller images on disk, would help"


def _rate(n: int, seconds: float) -> float:
    return n / seconds if seconds > 0 and n else float("inf")


def _number(rate: float) -> str:
    return f"{rate:,.0f}" if rate < 1e6 else "any number"
