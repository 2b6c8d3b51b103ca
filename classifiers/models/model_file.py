"""The .featx file: a zip of one JSON document and plain arrays. Nothing in it can run.

Layout: ``model.json`` first, then ``arrays/<name>.npy`` of the head, then ``more/<name>.npy``, of a
fine-tuned backbone ``tail/<number>.npy``, and ``network/<name>``, the files of a converted network
where `featx model pack` put one there. Every member is stored uncompressed, so that no file is
larger in memory than on disk, and is listed in the JSON with its SHA-256. Arrays are in NumPy's
format, read here as plain numbers of a few types.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ...cache import AnySpec, JoinedSpec, spec_from_json
from ...cache.errors import CacheFormatError, ConfigError, ModelFileError, UnknownHeadError
from ...cache.format.atomic import atomic_path
from ...cache.output_path import output_file
from ...cache.places.file_system import meant_url
from ...extractor.engines.packed import FILES
from ...extractor.engines.packed import FOLDER as NETWORK
from .array_bytes import array_from_bytes, array_to_bytes
from .model import Model
from .network_entry import REFERENCE, network_document, read_network
from .novelty import Novelty
from .split_rows import SplitRows
from .tuned_layers import about_tail, read_tail, tail_arrays

FIRST_FORMAT, SECOND_FORMAT, THIRD_FORMAT, MODEL_FORMAT = 1, 2, 3, 4
MANIFEST = "model.json"
HEAD_ARRAYS, MORE_ARRAYS, TAIL_ARRAYS = "arrays", "more", "tail"
MAX_JSON_BYTES = 16 << 20
MAX_CLASSES = 100_000
MAX_MEMBERS = 10_000
MAX_SIDE = 1 << 14
ARRAY_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
# A file begins with its first member's header: model.json, uncompressed, and its first key.
SIGNATURE = re.compile(rb"PK\x03\x04.{26}model\.json\s*\{\s*\"featx_model\"", re.DOTALL)
EPOCH = (1980, 1, 1, 0, 0, 0)


def save_model(model: Model, path: Path | str = "model.featx", *, overwrite: bool = False) -> None:
    """Write ``model`` to ``path``, whole or not at all.

    Parameters
    ----------
    model : Model
    path : path
    overwrite : bool
        Replace whatever file is there; otherwise see ``model_output``.

    Raises
    ------
    ConfigError
        Something that featx did not write, or a model for another purpose, is there.
    CacheWriteError
        The file system refused; a file that was there before is untouched.
    """
    target = model_output(Path(path), model.class_names, overwrite=overwrite)
    folders = {HEAD_ARRAYS: model.head.get_arrays()}
    if more := _more_arrays(model):
        folders[MORE_ARRAYS] = more
    if model.tail is not None:
        folders[TAIL_ARRAYS] = tail_arrays(model.tail)
    members = {
        folder: {name: array_to_bytes(array) for name, array in arrays.items()}
        for folder, arrays in folders.items()
    }
    document = {
        "featx_model": _format_of(model),
        "spec": json.loads(model.spec.to_json()),
        "fingerprint": model.spec.fingerprint,
        "class_names": list(model.class_names),
        "head": {"name": model.head_name, "params": model.head.get_json_params()},
        **{
            folder: {name: hashlib.sha256(data).hexdigest() for name, data in arrays.items()}
            for folder, arrays in members.items()
        },
        "scores": list(model.scores),
        "data_digest": model.data_digest,
        "split": dict(model.split),
        "origin": dict(model.origin),
        **({"decision": dict(model.decision)} if model.decision else {}),
        **({"tuned": about_tail(model.tail)} if model.tail is not None else {}),
        **({NETWORK: network_document(model.network)} if model.network else {}),
    }
    with atomic_path(target) as partial, zipfile.ZipFile(partial, "w") as archive:
        text = json.dumps(document, indent=1)
        archive.writestr(zipfile.ZipInfo(MANIFEST, EPOCH), text)
        for folder, arrays in members.items():
            for name, data in arrays.items():
                archive.writestr(zipfile.ZipInfo(_member(folder, name), EPOCH), data)
        if model.network is not None:
            for name in model.network.digests:
                data = model.network.read(name)
                archive.writestr(zipfile.ZipInfo(f"{NETWORK}/{name}", EPOCH), data)


def _more_arrays(model: Model) -> dict[str, NDArray[Any]]:
    rows = model.rows.to_arrays() if model.rows is not None else {}
    rows |= model.novelty.to_arrays() if model.novelty is not None else {}
    return {**rows, **({REFERENCE: model.network.reference} if model.network else {})}


def _format_of(model: Model) -> int:
    """Return the oldest format that says all of a model, so that older featx read what they can."""
    if isinstance(model.spec, JoinedSpec):
        return MODEL_FORMAT
    if model.tail is not None or model.network is not None:
        return THIRD_FORMAT
    return SECOND_FORMAT if model.rows is not None or model.decision else FIRST_FORMAT


def model_output(path: Path, class_names: Sequence[str], *, overwrite: bool = False) -> Path:
    """Check before training that a model may be written, and return its path, links followed.

    An existing model is replaced by one that shares a class with it: the classes of both are
    disjoint only where the two serve different purposes.

    Raises
    ------
    ConfigError
        Something that featx did not write, or a model for another purpose, is there.
    """
    target = output_file(path, "a model", is_model_file, overwrite=overwrite)
    old_names = () if overwrite or not target.exists() else _class_names_of(target)
    if old_names and not set(old_names) & set(class_names):
        raise ConfigError(
            f"{path} is a model for other classes ({_few(old_names)}; now: {_few(class_names)}), "
            "so it is not replaced. Name another file, or add --overwrite"
        )
    return target


def is_model_file(path: Path) -> bool:
    """Return whether the content of ``path`` begins as that of every model file."""
    with path.open("rb") as file:
        return SIGNATURE.match(file.read(256)) is not None


def _class_names_of(path: Path) -> tuple[str, ...]:
    """Return the classes of a model file; none where it cannot be read."""
    try:
        return load_model(path).class_names
    except ModelFileError:
        return ()


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(name[:30] for name in names[:3])
    return f"{shown}, …" if len(names) > 3 else shown


def model_digest(model: Model) -> str:
    """Return the SHA-256 of all that decides a prediction: spec, class names, head."""
    state = hashlib.sha256()
    params = model.head.get_json_params()
    parts = [model.spec.fingerprint, model.class_names, model.head_name, params]
    if model.decision:
        parts.append(model.decision["factors"])
    state.update(json.dumps(parts, sort_keys=True).encode("ascii"))
    for name, array in sorted(model.head.get_arrays().items()):
        state.update(name.encode("ascii"))
        state.update(array_to_bytes(array))
    return state.hexdigest()


def load_model(path: Path | str, trusted: Sequence[str] = ()) -> Model:
    """Read a model; no code from the file runs.

    Parameters
    ----------
    path : path
    trusted : sequence of str
        Types, as ``package.module.Type``, that an own estimator in the file may hold beside those
        of NumPy, SciPy and scikit-learn. Trust only whom you would let run code here.

    Returns
    -------
    Model

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
        return _assemble(path, document, arrays, trusted)
    except FileNotFoundError as error:
        if url := meant_url(path):
            raise ModelFileError(f"{url} is a URL: copy the model to this machine") from error
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


