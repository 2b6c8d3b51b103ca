"""Model: a fitted head with all that is needed to use it rightly."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import AnySpec, FeatureSet
from ...cache.errors import ConfigError, FeatureMismatchError
from ...cache.format.facts import Shown, shortened
from ...extractor.backbones import IMAGENET
from ...extractor.backbones.tuned import TailWeights
from ...extractor.engines.packed import PackedNetwork
from ...extractor.feature_plans import FeaturePlans, plans_for
from ...extractor.plan import Plan
from ...extractor.views.views import ITSELF, Views
from .novelty import Novelty
from .split_rows import SplitRows

SHOWN_METRICS = 3


@dataclass(frozen=True, repr=False)
class Model(Shown):
    """A fitted head, the features it was fitted on, and where it comes from.

    Attributes
    ----------
    spec : FeatureSpec or JoinedSpec
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
        Rows of train, val and test, a digest of which images they are, and the seed of the split.
    rows : SplitRows or None
        Which images it was trained, chosen and tested on; None in files of earlier versions.
    origin : mapping
        Command, time and library versions.
    tail : TailWeights or None
        Of a fine-tuned backbone, the weights that training has changed.
    decision : mapping
        What `featx threshold` chose: ``factors`` by which each class's probability is multiplied
        before the largest is taken, and ``rule``. Empty: the most probable class.
    novelty : Novelty or None
        What tells images that are unlike the training images; None in files of earlier versions,
        and of networks that were trained on pixels.
    network : PackedNetwork or None
        The converted network, where `featx model pack` put it into the model's file.
    """

    spec: AnySpec
    class_names: tuple[str, ...]
    head_name: str
    head: Any
    scores: tuple[dict[str, Any], ...] = ()
    data_digest: str = ""
    split: Mapping[str, Any] = field(default_factory=dict)
    rows: SplitRows | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)
    decision: Mapping[str, Any] = field(default_factory=dict)
    tail: TailWeights | None = None
    novelty: Novelty | None = None
    network: PackedNetwork | None = None

    def decisive(self, probabilities: NDArray[Any]) -> NDArray[Any]:
        """Return probabilities ``(n, n_classes)`` as thresholds weigh them, rows summing to 1.

        The largest of a row is the class that the model decides for.
        """
        if not self.decision:
            return probabilities
        weighed = probabilities * np.asarray(self.decision["factors"], np.float64)
        shares: NDArray[Any] = weighed / weighed.sum(axis=1, keepdims=True)
        return shares

    def predict(
        self, X: Any, *, weights: str = IMAGENET, views: Views = ITSELF
    ) -> NDArray[np.str_]:
        """Return the name of the class that the model decides for, of each sample, ``(n,)``.

        Parameters
        ----------
        X : images or features
            As in ``predict_proba``.
        weights : str
            As in ``predict_proba``.
        views : Views
            As in ``predict_proba``.

        Raises
        ------
        FeatxError
            As ``predict_proba``.
        """
        proba = self.predict_proba(X, weights=weights, views=views)
        best = self.decisive(proba).argmax(axis=1)
        names: NDArray[np.str_] = np.array(self.class_names)[best]
        return names

    def predict_proba(
        self, X: Any, *, weights: str = IMAGENET, views: Views = ITSELF
    ) -> NDArray[Any]:
        """Return probabilities ``(n, n_classes)`` in the order of ``class_names``.

        Parameters
        ----------
        X : images or features
            Images are a sequence of paths, an array of uint8 ``(n, h, w)`` or ``(n, h, w, 3)``, or
            a sequence of arrays ``(h, w)`` or ``(h, w, 3)``: they go through the model's own
            backbone, with its preprocessing. Features are a matrix of floats ``(n, n_features)``,
            taken as they are, or a FeatureSet, which must be made in the same way.
        weights : str
            Where this machine has the backbone's weights: ``imagenet``, ``random:SEED`` or a path;
            used for images only.
        views : Views
            Of images: the probabilities are the mean over the image and random views of it.

        Returns
        -------
        ndarray of float32 or float64, shape (n, n_classes)
            In [0, 1]; each row sums to 1.

        Raises
        ------
        FeatureMismatchError
            The rows are not as wide as the head's, or a FeatureSet was made in another way.
        ConfigError
            ``views`` of features.
        SourceFormatError
            ``X`` holds neither images nor features.
        ImageError
            An image cannot be read; the message names the first.
        WeightsNotFoundError
            The weights are not on this machine.
        """
        X = self._features(X, weights, views)
        return self.mean_proba(X, views.n)

    def mean_proba(self, X: Any, n_views: int) -> NDArray[Any]:
        """Return probabilities ``(n, n_classes)``, the mean over views of each sample.

        Parameters
        ----------
        X : matrix of float, shape (n, n_views * n_features)
            The features of each view, side by side.
        n_views : int

        Raises
        ------
        FeatureMismatchError
            The rows are not as wide as the head's.
        """
        if n_views == 1:
            return self._proba(X)
        views = np.split(np.asarray(X), n_views, axis=1)
        all_proba = [self._proba(np.ascontiguousarray(view)) for view in views]
        mean: NDArray[Any] = np.mean(all_proba, axis=0)
        return mean

    def _proba(self, X: Any) -> NDArray[Any]:
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

    def _features(self, X: Any, weights: str, views: Views) -> Any:
        """Return the features of images and of their views, or those that were handed over."""
        features = None if isinstance(X, FeatureSet) else as_matrix(X)
        if views.n > 1 and (isinstance(X, FeatureSet) or features is not None):
            raise ConfigError("views are drawn from images, and these are features: give images")
        if isinstance(X, FeatureSet):
            self.check_spec(X.spec)
            return X.to_numpy()
        if features is not None:
            return features
        from ..image_items import features_of_images

        return features_of_images(X, self.plans(weights).with_views(views))

    def _title(self) -> str:
        return f"Model {self.head_name}, {len(self.class_names)} classes"

    def _facts(self) -> dict[str, str]:
        facts = {"classes": shortened(self.class_names), "features": self.spec.describe()}
        for scores in self.scores:
            metrics = list(scores.get("metrics", {}).items())[:SHOWN_METRICS]
            measured = ", ".join(f"{name} {value:.4f}" for name, value in metrics)
            facts[f"on {scores.get('split')}"] = f"{measured} ({scores.get('n_samples')} rows)"
        facts["made"] = f"{self.origin.get('created', '')} of {self.origin.get('features', '')}"
        return facts

    def plans(self, weights: str = IMAGENET) -> FeaturePlans:
        """Return the plans that compute this model's features on this machine.

        Parameters
        ----------
        weights : str
            As in ``predict_proba``.

        Raises
        ------
        WeightsNotFoundError, UnknownBackboneError
            This machine does not have the backbone.
        FeatureMismatchError
            Its backbone would make other features.
        """
        plans = plans_for(self.spec, weights, self.tail, self.network)
        self.check_spec(plans.as_fed())
        return plans

    def plan(self, weights: str = IMAGENET) -> Plan:
        """Return the one plan that computes this model's features; see ``plans``.

        Raises
        ------
        ConfigError
            The model was made for several sets of features side by side.
        """
        return self.plans(weights).only_plan

    def check_spec(self, spec: AnySpec) -> None:
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


def as_matrix(X: Any) -> Any | None:
    """Return ``X`` where it is a matrix of features, else None: paths, pixels, or nothing known.

    Numbers of any format but uint8 are features; uint8 are pixels.
    """
    if hasattr(X, "to_numpy") and not isinstance(X, np.ndarray):
        X = X.to_numpy()  # a DataFrame of features, or a Series of paths
    if not hasattr(X, "dtype"):
        if isinstance(X, str | os.PathLike) or not hasattr(X, "__len__") or not len(X):
            return None
        if any(isinstance(item, str | os.PathLike) for item in X):
            return None
        try:
            X = np.asarray(X)
        except ValueError:  # images of several sizes
            return None
    return X if X.dtype.kind in "fiu" and X.dtype != np.uint8 else None
