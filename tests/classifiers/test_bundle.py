from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from featx.cache import FeatureSpec
from featx.cache.errors import FeatureMismatchError, ModelFileError
from featx.classifiers import Model, load_model, save_model
from featx.classifiers.heads.table import HEADS, make_head

SPEC = FeatureSpec(
    backbone="b",
    weights_digest="0" * 64,
    layer="l",
    pool="avg",
    image_size=(8, 8),
    resize="squash",
    preprocess="tf",
)


def fitted(name: str) -> tuple[Model, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 3], 30)
    X = (rng.normal(size=(90, 6)) + y[:, None]).astype(np.float32)
    options = {"epochs": 3} if name == "dense" else {}
    return Model(SPEC, ("a", "b", "c", "d"), name, make_head(name, **options).fit(X, y)), X


@pytest.mark.parametrize("name", HEADS)
def test_a_model_comes_back_bit_by_bit(name: str, tmp_path: Path) -> None:
    model, X = fitted(name)
    save_model(model, tmp_path / "m.featx")
    loaded = load_model(tmp_path / "m.featx")
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.predict_proba(X).shape == (90, 4)
    assert (loaded.spec, loaded.class_names) == (model.spec, model.class_names)


def test_features_of_another_width_or_spec_are_refused() -> None:
    model, X = fitted("centroid")
    with pytest.raises(FeatureMismatchError, match="6 features"):
        model.predict_proba(X[:, :5])
    fields = {**vars(SPEC), "resize": "crop", "storage": "float16"}
    with pytest.raises(FeatureMismatchError, match="resize 'squash' ≠ 'crop'") as error:
        model.check_spec(FeatureSpec(**fields))
    assert "storage" not in str(error.value)


def rewritten(tmp_path: Path, change: object) -> Path:
    """Save a model, let ``change`` alter its members, and zip them again."""
    model, _ = fitted("centroid")
    path = tmp_path / "m.featx"
    save_model(model, path)
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    compression = change(members) or zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def edit(**fields: object) -> object:
    def change(members: dict[str, bytes]) -> None:
        document = json.loads(members["model.json"])
        members["model.json"] = json.dumps({**document, **fields}).encode()

    return change


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("ran"),))


def pickled_array(members: dict[str, bytes]) -> None:
    import hashlib

    buffer = io.BytesIO()
    np.save(buffer, np.array([Evil()], dtype=object), allow_pickle=True)
    name = next(m for m in members if m.endswith(".npy"))
    members[name] = buffer.getvalue()
    document = json.loads(members["model.json"])
    key = name.removeprefix("arrays/").removesuffix(".npy")
    document["arrays"][key] = hashlib.sha256(buffer.getvalue()).hexdigest()
    members["model.json"] = json.dumps(document).encode()


HOSTILE = {
    "a pickled array": pickled_array,
    "another member": lambda m: m.update({"arrays/../../x.npy": b"x"}),
    "a pickle": lambda m: m.update({"head.pkl": pickle.dumps(1)}),
    "a compressed member": lambda m: zipfile.ZIP_DEFLATED,
    "a missing member": lambda m: m.pop(next(k for k in m if k.endswith(".npy"))) and None,
    "a newer format": edit(featx_model=99),
    "an unknown head": edit(head={"name": "os.system", "params": {}}),
    "parameters of no head": edit(head={"name": "centroid", "params": {"x": 1}}),
    "class names that repeat": edit(class_names=["a", "a", "b", "c"]),
    "too few class names": edit(class_names=["a"]),
    "a million class names": edit(class_names=[str(i) for i in range(1_000_000)]),
    "another spec": edit(fingerprint="0" * 64),
    "no spec": edit(spec=None),
    "no JSON": lambda m: m.update({"model.json": b"\xff\xfe"}),
    "deep JSON": lambda m: m.update({"model.json": b"[" * 100_000}),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_files_are_refused_and_run_nothing(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = rewritten(tmp_path, HOSTILE[what])
    with pytest.raises(ModelFileError, match=r"m\.featx"):
        load_model(path)
    assert not Path("ran").exists()


def test_every_cut_of_a_model_is_refused(tmp_path: Path) -> None:
    model, _ = fitted("centroid")
    path = tmp_path / "m.featx"
    save_model(model, path)
    data = path.read_bytes()
    for length in range(0, len(data), max(1, len(data) // 40)):
        path.write_bytes(data[:length])
        with pytest.raises(ModelFileError):
            load_model(path)
