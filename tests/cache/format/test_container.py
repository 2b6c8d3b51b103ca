from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cache_shared import batch_of, make_spec, manifest_of, rows_of

from featx.cache.errors import CacheFormatError, NewerFormatError
from featx.cache.format import version
from featx.cache.format.container import open_container, write_container
from featx.cache.records.manifest_file import read_manifest, write_manifest
from featx.cache.shards.shard import Shard, write_shard

DISK_FULL = """
import resource, signal, sys
import numpy as np
from pathlib import Path
from featx.cache.format.container import write_container
from featx.cache.errors import CacheWriteError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path, limit = Path(sys.argv[1]), int(sys.argv[2])
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
columns, X = {"small": np.arange(9)}, np.ones((1000, 64), np.float32)
for _ in range(3):
    try:
        write_container(path, "test", {"a": 1}, columns, X, sys.argv[3])
    except CacheWriteError as error:
        print("refused", error.__cause__.errno)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
write_container(path, "test", {"a": 1}, columns, X, sys.argv[3])
print("written", sorted(p.name for p in path.parent.iterdir()))
"""


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("limit", [0, 100, 1000, 200_000])
def test_write_is_all_or_nothing_on_a_full_disk(
    tmp_path: Path, limit: int, compression: str
) -> None:
    if compression == "gzip" and limit > 1000:
        limit = 1500  # ones compress well
    words = [sys.executable, "-c", DISK_FULL, str(tmp_path / "a.h5"), str(limit), compression]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["refused 27"] * 3 + ["written ['a.h5']"]
    assert not run.stderr
    assert (open_container(tmp_path / "a.h5", "test").column("small") == np.arange(9)).all()


def test_a_flipped_byte_of_a_shard_is_found_or_changes_nothing(tmp_path: Path) -> None:
    spec = make_spec()
    whole = write_shard(tmp_path, spec, [batch_of(range(3))])
    good = Shard(whole, spec.fingerprint)
    raw = whole.read_bytes()
    n_found = 0
    for offset in range(0, len(raw), 3):
        hurt = tmp_path / "hurt.h5"
        hurt.write_bytes(raw[:offset] + bytes([raw[offset] ^ 0xFF]) + raw[offset + 1 :])
        try:
            shard = Shard(hurt, spec.fingerprint)
            X = np.array(shard.rows(0, 3))
            out = np.empty_like(X)
            shard.gather(np.array([2, 0, 1]), out, np.array([2, 0, 1]))
        except CacheFormatError as error:
            assert "hurt.h5" in str(error)
            n_found += 1
            continue
        assert (rows_of(range(3)) == X).all(), f"byte {offset}"
        assert (out == X).all()
        assert (shard.digests == good.digests).all()
        assert (shard.views == good.views).all()
    assert n_found > 400


def test_a_flipped_byte_of_a_manifest_is_found_or_changes_nothing(tmp_path: Path) -> None:
    manifest = manifest_of("m", range(3))
    path, hurt = tmp_path / "m.h5", tmp_path / "hurt.h5"
    write_manifest(path, manifest)
    raw = path.read_bytes()
    for offset in range(0, len(raw), 7):
        hurt.write_bytes(raw[:offset] + bytes([raw[offset] ^ 0xFF]) + raw[offset + 1 :])
        try:
            back = read_manifest(hurt)
        except CacheFormatError:
            continue
        assert back.data_digest == manifest.data_digest, f"byte {offset}"
        assert (back.stamps == manifest.stamps).all()
        assert (back.name, back.location, back.created_ns) == (
            manifest.name,
            manifest.location,
            manifest.created_ns,
        )


def test_a_file_cut_at_any_length_is_refused(tmp_path: Path) -> None:
    spec = make_spec()
    raw = write_shard(tmp_path, spec, [batch_of(range(300))]).read_bytes()
    cut = tmp_path / "cut.h5"
    for n_bytes in [*range(0, len(raw), 97), len(raw) - 1]:
        cut.write_bytes(raw[:n_bytes])
        with pytest.raises(CacheFormatError, match=r"cut\.h5"):
            Shard(cut, spec.fingerprint).bad_rows()


def test_a_newer_file_says_upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.h5"
    monkeypatch.setattr(version, "FORMAT_VERSION", 99)
    write_container(path, "test", {}, {"x": np.arange(3)})
    monkeypatch.undo()
    with pytest.raises(NewerFormatError, match="upgrade featx"):
        open_container(path, "test")


def test_an_open_manifest_survives_its_replacement(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    write_manifest(path, manifest_of("m", range(1000)))
    kept = read_manifest(path)
    write_manifest(path, manifest_of("m", range(5)))
    assert len(read_manifest(path)) == 5
    assert kept.sample_ids[999] == "image-999.png"
    shutil.rmtree(tmp_path)
    assert kept.sample_ids[17] == "image-17.png"
