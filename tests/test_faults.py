"""Faults: whatever comes in and whenever it stops, a clear error or a right answer.

What `fit` and `predict` refuse of data, tables and single parameters is in test_bad_input.py; files
that are wrong are in test_model_files.py.
"""

import copy
import datetime
import inspect
import pickle
import re
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import clone
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import LocalOutlierFactor

import sklearn_claster
from sklearn_claster import BiasDetector, ClassEmbeddings, ClasterZSL, baselines
from sklearn_claster.baselines import DAP, DEM, ESZSL, FCLSWGAN, IAP, SAE, SJE, ConSE
from sklearn_claster.baselines import PrototypeRegression as Prototypes
from sklearn_claster.datasets import make_zero_shot_classification
from sklearn_claster.persistence import load_model, model_card, save_model, to_onnx

pytest.importorskip("hypothesis", reason="the properties need hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = [
    pytest.mark.usefixtures("short_training"),
    pytest.mark.filterwarnings("ignore:.*clusters hold no training sample"),
    pytest.mark.filterwarnings("ignore:n_clusters=.* is more than the"),
    pytest.mark.filterwarnings("ignore:Number of distinct clusters"),
]

DATA = make_zero_shot_classification(
    80, 5, n_seen=5, n_unseen=3, n_embedding_features=5, random_state=0
)
SEEN = np.isin(DATA.target, DATA.seen_classes)
X, Y, X_NEW = DATA.data[SEEN], DATA.target[SEEN], DATA.data[~SEEN]
TABLE = DATA.class_embeddings
LABELS, VECTORS = TABLE.labels, TABLE.vectors
UNSEEN = TABLE.select(DATA.unseen_classes)


def small(**parameters):
    defaults = {
        "n_clusters": 2,
        "hidden_layer_sizes": (8,),
        "max_epochs": 1,
        "device": "cpu",
        "random_state": 0,
    }
    return ClasterZSL(**{**defaults, **parameters})


def gated(**parameters):
    return small(space="gzsl", bias_detector=BiasDetector(), **parameters)


EVERYONE = {
    "ClasterZSL": small(space="gzsl"),
    "gated": gated(),
    "BiasDetector": BiasDetector(),
    "BiasDetector of energy": BiasDetector("energy"),
    **{
        name: getattr(baselines, name)(space="gzsl").set_params(**parameters)
        for name, parameters in {
            **{name: {} for name in baselines.__all__},
            "DAP": {"threshold": "mean"},
            "IAP": {"threshold": "mean"},
            "DEM": {"hidden_layer_sizes": (8,), "n_steps": 3},
            "FCLSWGAN": {"hidden_layer_sizes": (8,), "n_steps": 2, "n_generated": 3},
            "FVAEGAN": {"hidden_layer_sizes": (8,), "n_steps": 2, "n_generated": 3},
            "ClassGCN": {"hidden_layer_sizes": (8,), "n_steps": 5},
            "ERHead": {"n_components": 8, "max_epochs": 2},
            "RLA": {"n_steps": 5},
        }.items()
    },
}
for _estimator in EVERYONE.values():
    if "random_state" in _estimator.get_params():
        _estimator.set_params(random_state=0)
everyone = pytest.mark.parametrize("name", EVERYONE)
ONE_SPACE = {"CosineZSL", "RLA", "GDA", "IdentityRidge"}  # features and class vectors as wide


@cache
def first_fitted(name):
    return clone(EVERYONE[name]).fit(X, Y, TABLE)


def fitted(name="ClasterZSL", **parameters):
    """A model of the test's own."""
    return copy.deepcopy(first_fitted(name)).set_params(**parameters)


def answer(model, rows=DATA.data):
    return model.decision_function(rows)


# ------------------------------------------------------------------ bad input


def fit(X=X, y=Y, table=TABLE, estimator=None):
    return (small() if estimator is None else estimator).fit(X, y, table)


def masked(rows):
    rows = np.ma.masked_array(rows, mask=np.zeros(rows.shape, dtype=bool))
    rows.mask[0] = True
    return rows


def with_none(rows):
    rows = rows.astype(object)
    rows[0] = None
    return rows


DATES = np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]")[np.arange(len(X)) % 2]
AS_X = np.full(X.shape, DATES[0])
FRAME = pd.DataFrame(X)
WORDS = pd.DataFrame({name: list("ab") for name in "abcde"})

