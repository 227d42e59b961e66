"""The ONNX graph scores like the model, for every test rule, kind of cluster and space."""

import json
import sys
import warnings

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import NotFittedError
from test_persistence import CENTROIDS, DATA, X, Y, fit, fitted, make

from sklearn_claster._core.inference import TEST_RULES
from sklearn_claster.baselines import ESZSL
from sklearn_claster.persistence import to_onnx

onnx = pytest.importorskip("onnx", reason="the export needs onnx")
runtime = pytest.importorskip("onnxruntime", reason="running a graph needs onnxruntime")

pytestmark = [
    pytest.mark.usefixtures("short_training"),
    pytest.mark.filterwarnings("ignore:.*clusters hold no training sample"),
]

ROWS = DATA.data.astype(np.float32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


def run(path, rows, vectors=None, is_seen=None):
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feed = {"X": rows.astype(np.float32)}
    if vectors is not None:
        feed["class_embeddings"] = vectors.astype(np.float32)
    if is_seen is not None:
        feed["is_seen"] = is_seen
    assert {given.name for given in session.get_inputs()} == set(feed)
    return session.run(["scores"], feed)[0]


def agree(model, path, rows=ROWS):
    """Whether graph and model score alike."""
    labels, vectors = model.candidates()
    to_onnx(model, path)
    is_seen = np.isin(labels, model.classes_)
    gzsl = model.space == "gzsl" and model._has_table
    if model.inference == "combined" and is_seen.all():  # the expert for them knows them
        vectors = None
    scores = run(path, rows, vectors, is_seen if gzsl else None)
    assert scores.shape == (len(rows), len(labels)) and scores.dtype == np.float32
    expected = model.decision_function(rows)
    if len(labels) == 2:
        scores = scores[:, 1] - scores[:, 0]
    assert np.ptp(expected) > 0.1
    assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)
    return scores


@pytest.mark.parametrize("space", ["zsl", "gzsl", "seen"])
@pytest.mark.parametrize("inference", TEST_RULES)
def test_every_rule_in_every_space(inference, space, path):
    model = fitted("centroids=reinforce")
    before = model.get_params()
    try:
        agree(model.set_params(inference=inference, space=space), path)
    finally:
        model.set_params(**before)


@pytest.mark.parametrize(
    "name",
    [*(f"centroids={kind}" for kind in CENTROIDS), "deep", "linear", "summed", "no shortcut"],
)
def test_every_network(name, path):
    agree(fitted(name), path)


@pytest.mark.parametrize("n_neighbors", [0, 1, 99])
def test_every_number_of_neighbours(n_neighbors, path):
    model = fitted("centroids=kmeans")
    try:
        agree(model.set_params(n_neighbors=n_neighbors), path)
    finally:
        model.set_params(n_neighbors=3)


@pytest.mark.parametrize("parameters", [{"n_clusters": 1}, {"fusion": "product", "n_clusters": 2}])
def test_ties_of_distances(parameters, path):
    agree(fit(make(centroid_weight=1.0, **parameters)), path)


def test_rows_that_are_hard(path):
    model = fitted("centroids=kmeans")
    mean = X.mean(axis=0)
    rows = np.stack([mean, mean + 1e30, mean - 1e-3, np.zeros(5), np.full(5, -3e38)])
    scores = agree(model, path, rows.astype(np.float32))
    assert np.isfinite(scores).all()


def test_candidates_that_fit_never_saw_and_many_of_them(path):
    model = fitted("centroids=reinforce")
    names = [f"new {i:04d}" for i in range(2000)]
    vectors = np.random.default_rng(0).normal(size=(2000, 5))
    before = model.space
    try:
        model.set_params(space="zsl")
        to_onnx(model, path)
        expected = model.decision_function(ROWS, unseen_embeddings=(names, vectors))
    finally:
        model.set_params(space=before)
    assert_allclose(run(path, ROWS, vectors), expected, rtol=1e-4, atol=1e-4)


def test_an_ordinary_classifier(path):
    agree(make().fit(X, Y), path)


def test_the_file_says_what_it_is(path):
    to_onnx(fitted("centroids=kmeans"), path)
    proto = onnx.load(path)
    told = {entry.key: entry.value for entry in proto.metadata_props}
    assert told["inference"] == "combined"
    assert json.loads(told["seen_classes"]) == DATA.seen_classes.tolist()
    assert proto.producer_name == "sklearn_claster"


@pytest.mark.parametrize("inference", ["conse", "combined", "compatibility"])
def test_a_model_whose_arrays_cannot_be_written(inference, path, tmp_path):
    joblib.dump(fit(make(inference=inference)), tmp_path / "m.joblib")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_onnx(joblib.load(tmp_path / "m.joblib", mmap_mode="r"), path)


def test_links_are_followed(path, tmp_path):
    path.symlink_to(tmp_path / "target")
    to_onnx(fitted("centroids=kmeans"), path)
    assert path.is_symlink() and onnx.load(tmp_path / "target").opset_import[0].version == 18


def test_a_gate_is_not_left_out_in_silence(path):
    model = fitted("soft gate")
    with pytest.raises(
        ValueError, match=r"without a gate; got bias_detector=BiasDetector\(\).*Set"
    ):
        to_onnx(model, path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (ESZSL(), TypeError, "fitted ClasterZSL; got ESZSL. Keep other models with save_model"),
        (make(), NotFittedError, "not fitted yet"),
    ],
)
def test_other_models_are_refused(model, error, message, path):
    with pytest.raises(error, match=message):
        to_onnx(model, path)


def test_more_than_a_file_holds_is_refused(path, monkeypatch):
    monkeypatch.setattr("sklearn_claster.persistence._onnx._MOST_BYTES", 100)
    with pytest.raises(ValueError, match="holds less than 2 GB; the weights"):
        to_onnx(fitted("centroids=kmeans"), path)


def test_without_onnx_the_extra_is_named(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"needs onnx: pip install 'sklearn_claster\[onnx\]'"):
        to_onnx(fitted("centroids=kmeans"), path)
