"""featx cache: make a cache, and keep it small."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..common import (
    DEFAULT_CACHE,
    CacheOption,
    JsonOption,
    answer,
    human_bytes,
    human_count,
    notes,
)
from .cache_text import garbage_lines, removal_lines

if TYPE_CHECKING:
    from rich.console import Console

    from ...cache.maintenance.init import InitReport
    from ...cache.store import FeatureStore

SHOWN_FILES = 3
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def init(
    shared: Annotated[
        bool,
        typer.Option("--shared", help="All that is written belongs to the folder's group, too."),
    ] = False,
    group: Annotated[
        str | None,
        typer.Option(help="With --shared: give the folder to this group.", show_default=False),
    ] = None,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Make an empty cache, or share one with a group, as `git init --shared` does.

    Every command makes a cache where there is none; only sharing needs this one. In a shared cache
    each file is readable and writable for the group, whatever the umask of who writes it.

    Example: featx cache init --shared --group vision --cache /data/featx-cache
    """
    from ...cache.errors import ConfigError
    from ...cache.maintenance.init import init as run_init

    if group is not None and not shared:
        raise ConfigError("--group says with whom to share: add --shared")
    report = run_init(open_store(cache), shared, group)
    answer(as_json, asdict(report), lambda console: _draw_init(console, report))


def _draw_init(console: Console, report: InitReport) -> None:
    made = "New" if report.is_new else "Existing"
    if not report.group:
        console.print(f"{made} cache in {report.root}, for one user. --shared opens it to a group")
        return
    console.print(
        f"{made} cache in {report.root}, shared: the group {report.group} reads and writes all "
        "that is in it"
    )
    if not report.members:
        console.print(
            f"Nobody is listed as a further member of {report.group}. --group NAME shares with "
            "another group"
        )
    if report.not_opened:
        console.print(
            f"{human_count(len(report.not_opened))} files belong to others and stay as they are; "
            f"their owners can run the same command: {', '.join(report.not_opened[:SHOWN_FILES])}"
        )


def gc(
    yes: YesOption = False, cache: CacheOption = DEFAULT_CACHE, as_json: JsonOption = False
) -> None:
    """Delete features that no source or run refers to, and leftovers of dead runs.

    Leftovers are files under a temporary name that nobody has touched for an hour, and what
    interrupted runs have named, after a week: until then the same command goes on from there.

    Example: featx cache gc --yes
    """
    from ...cache.maintenance.gc import collect_garbage, find_garbage

    store = open_store(cache)
    garbage = find_garbage(store)
    if garbage.rows or garbage.partials or garbage.sets or garbage.sweeps:
        _confirm(yes, garbage_lines(garbage))
        garbage = collect_garbage(store)

    def draw(console: Console) -> None:
        console.print(
            f"Deleted {human_count(garbage.n_rows)} rows and {len(garbage.partials)} leftovers: "
            f"{human_bytes(garbage.n_bytes)}"
        )
        for problem in garbage.unreadable:
            console.print(f"left alone: {problem}")

    answer(as_json, {**asdict(garbage), "n_rows": garbage.n_rows}, draw)


def rm(
    name: Annotated[str, typer.Argument(help="Which features, as `featx cache ls` names them.")],
    yes: YesOption = False,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Delete the features of one source under one spec.

    Example: featx cache rm photos-1a2b3c4d@0123456789ab
    """
    from ...cache.maintenance.rm import find_removal, remove

    store = open_store(cache)
    removal = find_removal(store, name)
    _confirm(yes, removal_lines(removal))
    removal = remove(store, removal.features.name)
    data = {
        "name": removal.features.name,
        "shards": removal.shards,
        "n_shared": len(removal.shared),
        "records": removal.records,
        "n_bytes": removal.n_bytes,
    }
    done = f"Deleted {removal.features.name}: {human_bytes(removal.n_bytes)}"
    answer(as_json, data, lambda console: console.print(done))


def open_store(cache: Path) -> FeatureStore:
    """Return the cache in a folder."""
    from ...cache import FeatureStore

    return FeatureStore(cache)


def _confirm(yes: bool, lines: list[str]) -> None:
    """Say what is about to be deleted and ask; without a terminal, only --yes will do."""
    from ...cache.errors import ConfigError

    for line in lines:
        notes().print(line)
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError("nothing was deleted: there is nobody to ask. Add --yes to go ahead")
    typer.confirm("Delete?", abort=True, err=True)
