"""The .featx file: a zip of one JSON document and plain arrays. Nothing in it can run.

Layout: ``model.json`` first, then ``arrays/<name>.npy``; every member is stored uncompressed, so
that no file is larger in memory than on disk, and every array is listed in the JSON with its dtype,
shape and SHA-256. Arrays are read with NumPy's own format reader, pickles refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cache import FeatureSpec
from ..cache.atomic import atomic_path
from ..cache.errors import CacheFormatError, ModelFileError, UnknownHeadError
from .model import Model

MODEL_FORMAT = 1
MANIFEST = "model.json"
MAX_JSON_BYTES = 16 << 20
MAX_CLASSES = 100_000
ARRAY_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
DTYPES = frozenset({"float16", "float32", "float64", "int32", "int64", "uint8", "bool"})
EPOCH = (1980, 1, 1, 0, 0, 0)


def save_model(model: Model, path: Path) -> None:
    """Write ``model`` to ``path``, whole or not at all.

    Raises
    ------
    CacheWriteError
        The file system refused; a file that was there before is untouched.
    """
    arrays = {name: _npy(array) for name, array in model.head.get_arrays().items()}
    document = {
        "featx_model": MODEL_FORMAT,
        "spec": json.loads(model.spec.to_json()),
        "fingerprint": model.spec.fingerprint,
        "class_names": list(model.class_names),
        "head": {"name": model.head_name, "params": model.head.get_json_params()},
        "arrays": {name: hashlib.sha256(data).hexdigest() for name, data in arrays.items()},
        "scores": list(model.scores),
        "data_digest": model.data_digest,
        "origin": dict(model.origin),
    }
    with atomic_path(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        text = json.dumps(document, indent=1)
        archive.writestr(zipfile.ZipInfo(MANIFEST, EPOCH), text)
        for name, data in arrays.items():
            archive.writestr(zipfile.ZipInfo(_member(name), EPOCH), data)


def model_digest(model: Model) -> str:
    """Return the SHA-256 of all that decides a prediction: spec, class names, head."""
    state = hashlib.sha256()
    params = model.head.get_json_params()
    parts = [model.spec.fingerprint, model.class_names, model.head_name, params]
    state.update(json.dumps(parts, sort_keys=True).encode("ascii"))
    for name, array in sorted(model.head.get_arrays().items()):
        state.update(name.encode("ascii"))
        state.update(_npy(array))
    return state.hexdigest()


def load_model(path: Path | str) -> Model:
    """Read a model; no code from the file runs.

    Raises
    ------
    ModelFileError
        The file is absent, damaged, hostile, or of a newer format.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            document = _read_document(archive)
            arrays = _read_arrays(archive, document)
        return _assemble(document, arrays)
    except FileNotFoundError as error:
        raise ModelFileError(f"no model at {path}: make one with `featx fit`") from error
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except (
        OSError,
        zipfile.BadZipFile,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        NotImplementedError,
        RecursionError,
    ) as error:
        raise ModelFileError(
            f"{path} is not a whole featx model ({type(error).__name__}: {error}). Copy it again, "
            "or make a new one with `featx fit`"
        ) from error


def _read_document(archive: zipfile.ZipFile) -> dict[str, Any]:
    info = archive.getinfo(MANIFEST)
    if info.file_size > MAX_JSON_BYTES:
        raise ModelFileError(f"{MANIFEST} is larger than {MAX_JSON_BYTES} bytes")
    document = json.loads(_read_member(archive, info))
    version = document["featx_model"]
    if not isinstance(version, int) or version > MODEL_FORMAT:
        raise ModelFileError(
            f"written by a newer featx (model format {version}, this version reads up to "
            f"{MODEL_FORMAT}): upgrade featx"
        )
    if len(document["class_names"]) > MAX_CLASSES:
        raise ModelFileError(f"more than {MAX_CLASSES} class names")
    return dict(document)


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise ModelFileError(f"{info.filename} is compressed, which featx never does")
    if info.flag_bits & 0x1:
        raise ModelFileError(f"{info.filename} is encrypted, which featx never does")
    return archive.read(info)


def _read_arrays(archive: zipfile.ZipFile, document: dict[str, Any]) -> dict[str, NDArray[Any]]:
    expected: dict[str, str] = document["arrays"]
    members = {info.filename for info in archive.infolist()}
    if members != {MANIFEST, *map(_member, expected)} or len(archive.infolist()) != len(members):
        raise ModelFileError("its members are not those that model.json lists")
    arrays = {}
    for name, digest in expected.items():
        data = _read_member(archive, archive.getinfo(_member(name)))
        if hashlib.sha256(data).hexdigest() != digest:
            raise ModelFileError(f"the array {name!r} does not have the bytes that were written")
        arrays[name] = _array(name, data)
    return arrays


def _array(name: str, data: bytes) -> NDArray[Any]:
    array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    if array.dtype.name not in DTYPES:
        raise ModelFileError(f"the array {name!r} has the dtype {array.dtype}")
    return array


def _assemble(document: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Model:
    from .heads.table import load_head

    try:
        spec = FeatureSpec.from_json(json.dumps(document["spec"]))
        head = load_head(document["head"]["name"], document["head"]["params"], arrays)
    except (CacheFormatError, UnknownHeadError) as error:
        raise ModelFileError(str(error)) from error
    if spec.fingerprint != document["fingerprint"]:
        raise ModelFileError("the feature spec does not hash to its fingerprint")
    class_names = tuple(document["class_names"])
    classes = head.classes_
    if not all(isinstance(name, str) for name in class_names) or len(set(class_names)) != len(
        class_names
    ):
        raise ModelFileError("class names are not unique strings")
    if classes.dtype.kind not in "iu" or classes.min() < 0 or classes.max() >= len(class_names):
        raise ModelFileError("the head's classes point outside the class names")
    return Model(
        spec,
        class_names,
        document["head"]["name"],
        head,
        tuple(document["scores"]),
        str(document["data_digest"]),
        dict(document["origin"]),
    )


def _member(name: str) -> str:
    if not ARRAY_NAME.fullmatch(name):
        raise ModelFileError(f"{name!r} cannot be the name of an array")
    return f"arrays/{name}.npy"


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
    return buffer.getvalue()
