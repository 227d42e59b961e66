"""Arrays larger than memory: fit and predict read them in parts and do what they do in memory."""

import numpy as np
import pytest
import torch

from sklearn_claster import BiasDetector, ClasterZSL
from sklearn_claster._data import on_disk as on_disk_module
from sklearn_claster._data import rows as rows_module
from sklearn_claster.baselines import ESZSL
from sklearn_claster.datasets import make_zero_shot_classification

DATA = make_zero_shot_classification(
    n_samples=900, n_features=16, n_seen=8, n_unseen=4, random_state=0
)
SEEN = np.isin(DATA.target, DATA.seen_classes)
X, Y, X_NEW = (
    DATA.data[SEEN].astype(np.float32),
    DATA.target[SEEN],
    DATA.data[~SEEN].astype(np.float32),
)
Y_NEW = DATA.target[~SEEN]


@pytest.fixture(autouse=True)
def nothing_is_small(monkeypatch):
    monkeypatch.setattr(on_disk_module, "READ_WHOLE_BYTES", X.nbytes // 2)
    monkeypatch.setattr(rows_module, "_READ_AT_ONCE", 4)
    monkeypatch.setattr(rows_module, "_WINDOW_BYTES", 128 * X.shape[1] * X.itemsize)
    monkeypatch.setattr(rows_module, "_BLOCK", 100)


class Watched:
    """An array on disk that knows how many of its rows were asked for at once."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.chunks = array, array.shape, array.dtype, None
        self.most = self.n_read = 0

    def __getitem__(self, rows):
        part = self.array[rows]
        self.most, self.n_read = max(self.most, len(part)), self.n_read + len(part)
        return part


def make(**parameters):
    return ClasterZSL(random_state=0, device="cpu", **({"hidden_layer_sizes": (32,)} | parameters))


def fitted(X=X, **parameters):
    return make(**parameters).fit(X, Y, DATA.class_embeddings)


@pytest.fixture(scope="module")
def in_memory():
    return fitted()


@pytest.fixture(params=["memmap", "npy", "hdf5", "own"])
def stored(request, tmp_path):
    """X in each kind of array on disk, and the way to open another."""

    def store(array):
        name = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        if request.param == "memmap":
            out = np.memmap(name, array.dtype, "w+", shape=array.shape)
            out[:] = array
            return out
        if request.param == "npy":
            np.save(f"{name}.npy", array)
            return np.load(f"{name}.npy", mmap_mode="r")
        if request.param == "hdf5":
            h5py = pytest.importorskip("h5py", reason="HDF5 needs h5py")
            return h5py.File(name, "w").create_dataset("X", data=array, chunks=(50, 16))
        return Watched(array)

    return store


def test_fit_and_predict_read_every_kind_of_array(stored, in_memory):
    zsl = fitted(stored(X))
    assert zsl.n_features_in_ == 16
    assert zsl.score(X_NEW, Y_NEW) > in_memory.score(X_NEW, Y_NEW) - 0.1 > 0.5
    assert sum(zsl.history_["cluster_counts"][-1]) == len(X)
    for method in ("predict", "predict_proba", "decision_function", "transform"):
        expected = getattr(zsl, method)(X_NEW)
        np.testing.assert_array_equal(getattr(zsl, method)(stored(X_NEW)), expected)


@pytest.mark.parametrize(
    "parameters",
    [
        {"whiten": False},
        {"fusion": None},
        {"centroids": None},
        {"centroids": "random"},
        {"centroids": "netvlad"},
        {"early_stopping": True},
        {"space": "gzsl", "bias_detector": BiasDetector()},
        {"space": "gzsl", "bias_detector": "stacking"},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:early_stopping found the best")
def test_every_option_works_from_disk(parameters):
    zsl = fitted(Watched(X), **parameters)
    memory = fitted(**parameters)
    scores = [np.mean(model.predict(X_NEW) == Y_NEW) for model in (zsl, memory)]
    assert scores[0] > scores[1] - 0.15
    assert zsl.get_params().keys() == memory.get_params().keys()


def test_what_does_not_depend_on_the_order_is_the_same(in_memory):
    zsl = fitted(Watched(X))
    for name in ("mean", "whitening", "whitened_mean"):
        ours, expected = (getattr(m._model.input_space, name) for m in (zsl, in_memory))
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_the_same_seed_gives_the_same_model():
    first, second = fitted(Watched(X)), fitted(Watched(X))
    np.testing.assert_array_equal(first.decision_function(X_NEW), second.decision_function(X_NEW))


def test_no_more_than_a_part_is_read_at_once(monkeypatch):
    monkeypatch.setattr(on_disk_module, "READ_WHOLE_BYTES", 1024)
    monkeypatch.setattr("sklearn_claster._base._ROWS_AT_ONCE", 100)
    monkeypatch.setattr(on_disk_module, "_ROWS_AT_ONCE", 100)
    monkeypatch.setattr("sklearn_claster._data.unit_rows._ROWS_AT_ONCE", 100)
    monkeypatch.setattr(on_disk_module, "_ROWS_AT_ONCE", 100)
    array = Watched(X)
    zsl = fitted(array)
    assert array.most <= 100 < len(X)
    new = Watched(X_NEW)
    zsl.predict(new)
    assert new.most <= 100 < len(X_NEW)
    assert new.n_read == len(X_NEW)  # once


@pytest.mark.filterwarnings("ignore:early_stopping found the best")
def test_rows_of_classes_that_are_held_out_are_not_read_along(monkeypatch):
    """In a file that is sorted by class they lie between those that are wanted."""
    monkeypatch.setattr(on_disk_module, "_WIDEST_GAP", 8)
    monkeypatch.setattr("sklearn_claster._base._ROWS_AT_ONCE", 100)
    monkeypatch.setattr(on_disk_module, "_ROWS_AT_ONCE", 100)
    monkeypatch.setattr("sklearn_claster._data.unit_rows._ROWS_AT_ONCE", 100)
    monkeypatch.setattr(on_disk_module, "_ROWS_AT_ONCE", 100)
    by_class = np.argsort(Y, kind="stable")
    array = Watched(X[by_class])
    make(early_stopping=True).fit(array, Y[by_class], DATA.class_embeddings)
    assert array.most <= 108  # a block, and a gap

    wanted = np.r_[0:10, 15:20, 300:310, 320]
    rows = on_disk_module.ArrayOnDisk(array, wanted)
    for part in (slice(None), slice(3, 12), slice(14, 18), slice(9, 9), slice(25, 26)):
        np.testing.assert_array_equal(rows[part], array.array[wanted[part]])


@pytest.mark.parametrize("n_rows", [1, 130, 599, 600, 700])
def test_a_sample_has_as_many_rows_as_it_may(n_rows):
    rows = rows_module.RowsOnDisk(on_disk_module.ArrayOnDisk(X), torch.from_numpy)
    sample, at = rows.sample(n_rows * X.shape[1] + 3)
    np.testing.assert_array_equal(sample.numpy(), X[at.numpy()])
    assert len(sample) == min(n_rows, len(X))
    assert len(np.unique(sample.numpy(), axis=0)) == len(sample)


def test_rows_that_lie_far_apart_are_not_read_as_one_part(monkeypatch):
    monkeypatch.setattr(on_disk_module, "_LONGEST_READ", 50)
    array = Watched(X)
    rows = on_disk_module.ArrayOnDisk(array, np.arange(3, len(X), 7))
    np.testing.assert_array_equal(rows[2:], X[3::7][2:])
    assert array.most <= 50


def test_a_detector_reads_the_array_whole():
    detector = BiasDetector("knn").fit(Watched(X), Y, DATA.class_embeddings)
    expected = BiasDetector("knn").fit(X, Y, DATA.class_embeddings).decision_function(X_NEW)
    np.testing.assert_array_equal(detector.decision_function(Watched(X_NEW)), expected)


@pytest.mark.parametrize("dtype", ["U20", "S20", object])
def test_text_on_disk_is_refused(dtype):
    with pytest.raises(TypeError, match=r"X is an array on disk of type .*; expected numbers"):
        fitted(Watched(X.astype(dtype)))


def test_a_baseline_reads_the_array_whole():
    zsl = ESZSL().fit(Watched(X), Y, DATA.class_embeddings)
    expected = ESZSL().fit(X, Y, DATA.class_embeddings).decision_function(X_NEW)
    np.testing.assert_array_equal(zsl.decision_function(Watched(X_NEW)), expected)


@pytest.mark.parametrize("row", [0, 350, len(X) - 1])
def test_bad_numbers_are_found_before_training(row):
    bad = X.copy()
    bad[row, 3] = np.nan
    with pytest.raises(ValueError, match="X contains NaN"):
        fitted(Watched(bad))
    zsl = fitted()
    with pytest.raises(ValueError, match="contains NaN"):
        zsl.predict(Watched(bad))


def test_other_bad_input_from_disk():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        make().fit(Watched(X), Y[:-1], DATA.class_embeddings)
    with pytest.raises(ValueError, match="X has 15 features, but ClasterZSL is expecting 16"):
        fitted().predict(Watched(X_NEW[:, :15]))
    with pytest.raises(ValueError, match="1 class"):
        make().fit(Watched(X), np.zeros(len(X)), DATA.class_embeddings)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int16])
def test_other_types_of_numbers_are_converted_part_by_part(dtype):
    stored = (X * 100).astype(dtype)
    zsl = fitted(Watched(stored))
    np.testing.assert_array_equal(zsl.predict(Watched(stored)), zsl.predict(stored))


def test_a_small_array_on_disk_is_the_array_in_memory(monkeypatch):
    monkeypatch.setattr(on_disk_module, "READ_WHOLE_BYTES", X.nbytes)
    np.testing.assert_array_equal(
        fitted(Watched(X)).decision_function(X_NEW), fitted().decision_function(X_NEW)
    )
