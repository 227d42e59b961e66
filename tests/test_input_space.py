"""Centred unit rows, whitened within the seen classes."""

import numpy as np
import paper_twin
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.covariance import ledoit_wolf

from sklearn_claster import ClasterZSL
from sklearn_claster._core.input_space import InputSpace, class_means
from sklearn_claster._core.whitening import Scatter, room_for_whitening, whitening_matrix
from sklearn_claster._data import rows as rows_module
from sklearn_claster._data.on_disk import ArrayOnDisk
from sklearn_claster._data.rows import RowsInMemory
from sklearn_claster._data.unit_rows import row_mean, unit_rows


def whitening_of(x, y):
    rows, codes = RowsInMemory(torch.from_numpy(np.asarray(x))), torch.from_numpy(y)
    means, _ = class_means(rows, codes, int(y.max()) + 1)
    scatter = Scatter.of(rows, codes, means)
    return whitening_matrix(scatter.covariance(), scatter.shrinkage()).numpy()


def input_space(x, y=None):
    return InputSpace.fit(x, y)[0]


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
    whitening = whitening_of(x, y)
    assert_allclose(whitening, paper_twin.within_class_whitening(x, y), rtol=1e-6, atol=1e-9)
    shrunk, share = ledoit_wolf(residuals(x, y), assume_centered=True)
    if share > 0.05:
        inverse = np.linalg.inv(shrunk)
        ratio = np.trace(shrunk) / n_features
        assert_allclose(whitening @ whitening.T, inverse * ratio, rtol=1e-6, atol=1e-9)


def test_whitened_classes_scatter_alike_in_all_directions():
    x, y = scattered(20_000, 4)
    before = np.linalg.eigvalsh(np.cov(residuals(x, y).T))
    after = np.linalg.eigvalsh(np.cov(residuals(x @ whitening_of(x, y), y).T))
    assert before.max() / before.min() > 100 > 5 > after.max() / after.min()  # shrunk a little


def test_whitening_does_not_see_where_the_classes_are():
    x, y = scattered()
    moved = x + 100 * np.random.RandomState(1).normal(size=(4, 5))[y]
    assert_allclose(whitening_of(moved, y), whitening_of(x, y), rtol=1e-6)


def test_whitening_in_blocks_is_whitening_at_once(monkeypatch):
    x, y = scattered(30, 40)  # shrunk by what the blocks' fourth powers add up to
    whole = whitening_of(x, y)
    monkeypatch.setattr(rows_module, "_BLOCK", 7)
    assert_allclose(whitening_of(x, y), whole, rtol=1e-10)


@pytest.mark.parametrize(
    "x", [np.eye(3), np.zeros((3, 2)), np.full((3, 2), 1e-30), np.array([[1e30, 0.0]] * 3)]
)
def test_classes_without_scatter_are_left_alone(x):
    assert_array_equal(whitening_of(x, np.arange(3)), np.eye(x.shape[1]))


def test_rounding_is_no_scatter():
    x, y = np.full((7, 2), 0.1), np.zeros(7, dtype=int)
    assert np.ptp(x - x.sum(axis=0) / 7) == 0.0 < abs(x - x.sum(axis=0) / 7).max()
    assert_array_equal(whitening_of(x, y), np.eye(2))


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_scale_of_the_scatter_does_not_matter(scale):
    x, y = scattered()
    assert_allclose(whitening_of(scale * x, y), whitening_of(x, y), rtol=1e-6)


def test_what_scatters_nearly_alike_is_not_shrunk_beyond_the_identity():
    x = np.vstack([np.diag([1.0, 1.0, 1.1]), -np.diag([1.0, 1.0, 1.1])])
    assert_array_equal(whitening_of(x, np.zeros(6, dtype=int)), np.eye(3))


def test_a_direction_without_scatter_is_not_blown_up():
    x, y = scattered(5000, 3)
    x[:, 1] = 7.0
    assert np.linalg.norm(whitening_of(x, y), axis=1).max() < 1.01 * 0.05**-0.5 * 3**0.5


def test_the_input_space_is_centred_whitened_and_of_unit_length():
    x, y = scattered()
    space = input_space(x, y)
    out = space(x)
    assert out.dtype == np.float32
    assert_allclose(np.linalg.norm(out, axis=1), 1.0, rtol=1e-6)
    once = unit_rows(x, x.mean(axis=0), np.float64) @ whitening_of(unit_rows(x, x.mean(axis=0)), y)
    assert_allclose(out, unit_rows(once, once.mean(axis=0), np.float64), atol=1e-5)
    assert_array_equal(input_space(x)(x), unit_rows(x, row_mean(x)))


def test_the_scale_of_all_features_does_not_matter():
    x, y = scattered()
    assert_allclose(input_space(x * 1e20, y)(x * 1e20), input_space(x, y)(x), atol=1e-5)


@pytest.mark.parametrize("on_disk", [False, True])
def test_without_memory_for_the_covariance_the_cure_is_named(on_disk):
    """Of so many features squared no address space has room: the allocation itself fails."""
    x = np.zeros((4, 5_000_000), np.float32)
    x[:, :3] = np.random.RandomState(0).normal(size=(4, 3))
    data = ArrayOnDisk(x) if on_disk else x
    with pytest.raises(MemoryError, match=r"5,000,000 features.*float64.*whiten=False") as caught:
        InputSpace.fit(data, torch.tensor([0, 0, 1, 1]))
    assert caught.value.__cause__ is not None


def test_fit_says_what_to_do_without_memory_for_the_covariance():
    x, y = np.zeros((4, 5_000_000), np.float32), ["a", "a", "b", "b"]
    x[:, :3] = np.random.RandomState(0).normal(size=(4, 3))
    with pytest.raises(MemoryError, match="whiten=False"):
        ClasterZSL(device="cpu").fit(x, y, {"a": [0.0, 1.0], "b": [1.0, 0.0], "c": [1.0, 1.0]})


OUT_OF_MEMORY = {
    "NumPy": MemoryError("Unable to allocate"),
    "CPU": RuntimeError("[enforce fail at alloc_cpu.cpp] can't allocate memory"),
    "CUDA": torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"),
    "MPS": RuntimeError("MPS backend out of memory"),
}


@pytest.mark.parametrize("error", OUT_OF_MEMORY.values(), ids=OUT_OF_MEMORY)
def test_however_the_lack_of_memory_is_said(error):
    with pytest.raises(MemoryError, match="7 x 7"), room_for_whitening(7):
        raise error


def test_other_errors_of_whitening_stay_themselves():
    with pytest.raises(RuntimeError, match=r"^not positive definite"), room_for_whitening(7):
        raise RuntimeError("not positive definite")
