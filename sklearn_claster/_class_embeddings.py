"""The class table: one vector per class, keyed by label."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.utils import check_array

from ._utils.labels import check_comparable, composed, is_missing, labels_like, preview, read_labels
from ._utils.tables import parts_of
from ._utils.torch import as_host_array
from ._utils.warning import warn

_UNLIKE_UNITS = 12.0  # times the median spread of the columns; real data stay below 9


_UNKNOWN = (
    "Leave them out, or bring names into the table's spelling: match_class_names of "
    "sklearn_claster.datasets."
)
_UNKNOWN_IN_FIT = (
    "Add the missing rows, or drop the samples of those classes. If a search has cut the table "
    "into folds, pass it as ClassEmbeddings(labels, vectors)."
)


class IndistinctClasses(ValueError):
    """Nothing can be learnt from the vectors of the seen classes, because they are all the same."""


@dataclass(frozen=True, eq=False, repr=False)
class ClassEmbeddings:
    """Table with one vector per class: attributes, word vectors, sentence embeddings.

    The table is immutable. It has no length, no shape and no iteration, so that searches and
    pipelines pass it on as a whole: scikit-learn cuts whatever is as long as ``X`` into folds.
    ``len(table.labels)`` is the number of classes.

    Parameters
    ----------
    labels : array-like of shape (n_classes,), or a whole table
        The class labels, all of one kind (strings or numbers), each one once. Without
        `vectors`, a table in any form of `from_table`: a mapping, a frame, a CSV file.
    vectors : array-like of shape (n_classes, n_embedding_features), default=None
        One finite vector per label, in the order of `labels`.
    feature_names : sequence of str, default=None
        Names of the columns; by default those of `vectors` if it is a DataFrame. Unless all are
        strings, they are left out.

    Attributes
    ----------
    labels : ndarray of shape (n_classes,)
        The labels, sorted.
    vectors : ndarray of shape (n_classes, n_embedding_features)
        The vectors as float64, in the order of the sorted labels.
    feature_names : tuple of str, or None
        The names of the columns. `predict` refuses a table whose names differ from those in
        `fit`.

    Raises
    ------
    ValueError
        If a label is missing or stands twice, if the numbers of labels and vectors, or of
        columns and names differ, or if the vectors are empty, not two-dimensional or not finite.
    TypeError
        If strings and numbers are mixed among the labels, or the vectors are dates.

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
    >>> "yoyo" in table, table["yoyo"]
    (True, array([0., 1.]))
    """

    labels: NDArray[Any]
    vectors: NDArray[np.float64]
    feature_names: tuple[str, ...] | None

    __iter__ = None  # or Python would go through it by table[0], table[1], ...

    def __init__(
        self,
        labels: Any,
        vectors: ArrayLike | None = None,
        feature_names: Iterable[Any] | None = None,
    ) -> None:
        if vectors is None:
            labels, vectors, named = _parts(labels, "the class table")
            feature_names = named if feature_names is None else feature_names
        elif feature_names is None:
            feature_names = getattr(vectors, "columns", None)
        names, matrix = read_labels(labels, "the class table"), _as_matrix(vectors)
        columns = _as_feature_names(feature_names)
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
        if names.dtype.kind == "f" and not np.isfinite(names).all():
            raise ValueError("The labels in the class table have to be finite; got infinity.")
        finite = np.isfinite(matrix)
        if not finite.all():
            at = int(np.flatnonzero(~finite.all(axis=0))[0])
            raise ValueError(
                f"The vectors of {preview(names[~finite.all(axis=1)])} hold NaN or infinity, in "
                f"{_column(at, columns)} for example; a class table holds finite numbers. Repair "
                "these vectors, or leave the classes out."
            )
        order = np.argsort(names, kind="stable")
        names, matrix = names[order], matrix[order]
        _refuse_twice(names)
        self._set(names, matrix, columns)

    def _set(
        self, labels: NDArray[Any], vectors: NDArray[np.float64], names: tuple[str, ...] | None
    ) -> ClassEmbeddings:
        for array in (labels, vectors):
            array.setflags(write=False)
        for name, value in (("labels", labels), ("vectors", vectors), ("feature_names", names)):
            object.__setattr__(self, name, value)
        return self

    def __repr__(self) -> str:
        return f"ClassEmbeddings({len(self.labels)} classes, {self.vectors.shape[1]} features)"

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        named = () if self.feature_names is None else (self.feature_names,)
        return ClassEmbeddings, (self.labels, self.vectors, *named)

    def __sizeof__(self) -> int:
        # Whoever sends objects to other machines asks: joblib's dask backend sends large ones once.
        return object.__sizeof__(self) + self.labels.nbytes + self.vectors.nbytes

    def __contains__(self, label: Any) -> bool:
        return self._row(label) is not None

    def __getitem__(self, label: Any) -> NDArray[np.float64]:
        """Return the vector of one label, (n_embedding_features,)."""
        row = self._row(label)
        if row is None:
            raise KeyError(
                f"{label!r} is no label of the class table: {preview(self.labels)}. For several "
                "labels use select."
            )
        return self.vectors[row]

    def select(self, labels: ArrayLike | Set[Any]) -> ClassEmbeddings:
        """Return the part of the table that holds these labels.

        Parameters
        ----------
        labels : array-like of shape (n_selected,), or set
            Labels of the table, each one once, at least one.

        Returns
        -------
        ClassEmbeddings
            A table of those classes.

        Raises
        ------
        ValueError
            If there is no label, or one has no vector in the table.

        See Also
        --------
        without : All others.

        Examples
        --------
        >>> from sklearn_claster import ClassEmbeddings
        >>> ClassEmbeddings(["a", "b", "c"], [[1.0], [2.0], [3.0]]).select(["c", "a"]).vectors
        array([[1.],
               [3.]])
        """
        return self._part(self._rows(labels), "select")

    def without(self, labels: ArrayLike | Set[Any]) -> ClassEmbeddings:
        """Return the part of the table that does not hold these labels.

        Parameters
        ----------
        labels : array-like of shape (n_left_out,), or set
            Labels of the table, each one once.

        Returns
        -------
        ClassEmbeddings
            A table of the other classes.

        Raises
        ------
        ValueError
            If a label has no vector in the table, or no class is left.

        See Also
        --------
        select : These labels alone.

        Examples
        --------
        >>> from sklearn_claster import ClassEmbeddings
        >>> ClassEmbeddings(["a", "b", "c"], [[1.0], [2.0], [3.0]]).without(["b"]).labels
        array(['a', 'c'], dtype='<U1')
        """
        return self._part(np.delete(np.arange(len(self.labels)), self._rows(labels)), "without")

    def scaled(self, seen_labels: ArrayLike | Set[Any]) -> ClassEmbeddings:
        """Divide each column by its standard deviation over the seen classes.

        Use it for columns in different units: otherwise those with large numbers count most. A
        column that is constant over the seen classes stays as it is.

        Parameters
        ----------
        seen_labels : array-like of shape (n_seen_classes,), or set
            The labels of the classes to be trained on.

        Returns
        -------
        ClassEmbeddings
            A table of all classes, with scaled columns.

        Examples
        --------
        >>> from sklearn_claster import ClassEmbeddings
        >>> table = ClassEmbeddings(["a", "b", "c"], [[0.0, 5e3], [2.0, 9e3], [4.0, 7e3]])
        >>> table.scaled(["a", "b"]).vectors
        array([[0. , 2.5],
               [2. , 4.5],
               [4. , 3.5]])
        """
        spread = _spread(self.select(seen_labels).vectors)
        vectors = self.vectors / np.where(spread > 0.0, spread, 1.0)
        return ClassEmbeddings(self.labels, vectors, self.feature_names)

    def to_frame(self) -> Any:
        """Return the table as a pandas DataFrame.

        Returns
        -------
        DataFrame
            One row per class, with the labels as its index and the names of the columns.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        import pandas

        columns = None if self.feature_names is None else list(self.feature_names)
        return pandas.DataFrame(self.vectors, index=self.labels, columns=columns)

    @classmethod
    def from_table(cls, table: Any, name: str = "class_embeddings") -> ClassEmbeddings:
        """Read a class table in any of its accepted forms.

        Parameters
        ----------
        table : ClassEmbeddings, mapping, Series, DataFrame, path, (labels, vectors) or future
            A mapping, or a Series of vectors, goes from label to vector. A DataFrame of pandas
            has one row per class and the labels as its index; one of polars has them in a
            column named "label", or in its only column of strings. A path leads to a CSV file
            (UTF-8) whose first line names the columns and whose first column holds the labels.
            Names of columns become `feature_names`; so does the common index of the Series in a
            mapping. A future, as from ``scatter`` of a dask client, stands for its result.
        name : str, default="class_embeddings"
            What error messages call the table.

        Returns
        -------
        ClassEmbeddings
            The table, checked; `table` itself if it is one already.

        Raises
        ------
        TypeError
            If the table has another form. A bare array or list does not say which vector
            belongs to which class.
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
        labels, vectors, columns = _parts(table, name)
        try:
            return cls(labels, vectors, columns)
        except ValueError as error:
            raise ValueError(f"{name} is no class table. {error}") from None

    @cached_property
    def _positions(self) -> dict[Any, int]:
        """The row of each label, by its value and by its composed spelling."""
        rows = list(enumerate(self.labels.tolist()))
        return {composed(label): i for i, label in rows} | {label: i for i, label in rows}

    def _row(self, label: Any) -> int | None:
        try:
            row = self._positions.get(label)
        except TypeError:  # a list, which can be no key
            return None
        return self._positions.get(composed(label)) if row is None else row

    def _rows(self, labels: ArrayLike | Set[Any], cure: str = _UNKNOWN) -> NDArray[np.intp]:
        """Return the rows of labels, ascending."""
        wanted = read_labels(list(labels) if isinstance(labels, Set) else labels, "labels")
        if not len(wanted):
            return np.zeros(0, dtype=np.intp)
        check_comparable(wanted, self.labels, "labels", "the class table")
        rows = [self._row(label) for label in wanted.tolist()]
        missing = wanted[[row is None for row in rows]]
        if len(missing):
            raise ValueError(
                f"{len(missing)} class(es) have no vector in the class table: {preview(missing)}. "
                f"It holds {len(self.labels)} classes: {preview(self.labels)}. {cure}"
            )
        found = np.sort(np.array(rows, dtype=np.intp))
        _refuse_twice(self.labels[found])
        return found

    def _part(self, rows: NDArray[np.intp], method: str) -> ClassEmbeddings:
        """Rows of a valid table, which are one."""
        if not len(rows):
            raise ValueError(
                f"{method}(labels) has to leave at least one class of the table; labels leave none."
            )
        part = object.__new__(ClassEmbeddings)
        return part._set(self.labels[rows], self.vectors[rows], self.feature_names)


def _parts(table: Any, name: str) -> tuple[Any, Any, Any]:
    """Labels, vectors and names of columns of a table in any form."""
    if isinstance(table, ClassEmbeddings):
        return table.labels, table.vectors, table.feature_names
    parts = parts_of(table, name)
    if parts is None:
        raise TypeError(
            f"{name} has to say which vector belongs to which class; got {type(table).__name__}. "
            "Pass ClassEmbeddings(labels, vectors) (the form to prefer: scikit-learn's searches "
            "never cut it into folds), a mapping from label to vector, a DataFrame indexed by "
            "label, or the tuple (labels, vectors). The order of arguments is "
            "fit(X, y, class_embeddings)."
        )
    return parts


def part_of_seen(table: ClassEmbeddings, classes: NDArray[Any]) -> ClassEmbeddings:
    """Return the part of the classes that have samples in `fit`."""
    return table._part(table._rows(classes, _UNKNOWN_IN_FIT), "fit")


def keyed_like(
    table: ClassEmbeddings, labels: NDArray[Any], name: str, other_name: str
) -> ClassEmbeddings:
    """Give labels of a table the type and the spelling of others (see `labels_like`)."""
    check_comparable(labels, table.labels, f"The labels in {other_name}", name)
    keys = labels_like(table.labels, labels, f"The labels in {name}", other_name)
    if keys.dtype == table.labels.dtype and np.array_equal(keys, table.labels):
        return table
    return ClassEmbeddings(keys, table.vectors, table.feature_names)


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
            "told apart; usually only the first of them is predicted. Give them distinct vectors, "
            "or leave all but one out.",
        )


def warn_of_mixed_units(vectors: NDArray[np.float64], names: tuple[str, ...] | None) -> None:
    """Warn if few columns of the seen classes' vectors (S, s) leave the others without weight."""
    spread = _spread(vectors)
    varying = spread[spread > 0.0]
    if len(vectors) < 3 or len(varying) < 3:
        return
    large = np.flatnonzero(spread > _UNLIKE_UNITS * np.median(varying))
    share = np.square(spread[large] / spread.max()).sum() / np.square(spread / spread.max()).sum()
    if share > 0.9 and len(large) <= max(2, len(varying) // 8):
        shown = ", ".join(_column(at, names) for at in large[:5])
        warn(
            f"In class_embeddings {share:.1%} of the variance of the seen classes' vectors lies in "
            f"{len(large)} of {len(spread)} columns ({shown}); the others hardly count. If columns "
            "have different units, bring them to one scale: table.scaled(seen_classes).",
        )


def _spread(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute each column's standard deviation, 0 if it is rounding alone, (n, s) -> (s,)."""
    size = np.abs(vectors).max(axis=0)
    spread: NDArray[np.float64] = (vectors / np.where(size > 0.0, size, 1.0)).std(axis=0)
    return np.where(spread > 1e-12, spread, 0.0) * size


def _column(at: int, names: tuple[str, ...] | None) -> str:
    return f"column {at}" if names is None else f"column {at} ({names[at]!r})"


def _refuse_twice(labels: NDArray[Any]) -> None:
    """Raise if a label stands twice among sorted ones."""
    twice = np.unique(labels[1:][labels[1:] == labels[:-1]])
    if len(twice):
        raise ValueError(
            f"A class table holds each label once: {preview(twice)} occurs more than once. Average "
            "the vectors of such a class, or give the classes distinct names."
        )


def _as_matrix(vectors: Any) -> NDArray[np.float64]:
    """Return a matrix of numbers, not looked through for NaN yet."""
    if isinstance(vectors, (list, tuple)):
        vectors = np.asarray(vectors)
    vectors = as_host_array(vectors, "the class table")
    if hasattr(vectors, "iloc"):
        vectors = vectors.to_numpy()
    if str(getattr(vectors, "dtype", None)) == "object":  # NumPy knows None, and not pandas' NA
        filled = [np.nan if is_missing(value) else value for value in np.ravel(vectors)]
        vectors = np.array(filled, dtype=object).reshape(np.shape(vectors))
    try:
        with config_context(assume_finite=True):
            matrix: NDArray[np.float64] = check_array(
                vectors, dtype=np.float64, copy=True, input_name="class embeddings"
            )
    except ValueError as error:
        raise ValueError(
            "The vectors have to be a matrix of numbers, (n_classes, n_embedding_features), "
            f"without the labels (in a DataFrame these are the index: set_index). {error}"
        ) from error
    return matrix


def _as_feature_names(names: Iterable[Any] | None) -> tuple[str, ...] | None:
    """Return the names if all are strings."""
    listed = [] if names is None else list(names)
    if not listed or not all(isinstance(name, str) for name in listed):
        return None
    return tuple(str(name) for name in listed)
