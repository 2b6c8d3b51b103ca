"""Values by class name: weights, shares and costs, as people write them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache.errors import ConfigError
from ....cache.suggest import did_you_mean


def parse_share(text: str, option: str) -> float:
    """Return the share that ``1%`` or ``0.01`` stands for; raises ConfigError where it is none."""
    number = text.strip()
    try:
        share = float(number.removesuffix("%")) / (100 if number.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ConfigError(f"{option} takes a share such as 1% or 0.01, got {text!r}")
    return share


def parse_pairs(text: str, option: str) -> dict[str, str]:
    """Return the values by name of ``Shirt=5,Bag=2``; raises ConfigError where it is no such list.

    A name may hold commas and equals signs: the last equals sign of an entry counts.
    """
    pairs: dict[str, str] = {}
    pending = ""
    for part in text.split(","):
        pending = f"{pending},{part}" if pending else part
        name, equals, value = pending.rpartition("=")
        if equals:
            if not name.strip() or name.strip() in pairs:
                raise ConfigError(f"{option} names {name.strip()!r} twice or not at all: {text!r}")
            pairs[name.strip()] = value.strip()
            pending = ""
    if pending or not pairs:
        raise ConfigError(f"{option} takes CLASS=VALUE, several separated by commas, got {text!r}")
    return pairs


def class_index(name: str, class_names: Sequence[str], option: str) -> int:
    """Return the index of a class; raises ConfigError where there is none of that name."""
    if name not in class_names:
        hint = did_you_mean(name, class_names)
        raise ConfigError(f"{option} names {name!r}, which is no class here. {hint}")
    return class_names.index(name)


def parse_class_weight(text: str | None) -> Any:
    """Return what ``--class-weight`` says: None, ``balanced`` or a mapping of name to weight.

    Raises
    ------
    ConfigError
        It is none of these, or a weight is no number above 0.
    """
    if text is None or text.lower() == "none":
        return None
    if "=" not in text:
        return text
    pairs = parse_pairs(text, "--class-weight")
    try:
        weights = {name: float(value) for name, value in pairs.items()}
    except ValueError:
        raise ConfigError(f"--class-weight takes numbers, as Shirt=5,Bag=2, got {text!r}") from None
    return weights


@contextmanager
def class_weights_by_index(
    heads: Sequence[Any], class_names: Sequence[str], y: NDArray[np.int64]
) -> Iterator[None]:
    """While the block runs, let heads have weights of classes by index instead of by name.

    Weights of classes without a row in ``y`` are left out. Heads keep the names, and so do files.

    Raises
    ------
    ConfigError
        A name is no class.
    """
    by_name = []
    for head in heads:
        weights = getattr(head, "class_weight", None)
        if isinstance(weights, Mapping) and any(isinstance(name, str) for name in weights):
            by_name.append((head, weights))
    present = set(np.unique(y).tolist()) if by_name else set()
    try:
        for head, weights in by_name:
            indices = {class_index(n, class_names, "class_weight"): w for n, w in weights.items()}
            head.set_params(class_weight={i: w for i, w in indices.items() if i in present})
        yield
    finally:
        for head, weights in by_name:
            head.set_params(class_weight=weights)


EXPECTED_COSTS = (
    "expected a CSV file with a row for each true class and a column for each prediction"
)


@dataclass(frozen=True)
class CostTable:
    """What each prediction costs, by the names of the true and of the predicted class.

    Attributes
    ----------
    path : Path
    true_names, predicted_names : tuple of str
    values : ndarray of float64, shape (len(true_names), len(predicted_names))
    """

    path: Path
    true_names: tuple[str, ...]
    predicted_names: tuple[str, ...]
    values: NDArray[np.float64]

    @classmethod
    def read(cls, path: Path) -> CostTable:
        """Read a CSV file whose first row and first column hold the names of classes.

        Raises
        ------
        ConfigError
            The file cannot be read, or holds something that is no number.
        """
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                header, *rows = [row for row in csv.reader(file) if any(row)]
            values = np.array([row[1:] for row in rows], np.float64)
            true_names = tuple(row[0].strip() for row in rows)
        except OSError as error:
            reason = error.strerror or error
            raise ConfigError(f"{path}: not readable ({reason}); {EXPECTED_COSTS}") from error
        except (ValueError, csv.Error, IndexError) as error:
            raise ConfigError(f"{path}: {error}; {EXPECTED_COSTS}") from error
        if not np.isfinite(values).all():
            raise ConfigError(f"{path}: costs are numbers, got {values[~np.isfinite(values)][0]}")
        return cls(path, true_names, tuple(name.strip() for name in header[1:]), values)

    def matrix(self, class_names: Sequence[str]) -> NDArray[np.float64]:
        """Return costs ``(n_classes, n_classes)``: rows are true classes, columns predicted.

        Raises
        ------
        ConfigError
            The table lacks a class, has one twice, or another one.
        """
        for names, what in ((self.true_names, "row"), (self.predicted_names, "column")):
            problem = _names_problem(names, class_names)
            if problem:
                raise ConfigError(
                    f"{self.path}: {EXPECTED_COSTS}, each of {len(class_names)} classes once; "
                    f"{problem.replace('{}', what)}"
                )
        columns = [self.predicted_names.index(name) for name in class_names]
        rows = [self.true_names.index(name) for name in class_names]
        costs: NDArray[np.float64] = self.values[np.ix_(rows, columns)]
        return costs


def _names_problem(names: Sequence[str], class_names: Sequence[str]) -> str:
    """Say what is wrong with the names of rows or columns; braces stand for which of them."""
    absent = [name for name in class_names if name not in names]
    if absent:
        return f"no {{}} for {absent[0]!r}"
    surplus = [name for name in names if name not in class_names or names.count(name) > 1]
    return f"a {{}} for {surplus[0]!r} too many" if surplus else ""


def read_costs(path: Path, class_names: Sequence[str]) -> NDArray[np.float64]:
    """Read a matrix of costs, ``(n_classes, n_classes)``; raises ConfigError, as ``CostTable``."""
    return CostTable.read(path).matrix(class_names)
