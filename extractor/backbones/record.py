"""What featx knows of a backbone: one frozen record each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "data"


@dataclass(frozen=True)
class WeightsFile:
    """A published weights file.

    Attributes
    ----------
    name : str
        Its name in Keras' cache folder.
    url : str
    checksum : str
        Its published MD5 or SHA-256, hexadecimal, or empty where none is published.
    """

    name: str
    url: str
    checksum: str = ""

    @property
    def algorithm(self) -> str:
        """Which sum ``checksum`` is, told by its length."""
        return "sha256" if len(self.checksum) == 64 else "md5"


KERAS_FORMAT = "keras"
N_CHANNELS = 3


@dataclass(frozen=True)
class GraphInput:
    """How a backbone that is a graph in a file takes its images.

    Attributes
    ----------
    format : str
        ``onnx`` or ``openvino``; engines say which they run.
    input_name : str
    is_channels_last : bool
    patch : (int, int) or None
        Height and width in pixels of the patches that become tokens.
    files : tuple of Path
        All files that it consists of; the digest of the weights is theirs.
    """

    format: str
    input_name: str
    is_channels_last: bool
    patch: tuple[int, int] | None
    files: tuple[Path, ...]

    def sides(self, n_images: int, size: tuple[int, int]) -> list[int]:
        """Return the shape of the input for so many images of a height and width."""
        channels_first = [n_images, N_CHANNELS, *size]
        return [n_images, *size, N_CHANNELS] if self.is_channels_last else channels_first


@dataclass(frozen=True, kw_only=True)
class BackboneRecord:
    """What featx knows of one backbone.

    Attributes
    ----------
    name : str
    builder : str
        ``module:function`` that builds it: of ``keras.applications``, or of this package where it
        ships with featx; empty for a model that a person brings.
    preprocess : str
        How its publisher turned 8-bit RGB into its input, as a FeatureSpec has it; ``none`` also
        where the network does so itself in its first layers.
    image_size, min_size : int
        Side in pixels of the square that it was trained on, and the least that it takes.
    shape : (int or None, int or None)
        Height and width that it is bound to, where a model file fixes them.
    layer : str
        The layer of the default features: the last map before its top, average-pooled.
    pooling : str or None
        Handed to the builder where the published network does more after its pooling (ConvNeXt
        normalises there), so that ``layer`` already gives vectors.
    n_features : int
        Width of the default features.
    n_params : int
        Weights without the top.
    gmacs : float
        Multiply-adds of its convolutions and dense layers for one image of ``image_size``, without
        the top, in thousands of millions.
    weights, weights_with_top : WeightsFile or None
        Published ImageNet weights; None where they ship with featx.
    pool : str
        How the map of its default layer becomes a vector.
    has_weights : bool
        False where there is nothing to load.
    embedded : Path or None
        The weights file that ships with featx.
    stddev_as_variance : bool
        Whether the published files hold the standard deviation of the input where its variance
        belongs.
    top_layers : tuple of str
        Layers that exist only with the top.
    top_size : int or None
        The only image size at which the top exists, where it is bound to one.
    licence : str
        Of the weights.
    path : Path or None
        The file of a model that a person brings.
    graph : GraphInput or None
        Of a graph in a file; None stands for a Keras model.
    published_size : (height, width) or None
        Of a graph: the size that its files state, in place of a square.
    resize, interpolation : str
        How images get that size where nobody says otherwise.
    files : tuple of Path
        Of a preset of KerasHub: all files that the digest of its weights covers.
    remarks : tuple of str
        What a person should know before its features are used.
    """

    name: str
    builder: str
    preprocess: str
    image_size: int
    min_size: int
    layer: str
    n_features: int
    n_params: int
    gmacs: float
    weights: WeightsFile | None
    weights_with_top: WeightsFile | None
    top_layers: tuple[str, ...]
    licence: str
    pooling: str | None = None
    top_size: int | None = None
    shape: tuple[int | None, int | None] = (None, None)
    path: Path | None = None
    pool: str = "avg"
    has_weights: bool = True
    embedded: Path | None = None
    stddev_as_variance: bool = False
    graph: GraphInput | None = None
    published_size: tuple[int, int] | None = None
    resize: str = "squash"
    interpolation: str = "bicubic"
    files: tuple[Path, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def format(self) -> str:
        """What an engine must be able to run."""
        return self.graph.format if self.graph else KERAS_FORMAT

    @property
    def is_embedded(self) -> bool:
        """Whether all that it needs ships with featx."""
        return self.weights is None and self.path is None
