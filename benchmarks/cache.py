"""How large and how fast the cache is, against NumPy's memory map and in one process run.

python benchmarks/cache.py --work DIR [--rows 1000000] [--features X.npy --labels y.npy]

DIR needs about 10.5 kB a row and is emptied at the end. Ratios are medians over repeats in which
the peer and the cache take turns; bytes come from the page cache unless the machine is short of
memory.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

import featx.cache
from featx.cache import (
    COMPRESSIONS,
    FeatureBatch,
    FeatureSpec,
    FeatureStore,
    Listing,
    Manifest,
    RunRecord,
    StringColumn,
)

N_FEATURES = 1280
SHARD_ROWS = 13_000
BLOCK_ROWS = 4096
N_RANDOM = 10_000
REPEATS = 5
TRAINED_ZEROS = 0.85
OPEN = """
import json, re, sys, time
import featx.cache
from pathlib import Path
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1000
imported = peak()
start = time.perf_counter()
features = featx.cache.FeatureStore(sys.argv[1]).open_features()
opened = time.perf_counter() - start
X = features.X[:1000]
total = float(X.sum())
print(json.dumps({"rows": len(features), "open_seconds": opened,
    "open_and_read_seconds": time.perf_counter() - start,
    "imported_mb": imported, "peak_mb": peak()}))
"""


def main() -> None:
    """Run all measurements, print them, write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--features", type=Path, help="real features (n, d) for float16")
    parser.add_argument("--labels", type=Path, help="their labels (n,)")
    parser.add_argument("--out", type=Path, default=Path("cache-benchmark.json"))
    options = parser.parse_args()
    work = options.work / "featx-cache-benchmark"
    results: dict[str, Any] = {"n_features": N_FEATURES}
    try:
        make_cache(work, options.rows)
        results["open"] = measure_open(work)
        results["read"] = measure_reading(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    try:
        results["compression"] = measure_compression(work)
        if options.features and options.labels:
            results["float16"] = measure_float16(work, options.features, options.labels)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"written: {options.out}")


def spec_of(name: str, storage: str = "float32") -> FeatureSpec:
    """Return a spec for made-up features."""
    return FeatureSpec(
        backbone=name,
        weights_digest="0" * 64,
        layer="top",
        pool="avg",
        image_size=(224, 224),
        resize="squash",
        preprocess="none",
        storage=storage,
    )


def digests_of(n_rows: int) -> NDArray[np.uint8]:
    """Return random digests ``(n, 32)``."""
    return np.random.default_rng(1).integers(0, 256, (n_rows, 32), dtype=np.uint8)


def register(store: FeatureStore, spec: FeatureSpec, digests: NDArray[np.uint8]) -> None:
    """Write the manifest and the run record that make rows a feature set."""
    n = len(digests)
    ids = StringColumn.from_strings(f"class-{i % 1000:03d}/image-{i:08d}.jpg" for i in range(n))
    names = tuple(f"class-{i:03d}" for i in range(1000))
    listing = Listing(ids, np.arange(n) % 1000, np.zeros(n, np.int8), None, names)
    stamps = np.ones((n, 3), np.int64)
    store.write_manifest(Manifest("made", "made", listing, digests, stamps, time.time_ns()))
    store.write_run(
        RunRecord("made", spec.fingerprint, time.time_ns(), n, n, 0, 0, 1.0, "benchmark")
    )


def make_cache(work: Path, n_rows: int) -> None:
    """Write the same rows as shards of about 64 MB and as one .npy file."""
    store, spec, digests = FeatureStore(work / "cache"), spec_of("made"), digests_of(n_rows)
    random = np.random.default_rng(0)
    noise = random.standard_normal((SHARD_ROWS + 1024, N_FEATURES), dtype=np.float32)
    work.mkdir(parents=True, exist_ok=True)
    shape = (n_rows, N_FEATURES)
    peer = np.lib.format.open_memmap(work / "peer.npy", "w+", np.float32, shape)
    start = time.perf_counter()
    for first in range(0, n_rows, SHARD_ROWS):
        shift = int(random.integers(1024))
        stop = min(first + SHARD_ROWS, n_rows)
        X = noise[shift : shift + stop - first]
        peer[first:stop] = X
        store.write_rows(spec, [FeatureBatch(digests[first:stop], X)])
    peer.flush()
    register(store, spec, digests)
    print(f"{n_rows:,} rows × {N_FEATURES} made in {time.perf_counter() - start:.0f} s")


