"""The class table: one semantic vector per class, keyed by label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Number, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from ._torch_utils import as_host_array


@dataclass(frozen=True, eq=False, repr=False)
class ClassEmbeddings:
    """One semantic vector per class: attributes, word vectors, sentence embeddings.

    The table is immutable, and it is deliberately no sequence (no length, no
    shape, no iteration): scikit-learn cuts whatever is as long as ``X`` into
    folds, and a class table has to travel through searches and pipelines whole.

    Parameters
    ----------
    labels : array-like of shape (n_classes,)
        The class labels, all of one kind (strings or numbers), each one once.
    vectors : array-like of shape (n_classes, n_embedding_features)
        One finite vector per label, in the order of `labels`.

    Attributes
    ----------
    labels : ndarray of shape (n_classes,)
        The labels, sorted.
    vectors : ndarray of shape (n_classes, n_embedding_features)
        The vectors as float64, in the order of the sorted labels.

    Raises
    ------
    ValueError
        If a label stands twice, if the numbers of labels and vectors differ, or
        if the vectors are empty, not two-dimensional or not finite.
    TypeError
        If strings and numbers are mixed among the labels.

    Examples
    --------
    >>> from sklearn_claster import ClassEmbeddings
    >>> table = ClassEmbeddings(["yoyo", "archery"], [[0.0, 1.0], [1.0, 0.0]])
    >>> table
    ClassEmbeddings(2 classes, 2 features)
    >>> table.labels
    array(['archery', 'yoyo'], dtype='<U7')
    >>> table.vectors
    array([[1., 0.],
           [0., 1.]])
    """

    labels: NDArray[Any]
    vectors: NDArray[np.float64]

    def __init__(self, labels: ArrayLike, vectors: ArrayLike) -> None:
        names = _as_labels(labels)
        matrix = check_array(
            as_host_array(vectors),
            dtype=np.float64,
            copy=True,
            input_name="class embeddings",
            ensure_min_samples=1,
        )
        if len(names) != len(matrix):
            raise ValueError(
                f"A class table needs one vector per label: got {len(names)} labels and "
                f"{len(matrix)} vectors."
            )
        order = np.argsort(names, kind="stable")
        names, matrix = names[order], matrix[order]
        twice = np.unique(names[1:][names[1:] == names[:-1]])
        if len(twice):
            raise ValueError(
                f"A class table holds each label once: {preview(twice)} stand(s) there more than "
                "once. Average the vectors of such a class, or give the classes distinct names."
            )
        for array in (names, matrix):
            array.setflags(write=False)
        object.__setattr__(self, "labels", names)
        object.__setattr__(self, "vectors", matrix)

    def __repr__(self) -> str:
        return f"ClassEmbeddings({len(self.labels)} classes, {self.vectors.shape[1]} features)"

    def __reduce__(self) -> tuple[type, tuple[NDArray[Any], NDArray[np.float64]]]:
        return ClassEmbeddings, (self.labels, self.vectors)

    def __sizeof__(self) -> int:
        # Whoever sends objects to other machines asks: joblib's dask backend sends large ones once.
        return object.__sizeof__(self) + self.labels.nbytes + self.vectors.nbytes

    def select(self, labels: ArrayLike) -> ClassEmbeddings:
        """The part of the table that holds these labels.

        Parameters
        ----------
        labels : array-like of shape (n_selected,)
            Labels of the table, each one once.

        Returns
        -------
        ClassEmbeddings
            A table of those classes.

        Raises
        ------
        ValueError
            If a label has no vector in the table.

        Examples
        --------
        >>> from sklearn_claster import ClassEmbeddings
        >>> ClassEmbeddings(["a", "b", "c"], [[1.0], [2.0], [3.0]]).select(["c", "a"]).vectors
        array([[1.],
               [3.]])
        """
        wanted = _as_labels(labels)
        check_comparable(wanted, self.labels, "labels", "the class table")
        missing = np.setdiff1d(wanted, self.labels)
        if len(missing):
            raise ValueError(
                f"{len(missing)} class(es) have no vector in the class table: {preview(missing)}. "
                f"It holds {len(self.labels)} classes: {preview(self.labels)}. Add the missing "
                "rows, or drop the samples of those classes. If a search has cut the table into "
                "folds, pass it as ClassEmbeddings(labels, vectors)."
            )
        return ClassEmbeddings(wanted, self.vectors[np.searchsorted(self.labels, wanted)])

    @classmethod
    def from_table(cls, table: Any, name: str = "class_embeddings") -> ClassEmbeddings:
        """Read a class table in any of its accepted forms.

        Parameters
        ----------
        table : ClassEmbeddings, mapping, DataFrame, (labels, vectors) tuple or future
            A mapping goes from label to vector; a DataFrame has one row per class
            and the labels as its index. A future, as from ``scatter`` of a dask client, stands
            for the table that is its result.
        name : str, default="class_embeddings"
            What error messages call the table.

        Returns
        -------
        ClassEmbeddings
            The table, validated; the same object if it already was one.

        Raises
        ------
        TypeError
            If the table has another form: a bare array or list does not say which
            vector belongs to which class.
        ValueError
            If its content is not a table (see `ClassEmbeddings`).

        Examples
        --------
        >>> from sklearn_claster import ClassEmbeddings
        >>> ClassEmbeddings.from_table({"archery": [1.0, 0.0], "yoyo": [0.0, 1.0]})
        ClassEmbeddings(2 classes, 2 features)
        """
        if callable(getattr(table, "result", None)):  # a column "result" is not callable
            table = table.result()
        if isinstance(table, cls):
            return table
        if isinstance(table, Mapping):
            if not table:
                raise ValueError(f"{name} is empty: it needs one vector per class.")
            vectors = [np.asarray(as_host_array(vector)) for vector in table.values()]
            shapes = sorted({vector.shape for vector in vectors})
            if len(shapes) > 1 or len(shapes[0]) != 1:
                raise ValueError(
                    f"The vectors in {name} are one-dimensional and of one common length; got the "
                    f"shapes {shapes}."
                )
            return cls(list(table), np.array(vectors))
        if hasattr(table, "iloc") and hasattr(table, "columns"):  # a pandas-like DataFrame
            return cls(np.asarray(table.index), table.to_numpy())
        if isinstance(table, tuple) and len(table) == 2:
            return cls(*table)
        raise TypeError(
            f"{name} has to say which vector belongs to which class; got {type(table).__name__}. "
            "Pass ClassEmbeddings(labels, vectors) (the form to prefer: scikit-learn's searches "
            "never cut it into folds), a mapping from label to vector, a DataFrame indexed by "
            "label, or the tuple (labels, vectors)."
        )


def preview(labels: NDArray[Any], n_shown: int = 5) -> str:
    """The first few labels, for an error message."""
    shown = ", ".join(repr(label) for label in labels[:n_shown].tolist())
    return shown + (f", ... ({len(labels)} in all)" if len(labels) > n_shown else "")


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


def _holds_strings(labels: NDArray[Any]) -> bool:
    return labels.dtype.kind in "UST" or (
        labels.dtype.kind == "O" and any(isinstance(label, (str, bytes)) for label in labels)
    )


def _as_labels(labels: ArrayLike) -> NDArray[Any]:
    """Labels as a fresh one-dimensional array that can be sorted."""
    if isinstance(labels, (str, bytes, set, frozenset, Mapping)) or not hasattr(labels, "__iter__"):
        raise TypeError(
            "The labels of a class table have to come in an order, as a list or an array; got "
            f"{type(labels).__name__}."
        )
    if not isinstance(labels, np.ndarray):  # NumPy would turn [1, "a"] into two strings
        labels = list(labels)  # type: ignore[arg-type]
        _check_label_types([label for label in labels if isinstance(label, (str, bytes, Number))])
    names = np.array(labels)
    if names.ndim == 2 and names.shape[1] == 1:
        names = names[:, 0]
    if names.ndim != 1:
        raise ValueError(
            f"The labels of a class table are one-dimensional; got the shape {names.shape}."
        )
    if names.dtype.kind not in "biufU":
        _check_label_types(names.tolist())
    if names.dtype.kind == "O" and not _holds_strings(names):
        names = np.array(names.tolist())
    if names.dtype.kind == "f" and not np.isfinite(names).all():
        raise ValueError("The labels of a class table have to be finite; got NaN or infinity.")
    return names


def _check_label_types(labels: list[Any]) -> None:
    """Raise unless all labels are strings or all are numbers."""
    strings = {isinstance(label, str) for label in labels}
    for label in labels:
        if not isinstance(label, (str, Real, np.bool_)):
            raise TypeError(
                "The labels of a class table are strings or numbers; got the "
                f"{type(label).__name__} {label!r}. Convert them, for example with str(label), "
                "or label.decode() for bytes."
            )
    if len(strings) > 1:
        raise TypeError(
            "The labels of a class table are all strings or all numbers; got both. "
            "Convert them, for example with str(label)."
        )
