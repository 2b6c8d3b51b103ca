"""The head of a fine-tuned backbone: a linear one, which keeps how it was trained."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..baselines.precision import PRECISIONS
from ..heads.linear.heads import LogisticHead
from ..heads.parameter_checks import FLAG, SEED, Rule, number, one_of, whole
from ..heads.training_data import Training

LAYER = Rule("the name of a layer", lambda value: isinstance(value, str))


class FinetunedHead(LogisticHead):
    """Logistic regression on the features of a backbone whose last layers were trained with it.

    By itself, on features that stay as they are, ``fit`` is that of ``LogisticHead``: the head that
    fine-tuning starts from.

    Parameters
    ----------
    layer : str
        The layers after it are trained; it and those before it stay as they are.
    C, standardize, class_weight, max_iter, tol
        Of the head that training starts from, as in ``LogisticHead``.
    epochs : int
        Most passes over the training rows.
    lr, head_lr : float
        Learning rates of Adam for the backbone's layers and for the head. They rise during the
        first epoch, and fall to zero along half a cosine until the last.
    batch_size : int
    batch_norm : bool
        Batch normalisation is trained as well, by the means and variances of its batches; otherwise
        it stays as it is.
    mixup : float
        Each training sample is mixed with another of its batch; their parts are drawn from a beta
        distribution with this for both parameters (0.2 is usual). 0: samples stay as they are.
    patience : int
        Epochs without a smaller loss on the held-out rows after which training stops.
    precision : 'auto', 'float32' or 'bfloat16'
        Of the layers' arithmetic in training; weights, the head and predictions stay in float32.
        ``auto`` takes bfloat16 where the hardware multiplies it.
    random_state : int
        Decides the rows that are held out, and the order of batches.

    Attributes
    ----------
    history_ : dict of str to list of float
        ``loss`` and ``accuracy`` of each epoch; ``val_loss`` and ``val_accuracy`` on the rows that
        are held out to stop early.
    n_tuned_ : int
        Numbers of the backbone's layers that training may change.
    """

    _rules: ClassVar = {
        **{name: rule for name, rule in LogisticHead._rules.items() if name != "select"},
        "layer": LAYER,
        "epochs": whole(0),
        "lr": number(0),
        "head_lr": number(0),
        "batch_size": whole(1),
        "batch_norm": FLAG,
        "mixup": number(0, closed=True),
        "patience": whole(1),
        "precision": one_of(*PRECISIONS),
        "random_state": SEED,
    }
    history_: dict[str, list[float]]
    n_tuned_: int

    def __init__(
        self,
        layer: str = "",
        *,
        C: float = 1e-2,
        standardize: bool = True,
        class_weight: Any = None,
        max_iter: int = 1000,
        tol: float = 5e-5,
        epochs: int = 10,
        lr: float = 1e-4,
        head_lr: float = 1e-3,
        batch_size: int = 64,
        batch_norm: bool = False,
        mixup: float = 0.0,
        patience: int = 5,
        precision: str = "auto",
        random_state: Any = 0,
    ) -> None:
        super().__init__(
            C,
            standardize=standardize,
            class_weight=class_weight,
            max_iter=max_iter,
            tol=tol,
        )
        self.layer = layer
        self.epochs = epochs
        self.lr = lr
        self.head_lr = head_lr
        self.batch_size = batch_size
        self.batch_norm = batch_norm
        self.mixup = mixup
        self.patience = patience
        self.precision = precision
        self.random_state = random_state

    def check(self) -> None:
        """Refuse parameters that may not stand; raises ConfigError."""
        self._check_params()

    def training(self, X: Any, y: Any, weight: Any) -> Training:
        """Return the samples with their classes' indices and what each counts in the loss.

        Raises
        ------
        TrainingDataError
            They cannot be learned from.
        """
        return self._prepare(X, y, weight)

    @property
    def logit_weights(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Kernel ``(n_features, m)`` and bias ``(m,)`` from standardised features to logits."""
        kernel = (self.coef_ * self.temperature_).T.astype(np.float32)
        return kernel, (self.intercept_ * self.temperature_).astype(np.float32)

    def take(self, kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        """Replace the weights by those that training found, in the form of ``logit_weights``."""
        self._set_weights(kernel.T, bias, np.dtype(np.float32))
        self.temperature_ = 1.0