def measure_open(work: Path) -> list[dict[str, float]]:
    """Open and read the first 1,000 rows in fresh processes."""
    runs = []
    for _ in range(3):
        command = [sys.executable, "-c", OPEN, str(work / "cache")]
        runs.append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    for run in runs:
        print(
            f"open {run['rows']:,} rows and read 1,000: {run['open_and_read_seconds']:.3f} s, "
            f"peak {run['peak_mb']:.0f} MB (of which imports {run['imported_mb']:.0f})"
        )
    return runs


class ShardMaps:
    """NumPy's memory maps of the shards' own bytes.

    How fast a file's pages can be read depends on how the system laid them out in memory when it
    was written: copies of one file differ by 50 % and more. These are the very pages of the cache.
    """

    def __init__(self, work: Path) -> None:
        self._maps = []
        for path in sorted((work / "cache").rglob("shards/*.h5")):
            with h5py.File(path) as file:
                X = file["X"]
                self._maps.append(np.memmap(path, X.dtype, "r", X.id.get_offset(), X.shape))
        self.shape = (sum(map(len, self._maps)), N_FEATURES)
        self.dtype = self._maps[0].dtype

    def blocks(self, n_rows: int) -> Iterator[NDArray[Any]]:
        """Iterate over the rows in blocks of at most ``n_rows``."""
        for X in self._maps:
            for start in range(0, len(X), n_rows):
                yield X[start : start + n_rows]


def measure_reading(work: Path) -> dict[str, Any]:
    """Compare sequential and random reading with NumPy's memory map, first touch each time.

    The peers are ``np.load(mmap_mode="r")`` of a copy, and maps of the shards' own bytes.
    """
    store = FeatureStore(work / "cache")

    def npy() -> Any:
        return np.load(work / "peer.npy", mmap_mode="r")

    def same() -> Any:
        return ShardMaps(work)

    def ours() -> Any:
        return store.open_features().X

    n_rows = len(npy())
    places = np.random.default_rng(2).integers(0, n_rows, N_RANDOM)
    kept, kept_maps = ours(), same()
    for X in (kept, kept_maps):
        sum_all(X)
    both = {"npy": npy, "same bytes": same}
    again = {"npy": npy, "same bytes": lambda: kept_maps}
    return {
        "sequential_copy": versus("sequential, copied", both, ours, copy_all),
        "sequential_sum": versus("sequential, summed", both, ours, sum_all),
        "sequential_sum_again": versus(
            "summed again, checked before", again, lambda: kept, sum_all
        ),
        "random": versus(f"random {N_RANDOM:,} rows", {"npy": npy}, ours, lambda X: X[places]),
    }


def versus(
    what: str,
    peers: Mapping[str, Callable[[], Any]],
    ours: Callable[[], Any],
    use: Callable[[Any], object],
) -> dict[str, Any]:
    """Time ``use`` on all in turns; ratios are of speeds, ours by the peer's."""
    makers = {**peers, "cache": ours}
    seconds: dict[str, list[float]] = {name: [] for name in makers}
    for _ in range(REPEATS):
        for name, make in makers.items():
            X = make()
            start = time.perf_counter()
            use(X)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratios = {name: medians[name] / medians["cache"] for name in peers}
    print(f"{what}: " + ", ".join(f"{name} {value:.3f} s" for name, value in medians.items()))
    print("  " + ", ".join(f"{ratio:.2f} of {name}" for name, ratio in ratios.items()))
    return {"seconds": medians, "ratios": ratios}


def blocks_of(X: Any) -> Iterator[NDArray[Any]]:
    """Iterate over the rows of a memory map or of a FeatureMatrix."""
    if hasattr(X, "blocks"):
        yield from X.blocks(BLOCK_ROWS)
        return
    for start in range(0, len(X), BLOCK_ROWS):
        yield X[start : start + BLOCK_ROWS]


def copy_all(X: Any) -> None:
    """Bring every row into a buffer, as training on batches does."""
    buffer = np.empty((BLOCK_ROWS, X.shape[1]), X.dtype)
    for block in blocks_of(X):
        buffer[: len(block)] = block


def sum_all(X: Any) -> float:
    """Touch every number without writing one."""
    return sum(float(block.sum()) for block in blocks_of(X))


def measure_compression(work: Path, n_images: int = 60) -> dict[str, list[dict[str, Any]]]:
    """Compress VGG19's flattened features, as initialised and as sparse as trained ones are.

    Random He weights leave fewer zeros than trained ones, whose last maps are mostly zero. A bias
    on the last convolution makes up for it: max pooling and ReLU let it be subtracted afterwards.
    """
    X = vgg19_flattened(n_images)
    bias = np.quantile(X, TRAINED_ZEROS).astype(np.float32)
    return {
        "as_initialised": compress(work / "initialised", X),
        "mostly_zeros": compress(work / "sparse", np.maximum(X - bias, 0)),
    }


