"""Own estimators of scikit-learn as heads, kept in model files by skops: without pickle."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from ...cache.errors import ConfigError, ModelError, ModelFileError, TrainingDataError
from .base import Head
from .calibration import probabilities
from .row_blocks import Floats
from .serialisation import ArrayRule, check_arrays, check_classes_array, portable_classes
from .training_data import Training

TRUST = "FEATX_TRUST"
"""Names types, separated by commas, that model files of own estimators may hold."""

RULES = {"n_features": ArrayRule(("one",), "i")}
NEEDS_SKOPS = "own estimators are kept in model files by skops: pip install skops"


class EstimatorHead(Head):
    """A classifier of scikit-learn's interface, such as a ``Pipeline``, as a head.

    Where it has no ``predict_proba``, its decision values become probabilities by a sigmoid or a
    softmax, which are not calibrated; where it has neither, its answer gets probability 1.

    Parameters
    ----------
    estimator : estimator
        It is cloned; features come as float32 or float64 in memory, labels as class numbers.

    Attributes
    ----------
    estimator_ : estimator
        The fitted clone.
    """

    estimator_: Any

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator

    def _check_params(self) -> None:
        if isinstance(self.estimator, type) or not all(
            hasattr(self.estimator, name) for name in ("fit", "predict", "get_params")
        ):
            raise ConfigError(
                "a head is the name of one, or a classifier of scikit-learn's interface such as "
                f"LogisticRegression(), got {self.estimator!r}"
            )

    @classmethod
    def _fit_jointly(cls, heads: Sequence[Self], data: Training) -> None:
        for head in heads:
            estimator = clone(head.estimator)
            estimator.fit(np.asarray(data.X), data.y, **_weight_options(estimator, data.weight))
            head.estimator_, head._stored = estimator, None

    _stored: NDArray[np.uint8] | None = None

    def _decide(self, block: Floats) -> Floats:
        """Return the probabilities of a block of features, ``(n, n_classes)``."""
        estimator, n_classes = self.estimator_, len(self.classes_)
        if hasattr(estimator, "predict_proba"):
            seen = np.asarray(estimator.predict_proba(block))
        elif hasattr(estimator, "decision_function"):
            decision = np.asarray(estimator.decision_function(block), np.float64)
            seen = probabilities(decision.reshape(len(block), -1), 1.0)
        else:
            seen = np.eye(n_classes)[np.asarray(estimator.predict(block), np.int64)]
        if seen.shape != (len(block), n_classes):
            raise ModelError(
                f"{_name(estimator)} gives probabilities of the shape {seen.shape}, expected "
                f"{(len(block), n_classes)}"
            )
        result: Floats = np.ascontiguousarray(seen, block.dtype)
        return result

    def _probabilities(self, X: Any) -> Floats:
        decided = self._decision(X)
        return decided if len(decided) else np.zeros((0, len(self.classes_)), decided.dtype)

    def multiply_adds(self) -> int:
        """Return 0: what an own estimator computes is not known."""
        return 0

    def get_json_params(self) -> dict[str, Any]:
        """Return the estimator as text."""
        return {"estimator": describe_estimator(self.estimator)}

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the classes, and the bytes of the fitted estimator as skops writes them.

        Raises
        ------
        ModelError
            It holds something that skops cannot write, such as a lambda; or skops is missing.
        """
        if self._stored is None:
            self._stored = np.frombuffer(_dumped(self.estimator_), np.uint8)
        n_features = np.array([self.n_features_in_], np.int64)
        return {
            "classes": portable_classes(self.classes_),
            "n_features": n_features,
            "estimator": self._stored,
        }

    def trust_note(self) -> str:
        """Say which types whoever loads the head must trust."""
        from skops import io as skops

        types = skops.get_untrusted_types(data=self.get_arrays()["estimator"].tobytes())
        if not types:
            return ""
        return (
            f"The model file holds {', '.join(types)}, which whoever loads it must trust: "
            f"featx.load_model(path, trusted=[…]), or {TRUST}={','.join(types)} for commands"
        )

    @classmethod
    def from_arrays(
        cls,
        params: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        trusted: Sequence[str] = (),
    ) -> Self:
        """Rebuild a fitted head.

        Parameters
        ----------
        params, arrays : mapping
            From ``get_json_params`` and ``get_arrays``.
        trusted : sequence of str
            Types that the estimator may hold beside those of NumPy, SciPy and scikit-learn that
            skops trusts; those that ``FEATX_TRUST`` names are added.

        Raises
        ------
        ModelFileError
            The estimator is damaged, or holds a type that is not trusted; the message lists them.
        """
        head, rest = cls(), dict(arrays)
        head.classes_ = check_classes_array(rest.pop("classes", None)).copy()
        stored = rest.pop("estimator", None)
        if stored is None or stored.dtype != np.uint8 or stored.ndim != 1:
            raise ModelFileError("the estimator's bytes are missing or misshapen")
        checked = check_arrays(rest, RULES, len(head.classes_))
        head.n_features_in_ = int(checked["n_features"][0])
        head.estimator_ = _loaded(stored.tobytes(), trusted)
        head.estimator = clone(head.estimator_)
        head._stored = stored.copy()
        return head


