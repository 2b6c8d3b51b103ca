"""featx cache: make a cache, and keep it small."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from ..interruption import STEPS, leaves
from ..options import refuse_without
from .cache_text import garbage_lines, gone_lines, network_lines, removal_lines

if TYPE_CHECKING:
    from rich.console import Console

    from ...cache.maintenance.init import InitReport
    from ...cache.maintenance.sources_gone import GoneSources
    from ...cache.store import FeatureStore
    from ...extractor.engines.openvino.unused import UnusedNetwork

SHOWN_FILES = 3
KEEP_DAYS = 30.0
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@leaves(STEPS)
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


@leaves(STEPS)
def gc(
    context: typer.Context,
    sources_gone: Annotated[
        bool,
        typer.Option("--sources-gone", help="Also features whose source was deleted or moved."),
    ] = False,
    networks: Annotated[
        bool,
        typer.Option(
            "--networks",
            help="Also converted networks that no features in this cache need.",
        ),
    ] = False,
    days: Annotated[
        float,
        typer.Option("--days", min=0, help="With --networks: unused for so many days."),
    ] = KEEP_DAYS,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")
    ] = False,
    yes: YesOption = False,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Delete features that no source or run refers to, and leftovers of dead runs.

    Leftovers are files under a temporary name that nobody has touched for an hour, and what
    interrupted runs have named, after a week: until then the same command goes on from there.

    A source that may come back is not gone: one below a disk or share that is not mounted now, or
    behind a URL. These are named and kept.

    Converted networks lie in FEATX_HOME; one that is needed again is converted again in seconds.

    Example: featx cache gc --sources-gone --dry-run
    """
    from ...cache.format.sharing import is_shared
    from ...cache.maintenance.gc import collect_garbage, find_garbage
    from ...cache.maintenance.sources_gone import GoneSources, find_gone, forget

    refuse_without(context, "networks", "days")
    store = open_existing(cache)
    gone = find_gone(store) if sources_gone else GoneSources()
    unused = _unused_networks(store, gone, days) if networks else []
    garbage = find_garbage(store, without=gone.manifests)
    is_any = garbage.rows or garbage.partials or garbage.sets or garbage.sweeps
    lines = gone_lines(gone, is_shared(store.root))
    lines += garbage_lines(garbage) if is_any else []
    lines += network_lines(unused)
    for line in lines:
        notes().print(line)
    if not dry_run and (is_any or gone.features or unused):
        _confirm(yes)
        forget(store, gone.features)
        garbage = collect_garbage(store)
        _remove_networks(unused)
    data = {
        **asdict(garbage),
        "n_bytes": garbage.n_bytes + gone.n_bytes,
        "n_rows": garbage.n_rows,
        "sources_gone": [one.name for one in gone.features],
        "sources_kept": gone.unsure,
        "networks": [asdict(one) for one in unused],
        "dry_run": dry_run,
    }
    answer(as_json, data, lambda console: _draw_gc(console, data))


def _unused_networks(store: FeatureStore, gone: GoneSources, days: float) -> list[UnusedNetwork]:
    from ...extractor.engines.openvino.unused import find_unused

    going = {features.name for features in gone.features}
    return find_unused([s.spec for s in store.list_features() if s.name not in going], days)


def _remove_networks(unused: list[UnusedNetwork]) -> None:
    if unused:
        from ...extractor.engines.openvino.unused import remove_unused

        remove_unused(unused)


def _draw_gc(console: Console, data: dict[str, Any]) -> None:
    n_bytes = data["n_bytes"] + sum(network["n_bytes"] for network in data["networks"])
    verb = "Would delete" if data["dry_run"] else "Deleted"
    parts = [f"{human_count(data['n_rows'])} rows and {len(data['partials'])} leftovers"]
    if data["sources_gone"]:
        parts.insert(0, f"the features of {len(data['sources_gone'])} sources that are gone")
    if data["networks"]:
        parts.append(f"{len(data['networks'])} converted networks")
    console.print(f"{verb} {', '.join(parts)}: {human_bytes(n_bytes)}")
    for problem in data["unreadable"]:
        console.print(f"left alone: {problem}")


@leaves(STEPS)
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
    for line in removal_lines(removal):
        notes().print(line)
    _confirm(yes)
    removal = remove(store, removal.features.name)
    data = {
        "name": removal.features.name,
        "shards": removal.shards,
        "n_shared": len(removal.shared),
        "records": removal.records,
        "n_bytes": removal.total_bytes,
        "views": [view.features.name for view in removal.views],
    }
    done = f"Deleted {removal.features.name}: {human_bytes(removal.total_bytes)}"
    answer(as_json, data, lambda console: console.print(done))


def open_store(cache: Path) -> FeatureStore:
    """Return the cache in a folder."""
    from ...cache import FeatureStore

    return FeatureStore(cache)


def open_existing(cache: Path) -> FeatureStore:
    """Return the cache in a folder; raises CacheError where nothing is there."""
    from ...cache.errors import CacheError

    store = open_store(cache)
    if store.is_new:
        raise CacheError(f"there is no cache at {store.root}: nothing is there. --cache names it")
    return store


def _confirm(yes: bool) -> None:
    """Ask whether to delete what was named; without a terminal, only --yes will do."""
    from ...cache.errors import ConfigError

    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError("nothing was deleted: there is nobody to ask. Add --yes to go ahead")
    typer.confirm("Delete?", abort=True, err=True)
