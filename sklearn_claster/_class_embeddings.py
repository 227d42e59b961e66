"""The class table: one semantic vector per class, keyed by label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Number, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.utils import check_array

from ._utils.torch import as_host_array
from ._utils.warning import warn

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


class IndistinctClasses(ValueError):
    """Nothing can be learnt from the vectors of the seen classes, because they are all the same."""


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
    feature_names : sequence of str, default=None
        What the columns are called; by default the names of the columns if `vectors` is a
        DataFrame. Names that are not all strings are left out.

    Attributes
    ----------
    labels : ndarray of shape (n_classes,)
        The labels, sorted.
    vectors : ndarray of shape (n_classes, n_embedding_features)
        The vectors as float64, in the order of the sorted labels.
    feature_names : tuple of str, or None
        The names of the columns. `predict` refuses a table whose names are not those in `fit`.

    Raises
    ------
    ValueError
        If a label stands twice, if the numbers of labels and vectors, or of columns and
        names differ, or if the vectors are empty, not two-dimensional or not finite.
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
    feature_names: tuple[str, ...] | None

    def __init__(
        self, labels: ArrayLike, vectors: ArrayLike, feature_names: Iterable[Any] | None = None
    ) -> None:
        names = _as_labels(labels)
        if feature_names is None:
            feature_names = getattr(vectors, "columns", None)
        columns = _as_feature_names(feature_names)
        matrix = _as_matrix(vectors)
        if len(names) != len(matrix):
            raise ValueError(
                f"A class table needs one vector per label: got {len(names)} labels and "
                f"{len(matrix)} vectors."
            )
        if columns is not None and len(columns) != matrix.shape[1]:
            raise ValueError(
                f"feature_names has to hold one name per column of the vectors: expected "
                f"{matrix.shape[1]}, got {len(columns)}. Leave it out for columns without names."
            )
        finite = np.isfinite(matrix).all(axis=1)
        if not finite.all():
            raise ValueError(
                f"The vectors of {preview(names[~finite])} hold NaN or infinity; a class table "
                "holds finite numbers. Repair these vectors, or leave the classes out."
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
        object.__setattr__(self, "feature_names", columns)

    def __repr__(self) -> str:
        return f"ClassEmbeddings({len(self.labels)} classes, {self.vectors.shape[1]} features)"

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        named = () if self.feature_names is None else (self.feature_names,)
        return ClassEmbeddings, (self.labels, self.vectors, *named)

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
        vectors = self.vectors[np.searchsorted(self.labels, wanted)]
        return ClassEmbeddings(wanted, vectors, self.feature_names)

    @classmethod
    def from_table(cls, table: Any, name: str = "class_embeddings") -> ClassEmbeddings:
        """Read a class table in any of its accepted forms.

        Parameters
        ----------
        table : ClassEmbeddings, mapping, DataFrame, (labels, vectors) tuple or future
            A mapping goes from label to vector; a DataFrame has one row per class
            and the labels as its index. The names of its columns become `feature_names`, and so
            does the index that Series in a mapping have in common. A future, as from ``scatter``
            of a dask client, stands for the table that is its result.
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
            If its content is not a table (see `ClassEmbeddings`), or if Series in a mapping
            differ in their index.

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
            parts: tuple[Any, ...] = list(table), np.array(vectors), _common_index(table, name)
        elif hasattr(table, "iloc") and hasattr(table, "columns"):  # a pandas-like DataFrame
            parts = np.asarray(table.index), table.to_numpy(), table.columns
        elif isinstance(table, tuple) and len(table) == 2:
            parts = *table, None
        else:
            raise _no_table(table, name)
        try:
            return cls(*parts)
        except ValueError as error:
            raise ValueError(f"{name} is no class table. {error}") from None


def _no_table(table: Any, name: str) -> TypeError:
    return TypeError(
        f"{name} has to say which vector belongs to which class; got {type(table).__name__}. "
        "Pass ClassEmbeddings(labels, vectors) (the form to prefer: scikit-learn's searches "
        "never cut it into folds), a mapping from label to vector, a DataFrame indexed by "
        "label, or the tuple (labels, vectors)."
    )


def preview(labels: NDArray[Any], n_shown: int = 5) -> str:
    """The first few labels, for an error message."""
    first = labels[:n_shown].tolist()
    plain = [label.item() if isinstance(label, np.generic) else label for label in first]
    shown = ", ".join(map(repr, plain))
    return shown + (f", ... ({len(labels)} in all)" if len(labels) > n_shown else "")


