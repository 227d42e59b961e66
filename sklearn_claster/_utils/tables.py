"""The forms in which a class table may come, taken apart into labels, vectors and column names."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from .torch import as_host_array

Parts = tuple[Any, Any, Any]  # labels, vectors, names of columns or None


def parts_of(table: Any, name: str) -> Parts | None:
    """Labels, vectors and names of columns of a table; None if it is of no known form.

    Raises
    ------
    FileNotFoundError
        If it is the path of no file.
    ValueError
        If it is empty, or does not say which vector belongs to which class.
    """
    if isinstance(table, PathLike) or (isinstance(table, str) and table.lower().endswith(".csv")):
        return _read_csv(Path(table))
    if isinstance(table, tuple) and len(table) == 2:
        return *table, getattr(table[1], "columns", None)
    if (isinstance(table, Mapping) or hasattr(table, "iloc")) and not len(table):
        raise ValueError(f"{name} is empty: it needs one vector per class.")
    if isinstance(table, Mapping):
        return list(table), *_as_rows(table, name)
    if hasattr(table, "iloc"):  # of pandas, with the labels as its index
        if hasattr(table, "columns"):
            return table.index, table, table.columns
        return table.index, *_as_rows(dict(enumerate(table.array)), name)
    if hasattr(table, "columns") and hasattr(table, "get_column"):  # of polars, without an index
        at = _label_column(table, name)
        others = [column for column in table.columns if column != at]
        return table[at], as_host_array(table[others], name).to_numpy(), others
    return None


def _as_rows(vectors: Mapping[Any, Any], name: str) -> tuple[Any, Any]:
    """Return the vectors as a matrix, and the index that Series among them have in common."""
    rows = [np.asarray(as_host_array(vector, name)) for vector in vectors.values()]
    shapes = sorted({row.shape for row in rows})
    if len(shapes) > 1 or len(shapes[0]) != 1:
        raise ValueError(
            f"The vectors in {name} are one-dimensional and of one common length; got the shapes "
            f"{shapes}."
        )
    return np.array(rows), _common_index(vectors, name)


def _common_index(table: Mapping[Any, Any], name: str) -> Any:
    """Return the index of the Series in a mapping; None without Series."""
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


def _label_column(table: Any, name: str) -> Any:
    """Find the column of labels: that named "label", or the only one without numbers."""
    other = [column for column in table.columns if not table.schema[column].is_numeric()]
    if "label" in table.columns:
        return "label"
    if len(other) != 1:
        raise ValueError(
            f"{name} is a {type(table).__name__} without an index: its labels have to stand in a "
            f"column called 'label', or in the only one that holds no numbers; got {other}. Rename "
            'the column, as in table.rename({"name": "label"}).'
        )
    return other[0]


def _read_csv(path: Path) -> Parts:
    """Lines of a label and its numbers, below a line that names the columns."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            lines = [(reader.line_num, line) for line in reader if line]
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path.name} is no text in UTF-8 ({error}). Unpack it, or save it as UTF-8."
        ) from error
    head = lines[0][1] if lines else []
    names = head[1:]
    numbered = names == [str(i) for i in range(len(names))]  # as pandas calls columns without names
    if len(lines) < 2 or not names or (not numbered and all(map(_is_number, names))):
        raise ValueError(
            f"{path.name} needs a first line with the names of the columns, then one line per "
            "class, a label and its numbers, separated by commas; it begins with "
            f"{','.join(head)[:60]!r}."
        )
    for number, (_, *values) in lines[1:]:
        if len(values) != len(names) or not all(not x.strip() or _is_number(x) for x in values):
            raise ValueError(
                f"Line {number} of {path.name} has to hold a label and {len(names)} numbers, as "
                f"many as the first line names columns; got {values[:5]} behind the label."
            )
    vectors = [[float(x) if x.strip() else np.nan for x in line[1:]] for _, line in lines[1:]]
    labels: list[Any] = [line[0] for _, line in lines[1:]]
    if all(label.removeprefix("-").isdecimal() and str(int(label)) == label for label in labels):
        labels = [int(label) for label in labels]
    return labels, np.array(vectors), None if numbered else names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
