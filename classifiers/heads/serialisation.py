"""A head's arrays in a model file, checked so that no file can do harm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import ModelFileError

MAX_CLASSES = 1 << 20


@dataclass(frozen=True)
class ArrayRule:
    """What one array of a head must be.

    Attributes
    ----------
    shape : tuple of str
        A symbol for each axis; ``"k"`` is the number of classes, ``"m"`` the number of decision
        columns (1 for two classes, else ``k``), ``"d"`` the number of features. Any other symbol is
        bound by the first array that uses it.
    kind : str
        ``"f"`` for finite float32 or float64, ``"i"`` for int64.
    positive : bool
        Every number must be above zero.
    """

    shape: tuple[str, ...]
    kind: str = "f"
    positive: bool = False


COLUMN_RULES = {"columns": ArrayRule(("d",), "i"), "n_columns": ArrayRule((), "i")}
SCALER_RULES = {"mean": ArrayRule(("d",)), "scale": ArrayRule(("d",), positive=True)}


def portable_classes(classes: NDArray[Any]) -> NDArray[Any]:
    """Return class labels in a form that is stored without pickle: numbers or fixed-width text."""
    if classes.dtype.kind in "biufU":
        return classes
    return classes.astype(np.str_)


def check_classes_array(classes: Any) -> NDArray[Any]:
    """Check the labels of a file: a sorted vector of two or more.

    Raises
    ------
    ModelFileError
        They are not.
    """
    if (
        not isinstance(classes, np.ndarray)
        or classes.dtype.kind not in "biufU"
        or classes.ndim != 1
        or not 2 <= len(classes) <= MAX_CLASSES
    ):
        raise ModelFileError("the head's 'classes' must be a vector of two labels or more")
    if not bool(np.all(classes[1:] > classes[:-1])):
        raise ModelFileError("the head's 'classes' must be sorted and unique")
    return classes


def checked_columns(columns: NDArray[np.int64], n_columns: int) -> int:
    """Check which of a file's columns a head reads, and return how many there are.

    Raises
    ------
    ModelFileError
        They do not ascend, or point outside.
    """
    is_inside = columns[0] >= 0 and columns[-1] < n_columns
    if not is_inside or not bool(np.all(columns[1:] > columns[:-1])):
        raise ModelFileError(f"the head's array 'columns' points outside its {n_columns} columns")
    return int(n_columns)


def check_arrays(
    arrays: Mapping[str, Any], rules: Mapping[str, ArrayRule], n_classes: int
) -> dict[str, NDArray[Any]]:
    """Check the arrays of a file against a head's rules and copy them in C order.

    Raises
    ------
    ModelFileError
        An array is missing, not known, of another dtype or shape, or not finite.
    """
    if not all(isinstance(name, str) for name in arrays):
        raise ModelFileError("the names of the head's arrays must be text")
    missing, unknown = sorted(set(rules) - set(arrays)), sorted(set(arrays) - set(rules))
    if missing or unknown:
        raise ModelFileError(
            f"the head's arrays do not fit: missing {missing or 'none'}, unknown "
            f"{[name[:40] for name in unknown[:10]] or 'none'}"
        )
    sizes = {"k": n_classes, "m": 1 if n_classes == 2 else n_classes}
    return {name: _check_array(name, arrays[name], rule, sizes) for name, rule in rules.items()}


def _check_array(name: str, values: Any, rule: ArrayRule, sizes: dict[str, int]) -> NDArray[Any]:
    wanted = (np.float32, np.float64) if rule.kind == "f" else (np.int64,)
    if not isinstance(values, np.ndarray) or values.dtype.type not in wanted:
        kind = getattr(values, "dtype", type(values).__name__)
        raise ModelFileError(f"the head's array {name!r} must be {wanted[0].__name__}, not {kind}")
    if values.ndim != len(rule.shape):
        raise ModelFileError(f"the head's array {name!r} has the shape {values.shape}")
    for symbol, size in zip(rule.shape, values.shape, strict=True):
        if sizes.setdefault(symbol, size) != size or size == 0:
            expected = tuple(sizes.get(s, s) for s in rule.shape)
            raise ModelFileError(
                f"the head's array {name!r} has the shape {values.shape}, expected {expected}"
            )
    if rule.kind == "f" and not np.isfinite(values).all():
        raise ModelFileError(f"the head's array {name!r} holds NaN or infinity")
    if rule.positive and not (values > 0).all():
        raise ModelFileError(f"the head's array {name!r} must be above zero")
    return np.array(values, values.dtype.newbyteorder("="), order="C")


def plain(value: Any) -> Any:
    """Return a parameter as JSON types; what JSON cannot hold becomes None."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return value if isinstance(value, str | int | float | bool) else None


def built(cls: type[Any], params: Mapping[str, Any]) -> Any:
    """Return an unfitted head with a file's parameters; raises ModelFileError if they are bad."""
    try:
        head = cls(**{str(name): value for name, value in params.items()})
        head._check_params()
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"the head's parameters cannot be used: {error}") from error
    return head
