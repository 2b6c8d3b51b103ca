"""The heads that featx knows: one frozen record each. Importing this loads no head."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ...cache.errors import ModelFileError, UnknownHeadError
from ...cache.suggest import did_you_mean
from ...extractor.machine.compiled import CompiledPart

if TYPE_CHECKING:
    from .base import Head

GraphBuilder = Callable[[Any, Mapping[str, NDArray[Any]], Mapping[str, Any]], Any]


@dataclass(frozen=True, kw_only=True)
class HeadRecord:
    """All that featx knows of one head; no other module lists heads or asks for their names.

    Parameters that heads of one class may differ in and still be fitted jointly are the class's
    ``joint_params``; every head gives probabilities, which is all that the metrics need.

    Attributes
    ----------
    name : str
    target : str
        ``module:Class`` of its estimator, relative to this package.
    description : str
        One line.
    graph : str
        ``module:function`` of its exporter, relative to this package: the function builds the
        head's Keras graph, see ``load_graph``.
    cost : int
        Position in a sweep, cheapest first: about the time that the default grid takes.
    defaults : mapping
        Parameters in which the head differs from its class's defaults.
    grid : mapping of str to tuple
        What a sweep tries: every combination.
    trains_from_disk : bool
        It trains without holding all features in memory.
    revision : int
        Counts up when the same parameters give another result: sweeps measure anew.
    compiled : CompiledPart, optional
        C code that it trains with.
    """

    name: str
    target: str
    description: str
    graph: str
    cost: int
    defaults: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    trains_from_disk: bool = False
    revision: int = 1
    compiled: CompiledPart | None = None

    def load_class(self) -> type[Head]:
        """Import the estimator's class."""
        loaded: type[Head] = _load(self.target)
        return loaded

    def load_graph(self) -> GraphBuilder:
        """Import the head's exporter.

        It takes symbolic Keras features ``(n, n_features)``, the head's arrays (``get_arrays``) and
        its parameters (``get_json_params``), and returns symbolic logits ``(n, n_classes)``, whose
        softmax is ``predict_proba``. Classes keep the order of ``classes_``. Importing it may load
        Keras.
        """
        loaded: GraphBuilder = _load(self.graph)
        return loaded

    def parameters(self) -> dict[str, Any]:
        """Return every parameter with its default."""
        from inspect import signature

        parameters = signature(self.load_class()).parameters
        return {**{name: p.default for name, p in parameters.items()}, **self.defaults}


def _load(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module, __package__), name)


RECORDS = (
    HeadRecord(
        name="logreg",
        target=".linear.heads:LogisticHead",
        description="multinomial logistic regression",
        graph="..models.export.head_graph:linear",
        cost=50,
        grid={"C": (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)},
        trains_from_disk=True,
        revision=2,
    ),
    HeadRecord(
        name="linear-svm",
        target=".linear.heads:LinearSVMHead",
        description="linear SVM, squared hinge, one class against the rest",
        graph="..models.export.head_graph:linear",
        cost=60,
        grid={"C": (1e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)},
        trains_from_disk=True,
        revision=2,
    ),
    HeadRecord(
        name="svm",
        target=".svm.rbf_svm:RBFSVMHead",
        compiled=CompiledPart(
            name="smo",
            module="featx.classifiers.heads.svm._smo",
            slower="libsvm trains the head svm, which takes about five times as long",
        ),
        description="SVM with an RBF kernel",
        graph="..models.export.kernel_graph:kernel_svm",
        cost=80,
        grid={"C": (1.0, 10.0)},
        revision=2,
    ),
    HeadRecord(
        name="ridge",
        target=".closed_form.ridge:RidgeHead",
        description="least squares on class targets, closed form",
        graph="..models.export.head_graph:linear",
        cost=20,
        grid={"alpha": (1.0, 10.0, 100.0, 300.0, 1e3, 3e3, 1e4, 1e5)},
        trains_from_disk=True,
        revision=2,
    ),
    HeadRecord(
        name="projection",
        target=".closed_form.projection:RandomProjectionHead",
        description="ridge on random features, closed form",
        graph="..models.export.head_graph:random_projection",
        cost=35,
        grid={"alpha": (100.0, 1e3, 1e4)},
        trains_from_disk=True,
        revision=2,
    ),
    HeadRecord(
        name="lda",
        target=".closed_form.lda:LDAHead",
        description="linear discriminant analysis, closed form",
        graph="..models.export.head_graph:linear",
        cost=30,
        grid={"shrinkage": ("auto", 0.1, 0.5)},
        trains_from_disk=True,
    ),
    HeadRecord(
        name="knn",
        target=".neighbours.knn:KNNHead",
        description="k nearest neighbours",
        graph="..models.export.neighbour_graph:nearest_neighbours",
        cost=40,
        grid={"n_neighbors": (5, 10, 20)},
    ),
    HeadRecord(
        name="centroid",
        target=".closed_form.centroid:CentroidHead",
        description="nearest class centroid",
        graph="..models.export.head_graph:centroid",
        cost=10,
        grid={"metric": ("euclidean", "cosine")},
        trains_from_disk=True,
        revision=3,
    ),
    HeadRecord(
        name="dense",
        target=".dense.dense_head:DenseHead",
        compiled=CompiledPart(
            name="dense",
            module="featx.classifiers.heads.dense._dense",
            slower="Keras trains the head dense, which takes several times as long",
        ),
        description="a small network: softmax, dropout or mlp",
        graph="..models.export.head_graph:network",
        cost=70,
        grid={"preset": ("softmax", "dropout", "mlp"), "lr": (3e-4, 1e-3)},
        trains_from_disk=True,
        revision=3,
    ),
)
HEADS: Mapping[str, HeadRecord] = MappingProxyType({record.name: record for record in RECORDS})
"""The heads on features of any backbone: what ``featx fit`` and ``featx sweep`` offer."""

