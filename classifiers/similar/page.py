"""A page to look at: an image and those that are nearest to it."""

from __future__ import annotations

import base64
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureSet
from ...cache.errors import SourceError
from ...cache.format.atomic import write_text
from ...cache.output_path import output_file
from ...extractor.images.decode import decode, strict_images
from ...extractor.images.sprite import encode_sprite
from ...extractor.pipeline.thumbnails import read_thumbnails, thumbnail_geometry
from ...extractor.sources import open_source
from ...extractor.sources.snapshot_images import open_images
from ..comparison.report.album import thumbnail_side
from ..comparison.report.template import fill, read
from ..comparison.visible import visible
from .nearest import Neighbour, label_of, query_row

SIGNATURE = "<!doctype html>\n<!-- featx similar -->"
LARGEST, LARGEST_OF_MANY = 256, 96
MANY = 200
"""Of more images the thumbnails are smaller."""
MAX_SHOWN = 2000
FACTS = ("backbone", "layer", "pool", "image_size", "preprocess", "precision", "fingerprint")


@dataclass(frozen=True)
class PageOptions:
    """What a page of similar images takes beside them.

    Attributes
    ----------
    source : str or None
        Where the images are, if no longer where they were extracted from.
    overwrite : bool
        Replace any file.
    command : str
        Stands in the page as the way to make it again.
    """

    source: str | None = None
    overwrite: bool = False
    command: str = ""


@dataclass(frozen=True)
class SimilarPage:
    """What a page of similar images holds.

    Attributes
    ----------
    out : str
    n_bytes, n_images, n_pictures : int
        Images on the page, the one that was asked for included, and those with a picture.
    notes : tuple of str
    """

    out: str
    n_bytes: int
    n_images: int
    n_pictures: int
    notes: tuple[str, ...]


@dataclass
class ImageCard:
    """An image on the page.

    Attributes
    ----------
    name, label : str
    similarity : str
        Empty for the image that was asked for.
    sample : int
        Its number in the manifest; -1 for a file.
    agrees : bool
        Whether its label is that of the image that was asked for.
    picture : str
        A WebP picture as base64; empty where there is none.
    reason : str
        Why there is none.
    """

    name: str
    label: str
    similarity: str = ""
    sample: int = -1
    agrees: bool = False
    picture: str = ""
    reason: str = "its source is not there"


def check_page(out: Path, options: PageOptions) -> Path:
    """Return where the page may be written; raises ConfigError where something else is there."""
    return output_file(out, "a page of similar images", is_page, overwrite=options.overwrite)


def is_page(path: Path) -> bool:
    """Return whether the file at ``path`` begins as every page of similar images does."""
    with path.open("rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE.encode("ascii")


def write_page(
    features: FeatureSet,
    image: str,
    neighbours: Sequence[Neighbour],
    out: str | Path,
    options: PageOptions | None = None,
) -> SimilarPage:
    """Write a page that shows an image and its neighbours; it needs no network and no server.

    Parameters
    ----------
    features : FeatureSet
    image : str
        An image file or an id, as for ``find_similar``.
    neighbours : sequence of Neighbour
        What ``find_similar`` answered; the page shows the first 2,000.
    out : path
    options : PageOptions, optional

    Raises
    ------
    ConfigError
        Another file is at ``out``.
    SourceError
        The images are not where ``options`` says. Where they are gone from the place that they were
        extracted from, the page says so and has no pictures.
    CacheWriteError
        The disk refused.
    """
    options = options or PageOptions()
    target = check_page(Path(out), options)
    shown = neighbours[:MAX_SHOWN]
    cards = _cards(features, image, shown)
    side, notes = _add_pictures(cards, features, image, options)
    if len(shown) < len(neighbours):
        notes.append(f"The page shows the first {len(shown):,} of {len(neighbours):,} images.")
    context = {
        "query": cards[0],
        "nearest": cards[1:],
        "side": side,
        "notes": notes,
        "lead": _lead(cards),
        "subtitle": visible(f"{features.name} · {len(features):,} images"),
        "made": _made(features, options.command),
        "own_css": read("similar.css", __package__),
    }
    write_text(target, fill(__package__, "similar.html.j2", context))
    n_pictures = sum(bool(card.picture) for card in cards)
    return SimilarPage(str(out), target.stat().st_size, len(cards), n_pictures, tuple(notes))


def _cards(features: FeatureSet, image: str, shown: Sequence[Neighbour]) -> list[ImageCard]:
    """Return the image that was asked for, then its neighbours; still without pictures."""
    row = query_row(features, image)
    query = ImageCard(visible(image), "")
    if row >= 0:
        query.label = visible(label_of(features, row))
        query.sample = int(features.kept[row])
    cards = [query]
    for neighbour in shown:
        label = visible(neighbour.label)
        card = ImageCard(visible(neighbour.sample_id), label, f"{neighbour.similarity:.4f}")
        card.sample = int(features.kept[neighbour.row])
        card.agrees = bool(label) and label == query.label
        cards.append(card)
    return cards


def _add_pictures(
    cards: Sequence[ImageCard], features: FeatureSet, image: str, options: PageOptions
) -> tuple[int, list[str]]:
    """Give each card its picture; return the pictures' side and what a reader should know."""
    largest = LARGEST if len(cards) <= MANY else LARGEST_OF_MANY
    wanted = [card for card in cards if card.sample >= 0]
    notes: list[str] = []
    try:
        images = open_images(features.manifest, options.source)
    except SourceError as error:
        if options.source is not None:
            raise
        notes.append(f"There are no pictures: {visible(str(error))}. Name them with --source.")
        side = largest
    else:
        samples = [card.sample for card in wanted]
        side = thumbnail_side(images, samples, largest)
        thumbnails = read_thumbnails(
            images, samples, thumbnail_geometry(features.spec.parts[0], side)
        )
        for position, card in enumerate(wanted):
            card.reason = visible(thumbnails.reasons.get(position, ""))
            if not card.reason:
                card.picture = _encoded(thumbnails.pixels[position])
        gone = [card for card in wanted if card.reason]
        if gone:
            first = f"the first is {gone[0].name}: {gone[0].reason}"
            notes.append(f"{len(gone):,} of {len(wanted):,} images cannot be shown, {first}.")
    if cards[0].sample < 0:
        with strict_images():
            (pixels,) = decode(
                open_source(image).read(0), [thumbnail_geometry(features.spec.parts[0], side)]
            )
        cards[0].picture = _encoded(pixels)
    return side, notes


def _encoded(pixels: NDArray[np.uint8]) -> str:
    return base64.b64encode(encode_sprite(pixels, "WEBP")).decode("ascii")


def _lead(cards: Sequence[ImageCard]) -> str:
    """Say how near they are, and what the labels tell."""
    nearest = cards[1:]
    if not nearest:
        return "The features have no other image."
    text = f"By the cosine of their features: {nearest[0].similarity}"
    if len(nearest) > 1:
        text += f" to {nearest[-1].similarity}"
    labels = Counter(card.label for card in nearest if card.label)
    if not labels:
        return f"{text}."
    label, count = labels.most_common(1)[0]
    return f"{text}. {count:,} of {len(nearest):,} have the label {label}."


def _made(features: FeatureSet, command: str) -> dict[str, Any]:
    spec = features.spec
    facts = [(name.replace("_", " "), visible(str(getattr(spec, name)))) for name in FACTS]
    return {
        "version": version("featx"),
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "facts": [*facts, ("source", visible(features.manifest.location))],
        "command": visible(command),
    }
