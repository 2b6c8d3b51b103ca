"""More shards than a process may have files open, through every command that reads them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = str(Path(__file__).parents[2])

FILL = """
import sys
sys.path.insert(0, sys.argv[1])
import featx.cache.format.atomic as atomic
from cache_shared import *
atomic._sync = lambda path: None  # thousands of them would only cost time
n_shards, per_shard = int(sys.argv[2]), 3
n = n_shards * per_shard
store, spec = FeatureStore("featx-cache"), make_spec()
for start in range(0, n, per_shard):
    store.write_rows(spec, [batch_of(range(start, start + per_shard))])
store.write_manifest(manifest_of("photos", range(n)))
store.write_run(record_of("photos", spec, n))
"""

LIMITED = """
import resource, sys
n = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))
from featx.cli import app
for line in sys.argv[2:]:
    app(line.split(), standalone_mode=False)
"""

COMMANDS = (
    "fit --head ridge --out m.featx",
    "score m.featx features: --out p.parquet",
    "cache verify",
    "cache export all.npz",
    "cache compact",
    "score m.featx features: --out q.parquet",
)
MORE_COMMANDS = (
    "fit --head logreg --out n.featx",
    "cache info",
    "cache gc",
    "cache export all.h5",
    "cache merge featx-cache --cache other",
    "cache compact --compression gzip --cache other",
)


def work_with(n_shards: int, n_files: int, folder: Path, commands: tuple[str, ...]) -> None:
    """Fill a cache with tiny shards and run ``commands`` under a limit on open files."""
    fill = [sys.executable, "-c", FILL, TESTS, str(n_shards)]
    assert subprocess.run(fill, cwd=folder, check=False).returncode == 0
    words = [sys.executable, "-c", LIMITED, str(n_files), *commands]
    run = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    assert f"{n_shards} shards became 1;" in run.stdout
    assert "all whole" in run.stdout
    assert (folder / "p.parquet").read_bytes() == (folder / "q.parquet").read_bytes()


def test_400_shards_under_a_limit_of_128_open_files(tmp_path: Path) -> None:
    work_with(400, 128, tmp_path, COMMANDS)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_3000_shards_under_a_limit_of_256_open_files(tmp_path: Path) -> None:
    work_with(3000, 256, tmp_path, (*MORE_COMMANDS, *COMMANDS))
