"""Result: one configuration as it was measured, kept in the cache."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import CacheFormatError
from ..format.atomic import write_text
from ..format.version import stamped, without_version
from .scores import Scores

FIT, SWEEP, TRAINED = "fit", "sweep", "baseline"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One configuration of a head, or one network, as it was measured.

    Attributes
    ----------
    id : str
        Names the result on the command line: ``logreg-1a2b3c4d``. The same configuration on the
        same features and rows has the same id.
    name : str
        Of the head, or of the network of a baseline.
    kind : str
        What measured it: ``fit``, ``sweep`` or ``baseline``.
    features : str
        ``manifest@fingerprint``.
    backbone, layer : str
    head : str
        A key of the registry of heads.
    params : mapping
        All parameters, as JSON types.
    scores : mapping of str to Scores
        By split: ``val`` and ``test``; ``cv5`` for five folds.
    rows : mapping of str to str
        By split, the name of the rows whose predictions are kept; see ``JudgedRows``. Two results
        whose names are equal were measured on the same rows.
    n_parameters : int
        Numbers of the head, or of the network from scratch, that training decided.
    n_tuned : int
        Numbers of the backbone's last layers that training decided as well.
    model_bytes : int
        Of the arrays that prediction needs.
    predict_rate : float
        Rows a second.
    multiply_adds : int
        For one row of features.
    convergence_note : str
        What to change, where the head stopped before it converged.
    history : mapping of str to list of float
        Training curves, a value an epoch: ``loss``, ``accuracy``, ``val_loss``, ``val_accuracy``.
    created_ns : int
        Nanoseconds since the epoch.
    tag : mapping of str to str
        ``name`` and ``note`` that the user gave to the model.
    views : mapping
        How many random views of each training image were learned from, and how they were drawn;
        see ``Views``. Empty: none.
    """

    id: str
    name: str
    kind: str
    features: str
    backbone: str
    layer: str
    head: str
    params: Mapping[str, Any]
    scores: Mapping[str, Scores]
    rows: Mapping[str, str] = field(default_factory=dict)
    n_parameters: int = 0
    n_tuned: int = 0
    model_bytes: int = 0
    predict_rate: float = 0.0
    multiply_adds: int = 0
    convergence_note: str = ""
    history: Mapping[str, list[float]] = field(default_factory=dict)
    created_ns: int = 0
    tag: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return plain


def write_result(path: Path, result: Result) -> None:
    """Write ``result`` as JSON, atomically."""
    write_text(path, json.dumps(stamped(result.to_dict()), indent=1) + "\n")


def read_result(path: Path) -> Result:
    """Read a result; raises CacheFormatError where the file is none."""
    try:
        record = without_version(path, json.loads(path.read_text(encoding="utf-8")))
        scores = {split: Scores.from_dict(s) for split, s in record.pop("scores").items()}
        names = {f.name for f in fields(Result)}
        return Result(**{k: v for k, v in record.items() if k in names}, scores=scores)
    except CacheFormatError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CacheFormatError(
            f"{path}: not a result ({error}): `featx cache repair` sets it aside"
        ) from error
