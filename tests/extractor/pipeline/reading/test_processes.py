"""Decoding in processes: the items of threads, and nothing left behind, whatever ends whom."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from images_shared import make_photos
from PIL import Image

import featx
from featx import FeatureOptions, RunOptions
from featx.extractor import extract_features, open_source
from featx.extractor.images.decode import strict_images
from featx.extractor.images.geometry import Geometry
from featx.extractor.pipeline.pending import PendingRows
from featx.extractor.pipeline.reading import processes as module
from featx.extractor.pipeline.reading import read_items
from featx.extractor.pipeline.reading.processes import (
    BROKEN,
    DecodingProcesses,
    open_processes,
    read_by_processes,
)
from featx.extractor.pipeline.reading.reader import Item, Reader, read_ahead
from featx.extractor.sources import Source
from featx.extractor.views.view import View

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/shm and /proc")
SMALL, LARGE = Geometry(8, 12), Geometry(16, 16, "crop")
DRIVER = """
import sys, time
from pathlib import Path
from featx.extractor import open_source
from featx.extractor.images.geometry import Geometry
from featx.extractor.pipeline.reading.processes import open_processes

with open_processes(open_source(sys.argv[1]), (Geometry(8, 8),), 2, None) as processes:
    processes.submit([0], 0).result()
    children = Path(f"/proc/self/task/{__import__('os').getpid()}/children").read_text()
    print(children, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with equal images, a broken one, and one of two pages."""
    folder = make_photos(tmp_path / "photos", 12)
    (folder / "red" / "equal.png").write_bytes((folder / "red" / "00.png").read_bytes())
    (folder / "green" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    page = Image.new("RGB", (20, 20), (9, 9, 9))
    page.save(folder / "blue" / "pages.tif", save_all=True, append_images=[page])
    return folder


def reader_of(source: Source, geometries: tuple[Geometry, ...], every_row: bool = False) -> Reader:
    """A reader with an empty cache."""
    n_samples = len(source.listing().sample_ids)
    pending = PendingRows([None] * len(geometries), np.zeros((n_samples, 32), np.uint8), {})
    sets_of = tuple(range(n, n + 1) for n in range(len(geometries)))
    return Reader(source, pending, geometries, sets_of, every_row)


def by_processes(
    reader: Reader, n_images: int, say: Callable[[str], object] = pytest.fail
) -> Iterator[Item]:
    processes = open_processes(reader.source, reader.distinct, 2, None)
    assert processes is not None
    return read_by_processes(reader, range(n_images), processes, 2, say)


def facts(item: Item) -> tuple[object, ...]:
    pixels = {plan: image.tobytes() for plan, image in item.pixels.items()}
    return item.index, item.digest, item.rows, item.is_new, item.reason, pixels


@pytest.mark.parametrize("every_row", [False, True])
@pytest.mark.parametrize(
    "geometries", [(SMALL,), (SMALL, LARGE, SMALL), (SMALL, Geometry(8, 12, view=View(1)))]
)
def test_items_are_those_of_threads(
    photos: Path, geometries: tuple[Geometry, ...], every_row: bool
) -> None:
    source = open_source(photos)
    n_images = len(source.listing().sample_ids)
    ours = reader_of(source, geometries, every_row)
    theirs = reader_of(source, geometries, every_row)
    with strict_images():
        items = [facts(item) for item in by_processes(ours, n_images)]
        # One thread, so that of equal images the first one is new there as well.
        assert items == [facts(item) for item in read_ahead(theirs, range(n_images), 1)]
    assert ours.pending.failed == theirs.pending.failed != {}
    assert ours.pending.remarks == theirs.pending.remarks != {}


def test_a_file_that_is_gone_is_an_unreadable_image(photos: Path) -> None:
    source = open_source(photos)
    n_images = len(source.listing().sample_ids)
    reader = reader_of(source, (SMALL,))
    (photos / "green" / "03.png").unlink()
    items = list(by_processes(reader, n_images))
    assert [item.index for item in items] == list(range(n_images))
    assert ["cannot read" in reason for reason in reader.pending.unreadable.values()] == [True]


def test_threads_go_on_where_a_process_is_killed(photos: Path) -> None:
    source = open_source(photos)
    n_images = len(source.listing().sample_ids)
    said: list[str] = []
    reader = reader_of(source, (SMALL,))
    processes = open_processes(source, reader.distinct, 2, None)
    assert processes is not None
    repeated = [index for _ in range(40) for index in range(n_images)]
    items = read_by_processes(reader, repeated, processes, 2, said.append)
    indices = [next(items).index]
    for child in decoders_of(os.getpid()):
        os.kill(child, signal.SIGKILL)
    indices += [item.index for item in items]
    assert indices == repeated
    assert said == [BROKEN]


def test_children_and_memory_go_with_a_killed_parent(photos: Path) -> None:
    before = set(Path("/dev/shm").iterdir())
    parent = subprocess.Popen([sys.executable, "-c", DRIVER, photos], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    children = [int(child) for child in parent.stdout.readline().split()]
    assert len(children) >= 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 30
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < end, "decoding processes outlive the one that they work for"
        time.sleep(0.1)
    left = set(Path("/dev/shm").iterdir()) - before
    assert [path.name for path in left if not path.name.startswith("sem.")] == []


def test_closing_early_ends_the_processes(photos: Path) -> None:
    items = by_processes(reader_of(open_source(photos), (SMALL,)), 30)
    next(items)
    assert len(decoders_of(os.getpid())) == 2
    items.close()  # type: ignore[attr-defined]
    assert decoders_of(os.getpid()) == set()


def test_what_cannot_be_shared_is_left_to_threads(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(photos)
    assert open_processes(source, (SMALL,), 1, None) is None
    monkeypatch.setattr(module, "MAX_SOURCE_BYTES", 10)
    assert open_processes(source, (SMALL,), 2, None) is None
    monkeypatch.undo()
    monkeypatch.setattr(module, "SHARED_MEMORY", photos / "none")
    assert open_processes(source, (SMALL,), 2, None) is None


def test_too_little_memory_is_seen_at_once(photos: Path) -> None:
    free = os.statvfs("/dev/shm")
    side = int((free.f_bavail * free.f_frsize) ** 0.5)
    with pytest.raises(OSError, match=r"space|large"):
        DecodingProcesses(b"", (Geometry(side, side),), 2, None)


def test_extraction_takes_processes_for_an_accelerator(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = FeatureOptions(backbone="pixels", image_size=16)
    caches = tmp_path / "threads", tmp_path / "processes"
    plain = extract_features(photos, options, cache=caches[0])
    opened: list[DecodingProcesses | None] = []

    def note(
        source: Source, geometries: tuple[Geometry, ...], n_processes: int, max_pixels: int | None
    ) -> DecodingProcesses | None:
        opened.append(open_processes(source, geometries, n_processes, max_pixels))
        return opened[-1]

    monkeypatch.setattr(read_items, "WORTH_PROCESSES", 20)
    monkeypatch.setattr(read_items, "runs_on_accelerator", lambda *_: True)
    monkeypatch.setattr(module, "open_processes", note)
    ours = extract_features(photos, options, run=RunOptions(workers=2), cache=caches[1])
    assert [one is not None for one in opened] == [True]
    assert ours.record.n_extracted == plain.record.n_extracted
    assert ours.bad == plain.bad != []
    first, second = (featx.open_features(cache=cache) for cache in caches)
    assert np.array_equal(first.to_numpy(), second.to_numpy())
    assert list(first.sample_ids) == list(second.sample_ids)


def decoders_of(process: int) -> set[int]:
    """Return the decoding processes of a process."""
    found: set[int] = set()
    for task in Path(f"/proc/{process}/task").iterdir():
        found |= {int(child) for child in (task / "children").read_text().split()}
    return {child for child in found if "popen_loky" in Path(f"/proc/{child}/cmdline").read_text()}
