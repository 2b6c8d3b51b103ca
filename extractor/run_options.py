"""How a run goes about its work; none of it changes a number."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..cache.errors import ConfigError, TooManyBadImagesError
from ..cache.records.tag import NO_TAG, Tag
from .engines.choose import AUTO, check_engine_name
from .machine.hardware import n_usable_cores
from .parts import Part
from .pipeline.notebook_bar import NotebookBar, notebook_bar
from .precision.drift import MAX_DRIFT
from .workers.worker_options import WorkerOptions

if TYPE_CHECKING:
    from .pipeline.stage_pool import StagePool

LOGGER = logging.getLogger("featx")


@dataclass(frozen=True)
class BadLimit:
    """How many images may fail: a count, or a share of all.

    Attributes
    ----------
    value : float
    is_share : bool
        Whether ``value`` is a fraction of the samples and not a count.
    """

    value: float
    is_share: bool

    @classmethod
    def parse(cls, text: str) -> BadLimit:
        """Read ``1%`` or ``25``; raises ConfigError for anything else."""
        is_share = text.endswith("%")
        try:
            value = float(text[:-1]) / 100 if is_share else float(int(text))
        except ValueError:
            value = -1.0
        if value < 0 or (is_share and value > 1):
            raise ConfigError(f"--max-bad takes a count or a share such as 1%, got {text!r}")
        return cls(value, is_share)

    def check(self, n_bad: int, n_samples: int, where: str) -> None:
        """Raise TooManyBadImagesError where ``n_bad`` is over the limit."""
        allowed = self.value * n_samples if self.is_share else self.value
        if n_bad > allowed:
            limit = f"{self.value:.4g}" if not self.is_share else f"{self.value:.4%}"
            raise TooManyBadImagesError(
                f"{n_bad} of {n_samples} images could not be read, more than --max-bad {limit} "
                f"allows. Everything else is saved; the reasons are in {where}"
            )


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a run goes about its work.

    Attributes
    ----------
    workers : int
        Threads that read and decode; 0 stands for one per core.
    batch_size : int
        Images the backbone sees at once; 0 stands for ``auto``: found by measuring.
    engine : str
        ``auto`` or a name in the registry: what computes; it does not belong to the features.
    max_drift : float
        How far, as 1 - cosine, the median row of a fast precision may be from float32; the worst
        row may be ten times as far, and never over 0.01. Under the precision ``auto``, half of that
        is allowed on the calibration set, and a run that goes beyond it on its first images warns.
    retry_failed : bool
        Whether images that failed in an earlier run are tried again.
    max_bad : BadLimit or None
        None lets any number of images fail.
    compression : str or None
        How new rows are compressed in the cache (see ``FeatureStore``); None maps into memory.
    part : Part or None
        Which part of the source to work on; None stands for all of it.
    max_pixels : int or None
        Pixels that one image may have in memory, a JPEG after its scaled decoding; None stands for
        Pillow's limit, 89,478,485.
    shared_by : WorkerOptions or None
        Which workers share the run; None computes in this process.
    stages : StagePool or None
        Compiled networks of earlier runs of this process, which are used again.
    tag : Tag
        What the user calls the features; empty parts keep what an earlier run said.
    """

    workers: int = 0
    batch_size: int = 0
    engine: str = AUTO
    max_drift: float = MAX_DRIFT
    retry_failed: bool = False
    max_bad: BadLimit | None = None
    compression: str | None = None
    part: Part | None = None
    max_pixels: int | None = None
    shared_by: WorkerOptions | None = None
    stages: StagePool | None = None
    tag: Tag = NO_TAG

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise ConfigError(f"workers counts from 1 (0: one per core), got {self.workers}")
        if self.batch_size < 0:
            raise ConfigError(f"batch_size counts from 1 (0: auto), got {self.batch_size}")
        if self.max_pixels is not None and self.max_pixels < 1:
            raise ConfigError(f"max_pixels counts from 1, got {self.max_pixels}")
        check_engine_name(self.engine)
        if self.shared_by is not None and self.part is not None:
            raise ConfigError(
                "--shard is one part for one process; --devices and --ray cut the source "
                "themselves: give one of them"
            )
        if not 0 <= self.max_drift <= MAX_DRIFT:
            raise ConfigError(
                f"max_drift lies from 0 to {MAX_DRIFT} (the contract; it can only be set tighter), "
                f"got {self.max_drift}"
            )

    @property
    def n_workers(self) -> int:
        """Number of threads that read and decode."""
        return self.workers or n_usable_cores()


class Observer(Protocol):
    """Hears how far a run is."""

    def begin(self, n_images: int, task: str) -> None:
        """``n_images`` will be worked on."""
        ...

    def advance(self, n_images: int) -> None:
        """``n_images`` more are done."""
        ...

    def say(self, text: str) -> None:
        """Hear what a person should know at once, such as the precision that was chosen."""
        ...


class LogObserver:
    """The observer where none is given: what is said goes to Python's logging, under ``featx``.

    In a notebook a bar shows the progress of a task.
    """

    _bar: NotebookBar | None = None

    def begin(self, n_images: int, task: str) -> None:
        """Log the beginning of a task, for debugging."""
        LOGGER.debug("%s: %d to do", task, n_images)
        self._bar = notebook_bar(n_images, task)

    def advance(self, n_images: int) -> None:
        """Move the bar of a notebook on."""
        if self._bar is not None:
            self._bar.advance(n_images)

    def say(self, text: str) -> None:
        """Log ``text`` as information; as a warning where it begins with ``Warning:``."""
        log(text)


def log(text: str) -> None:
    """Log what a person should know; as a warning where it begins with ``Warning:``."""
    LOGGER.log(logging.WARNING if text.startswith("Warning:") else logging.INFO, "%s", text)
