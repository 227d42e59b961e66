"""scikit-learn's contract: its own checks, with no expected failures, and what users rely on."""

import os
import subprocess
import sys
from inspect import getdoc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import clone, config_context
from sklearn.base import is_classifier
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from sklearn_claster import ClassEmbeddings, ClasterZSL
from sklearn_claster.baselines import ESZSL
from sklearn_claster.model_selection import Transductive

ROOT = Path(__file__).resolve().parents[1]
CHEAP = {"hidden_layer_sizes": (32,), "max_epochs": 4}

# The checks' data are blobs of 30 points and less, where some of six clusters may get none.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@parametrize_with_checks([ClasterZSL(), ESZSL(), Transductive(ESZSL())])
@pytest.mark.filterwarnings("ignore:.*clusters are used")
def test_every_check_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "parameters",
    [
        {"centroids": "kmeans", "inference": "compatibility"},
        {"centroids": "gradient", "inference": "visual"},
        {"centroids": "netvlad", "centroid_weight": 1.0},
        {"centroids": "random", "inference": "seen_class"},
        {"centroids": None, "inference": "conse"},
        {"fusion": None, "early_stopping": True},
        {"fusion": None, "inference": "seen_class", "centroids": "gradient"},
        {"fusion": None, "inference": "conse", "centroids": "netvlad"},
    ],
    ids=lambda parameters: "-".join(map(str, parameters.values())),
)
@pytest.mark.filterwarnings("ignore:.*clusters are used", "ignore:early_stopping is skipped")
@pytest.mark.usefixtures("short_training")
def test_variants_pass_every_check_too(parameters):
    results = check_estimator(ClasterZSL(**CHEAP, **parameters), on_skip=None)
    skipped = {result["check_name"] for result in results if result["status"] != "passed"}
    assert skipped <= {"check_array_api_input"}  # without SCIPY_ARRAY_API


@pytest.mark.parametrize("fusion", ["sum", "product"])
@pytest.mark.filterwarnings("ignore:.*clusters are used")
@pytest.mark.usefixtures("short_training")
def test_other_ways_to_fuse_pass_every_check(fusion):
    check_estimator(ClasterZSL(**CHEAP, fusion=fusion), on_skip=None)


