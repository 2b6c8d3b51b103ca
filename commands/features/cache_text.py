"""How the cache's facts read on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..common import human_bytes, human_count

if TYPE_CHECKING:
    from rich.console import Console

    from ...cache import StoredFeatures
    from ...cache.maintenance.describe import Description
    from ...cache.maintenance.gc import Garbage
    from ...cache.maintenance.rm import Removal
    from ...cache.maintenance.sources_gone import GoneSources
    from ...cache.maintenance.usage import Usage
    from ...extractor.engines.openvino.unused import UnusedNetwork

SHOWN_CLASSES = 12
NS = 1e9


def listed(stored: StoredFeatures, with_location: bool, n_sources: int) -> dict[str, Any]:
    """Return what `ls` says of one feature set, as plain JSON types.

    The location takes reading the source's snapshot, and is no column of the table. ``n_sources``
    have features in the set, and share its bytes.
    """
    record, spec = stored.record, stored.spec
    return {
        "name": stored.name,
        **({"location": stored.location} if with_location else {}),
        "given_name": record.tag.name,
        "note": record.tag.note,
        "kind": record.kind,
        "backbone": spec.backbone,
        "layer": spec.layer,
        "pool": spec.pool,
        "image_size": list(spec.image_size),
        "precision": spec.precision,
        "fingerprint": record.fingerprint,
        "view": spec.view,
        "view_ops": spec.view_ops,
        "views_seed": spec.views_seed,
        "view_of": spec.original.fingerprint if spec.view else None,
        "n_samples": record.n_samples,
        "n_bad": record.n_bad,
        "n_bytes": stored.n_bytes,
        "n_sources": n_sources,
        "storage": spec.storage,
        "finished": timestamp(record.finished_ns) if record.finished_ns else None,
    }


def draw_listing(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw feature sets in two lines each: what they are of, and how they were made.

    What the user called them stands on a third, and random views of the images on a fourth.
    """
    rows, views = _without_views(rows)
    first = [("name", "images", "bad", "bytes", "")]
    second = [("  backbone", "layer", "pool", "size", "precision")]
    for row in rows:
        height, width = row["image_size"]
        counts = (human_count(row["n_samples"]), human_count(row["n_bad"]))
        shared = f"shared by {row['n_sources']}" if row["n_sources"] > 1 else ""
        note = "unfinished" if row["finished"] is None else shared
        first.append((row["name"], *counts, human_bytes(row["n_bytes"]), note))
        size = str(height) if height == width else f"{height}x{width}"
        made = (f"  {row['backbone']}", row["layer"], row["pool"], size, row["precision"])
        second.append(made)
    tags = ["", *(_tag(row["given_name"], row["note"]) for row in rows)]
    lines = zip(
        _aligned(first, "lrrrl"), _aligned(second, "lllll"), tags, [(), *views], strict=True
    )
    for upper, lower, tag, more in lines:
        for line in (upper, lower, *([f"  {tag}"] if tag else []), *more):
            console.print(line)


def _without_views(
    rows: Sequence[Mapping[str, Any]],
) -> tuple[list[Mapping[str, Any]], list[list[str]]]:
    """Return the rows that are no views of another row, and lines on the views of each.

    Views whose images are not listed keep a row.
    """
    listed = {(_source(row), row["fingerprint"]) for row in rows}
    views: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    shown = []
    for row in rows:
        original = (_source(row), row["view_of"])
        if original in listed:
            views.setdefault(original, []).append(row)
        else:
            shown.append(row)
    return shown, [_view_lines(views.get((_source(r), r["fingerprint"]), [])) for r in shown]


def _source(row: Mapping[str, Any]) -> str:
    return str(row["name"]).rpartition("@")[0]


