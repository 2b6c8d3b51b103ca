"""``hf://``: huggingface_hub's own file system against a server on this machine."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa
import pytest
from images_shared import png
from pyarrow import parquet

from featx.cache import SPLITS
from featx.cache.errors import SourceNotFoundError
from featx.extractor import open_source

pytest.importorskip("huggingface_hub")
fsspec = pytest.importorskip("fsspec")

REPOSITORY = "someone/pets"


class Hub(BaseHTTPRequestHandler):
    """The parts of the Hub's API that reading a data set needs, over files of a folder."""

    root: Path
    sent: list[int]

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path.startswith((f"/api/datasets/{REPOSITORY}/tree/main",)):
            folder = path.partition("/tree/main")[2].strip("/")
            self._answer(json.dumps(self._tree(folder)).encode())
        elif re.fullmatch(rf"/api/datasets/{REPOSITORY}(/revision/main)?", path):
            self._answer(json.dumps({"id": REPOSITORY, "sha": "0" * 40, "siblings": []}).encode())
        elif path.startswith(f"/datasets/{REPOSITORY}/resolve/main/"):
            self._send_file(self.root / path.partition("/resolve/main/")[2])
        else:
            self._answer(b'{"error": "Repository not found"}', 404, "RepoNotFound")

    def _tree(self, folder: str) -> list[dict[str, Any]]:
        entries = []
        is_recursive = "recursive=true" in self.path.lower()
        start = self.root / folder
        for path in sorted(start.rglob("*") if is_recursive else start.iterdir()):
            name = path.relative_to(self.root).as_posix()
            oid = hashlib.sha1(path.read_bytes() if path.is_file() else b"").hexdigest()
            kind = "file" if path.is_file() else "directory"
            entries.append({"type": kind, "oid": oid, "path": name, "size": path.stat().st_size})
        return entries

    def _send_file(self, path: Path) -> None:
        content = path.read_bytes()
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if wanted:
            content = content[int(wanted[1]) : int(wanted[2]) + 1]
        self.sent.append(len(content))
        self._answer(content, 206 if wanted else 200)

    def _answer(self, content: bytes, status: int = 200, error: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", '"x"')
        self.send_header("X-Repo-Commit", "0" * 40)
        if error:
            self.send_header("X-Error-Code", error)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    handler = type("Served", (Hub,), {"root": tmp_path / "pets", "sent": []})
    (tmp_path / "pets").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setitem(fsspec.config.conf, "hf", {"endpoint": endpoint})
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


def write_rows(path: Path, values: list[int], padding: int = 0) -> None:
    noise = np.random.default_rng(0).bytes(padding)
    images = [{"bytes": png(value) + noise, "path": None} for value in values]
    table = pa.table({"image": images, "label": [value % 2 for value in values]})
    path.parent.mkdir(exist_ok=True)
    parquet.write_table(table, path, row_group_size=2, compression="none", use_dictionary=False)


def test_a_data_set_of_the_hub_with_its_splits(hub: type[Hub]) -> None:
    (hub.root / "README.md").write_text("# Pets")
    write_rows(hub.root / "data" / "train-00000-of-00001.parquet", [1, 2, 3])
    write_rows(hub.root / "data" / "test-00000-of-00001.parquet", [4])
    source = open_source(f"hf://datasets/{REPOSITORY}")
    listing = source.listing()
    read = dict(zip(listing.sample_ids, map(source.read, range(4)), strict=True))
    assert read["data/train-00000-of-00001.parquet:2"] == png(3)
    assert [SPLITS[code] for code in listing.splits] == ["test", "train", "train", "train"]
    assert source.stamps()[:, 2].all()


def test_only_the_parts_that_are_read_are_fetched(hub: type[Hub]) -> None:
    path = hub.root / "data" / "train.parquet"
    write_rows(path, list(range(20)), padding=300_000)
    source = open_source(f"hf://datasets/{REPOSITORY}/data/train.parquet")
    assert sum(hub.sent) < 0.1 * path.stat().st_size
    assert source.read(11).startswith(png(11))
    assert sum(hub.sent) < 0.3 * path.stat().st_size


def test_folders_of_images_of_the_hub(hub: type[Hub]) -> None:
    for number, name in enumerate(("train/cat/1.png", "train/dog/2.png", "test/cat/3.png")):
        path = hub.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
    source = open_source(f"hf://datasets/{REPOSITORY}")
    assert source.listing().class_names == ("cat", "dog")
    assert [source.read(i) for i in range(3)] == [png(2), png(0), png(1)]


def test_what_is_not_there_says_what_to_type(hub: type[Hub]) -> None:
    with pytest.raises(SourceNotFoundError, match=r"hf download someone/cats --repo-type dataset"):
        open_source("hf://datasets/someone/cats")


def test_without_a_connection_it_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fsspec.config.conf, "hf", {"endpoint": "http://127.0.0.1:9"})
    with pytest.raises(
        SourceNotFoundError, match=r"cannot reach hf://.*no connection.*: hf download"
    ):
        open_source(f"hf://datasets/{REPOSITORY}")
