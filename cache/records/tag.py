"""Tag: the name and the note that a user gives to features or to a model."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigError

LONGEST_NAME, LONGEST_NOTE = 60, 500


@dataclass(frozen=True)
class Tag:
    """A name and a note; neither changes a fingerprint or a digest.

    Attributes
    ----------
    name : str
        One line of at most 60 characters, without ``@``; features answer to it.
    note : str
        One line of at most 500 characters.

    Raises
    ------
    ConfigError
        One of them is too long, or holds what a terminal would not print.
    """

    name: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        for option, text, longest in (
            ("--name", self.name, LONGEST_NAME),
            ("--note", self.note, LONGEST_NOTE),
        ):
            if len(text) > longest or not text.isprintable():
                raise ConfigError(
                    f"{option} takes one line of at most {longest} characters, got {text[:80]!r}"
                )
        if "@" in self.name or self.name != self.name.strip():
            raise ConfigError(
                f"--name takes a name without @, and without spaces around it, got {self.name!r}"
            )

    def or_else(self, other: Tag) -> Tag:
        """Return this tag; what is empty in it is taken from ``other``."""
        return Tag(self.name or other.name, self.note or other.note)

    def to_dict(self) -> dict[str, str]:
        """Return what is not empty."""
        texts = {"name": self.name, "note": self.note}
        return {key: text for key, text in texts.items() if text}


NO_TAG = Tag()
