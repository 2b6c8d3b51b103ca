"""Commands and code blocks of the README and of the pages in docs/."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer.main

from featx.cli import app

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^(?:<!-- (.*?) -->\n)?```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`(featx [^`]+)`")
NOT_RUN, LONG, FILE = "not run: ", "long: ", "file: "
OPTION = re.compile(r"(?<![\w-])(--?[A-Za-z][\w-]*)")
SYNTAX = ("[", "…", "|", "COMMAND", "SHELL")


@dataclass(frozen=True)
class Block:
    """A block of code and the remark above it: ``not run: …``, ``long: …`` or ``file: …``."""

    kind: str
    text: str
    remark: str

    @property
    def reason(self) -> str:
        """Why this block is not run; empty where it is."""
        return self.remark.removeprefix(NOT_RUN) if self.remark.startswith(NOT_RUN) else ""

    @property
    def is_long(self) -> bool:
        """Whether only the long tests run this block."""
        return self.remark.startswith(LONG)

    @property
    def file(self) -> str:
        """The file that later commands find with this text in it; empty where it is code."""
        return self.remark.removeprefix(FILE) if self.remark.startswith(FILE) else ""

    def commands(self) -> list[list[str]]:
        """Return the words of each command of featx; lines that end in a backslash go on."""
        return [words for words in self.lines() if words[0] == "featx"]

    def lines(self) -> list[list[str]]:
        """Return the words of each line, without comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def blocks(page: Path, *kinds: str) -> list[Block]:
    """Return the blocks of some kinds, in order."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [Block(kind, text, remark) for remark, kind, text in found if kind in kinds]


def spans(page: Path) -> Iterator[str]:
    """Yield the commands inside sentences and tables, which may hold placeholders."""
    prose = BLOCK.sub("", page.read_text(encoding="utf-8"))
    yield from (text.replace("\\|", "|").replace("\n", " ") for text in SPAN.findall(prose))


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that ``words`` name, and the words that are left for it."""
    command, rest = typer.main.get_command(app), words[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        if rest[0] in SYNTAX or rest[0] not in command.commands:
            raise AssertionError(f"no command {rest[0]!r}: {shlex.join(words)}")
        command, rest = command.commands[rest[0]], rest[1:]
    return command, rest


def check_options(text: str) -> None:
    """Fail where a command inside a sentence does not exist, or an option of it."""
    words = text.split()
    names = [word for word in words if re.fullmatch(r"[a-z-]+", word)]
    command, _ = command_of(names[: 2 + (names[1:2] in (["cache"], ["model"]))])
    parameters = [*command.params, *typer.main.get_command(app).params]
    options = {name for p in parameters for name in (*p.opts, *p.secondary_opts)}
    unknown = set(OPTION.findall(text)) - options - {"--help", "-h"}
    assert not unknown, f"{text}: no option {unknown}"


def parse(words: list[str]) -> None:
    """Parse a command line without running it; fails where typer would refuse it."""
    command, rest = command_of(words)
    if hasattr(command, "commands"):  # an option of featx itself
        check_options(shlex.join(words))
    else:
        command.make_context(words[1], rest)
