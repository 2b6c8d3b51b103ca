"""What a sweep tries, and how it judges."""

from __future__ import annotations

from dataclasses import dataclass

from ...cache.errors import ConfigError
from .grid import Family
from .metrics import AUTO, find_metric


@dataclass(frozen=True)
class SweepOptions:
    """What a sweep tries, and how it judges.

    Attributes
    ----------
    families : tuple of Family
        Empty for the built-in grid of all heads.
    metric : str
        What ranks the configurations: the name of a metric, ``recall:Shirt`` or ``cost:FILE``
        among them; or ``auto``, which is accuracy, and balanced accuracy where the largest class
        has more than three times the images of the smallest.
    cv : int
        Number of folds; 0 judges on one validation split.
    random_state : int
        Of folds and heads, and of the split where ``split_seed`` is None.
    memory : int, optional
        Bytes that training may take beside the program itself, else three quarters of what is free;
        larger features stay on disk, and heads that need them in memory are left out.
    drop_near_duplicates : bool
        Leave training images out that look like validation or test images saved again.
    split_seed : int, optional
        Of the split alone.
    views : int
        Views of each training image, with the image itself, that the cache must have; together
        they weigh as much as the image. Images are judged by themselves alone.
    view_ops, views_seed : str and int, optional
        How the views were drawn; by default as the newest ones of which there are enough.
    """

    families: tuple[Family, ...] = ()
    metric: str = AUTO
    cv: int = 0
    random_state: int = 0
    memory: int | None = None
    drop_near_duplicates: bool = False
    split_seed: int | None = None
    views: int = 1
    view_ops: str | None = None
    views_seed: int | None = None

    @property
    def seed_of_split(self) -> int:
        """``split_seed``, or ``random_state`` where there is none."""
        return self.random_state if self.split_seed is None else self.split_seed

    def __post_init__(self) -> None:
        if self.metric != AUTO:
            find_metric(self.metric)
        if self.cv < 0 or self.cv == 1:
            raise ConfigError(f"--cv takes 2 folds or more, got {self.cv}")