def _read_arrays(
    archive: zipfile.ZipFile, document: dict[str, Any]
) -> dict[str, dict[str, NDArray[Any]]]:
    """Return the arrays of each folder."""
    expected = {HEAD_ARRAYS: document["arrays"]}
    expected |= {folder: document.get(folder, {}) for folder in (MORE_ARRAYS, TAIL_ARRAYS)}
    listed = {_member(folder, name) for folder, arrays in expected.items() for name in arrays}
    network = {f"{NETWORK}/{name}" for name in FILES if NETWORK in document}
    unlisted = set(archive.namelist()) ^ {MANIFEST, *listed, *network}
    if unlisted:
        names = sorted(name[:80] for name in unlisted)[:3]
        raise ModelFileError(f"its members are not those that {MANIFEST} lists: {names}")
    return {
        folder: {
            name: _read_array(archive, folder, name, digest) for name, digest in arrays.items()
        }
        for folder, arrays in expected.items()
    }


def _read_array(archive: zipfile.ZipFile, folder: str, name: str, digest: str) -> NDArray[Any]:
    data = archive.read(_member(folder, name))
    if hashlib.sha256(data).hexdigest() != digest:
        raise ModelFileError(f"the array {name!r} does not have the bytes that were written")
    return array_from_bytes(name, data)


def _assemble(
    path: Path,
    document: dict[str, Any],
    arrays: dict[str, dict[str, NDArray[Any]]],
    trusted: Sequence[str],
) -> Model:
    from ..heads.registry import load_head

    more = arrays[MORE_ARRAYS]
    class_names = _class_names(document["class_names"])
    spec = _spec(document)
    try:
        about = document["head"]
        head = load_head(about["name"], about["params"], arrays[HEAD_ARRAYS], trusted)
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
        rows=SplitRows.from_arrays(arrays[MORE_ARRAYS]),
        novelty=_novelty(arrays[MORE_ARRAYS], head),
        origin=origin,
        decision=_decision(document.get("decision", {}), len(class_names)),
        tail=read_tail(document.get("tuned"), arrays[TAIL_ARRAYS], spec),
        network=read_network(path, document.get(NETWORK), spec, more.get(REFERENCE)),
    )


def _novelty(arrays: Mapping[str, NDArray[Any]], head: Any) -> Novelty | None:
    novelty = Novelty.from_arrays(arrays)
    if novelty is not None and len(novelty.centre) != head.n_features_in_:
        raise ModelFileError("its training rows are not as wide as the head's features")
    return novelty


def _decision(decision: Any, n_classes: int) -> dict[str, Any]:
    if not isinstance(decision, dict):
        raise ModelFileError("its decision is misshapen")
    factors = decision.get("factors", [])
    numbers = isinstance(factors, list) and all(isinstance(x, int | float) for x in factors)
    if decision and not (numbers and len(factors) == n_classes and min(factors) > 0):
        raise ModelFileError("its decision has no factor above 0 for each class")
    return decision


def _class_names(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not 2 <= len(names) <= MAX_CLASSES:
        raise ModelFileError(f"expected a list of 2 to {MAX_CLASSES} class names")
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise ModelFileError("class names are not unique strings")
    return tuple(names)


def _spec(document: Mapping[str, Any]) -> AnySpec:
    try:
        spec = spec_from_json(json.dumps(document["spec"]))
    except CacheFormatError as error:
        raise ModelFileError(str(error)) from error
    if spec.fingerprint != document["fingerprint"]:
        raise ModelFileError("the feature spec does not hash to its fingerprint")
    for part in spec.parts:
        texts = (part.backbone, part.weights_digest, part.layer, part.preprocess, part.background)
        if not all(isinstance(text, str) for text in texts) or max(part.image_size) > MAX_SIDE:
            raise ModelFileError("a field of the feature spec is misshapen")
    return spec


def _member(folder: str, name: str) -> str:
    if not ARRAY_NAME.fullmatch(name):
        raise ModelFileError(f"{name!r} cannot be the name of an array")
    return f"{folder}/{name}.npy"
