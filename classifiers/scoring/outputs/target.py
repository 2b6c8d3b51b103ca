"""Where predictions go: one file, or a folder of part files, in one of the formats."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ....cache.errors import ConfigError
from ....cache.output_path import foreign_entry, output_file, output_folder
from ....cache.suggest import did_you_mean
from ....extractor.parts import Part
from .formats import BY_ENDING, FORMATS, OutputFormat
from .provenance import MODEL

DEFAULT = "parquet"
SHOWN_DIGITS = 12
ENDINGS = "|".join(map(re.escape, BY_ENDING))
PART = re.compile(rf"part-\d{{5,}}({ENDINGS})")
SHARD = re.compile(rf"part-\d{{5,}}-of-\d{{5,}}({ENDINGS})")
IN_PROGRESS = re.compile(
    rf"{SHARD.pattern}(\.parts|\.[0-9a-f]{{32}}\.partial)|\.{SHARD.pattern}\.parts\.[0-9a-f]{{32}}"
)
"""What jobs that score other parts write beside a part, or a killed one has left there."""


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
        Replace any file; otherwise only predictions of the same model that featx wrote.
    model : str
        Digest of the model that predicts; empty where it does not matter.
    appends : bool
        Add part files to those that are there, whichever model they are of; replace none.
    """

    path: Path
    format: OutputFormat
    is_folder: bool
    overwrite: bool = False
    model: str = ""
    appends: bool = False

    @classmethod
    def parse(
        cls,
        out: str | Path,
        format: str | None = None,
        overwrite: bool = False,
        *,
        model: str = "",
        appends: bool = False,
    ) -> Target:
        """Read the form from the ending of ``out``; without an ending it is a folder.

        Raises
        ------
        ConfigError
            The ending or the format is unknown, what is there must not be replaced, or nothing can
            be added to it.
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
        if appends and not is_folder:
            raise ConfigError(
                f"--out {out} is one file, and new rows become a new part file. Name a folder: "
                f"--out {path.with_suffix('')}"
            )
        form = FORMATS[format or DEFAULT] if is_folder or by_ending is None else by_ending
        target = cls(path, form, is_folder, overwrite, model, appends)
        return replace(target, path=target.check())

    @classmethod
    def shard(cls, out: str | Path, part: Part, overwrite: bool = False, model: str = "") -> Target:
        """Return the file of one part of a job array in the folder ``out``.

        It is Parquet, until the parts are joined.

        Raises
        ------
        ConfigError
            ``out`` is no name of a folder, or holds what featx did not write.
        """
        folder = cls.parse(out, overwrite=overwrite)
        if not folder.is_folder:
            raise ConfigError(
                f"--out {out} is one file, and each --shard writes a file of its own. Name a "
                f"folder: --out {Path(out).with_suffix('')}"
            )
        form = FORMATS[DEFAULT]
        name = f"part-{part.number:05d}-of-{part.count:05d}{form.endings[0]}"
        target = cls(folder.path / name, form, False, overwrite, model)
        return replace(target, path=target.check())

    @property
    def shard_files(self) -> list[Path]:
        """The files of the parts of a job array that are not joined yet, in order."""
        return sorted(p for p in self.path.glob("part-*-of-*") if SHARD.fullmatch(p.name))

    @property
    def part_files(self) -> list[Path]:
        """The part files that are there, in order."""
        parts = [p for p in self.path.glob("part-*") if PART.fullmatch(p.name)]
        return sorted(parts, key=_part_number)

    @property
    def next_part(self) -> int:
        """The number of the first part file to write."""
        parts = self.part_files if self.appends else []
        return _part_number(parts[-1]) + 1 if parts else 0

    def check(self) -> Path:
        """Refuse what must not be replaced, and return the path with links followed.

        Raises
        ------
        ConfigError
            Something is there that featx did not write.
        """
        if self.is_folder:
            path = output_folder(self.path, "predictions", _foreign_file)
        else:
            path = output_file(
                self.path, "a file of predictions", self.format.is_own, overwrite=self.overwrite
            )
        if not (self.overwrite or self.appends):
            self._check_model(self.part_files if self.is_folder else [path])
        return path

    def _check_model(self, files: Sequence[Path]) -> None:
        """Refuse to replace the predictions of another model."""
        for file in filter(Path.exists, files):
            other = BY_ENDING[file.suffix].read_metadata(file).get(MODEL, self.model)
            if self.model and other != self.model:
                raise ConfigError(
                    f"{file} holds the predictions of another model ({other[:SHOWN_DIGITS]}, not "
                    f"{self.model[:SHOWN_DIGITS]}), so it is not replaced. Name another --out, or "
                    "add --overwrite"
                )


def _part_number(path: Path) -> int:
    return int(path.name.removeprefix("part-").split(".")[0])


def _foreign_file(folder: Path) -> Path | None:
    def is_own(file: Path) -> bool:
        is_named_so = PART.fullmatch(file.name) or SHARD.fullmatch(file.name)
        return bool(is_named_so) and BY_ENDING[file.suffix].is_own(file)

    return foreign_entry(folder, is_own, IN_PROGRESS.fullmatch)
