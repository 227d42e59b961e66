"""Rows from memory and from disk: the same rows, each once, in random company."""

import numpy as np
import pytest
import torch

from sklearn_claster._data import on_disk as on_disk_module
from sklearn_claster._data import rows as rows_module
from sklearn_claster._data.on_disk import ArrayOnDisk, in_memory, on_disk, rows_where
from sklearn_claster._data.rows import RowsInMemory, RowsOnDisk

N, F = 1000, 3
X = np.arange(N * F, dtype=np.float32).reshape(N, F)  # a row's first number says which it is


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def from_disk(array=X, positions=None):
    return RowsOnDisk(ArrayOnDisk(array, positions), torch.from_numpy)


def from_memory(array=X):
    return RowsInMemory(torch.from_numpy(array))


@pytest.fixture(params=[from_memory, from_disk])
def rows(request, monkeypatch):
    monkeypatch.setattr(rows_module, "_BLOCK", 300)
    monkeypatch.setattr(rows_module, "_READ_AT_ONCE", 8)
    monkeypatch.setattr(rows_module, "_WINDOW_BYTES", 80 * F * 4)
    monkeypatch.setattr(rows_module, "_RUNS_A_WINDOW", 10)
    return request.param()


def test_blocks_are_all_rows_in_order(rows):
    values, positions = zip(*rows.blocks(), strict=True)
    assert torch.equal(torch.cat(values), torch.from_numpy(X))
    assert torch.cat(positions).tolist() == list(range(N))
    assert len(rows) == N
    assert max(map(len, values)) <= 300


