"""The .featx file: a zip of one JSON document and plain arrays. Nothing in it can run.

Layout: ``model.json`` first, then ``arrays/<name>.npy``; every member is stored uncompressed, so
that no file is larger in memory than on disk, and every array is listed in the JSON with its
SHA-256. Arrays are in NumPy's format, read here as plain numbers of a few types.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureSpec
from ...cache.errors import CacheFormatError, ModelFileError, UnknownHeadError
from ...cache.format.atomic import atomic_path
from .model import Model

MODEL_FORMAT = 1
MANIFEST = "model.json"
MAX_JSON_BYTES = 16 << 20
MAX_CLASSES = 100_000
MAX_MEMBERS = 10_000
MAX_SIDE = 1 << 14
ARRAY_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
MAGIC = b"\x93NUMPY\x01\x00"
# As numpy.lib.format writes it. NumPy's own reader would evaluate the header as a Python literal.
HEADER = re.compile(
    rb"\{'descr': '([<|][fiub]\d)', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,18}(?:, |,|(?=\))))*)\), \} *\n"
)
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
        "split": dict(model.split),
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
            _check_members(archive, path.stat().st_size)
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
        MemoryError,
        OverflowError,
        EOFError,
    ) as error:
        raise ModelFileError(
            f"{path} is not a whole featx model ({type(error).__name__}: {str(error)[:200]}). Copy "
            "it again, or make a new one with `featx fit`"
        ) from error


def _check_members(archive: zipfile.ZipFile, n_bytes: int) -> None:
    """Refuse members that could unpack to more than the file, or that hide one another."""
    members = archive.infolist()
    if len(members) > MAX_MEMBERS or len({info.filename for info in members}) != len(members):
        raise ModelFileError("it has too many members, or one of them twice")
    for info in members:
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise ModelFileError(f"{info.filename[:80]!r} is compressed, which featx never does")
        if info.flag_bits & 0x1:
            raise ModelFileError(f"{info.filename[:80]!r} is encrypted, which featx never does")
    if sum(info.file_size for info in members) > n_bytes:
        raise ModelFileError("its members overlap: together they are larger than the file")


def _read_document(archive: zipfile.ZipFile) -> dict[str, Any]:
    info = archive.getinfo(MANIFEST)
    if info.file_size > MAX_JSON_BYTES:
        raise ModelFileError(f"{MANIFEST} is larger than {MAX_JSON_BYTES} bytes")
    document = json.loads(archive.read(info), parse_constant=_no_constant)
    if not isinstance(document, dict):
        raise ModelFileError(f"{MANIFEST} is not a JSON object")
    version = document["featx_model"]
    if not isinstance(version, int) or version > MODEL_FORMAT:
        raise ModelFileError(
            f"written by a newer featx (model format {str(version)[:20]}, this version reads up "
            f"to {MODEL_FORMAT}): upgrade featx"
        )
    return document


def _no_constant(name: str) -> float:
    raise ModelFileError(f"{MANIFEST} holds {name}, which is no JSON number")


def _read_arrays(archive: zipfile.ZipFile, document: dict[str, Any]) -> dict[str, NDArray[Any]]:
    expected: dict[str, str] = document["arrays"]
    members = set(archive.namelist())
    unlisted = members ^ {MANIFEST, *map(_member, expected)}
    if unlisted:
        names = sorted(name[:80] for name in unlisted)[:3]
        raise ModelFileError(f"its members are not those that {MANIFEST} lists: {names}")
    arrays = {}
    for name, digest in expected.items():
        data = archive.read(_member(name))
        if hashlib.sha256(data).hexdigest() != digest:
            raise ModelFileError(f"the array {name!r} does not have the bytes that were written")
        arrays[name] = _array(name, data)
    return arrays


def _array(name: str, data: bytes) -> NDArray[Any]:
    """Read one array; nothing is allocated before its size is known to be that of the data."""
    size, start = int.from_bytes(data[8:10], "little"), 10
    header = HEADER.fullmatch(data[start : start + size])
    if data[:8] != MAGIC or header is None:
        raise ModelFileError(f"the array {name!r} does not begin with a header of NumPy's format 1")
    descr, is_fortran, numbers = (group.decode("ascii") for group in header.groups())
    shape = tuple(int(n) for n in numbers.replace(",", " ").split())
    dtype = np.dtype(descr)
    start += size
    if dtype.name not in DTYPES:
        raise ModelFileError(f"the array {name!r} has the dtype {dtype}")
    if math.prod(shape) * dtype.itemsize != len(data) - start:
        raise ModelFileError(f"the array {name!r} does not have the size of its shape {shape}")
    flat = np.frombuffer(data, dtype, offset=start)
    return flat.reshape(shape, order="F" if is_fortran == "True" else "C")


def _assemble(document: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Model:
    from ..heads.registry import load_head

    class_names = _class_names(document["class_names"])
    spec = _spec(document)
    try:
        head = load_head(document["head"]["name"], document["head"]["params"], arrays)
    except UnknownHeadError as error:
        raise ModelFileError(str(error)) from error
    classes = head.classes_
    if classes.dtype.kind not in "iu" or classes.min() < 0 or classes.max() >= len(class_names):
        raise ModelFileError("the head's classes point outside the class names")
    scores, split, origin = document["scores"], document.get("split", {}), document["origin"]
    texts = isinstance(scores, list) and all(isinstance(score, dict) for score in scores)
    if not texts or not isinstance(split, dict) or not isinstance(origin, dict):
        raise ModelFileError("its scores, split or origin are misshapen")
    return Model(
        spec=spec,
        class_names=class_names,
        head_name=document["head"]["name"],
        head=head,
        scores=tuple(scores),
        data_digest=str(document["data_digest"]),
        split=split,
        origin=origin,
    )


def _class_names(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not 2 <= len(names) <= MAX_CLASSES:
        raise ModelFileError(f"expected a list of 2 to {MAX_CLASSES} class names")
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise ModelFileError("class names are not unique strings")
    return tuple(names)


def _spec(document: Mapping[str, Any]) -> FeatureSpec:
    try:
        spec = FeatureSpec.from_json(json.dumps(document["spec"]))
    except CacheFormatError as error:
        raise ModelFileError(str(error)) from error
    if spec.fingerprint != document["fingerprint"]:
        raise ModelFileError("the feature spec does not hash to its fingerprint")
    texts = (spec.backbone, spec.weights_digest, spec.layer, spec.preprocess, spec.background)
    if not all(isinstance(text, str) for text in texts) or max(spec.image_size) > MAX_SIDE:
        raise ModelFileError("a field of the feature spec is misshapen")
    return spec


def _member(name: str) -> str:
    if not ARRAY_NAME.fullmatch(name):
        raise ModelFileError(f"{name!r} cannot be the name of an array")
    return f"arrays/{name}.npy"


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
    return buffer.getvalue()
