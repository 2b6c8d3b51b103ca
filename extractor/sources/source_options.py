"""How tables are read where their own words do not suffice."""

from __future__ import annotations

from dataclasses import dataclass

from ...cache.errors import ConfigError

SEPARATORS = {
    "comma": ",",
    "semicolon": ";",
    "tab": "\t",
    "\\t": "\t",
    "pipe": "|",
    "space": " ",
}
NO_COLUMN = "none"


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Which columns of a table say what, and what stands between them.

    Attributes
    ----------
    path_column : str or None
        Holds the image files; None takes ``path``, ``file_name`` or another usual name.
    label_column : str or None
        Holds the classes, numbers included; several names with commas between them are one-hot
        columns, called as their classes; ``none`` takes no labels.
    split_column, group_column : str or None
        Hold train, val or test, and groups that no split may divide; ``none`` takes none.
    weight_column : str or None
        Holds how much each sample counts in training, a number from 0 on; None takes none.
    crop_columns : str or None
        Four columns with commas between, left, top, width and height of a box, or one column with
        four numbers: each row is a crop of its image. None and ``none`` take whole images.
    separator : str or None
        One character, or comma, semicolon, tab, pipe, space; None finds it out.

    Raises
    ------
    ConfigError
        The separator is no single character, a name is empty, or the columns of a box are neither
        four nor one.
    """

    path_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    group_column: str | None = None
    weight_column: str | None = None
    crop_columns: str | None = None
    separator: str | None = None

    def __post_init__(self) -> None:
        roles = ("path", "label", "split", "group", "weight")
        for option in (f"{role}_column" for role in roles):
            name = getattr(self, option)
            if name is not None and not name.strip():
                raise ConfigError(
                    f"--{option.replace('_', '-')} is empty. Name a column, or `none` to use none"
                )
        if self.crop_columns is not None and (
            len(self.crop_names) not in (0, 1, 4) or not all(self.crop_names)
        ):
            raise ConfigError(
                "--crop-columns takes four columns, as x,y,w,h, or one that holds four numbers; "
                f"got {self.crop_columns!r}"
            )
        if self.separator is not None and len(self.delimiter or "") != 1:
            raise ConfigError(
                f"--separator is one character, or {', '.join(SEPARATORS)}; got {self.separator!r}"
            )

    @property
    def delimiter(self) -> str | None:
        """The character between two columns; None where it is to be found out."""
        if self.separator is None:
            return None
        return SEPARATORS.get(self.separator.lower(), self.separator)

    @property
    def crop_names(self) -> tuple[str, ...]:
        """The columns that hold boxes; none where images are taken whole."""
        text = (self.crop_columns or NO_COLUMN).strip()
        return () if text == NO_COLUMN else tuple(name.strip() for name in text.split(","))

    def column(self, role: str) -> str | None:
        """Return the column that was named for a role, such as ``path`` or ``label``."""
        name: str | None = getattr(self, f"{role}_column")
        return name

    @property
    def names_columns(self) -> bool:
        """Whether anything is said of a table."""
        return self != SourceOptions()
