"""A Keras model in files as a backbone: ``.keras``, whole-model HDF5, or a preset of KerasHub.

What the file says of itself is read without Keras, so that a run in which every feature is cached
knows its fingerprint at once, and is checked before Keras builds anything from it.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py

from ...cache.errors import (
    ConfigError,
    UnknownBackboneError,
    WeightsMismatchError,
    WeightsNotFoundError,
)
from .config_check import check_config, needs_keras_hub
from .layers import LAST_MAP, LAST_OUTPUT
from .preprocessing import read_preprocessing
from .preprocessing.keras_hub import CONVERTER, read_image_converter
from .preprocessing.normalisation import CHOICES, find_preprocess
from .record import BackboneRecord

ENDINGS = (".keras", ".h5", ".hdf5")
PRESET_CONFIG, PRESET_MARK = "config.json", "keras_hub>"
WITH_CLASS_TOKEN = ("DeiTBackbone", "DINOV2Backbone", "DINOV3Backbone")
"""Backbones of KerasHub whose first token is that of the class, though no setting says so."""
WITH_WORDS = ("CLIPBackbone", "MetaCLIP2Backbone", "SigLIPBackbone")
"""Backbones of KerasHub that take words, too; featx takes what they make of images."""

DEFAULT_SIZE = 224
MAX_CONFIG_BYTES = 64 << 20


def is_model_file(name: str) -> bool:
    """Tell whether a backbone's name is the path of a file, by its ending."""
    return name.lower().endswith(ENDINGS)


def describe_model_file(path: Path, preprocess: str | None) -> BackboneRecord:
    """Return the record of the model in a file, without Keras.

    Parameters
    ----------
    path : Path
    preprocess : str or None
        How the model wants 8-bit RGB; a file does not say, so a person must.

    Raises
    ------
    WeightsNotFoundError, WeightsMismatchError
        There is no file, or no whole model in it.
    ConfigError
        ``preprocess`` is missing or unknown.
    """
    if preprocess is None:
        raise ConfigError(
            f"how does the model in {path} want its pixels? Say --preprocess, one of "
            f"{', '.join(CHOICES)} (`none`: RGB from 0 to 255, also where its first layers rescale "
            "them)"
        )
    normalisation = find_preprocess(preprocess)
    config = read_config(path)
    height, width = _input_sides(config)
    layer, pool = _default_output(config)
    return BackboneRecord(
        name=path.name,
        builder="",
        preprocess=normalisation.name,
        image_size=height or width or DEFAULT_SIZE,
        min_size=1,
        shape=(height, width),
        layer=layer,
        pool=pool,
        n_features=0,
        n_params=0,
        gmacs=0.0,
        weights=None,
        weights_with_top=None,
        top_layers=(),
        licence="",
        path=path,
    )


def is_preset(path: Path) -> bool:
    """Tell whether a folder is a preset of KerasHub, by what its ``config.json`` says."""
    try:
        fields = json.loads((path / PRESET_CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(fields, dict) and str(fields.get("registered_name")).startswith(PRESET_MARK)


def describe_preset(
    folder: Path, preprocess: str | None = None, side: int | None = None
) -> BackboneRecord:
    """Return the record of the backbone in a preset of KerasHub, without Keras.

    Parameters
    ----------
    folder : Path
    preprocess : str or None
        None takes what the preset's image converter says.
    side : int or None
        Of the images, where a person asked for one.

    Raises
    ------
    ConfigError
        The preset does not say how it wants its pixels, and nobody else does.
    """
    fields = json.loads((folder / PRESET_CONFIG).read_text(encoding="utf-8"))
    config = fields.get("config") or {}
    name = folder.absolute().name
    if preprocess is None and (folder / CONVERTER).is_file():
        published = read_image_converter(folder / CONVERTER, side)
    elif preprocess is None:
        raise ConfigError(
            f"how does {name} want its pixels? The preset has no {CONVERTER}, and featx does not "
            f"guess. Say --preprocess FILE or one of {', '.join(CHOICES)}"
        )
    else:
        published = read_preprocessing(preprocess, [], name)
    height, width = _input_sides(config)
    layer, pool = _default_output(fields)
    return BackboneRecord(
        name=name,
        builder="",
        preprocess=published.preprocess,
        image_size=height or width or DEFAULT_SIZE,
        min_size=1,
        shape=(height, width),
        layer=layer,
        pool=pool,
        n_features=0,
        n_params=0,
        gmacs=0.0,
        weights=None,
        weights_with_top=None,
        top_layers=(),
        licence="",
        path=folder,
        files=(folder / PRESET_CONFIG, *sorted(folder.glob("model.weights*"))),
        published_size=published.image_size if side is None else None,
        resize=published.resize,
        interpolation=published.interpolation,
        remarks=(published.remark,) if published.remark else (),
    )


def _default_output(fields: dict[str, Any]) -> tuple[str, str]:
    """Return layer and pooling: of KerasHub's backbones the output, of other models the last map.

    Of tokens it is that of the class, where the backbone has one.
    """
    if not str(fields.get("registered_name")).startswith(PRESET_MARK):
        return LAST_MAP, "avg"
    if fields["class_name"] in WITH_WORDS:
        return LAST_OUTPUT, "none"
    config = fields.get("config") or {}
    has_class_token = config.get("use_class_token") or fields["class_name"] in WITH_CLASS_TOKEN
    return LAST_OUTPUT, "cls" if has_class_token else "avg"


def read_config(path: Path) -> dict[str, Any]:
    """Return the configuration that a whole-model file carries.

    Raises
    ------
    WeightsNotFoundError
        There is no such file.
    WeightsMismatchError
        The file is no Keras model, or holds weights alone.
    """
    if not path.is_file():
        raise WeightsNotFoundError(f"no Keras model at {path}")
    try:
        text = _config_text(path)
        config = json.loads(text) if text is not None else None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise WeightsMismatchError(
            f"{path} is no Keras model: expected a .keras archive or a whole-model .h5 ({error})"
        ) from error
    if config is None:
        raise WeightsMismatchError(
            f"{path} holds weights but no model. Name the backbone that they belong to: "
            f"--backbone NAME --weights {path}"
        )
    if not isinstance(config, dict):
        raise WeightsMismatchError(f"{path} is no Keras model: its configuration is no object")
    return config


def load_model(path: Path, image_size: tuple[int, int]) -> Any:
    """Load the model in a file in Keras' safe mode; nothing in the file runs as code.

    Raises
    ------
    WeightsMismatchError
        The model holds code (a Lambda layer), needs classes that Keras does not have, is damaged,
        or does not take RGB images of ``image_size``.
    """
    config = _preset_config(path) if path.is_dir() else read_config(path)
    check_config(config, str(path))
    if needs_keras_hub(config):
        _import_keras_hub(path)
    from ..engines.keras_import import import_keras  # whose package needs this one

    keras = import_keras()
    try:
        if path.is_dir():
            model = _load_preset(path)
        else:
            model = keras.saving.load_model(str(path), compile=False, safe_mode=True)
    # Keras raises nearly every builtin error on configurations that do not hold together.
    except Exception as error:
        reason = str(error).strip().split("\n")[0][:300]
        raise WeightsMismatchError(f"Keras cannot load {path}: {reason}") from error
    if config.get("class_name") in WITH_WORDS and needs_keras_hub(config):
        model = _of_images(model)
    _check_input(model, path, image_size)
    # A Sequential has no symbolic input of its own, and inputs may come in a list or a dict.
    return keras.Model(model.inputs[0], model.outputs, name=model.name)


def _preset_config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / PRESET_CONFIG).read_text(encoding="utf-8"))
    return config


