import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_problem import TABLE, X, Y, small

import sklearn_claster._data.unit_rows as preprocessing
from sklearn_claster._data.unit_rows import row_mean, unit_rows
from sklearn_claster.baselines import ESZSL


def rows_of(n, f, seed=0):
    return np.random.default_rng(seed).normal(size=(n, f))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_mean_is_summed_in_double_precision(dtype):
    rows = (rows_of(1000, 3) + 7.0).astype(dtype)
    assert row_mean(rows).dtype == np.float64
    assert_allclose(row_mean(rows), rows.astype(np.float64).mean(axis=0), rtol=1e-14)


def test_the_mean_of_many_single_precision_rows_keeps_its_digits():
    rows = np.full((200_000, 1), 0.1, dtype=np.float32)
    assert row_mean(rows)[0] == pytest.approx(np.float64(np.float32(0.1)), rel=1e-12)
    half = np.full((5000, 1), 60_000, dtype=np.float16)  # its sum is far above the largest float16
    assert row_mean(half)[0] == 60_000


def test_the_mean_of_one_row_is_that_row():
    rows = rows_of(1, 4)
    assert_array_equal(row_mean(rows), rows[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unit_rows_against_the_plain_formula(dtype):
    rows, mean = rows_of(50, 4), rows_of(1, 4, seed=1)[0]
    out = unit_rows(rows, mean, dtype)
    expected = (rows - mean) / np.linalg.norm(rows - mean, axis=1, keepdims=True)
    assert out.dtype == dtype
    assert_allclose(out, expected, rtol=1e-6 if dtype is np.float32 else 1e-13)
    assert_allclose(np.linalg.norm(out, axis=1), 1.0, rtol=1e-6)


def test_unit_rows_are_single_precision_by_default():
    assert unit_rows(rows_of(3, 2), np.zeros(2)).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.uint8])
def test_unit_rows_of_every_type_of_number(dtype):
    rows = np.random.default_rng(0).integers(0, 200, size=(20, 5)).astype(dtype)
    mean = row_mean(rows)
    expected = unit_rows(rows.astype(np.float64), mean, np.float64)
    assert_allclose(unit_rows(rows, mean, np.float64), expected, rtol=1e-12)


def test_a_row_that_equals_the_mean_stays_zero():
    rows = np.array([[1.0, 2.0], [3.0, 2.0]])
    assert_array_equal(unit_rows(rows, np.array([1.0, 2.0])), [[0.0, 0.0], [1.0, 0.0]])
    assert_array_equal(unit_rows(np.zeros((3, 2)), np.zeros(2)), np.zeros((3, 2)))


@pytest.mark.parametrize("factor", [1e-310, 1e-200, 1e-30, 1e30, 1e200, 1e307])
def test_squares_neither_overflow_nor_vanish(factor):
    rows = np.array([[0.0, 1.0], [-1.0, 0.0], [1.0, 0.0]]) * factor
    out = unit_rows(rows, np.zeros(2), np.float64)
    assert_allclose(out, [[0.0, 1.0], [-1.0, 0.0], [1.0, 0.0]], rtol=1e-12)
    out = unit_rows(rows, np.array([-factor, 0.0]), np.float64)
    assert_allclose(out, [[0.5**0.5, 0.5**0.5], [0.0, 0.0], [1.0, 0.0]], rtol=1e-12)


def test_rows_of_very_different_lengths_do_not_disturb_each_other():
    rows = np.array([[1e-300, 0.0], [1e300, 1e300], [0.0, 3.0]])
    expected = [[1.0, 0.0], [0.5**0.5, 0.5**0.5], [0.0, 1.0]]
    assert_allclose(unit_rows(rows, np.zeros(2)), expected, rtol=1e-6)


@pytest.mark.parametrize("size", [1, 7, 50, 51])
def test_chunks_give_the_same_rows(monkeypatch, size):
    rows, mean = rows_of(50, 4), rows_of(1, 4, seed=1)[0]
    whole = unit_rows(rows, mean)
    monkeypatch.setattr(preprocessing, "_ROWS_AT_ONCE", size)
    assert_array_equal(unit_rows(rows, mean), whole)


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_input_stays_as_it_is(order):
    rows, mean = np.array(rows_of(5, 3), order=order), rows_of(1, 3, seed=1)[0]
    before, mean_before = rows.copy(), mean.copy()
    for array in (rows, mean):
        array.setflags(write=False)
    out = unit_rows(rows, mean, np.float64)
    row_mean(rows)
    assert_array_equal(rows, before)
    assert_array_equal(mean, mean_before)
    assert not np.shares_memory(out, rows)


BROKEN = "Nearly all rows of X point in one direction"


@pytest.mark.parametrize("make", [ESZSL, small, lambda: small(whiten=False)])
def test_a_row_that_moves_the_mean_away_is_noticed(make):
    make().fit(X, Y, TABLE)  # warnings are errors
    with pytest.warns(UserWarning, match=BROKEN):
        make().fit(np.r_[X, 1e6 * X[:1]], np.r_[Y, Y[:1]], TABLE)
