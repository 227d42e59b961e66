"""Saved models: bit-identical answers, NumPy arrays only, any machine, any thread."""

import copy
import io
import pickle
import pickletools
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
import torch
from sklearn import clone
from sklearn.exceptions import NotFittedError

from sklearn_claster import ClasterZSL
from sklearn_claster._model import ClasterModel
from sklearn_claster.baselines import ESZSL
from sklearn_claster.datasets import make_zero_shot_classification

pytestmark = pytest.mark.filterwarnings("ignore:.*clusters hold no training sample")

CENTROIDS = ["reinforce", "kmeans", "gradient", "netvlad", "random", None]
DATA = make_zero_shot_classification(
    60, 5, n_seen=4, n_unseen=2, n_embedding_features=3, random_state=0
)
IS_SEEN = np.isin(DATA.target, DATA.seen_classes)
X, Y = DATA.data[IS_SEEN], DATA.target[IS_SEEN]


def make(**parameters):
    defaults = {
        "n_clusters": 3,
        "alpha": 0.5,
        "hidden_layer_sizes": (8,),
        "max_epochs": 2,
        "device": "cpu",
        "random_state": 0,
        "space": "gzsl",
    }
    return ClasterZSL(**{**defaults, **parameters})


ESTIMATORS = [
    *(make(centroids=centroids) for centroids in CENTROIDS),
    make(use_semantics=False, centroid_weight=0.3, hidden_layer_sizes=(4, 3)),
    make(dropout=0.2, hidden_layer_sizes=(), centroids="gradient", use_semantics=False),
    ESZSL(space="gzsl"),
]
every_estimator = pytest.mark.parametrize(
    "estimator", ESTIMATORS, ids=[*map(str, CENTROIDS), "deep", "linear", "ESZSL"]
)


def fit(estimator):
    return clone(estimator).fit(X, Y, DATA.class_embeddings)


def answers(estimator):
    methods = ["predict", "predict_proba", "predict_log_proba", "decision_function", "transform"]
    return [getattr(estimator, name)(DATA.data) for name in methods if hasattr(estimator, name)] + [
        estimator.predict_proba(X, unseen_embeddings={"new": [0.1, 0.2, 0.3]})
    ]


def same(loaded, original):
    assert type(loaded) is type(original)
    assert repr(loaded) == repr(original)
    assert loaded.classes_.tolist() == original.classes_.tolist()
    assert loaded.unseen_classes_.tolist() == original.unseen_classes_.tolist()
    pairs = zip(answers(loaded), answers(original), strict=True)
    if isinstance(original, ClasterZSL):
        assert loaded.history_ == original.history_
        assert (loaded.n_iter_, loaded.n_clusters_) == (original.n_iter_, original.n_clusters_)
        assert loaded.device_ == original.device_
        assert np.array_equal(loaded.cluster_centers_, original.cluster_centers_)
    return all(np.array_equal(one, other) for one, other in pairs)


# ------------------------------------------------------------------ round trips


@every_estimator
@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_pickle(estimator, protocol):
    zsl = fit(estimator)
    assert same(pickle.loads(pickle.dumps(zsl, protocol)), zsl)


@every_estimator
@pytest.mark.parametrize("mmap_mode", [None, "r", "c"])
@pytest.mark.filterwarnings("error")  # of torch too, about arrays that cannot be written to
def test_joblib(estimator, mmap_mode, tmp_path):
    zsl = fit(estimator)
    joblib.dump(zsl, tmp_path / "zsl.joblib")
    loaded = joblib.load(tmp_path / "zsl.joblib", mmap_mode=mmap_mode)
    assert same(loaded, zsl)
    refitted = loaded.fit(X, Y, DATA.class_embeddings)
    assert same(refitted, zsl)
    assert same(joblib.load(tmp_path / "zsl.joblib"), zsl)  # the file is as it was


@every_estimator
def test_deepcopy_is_a_model_of_its_own(estimator):
    zsl = fit(estimator)
    twin = copy.deepcopy(zsl)
    assert same(twin, zsl)
    expected = answers(zsl)
    twin.fit(X[:, ::-1], Y, DATA.class_embeddings)
    assert all(map(np.array_equal, answers(zsl), expected))
    assert not np.array_equal(answers(twin)[1], expected[1])


@every_estimator
def test_skops(estimator, tmp_path):
    skops = pytest.importorskip("skops.io")
    zsl = fit(estimator)
    skops.dump(zsl, tmp_path / "zsl.skops")
    types = skops.get_untrusted_types(file=tmp_path / "zsl.skops")
    assert all(name.startswith("sklearn_claster.") for name in types)
    assert same(skops.load(tmp_path / "zsl.skops", trusted=types), zsl)


