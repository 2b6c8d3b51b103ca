"""Sources go to other processes whole: processes that decode, workers, joblib."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from images_shared import png, touch, write_shard
from pyarrow import parquet

from featx.extractor import SourceOptions, open_source
from featx.extractor.sources import Source


def folder(root: Path) -> Source:
    touch(root / "in" / "a" / "1.png", 1)
    touch(root / "in" / "b" / "2.png", 2)
    return open_source(root / "in")


def zipped(root: Path) -> Source:
    with zipfile.ZipFile(root / "in.zip", "w") as archive:
        archive.writestr("a/1.png", png(1))
        archive.writestr("b/2.png", png(2))
    return open_source(root / "in.zip")


def web_dataset(root: Path) -> Source:
    return open_source(write_shard(root / "in.tar", [("1.png", png(1)), ("2.png", png(2))]))


def packed_tar(root: Path) -> Source:
    with tarfile.open(root / "in.tar.gz", "w:gz") as tar:
        for value in (1, 2):
            member = tarfile.TarInfo(f"a/{value}.png")
            member.size = len(png(value))
            tar.addfile(member, io.BytesIO(png(value)))
    return open_source(root / "in.tar.gz")


def list_of_paths(root: Path) -> Source:
    touch(root / "a" / "1.png", 1)
    touch(root / "a" / "2.png", 2)
    (root / "in.csv").write_text("path,label\na/1.png,x\na/2.png,y\n")
    return open_source(root / "in.csv")


def boxes(root: Path) -> Source:
    touch(root / "a" / "1.png", 1)
    (root / "in.csv").write_text("path,label,x,y,w,h\na/1.png,x,0,0,2,2\na/1.png,y,1,1,2,3\n")
    return open_source(root / "in.csv", SourceOptions(crop_columns="x,y,w,h"))


def arrays(root: Path) -> Source:
    np.save(root / "in.npy", np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3))
    return open_source(root / "in.npy")


def pictures(root: Path) -> pa.Table:
    return pa.table({"image": [{"bytes": png(v), "path": f"{v}.png"} for v in (1, 2)]})


def in_parquet(root: Path) -> Source:
    parquet.write_table(pictures(root), root / "in.parquet", row_group_size=1)
    return open_source(root / "in.parquet")


def in_arrow(root: Path) -> Source:
    table = pictures(root)
    with pa.ipc.new_file(root / "in.arrow", table.schema) as writer:
        writer.write_table(table)
    return open_source(root / "in.arrow")


def several(root: Path) -> Source:
    return open_source([folder(root).location, str(zipped(root).location)])


@pytest.mark.parametrize(
    "make",
    [
        folder, zipped, web_dataset, packed_tar, list_of_paths, boxes, arrays, in_parquet,
        in_arrow, several,
    ],
)  # fmt: skip
def test_a_source_is_the_same_in_another_process(
    tmp_path: Path, make: Callable[[Path], Source]
) -> None:
    source = make(tmp_path)
    before = [pickle.dumps(source.read(i)) for i in range(2)]  # which it may keep for later
    there: Source = pickle.loads(pickle.dumps(source))
    assert [pickle.dumps(there.read(i)) for i in range(2)] == before
    assert list(there.listing().sample_ids) == list(source.listing().sample_ids)
