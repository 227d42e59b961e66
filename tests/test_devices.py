"""On another device: the same results as on the CPU, and models that load on either.

The device is an NVIDIA GPU where there is one, and "sim" everywhere: see `sim_device.py`. That one
cannot be taken away again, so that its cases run in a process of their own, which one test starts.
"""

import copy
import os
import pickle
import subprocess
import sys
import warnings
from collections import Counter

import numpy as np
import pytest
import sim_device
import torch
from torch import nn

from sklearn_claster import BiasDetector, ClasterZSL
from sklearn_claster._core import learning
from sklearn_claster._core.kmeans import kmeans, kmeans_plusplus
from sklearn_claster._data import on_disk as on_disk_module
from sklearn_claster._data import rows as rows_module
from sklearn_claster._utils import torch as border
from sklearn_claster.baselines import DEM, FCLSWGAN, FVAEGAN, RLA, ClassGCN, ERHead
from sklearn_claster.datasets import make_zero_shot_classification
from sklearn_claster.video import VideoFeatures

SIMULATED = sim_device.NAME in os.environ.get("CLASTER_TEST_DEVICE", "")
CUDA = pytest.param("cuda", marks=pytest.mark.cuda)
SMALL = {"hidden_layer_sizes": (32,), "max_epochs": 2, "random_state": 0}
KINDS = ["reinforce", "kmeans", "gradient", "netvlad", "random", None]
pytestmark = [pytest.mark.usefixtures("short_training")] if SIMULATED else []
only_simulated = pytest.mark.skipif(not SIMULATED, reason="its lines are counted on sim alone")


@pytest.mark.slow
@pytest.mark.skipif(SIMULATED, reason="this is the process that it starts")
@pytest.mark.skipif(bool(sim_device.missing()), reason=sim_device.missing())
def test_all_of_this_on_the_simulated_device():
    environment = os.environ | {"CLASTER_TEST_DEVICE": sim_device.NAME, "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module", params=[sim_device.NAME] if SIMULATED else [CUDA])
def device(request):
    """The name of the device, which is there."""
    if not SIMULATED:
        yield request.param
        return
    with pytest.MonkeyPatch.context() as patch, sim_device.present():
        there = {"cpu", sim_device.NAME}
        patch.setattr(border, "_is_available", lambda device: device.type in there)
        patch.setattr(border, "_best_available", lambda: sim_device.NAME)
        yield request.param


@pytest.fixture
def leave(monkeypatch):
    """A function after whose call there is no device but the CPU."""

    def leave():
        monkeypatch.setattr(border, "_is_available", lambda device: device.type == "cpu")
        monkeypatch.setattr(border, "_best_available", lambda: "cpu")

    return leave


@pytest.fixture(scope="module")
def problem():
    data = make_zero_shot_classification(n_samples=240, n_features=16, random_state=0)
    seen = np.isin(data.target, data.seen_classes)
    return data.data[seen], data.target[seen], data.class_embeddings, data.data[~seen]


@pytest.mark.parametrize("centroids", KINDS)
def test_agrees_with_the_cpu(problem, centroids, device):
    X, y, table, X_new = problem
    here, there = (
        ClasterZSL(centroids=centroids, device=name, **SMALL).fit(X, y, table)
        for name in ("cpu", device)
    )
    assert there.device_.type == device
    expected, scores = here.decision_function(X_new), there.decision_function(X_new)
    np.testing.assert_allclose(scores, expected, rtol=0.0, atol=0.05)
    assert np.mean(scores.argmax(axis=1) == expected.argmax(axis=1)) > 0.98


def test_auto_takes_the_device(problem, device):
    X, y, table, _ = problem
    assert ClasterZSL(**SMALL).fit(X, y, table).device_.type == device


