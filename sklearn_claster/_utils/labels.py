"""Class labels: what they may be, and how two sets of them are brought together."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Set
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import type_of_target

from .torch import as_host_array
from .warning import warn

_OTHER_CLASSES = (
    "To hold out whole classes in a cross-validation use cv=ZeroShotKFold(); to score seen classes "
    "set space='gzsl' or 'seen'. (Training rows, which learning_curve and return_train_score=True "
    "score too, are always of seen classes.)"
)
_NO_TABLE = (
    "Unseen classes need class_embeddings, which fit did not get: pass fit(X, y, "
    "class_embeddings=table), to a search as well, or params={'class_embeddings': table} to "
    "cross_val_score."
)
_WIDER = {"i": (np.int64,), "u": (np.uint64, np.int64), "f": (np.float64,)}


def preview(labels: NDArray[Any], n_shown: int = 5) -> str:
    """Return the first few labels, for an error message."""
    first = labels[:n_shown].tolist()
    plain = [label.item() if isinstance(label, np.generic) else label for label in first]
    shown = ", ".join(map(repr, plain))
    return shown + (f", ... ({len(labels)} in all)" if len(labels) > n_shown else "")


def read_labels(labels: Any, name: str, *, column_warning: bool = False) -> NDArray[Any]:
    """Labels as a fresh array (n,) of strings or of numbers, every value as it came.

    Raises
    ------
    ValueError
        If a label is missing, the labels are not one-dimensional, or their numbers have no
        type in common that holds them.
    TypeError
        If the labels come in no order, or are not all strings or all numbers.
    """
    if hasattr(labels, "to_numpy"):  # pandas and polars; check_array would make floats of Int64
        labels = labels.to_numpy()
    labels = as_host_array(labels, name)
    if hasattr(labels, "__array__"):
        labels = np.asarray(labels)
    elif isinstance(labels, (str, bytes, set, frozenset, Mapping)) or not hasattr(
        labels, "__len__"
    ):
        raise TypeError(
            f"The labels in {name} have to come in an order, as a list or an array; got "
            f"{type(labels).__name__}."
        )
    else:
        labels = _as_array(list(labels))
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = column_or_1d(labels, warn=column_warning)
    if labels.ndim != 1:
        raise ValueError(
            f"The labels in {name} should be a 1d array, one label each; got the shape "
            f"{labels.shape}."
        )
    _refuse_missing(labels, name)
    if labels.dtype.kind in "biufU":
        return np.array(labels)
    values = labels.tolist()
    for label in values:
        if not isinstance(label, (str, Real, np.bool_)):
            raise TypeError(
                f"The labels in {name} are strings or numbers; got the {type(label).__name__} "
                f"{label!r}. Convert them, for example with str(label), or label.decode() for "
                "bytes."
            )
    kinds = {isinstance(label, str) for label in values}
    if len(kinds) > 1:
        raise TypeError(
            f"The labels in {name} are all strings or all numbers; got both. Convert them, for "
            "example with str(label)."
        )
    if kinds != {False}:
        return np.array(labels)
    numbers = np.array(values)
    if numbers.dtype.kind not in "biuf" or numbers.tolist() != values:
        raise ValueError(
            f"The labels in {name} are numbers that no one type holds ({preview(labels)}). Use "
            "integers below 2**63, or strings."
        )
    return numbers


def check_labels(labels: Any, name: str, *, column_warning: bool = False) -> NDArray[Any]:
    """One class label per sample: strings, or whole numbers, as `read_labels` reads them.

    Raises
    ------
    ValueError
        If there is none, or the numbers are not whole or not finite.
    TypeError
        If they are a class table.
    """
    if labels is None:
        raise ValueError(f"This requires {name} to be passed, but the target {name} is None.")
    if is_class_table(labels):
        raise TypeError(
            f"{name} looks like a class table ({type(labels).__name__}); expected one label per "
            "sample. "
            "The order of arguments is fit(X, y, class_embeddings)."
        )
    array = read_labels(labels, name, column_warning=column_warning)
    if not len(array):
        raise ValueError(f"{name} has to hold at least one class label; it is empty.")
    assert_all_finite(array, input_name=name)
    kind = type_of_target(array, input_name=name)
    if kind not in ("binary", "multiclass"):
        raise ValueError(
            f"Unknown label type: {name} has to hold class labels (strings or whole numbers), one "
            f"per sample; got {kind!r} values. Convert them, for example with {name}.astype(str)."
        )
    return array


def is_class_table(value: Any) -> bool:
    """Whether an argument is a class table, where samples or labels belong."""
    if isinstance(value, tuple) and len(value) == 2:  # (labels, vectors)
        return np.ndim(value[0]) == 1 and np.ndim(value[1]) == 2
    is_frame = hasattr(value, "columns") and len(value.columns) > 1
    is_table = hasattr(value, "labels") and hasattr(value, "vectors")
    return isinstance(value, Mapping) or is_frame or is_table


def check_comparable(
    labels: NDArray[Any], others: NDArray[Any], name: str, other_name: str
) -> None:
    """Refuse to compare strings with numbers, which would never match."""
    kinds = [_holds_strings(labels), _holds_strings(others)]
    if kinds[0] != kinds[1]:
        words = ["strings" if kind else "numbers" for kind in kinds]
        raise TypeError(
            f"{name} are {words[0]} ({preview(labels, 3)}) but {other_name} is keyed by "
            f"{words[1]} ({preview(others, 3)}). Use the same labels in both. (Some tools of "
            "scikit-learn replace labels by numbers, for example cross_val_predict with a "
            "probability method, or VotingClassifier; they cannot be used with class tables.)"
        )


def labels_like(
    labels: NDArray[Any], others: NDArray[Any], name: str, other_name: str
) -> NDArray[Any]:
    """Labels in the type and the Unicode spelling of others, so that equal ones compare equal.

    Where the others' type is too narrow, the labels come in a wider one of its kind.

    Raises
    ------
    TypeError
        If one holds strings and the other numbers, or no type of the others' kind holds the
        labels.
    ValueError
        If the others hold one name in two spellings.
    """
    check_comparable(labels, others, name, other_name)
    if _holds_strings(labels):
        return _spelled_like(labels, others, other_name)
    if labels.dtype == others.dtype:
        return labels
    for dtype in (others.dtype, *_WIDER.get(others.dtype.kind, ())):
        cast = _exactly(labels, dtype)
        if cast is not None and (dtype != np.int64 or _exactly(others, dtype) is not None):
            return cast
    raise TypeError(
        f"{name} are of the type {labels.dtype} ({preview(labels, 3)}) but those of {other_name} "
        f"are {others.dtype} ({preview(others, 3)}), which cannot hold them all. Use the same "
        "type of labels in both."
    )


def is_among(classes: NDArray[Any], labels: Any, name: str) -> NDArray[np.bool_]:
    """Which classes are among labels of the same kind, in any order, (n,), (m,) -> (n,)."""
    if is_class_table(labels):
        raise TypeError(
            f"{name} is a class table ({type(labels).__name__}); expected labels. Pass them, for "
            "example model.classes_ or model.unseen_classes_."
        )
    listed = list(labels) if isinstance(labels, Set) else labels
    if not np.size(listed):
        return np.zeros(len(classes), dtype=bool)
    return np.isin(classes, labels_like(check_labels(listed, name), classes, name, "y_true"))


def refuse_table_as_weights(sample_weight: Any) -> None:
    """Raise if a class table was given where the weights of samples belong."""
    if is_class_table(sample_weight):
        raise TypeError(
            f"sample_weight is a {type(sample_weight).__name__}; expected one weight per sample. "
            "If it is a class table, name it: score(X, y, unseen_embeddings=table)."
        )


def warn_of_labels_that_cannot_be_named(
    y: NDArray[Any], labels: NDArray[Any], space: str | None
) -> None:
    """Warn if labels of `y` are no candidates; `space` is None where there is no class table."""
    known = np.isin(y, labels)
    if known.all():
        return
    share, wrong = f"Only {np.mean(known):.0%}", "the other samples"
    if not known.any():
        share, wrong = "None", "all samples"
    what, cure = f"a candidate of space={space!r}", _OTHER_CLASSES
    if space is None:
        what, cure = "a class that fit has seen", _NO_TABLE
    warn(
        f"{share} of the labels in y is {what} ({preview(labels, 3)}); {wrong} count as wrong. "
        f"{cure}",
    )


def composed(label: Any) -> Any:
    """Return a string with letters and accents as one sign each (NFC); numbers as they are."""
    is_plain = not isinstance(label, str) or label.isascii()
    return label if is_plain else unicodedata.normalize("NFC", label)


def is_missing(value: Any) -> bool:
    """Whether it is None, NaN, or pandas' NA or NaT."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # NA is neither equal nor unequal to anything
        return True
    except ValueError:  # an array
        return False