@pytest.mark.parametrize("batch_size", [1, 7, 100, 999, 1000, 5000])
def test_batches_are_all_rows_once_with_their_positions(rows, batch_size):
    batches = list(rows.batches(batch_size, generator()))
    values, positions = (torch.cat(part) for part in zip(*batches, strict=True))
    assert sorted(positions.tolist()) == list(range(N))
    assert torch.equal(values, torch.from_numpy(X)[positions])
    sizes = [len(values) for values, _ in batches]
    assert len(sizes) == -(-N // batch_size)
    assert max(sizes) - min(sizes) <= 1
    if batch_size < N:
        assert positions.tolist() != list(range(N))


def test_every_epoch_has_an_order_of_its_own_and_seeds_repeat(rows):
    def epochs(seed):
        order = generator(seed)
        return [torch.cat([at for _, at in rows.batches(10, order)]).tolist() for _ in range(2)]

    first, second = epochs(0)
    assert first != second
    assert epochs(0) == [first, second]
    assert epochs(1)[0] != first


def test_what_is_made_of_rows_is_the_same_from_both(rows):
    twice = rows.map(lambda values, at: values * 2.0).map(lambda values, at: values + at[:, None])
    expected = torch.from_numpy(X) * 2.0 + torch.arange(N)[:, None]
    assert torch.equal(torch.cat([values for values, _ in twice.blocks()]), expected)
    for values, at in twice.batches(64, generator()):
        assert torch.equal(values, expected[at])
    assert torch.equal(next(rows.blocks())[0], torch.from_numpy(X)[:300])  # unchanged


def test_no_gradient_flows_into_what_is_made(rows):
    weight = torch.ones(F, requires_grad=True)
    made = rows.map(lambda values, at: values * weight)
    assert not next(made.batches(5, generator()))[0].requires_grad


def test_a_sample_is_all_rows_or_random_ones(rows):
    whole, _ = rows.sample(N * F)
    assert sorted(whole[:, 0].tolist()) == X[:, 0].tolist()
    some, at = rows.sample(100 * F)
    assert torch.equal(some, torch.from_numpy(X)[at].to(some.dtype))
    found = (some[:, 0] / F).long()
    assert 90 <= len(some) <= 100
    assert len(set(found.tolist())) == len(some)
    assert torch.equal(some, torch.from_numpy(X)[found])
    assert found.max() > 500 > found.min()


def test_a_window_mixes_rows_from_all_over_the_file(monkeypatch):
    monkeypatch.setattr(rows_module, "_READ_AT_ONCE", 8)
    monkeypatch.setattr(rows_module, "_WINDOW_BYTES", 400 * F * 4)
    monkeypatch.setattr(rows_module, "_RUNS_A_WINDOW", 50)
    for _, positions in from_disk().batches(50, generator()):
        runs = positions // 8
        assert len(set(runs.tolist())) > 15  # of 50 possible
        assert positions.max() - positions.min() > 500


@pytest.mark.parametrize(
    ("width", "dtype", "run"),
    [(1024, "f4", 64), (2048, "f4", 32), (2048, "f8", 16), (8192, "f4", 8), (10**6, "f4", 1)],
)
def test_a_window_of_wide_rows_holds_as_many_runs(width, dtype, run):
    """Else a file that is sorted by class would give batches of a few classes."""
    array = np.broadcast_to(np.zeros((), dtype), (100_000, width))
    rows = from_disk(array)
    starts = rows._windows(generator())[0]
    assert len(starts) == min(256, 2**26 // array[0].nbytes)
    assert set((starts % run).tolist()) == {0}
    read = run * len(starts) * array[0].nbytes
    assert read <= 2**26


def test_no_more_than_a_window_and_a_batch_is_read_at_once(monkeypatch):
    monkeypatch.setattr(rows_module, "_READ_AT_ONCE", 8)
    monkeypatch.setattr(rows_module, "_WINDOW_BYTES", 80 * F * 4)
    monkeypatch.setattr(rows_module, "_RUNS_A_WINDOW", 10)
    n_read = 0

    class Counting(ArrayOnDisk):
        def __getitem__(self, part):
            nonlocal n_read
            found = super().__getitem__(part)
            n_read += len(found)
            return found

    batches = RowsOnDisk(Counting(X), torch.from_numpy).batches(20, generator())
    for number, _ in enumerate(batches, start=1):
        assert n_read <= number * 20 + 80
    assert n_read == N


# ------------------------------------------------------------------------------ arrays on disk


@pytest.fixture
def memmap(tmp_path):
    array = np.memmap(tmp_path / "X", np.float32, "w+", shape=X.shape)
    array[:] = X
    return array


class Chunked:
    """What h5py and zarr arrays have in common."""

    chunks = (100, F)
    dtype = X.dtype
    shape = X.shape

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        return memoryview(X[rows])  # whatever becomes an array


@pytest.mark.parametrize("kind", ["memmap", "chunked"])
def test_large_arrays_on_disk_stay_there_and_small_ones_are_read(kind, memmap, monkeypatch):
    array = memmap if kind == "memmap" else Chunked()
    small = on_disk(array)
    assert type(small) is np.ndarray
    np.testing.assert_array_equal(small, X)
    monkeypatch.setattr(on_disk_module, "READ_WHOLE_BYTES", X.nbytes - 1)
    large = on_disk(array)
    assert isinstance(large, ArrayOnDisk)
    assert large.shape == X.shape
    assert len(large) == N
    assert large.dtype == np.float32
    np.testing.assert_array_equal(large[10:20], X[10:20])
    assert large[10:10].shape == (0, F)


@pytest.mark.parametrize("other", [X, X.tolist(), "text", None, X[:, 0], torch.ones(3, 2)])
def test_all_else_comes_back_as_it_is(other, monkeypatch):
    monkeypatch.setattr(on_disk_module, "READ_WHOLE_BYTES", 0)
    assert on_disk(other) is other


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_rows_of_a_mask_are_read_in_parts_too(share):
    mask = np.random.RandomState(0).rand(N) < share
    again = np.random.RandomState(1).rand(mask.sum()) < 0.5
    once = rows_where(ArrayOnDisk(X), mask)
    for chosen, expected in ((once, X[mask]), (rows_where(once, again), X[mask][again])):
        assert chosen.shape == expected.shape
        parts = [chosen[start : start + 17] for start in range(0, N, 17)]
        np.testing.assert_array_equal(np.concatenate(parts), expected)
    np.testing.assert_array_equal(rows_where(X, mask), X[mask])


def test_as_many_rows_of_every_class_as_memory_may_take(monkeypatch):
    y = np.repeat([0, 1, 2], [1, 199, 800])
    monkeypatch.setattr(on_disk_module, "READ_WHOLE_BYTES", 100 * F * 4)
    monkeypatch.setattr(on_disk_module, "_ROWS_AT_ONCE", 64)
    rows, codes, groups = in_memory(ArrayOnDisk(X), y, np.arange(len(y)))
    np.testing.assert_array_equal(groups, rows[:, 0] / F)
    assert np.bincount(codes).tolist() == [1, 19, 80]
    np.testing.assert_array_equal(y[(rows[:, 0] / F).astype(int)], codes)
    assert len(np.unique(rows[:, 0])) == 100
    whole, same, none = in_memory(X, y)
    assert whole is X and same is y and none is None


@pytest.mark.parametrize("from_disk", [False, True])
def test_a_few_rows_of_every_class(from_disk):
    y = np.repeat([0, 1, 2], [1, 199, 800])
    rows, codes, groups = in_memory(ArrayOnDisk(X) if from_disk else X, y, np.arange(len(y)), 20)
    assert np.bincount(codes).tolist() == [1, 20, 20]
    np.testing.assert_array_equal(rows, X[groups])
    np.testing.assert_array_equal(codes, y[groups])
    assert in_memory(X, y, None, 800)[0] is X
