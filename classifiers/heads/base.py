"""Head: what every classifier on cached features shares."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from ...cache.errors import (
    FeatureMismatchError,
    TrainingDataError,
)
from .calibration import probabilities
from .parameter_checks import Rule, check_params
from .row_blocks import (
    Floats,
    Ints,
    check_block,
    check_finite,
    check_probabilities,
    compute_dtype,
    is_lazy,
    iter_blocks,
    take_rows,
)
from .scaler import measure_scale, set_weights, standardised
from .selection.column_view import columns_of, remaining_widths
from .serialisation import (
    COLUMN_RULES,
    SCALER_RULES,
    ArrayRule,
    built,
    check_arrays,
    check_classes_array,
    checked_columns,
    plain,
    portable_classes,
)
from .training_data import (
    Training,
    check_classes,
    checked_groups,
    checked_weight,
    checked_widths,
    class_factors,
)


class Head(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Base of all heads: a scikit-learn classifier that owns its scaler and needs no pickle.

    A subclass gives rules for its parameters and arrays, fits in ``_fit_jointly`` and computes
    decision values in ``_decide``. Scaling, checks, blocks of rows and storing are done here.
    Prediction needs NumPy arrays only, and calls only NumPy, in blocks of rows. (Large searches for
    neighbours may use OpenVINO.)

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    mean_, scale_ : ndarray, shape (n_features,)
        Only where the features are standardised.
    columns_ : ndarray of int64, shape (n_selected,)
        Only where ``select`` is a number: so many columns that the head reads, ascending. The group
        lasso finds them most useful on the training samples.
    n_columns_ : int
        How many there are to choose from; only beside ``columns_``.
    temperature_ : float
        Factor on decision values before the softmax, or the sigmoid for two classes.

    Notes
    -----
    Heads that differ in their ``joint_params`` only are fitted jointly, for little more than the
    price of one (see ``fit_many``). A head that iterates sets ``n_iter_`` and ``converged_``;
    ``iteration_param`` names the parameter that bounds its iterations.
    """

    _rules: ClassVar[Mapping[str, Rule]] = {}
    _array_rules: ClassVar[Mapping[str, ArrayRule]] = {}
    joint_params: ClassVar[tuple[str, ...]] = ()
    iteration_param: ClassVar[str] = ""
    classes_: NDArray[Any]
    n_features_in_: int
    columns_: Ints
    n_columns_: int
    mean_: Floats
    scale_: Floats
    temperature_: float
    n_iter_: int
    converged_: bool

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        widths: Sequence[int] = (),
    ) -> Self:
        """Learn from features and labels.

        Parameters
        ----------
        X : matrix of numbers, shape (n_samples, n_features)
            Array, memory map or ``FeatureSet.X``; float16 and float32 are computed in float32.
        y : array-like, shape (n_samples,)
        sample_weight : array-like, shape (n_samples,), optional
            Not negative; a sample of weight 0 is left out.
        groups : array-like, shape (n_samples,), optional
            Samples of one group (one patient, equal images) are held out together, where the head
            holds some of its samples out to calibrate or to stop early.
        widths : sequence of int
            Where ``X`` is several sets of features side by side, the number of columns of each:
            standardised, all sets get the same total variance.

        Raises
        ------
        TrainingDataError
            These samples cannot be learned from.
        ConfigError
            A parameter holds a value that may not stand.
        """
        self._check_params()
        self._fit_jointly([self], self._prepare(X, y, sample_weight, groups, widths))
        return self

    @classmethod
    @abstractmethod
    def _fit_jointly(cls, heads: Sequence[Self], data: Training) -> None:
        """Fit heads that differ in ``joint_params`` only, and set their fitted attributes."""

    def convergence_note(self) -> str:
        """Say what to change where training ended before it converged; empty where it did."""
        if getattr(self, "converged_", True):
            return ""
        limit, n_iter = getattr(self, self.iteration_param), int(self.n_iter_)
        if not 0 < limit <= n_iter:
            return (
                f"stopped after {n_iter:,} iterations without converging: float32 cannot resolve "
                "its optimum. A smaller C, or weights that differ less, would help"
            )
        return (
            f"did not converge within {self.iteration_param}={limit:,}: its predictions would "
            f"still change. Raise {self.iteration_param}"
        )

    def _take_scale(self, other: Head) -> None:
        """Take over what does not depend on ``joint_params``."""
        names = ("classes_", "n_features_in_", "feature_names_in_", "mean_", "scale_")
        for name in (*names, "columns_", "n_columns_"):
            if hasattr(other, name):
                setattr(self, name, getattr(other, name))

    @abstractmethod
    def _decide(self, block: Floats) -> Floats:
        """Return decision values ``(n, m)`` of a block of scaled features."""

    def _check_params(self) -> None:
        check_params(type(self).__name__, self.get_params(deep=False), self._rules)

    def _prepare(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        groups: Any = None,
        widths: Sequence[int] = (),
    ) -> Training:
        """Check the samples, index the classes, and drop samples of weight 0."""
        X, labels = self._validated(X, y)
        check_classification_targets(labels)
        weight = checked_weight(sample_weight, len(labels))
        groups = checked_groups(groups, len(labels))
        if weight is not None and not weight.all():
            kept = np.flatnonzero(weight)
            X, labels, weight = take_rows(X, kept), labels[kept], weight[kept]
            groups = None if groups is None else groups[kept]
        check_classes(labels)
        check_finite(X)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        data = Training(X, codes.astype(np.int64), weight, len(self.classes_), weight, groups)
        data = self._with_selected(replace(data, widths=checked_widths(widths, X)))
        return self._class_weighted(data)

    def _with_selected(self, data: Training) -> Training:
        """Choose columns where ``select`` asks for it, and return the data with these alone."""
        if not self._selects:
            return data
        from .selection.group_lasso import best_columns

        self.columns_, self.n_columns_ = best_columns(data, int(self.select)), data.X.shape[1]
        X = columns_of(data.X, self.columns_)
        return replace(data, X=X, widths=remaining_widths(data.widths, self.columns_))

    @property
    def _selects(self) -> bool:
        return getattr(self, "select", None) is not None

    def _validated(self, X: Any, y: Any) -> tuple[Any, NDArray[Any]]:
        if is_lazy(X):
            labels = np.asarray(column_or_1d(y, warn=True))
            if X.shape[0] != len(labels):
                raise TrainingDataError(f"X has {X.shape[0]} rows but y has {len(labels)}")
            self.n_features_in_ = int(X.shape[1])
            return X, labels
        formats = [np.float64, np.float32, np.float16]
        X, labels = validate_data(self, X, y, dtype=formats, ensure_all_finite=False)
        return X, labels

    def _class_weighted(self, data: Training) -> Training:
        class_weight = getattr(self, "class_weight", None)
        if class_weight is None:
            return data
        factors = class_factors(class_weight, self.classes_, data)
        return replace(data, weight=data.weights * factors[data.y])

    @property
    def _standardizes(self) -> bool:
        return bool(getattr(self, "standardize", False))

    def _fit_scaler(self, data: Training) -> None:
        if self._standardizes:
            self.mean_, self.scale_ = measure_scale(data.X, data.sample_weight, data.dtype)
            if len(data.widths) > 1:
                self.scale_ = (self.scale_ / set_weights(data.widths)).astype(data.dtype)

    def _scaled(self, block: Floats) -> Floats:
        """Return a block of scaled features; it may share the block's memory."""
        return standardised(block, self.mean_, self.scale_) if self._standardizes else block

    def _scaled_all(self, data: Training) -> Floats:
        """Return all training features, scaled, in one array of C order."""
        result = np.empty(data.X.shape, data.dtype)
        for rows, block in iter_blocks(data.X, data.dtype):
            result[rows] = self._scaled(block)
        return result

    def _input(self, X: Any) -> Any:
        """Check the shape of features to predict from; their values are checked block by block."""
        check_is_fitted(self, "classes_")
        if not is_lazy(X):
            return validate_data(
                self, X, reset=False, dtype="numeric", ensure_all_finite=False, ensure_min_samples=0
            )
        if X.shape[1] != self.n_features_in_:
            raise FeatureMismatchError(
                f"X has {X.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input"
            )
        return X

    def _read(self, X: Any) -> Any:
        """Check the shape of features to predict from, and return the columns that are read."""
        X = self._input(X)
        return columns_of(X, self.columns_) if self._selects else X

    def _decision(self, X: Any, decide: Callable[[Floats], Floats] | None = None) -> Floats:
        """Return decision values, ``(n_samples, m)``, computed block by block."""
        X = self._read(X)
        decide = decide or self._decide
        dtype = compute_dtype(X.dtype)
        parts = []
        for rows, block in iter_blocks(X, dtype, self._decision_width()):
            check_block(block, rows.start)
            parts.append(decide(self._scaled(block)))
        if parts:
            return np.concatenate(parts)
        n_classes = len(self.classes_)
        return np.empty((0, 1 if n_classes == 2 else n_classes), dtype)

    def matrix_width(self, n_features: int) -> int:
        """Return the columns of the largest square matrix that training holds."""
        return n_features

    def _decision_width(self) -> int:
        """Return the numbers per row of the widest temporary array of ``_decide``."""
        return len(self.classes_)

    def predict_proba(self, X: Any) -> Floats:
        """Return the probability of each class.

        Parameters
        ----------
        X : matrix of numbers, shape (n_samples, n_features)

        Returns
        -------
        ndarray, shape (n_samples, n_classes)
            In [0, 1], each row sums to 1; float64 for float64 features, else float32.

        Raises
        ------
        FeatureMismatchError
            A feature is NaN or infinite, or so large that the head's arithmetic overflows.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            result = self._probabilities(X)
        check_probabilities(result)
        return result

    @classmethod
    def _predict_jointly(cls, heads: Sequence[Self], X: Any) -> list[Floats]:
        """Return ``predict_proba`` of heads that ``_fit_jointly`` fitted."""
        with np.errstate(over="ignore", invalid="ignore"):
            results = cls._probabilities_jointly(heads, X)
        for result in results:
            check_probabilities(result)
        return results

    @classmethod
    def _probabilities_jointly(cls, heads: Sequence[Self], X: Any) -> list[Floats]:
        return [head._probabilities(X) for head in heads]

    def _probabilities(self, X: Any) -> Floats:
        return probabilities(self._decision(X), getattr(self, "temperature_", 1.0))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row, ``(n_samples,)``."""
        best = self.predict_proba(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[best]
        return labels

    def _all_array_rules(self) -> dict[str, ArrayRule]:
        rules = SCALER_RULES if self._standardizes else {}
        return {**rules, **self._array_rules, **(COLUMN_RULES if self._selects else {})}

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that prediction needs, as arrays that are stored without pickle."""
        check_is_fitted(self, "classes_")
        arrays = {name: np.asarray(getattr(self, f"{name}_")) for name in self._all_array_rules()}
        return {"classes": portable_classes(self.classes_), **arrays}

    def multiply_adds(self) -> int:
        """Return the multiply-adds that one row takes: one for each number of the matrices."""
        arrays = self.get_arrays().values()
        return sum(array.size for array in arrays if array.ndim == 2 and array.dtype.kind == "f")

    def trust_note(self) -> str:
        """Say which types whoever loads the head must trust; empty: there are none."""
        return ""

    def get_json_params(self) -> dict[str, Any]:
        """Return the parameters as JSON types; those that JSON cannot hold become None."""
        params = {name: plain(value) for name, value in self.get_params(deep=False).items()}
        if not self._selects:  # as in files from before there was a choice
            params.pop("select", None)
        return params

    @classmethod
    def from_arrays(
        cls,
        params: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        trusted: Sequence[str] = (),
    ) -> Self:
        """Rebuild a fitted head whose probabilities equal the original's bit by bit.

        Parameters
        ----------
        params : mapping
            From ``get_json_params``.
        arrays : mapping of str to ndarray
            From ``get_arrays``; they are copied.
        trusted : sequence of str
            Types that an own estimator may hold; other heads hold arrays only.

        Raises
        ------
        ModelFileError
            A parameter or an array does not fit: the file is damaged or hostile.
        """
        head: Self = built(cls, params)
        rest = dict(arrays)
        head.classes_ = check_classes_array(rest.pop("classes", None)).copy()
        checked = check_arrays(rest, head._all_array_rules(), len(head.classes_))
        for name, values in checked.items():
            setattr(head, f"{name}_", values if values.ndim else values.item())
        head._restore(checked)
        if head._selects:
            head.n_features_in_ = checked_columns(head.columns_, head.n_columns_)
        return head

    def _restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Check relations between arrays, and set attributes that follow from them."""
        widths = [
            arrays[name].shape[rule.shape.index("d")]
            for name, rule in self._all_array_rules().items()
            if "d" in rule.shape
        ]
        self.n_features_in_ = int(widths[0])
