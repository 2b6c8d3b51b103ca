"""The heads that featx knows: one frozen record each. Importing this loads no head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ...cache.errors import ModelFileError, UnknownHeadError
from ...cache.suggest import did_you_mean

if TYPE_CHECKING:
    from .base import Head


@dataclass(frozen=True, kw_only=True)
class HeadRecord:
    """What featx knows of one head.

    Attributes
    ----------
    name : str
    target : str
        ``module:Class`` of its estimator, relative to this package.
    description : str
        One line.
    defaults : mapping
        Parameters in which the head differs from its class's defaults.
    grid : mapping of str to tuple
        What a sweep tries: every combination.
    memory_mapped : bool
        It trains without holding all features in memory.
    """

    name: str
    target: str
    description: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    memory_mapped: bool = False

    def load_class(self) -> type[Head]:
        """Import the estimator's class."""
        module, _, name = self.target.partition(":")
        found: type[Head] = getattr(import_module(module, __package__), name)
        return found

    def parameters(self) -> dict[str, Any]:
        """Return every parameter with its default."""
        from inspect import signature

        own = {
            name: parameter.default
            for name, parameter in signature(self.load_class()).parameters.items()
        }
        return {**own, **self.defaults}


RECORDS = (
    HeadRecord(
        name="logreg",
        target=".linear.linear:LogisticHead",
        description="multinomial logistic regression",
        grid={"C": (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)},
        memory_mapped=True,
    ),
    HeadRecord(
        name="linear-svm",
        target=".linear.linear:LinearSVMHead",
        description="linear SVM, squared hinge, one class against the rest",
        grid={"C": (1e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)},
        memory_mapped=True,
    ),
    HeadRecord(
        name="svm",
        target=".svm.svm:RBFSVMHead",
        description="SVM with an RBF kernel",
        grid={"C": (1.0, 10.0)},
    ),
    HeadRecord(
        name="ridge",
        target=".closed_form.ridge:RidgeHead",
        description="least squares on class targets, closed form",
        grid={"alpha": (1.0, 10.0, 100.0, 300.0, 1e3, 3e3, 1e4, 1e5)},
        memory_mapped=True,
    ),
    HeadRecord(
        name="knn",
        target=".neighbours.knn:KNNHead",
        description="k nearest neighbours",
        grid={"n_neighbors": (5, 10, 20)},
    ),
    HeadRecord(
        name="centroid",
        target=".closed_form.centroid:CentroidHead",
        description="nearest class centroid",
        grid={"metric": ("euclidean", "cosine")},
        memory_mapped=True,
    ),
    HeadRecord(
        name="dense",
        target=".dense.dense:DenseHead",
        description="a small network: softmax, dropout or mlp",
        grid={"preset": ("softmax", "dropout", "mlp"), "lr": (3e-4, 1e-3)},
        memory_mapped=True,
    ),
)
HEADS: Mapping[str, HeadRecord] = MappingProxyType({record.name: record for record in RECORDS})


def find_head(name: str) -> HeadRecord:
    """Return the record of a head.

    Raises
    ------
    UnknownHeadError
        There is none of that name.
    """
    record = HEADS.get(name)
    if record is None:
        raise UnknownHeadError(f"no head is called {name!r}. {did_you_mean(str(name), HEADS)}")
    return record


def make_head(name: str, **options: Any) -> Head:
    """Make an unfitted head.

    Parameters
    ----------
    name : str
        A key of ``HEADS``.
    options
        Parameters of the head; values are checked by ``fit``.

    Raises
    ------
    UnknownHeadError
        No head or no parameter of it has such a name; all unknown parameters are named at once.
    """
    record = find_head(name)
    known = record.parameters()
    unknown = [option for option in options if option not in known]
    if unknown:
        hints = " ".join(
            f"{option!r} is no parameter of {name}. {did_you_mean(option, known)}"
            for option in unknown
        )
        raise UnknownHeadError(hints)
    return record.load_class()(**{**record.defaults, **options})


def load_head(name: str, params: Mapping[str, Any], arrays: Mapping[str, Any]) -> Head:
    """Rebuild a fitted head from what a model file holds.

    Raises
    ------
    ModelFileError
        The head is not known, or its parameters or arrays do not fit.
    """
    if not isinstance(name, str) or name not in HEADS:
        raise ModelFileError(
            f"the model holds a head {str(name)[:60]!r}, which this featx does not know: upgrade "
            f"featx. It knows {', '.join(sorted(HEADS))}."
        )
    return HEADS[name].load_class().from_arrays(params, arrays)
