"""On an NVIDIA GPU: the same results as on the CPU, and models that load on either."""

import pickle
import warnings

import numpy as np
import pytest
import torch

from sklearn_claster import BiasDetector, ClasterZSL
from sklearn_claster._core.kmeans import kmeans, kmeans_plusplus
from sklearn_claster._data import on_disk as on_disk_module
from sklearn_claster.baselines import DEM, FCLSWGAN
from sklearn_claster.datasets import make_zero_shot_classification

pytestmark = pytest.mark.cuda

SMALL = {"hidden_layer_sizes": (32,), "max_epochs": 4, "random_state": 0}
KINDS = ["reinforce", "kmeans", "gradient", "netvlad", "random", None]


@pytest.fixture(scope="module")
def problem():
    data = make_zero_shot_classification(n_samples=600, n_features=24, random_state=0)
    seen = np.isin(data.target, data.seen_classes)
    return data.data[seen], data.target[seen], data.class_embeddings, data.data[~seen]


@pytest.mark.parametrize("centroids", KINDS)
def test_agrees_with_the_cpu(problem, centroids):
    X, y, table, X_new = problem
    on = {
        device: ClasterZSL(centroids=centroids, device=device, **SMALL).fit(X, y, table)
        for device in ("cpu", "cuda")
    }
    assert on["cuda"].device_.type == "cuda"
    cpu, cuda = (on[device].decision_function(X_new) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(cuda, cpu, rtol=0.0, atol=0.05)
    assert np.mean(cuda.argmax(axis=1) == cpu.argmax(axis=1)) > 0.98


def test_auto_takes_the_gpu(problem):
    X, y, table, _ = problem
    assert ClasterZSL(**SMALL).fit(X, y, table).device_.type == "cuda"


def test_same_seed_same_predictions_and_generators_stay(problem):
    X, y, table, X_new = problem
    before = torch.get_rng_state(), torch.cuda.get_rng_state()
    first, second = (ClasterZSL(device="cuda", **SMALL).fit(X, y, table) for _ in range(2))
    after = torch.get_rng_state(), torch.cuda.get_rng_state()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    np.testing.assert_allclose(
        first.decision_function(X_new), second.decision_function(X_new), atol=1e-3
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_cuda_tensors_are_accepted(problem, dtype):
    X, y, table, X_new = problem
    model = ClasterZSL(**SMALL).fit(torch.tensor(X, device="cuda", dtype=dtype), y, table)
    predicted = model.predict(torch.tensor(X_new, device="cuda", dtype=dtype))
    assert np.isin(predicted, model.unseen_classes_).all()


def test_a_pickle_from_the_gpu_loads_without_one(problem, monkeypatch):
    X, y, table, X_new = problem
    model = ClasterZSL(device="cuda", **SMALL).fit(X, y, table)
    blob = pickle.dumps(model)
    assert pickle.loads(blob).device_.type == "cuda"
    expected = model.decision_function(X_new)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.warns(UserWarning, match="not available here"):
        loaded = pickle.loads(blob)
    assert loaded.device_.type == "cpu"
    np.testing.assert_allclose(loaded.decision_function(X_new), expected, rtol=0.0, atol=0.01)


@pytest.mark.parametrize("gate", [None, BiasDetector()], ids=["raw", "gated"])
def test_a_model_file_from_the_gpu_loads_without_one(problem, gate, tmp_path, monkeypatch):
    persistence = pytest.importorskip("sklearn_claster.persistence")
    pytest.importorskip("skops", reason="model files need skops")
    X, y, table, X_new = problem
    model = ClasterZSL(space="gzsl", bias_detector=gate, device="cuda", **SMALL).fit(X, y, table)
    persistence.save_model(model, tmp_path / "model.skops")
    again = persistence.load_model(tmp_path / "model.skops")
    assert again.device_.type == "cuda"
    expected = model.predict(X_new)
    assert np.mean(again.predict(X_new) == expected) > 0.99
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.warns(UserWarning, match="not available here"):
        loaded = persistence.load_model(tmp_path / "model.skops")
    assert loaded.device_.type == "cpu"
    assert np.mean(loaded.predict(X_new) == expected) > 0.98


def test_a_model_from_the_cpu_stays_there_and_can_be_refitted_on_the_gpu(problem):
    X, y, table, X_new = problem
    model = ClasterZSL(device="cpu", **SMALL).fit(X, y, table)
    loaded = pickle.loads(pickle.dumps(model))
    assert loaded.device_.type == "cpu"
    np.testing.assert_array_equal(loaded.decision_function(X_new), model.decision_function(X_new))
    assert loaded.set_params(device="cuda").fit(X, y, table).device_.type == "cuda"


def test_the_graph_of_a_model_on_the_gpu(problem, tmp_path):
    pytest.importorskip("onnx", reason="the export needs onnx")
    runtime = pytest.importorskip("onnxruntime", reason="running a graph needs onnxruntime")
    from sklearn_claster.persistence import to_onnx

    X, y, table, X_new = problem
    model = ClasterZSL(device="cuda", **SMALL).fit(X, y, table)
    to_onnx(model, tmp_path / "model.onnx")
    session = runtime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    vectors = model.candidates()[1].astype(np.float32)
    feed = {"X": X_new.astype(np.float32), "class_embeddings": vectors}
    scores = session.run(["scores"], feed)[0]
    np.testing.assert_allclose(scores, model.decision_function(X_new), rtol=0.0, atol=0.01)


@pytest.mark.parametrize(
    "make",
    [DEM, lambda **parameters: FCLSWGAN(n_steps=3, **parameters)],
    ids=["DEM", "FCLSWGAN"],
)
def test_baselines_agree_with_the_cpu_and_need_no_gpu_afterwards(problem, make):
    X, y, table, X_new = problem
    cpu, cuda = (make(device=device, random_state=0).fit(X, y, table) for device in ("cpu", "cuda"))
    assert b"torch" not in pickle.dumps(cuda)
    expected, scores = cpu.decision_function(X_new), cuda.decision_function(X_new)
    np.testing.assert_allclose(scores, expected, rtol=0.0, atol=0.05)


def test_no_step_waits_for_the_gpu(problem):
    """Waits are counted: there are as many in a fit of eight times as many steps."""
    X, y, table, _ = problem

    def waits(batch_size):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                ClasterZSL(device="cuda", batch_size=batch_size, **SMALL).fit(X, y, table)
            finally:
                torch.cuda.set_sync_debug_mode("default")
        return sum("synchronizing CUDA operation" in str(one.message) for one in found)

    assert waits(8) == waits(64) > 0


def test_k_means_is_the_same_on_both():
    points = torch.from_numpy(np.random.RandomState(0).normal(size=(500, 8)))
    cpu, cuda = (
        kmeans(on, kmeans_plusplus(on, 5, torch.Generator().manual_seed(0)))[0]
        for on in (points, points.cuda())
    )
    np.testing.assert_allclose(cuda.cpu(), cpu, atol=1e-8)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_precision(problem, precision):
    X, y, table, X_new = problem
    expected = ClasterZSL(device="cpu", **SMALL).fit(X, y, table).decision_function(X_new)
    model = ClasterZSL(device="cuda", precision=precision, **SMALL).fit(X, y, table)
    atol = 0.05 if precision == "float32" else 0.1 * np.ptp(expected)
    np.testing.assert_allclose(model.decision_function(X_new), expected, rtol=0.0, atol=atol)


def test_arrays_on_disk(problem, monkeypatch, tmp_path):
    X, y, table, X_new = problem
    monkeypatch.setattr(on_disk_module, "READ_WHOLE_BYTES", 0)
    np.save(tmp_path / "X.npy", X)
    stored = np.load(tmp_path / "X.npy", mmap_mode="r")
    cpu, cuda = (
        ClasterZSL(device=device, **SMALL).fit(stored, y, table).decision_function(X_new)
        for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(cuda, cpu, rtol=0.0, atol=0.05)


def test_wide_layers_and_large_batches(problem):
    X, y, table, X_new = problem
    wide = SMALL | {"hidden_layer_sizes": (2048, 2048), "batch_size": 400}
    assert np.isfinite(
        ClasterZSL(device="cuda", **wide).fit(X, y, table).decision_function(X_new)
    ).all()
