"""Finding and reading the file that states a backbone's preprocessing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....cache.errors import ConfigError
from .hugging_face import read_hugging_face
from .normalisation import CHOICES, find_preprocess
from .published import PublishedInput
from .timm import read_timm

FILES = ("preprocessor_config.json", "processor_config.json", "config.json")
TIMM = "pretrained_cfg"
MAX_BYTES = 16 << 20
PLAIN = ("imagenet", "clip", "inception", "unit", "none")


def read_preprocessing(choice: str | None, folders: list[Path], name: str) -> PublishedInput:
    """Return how a backbone from files wants its images.

    Parameters
    ----------
    choice : str or None
        A name or a file that a person gave; None stands for the files of ``folders``.
    folders : list of Path
        The backbone's folder, and others in which its publisher may have put the files.
    name : str
        The backbone's name, for messages.

    Raises
    ------
    ConfigError
        No file states it, or ``choice`` is neither a name nor a file.
    """
    if choice is not None:
        return _chosen(choice)
    for folder in folders:
        for file in FILES:
            published = _read(folder / file) if (folder / file).is_file() else None
            if published:
                return published
    raise ConfigError(
        f"how does {name} want its pixels? No {FILES[0]} of Hugging Face and no config.json of "
        f"timm lies in {folders[0]}, and featx does not guess: with the wrong mean or scale the "
        "features look right and are not. Say --preprocess FILE (either of these files) or one "
        f"of {', '.join(PLAIN)} (`none`: RGB from 0 to 255, `unit`: from 0 to 1, also where the "
        "first layers of the graph normalise)"
    )


def _chosen(choice: str) -> PublishedInput:
    path = Path(choice)
    if choice not in CHOICES and path.suffix == ".json":
        if not path.is_file():
            raise ConfigError(f"--preprocess {choice}: there is no such file")
        published = _read(path)
        if published is None:
            raise ConfigError(
                f"--preprocess {choice} states no preprocessing. Expected the fields of Hugging "
                "Face's preprocessor_config.json (size, image_mean, image_std) or timm's "
                f"{TIMM} (input_size, mean, std)"
            )
        return published
    try:
        normalisation = find_preprocess(choice)
    except ConfigError as error:
        raise ConfigError(f"{error}, or a .json file that states it") from None
    return PublishedInput(None, "squash", "bicubic", normalisation.name, f"--preprocess {choice}")


def _read(path: Path) -> PublishedInput | None:
    """Read a file; None where it is one that states something else."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("it is larger than any such file")
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is not readable JSON: {error}") from error
    if not isinstance(fields, Mapping):
        raise ConfigError(f"{path} holds no object with fields")
    return _of_fields(fields, str(path))


def _of_fields(fields: Mapping[str, Any], origin: str) -> PublishedInput | None:
    nested = fields.get("image_processor")
    if isinstance(nested, Mapping):
        return read_hugging_face(nested, origin)
    if isinstance(fields.get(TIMM), Mapping):
        return read_timm(fields[TIMM], origin)
    if "input_size" in fields and "mean" in fields:
        return read_timm(fields, origin)
    if "size" in fields or "image_mean" in fields:
        return read_hugging_face(fields, origin)
    return None