def _view_lines(views: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one line for the views that were drawn alike."""
    kinds: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for row in views:
        kinds.setdefault((row["view_ops"], row["views_seed"]), []).append(row)
    return [
        f"  {len(rows)} random view{'s' * (len(rows) > 1)} ({ops}"
        + (f", seed {seed}" if seed else "")
        + f"): {human_bytes(sum(row['n_bytes'] for row in rows))}"
        for (ops, seed), rows in kinds.items()
    ]


def _tag(name: str, note: str) -> str:
    """Return ``name: note``, or what there is of them."""
    return ": ".join(filter(None, (name, note)))


def draw_usage(console: Console, usage: Usage) -> None:
    """Say how much a cache holds, what several sources share counted once."""
    lines = [
        f"Total: {human_bytes(usage.n_bytes)} in {human_count(usage.n_shards)} shards of "
        f"{human_count(usage.n_sets)} sets, and {human_bytes(usage.n_other_bytes)} of records"
    ]
    if usage.n_shared_bytes:
        lines.append(f"{human_bytes(usage.n_shared_bytes)} are shared, and count once in it")
    if usage.n_unused_bytes:
        lines.append(f"{human_bytes(usage.n_unused_bytes)} no source uses: featx cache gc")
    for line in lines:
        console.print(line)


def _aligned(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """Return rows of cells as lines whose columns are aligned left or right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    columns = [
        (width, str.rjust if side == "r" else str.ljust)
        for width, side in zip(widths, sides, strict=True)
    ]
    return [
        "  ".join(
            pad(cell, width) for cell, (width, pad) in zip(row, columns, strict=True)
        ).rstrip()
        for row in rows
    ]


def garbage_lines(garbage: Garbage) -> list[str]:
    """Say what `gc` would delete and how much."""
    return [
        f"To delete: {human_count(garbage.n_rows)} rows that no source refers to, in "
        f"{len(garbage.rows)} shards; {len(garbage.partials)} leftovers of dead runs; "
        f"{len(garbage.sets)} sets without runs; results on {len(garbage.sweeps)} sets of features "
        f"that are gone. About {human_bytes(garbage.n_bytes)}."
    ]


def gone_lines(gone: GoneSources, is_shared: bool) -> list[str]:
    """Say which features `gc --sources-gone` would delete, and which it leaves for a reason."""
    lines = [
        f"Source gone: {one.name} ({one.location})" for one in gone.features if not one.spec.view
    ]
    lines += [f"Kept: {name} ({reason})" for name, reason in gone.unsure.items()]
    if gone.features and is_shared:
        lines.append(
            "The cache is shared: sources that other machines reach are looked for on this one only"
        )
    if gone.unsure:
        lines.append("featx cache rm NAME deletes features that are kept")
    return lines


def network_lines(networks: Sequence[UnusedNetwork]) -> list[str]:
    """Say which converted networks would be deleted."""
    lines = [
        f"Unused network: {one.path} ({human_bytes(one.n_bytes)}, {one.days:.0f} days)"
        for one in networks
    ]
    if networks:
        total = human_bytes(sum(one.n_bytes for one in networks))
        lines.append(f"To delete: {len(networks)} converted networks, {total}.")
    return lines


def removal_lines(removal: Removal) -> list[str]:
    """Say what `rm` would delete and how much."""
    record = removal.features.record
    lines = [
        f"To delete: {removal.features.name} ({removal.features.spec.backbone}, "
        f"{human_count(record.n_samples)} images of {removal.features.location}): "
        f"{len(removal.shards)} shards and {len(removal.records)} records, "
        f"{human_bytes(removal.n_bytes)}."
    ]
    if removal.views:
        n_bytes = removal.total_bytes - removal.n_bytes
        lines.append(f"With it go {len(removal.views)} random views: {human_bytes(n_bytes)}.")
    if removal.shared:
        lines.append(f"{len(removal.shared)} shards keep the rows that other sources use.")
    return lines


def draw_info(console: Console, d: Description) -> None:
    """Draw all facts about one feature set."""
    counts = list(d.class_counts.items())
    classes = ", ".join(f"{name} {n}" for name, n in counts[:SHOWN_CLASSES])
    more = f", … ({len(counts)} classes)" if len(counts) > SHOWN_CLASSES else ""
    splits = ", ".join(f"{name} {n}" for name, n in d.split_counts.items() if n)
    rows = [
        ("features", d.name),
        *((key, text) for key, text in d.run["tag"].items() if text),
        ("source", d.location),
        ("samples", f"{human_count(d.n_samples)}, of which {human_count(d.n_missing)} have no row"),
        ("shape", f"{human_count(d.n_rows)} × {human_count(d.n_features)}"),
        ("classes", f"{classes}{more}"),
        ("splits", splits or "none given"),
        ("unreadable", ", ".join([str(d.n_bad), *(f"{n} × {r}" for r, n in d.reasons.items())])),
        ("set", f"{d.n_shards} shards, {human_bytes(d.n_bytes)}, {_compressions(d)}"),
        ("shared with", ", ".join(d.shared_with) or "no other source"),
        ("extracted", timestamp(d.run["finished_ns"])),
        ("run", _run(d.run)),
        *((f"spec {field}", str(value)) for field, value in d.spec.items()),
        ("fingerprint", d.fingerprint),
    ]
    width = max(len(key) for key, _ in rows)
    for key, value in rows:
        console.print(f"{key:{width}}  {value}")
    for problem in d.damaged:
        console.print(f"not readable: {problem}")


def _run(run: Mapping[str, Any]) -> str:
    by = f" by {run['engine']}" if run["engine"] else ""
    return f"{run['n_extracted']:,} rows in {run['seconds']:.1f} s{by}"


def _compressions(d: Description) -> str:
    return ", ".join(f"{n} × {name}" for name, n in d.compressions.items()) or "no shard"


def timestamp(nanoseconds: int) -> str:
    """Return nanoseconds since the epoch as local time."""
    return datetime.fromtimestamp(nanoseconds / NS).astimezone().isoformat(" ", "seconds")