@every_estimator
def test_refit_after_load(estimator):
    zsl = fit(estimator)
    loaded = pickle.loads(pickle.dumps(zsl))
    rows = X[:, :3]
    loaded.fit(rows, Y, DATA.class_embeddings)
    expected = clone(estimator).fit(rows, Y, DATA.class_embeddings)
    assert np.array_equal(loaded.predict_proba(rows), expected.predict_proba(rows))


@every_estimator
def test_an_unfitted_estimator(estimator):
    loaded = pickle.loads(pickle.dumps(clone(estimator)))
    assert repr(loaded) == repr(estimator)
    with pytest.raises(NotFittedError):
        loaded.predict(X)
    assert same(fit(loaded), fit(estimator))


def test_copies_learn_what_the_original_learns():
    """A loaded "gradient" model still has centroids that a gradient can move."""
    zsl = pickle.loads(pickle.dumps(fit(make(centroids="gradient"))))
    aggregation = zsl._model.net.aggregation
    assert isinstance(aggregation.centroids, torch.nn.Parameter)
    zsl = pickle.loads(pickle.dumps(fit(make(centroids="reinforce"))))
    assert not isinstance(zsl._model.net.aggregation.centroids, torch.nn.Parameter)


# ------------------------------------------------------------------ what is in a pickle


class NoTorch(pickle.Unpickler):
    def find_class(self, module, name):
        assert module.split(".")[0] in {"sklearn_claster", "numpy", "builtins"}, (module, name)
        return super().find_class(module, name)


@every_estimator
def test_a_pickle_holds_no_torch_object(estimator):
    zsl = fit(estimator)
    data = pickle.dumps(zsl)
    assert same(NoTorch(io.BytesIO(data)).load(), zsl)
    strings = {arg for _, arg, _ in pickletools.genops(data) if isinstance(arg, str)}
    assert not [text for text in strings if "torch" in text]
    with pytest.raises(AssertionError, match="torch"):  # the guard itself
        NoTorch(io.BytesIO(pickle.dumps(torch.ones(2)))).load()


def test_loading_moves_no_global_generator():
    data = pickle.dumps(fit(make()))
    before = torch.get_rng_state()
    pickle.loads(data)
    assert torch.equal(torch.get_rng_state(), before)


# ------------------------------------------------------------------ other machines


@pytest.fixture
def saved_on_cuda(monkeypatch):
    """The bytes of a model as a machine with a GPU writes them."""
    zsl = fit(make(device="auto"))
    with monkeypatch.context() as patch:
        patch.setattr(ClasterModel, "device", property(lambda self: torch.device("cuda:0")))
        data = pickle.dumps(zsl)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return zsl, data


def test_a_model_from_a_gpu_runs_where_there_is_none(saved_on_cuda):
    zsl, data = saved_on_cuda
    with pytest.warns(UserWarning, match="made with device='cuda:0'.*not available here"):
        loaded = pickle.loads(data)
    assert loaded.device_.type in {"cpu", "mps"}
    if loaded.device_.type == "cpu" == zsl.device_.type:
        assert same(loaded, zsl)
    assert loaded.predict(X).shape == Y.shape
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(pickle.dumps(loaded))  # it is a model of this machine now
        loaded.fit(X, Y, DATA.class_embeddings)


def test_an_explicit_gpu_that_is_missing_fails_only_in_fit(saved_on_cuda):
    _, data = saved_on_cuda
    with pytest.warns(UserWarning, match="not available here"):
        loaded = pickle.loads(data).set_params(device="cuda")
    assert loaded.predict(X).shape == Y.shape
    with pytest.raises(ValueError, match=r"device='cuda' is not available here.*device='auto'"):
        loaded.fit(X, Y, DATA.class_embeddings)


@pytest.mark.cuda
def test_a_model_from_this_gpu():
    zsl = fit(make(device="cuda"))
    assert zsl.device_.type == "cuda"
    loaded = pickle.loads(pickle.dumps(zsl))
    assert loaded.device_ == zsl.device_
    np.testing.assert_allclose(loaded.predict_proba(X), zsl.predict_proba(X), rtol=1e-5)


# ------------------------------------------------------------------ threads


@every_estimator
def test_threads_share_a_model(estimator):
    zsl = fit(estimator)
    parts = [DATA.data[i::8] for i in range(8)]
    methods = ["predict", "predict_proba", "decision_function"]
    methods += ["transform"] if hasattr(zsl, "transform") else []

    def work(part):
        return [getattr(zsl, name)(part) for _ in range(5) for name in methods]

    expected = list(map(work, parts))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, parts))
    for one, other in zip(found, expected, strict=True):
        assert all(map(np.array_equal, one, other))


def test_threads_that_fit_do_not_disturb_each_other():
    """No global generator is in the way: as many fits at once as one after another."""
    seeds = range(4)
    expected = [fit(make(random_state=seed)) for seed in seeds]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda seed: fit(make(random_state=seed)), seeds))
    assert all(map(same, found, expected))
    assert not np.array_equal(answers(found[0])[1], answers(found[1])[1])
