"""Samples of every container: one vector of numbers each, and no dates."""

import datetime

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal

from sklearn_claster import ClassEmbeddings
from sklearn_claster._utils.samples import check_samples

DATES = pd.date_range("2020-01-01", periods=3)
STACK = np.zeros((4, 3, 2))


class Dtype:
    """The type of a column in a library that is not installed here."""

    def __init__(self, name):
        self.name = name

    def __str__(self):
        return self.name


class Frame:
    """A frame of such a library: polars, for one, whose types are called so."""

    def __init__(self, **columns):
        self.columns, self.dtypes = list(columns), list(map(Dtype, columns.values()))


class OnDisk:
    """An array that is read only when it is asked."""

    def __init__(self, dtype, shape):
        self.dtype, self.shape = np.dtype(dtype), shape

    def __getitem__(self, rows):
        raise AssertionError("it was read")


OF_DATES = {
    "NumPy": DATES.to_numpy()[:, None],
    "NumPy, big-endian": DATES.to_numpy()[:, None].astype(">M8[s]"),
    "durations": np.ones((3, 1), dtype="timedelta64[D]"),
    "objects of NumPy": np.array([[1.0, np.datetime64("2020-01-01")]], dtype=object),
    "durations of NumPy as objects": np.array([[1.0, np.timedelta64(1, "D")]], dtype=object),
    "a list": [[1.0, datetime.date(2020, 1, 1)]],
    "a list of durations": [[1.0, datetime.timedelta(1)]],
    "a list of scalars of NumPy": [[np.datetime64("2020-01-01")]],
    "a frame": pd.DataFrame({"x": [1.0, 2.0, 3.0], "when": DATES}),
    "a frame with time zone": pd.DataFrame({"when": DATES.tz_localize("UTC")}),
    "a frame of periods": pd.DataFrame({"when": DATES.to_period("D")}),
    "a frame of durations": pd.DataFrame({"when": DATES - DATES[0]}),
    "a frame of objects": pd.DataFrame({"when": DATES.astype(object)}),
    "a frame of categories": pd.DataFrame({"when": pd.Categorical(DATES)}),
    "a Series": pd.Series(DATES),
    "a frame of another library": Frame(x="Float64", when="Date"),
    "a frame of another library, durations": Frame(when="Duration(time_unit='us')"),
    "an array on disk": OnDisk("datetime64[s]", (3, 2)),
}


@pytest.mark.parametrize("X", OF_DATES.values(), ids=OF_DATES)
def test_dates_are_refused_in_every_container(X):
    with pytest.raises(
        TypeError, match=r"in X; got dates or durations .*Convert them first"
    ) as error:
        check_samples(X)
    if "when" in getattr(X, "columns", ()):
        assert "in column 'when'" in str(error.value)


@pytest.mark.parametrize(
    "vectors",
    [
        DATES.to_numpy()[:, None],
        [[date] for date in DATES],
        pd.DataFrame({"when": DATES}),
        DATES.to_numpy()[:, None].astype(object),
    ],
    ids=["array", "list", "frame", "objects"],
)
def test_dates_are_no_class_vectors(vectors):
    for table in ((["a", "b", "c"], vectors), dict(zip("abc", np.asarray(vectors), strict=True))):
        with pytest.raises(TypeError, match="got dates or durations"):
            ClassEmbeddings.from_table(table)


@pytest.mark.parametrize(
    "X", [STACK, torch.zeros(4, 3, 2), STACK.tolist(), OnDisk("f4", (4, 3, 2))]
)
def test_a_stack_of_frames_is_to_be_averaged(X):
    with pytest.raises(
        ValueError, match=r"X has 3 dim.*\(4, 3, 2\).*Average over time.*X.mean\(ax"
    ):
        check_samples(X)


def test_videos_of_unlike_length_are_to_be_averaged():
    with pytest.raises(ValueError, match=r"X is a list of unlike parts.*frames.mean\(axis=0\)"):
        check_samples([np.zeros((2, 3)), np.zeros((4, 3))])


def cells(n_dimensions):
    X = np.empty((3, 1)[:n_dimensions], dtype=object)
    for i in range(3):
        X[i] = [np.arange(4.0)] if n_dimensions == 2 else np.arange(4.0)
    return X


IN_CELLS = {
    "one-dimensional": (cells(1), "X holds an array"),
    "a column": (pd.DataFrame({"x": [1.0] * 3, "v": list(cells(1))}), r"X\['v'\] holds an array"),
    "a Series": (pd.Series(list(cells(1))), "X holds an array"),
    "lists": (pd.DataFrame({"v": [[1.0, 2.0]] * 3}), r"X\['v'\] holds an array"),
    "another library": (Frame(v="List(Float64)"), r"X\['v'\] holds an array"),
}


@pytest.mark.parametrize(("X", "message"), IN_CELLS.values(), ids=IN_CELLS)
def test_arrays_in_cells_are_to_be_stacked(X, message):
    with pytest.raises(ValueError, match=rf"{message} in each cell.*np\.stack\("):
        check_samples(X)
    if hasattr(X, "iloc"):
        part = X["v"] if "v" in getattr(X, "columns", ()) else X
        assert check_samples(np.stack(list(np.ravel(part)))).ndim == 2


@pytest.mark.parametrize(
    "X",
    [
        ClassEmbeddings(["a"], [[1.0]]),
        {"a": [1.0]},
        (["a", "b"], np.eye(2)),
        np.array(["a", "b"]),
        ["a", "b"],
        np.array(["a", "b"], dtype=object),
        pd.Series(["a", "b"]),
    ],
    ids=["table", "mapping", "pair", "strings", "list", "objects", "Series"],
)
def test_arguments_in_another_order_are_named(X):
    with pytest.raises(
        TypeError, match=r"X (is a class table|holds strings).*fit\(X, y, class_emb"
    ):
        check_samples(X)


@pytest.mark.parametrize(
    "X", [np.eye(2), [[1, 2]], pd.DataFrame(np.eye(2)), torch.eye(2), Frame(x="Float64")]
)
def test_numbers_pass(X):
    seen = check_samples(X)
    assert seen is X or np.shape(seen) == np.shape(X)
    if hasattr(X, "iloc"):
        assert_array_equal(seen.columns, X.columns)