def _as_array(values: list[Any]) -> NDArray[Any]:
    """Return a list as an array that keeps its values: NumPy makes two strings of [1, "a"]."""
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    if all(isinstance(value, str) for value in plain):
        return np.array(plain, dtype=None if plain else object)
    if any(np.ndim(value) for value in plain if not isinstance(value, str)):
        return np.array(plain)
    plain = [value.item() if hasattr(value, "item") else value for value in plain]
    return np.fromiter(plain, dtype=object, count=len(plain))


def _refuse_missing(labels: NDArray[Any], name: str) -> None:
    if labels.dtype.kind == "f":
        missing = np.isnan(labels)
    elif labels.dtype.kind == "O":
        missing = np.array([not isinstance(x, str) and is_missing(x) for x in labels], dtype=bool)
    else:
        return
    if missing.any():
        where = np.flatnonzero(missing)
        raise ValueError(
            f"Labels are missing in {name}: got {labels[where[0]]} at the position(s) "
            f"{preview(where)}, counted from 0. Fill them in, or drop what has none."
        )


def _exactly(labels: NDArray[Any], dtype: Any) -> NDArray[Any] | None:
    """Return the labels in another type, or None if that changes a value."""
    with np.errstate(all="ignore"):
        cast = labels.astype(dtype)
    return cast if cast.tolist() == labels.tolist() else None


def _spelled_like(labels: NDArray[Any], others: NDArray[Any], other_name: str) -> NDArray[Any]:
    is_object = others.dtype.kind == "O"
    names: list[str] = labels.tolist()
    if not "".join(names).isascii():
        spellings = {composed(other): other for other in set(others.tolist())}
        twice = [other for other in set(others.tolist()) if spellings[composed(other)] != other]
        if twice:
            raise ValueError(
                f"{other_name} holds {twice[0]!r} in two spellings, with accents as signs of "
                "their own and without. Bring the labels into one with "
                "unicodedata.normalize('NFC', label)."
            )
        names = [spellings.get(composed(name), name) for name in names]
    return np.array(names, dtype=object if is_object else None)


def _holds_strings(labels: NDArray[Any]) -> bool:
    return labels.dtype.kind == "U" or (
        labels.dtype.kind == "O" and any(isinstance(label, str) for label in labels)
    )