def _import_keras_hub(path: Path) -> None:
    """Import KerasHub, which makes its classes known to Keras."""
    from ..engines.keras_import import import_keras

    import_keras()
    try:
        import keras_hub  # noqa: F401
    except ImportError as error:
        raise WeightsMismatchError(
            f"{path} is a model of KerasHub, which is not installed ({error}): "
            "pip install 'featx[hub]'"
        ) from error


def _load_preset(folder: Path) -> Any:
    """Load a backbone with its weights; only from the folder, whatever its name."""
    import keras_hub

    return keras_hub.models.Backbone.from_preset(str(folder.absolute()))


def _of_images(model: Any) -> Any:
    """Return the part of a model of images and words that gives the vectors of images."""
    import keras

    image = keras.Input(model.vision_encoder.image_shape, name="images")
    return keras.Model(image, model.get_vision_embeddings(image), name=model.name)


def _config_text(path: Path) -> str | bytes | None:
    """Return the JSON of the model's configuration; None where there are only weights."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > MAX_CONFIG_BYTES:
                raise ValueError("its config.json is larger than any model's")
            return archive.read("config.json")
    with h5py.File(path, "r") as file:
        text: str | bytes | None = file.attrs.get("model_config")
        return text


def _input_sides(config: Any) -> tuple[int | None, int | None]:
    """Return height and width of the first input in a configuration; None where a side is free."""
    if isinstance(config, dict):
        for key in ("batch_shape", "batch_input_shape", "build_input_shape"):
            shape = config.get(key)
            if isinstance(shape, list) and len(shape) == 4:
                return _side(shape[1]), _side(shape[2])
        shape = config.get("image_shape")  # of KerasHub's backbones
        if isinstance(shape, list) and len(shape) == 3 and any(map(_side, shape[:2])):
            return _side(shape[0]), _side(shape[1])
    values = config.values() if isinstance(config, dict) else config
    for value in values if isinstance(config, dict | list) else ():
        if isinstance(value, dict | list):
            sides = _input_sides(value)
            if any(sides):
                return sides
    return None, None


def _side(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _check_input(model: Any, path: Path, image_size: tuple[int, int]) -> None:
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1:
        raise WeightsMismatchError(f"{path} takes {len(inputs)} inputs: expected one image")
    shape = tuple(inputs[0].shape)
    sides = tuple(shape[1:3])
    fits = len(shape) == 4 and shape[3] in (3, None)
    if not fits:
        raise WeightsMismatchError(
            f"{path} takes arrays of shape {shape[1:]}: expected RGB images (height, width, 3)"
        )
    if any(bound not in (None, side) for bound, side in zip(sides, image_size, strict=True)):
        raise UnknownBackboneError(
            f"{path} takes images of {sides[0]}×{sides[1]} pixels only, got "
            f"{image_size[0]}×{image_size[1]}"
        )
