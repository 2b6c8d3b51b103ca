"""A baseline network as a head on pixels: stored, scored and compared like any other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import ModelFileError, TrainingDataError
from ..heads.base import Head
from ..heads.parameter_checks import CLASS_WEIGHT, SEED, number, one_of, whole
from ..heads.row_blocks import Floats
from ..heads.serialisation import ArrayRule
from ..heads.training_data import Training
from .batches import PixelRows, as_images
from .graph import build_network, get_weights, set_weights
from .networks import NETWORKS, Shape, find_network
from .precision import PRECISIONS, training_precision
from .training import Labelled, Trainer, TrainingOptions

MAX_SIDE = 1 << 12
# Images whose maps fit the processor's cache at 256 of them; of larger ones a batch holds fewer.
BATCH_PIXELS = 256 * 64 * 64
LARGEST_BATCH, SMALLEST_BATCH = 256, 16


class BaselineHead(Head):
    """A small network trained from scratch on pixels.

    Parameters
    ----------
    network : 'fc', 'cnn1', 'cnn2', 'cnn3', 'cnn4' or 'cnn5'
    epochs : int
        Passes over the training images as they are.
    augment_epochs : int
        Further passes over images that are flipped, turned, shifted, zoomed and brightened.
    lr : float
        Learning rate of Adam.
    batch_size : int
        0 stands for 256, and fewer for images of more than 64 × 64 pixels.
    class_weight : None, 'balanced' or mapping of class to weight
    precision : 'auto', 'float32' or 'bfloat16'
        Of the arithmetic in training: ``auto`` takes bfloat16 where the hardware has
        it. Weights and predictions are in float32.
    random_state : int, RandomState or None
        Decides initial weights, order of images, dropout and augmentation.

    Attributes
    ----------
    image_shape_ : ndarray of int64, shape (3,)
        Height, width and channels that the network sees; one channel where all training images
        were grey.
    history_ : dict of str to list of float
        ``loss`` and ``accuracy`` of each epoch, and with validation images theirs.
    """

    _rules: ClassVar = {
        "network": one_of(*NETWORKS),
        "epochs": whole(1),
        "augment_epochs": whole(0),
        "lr": number(0),
        "batch_size": whole(0),
        "class_weight": CLASS_WEIGHT,
        "precision": one_of(*PRECISIONS),
        "random_state": SEED,
    }
    image_shape_: NDArray[np.int64]
    history_: dict[str, list[float]]

    def __init__(
        self,
        network: str = "cnn3",
        *,
        epochs: int = 15,
        augment_epochs: int = 0,
        lr: float = 1e-3,
        batch_size: int = 0,
        class_weight: Any = None,
        precision: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.network = network
        self.epochs = epochs
        self.augment_epochs = augment_epochs
        self.lr = lr
        self.batch_size = batch_size
        self.class_weight = class_weight
        self.precision = precision
        self.random_state = random_state

    @classmethod
    def _fit_jointly(cls, heads: Sequence[Self], data: Training) -> None:
        for head in heads:
            trainer = head.trainer(data)
            for _ in range(trainer.options.n_epochs):
                trainer.run_epoch()
            head.take(trainer)

    def check(self) -> None:
        """Refuse parameters that may not stand; raises ConfigError."""
        self._check_params()

    def prepare(self, X: Any, y: Any) -> Training:
        """Check training images and labels as ``fit`` does, and learn the images' shape.

        Parameters
        ----------
        X : matrix, shape (n_samples, height * width * 3)
            Pixels of square RGB images, 0 to 255.
        y : array-like, shape (n_samples,)

        Raises
        ------
        TrainingDataError
            These are not the pixels of square images, or cannot be learned from.
        ConfigError
            A parameter holds a value that may not stand, or the images are too small.
        """
        self._check_params()
        return self._prepare(X, y, None)

    def _validated(self, X: Any, y: Any) -> tuple[Any, NDArray[Any]]:
        if getattr(X, "dtype", None) != np.uint8:
            return super()._validated(X, y)
        # Bytes stay bytes: as float64 a data set of pixels would take eight times the memory.
        labels = np.asarray(y)
        if labels.shape != (X.shape[0],):
            raise TrainingDataError(f"X has {X.shape[0]} rows but y has the shape {labels.shape}")
        self.n_features_in_ = int(X.shape[1])
        return X, labels

    def trainer(self, data: Training) -> Trainer:
        """Return the untrained network with its data."""
        self.image_shape_ = np.array(_image_shape(data.X), np.int64)
        record = find_network(self.network)
        record.weight_shapes(self._shape, data.n_classes)
        weight = None if data.weight is None else data.weights.astype(np.float32)
        train = Labelled(PixelRows(data.X, self._shape), data.y, weight)
        return Trainer(record, self._options, train, data.n_classes)

    def take(self, trainer: Trainer) -> None:
        """Keep the weights and curves of a network whose training has ended."""
        for name, values in get_weights(trainer.model).items():
            setattr(self, f"{name}_", values)
        self.history_ = trainer.history
        self.__dict__.pop("_model", None)

    @property
    def _shape(self) -> Shape:
        return tuple(int(n) for n in self.image_shape_)

    @property
    def _options(self) -> TrainingOptions:
        side = self._shape[0]
        fitting = max(SMALLEST_BATCH, min(LARGEST_BATCH, BATCH_PIXELS // side**2))
        seed = self.random_state
        return TrainingOptions(
            epochs=int(self.epochs),
            augment_epochs=int(self.augment_epochs),
            lr=float(self.lr),
            batch_size=int(self.batch_size) or fitting,
            precision=training_precision(self.precision),
            seed=int(seed) if isinstance(seed, int | np.integer) else _drawn(seed),
        )

    def _decide(self, block: Floats) -> Floats:
        images = as_images(block, self._shape)
        logits: Floats = np.asarray(self._network().predict_on_batch(images), np.float32)
        return logits

    def _decision_width(self) -> int:
        """Return the numbers per row of the widest map, so that blocks stay small."""
        return 32 * math.prod(self._shape[:2])

    def multiply_adds(self) -> int:
        """Return the multiply-adds of convolutions and dense layers for one image."""
        return find_network(self.network).multiply_adds(self._shape, len(self.classes_))

    def _network(self) -> Any:
        if not hasattr(self, "_model"):
            arrays = self.get_arrays()
            record = find_network(self.network)
            self._model = build_network(record, self._shape, len(self.classes_))
            set_weights(self._model, arrays)
        return self._model

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_model"}

    def _all_array_rules(self) -> dict[str, ArrayRule]:
        # Sizes are checked in `_restore`, which knows the image's shape; here only their number.
        shapes = find_network(self.network).weight_shapes((MAX_SIDE, MAX_SIDE, 3), 3)
        rules = {
            name: ArrayRule(tuple(f"{name}/{axis}" for axis in range(len(shape))))
            for name, shape in shapes.items()
        }
        return {"image_shape": ArrayRule(("axes",), kind="i"), **rules}

    def _restore(self, found: Mapping[str, NDArray[Any]]) -> None:
        shape = tuple(found["image_shape"].tolist())
        if len(shape) != 3 or not all(1 <= n <= MAX_SIDE for n in shape) or shape[2] not in (1, 3):
            raise ModelFileError(f"the network's image shape {shape} cannot be used")
        try:
            expected = find_network(self.network).weight_shapes(shape, len(self.classes_))
        except ValueError as error:
            raise ModelFileError(f"the network cannot be built: {error}") from error
        for name, wanted in expected.items():
            if found[name].shape != wanted:
                raise ModelFileError(
                    f"the network's array {name!r} has the shape {found[name].shape}, expected "
                    f"{wanted}"
                )
        self.n_features_in_ = shape[0] * shape[1] * 3


def _image_shape(X: Any) -> Shape:
    """Return height, width and channels of rows of RGB pixels; one channel where all are grey."""
    side = math.isqrt(X.shape[1] // 3)
    if 3 * side * side != X.shape[1]:
        raise TrainingDataError(
            f"rows of {X.shape[1]} numbers are not the pixels of square RGB images: extract them "
            "with --backbone pixels"
        )
    for start in range(0, X.shape[0], LARGEST_BATCH):
        pixels = np.asarray(X[start : start + LARGEST_BATCH]).reshape(-1, 3)
        if not (pixels == pixels[:, :1]).all():
            return side, side, 3
    return side, side, 1


def _drawn(random_state: Any) -> int:
    if random_state is None:
        return int(np.random.default_rng().integers(2**31 - 1))
    return int(random_state.randint(2**31 - 1))