def refuse_graph(features: Any, arrays: Mapping[str, Any], params: Mapping[str, Any]) -> NoReturn:
    """Refuse to export an own estimator as a graph."""
    raise ModelError(
        "an own estimator cannot be exported as a graph: featx knows nothing of what it computes. "
        "Fit one of featx' heads, or use the model file with featx score"
    )


def describe_estimator(estimator: Any) -> str:
    """Return an estimator with all parameters that are not defaults, in one line.

    scikit-learn's own ``repr`` leaves the middle of long ones out.
    """
    if not isinstance(estimator, BaseEstimator):
        return str(estimator)
    return " ".join(estimator.__repr__(N_CHAR_MAX=1 << 30).split())


def _weight_options(estimator: Any, weight: NDArray[np.float64] | None) -> dict[str, Any]:
    """Return the sample weights under the name by which ``fit`` takes them.

    Equal weights are left away where it takes none: rows of views all count alike.
    """
    if weight is None:
        return {}
    last, prefix = estimator, ""
    while isinstance(last, Pipeline):
        step, last = last.steps[-1]
        prefix += f"{step}__"
    if not has_fit_parameter(last, "sample_weight"):
        if (weight == weight[0]).all():
            return {}
        raise TrainingDataError(
            f"{_name(last)} takes no sample weights: leave sample_weight away, or take another one"
        )
    return {f"{prefix}sample_weight": weight}


def _name(estimator: Any) -> str:
    return type(estimator).__name__


def _dumped(estimator: Any) -> bytes:
    try:
        from skops import io as skops
    except ImportError as error:
        raise ModelError(NEEDS_SKOPS) from error
    try:
        data = bytes(skops.dumps(estimator))
        skops.loads(data, trusted=skops.get_untrusted_types(data=data))
        return data
    except Exception as error:
        raise ModelError(
            f"{_name(estimator)} cannot be kept without pickle ({error}). Functions must be those "
            "of a module, no lambda"
        ) from error


def _loaded(data: bytes, trusted: Sequence[str]) -> Any:
    try:
        from skops import io as skops
    except ImportError as error:
        raise ModelFileError(NEEDS_SKOPS) from error
    allowed = {*trusted, *filter(None, os.environ.get(TRUST, "").split(","))}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if any(info.file_size != info.compress_size for info in archive.infolist()):
                raise ModelFileError("the estimator is compressed, which featx never does")
        held = skops.get_untrusted_types(data=data)
        unknown = sorted(set(held) - allowed)
        if unknown:
            raise ModelFileError(
                f"the model's estimator holds types that are not trusted: {', '.join(unknown)}. "
                "They can run code. If you trust who made the file: featx.load_model(path, "
                f"trusted={unknown}), or {TRUST}={','.join(unknown)} for commands"
            )
        estimator = skops.loads(data, trusted=list(held))
    except ModelFileError:
        raise
    except Exception as error:
        raise ModelFileError(f"the model's estimator cannot be read ({error})") from error
    if not hasattr(estimator, "predict"):
        raise ModelFileError(
            f"the model's estimator is a {_name(estimator)}, which predicts nothing"
        )
    return estimator
