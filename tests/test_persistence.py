"""Saved models: bit-identical answers, NumPy arrays only, any machine, any thread."""

import copy
import os
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from sklearn import clone
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError

from sklearn_claster import BiasDetector, ClasterZSL, baselines
from sklearn_claster._core.inference import Choice, Scale
from sklearn_claster._core.input_space import InputSpace
from sklearn_claster._core.model import ClasterModel
from sklearn_claster._core.networks import CentroidSum, ClasterNet, NetVLAD
from sklearn_claster._gate.rules import RULES
from sklearn_claster._utils.torch import seeded_generator
from sklearn_claster.baselines import ESZSL
from sklearn_claster.datasets import make_zero_shot_classification

pytestmark = [
    pytest.mark.usefixtures("short_training"),
    pytest.mark.filterwarnings("ignore:.*clusters hold no training sample"),
]

CENTROIDS = ["reinforce", "kmeans", "gradient", "netvlad", "random", None]
DATA = make_zero_shot_classification(
    60, 5, n_seen=4, n_unseen=2, n_embedding_features=5, random_state=0
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


FOREST = IsolationForest(n_estimators=3, random_state=0)
TINY_GAN = baselines.FCLSWGAN(3, hidden_layer_sizes=(8,), n_steps=2, random_state=0)
ESTIMATORS = {
    **{f"centroids={kind}": make(centroids=kind) for kind in CENTROIDS},
    "centroids given": make(centroids=np.eye(3, 10)),
    "deep": make(fusion=None, centroid_weight=0.3, hidden_layer_sizes=(4, 3)),
    "linear": make(hidden_layer_sizes=(), centroids="gradient", fusion=None),
    "summed": make(fusion="sum", whiten=False, centroid_weight=np.float32(0.5)),
    "no shortcut": make(linear_shortcut=False, feature_weight=0.5),
    "a device": make(device=torch.device("cpu")),
    "stacking": make(bias_detector="stacking"),
    "soft gate": make(bias_detector=BiasDetector(), gate="soft"),
    **{f"gate {method}": make(bias_detector=BiasDetector(method)) for method in RULES},
    "gate generated": make(bias_detector=BiasDetector("generated", estimator=TINY_GAN)),
    "foreign gate": make(bias_detector=FOREST),
    "gated ESZSL": ESZSL(space="gzsl", bias_detector=BiasDetector()),
    "detector": BiasDetector(),
    "detector of energy": BiasDetector("energy", estimator=make()),
    "detector of neighbours": BiasDetector("knn"),
    **{
        name: getattr(baselines, name)(space="gzsl").set_params(**parameters)
        for name, parameters in {
            **{key: {} for key in baselines.__all__},
            "DAP": {"threshold": "mean"},
            "IAP": {"threshold": "mean"},
            "DEM": {"hidden_layer_sizes": (8,), "n_steps": 5},
            "FCLSWGAN": {"hidden_layer_sizes": (8,), "n_steps": 2, "n_generated": 3},
            "FVAEGAN": {"hidden_layer_sizes": (8,), "n_steps": 2, "n_generated": 3},
            "ClassGCN": {"hidden_layer_sizes": (8,), "n_steps": 5},
            "ERHead": {"n_components": 8, "max_epochs": 2},
            "RLA": {"n_steps": 5},
        }.items()
    },
}
for _estimator in ESTIMATORS.values():
    if "random_state" in _estimator.get_params():
        _estimator.set_params(random_state=0)
every_estimator = pytest.mark.parametrize("name", ESTIMATORS)
SOME = ["centroids=reinforce", "centroids=gradient", "centroids=netvlad", "centroids=None"]
SOME += ["deep", "linear", "soft gate", "gate knn", "stacking", "detector", "ESZSL", "ConSE", "DEM"]
some_estimators = pytest.mark.parametrize("name", SOME)


def fit(estimator):
    return clone(estimator).fit(X, Y, DATA.class_embeddings)


@cache
def fitted(name):
    """One fit for all tests that only ask."""
    return fit(ESTIMATORS[name])


def answers(estimator, rows=DATA.data):
    methods = ["predict", "predict_proba", "predict_log_proba", "decision_function", "transform"]
    methods += ["score_samples"]
    found = [getattr(estimator, name)(rows) for name in methods if hasattr(estimator, name)]
    if hasattr(estimator, "predict_proba"):
        new = {"new": [0.1, 0.2, 0.3, 0.4, 0.5]}
        found.append(estimator.predict_proba(rows, unseen_embeddings=new))
    return found


def parameters(estimator):
    return {name: str(value) for name, value in estimator.get_params().items()}


def same(loaded, original):
    assert type(loaded) is type(original)
    assert parameters(loaded) == parameters(original)
    if hasattr(original, "unseen_classes_"):
        assert loaded.classes_.tolist() == original.classes_.tolist()
        assert loaded.unseen_classes_.tolist() == original.unseen_classes_.tolist()
        assert loaded.gate_threshold_ == original.gate_threshold_
    pairs = zip(answers(loaded), answers(original), strict=True)
    if isinstance(original, ClasterZSL):
        assert loaded.history_ == original.history_
        assert (loaded.n_iter_, loaded.n_clusters_) == (original.n_iter_, original.n_clusters_)
        assert loaded.device_ == original.device_
        assert np.array_equal(loaded.cluster_centers_, original.cluster_centers_)
    return all(np.array_equal(one, other) for one, other in pairs)


# ------------------------------------------------------------------ round trips


@every_estimator
def test_pickle(name):
    zsl = fitted(name)
    assert same(pickle.loads(pickle.dumps(zsl)), zsl)


@pytest.mark.parametrize("form", [np.asfortranarray, lambda a: np.asfortranarray(a, "f4")])
def test_copies_answer_alike_whatever_the_memory_order_of_the_centroids(form):
    centroids = np.random.default_rng(0).normal(size=(3, 10))
    zsl = fit(make(centroids=form(centroids), inference="compatibility"))
    rows = DATA.data.astype(np.float32)
    expected = fit(make(centroids=centroids, inference="compatibility")).decision_function(rows)
    for model in (zsl, pickle.loads(pickle.dumps(zsl)), copy.deepcopy(zsl)):
        np.testing.assert_array_equal(model.decision_function(rows), expected)
        np.testing.assert_array_equal(model.transform(rows), zsl.transform(rows))


@every_estimator
@pytest.mark.filterwarnings("error")  # of torch too, about arrays that cannot be written to
def test_joblib_maps_the_file(name, tmp_path):
    zsl = fitted(name)
    joblib.dump(zsl, tmp_path / "zsl.joblib")
    assert same(joblib.load(tmp_path / "zsl.joblib", mmap_mode="r"), zsl)


@some_estimators
@pytest.mark.parametrize("mmap_mode", [None, "r", "c"])
@pytest.mark.filterwarnings("error")
def test_a_fit_after_joblib_leaves_the_file(name, mmap_mode, tmp_path):
    zsl = fitted(name)
    joblib.dump(zsl, tmp_path / "zsl.joblib")
    loaded = joblib.load(tmp_path / "zsl.joblib", mmap_mode=mmap_mode)
    assert same(loaded.fit(X, Y, DATA.class_embeddings), zsl)
    assert same(joblib.load(tmp_path / "zsl.joblib"), zsl)


@some_estimators
def test_deepcopy_is_a_model_of_its_own(name):
    zsl = fitted(name)
    twin = copy.deepcopy(zsl)
    assert same(twin, zsl)
    expected = answers(zsl)
    twin.fit(X[:, ::-1], Y, DATA.class_embeddings)
    assert all(map(np.array_equal, answers(zsl), expected))
    scores = zsl.decision_function(DATA.data)
    assert not np.array_equal(twin.decision_function(DATA.data), scores)


@some_estimators
def test_refit_after_load(name):
    zsl = fitted(name)
    loaded = pickle.loads(pickle.dumps(zsl))
    rows = X[:, :3]
    loaded.fit(rows, Y, DATA.class_embeddings)
    expected = clone(ESTIMATORS[name]).fit(rows, Y, DATA.class_embeddings)
    assert np.array_equal(loaded.decision_function(rows), expected.decision_function(rows))


@some_estimators
def test_an_unfitted_estimator(name):
    loaded = pickle.loads(pickle.dumps(clone(ESTIMATORS[name])))
    with pytest.raises(NotFittedError):
        loaded.predict(X)
    assert same(fit(loaded), fitted(name))


def test_copies_learn_what_the_original_learns():
    """A loaded "gradient" model still has centroids that a gradient can move."""
    zsl = pickle.loads(pickle.dumps(fit(make(centroids="gradient"))))
    aggregation = zsl._model.net.aggregation
    assert isinstance(aggregation.centroids, torch.nn.Parameter)
    zsl = pickle.loads(pickle.dumps(fit(make(centroids="reinforce"))))
    assert not isinstance(zsl._model.net.aggregation.centroids, torch.nn.Parameter)


# ------------------------------------------------------------------ what a state says


@pytest.mark.parametrize("found", [None, 1, 3, "2"])
def test_a_state_of_another_format_is_refused(found):
    for name in ("centroids=kmeans", "ESZSL", "detector"):
        zsl = fitted(name)
        state = {**zsl.__getstate__(), "_state_format": found}
        message = f"expected format 2, got {found!r}. Load it with the version of"
        with pytest.raises(ValueError, match=message):
            type(zsl)().__setstate__(state)


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


@some_estimators
@pytest.mark.parametrize("context", ["device", "dtype", "inference_mode"])
def test_what_torch_is_set_to_does_not_matter(name, context):
    zsl = fitted(name)
    saved = pickle.dumps(zsl)
    before = torch.get_default_dtype()
    contexts = {"device": torch.device("meta"), "inference_mode": torch.inference_mode()}
    try:
        if context == "dtype":
            torch.set_default_dtype(torch.float64)
        with contexts.get(context, nullcontext()):
            loaded = pickle.loads(saved)
    finally:
        torch.set_default_dtype(before)
    assert same(loaded, zsl)


# ------------------------------------------------------------------ threads


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted on Linux")
@pytest.mark.parametrize("kind", [CentroidSum, NetVLAD])
def test_loading_starts_no_threads(kind):
    """Torch would leave a team behind in a thread that lives on, such as joblib's own of `loky`:
    then there are more than processors, and all later fits are slower by a half."""
    net = ClasterNet(300, 200, [400], "concatenate", seeded_generator(0), linear_shortcut=True)
    net.aggregation = kind(torch.ones(100, 600), 1.0)
    space = InputSpace(np.zeros(300), np.eye(300), np.zeros(300))
    seen, means = np.zeros((4, 200), np.float32), np.zeros((4, 300), np.float32)
    scale = Scale(Choice(), 1.0, 0.1, 0.0, 0.0, 0.1)
    saved = pickle.dumps(ClasterModel(net, space, np.zeros(200), seen, means, scale))

    def n_started(function, *args):
        before = len(os.listdir("/proc/self/task"))
        function(*args)
        return len(os.listdir("/proc/self/task")) - before

    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with ThreadPoolExecutor(1) as executor:
            assert executor.submit(n_started, pickle.loads, saved).result() <= 0  # others may end
            assert executor.submit(n_started, torch.zeros, 10**6).result() > 0
    finally:
        torch.set_num_threads(n_threads)


@some_estimators
def test_threads_share_a_model(name):
    zsl = fitted(name)
    parts = [DATA.data[i::8] for i in range(8)]
    methods = ["predict", "predict_proba", "decision_function"]
    methods = [name for name in [*methods, "transform"] if hasattr(zsl, name)]

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
