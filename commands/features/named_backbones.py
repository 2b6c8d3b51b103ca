"""Backbones in files under the names that featx.toml gives them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..config_file import BACKBONES_TABLE, CONFIG, ConfigFile, find_config, read_config

if TYPE_CHECKING:
    from ...extractor.backbones.graphs.remembered import NamedBackbone

NAME = re.compile(r"[A-Za-z0-9_-]+")
HEADER = f"[{BACKBONES_TABLE}]"


def project_names() -> dict[str, NamedBackbone]:
    """Return the names that the nearest featx.toml gives; paths are relative to the file.

    Raises
    ------
    ConfigError
        An entry is neither a path nor a table with one.
    """
    config = read_config()
    table = config.settings.get(BACKBONES_TABLE, {}) if config else {}
    if config is None or not isinstance(table, dict):
        return {}
    return {name: _entry(config, name, value) for name, value in table.items()}


def resolve_backbone(name: str, preprocess: str | None) -> tuple[str, str | None]:
    """Return the path and the preprocessing of a name in featx.toml; others stay as they are."""
    entry = project_names().get(name)
    if entry is None:
        return name, preprocess
    return entry.path, preprocess or entry.preprocess


def add_to_project(name: str, path: Path, preprocess: str | None) -> Path:
    """Write a name into the nearest featx.toml, or a new one here; return the file.

    Raises
    ------
    ConfigError
        The name has other characters than letters, digits, ``_`` and ``-``.
    CacheWriteError
        The file cannot be written.
    """
    from ...cache.format.atomic import write_text

    check_name(name)
    file = find_config() or Path(CONFIG)
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    written = _relative(path, file)
    value = json.dumps(written, ensure_ascii=False)
    if preprocess is not None:
        value = f"{{ path = {value}, preprocess = {json.dumps(preprocess)} }}"
    write_text(file, _with_line(text, name, f"{name} = {value}"))
    return file


def check_name(name: str) -> None:
    """Refuse a name that has other characters than a bare key of TOML, or is a backbone's."""
    from ...cache.errors import ConfigError
    from ...extractor.backbones import BACKBONES

    if not NAME.fullmatch(name):
        raise ConfigError(f"--add {name!r}: a name has letters, digits, _ and - only")
    if name in BACKBONES:
        raise ConfigError(f"--add {name}: featx has a backbone of that name. Choose another one")


def _entry(config: ConfigFile, name: str, value: object) -> NamedBackbone:
    from ...cache.errors import ConfigError
    from ...extractor.backbones.graphs.remembered import NamedBackbone

    fields = {"path": value} if isinstance(value, str) else value
    keys = {"path", "preprocess"}
    if not isinstance(fields, dict) or "path" not in fields or fields.keys() - keys:
        raise ConfigError(
            f"{config.path} {HEADER} {name}: expected a path, or a table with path and preprocess"
        )
    path = config.expand_path(str(fields["path"]), name)
    preprocess = fields.get("preprocess")
    if isinstance(preprocess, str) and preprocess.endswith(".json"):
        preprocess = config.expand_path(preprocess, name)
    return NamedBackbone(path, preprocess)


def _relative(path: Path, file: Path) -> str:
    """Return a path as it is written into a file: relative to it where it lies below."""
    absolute, folder = path.absolute(), file.absolute().parent
    return absolute.relative_to(folder).as_posix() if folder in absolute.parents else str(absolute)


def _with_line(text: str, name: str, line: str) -> str:
    """Return the text of a TOML file with one line of the table replaced or added."""
    lines = text.splitlines()
    if HEADER not in (row.strip() for row in lines):
        return "\n".join([*lines, *([""] if lines else []), HEADER, line]) + "\n"
    start = next(i for i, row in enumerate(lines) if row.strip() == HEADER) + 1
    end = next(
        (i for i in range(start, len(lines)) if lines[i].lstrip().startswith("[")), len(lines)
    )
    rest = [row for row in lines[start:end] if not re.match(rf"\s*{re.escape(name)}\s*=", row)]
    return "\n".join([*lines[:start], line, *rest, *lines[end:]]) + "\n"