ON_PIXELS = (
    HeadRecord(
        name="baseline",
        target="..baselines.head:BaselineHead",
        description="a network trained from scratch, on features of the backbone pixels",
        graph="..baselines.graph:head_graph",
        cost=90,
        trains_from_disk=True,
    ),
)
"""The heads that need features of the backbone ``pixels``."""

TUNED = HeadRecord(
    name="finetune",
    target="..tuning.head:FinetunedHead",
    description="a linear head, trained together with the last layers of its backbone",
    graph="..models.export.head_graph:linear",
    cost=95,
    trains_from_disk=True,
)
"""The head of a fine-tuned backbone."""

OWN = HeadRecord(
    name="estimator",
    target=".estimator:EstimatorHead",
    description="a classifier of scikit-learn's interface that a person brings",
    graph=".estimator:refuse_graph",
    cost=75,
)
"""The head that wraps an own estimator."""

STORED = MappingProxyType({record.name: record for record in (*RECORDS, *ON_PIXELS, TUNED, OWN)})
"""All heads that a model file may hold."""


def compiled_parts() -> tuple[CompiledPart, ...]:
    """Return the C code that heads train with."""
    return tuple(record.compiled for record in RECORDS if record.compiled)


def find_head(name: str) -> HeadRecord:
    """Return the record of a head.

    Raises
    ------
    UnknownHeadError
        There is none of that name.
    """
    record = STORED.get(name)
    if record is None:
        raise UnknownHeadError(f"no head is called {name!r}. {did_you_mean(str(name), HEADS)}")
    return record


def make_head(name: str, **options: Any) -> Head:
    """Make an unfitted head.

    Parameters
    ----------
    name : str
        A key of ``STORED``.
    options
        Parameters of the head; values are checked by ``fit``.

    Raises
    ------
    UnknownHeadError
        No head or no parameter of it has such a name; all unknown parameters are named at once.
    """
    record = find_head(name)
    parameters = record.parameters()
    unknown = [option for option in options if option not in parameters]
    if unknown:
        hints = " ".join(
            f"{option!r} is no parameter of {name}. {did_you_mean(option, parameters)}"
            for option in unknown
        )
        raise UnknownHeadError(hints)
    return record.load_class()(**{**record.defaults, **options})


def load_head(
    name: str,
    params: Mapping[str, Any],
    arrays: Mapping[str, Any],
    trusted: Sequence[str] = (),
) -> Head:
    """Rebuild a fitted head from what a model file holds.

    ``trusted`` are types that an own estimator may hold; heads of featx hold arrays only.

    Raises
    ------
    ModelFileError
        The head is not known, or its parameters or arrays do not fit.
    """
    if not isinstance(name, str) or name not in STORED:
        raise ModelFileError(
            f"the model holds a head {str(name)[:60]!r}, which this featx does not know: upgrade "
            f"featx. It knows {', '.join(sorted(STORED))}."
        )
    return STORED[name].load_class().from_arrays(params, arrays, trusted)
