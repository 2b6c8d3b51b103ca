"""Model: a fitted head with all that is needed to use it rightly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureSpec
from ...cache.errors import FeatureMismatchError
from ...extractor.plan import Plan


@dataclass(frozen=True)
class Model:
    """A fitted head, the features it was fitted on, and where it comes from.

    Attributes
    ----------
    spec : FeatureSpec
    class_names : tuple of str
        All classes of the training source, in its order.
    head_name : str
    head : Any
        The fitted estimator; its ``classes_`` are indices into ``class_names``.
    scores : tuple of dict
        What was measured when it was made.
    data_digest : str
        Of the manifest that it learned from.
    split : mapping
        Rows of train, val and test, a digest of which they are, and the seed that drew them.
    origin : mapping
        Command, time and library versions.
    """

    spec: FeatureSpec
    class_names: tuple[str, ...]
    head_name: str
    head: Any
    scores: tuple[dict[str, Any], ...] = ()
    data_digest: str = ""
    split: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)

    def predict_proba(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return probabilities ``(n, n_classes)`` in the order of ``class_names``.

        Parameters
        ----------
        X : ndarray of float, shape (n, n_features)

        Raises
        ------
        FeatureMismatchError
            The rows are not as wide as the head's.
        """
        width = self.head.n_features_in_
        if X.ndim != 2 or X.shape[1] != width:
            raise FeatureMismatchError(
                f"the model takes {width} features a row, got an array of shape {X.shape}"
            )
        seen = np.asarray(self.head.predict_proba(X))
        if seen.shape[1] == len(self.class_names):
            return seen
        probabilities = np.zeros((len(X), len(self.class_names)), seen.dtype)
        probabilities[:, self.head.classes_] = seen
        return probabilities

    def check_plan(self, plan: Plan) -> None:
        """Refuse a machine whose backbone would make other features.

        Raises
        ------
        FeatureMismatchError
            The weights' digest, or how this featx feeds the backbone, is not the model's.
        """
        self.check_spec(replace(plan.spec, preprocess=plan.record.preprocess))

    def check_spec(self, spec: FeatureSpec) -> None:
        """Refuse features that were made in another way.

        Raises
        ------
        FeatureMismatchError
            Names each field that differs. The number format of stored rows may differ.
        """
        differing = self.spec.difference(spec)
        differing.pop("storage", None)
        if differing:
            fields = "; ".join(f"{k} {mine!r} ≠ {its!r}" for k, (mine, its) in differing.items())
            raise FeatureMismatchError(
                f"the model was made for other features (model's ≠ offered): {fields}"
            )