def test_same_seed_same_predictions_and_generators_stay(problem, device):
    X, y, table, X_new = problem

    def states():
        return [torch.get_rng_state(), *([] if SIMULATED else [torch.cuda.get_rng_state()])]

    before = states()
    first, second = (ClasterZSL(device=device, **SMALL).fit(X, y, table) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(before, states(), strict=True))
    np.testing.assert_allclose(
        first.decision_function(X_new), second.decision_function(X_new), atol=1e-3
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_tensors_of_the_device_are_accepted(problem, dtype, device):
    X, y, table, X_new = problem
    model = ClasterZSL(**SMALL).fit(torch.tensor(X, device=device, dtype=dtype), y, table)
    predicted = model.predict(torch.tensor(X_new, device=device, dtype=dtype))
    assert np.isin(predicted, model.unseen_classes_).all()


def test_a_pickle_from_the_device_loads_without_it(problem, device, leave):
    X, y, table, X_new = problem
    model = ClasterZSL(device=device, **SMALL).fit(X, y, table)
    blob = pickle.dumps(model)
    assert pickle.loads(blob).device_.type == device
    expected = model.decision_function(X_new)
    leave()
    with pytest.warns(UserWarning, match="not available here"):
        loaded = pickle.loads(blob)
    assert loaded.device_.type == "cpu"
    np.testing.assert_allclose(loaded.decision_function(X_new), expected, rtol=0.0, atol=0.01)


@pytest.mark.parametrize("gate", [None, BiasDetector()], ids=["raw", "gated"])
def test_a_model_file_from_the_device_loads_without_it(problem, gate, tmp_path, device, leave):
    persistence = pytest.importorskip("sklearn_claster.persistence")
    pytest.importorskip("skops", reason="model files need skops")
    X, y, table, X_new = problem
    model = ClasterZSL(space="gzsl", bias_detector=gate, device=device, **SMALL).fit(X, y, table)
    persistence.save_model(model, tmp_path / "model.skops")
    again = persistence.load_model(tmp_path / "model.skops")
    assert again.device_.type == device
    expected = model.predict(X_new)
    assert np.mean(again.predict(X_new) == expected) > 0.99
    assert persistence.load_model(tmp_path / "model.skops", device="cpu").device_.type == "cpu"
    leave()
    with pytest.warns(UserWarning, match="not available here"):
        loaded = persistence.load_model(tmp_path / "model.skops")
    assert loaded.device_.type == "cpu"
    assert np.mean(loaded.predict(X_new) == expected) > 0.98


def test_a_model_from_the_cpu_stays_there_and_can_be_refitted_on_the_device(problem, device):
    X, y, table, X_new = problem
    model = ClasterZSL(device="cpu", **SMALL).fit(X, y, table)
    loaded = pickle.loads(pickle.dumps(model))
    assert loaded.device_.type == "cpu"
    np.testing.assert_array_equal(loaded.decision_function(X_new), model.decision_function(X_new))
    assert loaded.set_params(device=device).fit(X, y, table).device_.type == device


@pytest.mark.parametrize("gate", [None, BiasDetector()], ids=["raw", "gated"])
def test_a_fitted_model_moves_there_and_back(problem, gate, device):
    X, y, table, X_new = problem
    model = ClasterZSL(space="gzsl", bias_detector=gate, device="cpu", **SMALL).fit(X, y, table)
    expected = model.decision_function(X_new)
    assert model.to(device) is model
    assert model.device_.type == model.device == device
    if gate is not None:
        assert model.bias_detector_.estimator_.device_.type == device
    np.testing.assert_allclose(model.decision_function(X_new), expected, rtol=0.0, atol=0.01)
    with pytest.raises(ValueError, match="names no device"):
        model.to("nowhere")
    assert model.device_.type == device
    np.testing.assert_array_equal(model.to("cpu").decision_function(X_new), expected)


def test_the_graph_of_a_model_on_the_device(problem, tmp_path, device):
    pytest.importorskip("onnx", reason="the export needs onnx")
    runtime = pytest.importorskip("onnxruntime", reason="running a graph needs onnxruntime")
    if device == "sim":
        pytest.skip("torch cannot trace calls that the simulated device has replaced")
    from sklearn_claster.persistence import to_onnx

    X, y, table, X_new = problem
    model = ClasterZSL(device=device, **SMALL).fit(X, y, table)
    to_onnx(model, tmp_path / "model.onnx")
    session = runtime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    vectors = model.candidates()[1].astype(np.float32)
    feed = {"X": X_new.astype(np.float32), "class_embeddings": vectors}
    scores = session.run(["scores"], feed)[0]
    np.testing.assert_allclose(scores, model.decision_function(X_new), rtol=0.0, atol=0.01)


@pytest.mark.parametrize(
    "make",
    [
        DEM,
        ClassGCN,
        ERHead,
        lambda **parameters: FCLSWGAN(n_steps=3, **parameters),
        lambda **parameters: FVAEGAN(n_steps=3, **parameters),
        lambda device, random_state: RLA(n_steps=30, device=device),  # nothing is random
    ],
    ids=["DEM", "ClassGCN", "ERHead", "FCLSWGAN", "FVAEGAN", "RLA"],
)
def test_baselines_agree_with_the_cpu_and_need_no_device_afterwards(problem, make, device):
    X, y, table, X_new = problem
    here, there = (make(device=name, random_state=0).fit(X, y, table) for name in ("cpu", device))
    assert b"torch" not in pickle.dumps(there)
    expected, scores = here.decision_function(X_new), there.decision_function(X_new)
    np.testing.assert_allclose(scores, expected, rtol=0.0, atol=0.05)


@pytest.mark.parametrize("flow", [None, lambda first, second: (second - first)[:, :2]])
def test_features_of_videos_are_the_same_on_both(flow, device):
    videos = np.random.default_rng(0).integers(0, 255, (3, 12, 24, 24, 3), dtype=np.uint8)
    network = nn.Conv3d(3, 4, 3)
    found = [
        VideoFeatures(copy.deepcopy(network).to(where), flow=flow, frame_size=16, clip_length=4)
        for where in ("cpu", device)
    ]
    there, here = (features.fit_transform(videos) for features in found)
    np.testing.assert_allclose(here, there, rtol=1e-2, atol=1e-3)


def waits(device, fit):
    """How often the host waits for the device."""
    if SIMULATED:
        with sim_device.journal() as log:
            fit()
        return sum(times for (kind, _), times in log.items() if kind != "queued")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            fit()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing CUDA operation" in str(one.message) for one in found)


def test_no_step_waits_for_the_device(problem, device):
    X, y, table, _ = problem
    few, many = (ClasterZSL(device=device, batch_size=size, **SMALL) for size in (64, 16))
    assert waits(device, lambda: few.fit(X, y, table)) == waits(
        device, lambda: many.fit(X, y, table)
    )


def test_k_means_is_the_same_on_both(device):
    points = torch.from_numpy(np.random.RandomState(0).normal(size=(500, 8)))
    here, there = (
        kmeans(on, kmeans_plusplus(on, 5, torch.Generator().manual_seed(0)))[0]
        for on in (points, points.to(device))
    )
    np.testing.assert_allclose(there.cpu(), here, atol=1e-8)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_precision(problem, precision, device):
    X, y, table, X_new = problem
    expected = ClasterZSL(device="cpu", **SMALL).fit(X, y, table).decision_function(X_new)
    model = ClasterZSL(device=device, precision=precision, **SMALL).fit(X, y, table)
    atol = 0.05 if precision == "float32" else 0.1 * np.ptp(expected)
    np.testing.assert_allclose(model.decision_function(X_new), expected, rtol=0.0, atol=atol)


def test_arrays_on_disk(problem, monkeypatch, tmp_path, device):
    X, y, table, X_new = problem
    monkeypatch.setattr(on_disk_module, "READ_WHOLE_BYTES", 0)
    np.save(tmp_path / "X.npy", X)
    stored = np.load(tmp_path / "X.npy", mmap_mode="r")
    here, there = (
        ClasterZSL(device=name, **SMALL).fit(stored, y, table).decision_function(X_new)
        for name in ("cpu", device)
    )
    np.testing.assert_allclose(there, here, rtol=0.0, atol=0.05)


def test_wide_layers_and_large_batches(problem, device):
    X, y, table, X_new = problem
    width = 512 if SIMULATED else 2048
    wide = SMALL | {"hidden_layer_sizes": (width, width), "batch_size": 150, "max_epochs": 1}
    assert np.isfinite(
        ClasterZSL(device=device, **wide).fit(X, y, table).decision_function(X_new)
    ).all()


# What makes the host wait, line by line


def of_one_more(make, numbers, fit):
    """What `fit` of one more epoch or step writes down, by line, from two numbers of them."""
    logs = []
    for number in numbers:
        with sim_device.journal() as log:
            fit(make(number))
        logs.append(log)
    less, more = logs
    return {entry: times / (numbers[1] - numbers[0]) for entry, times in (more - less).items()}


@only_simulated
@pytest.mark.parametrize("centroids", KINDS)
def test_an_epoch_waits_for_its_figures_alone(problem, centroids, device):
    X, y, table, _ = problem
    found = of_one_more(
        lambda n: ClasterZSL(centroids=centroids, device=device, **SMALL | {"max_epochs": n}),
        (1, 3),
        lambda model: model.fit(X, y, table),
    )
    counts = {("read", "training.py: cluster_counts=counts.tolist(),"): 1}
    assert found == ({} if centroids is None else counts) | {
        ("queued", 'torch.py: return tensor.to(device, non_blocking=device.type != "mps")'): 1,
        ("read", "training.py: loss, n_hits, movement = found.tolist()"): 1,
    }


@only_simulated
def test_no_block_waits_for_the_device(problem, device, monkeypatch):
    X, y, table, _ = problem
    logs = []
    for n_rows in (8192, 50):
        monkeypatch.setattr(rows_module, "_BLOCK", n_rows)
        with sim_device.journal() as log:
            ClasterZSL(device=device, batch_size=64, **SMALL).fit(X, y, table)
        logs.append(log)
    assert logs[0] == logs[1]


@only_simulated
def test_a_batch_from_disk_is_queued(problem, device, monkeypatch, tmp_path):
    X, y, table, _ = problem
    monkeypatch.setattr(on_disk_module, "READ_WHOLE_BYTES", 0)
    np.save(tmp_path / "X.npy", X)
    stored = np.load(tmp_path / "X.npy", mmap_mode="r")
    logs = []
    for batch_size in (64, 32):
        with sim_device.journal() as log:
            ClasterZSL(device=device, batch_size=batch_size, **SMALL).fit(stored, y, table)
        logs.append(log)
    (entry,) = logs[1] - logs[0]
    n_epochs = learning.ESTIMATOR_EPOCHS + 2  # of phi, and of V
    n_batches = [n_epochs * -(-len(X) // size) for size in (64, 32)]
    assert entry[0] == "queued"
    assert logs[1][entry] - logs[0][entry] == 2 * (n_batches[1] - n_batches[0])


@only_simulated
def test_an_iteration_of_k_means_waits_once(device):
    points = torch.from_numpy(np.random.RandomState(0).normal(size=(500, 8))).to(device)
    with sim_device.journal() as log:
        start = kmeans_plusplus(points, 5, torch.Generator().manual_seed(0))
    assert [kind for kind, _ in log.elements()] == ["queued"]
    with sim_device.journal() as log:
        _, n_iterations = kmeans(points, start)
    (((kind, _), times),) = log.items()
    assert (kind, times) == ("read", n_iterations) and n_iterations > 1


@only_simulated
def test_a_step_of_two_networks_copies_twice(problem, device):
    X, y, table, _ = problem
    found = of_one_more(
        lambda n: FCLSWGAN(n_steps=n, device=device, random_state=0),
        (1, 2),
        lambda model: model.fit(X, y, table),
    )
    assert Counter(kind for kind, _ in found) == {"queued": 1} and set(found.values()) == {2}


# The simulated device itself: it refuses what a GPU refuses


@only_simulated
@pytest.mark.parametrize(
    "mistake",
    [
        lambda here, there: here + there,
        lambda here, there: there @ here,
        lambda here, there: torch.cat([here, there]),
        lambda here, there: here.index_select(0, there.argmax(dim=1)),
        lambda here, there: there.index_add_(0, torch.tensor([0]), here[:1]),
        lambda here, there: there.numpy(),
        lambda here, there: np.asarray(there),
        lambda here, there: there.normal_(generator=border.seeded_generator(0)),
        lambda here, there: here.normal_(generator=border.seeded_generator(0, there.device)),
    ],
)
def test_devices_do_not_mix(mistake, device):
    here = torch.ones(2, 2)
    with pytest.raises((RuntimeError, TypeError)):
        mistake(here, here.to(device))


@only_simulated
def test_every_kind_is_written_down(device):
    host = torch.ones(3)
    with sim_device.journal() as log:
        there = host.to(device)
        host.to(device, non_blocking=True)
        torch.nonzero(there)
        there[there > 0.0]
        float(there.sum())
        there.cpu()
        (there * 2.0).sum()
        there[torch.zeros(2, dtype=torch.int64, device=device)]
    kinds = Counter(kind for kind, _ in log.elements())
    assert kinds == {"write": 1, "queued": 1, "wait": 2, "read": 2}
