"""The weights of a backbone's last layers after fine-tuning, as plain arrays."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ....cache import AnySpec
from ....cache.errors import ConfigError, WeightsMismatchError
from ....cache.format.atomic import atomic_path
from ....cache.layout import LAYERS_SUFFIX, Layout
from ....cache.places.home import writable_home

FOLDER = "tuned"
ABOUT = "about"


@dataclass(frozen=True)
class TailWeights:
    """What fine-tuning has changed of a backbone.

    Attributes
    ----------
    layer : str
        The layers after it were trained.
    base_digest : str
        SHA-256, hexadecimal, of the weights that they were trained from.
    arrays : mapping of str to ndarray
        By ``layer/number``: the variables of each trained layer, in Keras' order.
    """

    layer: str
    base_digest: str
    arrays: Mapping[str, NDArray[Any]]

    @classmethod
    def of(cls, layers: Iterable[Any], layer: str, base_digest: str) -> Self:
        """Take the weights of Keras layers."""
        arrays = {
            f"{trained.name}/{number}": np.asarray(values, np.float32)
            for trained in layers
            for number, values in enumerate(trained.get_weights())
        }
        return cls(layer, base_digest, arrays)

    @property
    def digest(self) -> str:
        """SHA-256, hexadecimal, of the backbone's weights with these in place of its own."""
        state = hashlib.sha256(f"featx-tail:{self.layer}:{self.base_digest}".encode())
        for name, values in sorted(self.arrays.items()):
            state.update(json.dumps([name, values.shape]).encode())
            state.update(np.ascontiguousarray(values, "<f4").tobytes())
        return state.hexdigest()

    def apply(self, backbone: Any) -> None:
        """Give the layers of a Keras model these weights.

        Raises
        ------
        WeightsMismatchError
            The model has other layers.
        """
        by_layer: dict[str, list[NDArray[Any]]] = defaultdict(list)
        for name, values in self.arrays.items():
            by_layer[name.rpartition("/")[0]].append(values)
        for name, weights in by_layer.items():
            try:
                backbone.get_layer(name).set_weights(weights)
            except ValueError as error:
                raise WeightsMismatchError(
                    f"the fine-tuned layer {name!r} does not fit {backbone.name}: {error}"
                ) from error

    def kept(self) -> Path:
        """Return a file of these weights in featx' folder for this machine, written where absent.

        Raises
        ------
        CacheWriteError
            The file system refused.
        """
        path = writable_home() / FOLDER / f"{self.digest}{LAYERS_SUFFIX}"
        if not path.exists():
            about = np.array(json.dumps([self.layer, self.base_digest, list(self.arrays)]))
            numbered = {f"a{i}": values for i, values in enumerate(self.arrays.values())}
            with atomic_path(path) as partial, partial.open("wb") as file:
                np.savez(file, allow_pickle=False, **{ABOUT: about}, **numbered)
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what ``kept`` has written.

        Raises
        ------
        WeightsMismatchError
            The file is damaged.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
                layer, base_digest, names = json.loads(str(stored[ABOUT]))
                arrays = {name: stored[f"a{i}"] for i, name in enumerate(names)}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise WeightsMismatchError(
                f"{path} is damaged: delete it, it is made again from the model file"
            ) from error
        return cls(layer, base_digest, arrays)

    @classmethod
    def recall(cls, spec: AnySpec, layout: Layout | None = None) -> Self | None:
        """Return the layers of the fine-tuned backbone that features were made with.

        None where the backbone is none, or where neither the features' cache nor this machine has
        its layers.

        Raises
        ------
        ConfigError
            See ``find_kept``.
        WeightsMismatchError
            The file is damaged.
        """
        path = find_kept(spec, layout)
        if path is None:
            return None
        tail = cls.read(path)
        if tail.digest != path.stem:
            raise WeightsMismatchError(f"{path} holds other layers than its name says: delete it")
        return tail


def find_kept(spec: AnySpec, layout: Layout | None = None) -> Path | None:
    """Return the file of the fine-tuned layers that features were made with, where there is one.

    Parameters
    ----------
    spec : FeatureSpec or JoinedSpec
    layout : Layout, optional
        The cache that the features lie in, which is looked at before this machine's folder.

    Raises
    ------
    ConfigError
        The features are of several fine-tuned backbones side by side.
    """
    folders = [*([] if layout is None else [layout.tuned]), writable_home() / FOLDER]
    names = {f"{part.weights_digest}{LAYERS_SUFFIX}" for part in spec.parts}
    found = [next((f / name for f in folders if (f / name).exists()), None) for name in names]
    kept = [path for path in found if path is not None]
    if len(kept) > 1:
        raise ConfigError(
            "the features are of several fine-tuned backbones, and a model file holds the layers "
            "of one: join those of one with any of backbones as they were published"
        )
    return kept[0] if kept else None