# name -> (what to do, error, message)
BAD = {
    # data
    "X masked": (lambda: fit(masked(X)), ValueError, "got a masked array with 5 masked.*Fill"),
    "X masked in predict": (lambda: fitted().predict(masked(X)), ValueError, "masked array with 5"),
    "X of dates": (
        lambda: fit(AS_X),
        TypeError,
        r"in X; got dates or durations \(datetime64.*Convert",
    ),
    "X of durations": (
        lambda: fit(AS_X - DATES[1]),
        TypeError,
        "got dates or durations .timedelta64",
    ),
    "X of dates in predict": (
        lambda: fitted().predict(AS_X),
        TypeError,
        "got dates or durations .datetime",
    ),
    "X with None": (lambda: fit(with_none(X)), ValueError, "X contains NaN"),
    "X with pandas' NA": (
        lambda: fit(FRAME.astype("Float64").mask(FRAME > 1)),
        ValueError,
        "X contains NaN",
    ),
    "X a matrix": (lambda: fit(np.matrix(X)), TypeError, "matrix is not supported.*asarray"),
    "X a structured array": (
        lambda: fit(np.zeros(len(X), dtype=[("a", float), ("b", float)])),
        TypeError,
        "Cannot cast",
    ),
    "X a complex tensor": (lambda: fit(torch.tensor(X * 1j)), ValueError, "Complex data not"),
    "X a sparse tensor": (
        lambda: fit(torch.tensor(X).to_sparse()),
        TypeError,
        r"Use Tensor\.(to_)?dense",
    ),
    "X a tensor without data": (
        lambda: fit(torch.empty(X.shape, device="meta")),
        NotImplementedError,
        "no data",
    ),
    "X a table": (lambda: fit(TABLE), TypeError, "X is a class table .*order of arguments is fit"),
    "X a path": (lambda: fit("features.npy"), ValueError, "could not convert string"),
    "X a path in predict": (lambda: fitted().predict("x.npy"), ValueError, "could not convert"),
    "X words in predict": (
        lambda: fitted().predict(WORDS.to_numpy()),
        ValueError,
        "could not convert",
    ),
    "X and y swapped": (lambda: fit(Y, X), TypeError, "X holds strings.*order of arguments"),
    "X a COO matrix": (lambda: fit(sparse.coo_array(X)), TypeError, "Sparse.*dense.*toarray"),
    "float64 beyond float64": (lambda: fit(X * 1e308 * 1e308), ValueError, "contains infinity"),
    # labels
    "y of dates": (lambda: fit(y=DATES), TypeError, "Expected numbers or labels.*datetime64"),
    "y masked": (lambda: fit(y=masked(np.arange(len(X)) % 3)), ValueError, "1 masked"),
    "y a tensor of NaN": (
        lambda: fit(y=torch.full((len(X),), torch.nan)),
        ValueError,
        r"missing in y.*position.s. 0, 1, .*50 in all",
    ),
    "y a category with NaN": (
        lambda: fit(y=pd.Categorical([None, *Y[1:]])),
        ValueError,
        "missing in y.*position.s. 0, counted",
    ),
    "y integers with NA": (
        lambda: fit(y=pd.Series([1, None] * (len(X) // 2), dtype="Int64")),
        ValueError,
        "missing in y.*position.s. 1, 3, 5",
    ),
    "y one-hot": (lambda: fit(y=np.eye(5)[np.arange(len(X)) % 5]), ValueError, "1d array.*5"),
    "y of pairs": (lambda: fit(y=[(1, 2)] * len(X)), ValueError, "should be a 1d array"),
    "y a dict": (lambda: fit(y=dict(enumerate(Y))), TypeError, "y looks like a class table"),
    "y a set": (lambda: fit(y=set(Y)), TypeError, "y have to come in an order.*got set"),
    "y a generator": (lambda: fit(y=(label for label in Y)), TypeError, "got generator"),
    "y a word": (lambda: fit(y="archery"), TypeError, "y have to come in an order.*got str"),
    "y the table": (lambda: fit(y=TABLE), TypeError, "y looks like a class table.*order of arg"),
    "y and table swapped": (lambda: fit(y=TABLE, table=Y), TypeError, "looks like a class table"),
    # tables
    "table a word": (lambda: fit(table="word2vec"), TypeError, "got str. Pass ClassEmbeddings"),
    "table a Series": (
        lambda: fit(table=pd.Series(VECTORS[:, 0], index=LABELS)),
        ValueError,
        r"one-dimensional.*got the shapes \[\(\)\]",
    ),
    "table a set": (lambda: fit(table=set(LABELS)), TypeError, "got set. Pass ClassEmbeddings"),
    "table a triple": (lambda: fit(table=(LABELS, VECTORS, 1)), TypeError, "got tuple"),
    "table an estimator": (lambda: fit(table=small()), TypeError, "got ClasterZSL"),
    "table turned": (
        lambda: fit(table=pd.DataFrame(VECTORS.T, columns=LABELS)),
        TypeError,
        "keyed by numbers",
    ),
    "table's pair swapped": (lambda: fit(table=(VECTORS, LABELS)), ValueError, "labels.*1d array"),
    "table's labels in a column": (
        lambda: fit(table=pd.DataFrame(VECTORS).assign(label=LABELS)),
        ValueError,
        "could not convert string",
    ),
    "table of two levels": (
        lambda: fit(
            table=pd.DataFrame(VECTORS, index=pd.MultiIndex.from_product([[1, 2], range(4)]))
        ),
        TypeError,
        "got the tuple",
    ),
    "table ragged": (
        lambda: fit(table={label: [1.0] * (2 + i % 2) for i, label in enumerate(LABELS)}),
        ValueError,
        r"one common length; got the shapes \[\(2,\), \(3,\)\]",
    ),
    "table of scalars": (
        lambda: fit(table={label: 1.0 for label in LABELS}),
        ValueError,
        r"one-dimensional.*got the shapes \[\(\)\]",
    ),
    "table of rows": (
        lambda: fit(table=dict(zip(LABELS, VECTORS[:, None], strict=True))),
        ValueError,
        r"shapes \[\(1, 5\)\]",
    ),
    "table of names": (
        lambda: fit(table={label: label for label in LABELS}),
        ValueError,
        r"shapes \[\(\)\]",
    ),
    "table sparse": (lambda: fit(table=(LABELS, sparse.csr_array(VECTORS))), TypeError, "dense"),
    "table complex": (lambda: fit(table=(LABELS, VECTORS * 1j)), ValueError, "Complex"),
    "table masked": (lambda: fit(table=(LABELS, masked(VECTORS))), ValueError, "5 masked"),
    "table of infinity": (lambda: fit(table=(LABELS, VECTORS / 0.0)), ValueError, "infinity|NaN"),
    "labels that are None": (lambda: ClassEmbeddings([None, "a"], np.eye(2)), ValueError, "None"),
    "labels that are pairs": (
        lambda: ClassEmbeddings([("a", 1), ("b", 2)], np.eye(2)),
        (TypeError, ValueError),
        "1d array|tuple",
    ),
    "labels that are dates": (
        lambda: ClassEmbeddings([datetime.date(2020, 1, 1)], np.eye(1)),
        TypeError,
        r"got the date .* Convert them, for example with str",
    ),
    "labels that are complex": (lambda: ClassEmbeddings([1j], np.eye(1)), TypeError, "complex"),
    "labels with NaN": (
        lambda: ClassEmbeddings([1.0, np.nan], np.eye(2)),
        ValueError,
        "got nan at .* 1,",
    ),
    "labels True and 1": (lambda: ClassEmbeddings([True, 1], np.eye(2)), ValueError, "once: 1"),
    "labels apart by a NUL": (
        lambda: ClassEmbeddings(["a", "a\0"], np.eye(2)),
        ValueError,
        "once: 'a'",
    ),
    "labels a number": (lambda: ClassEmbeddings(3, np.eye(2)), TypeError, "in an order.*got int"),
    "labels a word": (lambda: ClassEmbeddings("ab", np.eye(2)), TypeError, "in an order.*got str"),
    "vectors in one row": (lambda: ClassEmbeddings(["a", "b"], [1, 2]), ValueError, "2D array"),
    "more vectors than labels": (
        lambda: ClassEmbeddings(["a"], np.eye(2)),
        ValueError,
        "got 1 labels and 2 vectors",
    ),
    "select a word": (lambda: TABLE.select("a"), TypeError, "in an order.*got str"),
    "select what is not there": (lambda: TABLE.select(["?"]), ValueError, "no vector.*Leave"),
    # questions
    "candidates ragged": (
        lambda: fitted().predict(X, {"a": [1.0], "b": [1.0, 2.0]}),
        ValueError,
        "The vectors in unseen_embeddings.*one common length",
    ),
    "candidates a bare vector": (
        lambda: fitted().predict(X, VECTORS[0]),
        TypeError,
        "unseen_embeddings has to say.*got ndarray",
    ),
    "candidates are y": (lambda: fitted().predict(X, Y), TypeError, "unseen_embeddings.*ndarray"),
    "scored without y": (
        lambda: fitted().score(X, None),
        ValueError,
        "requires y to be passed",
    ),
    "scored on one-hot y": (
        lambda: fitted("ESZSL", space="seen").score(X, np.eye(5)[np.arange(len(X)) % 5]),
        ValueError,
        r"labels in y should be a 1d array.*got the shape \(50, 5\)",
    ),
    "scored with NaN weights": (
        lambda: fitted("ESZSL").score(DATA.data, DATA.target, np.full(80, np.nan)),
        ValueError,
        "sample_weight contains NaN",
    ),
    "transformed NaN": (lambda: fitted().transform(X * np.nan), ValueError, "X contains NaN"),
    "a gate explained where none is": (
        lambda: fitted().explain_gate(X),
        ValueError,
        "needs a gate: there is none with bias_detector=None",
    ),
    # gates
    "a gate named": (lambda: fit(estimator=small(bias_detector="odin")), ValueError, "'stacking'"),
    "a gate that is a class": (
        lambda: fit(estimator=small(bias_detector=IsolationForest)),
        ValueError,
        "an instance of an outlier detector",
    ),
    "a gate that cannot predict": (
        lambda: fit(estimator=small(bias_detector=LocalOutlierFactor())),
        ValueError,
        "needs novelty=True",
    ),
    "a gate added after fit": (
        lambda: fitted(bias_detector="stacking").predict(X),
        ValueError,
        "was not fitted for bias_detector='stacking': its.*fit again",
    ),
    "stacking in the place of a detector": (
        lambda: fitted("gated", bias_detector="stacking").predict(X),
        ValueError,
        "was not fitted for bias_detector='stacking'.*fit again",
    ),
    "another way to gate after fit": (
        lambda: fitted("gated", gate="soft").predict(X),
        ValueError,
        "was not fitted for gate='soft'.*fit again",
    ),
    "a wrong gate after fit": (
        lambda: fitted("gated", bias_detector=LogisticRegression()).predict(X),
        ValueError,
        "not a valid choice; expected None, 'stacking'",
    ),
    "a wrong way to gate after fit": (
        lambda: fitted("gated", gate="both").predict(X),
        ValueError,
        "gate='both' is not a valid choice; expected one of 'hard', 'soft'",
    ),
    "a detector of one sample": (lambda: BiasDetector().fit(X[:1]), ValueError, "minimum of 2"),
    "a detector asked too early": (
        lambda: BiasDetector().decision_function(X),
        NotFittedError,
        "not fitted yet",
    ),
    "a detector of other features": (
        lambda: fitted("BiasDetector").predict(X[:, 1:]),
        ValueError,
        "4 features, but .* 5 features",
    ),
    "a detector of other labels": (
        lambda: BiasDetector().fit(X, np.arange(len(X)) % 5, TABLE),
        TypeError,
        "keyed by strings",
    ),
    "a detector of masked rows": (lambda: BiasDetector().fit(masked(X)), ValueError, "masked"),
    "a detector by name": (
        lambda: BiasDetector("odin").fit(X, Y, TABLE),
        ValueError,
        "method='odin' is not a valid choice",
    ),
    # numbers at the edge
    "a temperature of next to nothing": (
        lambda: fitted(temperature=1e-320).predict(X),
        ValueError,
        r"temperature=.* is out of range; expected a number in \[1e-30, inf\)",
    ),
    "centroids beyond float32": (
        lambda: fit(estimator=small(centroids=np.full((2, 10), 1e300))),
        ValueError,
        "centroids is an array of .* type float64; expected finite numbers",
    ),
    "a step that is too long": (
        lambda: fit(estimator=small(learning_rate=1e30)),
        ValueError,
        "Training diverged.*Lower learning_rate",
    ),
    # baselines
    "ESZSL without weight": (lambda: fit(estimator=ESZSL(gamma=0)), ValueError, "gamma=0 is out"),
    "DEM without steps": (lambda: fit(estimator=DEM(n_steps=0)), ValueError, "n_steps=0 is out of"),
    "DEM of no layers": (
        lambda: fit(estimator=DEM(hidden_layer_sizes=8)),
        TypeError,
        "hidden_layer_sizes=8 has the wrong type; expected a sequence",
    ),
    "FCLSWGAN of none": (
        lambda: fit(estimator=FCLSWGAN(n_generated=0)),
        ValueError,
        "n_generated=0 is out of range",
    ),
    "SJE of a word": (
        lambda: fit(estimator=SJE(learning_rate="fast")),
        TypeError,
        "learning_rate='fast' has the wrong type",
    ),
    "ConSE of minus one": (lambda: fit(estimator=ConSE(C=-1)), ValueError, "C=-1 is out of range"),
    "DAP of no threshold": (
        lambda: fit(estimator=DAP(threshold="high")),
        (TypeError, ValueError),
        "threshold='high'",
    ),
    "IAP of no threshold": (
        lambda: fit(estimator=IAP(threshold="high")),
        (TypeError, ValueError),
        "threshold='high'",
    ),
    "SAE of another rule": (
        lambda: fit(estimator=SAE(inference="both")),
        ValueError,
        "inference='both' is not a valid choice",
    ),
    "Prototypes of minus one": (
        lambda: fit(estimator=Prototypes(alpha=-1)),
        ValueError,
        "alpha=-1 is out of range",
    ),
    # files
    "a list in a file": (
        lambda: save_model([1], "x"),
        TypeError,
        "not an estimator instance",
    ),
    "a file of no model": (lambda: load_model(__file__), ValueError, "expected a model file"),
    "a graph of a baseline": (lambda: to_onnx(fitted("ESZSL"), "x"), TypeError, "got ESZSL"),
    "a card of a detector": (lambda: model_card(BiasDetector()), TypeError, "got BiasDetector"),
}


def test_there_are_at_least_sixty():
    assert len(BAD) >= 60


@pytest.mark.parametrize(("action", "error", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused(action, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "the matrix subclass", PendingDeprecationWarning)
        with pytest.raises(error, match=f"(?s){message}"):
            action()


def test_text_of_variable_width_is_text():
    labels = Y.astype(np.dtypes.StringDType())
    assert_array_equal(answer(fit(y=labels)), answer(fit()))


def test_a_masked_array_without_masks_is_an_array():
    assert_array_equal(answer(fit(np.ma.masked_array(X))), answer(fit()))


# ------------------------------------------------------------------ interrupts

PACKAGE = str(Path(sklearn_claster.__file__).parent)


class Stop:
    """Raises KeyboardInterrupt when the package has called so many of its functions."""

    def __init__(self, after=float("inf")):
        self.after, self.calls = after, 0

    def __call__(self, frame, event, argument):
        code = frame.f_code
        # nothing can be raised into a generator that is being closed
        plain = not code.co_flags & inspect.CO_GENERATOR
        if event == "call" and plain and code.co_filename.startswith(PACKAGE):
            self.calls += 1
            if self.calls > self.after:
                raise KeyboardInterrupt

    def __enter__(self):
        sys.setprofile(self)
        return self

    def __exit__(self, *error):
        sys.setprofile(None)


@everyone
def test_an_interrupt_anywhere_in_fit_changes_nothing(name):
    rows, y = X.copy(), Y.copy()
    table = ClassEmbeddings(LABELS, VECTORS)
    calls = []
    other = X + 1.0 if name in ONE_SPACE else X[:, :3]
    for data in (rows, other):
        with Stop() as counter:
            clone(EVERYONE[name]).fit(data, y, table)
        calls.append(counter.calls)
    expected = answer(first_fitted(name))
    fresh, used = clone(EVERYONE[name]), fitted(name)
    for after in np.random.default_rng(0).integers(0, min(calls), size=8):
        for model, data in ((fresh, rows), (used, other)):
            before = dict(vars(model))
            with pytest.raises(KeyboardInterrupt), Stop(after):
                model.fit(data, y, table)
            assert vars(model).keys() == before.keys()
            assert all(vars(model)[key] is before[key] for key in before)
        with pytest.raises(NotFittedError):
            fresh.predict(rows)
    assert_array_equal(answer(used), expected)
    assert_array_equal(rows, X)
    assert_array_equal(y, Y)
    assert_array_equal(table.vectors, VECTORS)
    assert_array_equal(answer(fresh.fit(rows, y, table)), expected)  # and usable again


@pytest.mark.parametrize("error", [MemoryError, RuntimeError, SystemExit])
def test_a_detector_that_fails_is_left_as_it_was(error, monkeypatch):
    model, expected = fitted("BiasDetector"), answer(first_fitted("BiasDetector"))

    def fail(*arguments, **keywords):
        raise error

    monkeypatch.setattr("sklearn_claster._bias_detector.fit_gate", fail)
    for unfinished in (model, BiasDetector()):
        with pytest.raises(error):
            unfinished.fit(X[:, :2], Y, TABLE)
    assert model.n_features_in_ == 5
    assert_array_equal(answer(model), expected)
    assert "n_features_in_" not in vars(unfinished)


def test_while_it_is_refitted_a_model_answers_as_before(monkeypatch):
    """A question, a copy and a pickle from other threads, in the middle of a fit."""
    model = fitted()
    before, found, errors = answer(model), [], []
    inside, asked = threading.Event(), threading.Event()

    def line(history):
        inside.set()
        assert asked.wait(30)

    monkeypatch.setattr(sklearn_claster._claster, "epoch_line", line)

    def refit():
        try:
            model.fit(X[:, :3], np.arange(len(X)) % 4)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=refit)
    thread.start()
    try:
        assert inside.wait(30)
        copies = [copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
        found = [answer(one) for one in (model, *copies)]
    finally:
        asked.set()
        thread.join(60)
    assert not errors and not thread.is_alive()
    for one in found:
        assert_array_equal(one, before)
    assert model.n_features_in_ == 3 and model.classes_.tolist() == [0, 1, 2, 3]


@everyone
def test_a_copy_taken_before_a_fit_knows_nothing_of_it(name):
    model = clone(EVERYONE[name])
    early = [copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    model.fit(X, Y, TABLE)
    late = [copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    for one in early:
        with pytest.raises(NotFittedError):
            one.predict(X)
    expected = answer(model)
    model.fit(X[:, ::-1], Y, TABLE)
    for one in late:
        assert_array_equal(answer(one), expected)


@everyone
def test_threads_that_ask_at_once_get_the_same(name):
    model = fitted(name)
    expected = answer(model), model.predict(DATA.data)
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(lambda: (answer(model), model.predict(DATA.data))) for _ in range(16)]
        for job in jobs:
            for one, other in zip(job.result(timeout=60), expected, strict=True):
                assert_array_equal(one, other)


# ------------------------------------------------------------------ the caller's data


@everyone
def test_what_the_caller_does_to_the_data_after_fit_does_not_matter(name):
    rows, y, vectors = X.copy(), Y.copy(), VECTORS.copy()
    model = clone(EVERYONE[name]).fit(rows, y, (LABELS, vectors))
    rows[:], y[:], vectors[:] = 7.0, y[0], -1.0
    assert_array_equal(answer(model), answer(first_fitted(name)))


@everyone
def test_data_that_cannot_be_written_to_are_enough(name):
    rows, y = X.copy(), Y.copy()
    rows.setflags(write=False)
    y.setflags(write=False)
    model = clone(EVERYONE[name]).fit(rows, y, TABLE)
    assert_array_equal(answer(model), answer(first_fitted(name)))


def test_given_centroids_are_copied():
    given = np.eye(3, 10)
    model = small(centroids=given).fit(X, Y, TABLE)
    before = answer(model)
    given[:] = 5.0
    assert_array_equal(answer(model), before)


# ------------------------------------------------------------------ extremes


def fits_and_answers(estimator, rows=X, y=Y, table=TABLE, asked=DATA.data):
    """Fit, ask, and check that the answers are numbers and candidates."""
    model = clone(estimator).fit(rows, y, table)
    scores = answer(model, asked)
    assert np.isfinite(scores).all()
    if isinstance(model, BiasDetector):
        assert set(model.predict(asked)) <= {-1, 1}
        return model
    assert set(model.predict(asked)) <= set(model.candidates()[0].tolist())
    probabilities = model.predict_proba(asked)
    assert np.isfinite(probabilities).all()
    assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-4)
    return model


@everyone
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_extreme_scales_change_nothing(name, scale):
    model = fits_and_answers(EVERYONE[name], X * scale, asked=DATA.data * scale)
    plain = first_fitted(name)
    same = model.predict(DATA.data * scale) == plain.predict(DATA.data)
    assert same.mean() > 0.9
    other = fits_and_answers(EVERYONE[name], table=(LABELS, VECTORS * scale))
    if name not in {"DAP", "IAP"}:  # their attributes have a threshold
        assert (other.predict(DATA.data) == plain.predict(DATA.data)).mean() > 0.9


@everyone
@pytest.mark.filterwarnings("ignore:The gate's threshold cannot be chosen")
def test_poor_data_are_answered(name):
    """Constant columns, duplicate rows, rows of zeros, one sample a class, two seen classes."""
    estimator = EVERYONE[name]

    def widened(rows):
        return np.c_[rows, np.full(len(rows), 3.0), np.zeros(len(rows))]

    table = (LABELS, widened(VECTORS)) if name in ONE_SPACE else TABLE
    fits_and_answers(estimator, widened(X), table=table, asked=widened(DATA.data))
    fits_and_answers(estimator, np.r_[X, X[:5]], np.r_[Y, Y[:5]])
    fits_and_answers(estimator, np.r_[X, np.zeros((5, 5))], np.r_[Y, DATA.seen_classes])
    one_each = np.unique(Y, return_index=True)[1]
    fits_and_answers(estimator, X[one_each], Y[one_each])
    two = np.isin(Y, DATA.seen_classes[:2])
    fits_and_answers(estimator, X[two], Y[two])
    one_unseen = TABLE.select([*DATA.seen_classes, DATA.unseen_classes[0]])
    fits_and_answers(estimator, table=one_unseen)


@everyone
@pytest.mark.filterwarnings("ignore:The gate's threshold cannot be chosen")
@pytest.mark.parametrize("value", [0.0, -3e5])
def test_rows_that_are_all_alike_are_answered(name, value):
    fits_and_answers(EVERYONE[name], np.full(X.shape, value), asked=np.r_[X, X * 0.0 + value])


@pytest.mark.parametrize("name", [n for n in EVERYONE if not n.startswith("BiasDetector")])
def test_ten_thousand_candidates(name):
    rng = np.random.default_rng(0)
    n = (
        100 if name in {"FCLSWGAN", "FVAEGAN"} else 10_000
    )  # it trains a classifier of the candidates
    names = np.char.add("new ", np.arange(n).astype(str))
    model = fitted(name, space="zsl")
    vectors = rng.normal(size=(n, 5))
    predicted = model.predict(X_NEW[:3], unseen_embeddings=(names, vectors))
    scores = model.decision_function(X_NEW[:3], unseen_embeddings=(names, vectors))
    assert scores.shape == (3, n) and np.isfinite(scores).all()
    columns = model.candidates((names, vectors))[0]
    assert_array_equal(predicted, columns[scores.argmax(axis=1)])


# ------------------------------------------------------------------ properties


ORDERS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "strided": lambda rows: np.repeat(rows, 2, axis=1)[:, ::2],
    "reversed": lambda rows: rows[::-1].copy()[::-1],
    "read-only": lambda rows: np.frombuffer(rows.tobytes(), rows.dtype).reshape(rows.shape),
    "big-endian": lambda rows: rows.astype(rows.dtype.newbyteorder(">")),
}
CONTAINERS = {
    "array": lambda rows: rows,
    "list": lambda rows: rows.tolist(),
    "frame": pd.DataFrame,
    "tensor": lambda rows: torch.tensor(np.array(rows, dtype=rows.dtype.newbyteorder("="))),
}
LABEL_KINDS = {
    "text": lambda codes: np.char.add("class ", codes.astype(str)),
    "objects": lambda codes: np.char.add("ä", codes.astype(str)).astype(object),
    "integers": lambda codes: codes * 3 - 7,
    "small integers": lambda codes: codes.astype(np.int8),
    "whole floats": lambda codes: codes * 1.0,
}
TABLES = {
    "ClassEmbeddings": ClassEmbeddings,
    "dict": lambda labels, vectors: dict(zip(labels.tolist(), vectors, strict=True)),
    "frame": lambda labels, vectors: pd.DataFrame(vectors, index=labels),
    "pair": lambda labels, vectors: (labels.tolist(), vectors.tolist()),
    "shuffled": lambda labels, vectors: (labels[::-1], vectors[::-1]),
}
KINDS = [
    *(small(centroids=kind) for kind in ("reinforce", "gradient", "netvlad", "random", None)),
    small(fusion=None, inference="seen_class"),
    small(fusion="product", inference="conse", whiten=False),
    ESZSL(),
    SAE(),
]
PROPERTY = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def sampled(choices):
    return st.sampled_from(sorted(choices))


@pytest.mark.filterwarnings("ignore:.*has one feature", "ignore:Only .* vectors in")
@PROPERTY
@given(
    estimator=st.sampled_from(KINDS),
    seed=st.integers(0, 2**16),
    counts=st.lists(st.integers(1, 4), min_size=2, max_size=5),
    n_unseen=st.integers(1, 3),
    n_features=st.integers(2, 6),
    width=st.integers(2, 4),
    dtype=st.sampled_from([np.float64, np.float32, np.float16, np.int32]),
    order=sampled(ORDERS),
    container=sampled(CONTAINERS),
    labels=sampled(LABEL_KINDS),
    table=sampled(TABLES),
    space=st.sampled_from(["zsl", "gzsl", "seen"]),
)
def test_any_shape_dtype_order_label_and_table(
    estimator,
    seed,
    counts,
    n_unseen,
    n_features,
    width,
    dtype,
    order,
    container,
    labels,
    table,
    space,
):
    """The same numbers in another form give the same model, and its answers are candidates."""
    rng = np.random.default_rng(seed)
    n_classes = len(counts) + n_unseen
    codes = np.repeat(np.arange(len(counts)), counts)
    rows = (4.0 * rng.normal(size=(len(codes), n_features))).astype(dtype)
    vectors = rng.normal(size=(n_classes, width))
    names = LABEL_KINDS[labels](np.arange(n_classes))
    plain = clone(estimator).set_params(space=space)
    other = clone(plain)
    plain.fit(rows, names[codes], ClassEmbeddings(names, vectors))
    given_rows = CONTAINERS[container](ORDERS[order](rows))
    other.fit(given_rows, names[codes].tolist(), TABLES[table](names, vectors))

    columns = {"zsl": names[len(counts) :], "gzsl": names, "seen": names[: len(counts)]}[space]
    assert other.candidates()[0].tolist() == sorted(columns.tolist())
    probabilities = other.predict_proba(given_rows)
    assert probabilities.shape == (len(rows), len(columns))
    assert np.isfinite(probabilities).all() and (probabilities >= 0.0).all()
    assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-3)
    assert set(other.predict(given_rows).tolist()) <= set(columns.tolist())
    # a list of float16 or float32 becomes float64
    tolerance = {"rtol": 1e-2, "atol": 2e-2} if container == "list" else {"rtol": 0, "atol": 1e-5}
    assert_allclose(probabilities, plain.predict_proba(rows), **tolerance)


@PROPERTY
@given(seed=st.integers(0, 2**16), n=st.integers(1, 30), data=st.data())
def test_rows_are_answered_one_by_one(seed, n, data):
    """Order, number and neighbours of rows do not matter."""
    model = first_fitted(data.draw(sampled(set(EVERYONE) - {"FCLSWGAN", "FVAEGAN"})))
    picked = np.random.default_rng(seed).integers(0, len(DATA.data), size=n)
    assert_allclose(answer(model, DATA.data[picked]), answer(model)[picked], rtol=1e-4, atol=1e-5)


@PROPERTY
@given(
    names=st.lists(st.text(max_size=8), min_size=2, max_size=6),
    width=st.integers(1, 3),
)
def test_any_text_is_a_label_or_is_refused(names, width):
    vectors = np.arange(len(names) * width, dtype=float).reshape(len(names), width)
    stored = {name.rstrip("\0") for name in names}  # NumPy ends text there
    if len(stored) < len(names):
        with pytest.raises(ValueError, match="each label once"):
            ClassEmbeddings(names, vectors)
        return
    table = ClassEmbeddings(names, vectors)
    for name, vector in zip(names, vectors, strict=True):
        assert_array_equal(table.select([name]).vectors[0], vector)
    assert pickle.loads(pickle.dumps(table)).labels.tolist() == table.labels.tolist()


@PROPERTY
@given(junk=st.binary(max_size=200), cut=st.floats(0.0, 1.0), flip=st.floats(0.0, 0.999))
def test_files_of_junk_never_do_more_than_raise(tmp_path_factory, junk, cut, flip):
    path = tmp_path_factory.mktemp("junk") / "model.skops"
    save_model(first_fitted("ESZSL"), path)
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[int(flip * len(good))] ^= 1 + len(junk) % 255
    for content in (junk, good[: int(cut * (len(good) - 1))] + junk, bytes(flipped)):
        path.write_bytes(content)
        try:
            loaded = load_model(path)
        except ValueError as error:
            assert re.search("cannot be loaded|cannot be read", str(error))
        else:
            assert type(loaded).__name__ in EVERYONE
