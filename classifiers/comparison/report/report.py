"""Writing a report: one page that holds all of what came of a source."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache import DEFAULT_ROOT, FeatureStore, Result
from ....cache.errors import ConfigError, SourceError
from ....cache.format.atomic import write_text
from ....cache.output_path import output_file
from ....extractor.run_options import LogObserver, Observer
from ....extractor.sources.snapshot_images import open_images
from ...selection.metrics import AUTO
from ..curves.stratified import stratified_sample
from ..visible import visible
from .album import Album, make_album
from .board import board_csv, board_section
from .gather import gather
from .growth import growth_chart
from .lists.findings import Finder, FindingList
from .made import made_section
from .map.projection import MAX_TSNE, has_tsne, principal_components, tsne
from .map.section import map_section
from .page import SIGNATURE, map_data, page_data, render
from .sections import (
    calibration_section,
    confusion_section,
    curve_section,
    epoch_charts,
)
from .study import Study
from .verdict import cards

MAX_POINTS = 100_000
TRAINING = "Loss and accuracy by epoch, and accuracy by the number of training images."
SHORT_TITLES = {
    "mistakes": "Mistakes",
    "label-errors": "Label errors",
    "near-duplicates": "Duplicates",
    "outliers": "Outliers",
}
FEW, FEW_BYTES, MANY_BYTES = 10_000, 5_000_000, 21_000_000
"""Up to so many images, thumbnails take the first size; of more images the second."""


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What a report shows.

    Attributes
    ----------
    features : str or None
        Of which source, where no result or model is named; None is the newest.
    split : str or None
        ``val`` or ``test``: whose predictions are drawn; None takes test where all have it.
    metric : str
        That ranks.
    source : str or None
        Where the images are, if no longer where they were extracted from.
    with_tsne : bool or None
        Whether the map has a t-SNE; None makes one of up to 5,000 images where openTSNE is there.
    with_curve : bool
        Whether the winner is fitted on more and more images, which may take minutes.
    overwrite : bool
        Replace any file at ``out``.
    """

    features: str | None = None
    split: str | None = None
    metric: str = AUTO
    source: str | None = None
    with_tsne: bool | None = None
    with_curve: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.with_tsne and not has_tsne():
            raise ConfigError("--tsne needs openTSNE: pip install 'featx[report]'")


@dataclass(frozen=True)
class ReportInfo:
    """What a report holds.

    Attributes
    ----------
    out : str
    n_bytes, n_models, n_images, n_thumbnails : int
        Models in the leaderboard, images of the source, and those that the page carries.
    lists : dict of str to int
        Entries of each list that was made; ``notes`` say why another was not.
    notes : tuple of str
    seconds : float
    """

    out: str
    n_bytes: int
    n_models: int
    n_images: int
    n_thumbnails: int
    lists: dict[str, int]
    notes: tuple[str, ...]
    seconds: float


def write_report(
    named: Sequence[Result | Path] = (),
    out: str | Path = "report.html",
    options: ReportOptions | None = None,
    *,
    cache: str | Path = DEFAULT_ROOT,
    observer: Observer | None = None,
    command: str = "",
) -> ReportInfo:
    """Write a report of a source's results.

    Parameters
    ----------
    named : sequence of Result or path
        The models that are drawn; by default the best of each head and backbone.
    out : path
    options : ReportOptions, optional
    cache : path
    observer : Observer, optional
    command : str
        Stands in the report as the way to make it again.

    Raises
    ------
    FeaturesNotFoundError, ModelFileError, FeatureMismatchError, ConfigError, CacheWriteError
        Nothing is written.
    """
    start, options = time.perf_counter(), options or ReportOptions()
    target = output_file(Path(out), "a report", is_report, overwrite=options.overwrite)
    store = FeatureStore(cache)
    study = gather(store, named, options.features, options.split, options.metric)
    builder = _Builder(study, store, options, observer or LogObserver(), command)
    write_text(target, builder.page())
    return ReportInfo(
        out=str(out),
        n_bytes=target.stat().st_size,
        n_models=len(study.entries),
        n_images=len(study.features),
        n_thumbnails=len(builder.album.cells),
        lists={one.id: len(one.rows) for one in builder.lists if one.was_looked_for},
        notes=(
            *builder.notes,
            *(f"{one.title}: {one.lead}" for one in builder.lists if not one.was_looked_for),
        ),
        seconds=time.perf_counter() - start,
    )


