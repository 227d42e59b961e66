"""What a container holds, whatever library it is of: dates, arrays in cells, one vector per row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

_DATES = re.compile("date|time|duration|period", re.IGNORECASE)  # names of types begin so


def refuse_dates(X: Any, name: str) -> None:
    """Raise for dates and durations, which would turn into numbers of some unit.

    Raises
    ------
    TypeError
        If a column, or the whole, has such a type, or a cell of type object holds such a value.
    """
    for column, words in type_names(X):
        dates = next(filter(_DATES.match, words), None)
        if dates is not None:
            where = "" if column is None else f" in column {column!r}"
            raise TypeError(
                f"Expected numbers or labels in {name}; got dates or durations ({dates}){where}. "
                "Convert them first, to the number of days since a date for example, or to "
                "strings where they are labels."
            )


def type_names(X: Any) -> Iterator[tuple[Any, set[str]]]:
    """Of each column (None if all have one type) the names of the types of its values."""
    if hasattr(X, "columns") and hasattr(X, "dtypes"):  # a frame of pandas, polars or dask
        for i, (column, dtype) in enumerate(zip(X.columns, X.dtypes, strict=True)):
            is_object = hasattr(X, "iloc") and str(dtype) == "object"
            yield column, _names_in(X.iloc[:, i]) if is_object else _names_of(dtype)
    elif hasattr(X, "schema") and hasattr(X.schema, "types"):  # a table of pyarrow
        for column, dtype in zip(X.schema.names, X.schema.types, strict=True):
            yield column, _names_of(dtype)
    elif hasattr(X, "dtype"):
        is_object = str(X.dtype) == "object"
        yield None, _names_in(X) if is_object else _names_of(X.dtype)


def _names_of(dtype: Any) -> set[str]:
    """Return the name of a type; of a categorical one that of its categories."""
    dtype = getattr(getattr(dtype, "categories", None), "dtype", dtype)
    return {dtype.name if isinstance(dtype, np.dtype) else str(dtype)}


def _names_in(values: Any) -> set[str]:
    """Return the names of the types of objects."""
    return {kind.__name__ for kind in set(map(type, np.asarray(values).ravel()))}