def check_comparable(
    labels: NDArray[Any], others: NDArray[Any], name: str, other_name: str
) -> None:
    """Refuse to compare strings with numbers, which would never match."""
    kinds = [_holds_strings(labels), _holds_strings(others)]
    if kinds[0] != kinds[1]:
        words = [
            "strings" if kind else "numbers" if array.dtype.kind in "biuf" else "no strings"
            for kind, array in zip(kinds, (labels, others), strict=True)
        ]
        raise TypeError(
            f"{name} are {words[0]} ({preview(labels, 3)}) but {other_name} is keyed by "
            f"{words[1]} ({preview(others, 3)}). Use the same labels in both. (Some tools of "
            "scikit-learn replace labels by numbers, for example cross_val_predict with a "
            "probability method, or VotingClassifier; they cannot be used with class tables.)"
        )


def check_same_features(table: ClassEmbeddings, fitted: ClassEmbeddings, name: str) -> None:
    """Refuse a table whose columns have other names, or another order, than the fitted one's."""
    got, expected = table.feature_names, fitted.feature_names
    if got is None or expected is None or got == expected:
        return
    if sorted(got) == sorted(expected):
        difference = "another order"
    else:
        missing, unknown = (np.setdiff1d(*pair) for pair in ((expected, got), (got, expected)))
        difference = f"other names: missing {preview(missing) or 'none'}; "
        difference += f"not known {preview(unknown) or 'none'}"
    raise ValueError(
        f"The columns of {name} have to be those of the class_embeddings given to fit, "
        f"{preview(np.array(expected))}; got {preview(np.array(got))}, which have {difference}. "
        "Pass table[list(model.class_embeddings_.feature_names)]."
    )


def refuse_table_as_weights(sample_weight: Any) -> None:
    """Raise if a class table was given where the weights of samples belong."""
    is_table = isinstance(sample_weight, (ClassEmbeddings, Mapping))
    if is_table or hasattr(sample_weight, "columns"):
        raise TypeError(
            f"sample_weight is a {type(sample_weight).__name__}; expected one weight a sample. "
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


def warn_of_shared_vectors(table: ClassEmbeddings, seen: NDArray[Any], name: str) -> None:
    """Warn of candidates with equal vectors, unless all of them are seen classes."""
    groups: dict[bytes, list[int]] = {}
    for i, vector in enumerate(table.vectors + 0.0):  # -0.0 is 0.0
        groups.setdefault(vector.tobytes(), []).append(i)
    is_new = ~np.isin(table.labels, seen)
    shared = [rows for rows in groups.values() if len(rows) > 1 and is_new[rows].any()]
    if shared:
        shown = "; ".join(preview(table.labels[rows]) for rows in shared[:3])
        more = f"; ... ({len(shared)} groups in all)" if len(shared) > 3 else ""
        warn(
            f"Some candidate classes have equal vectors in {name}: {shown}{more}. They cannot be "
            "told apart, and as a rule only the first of them is ever predicted. Give them "
            "distinct vectors, or leave all but one out.",
        )


def _as_matrix(vectors: Any) -> NDArray[np.float64]:
    """A matrix of numbers, not looked through for NaN yet."""
    try:
        with config_context(assume_finite=True):
            matrix: NDArray[np.float64] = check_array(
                as_host_array(vectors), dtype=np.float64, copy=True, input_name="class embeddings"
            )
    except ValueError as error:
        raise ValueError(
            "The vectors have to be a matrix of numbers, (n_classes, n_embedding_features), "
            f"without the labels (in a DataFrame these are the index: set_index). {error}"
        ) from error
    return matrix


def _as_feature_names(names: Iterable[Any] | None) -> tuple[str, ...] | None:
    """The names if all are strings."""
    listed = [] if names is None else list(names)
    if not listed or not all(isinstance(name, str) for name in listed):
        return None
    return tuple(str(name) for name in listed)


def _common_index(table: Mapping[Any, Any], name: str) -> Any:
    """The index of the Series in a mapping; None without Series."""
    series = {k: v.index for k, v in table.items() if hasattr(v, "iloc") and hasattr(v, "index")}
    first = next(iter(series.values()), None)
    odd = [label for label, index in series.items() if not index.equals(first)]
    if odd:
        raise ValueError(
            f"The Series in {name} need one common index, in one order; that of {odd[0]!r} differs "
            f"from that of {next(iter(series))!r}. Pass pandas.DataFrame(table).T, which brings "
            "them into one order, or arrays to go by position."
        )
    return first


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
    elif labels.dtype.kind == "T":
        labels = as_host_array(labels)
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
