"""The file featx.toml: where it is found, and what the paths in it stand for."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from string import Template
from typing import Any

CONFIG = "featx.toml"
BACKBONES_TABLE = "backbones"
"""The table of backbones in files, by the names that a project gives them."""
SOURCE_TABLE = "source"
"""The table of a project's images: where they lie, and how they are read."""


@dataclass(frozen=True)
class ConfigFile:
    """A featx.toml as it was read.

    Attributes
    ----------
    path : Path
        Relative to the working folder, such as ``../featx.toml``.
    settings : dict
        What the TOML says; paths are as they were written.
    """

    path: Path
    settings: dict[str, Any]

    @property
    def is_above(self) -> bool:
        """Whether the file lies in a folder above the working folder."""
        return len(self.path.parts) > 1

    def expand_path(self, text: str, key: str) -> str:
        """Return a path or URL of the file with ``~`` and ``$VARIABLES`` filled in.

        A relative path is relative to the file's folder.

        Raises
        ------
        ConfigError
            A variable is not set, or a ``~user`` is not known; ``key`` names the setting.
        """
        filled = self._filled(text, key)
        if not self.is_above or filled == "-" or Path(filled).is_absolute():
            return filled
        if ":" in filled and _is_url(filled):
            return filled
        return os.path.normpath(self.path.parent / filled)

    def expand_path_or_name(self, text: str, key: str) -> str:
        """Return ``text`` as ``expand_path`` does where it is a path, and unchanged where it is a
        name, such as the name of a backbone.

        It is a path where it holds a slash or a wildcard, or where such a file or folder exists.
        """
        path = self.expand_path(text, key)
        is_path = "/" in text or has_magic(text) or os.path.lexists(path)
        return path if is_path or path == self._filled(text, key) else text

    def _filled(self, text: str, key: str) -> str:
        from ..cache.errors import ConfigError

        where = f"{self.path}: {key} = {text!r}"
        try:
            filled = Template(text).substitute(os.environ)
        except KeyError as error:
            raise ConfigError(
                f"{where}: the variable {error.args[0]} is not set. Set it, or write $$ for a "
                "dollar sign"
            ) from error
        except ValueError as error:
            raise ConfigError(
                f"{where}: a $ without the name of a variable behind it. Expected $NAME or "
                "${NAME}; write $$ for a dollar sign"
            ) from error
        home = os.path.expanduser(filled)  # noqa: PTH111 (a URL is no Path)
        if home.startswith("~"):
            raise ConfigError(f"{where}: no home folder is known for it. Write the whole path")
        return home


def find_config() -> Path | None:
    """Return the nearest featx.toml, in the working folder or above it; None where there is none.

    The search ends at the border of the file system, as git's search for its folder does.
    """
    try:
        folder = Path.cwd()
        device = folder.stat().st_dev
        while folder.stat().st_dev == device:
            if os.path.isfile(folder / CONFIG):  # noqa: PTH113 (no error where it is forbidden)
                return Path(os.path.relpath(folder / CONFIG))
            if folder == folder.parent:
                break
            folder = folder.parent
    except OSError:  # the working folder is gone
        pass
    return None


def read_config(path: Path | None = None) -> ConfigFile | None:
    """Read a file of defaults, by default the nearest featx.toml; None where there is none.

    Raises
    ------
    ConfigError
        The file is no TOML.
    """
    path = path or find_config()
    if path is None:
        return None
    from ..cache.errors import ConfigError

    try:
        return ConfigFile(path, tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _is_url(text: str) -> bool:
    """Tell whether a text is a URL, or one whose slashes are missing: it is refused later."""
    # The cache's package loads NumPy and HDF5, which `--help` never needs.
    from ..cache.places.file_system import is_url, meant_url

    return is_url(text) or bool(meant_url(text))
