"""What an extraction did."""

from __future__ import annotations

from dataclasses import dataclass

from ..cache import BadImage, RunRecord
from .pipeline.rates import StageSeconds


@dataclass(frozen=True)
class ExtractReport:
    """What an extraction did for one set of features.

    Attributes
    ----------
    name : str
        Names the features on the command line.
    record : RunRecord
    bad : list of BadImage
        Every image of the source that could not be read, in order.
    left_out : dict of str to int
        Files that are no images, by ending.
    quarantine : str
        Where the reasons are kept.
    stages : StageSeconds
        Of the whole run, all sets together.
    bottleneck : str
        One sentence: what held the run up, and what to change; empty where too little was computed
        to know.
    warnings : tuple of str
        What a person should not overlook.
    """

    name: str
    record: RunRecord
    bad: list[BadImage]
    left_out: dict[str, int]
    quarantine: str
    stages: StageSeconds
    bottleneck: str = ""
    warnings: tuple[str, ...] = ()