def test_checks_with_array_api_dispatch():
    """The variable has to be set before SciPy is imported: in a process of its own."""
    script = """
import warnings
warnings.simplefilter("ignore")
from sklearn.utils.estimator_checks import check_estimator
from sklearn_claster import ClasterZSL
results = check_estimator(ClasterZSL(hidden_layer_sizes=(32,), max_epochs=4, fusion=None))
print(sum(result["status"] == "passed" for result in results), len(results))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "SCIPY_ARRAY_API": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    passed, n_checks = map(int, done.stdout.split())
    assert passed == n_checks > 50


RNG = np.random.RandomState(0)
TABLE = {"archery": [1.0, 0.0], "bowling": [0.0, 1.0], "surfing": [1.0, 1.0], "yoyo": [0.9, 0.2]}
Y = np.repeat(["archery", "bowling", "surfing"], 10)
X = np.array([TABLE[label] for label in Y]) @ RNG.randn(2, 3) + 0.1 * RNG.randn(30, 3)
FRAME = pd.DataFrame(X, columns=["red", "green", "blue"], index=np.arange(100, 130))


def make(**parameters):
    return ClasterZSL(
        n_clusters=3, hidden_layer_sizes=(8,), max_epochs=2, random_state=0, **parameters
    )


@pytest.mark.parametrize("estimator", [make(), ESZSL()])
def test_it_is_a_classifier(estimator):
    assert is_classifier(estimator)
    assert estimator.fit(X, Y, TABLE).predict(X).tolist() == ["yoyo"] * 30


def test_clone_keeps_every_parameter_and_nothing_learnt():
    zsl = make(alpha=0.7, device="cpu").fit(X, Y, TABLE)
    copy = clone(zsl)
    assert copy.get_params() == zsl.get_params()
    assert not [name for name in vars(copy) if name not in copy.get_params()]
    assert not hasattr(copy, "classes_")


def test_every_parameter_is_documented_with_its_default():
    documented = getdoc(ClasterZSL).split("\nParameters\n")[1].split("\nAttributes\n")[0]
    lines = [line.strip() for line in documented.replace("\\\n", "").splitlines()]
    heads = {line.split(" : ")[0]: line for line in lines if " : " in line and "default=" in line}
    for name, default in ClasterZSL().get_params().items():
        shown = f'"{default}"' if isinstance(default, str) else repr(default)
        stated = heads[name].split("default=")[1]
        assert stated == shown or float(stated) == default, name
    assert set(heads) == set(ClasterZSL().get_params())


def test_every_fitted_attribute_is_documented():
    attributes = getdoc(ClasterZSL).split("\nAttributes\n")[1].split("\nSee Also\n")[0]
    zsl = make().fit(FRAME, Y, TABLE)
    public = {name for name in vars(zsl) if name.endswith("_") and not name.startswith("_")}
    public |= {"cluster_centers_", "device_", "bias_detector_", "gate_threshold_"}  # properties
    public |= {"prior_", "temperature_"}
    assert public == {line.split(" : ")[0].strip() for line in attributes.splitlines()
                      if " : " in line}  # fmt: skip


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(ClasterZSL()) == "ClasterZSL()"
    assert repr(ClasterZSL(3, alpha=0.5, centroids=None)) == (
        "ClasterZSL(alpha=0.5, centroids=None, n_clusters=3)"
    )
    assert eval(repr(make())).get_params() == make().get_params()


@pytest.mark.parametrize("estimator", [make(), ESZSL()])
def test_html_repr(estimator):
    name = type(estimator).__name__
    assert name in estimator._repr_html_()
    fitted = clone(estimator).fit(X, Y, TABLE)._repr_html_()
    assert name in fitted
    assert "<span>Fitted</span>" in fitted


@pytest.mark.parametrize("fusion", ["concatenate", None])
def test_transform_names_its_columns(fusion):
    zsl = make(fusion=fusion).fit(FRAME, Y, TABLE)
    names = [f"clasterzsl{i}" for i in range(6 if fusion else 3)]
    assert zsl.get_feature_names_out().tolist() == names
    omega = zsl.transform(FRAME)
    assert isinstance(omega, np.ndarray)
    frame = zsl.set_output(transform="pandas").transform(FRAME)
    assert frame.columns.tolist() == names
    assert frame.index.tolist() == FRAME.index.tolist()
    assert set(frame.dtypes) == {np.dtype("float32")}
    assert np.array_equal(frame, omega)
    with config_context(transform_output="pandas"):
        assert isinstance(zsl.set_output(transform=None).transform(FRAME), pd.DataFrame)


@pytest.mark.parametrize("estimator", [make(), ESZSL()])
def test_feature_names(estimator):
    fitted = clone(estimator).fit(FRAME, Y, TABLE)
    assert fitted.feature_names_in_.tolist() == ["red", "green", "blue"]
    assert fitted.n_features_in_ == 3
    expected = clone(estimator).fit(X, Y, TABLE).predict_proba(X)
    assert np.array_equal(fitted.predict_proba(FRAME), expected)
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(FRAME[["green", "red", "blue"]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        fitted.predict(X)
    refitted = fitted.fit(X, Y, TABLE)
    assert not hasattr(refitted, "feature_names_in_")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, int])
def test_any_number_will_do_and_answers_are_float32(dtype):
    rows = (10 * X).astype(dtype)
    zsl = make(space="gzsl").fit(rows, Y, TABLE)
    assert zsl.transform(rows).dtype == np.float32
    assert zsl.predict_proba(rows).dtype == zsl.decision_function(rows).dtype
    assert np.allclose(zsl.predict_proba(rows).sum(axis=1), 1, atol=1e-6)


def test_fit_transform_is_fit_then_transform():
    table = ClassEmbeddings.from_table(TABLE)
    omega = make().fit_transform(X, Y, class_embeddings=table)
    assert np.array_equal(omega, make().fit(X, Y, table).transform(X))


def test_fit_returns_self_and_leaves_parameters_alone():
    zsl = make(n_neighbors=7)
    before = zsl.get_params()
    assert zsl.fit(X, Y, TABLE) is zsl
    assert zsl.get_params() == before
    state = dict(vars(zsl))
    for method in (zsl.predict, zsl.predict_proba, zsl.decision_function, zsl.transform):
        method(X)
    assert vars(zsl).keys() == state.keys()
    assert all(vars(zsl)[name] is state[name] for name in state)
