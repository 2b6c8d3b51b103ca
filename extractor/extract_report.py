"""What an extraction did."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..cache import BadImage, FeatureSpec, RunRecord
from ..cache.format.facts import Shown
from .machine.hardware import n_usable_cores
from .pipeline.rates import StageRates, StageSeconds
from .pipeline.stream import FeatureStream
from .pipeline.writer import ShardWriter


@dataclass(frozen=True, repr=False)
class ExtractReport(Shown):
    """What an extraction did for one set of features.

    Attributes
    ----------
    name : str
        Names the features on the command line.
    record : RunRecord
    spec : FeatureSpec
    bad : list of BadImage
        Every image of the source that could not be read, in order.
    remarks : dict of str to int
        What a person should know of images that were read now, such as further pages of a TIFF, and
        of how many.
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
    spec: FeatureSpec
    bad: list[BadImage]
    left_out: dict[str, int]
    quarantine: str
    stages: StageSeconds
    bottleneck: str = ""
    warnings: tuple[str, ...] = ()
    remarks: dict[str, int] = field(default_factory=dict)

    def _title(self) -> str:
        return f"ExtractReport of {self.name}"

    def _facts(self) -> dict[str, str]:
        record = self.record
        facts = {
            "images": f"{record.n_samples:,}: {record.n_extracted:,} extracted, "
            f"{record.n_cached:,} already cached, {record.n_bad:,} unreadable",
            "seconds": f"{record.seconds:.1f}",
        }
        if self.bad:
            facts["first unreadable"] = f"{self.bad[0].sample_id}: {self.bad[0].reason}"
        if self.warnings:
            facts["warnings"] = "; ".join(self.warnings)
        return facts


def warnings_of(stream: FeatureStream, writer: ShardWriter) -> tuple[str, ...]:
    """Return what a person should not overlook of a run."""
    stages = list(dict.fromkeys(stream.stages))
    slow = [stage.slow_fallback for stage in stages if stage.slow_fallback]
    smaller = [
        f"memory did not suffice: the batch size went down to {stage.batch_size}"
        for stage in stages
        if stage.n_halved
    ]
    drifting = [stage.drift_warning for stage in stages if stage.drift_warning]
    return (*dict.fromkeys(slow), *drifting, *smaller, *writer.warnings)


def bottleneck(stream: FeatureStream, writer: ShardWriter) -> str:
    """Return one sentence: what held the run up, and what to change.

    It also brings the seconds of ``stream`` up to date.
    """
    seconds = stream.seconds
    seconds.write = writer.seconds
    stages = list(dict.fromkeys(stream.stages))
    seconds.infer = sum(stage.busy_seconds for stage in stages)
    engines = [stage.engine for stage in stages if stage.engine]
    n_images = max(writer.n_written, default=0)
    if not engines or not n_images or not seconds.are_telling:
        return ""
    threads = (stream.options.n_workers, max(engine.n_parallel for engine in engines))
    is_exact = all(engine.precision == "float32" for engine in engines)
    return bottleneck_sentence(n_images, seconds, threads, n_usable_cores(), is_exact)


def bottleneck_sentence(
    n_images: int, seconds: StageSeconds, threads: tuple[int, int], n_cores: int, is_exact: bool
) -> str:
    """Return one sentence: what held the run up, and what to change.

    Parameters
    ----------
    n_images : int
        That went through the engine.
    seconds : StageSeconds
    threads : (int, int)
        That read and decode, and that run the engine.
    n_cores : int
    is_exact : bool
        Whether all was computed in float32.
    """
    rates = StageRates.of(n_images, seconds, threads, n_cores)
    advice = "a smaller --size, a lighter --backbone or a GPU would help" if is_exact else ""
    return rates.sentence(advice)
