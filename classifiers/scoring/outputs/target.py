"""Where predictions go: one file, or a folder of part files, in one of the formats."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ....cache.errors import ConfigError
from ....cache.output_path import foreign_entry, output_file, output_folder
from ....cache.suggest import did_you_mean
from .formats import BY_ENDING, FORMATS, OutputFormat

DEFAULT = "parquet"
PART = re.compile(rf"part-\d{{5,}}({'|'.join(map(re.escape, BY_ENDING))})")


@dataclass(frozen=True)
class Target:
    """Where predictions go and in which form.

    Attributes
    ----------
    path : Path
        Links are followed.
    format : OutputFormat
    is_folder : bool
        Files ``part-00000.<ending>`` of up to a million rows each, in order.
    overwrite : bool
        Replace any file; otherwise only predictions that featx wrote.
    """

    path: Path
    format: OutputFormat
    is_folder: bool
    overwrite: bool = False

    @classmethod
    def parse(cls, out: str | Path, format: str | None = None, overwrite: bool = False) -> Target:
        """Read the form from the ending of ``out``; without an ending it is a folder.

        Raises
        ------
        ConfigError
            The ending or the format is unknown, or what is there must not be replaced.
        """
        path = Path(out)
        if str(out) in ("", "-"):
            raise ConfigError(
                f"--out {str(out)!r} names no file: predictions do not go to standard output. Name "
                "a file, such as predictions.csv"
            )
        if format is not None and format not in FORMATS:
            raise ConfigError(f"unknown format {format!r}. {did_you_mean(format, FORMATS)}")
        by_ending = BY_ENDING.get(path.suffix)
        is_folder = not path.suffix or str(out).endswith("/")
        is_folder = is_folder or (path.is_dir() and by_ending is None)
        if not is_folder and by_ending is None:
            raise ConfigError(
                f"--out {out}: the ending says the format, one of {', '.join(BY_ENDING)}; a name "
                "without an ending is a folder of part files (--format chooses their form)"
            )
        if not is_folder and by_ending and format not in (None, by_ending.name):
            raise ConfigError(f"--out {out} and --format {format} contradict each other")
        form = FORMATS[format or DEFAULT] if is_folder or by_ending is None else by_ending
        return cls(cls(path, form, is_folder, overwrite).check(), form, is_folder, overwrite)

    def check(self) -> Path:
        """Refuse what must not be replaced, and return the path with links followed.

        Raises
        ------
        ConfigError
            Something is there that featx did not write.
        """
        if self.is_folder:
            return output_folder(self.path, "predictions", _foreign_file)
        return output_file(
            self.path, "a file of predictions", self.format.is_own, overwrite=self.overwrite
        )


def _foreign_file(folder: Path) -> Path | None:
    def is_own(file: Path) -> bool:
        return bool(PART.fullmatch(file.name)) and BY_ENDING[file.suffix].is_own(file)

    return foreign_entry(folder, is_own)