def is_report(path: Path) -> bool:
    """Return whether the file at ``path`` begins as every report does."""
    with path.open("rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE.encode("ascii")


class _Builder:
    """Makes the parts of one page."""

    def __init__(
        self,
        study: Study,
        store: FeatureStore,
        options: ReportOptions,
        observer: Observer,
        command: str,
    ) -> None:
        self.study, self.store, self.options = study, store, options
        self.observer, self.command = observer, command
        self.features = study.features
        self.notes = [visible(note) for note in study.cautions()]
        self.lists: list[FindingList] = []
        self.album = Album()

    def page(self) -> str:
        """Return the whole page."""
        study = self.study
        every_row = np.arange(len(self.features))
        components, explained = principal_components(self.features.X, every_row)
        self.lists = self._find(components)
        points = stratified_sample(self.features.y, MAX_POINTS)
        layouts, titles = self._layouts(components[points], explained)
        self.album = self._make_album()
        confusions = confusion_section(study)
        matrices = confusions["models"] if confusions else []
        plotted = map_data(study, points, layouts, study.winner_everywhere)
        context: dict[str, Any] = {
            "page": self._head(),
            "cards": cards(study, self.lists),
            "notes": self.notes,
            "board": board_section(study),
            "curves": curve_section(study),
            "confusions": confusions,
            "calibration": calibration_section(study),
            "training": self._training(),
            "lists": [self._list_section(one) for one in self.lists],
            "map": map_section(study, points, layouts, titles),
            "made": made_section(study, self.store, self.command),
            "sheets": self.album.sheets,
            "data": page_data(study, self.album, self.lists, board_csv(study), matrices, plotted),
        }
        context["page"]["sections"] = _sections(context)
        return render(context)

    def _find(self, components: NDArray[np.float32]) -> list[FindingList]:
        finder = Finder(self.study, components)
        steps = [
            ("probable label errors", finder.label_errors),
            ("near duplicates", finder.near_duplicates),
            ("outliers", finder.outliers),
        ]
        if self.study.winner is not None:
            steps.insert(0, ("mistakes", finder.mistakes))
        lists = []
        for name, step in steps:
            self.observer.say(f"Looking for {name}")
            lists.append(step())
        return lists

    def _layouts(
        self, components: NDArray[np.float32], explained: NDArray[np.float64]
    ) -> tuple[list[NDArray[np.float32]], list[str]]:
        first = np.zeros((len(components), 2), np.float32)
        first[:, : min(2, components.shape[1])] = components[:, :2]
        layouts = [first]
        titles = [f"PCA ({explained[:2].sum():.0%} of the variance)"]
        wanted = self.options.with_tsne
        if wanted is None:
            wanted = has_tsne() and 10 <= len(components) <= MAX_TSNE
        if wanted:
            self.observer.say("Computing a t-SNE")
            layouts.append(tsne(components))
            titles.append("t-SNE")
        return layouts[::-1], titles[::-1]

    def _make_album(self) -> Album:
        """Return thumbnails of all images on lists and of mistakes, then of a stratified sample."""
        try:
            images = open_images(self.features.manifest, self.options.source)
        except SourceError as error:
            if self.options.source is not None:
                raise
            self.notes.append(f"There are no images: {error}. Name them with --source.")
            return Album()
        wanted = [sample for one in self.lists for sample in one.samples]
        for answers in self.study.answers:
            wanted += answers.samples[answers.predicted != answers.y].tolist()
        n = len(self.features)
        rows = np.random.default_rng(0).permutation(n)
        order = rows[
            np.argsort(~np.isin(rows, stratified_sample(self.features.y, n // 4)), kind="stable")
        ]
        wanted += self.features.kept[order].tolist()
        max_bytes = FEW_BYTES if n <= FEW else MANY_BYTES
        album = make_album(
            images,
            list(dict.fromkeys(wanted)),
            self.features.spec.parts[0],
            max_bytes,
            self.observer,
        )
        if album.reasons:
            sample, reason = next(iter(album.reasons.items()))
            first = visible(self.features.manifest.sample_ids[sample])
            self.notes.append(
                f"{len(album.reasons):,} images cannot be shown, the first is {first}: {reason}."
            )
        n_left = n - len(album.cells) - len(album.reasons)
        if n_left > 0:
            self.notes.append(
                f"The page carries {len(album.cells):,} of {n:,} images: those on the lists, the "
                "mistakes, and a stratified sample of the rest."
            )
        return album

    def _head(self) -> dict[str, Any]:
        features = self.features
        text = f"{features.name} · {len(features):,} images"
        if features.class_names:
            text += f" · {len(features.class_names):,} classes"
        title = self.store.find_parts(features.name)[0].source
        return {"title": visible(title), "subtitle": visible(text)}

    def _training(self) -> dict[str, Any] | None:
        charts = [*epoch_charts(self.study)]
        if self.options.with_curve:
            growth = growth_chart(self.study, self.observer)
            charts += [growth] if growth is not None else []
        return {"lead": TRAINING, "charts": charts} if charts else None

    def _list_section(self, one: FindingList) -> dict[str, Any]:
        labels = [
            {
                "samples": [(s, self._label(s)) for s in finding.samples],
                "lines": [
                    {"text": text, "name": name, "kind": kind} for text, name, kind in finding.lines
                ],
            }
            for finding in one.findings
        ]
        n_shown, n = len(one.findings), len(one.rows)
        status = f"the first {n_shown:,} of {n:,}; the CSV has all" if n_shown < n else f"{n:,}"
        return {
            "id": one.id,
            "title": one.title,
            "lead": one.lead,
            "entries": labels,
            "status": status,
        }

    def _label(self, sample: int) -> str:
        return visible(self.features.manifest.sample_ids[sample])


def _sections(context: dict[str, Any]) -> list[tuple[str, str]]:
    names = {
        "board": ("leaderboard", "Leaderboard"),
        "curves": ("curves", "ROC"),
        "confusions": ("confusion", "Confusion"),
        "calibration": ("calibration", "Probabilities"),
        "training": ("training", "Training"),
    }
    sections = [("summary", "In short"), *(names[key] for key in names if context[key])]
    sections += [(one["id"], SHORT_TITLES[one["id"]]) for one in context["lists"]]
    return [*sections, ("map", "Map"), ("made", "Making")]
