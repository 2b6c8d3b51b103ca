"""The weights of a backbone: where they come from, and their digest.

Nothing here loads Keras unless a file must be downloaded, so that a run in which every feature is
cached knows its fingerprint at once.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

from ...cache.errors import ConfigError, WeightsMismatchError, WeightsNotFoundError
from ...cache.layout import LAYERS_SUFFIX
from .graphs.remembered import remember
from .record import BackboneRecord, WeightsFile
from .registry import DEFAULT_BACKBONE
from .tuned import TailWeights

RANDOM = "random"
IMAGENET = "imagenet"
RANDOM_SCHEME = "he-normal-1"


@dataclass(frozen=True)
class Weights:
    """Weights on this machine.

    Attributes
    ----------
    path : Path or None
        The file; None for random weights.
    seed : int or None
        Of random weights.
    digest : str
        SHA-256, hexadecimal, of the file's bytes; of random weights, of their recipe.
    include_top : bool
        Whether the model must be built with its top.
    tail : Path or None
        Of a fine-tuned backbone, the file with the weights of its last layers, which take the place
        of those in ``path``; ``digest`` is that of both.
    """

    path: Path | None
    seed: int | None
    digest: str
    include_top: bool
    tail: Path | None = None

    @property
    def is_absent(self) -> bool:
        """Whether nothing is known of them but the digest; so for a backbone without weights."""
        return self.path is None and self.seed is None

    def with_tail(self, tail: TailWeights) -> Weights:
        """Return these weights with fine-tuned layers in place of their last ones.

        Raises
        ------
        CacheWriteError
            See ``TailWeights.kept``.
        """
        return replace(self, digest=tail.digest, tail=tail.kept())


def find_weights(record: BackboneRecord, choice: str, include_top: bool) -> Weights:
    """Find the weights that ``choice`` means.

    Parameters
    ----------
    record : BackboneRecord
    choice : str
        ``imagenet``, ``random:SEED``, or the path of a weights file, or of one with fine-tuned
        layers (``TailWeights.kept``), which take the place of those of ``imagenet``.
    include_top : bool
        Whether a layer of the top is wanted.

    Raises
    ------
    WeightsNotFoundError
        The file is not there and cannot be downloaded.
    WeightsMismatchError
        A downloaded file is not the one that was published, or the layers were fine-tuned from
        other weights.
    ConfigError
        ``choice`` has none of the three forms, or ``record`` is a model that brings its own.
    """
    if choice.endswith(LAYERS_SUFFIX):
        return _tuned(record, Path(choice), include_top)
    if record.path is not None:
        return _of_model_file(record, record.path, choice)
    if not record.has_weights:
        return _nothing(record, choice)
    if choice == RANDOM or choice.startswith(f"{RANDOM}:"):
        return _random(record, choice, include_top)
    if choice == IMAGENET:
        path = record.embedded or _published(record, include_top)
    else:
        path = Path(choice)
        if not path.is_file():
            raise WeightsNotFoundError(
                f"no weights file at {choice}. --weights takes `imagenet`, `random:SEED` or the "
                "path of a Keras weights file (.weights.h5 or .h5)"
            )
    return Weights(path, None, file_digest(path), include_top)


def weights_present(record: BackboneRecord) -> bool:
    """Tell whether the ImageNet weights of a backbone are on this machine."""
    if not record.has_weights:
        return True
    if record.embedded:
        return record.embedded.is_file()
    files = (record.weights, record.weights_with_top)
    return any(file is not None and keras_path(file).is_file() for file in files)


def keras_path(file: WeightsFile) -> Path:
    """Return where Keras keeps a published weights file (``KERAS_HOME``, else ``~/.keras``)."""
    home = os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras")  # noqa: PTH111
    return Path(home) / "models" / file.name


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _tuned(record: BackboneRecord, path: Path, include_top: bool) -> Weights:
    tail, base = TailWeights.read(path), find_weights(record, IMAGENET, include_top)
    if base.digest != tail.base_digest:
        raise WeightsMismatchError(
            f"the layers were fine-tuned from other weights than those of {record.name} that this "
            "machine has: only a backbone with its published weights, or a model in files, can be "
            "run with them"
        )
    return base.with_tail(tail)


def _of_model_file(record: BackboneRecord, path: Path, choice: str) -> Weights:
    if choice != IMAGENET:
        raise ConfigError(f"the model in {path} brings its own weights: leave --weights out")
    digest = files_digest(record.graph.files if record.graph else record.files or (path,))
    remember(digest, path)
    return Weights(path, None, digest, include_top=False)


def files_digest(paths: tuple[Path, ...]) -> str:
    """Return the digest of a model in one file; of one in several, of their digests in order."""
    digests = [file_digest(path) for path in paths]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


def _nothing(record: BackboneRecord, choice: str) -> Weights:
    if choice != IMAGENET:
        raise ConfigError(f"{record.name} has no weights: leave --weights out")
    return Weights(None, None, hashlib.sha256(f"featx:{record.name}".encode()).hexdigest(), False)


def _random(record: BackboneRecord, choice: str, include_top: bool) -> Weights:
    text = choice.partition(":")[2] or "0"
    if not text.isdigit():
        raise ConfigError(f"--weights {choice}: the seed is a whole number, as in random:0")
    recipe = f"{RANDOM_SCHEME}:{record.name}:{int(text)}:{include_top}"
    return Weights(None, int(text), hashlib.sha256(recipe.encode()).hexdigest(), include_top)


def _published(record: BackboneRecord, include_top: bool) -> Path:
    file = record.weights_with_top if include_top else record.weights
    if file is None:
        raise WeightsNotFoundError(f"{record.name} has no published weights")
    path = keras_path(file)
    if not path.is_file():
        _download(record, file)
    if file.checksum and file_digest(path, file.algorithm) != file.checksum:
        raise WeightsMismatchError(
            f"{path} is not the published {file.name} (its {file.algorithm} is not "
            f"{file.checksum}): it may be cut short. Delete it and run again, or pass your own "
            "file with --weights PATH"
        )
    return path


def _download(record: BackboneRecord, file: WeightsFile) -> None:
    from ..engines.keras_import import import_keras  # whose package needs this one

    keras = import_keras()
    path = keras_path(file)
    arriving = f"{file.name}.{os.getpid()}.partial"
    try:
        # Keras draws its progress on standard output, which belongs to the results.
        with redirect_stdout(sys.stderr):
            downloaded = keras.utils.get_file(
                arriving,
                file.url,
                cache_dir=str(path.parent.parent),
                cache_subdir=path.parent.name,
                file_hash=file.checksum or None,
            )
        Path(downloaded).replace(path)
    # urllib, ssl and Keras raise OSError, plain Exception and ValueError where a download fails.
    except Exception as error:
        path.with_name(arriving).unlink(missing_ok=True)
        reason = str(error).split(": ")[-1]
        raise WeightsNotFoundError(
            f"the weights file {file.name} of {record.name} is missing: it is not at {path}, and "
            f"downloading it failed ({reason}). Put the file there (KERAS_HOME names another "
            "folder), pass another one with --weights PATH, or use the embedded backbone that "
            f"needs no download: --backbone {DEFAULT_BACKBONE}"
        ) from error
