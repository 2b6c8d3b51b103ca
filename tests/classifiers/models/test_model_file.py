"""Model files: complete, readable by later versions, and harmless whoever made them."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from featx.cache import FeatureSpec, JoinedSpec
from featx.cache.errors import CacheWriteError, ConfigError, FeatureMismatchError, ModelFileError
from featx.cache.format import atomic
from featx.classifiers import Model, load_model, save_model
from featx.classifiers.heads.registry import HEADS, make_head
from featx.classifiers.models.model_file import model_digest
from featx.cli import app

V1 = Path(__file__).parents[2] / "data" / "model-v1.featx"


def test_the_file_of_version_1_is_read() -> None:
    model = load_model(V1)
    assert model.class_names == ("ape", "bee", "cat") and model.head_name == "logreg"
    assert model.spec.backbone == "efficientnet_lite0" and model.split["train"] == 60
    assert model.scores[0]["metrics"]["auc"] == 0.97
    X = np.linspace(-2, 2, 18, dtype=np.float32).reshape(3, 6)
    expected = [
        [0.407719, 0.499584, 0.092697],
        [0.412033, 0.517454, 0.070513],
        [0.413912, 0.53277, 0.053318],
    ]
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=2e-6)


def test_saving_and_loading_changes_nothing(tmp_path: Path) -> None:
    model = load_model(V1)
    save_model(model, tmp_path / "m.featx")
    again = load_model(tmp_path / "m.featx")
    assert (tmp_path / "m.featx").read_bytes() == V1.read_bytes()
    assert model_digest(again) == model_digest(model)


def test_a_model_of_joined_features_keeps_all_specs(tmp_path: Path) -> None:
    old = load_model(V1)
    assert isinstance(old.spec, FeatureSpec)
    spec = JoinedSpec((old.spec, replace(old.spec, layer="block3b_add", pool="grid:2")))
    save_model(replace(old, spec=spec), tmp_path / "m.featx")
    again = load_model(tmp_path / "m.featx")
    assert again.spec == spec and again.spec.parts == spec.parts
    document = json.loads(zipfile.ZipFile(tmp_path / "m.featx").read("model.json"))
    assert document["featx_model"] == 4 and len(document["spec"]["joined"]) == 2
    with pytest.raises(FeatureMismatchError, match=r"features 'efficientnet_lite0, .*; eff"):
        again.check_spec(old.spec)
    with pytest.raises(FeatureMismatchError, match=r"layer .*'block3b_add'.* ≠ .*'top'"):
        again.check_spec(JoinedSpec((old.spec, replace(spec.parts[1], layer="top"))))
    with pytest.raises(ConfigError, match="takes the features of one set"):
        _ = again.spec.single


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.featx"
    save_model(load_model(V1), path)
    old = path.read_bytes()

    def refuse(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic, "_sync", refuse)
    with pytest.raises(CacheWriteError, match="No space"):
        save_model(load_model(V1), path)
    assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"a photo", b"", b"PK\x03\x04 another zip"])
def test_a_file_that_is_no_model_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="not a model that featx wrote"):
        save_model(load_model(V1), path)
    assert path.read_bytes() == content
    save_model(load_model(V1), path, overwrite=True)
    assert path.read_bytes() == V1.read_bytes()


def test_a_damaged_model_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "m.featx"
    path.write_bytes(V1.read_bytes()[:500])
    save_model(load_model(V1), path)
    assert path.read_bytes() == V1.read_bytes()


def test_a_model_for_other_classes_is_not_replaced(tmp_path: Path) -> None:
    path, old = tmp_path / "m.featx", load_model(V1)
    save_model(replace(old, class_names=("cat", "dog", "elk")), path)
    save_model(old, path)
    for name in ("ridge", "knn"):
        model, _ = fitted(name)
        with pytest.raises(ConfigError, match=r"other classes \(ape, bee, cat; now: a, b, c, …\)"):
            save_model(model, path)
    assert path.read_bytes() == V1.read_bytes()
    save_model(fitted("ridge")[0], path, overwrite=True)
    assert load_model(path).head_name == "ridge"


def test_a_link_to_a_model_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "m.featx").symlink_to("models/3.featx")
    save_model(load_model(V1), tmp_path / "m.featx")
    assert (tmp_path / "m.featx").is_symlink() and load_model(tmp_path / "models" / "3.featx")


def test_model_info_shows_everything() -> None:
    runner = CliRunner()
    data = json.loads(runner.invoke(app, ["model", "info", str(V1), "--json"]).stdout)
    assert data["features"]["fingerprint"] == load_model(V1).spec.fingerprint
    assert data["class_names"] == ["ape", "bee", "cat"]
    assert data["head"]["params"]["C"] == 0.5 and data["head"]["arrays"]["coef"] == "float64 (3, 6)"
    shown = runner.invoke(app, ["model", "info", str(V1)]).stdout
    for part in (
        *("efficientnet_lite0", "ape, bee, cat", "logreg", "0.9000", "cdcdcd", "efefef"),
        *("featx fit --head logreg", "featx 0.1.0", data["features"]["fingerprint"]),
    ):
        assert part in shown


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
    small = {"dense": {"epochs": 3}, "projection": {"width": 16}}
    head = make_head(name, **small.get(name, {})).fit(X, y)
    return Model(SPEC, ("a", "b", "c", "d"), name, head), X


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


class Contents:
    """A model file taken apart, to be put together wrongly."""

    def __init__(self) -> None:
        with zipfile.ZipFile(V1) as archive:
            self.members = {name: archive.read(name) for name in archive.namelist()}
        self.document: dict[str, Any] = json.loads(self.members.pop("model.json"))
        self.compression = zipfile.ZIP_STORED
        self.text: str | None = None
        self.twice = False

    def array(self, name: str, data: bytes) -> None:
        self.members[f"arrays/{name}.npy"] = data
        self.document["arrays"][name] = sha256(data).hexdigest()

    def write(self, path: Path) -> None:
        text = self.text if self.text is not None else json.dumps(self.document)
        with zipfile.ZipFile(path, "w", self.compression) as archive:
            archive.writestr("model.json", text)
            for name, data in self.members.items():
                archive.writestr(name, data)
            if self.twice:
                archive.writestr("model.json", text)


class Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("it-ran",)


def npy(array: Any, allow_pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), allow_pickle=allow_pickle)
    return file.getvalue()


def header(text: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text.encode() + data


def set_member(name: str, data: bytes) -> Callable[[Contents], None]:
    return lambda contents: contents.members.update({name: data})


def set_array(name: str, data: bytes) -> Callable[[Contents], None]:
    return lambda contents: contents.array(name, data)


def set_key(*path: Any) -> Callable[[Contents], None]:
    def change(contents: Contents) -> None:
        *keys, last, value = path
        place: Any = contents.document
        for key in keys:
            place = place[key]
        place[last] = value

    return change


def set_attribute(name: str, value: Any) -> Callable[[Contents], None]:
    return lambda contents: setattr(contents, name, value)


BIG = "{'descr': '<f8', 'fortran_order': False, 'shape': (%s,), }\n"
OBJECTS = np.array([Evil()], dtype=object)
HOSTILE: dict[str, tuple[Callable[[Contents], None], str]] = {
    "a pickle as a member": (set_member("head.pkl", pickle.dumps(Evil())), "head.pkl"),
    "a pickle as an array": (set_array("coef", pickle.dumps(Evil())), "header"),
    "an array of objects": (set_array("coef", npy(OBJECTS, allow_pickle=True)), "header"),
    "a record array": (set_array("coef", npy(np.zeros(3, "f4,i4"))), "header"),
    "an array of text": (set_array("coef", npy(["a", "b"])), "header"),
    "a Keras file with a Lambda layer": (set_member("head.keras", b"PK lambda"), "head.keras"),
    "a skops file": (set_member("head.skops", b"PK"), "head.skops"),
    "a path upwards": (set_member("../../outside", b"x"), "outside"),
    "an absolute path": (set_member("/tmp/outside", b"x"), "outside"),
    "a path upwards as an array's name": (set_key("arrays", "../x", "0"), "cannot be the name"),
    "a compressed member": (set_attribute("compression", zipfile.ZIP_DEFLATED), "compressed"),
    "a bomb": (
        lambda c: (
            c.array("coef", bytes(1 << 20)),
            setattr(c, "compression", zipfile.ZIP_DEFLATED),
        ),
        "compressed",
    ),
    "a member twice": (set_attribute("twice", True), "twice"),
    "an array that is not listed": (set_member("arrays/x.npy", npy([1.0])), "arrays/x.npy"),
    "an array with other bytes": (set_key("arrays", "coef", "0" * 64), "bytes that were written"),
    "a shape that asks for terabytes": (
        set_array("coef", header(BIG % 10**12, bytes(8))),
        "size of its shape",
    ),
    "a negative shape": (set_array("coef", header(BIG % -1)), "header"),
    "a shape of huge numbers": (set_array("coef", header(BIG % ("9" * 5000))), "header"),
    "a huge header": (set_array("coef", header("[" * 60_000)), "header"),
    "a header of nested brackets": (set_array("coef", header("(" * 9_000)), "header"),
    "a header of calls": (set_array("coef", header("__import__('os').mkdir('it-ran')")), "header"),
    "a format of the future": (set_array("coef", header("{}", version=b"\x09\x00")), "format 1"),
    "an array of the wrong shape": (set_array("coef", npy(np.zeros((2, 6)))), "shape"),
    "an array of NaN": (set_array("coef", npy(np.full((3, 6), np.nan))), "NaN or infinity"),
    "an infinite intercept": (set_array("intercept", npy([0, 0, np.inf])), "NaN or infinity"),
    "a scale of zero": (set_array("scale", npy(np.zeros(6))), "above zero"),
    "a missing array": (lambda c: c.members.pop("arrays/coef.npy"), "coef"),
    "classes out of range": (set_array("classes", npy(np.arange(3) + 7)), "outside"),
    "a million class names": (
        set_key("class_names", [str(i) for i in range(1_000_000)]),
        "2 to 100000 class names",
    ),
    "one class name": (set_key("class_names", ["a"]), "2 to 100000 class names"),
    "class names twice": (set_key("class_names", ["a", "a", "b"]), "unique"),
    "class names as one text": (set_key("class_names", "abc"), "class names"),
    "class names of numbers": (set_key("class_names", [1, 2, 3]), "unique strings"),
    "an unknown head": (set_key("head", "name", "os.system"), "does not know"),
    "a head that is no text": (set_key("head", "name", ["logreg"]), "does not know"),
    "an unknown parameter": (set_key("head", "params", "func", "os.system"), "parameters"),
    "a wrong parameter": (set_key("head", "params", "standardize", "yes"), "standardize"),
    "parameters that are no mapping": (set_key("head", "params", [1]), "not a whole|parameters"),
    "a changed spec": (set_key("spec", "resize", "crop"), "fingerprint"),
    "an unknown resize": (set_key("spec", "resize", "x"), "resize"),
    "a backbone that is no text": (set_key("spec", "backbone", 7), "fingerprint|misshapen"),
    "a spec that is no mapping": (set_key("spec", 3), "spec"),
    "a newer model": (set_key("featx_model", 99), "upgrade featx"),
    "a version that is no number": (set_key("featx_model", "1"), "newer featx"),
    "scores that are no list": (set_key("scores", {"a": 1}), "misshapen"),
    "an origin that is no mapping": (set_key("origin", "me"), "misshapen"),
    "no head": (lambda c: c.document.pop("head"), "KeyError"),
    "deep JSON": (set_attribute("text", "[" * 100_000), "Recursion"),
    "JSON that is a list": (set_attribute("text", "[]"), "not a JSON object"),
    "JSON with NaN": (set_attribute("text", '{"featx_model": NaN}'), "NaN"),
    "a number of a million digits": (set_attribute("text", "9" * 1_000_000), "digits|Exceeds"),
    "JSON of 17 MB": (set_attribute("text", " " * (17 << 20)), "larger than"),
    "no JSON": (set_attribute("text", "import os"), "not a whole featx model"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_is_refused_and_runs_nothing(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    change, message = HOSTILE[what]
    contents = Contents()
    change(contents)
    path = tmp_path / "m.featx"
    with pytest.warns(UserWarning, match="Duplicate") if contents.twice else no_warning():
        contents.write(path)
    with pytest.raises(ModelFileError, match=message) as caught:
        load_model(path)
    assert "m.featx" in str(caught.value) and len(str(caught.value)) < 600
    assert list(tmp_path.iterdir()) == [path]


class no_warning:
    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


@pytest.mark.parametrize("step", [1, 7, 300])
def test_a_truncated_file_is_refused_wherever_it_ends(step: int, tmp_path: Path) -> None:
    data, path = V1.read_bytes(), tmp_path / "m.featx"
    for length in range(0, len(data), step * 10):
        path.write_bytes(data[:length])
        with pytest.raises(ModelFileError, match="not a whole featx model"):
            load_model(path)


def test_a_flipped_byte_is_refused_or_harmless(tmp_path: Path) -> None:
    data, path = V1.read_bytes(), tmp_path / "m.featx"
    whole = model_digest(load_model(V1))
    for place in range(0, len(data), 13):
        changed = bytearray(data)
        changed[place] ^= 0x55
        path.write_bytes(changed)
        try:
            loaded = load_model(path)
        except ModelFileError:
            continue
        assert model_digest(loaded) == whole, place


def test_members_that_lie_upon_one_another_are_refused(tmp_path: Path) -> None:
    contents, path = Contents(), tmp_path / "m.featx"
    contents.array("coef", bytes(100_000))
    contents.write(path)
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("arrays/coef.npy")
        archive.start_dir -= info.file_size
    start = info.header_offset + 30 + len(info.filename)
    hollow = data[:start] + data[start + info.file_size :]
    path.write_bytes(hollow)
    with pytest.raises(ModelFileError):
        load_model(path)


def test_no_model_at_all(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="featx fit"):
        load_model(tmp_path / "absent.featx")
    with pytest.raises(ModelFileError, match="Is a directory"):
        load_model(tmp_path)
