import numpy as np
import paper_twin
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.covariance import ledoit_wolf

import sklearn_claster._preprocessing as preprocessing
from sklearn_claster import _preprocessing
from sklearn_claster._preprocessing import (
    InputSpace,
    row_mean,
    unit_rows,
    within_class_whitening,
)

LARGEST = np.finfo(np.float64).max


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


def test_the_mean_of_the_largest_numbers_is_finite():
    assert_allclose(row_mean(np.full((5, 2), LARGEST)), LARGEST, rtol=1e-12)
    rows = np.array([[LARGEST, 1.0], [LARGEST, 3.0], [-LARGEST, 2.0]])
    assert_allclose(row_mean(rows)[0], LARGEST / 3.0, rtol=1e-12)
    assert np.isfinite(row_mean(rows)).all()


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


@pytest.mark.parametrize("factor", [1e-310, 1e-200, 1e-30, 1e30, 1e200, LARGEST])
def test_neither_squares_nor_differences_overflow_or_vanish(factor):
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


# ------------------------------------------------------------------ whitening within classes


def scattered(n_samples=200, n_features=5, n_classes=4, seed=0):
    rng = np.random.RandomState(seed)
    y = np.arange(n_samples) % n_classes
    noise = rng.normal(size=(n_samples, n_features)) @ rng.normal(size=(n_features, n_features))
    return 10 * rng.normal(size=(n_classes, n_features))[y] + noise, y


def residuals(x, y):
    return np.concatenate([x[y == label] - x[y == label].mean(axis=0) for label in np.unique(y)])


@pytest.mark.parametrize(("n_samples", "n_features"), [(200, 5), (30, 40), (5000, 3), (9, 1)])
def test_whitening_is_the_twin_and_scikit_learns_ledoit_wolf(n_samples, n_features):
    x, y = scattered(n_samples, n_features)
    whitening = within_class_whitening(x, y)
    assert_allclose(whitening, paper_twin.within_class_whitening(x, y), rtol=1e-6, atol=1e-9)
    shrunk, share = ledoit_wolf(residuals(x, y), assume_centered=True)
    if share > 0.05:
        inverse = np.linalg.inv(shrunk)
        ratio = np.trace(shrunk) / n_features
        assert_allclose(whitening @ whitening.T, inverse * ratio, rtol=1e-6, atol=1e-9)


def test_whitened_classes_scatter_alike_in_all_directions():
    x, y = scattered(20_000, 4)
    before = np.linalg.eigvalsh(np.cov(residuals(x, y).T))
    after = np.linalg.eigvalsh(np.cov(residuals(x @ within_class_whitening(x, y), y).T))
    assert before.max() / before.min() > 100 > 5 > after.max() / after.min()  # shrunk a little


def test_whitening_does_not_see_where_the_classes_are():
    x, y = scattered()
    moved = x + 100 * np.random.RandomState(1).normal(size=(4, 5))[y]
    assert_allclose(within_class_whitening(moved, y), within_class_whitening(x, y), rtol=1e-6)


def test_whitening_in_blocks_is_whitening_at_once(monkeypatch):
    x, y = scattered()
    whole = within_class_whitening(x, y)
    monkeypatch.setattr(_preprocessing, "_ROWS_AT_ONCE", 7)
    assert_allclose(within_class_whitening(x, y), whole, rtol=1e-10)


@pytest.mark.parametrize(
    "x", [np.eye(3), np.zeros((3, 2)), np.full((3, 2), 1e-30), np.array([[1e30, 0.0]] * 3)]
)
def test_classes_without_scatter_are_left_alone(x):
    assert_array_equal(within_class_whitening(x, np.arange(3)), np.eye(x.shape[1]))


def test_a_direction_without_scatter_is_not_blown_up():
    x, y = scattered(5000, 3)
    x[:, 1] = 7.0
    assert np.linalg.norm(within_class_whitening(x, y), axis=1).max() < 1.01 * 0.05**-0.5 * 3**0.5


def test_the_input_space_is_centred_whitened_and_of_unit_length():
    x, y = scattered()
    space = InputSpace.of(x, y)
    out = space(x, np.float64)
    assert out.dtype == np.float64
    assert_allclose(np.linalg.norm(out, axis=1), 1.0)
    once = unit_rows(x, x.mean(axis=0), np.float64) @ within_class_whitening(
        unit_rows(x, x.mean(axis=0)), y
    )
    assert_allclose(out, unit_rows(once, once.mean(axis=0), np.float64), atol=1e-6)
    assert_allclose(space(x), out, atol=1e-5)
    assert_array_equal(InputSpace.of(x)(x), unit_rows(x, row_mean(x)))


def test_the_scale_of_all_features_does_not_matter():
    x, y = scattered()
    assert_allclose(InputSpace.of(x * 1e20, y)(x * 1e20), InputSpace.of(x, y)(x), atol=1e-5)
