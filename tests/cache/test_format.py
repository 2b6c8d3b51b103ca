"""The format that FORMAT.md documents, and the cache of this version that later ones must read."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cache_shared import digests_of, fill, make_spec, rows_of

import featx.cache
from featx.cache import BadImage, FeatureStore
from featx.cache.layout import Layout
from featx.cache.maintenance.verify import verify

DATA = Path(__file__).parents[1] / "data" / "cache-v1"
SETS = (("tiny", "float32"), ("squeezed", "float32"), ("halved", "float16"))


def plain_reader() -> Callable[..., Any]:
    """Return the reader that FORMAT.md shows, run from its text."""
    text = (Path(featx.cache.__file__).parent / "FORMAT.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) == 11  # the import and ten lines
    scope: dict[str, Any] = {}
    exec(code, scope)
    reader: Callable[..., Any] = scope["read_features"]
    return reader


def test_the_documented_reader_reads_what_we_write(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    spec = fill(store, names=range(20), per_shard=8)
    ids, y, X = plain_reader()(tmp_path, "photos", spec.fingerprint)
    features = store.open_features()
    assert ids == list(features.sample_ids)
    assert y.tolist() == features.y.tolist()
    assert (np.asarray(features.X) == X).all()


def test_every_folder_of_a_cache_is_documented(tmp_path: Path) -> None:
    text = (Path(featx.cache.__file__).parent / "FORMAT.md").read_text(encoding="utf-8")
    layout = Layout(tmp_path)
    for path in (
        layout.spec("f"),
        layout.shards("f"),
        layout.run("f", "m"),
        layout.manifest("m"),
        layout.journal("r"),
        layout.sweeps("m@f"),
        layout.quarantine("m"),
        layout.damaged / "x",
    ):
        folder = path.relative_to(tmp_path).parts[0]
        assert f"\n      {folder}/" in text


@pytest.mark.parametrize(("backbone", "storage"), SETS)
def test_the_documented_reader_reads_version_1(backbone: str, storage: str) -> None:
    spec = make_spec(backbone, storage=storage)
    ids, y, X = plain_reader()(DATA, "photos", spec.fingerprint[:12])
    assert ids == [f"image-{i}.png" for i in range(5)]
    assert y.tolist() == [0, 1, 0, 1, 0]
    assert (rows_of(range(5)).astype(storage) == X).all()


@pytest.mark.parametrize(("backbone", "storage"), SETS)
def test_a_cache_of_version_1_is_read_in_full(tmp_path: Path, backbone: str, storage: str) -> None:
    shutil.copytree(DATA, tmp_path / "cache")
    store = FeatureStore(tmp_path / "cache")
    assert verify(store).findings == []
    features = store.open_features(backbone)
    assert features.spec == make_spec(backbone, storage=storage)
    assert features.X.dtype == storage
    assert (np.asarray(features.X) == rows_of(range(5)).astype(storage)).all()
    assert (features.digests == digests_of(range(5))).all()
    assert features.y.tolist() == [0, 1, 0, 1, 0]
    assert features.splits.tolist() == [0, 1, 2, 0, 1]
    assert features.class_names == ("chat", "chien é")
    groups = features.manifest.listing.groups
    assert groups is not None
    assert list(groups) == ["a", "a", "b", "b", "ü", ""]
    assert features.n_missing == 1
    assert store.read_quarantine("photos") == [BadImage("image-5.png", "", "the file is empty")]
    assert store.find(backbone).record.seconds == 1.5
