"""The nearest images of a million: `featx similar` against NumPy and FAISS, in turns.

python benchmarks/similar.py [--rows 1000000] [--features 1280] [--storage float16]
                             [--repeats 5] [--work FOLDER] [--out similar.json]

Whole commands, start-up included, over random rows that lie in featx' cache, in an `.npy` file, and
in a FAISS index of float32 rows of length 1 (`IndexFlatIP`, where faiss-cpu is installed; its
making is not counted). All files are in the page cache: each command runs once before it is timed.
With --cold the kernel drops its page cache before each command, which needs root.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

SHARD_ROWS = 62_500
TOP = 20
QUERY = 4_711
FEATX = "import sys; sys.argv[0] = 'featx'; from featx.cli import main; main()"


def draw_rows(n_features: int, storage: str, seed: int) -> np.ndarray:
    """Return a shard's rows, which are positive as those after a ReLU."""
    rng = np.random.default_rng(seed)
    return np.abs(rng.standard_normal((SHARD_ROWS, n_features), np.float32)).astype(storage)


def make_files(work: Path, n_rows: int, n_features: int, storage: str) -> None:
    """Write the cache, the array and the index, unless they are there."""
    from featx.cache import FeatureSpec, FeatureStore, Listing, Manifest, StringColumn
    from featx.cache.batch import FeatureBatch
    from featx.cache.records.run_record import RunRecord

    if (work / "rows.npy").exists():
        return
    work.mkdir(parents=True, exist_ok=True)
    store = FeatureStore(work / "cache")
    spec = FeatureSpec(
        backbone="imported", weights_digest="0" * 64, layer="", pool="none", image_size=(1, 1),
        resize="squash", preprocess="imported", storage=storage,
    )  # fmt: skip
    digests = np.random.default_rng(0).integers(0, 256, (n_rows, 32), dtype=np.uint8)
    index = None
    if find_spec("faiss"):
        import faiss

        index = faiss.IndexFlatIP(n_features)
    part = np.lib.format.open_memmap(work / "part.npy", "w+", storage, (n_rows, n_features))
    for start in range(0, n_rows, SHARD_ROWS):
        X = draw_rows(n_features, storage, start)[: n_rows - start]
        part[start : start + len(X)] = X
        store.write_rows(spec, [FeatureBatch(digests[start : start + len(X)], X)])
        if index is not None:
            rows = X.astype(np.float32)
            faiss.normalize_L2(rows)
            index.add(rows)
    if index is not None:
        faiss.write_index(index, str(work / "rows.faiss"))
    ids = StringColumn.from_strings(f"photos/{i // 1000:04d}/{i:07d}.jpg" for i in range(n_rows))
    labels = np.arange(n_rows) % 1000
    names = tuple(f"class {number}" for number in range(1000))
    listing = Listing(ids, labels, np.full(n_rows, -1, np.int8), None, names)
    now = time.time_ns()
    stamps = np.zeros((n_rows, 3), np.int64)
    store.write_manifest(Manifest("rows", str(work), listing, digests, stamps, now))
    store.write_run(RunRecord("rows", spec.fingerprint, now, n_rows, n_rows, 0, 0, 1.0, "imported"))
    (work / "part.npy").rename(work / "rows.npy")


def peer_numpy(work: Path) -> list[int]:
    """Compare all rows of the array with one of them."""
    X = np.load(work / "rows.npy", mmap_mode="r")
    query = X[QUERY].astype(np.float32)
    cosines = np.empty(len(X), np.float32)
    for start in range(0, len(X), 4096):
        rows = X[start : start + 4096].astype(np.float32)
        cosines[start : start + 4096] = rows @ query / np.linalg.norm(rows, axis=1)
    best = np.argpartition(-cosines, TOP)[: TOP + 1]
    return best[np.argsort(-cosines[best])].tolist()


def peer_faiss(work: Path) -> list[int]:
    """Search the index, which is mapped and not read where FAISS can."""
    import faiss

    index = faiss.read_index(str(work / "rows.faiss"), faiss.IO_FLAG_MMAP)
    query = np.empty(index.d, np.float32)
    index.reconstruct(QUERY, query)
    return index.search(query[np.newaxis], TOP + 1)[1][0].tolist()


PEERS = {"numpy": peer_numpy, "faiss": peer_faiss}


def run(command: list[str]) -> tuple[float, float, str]:
    """Run a command; return its seconds, processor seconds, and what it wrote."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return taken, used, done.stdout


def measure(work: Path, repeats: int, is_cold: bool) -> dict[str, list[tuple[float, float]]]:
    """Run featx and the peers in turns."""
    name = f"photos/{QUERY // 1000:04d}/{QUERY:07d}.jpg"
    cache = str(work / "cache")
    words = ["similar", name, "rows", "--top", str(TOP), "--cache", cache, "--json"]
    commands = {"featx": [sys.executable, "-c", FEATX, *words]}
    for peer in PEERS:
        if peer != "faiss" or (work / "rows.faiss").exists():
            commands[peer] = [sys.executable, __file__, "--peer", peer, "--work", str(work)]
    taken: dict[str, list[tuple[float, float]]] = {peer: [] for peer in commands}
    answers = {peer: json.loads(run(command)[2]) for peer, command in commands.items()}
    nearest = [answer["row"] for answer in answers.pop("featx")]
    for peer, rows in answers.items():
        if [row for row in rows if row != QUERY] != nearest:
            sys.exit(f"{peer} found other rows: {rows}, featx {nearest}")
    for _ in range(repeats):
        for peer, command in commands.items():
            if is_cold:
                os.sync()
                Path("/proc/sys/vm/drop_caches").write_text("1", encoding="ascii")
            taken[peer].append(run(command)[:2])
    return taken


def main() -> None:
    """Run the benchmark, or one peer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=1280)
    parser.add_argument("--storage", default="float16", choices=("float16", "float32"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--work", type=Path, help="kept, if named")
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.peer:
        print(json.dumps(PEERS[options.peer](options.work)))
        return
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        make_files(work, options.rows, options.features, options.storage)
        taken = measure(work, options.repeats, options.cold)
    medians = {peer: np.median(pairs, axis=0).tolist() for peer, pairs in taken.items()}
    state = "cold" if options.cold else "warm"
    print(f"{options.rows:,} × {options.features:,}, {options.storage}, page cache {state}")
    for peer, (seconds, used) in medians.items():
        ratio = seconds / medians["featx"][0]
        fastest = min(pair[0] for pair in taken[peer])
        print(
            f"  {peer}: {seconds:.2f} s (fastest {fastest:.2f}, processor {used:.2f} s), "
            f"{ratio:.2f} × featx"
        )
    if options.out:
        facts = {
            "rows": options.rows,
            "features": options.features,
            "storage": options.storage,
            "page_cache": state,
        }
        options.out.write_text(
            json.dumps({**facts, "seconds": taken}, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