def compress(work: Path, X: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Write and read ``X`` with every compression."""
    zeros = float((X == 0).mean())
    print(f"VGG19 flattened: {X.shape}, {zeros:.0%} zeros")
    digests, rows = digests_of(len(X)), []
    for name in ("none", *COMPRESSIONS):
        root = work / name
        store, spec = FeatureStore(root, compression=name), spec_of("vgg19")
        start = time.perf_counter()
        path = store.write_rows(spec, [FeatureBatch(digests, X)])
        write = time.perf_counter() - start
        seconds = []
        for _ in range(REPEATS):
            shards = store.open_set(spec)
            start = time.perf_counter()
            back = np.array(shards.take(np.arange(len(X))))
            seconds.append(time.perf_counter() - start)
        if not np.array_equal(back, X):
            raise RuntimeError(f"{name} changed a number")
        rows.append(
            {
                "compression": name,
                "ratio": X.nbytes / path.stat().st_size,
                "write_mb_per_second": X.nbytes / 1e6 / write,
                "read_mb_per_second": X.nbytes / 1e6 / statistics.median(seconds),
                "zeros": zeros,
            }
        )
        print(
            f"  {name:11s} ratio {rows[-1]['ratio']:.2f}, write "
            f"{rows[-1]['write_mb_per_second']:.0f} MB/s, read "
            f"{rows[-1]['read_mb_per_second']:.0f} MB/s (of uncompressed bytes)"
        )
    return rows


def vgg19_flattened(n_images: int) -> NDArray[np.float32]:
    """Return VGG19's last map, flattened, on crops of scikit-learn's two photographs."""
    import keras
    from sklearn.datasets import load_sample_images

    keras.utils.set_random_seed(0)
    inputs = keras.Input((224, 224, 3))
    x = inputs
    for n_layers, width in ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)):
        for _ in range(n_layers):
            layer = keras.layers.Conv2D(
                width, 3, padding="same", activation="relu", kernel_initializer="he_normal"
            )
            x = layer(x)
        x = keras.layers.MaxPooling2D()(x)
    model = keras.Model(inputs, keras.layers.Flatten()(x))
    random = np.random.default_rng(0)
    photos = load_sample_images().images
    crops = []
    for i in range(n_images):
        photo = photos[i % 2]
        top, left = random.integers(photo.shape[0] - 224), random.integers(photo.shape[1] - 224)
        crops.append(photo[top : top + 224, left : left + 224])
    pixels = np.stack(crops).astype(np.float32) - np.float32([123.68, 116.779, 103.939])
    return np.asarray(model.predict(pixels, batch_size=20, verbose=0), np.float32)


def measure_float16(work: Path, features: Path, labels: Path) -> dict[str, Any]:
    """Fit one logistic regression on float32 and on float16 rows of the same features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    X, y = np.load(features), np.load(labels)
    order = np.random.default_rng(0).permutation(len(X))
    digests, cut = digests_of(len(X)), len(X) * 4 // 5
    result: dict[str, Any] = {"n_train": cut, "n_test": len(X) - cut}
    predicted = {}
    for storage in ("float32", "float16"):
        store, spec = FeatureStore(work / storage), spec_of("real", storage)
        path = store.write_rows(spec, [FeatureBatch(digests, X.astype(np.float32))])
        rows = store.open_set(spec).take(order).astype(np.float32)
        scaler = StandardScaler().fit(rows[:cut])
        head = LogisticRegression(C=0.01, max_iter=300, tol=1e-5)
        head.fit(scaler.transform(rows[:cut]), y[order[:cut]])
        predicted[storage] = head.predict(scaler.transform(rows[cut:]))
        accuracy = float((predicted[storage] == y[order[cut:]]).mean())
        result[storage] = {"n_bytes": path.stat().st_size, "accuracy": accuracy}
        print(f"{storage}: {path.stat().st_size / 1e6:.1f} MB, accuracy {accuracy:.4f}")
    changed = int((predicted["float32"] != predicted["float16"]).sum())
    result["changed_predictions"] = changed
    print(f"float16 changes {changed} of {len(X) - cut} predictions")
    return result


if __name__ == "__main__":
    print(f"featx cache at {Path(featx.cache.__file__).parent}")
    main()
