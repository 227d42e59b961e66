"""Bad input: what is refused, how, and that nothing was trained."""

import math
import re
import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn import clone
from sklearn.exceptions import NotFittedError
from small_problem import (
    ALL_X,
    CODES,
    NAMES,
    NEW_X,
    NEW_Y,
    SEEN_TABLE,
    TABLE,
    UNSEEN,
    UNSEEN_TABLE,
    VECTORS,
    X,
    Y,
    both,
    fit,
    fitted,
    small,
)

import sklearn_claster._claster as claster
from sklearn_claster.baselines import ESZSL

pytestmark = pytest.mark.usefixtures("short_training")


# bad input: what is refused, how, and that nothing was trained


def changed(value, where=(0, 0), rows=X):
    rows = rows.copy()
    rows[where] = value
    return rows


BAD_DATA = {
    "NaN in X": (lambda m: fit(m, changed(np.nan)), ValueError, "Input X contains NaN"),
    "inf in X": (lambda m: fit(m, changed(np.inf)), ValueError, "X contains infinity"),
    "-inf in X": (lambda m: fit(m, changed(-np.inf)), ValueError, "X contains infinity"),
    "NaN in tensor X": (
        lambda m: fit(m, torch.tensor(changed(np.nan))),
        ValueError,
        "X contains NaN",
    ),
    "1-D X": (lambda m: fit(m, X[:, 0]), ValueError, "Expected 2D array, got 1D.*Reshape"),
    "3-D X": (
        lambda m: fit(m, X[None]),
        ValueError,
        "X has 3 dimensions.*one vector per sample.*Average over time",
    ),
    "X a number": (lambda m: fit(m, 3.0), ValueError, "Expected 2D array, got scalar"),
    "X None": (lambda m: fit(m, None), ValueError, "Expected 2D array, got scalar"),
    "no samples": (lambda m: fit(m, X[:0], Y[:0]), ValueError, "0 sample.*minimum of 1"),
    "no features": (lambda m: fit(m, X[:, :0]), ValueError, "0 feature.*minimum of 1"),
    "sparse X": (lambda m: fit(m, sparse.csr_array(X)), TypeError, "Sparse.*dense.*toarray"),
    "complex X": (lambda m: fit(m, X * 1j), ValueError, "Complex data not supported"),
    "text X": (lambda m: fit(m, np.full(X.shape, "a")), ValueError, "could not convert string"),
    "ragged X": (lambda m: fit(m, [[1.0], [1.0, 2.0]], Y[:2]), ValueError, "inhomogeneous"),
    "y missing": (lambda m: m().fit(X), TypeError, "missing.*'y'"),
    "y None": (lambda m: fit(m, y=None), ValueError, "requires y to be passed, but.*y is None"),
    "y shorter": (lambda m: fit(m, y=Y[:-1]), ValueError, r"inconsistent.*\[50, 49\]"),
    "y 2-D": (lambda m: fit(m, y=np.c_[Y, Y]), ValueError, r"1d array.*shape \(50, 2\)"),
    "y continuous": (
        lambda m: fit(m, y=X[:, 0]),
        ValueError,
        "label type.*got 'continuous' values",
    ),
    "y NaN": (lambda m: fit(m, y=changed(np.nan, 0, CODES * 1.0)), ValueError, "missing in y.*nan"),
    "y inf": (lambda m: fit(m, y=changed(np.inf, 0, CODES * 1.0)), ValueError, "y contains inf"),
    "None in y": (
        lambda m: fit(m, y=changed(None, 3, Y.astype(object))),
        ValueError,
        "Labels are missing in y: got None at the position.s. 3, counted from 0",
    ),
    "strings and numbers in y": (
        lambda m: fit(m, y=changed(3, 0, Y.astype(object))),
        TypeError,
        "labels in y are all strings or all numbers; got both",
    ),
    "bytes in y": (
        lambda m: fit(m, y=Y.astype("S")),
        TypeError,
        "labels in y are strings or numbers; got the bytes.*label.decode",
    ),
    "one class": (
        lambda m: fit(m, X[:10], Y[:10]),
        ValueError,
        "at least 2 classes; got 1.*'class 0'",
    ),
    "one sample": (lambda m: fit(m, X[:1], Y[:1]), ValueError, "at least 2 classes; got 1"),
    "class without vector": (
        lambda m: fit(m, table=TABLE.select(NAMES[1:])),
        ValueError,
        "1 class.es. have no vector.*'class 0'.*It holds 7 classes.*Add the missing rows",
    ),
    "no class has a vector": (
        lambda m: fit(m, table={"Class 0": [1.0]}),
        ValueError,
        "5 class.es. have no vector",
    ),
    "labels twice": (
        lambda m: fit(m, table=(["class 0", *NAMES[:-1]], VECTORS)),
        ValueError,
        "each label once: 'class 0'.*Average",
    ),
    "numbers in the table, strings in y": (
        lambda m: fit(m, table=dict(enumerate(VECTORS))),
        TypeError,
        "labels in y are strings.*keyed by numbers.*Use the same labels",
    ),
    "strings in the table, numbers in y": (
        lambda m: fit(m, y=CODES),
        TypeError,
        "labels in y are numbers.*keyed by strings.*Use the same labels",
    ),
    "all vectors equal": (
        lambda m: fit(m, table=(NAMES, np.ones((8, 3)))),
        ValueError,
        "All 5 seen classes have the same vector.*at least two have to differ",
    ),
    "all seen vectors equal": (
        lambda m: fit(m, table=(NAMES, np.eye(8)[[0, 0, 0, 0, 0, 1, 2, 3]])),
        ValueError,
        "All 5 seen classes have the same vector",
    ),
    "empty table": (lambda m: fit(m, table={}), ValueError, "class_embeddings is empty.*needs one"),
    "table of NaN": (lambda m: fit(m, table=(NAMES, VECTORS * np.nan)), ValueError, "hold NaN"),
    "table a bare array": (
        lambda m: fit(m, table=VECTORS),
        TypeError,
        "got ndarray.*ClassEmbeddings",
    ),
    "table a bare list": (
        lambda m: fit(m, table=VECTORS.tolist()),
        TypeError,
        "got list.*ClassEmb",
    ),
    "table False": (lambda m: fit(m, table=False), TypeError, "got bool.*ClassEmbeddings"),
    "sample_weight": (
        lambda m: m().fit(X, Y, TABLE, sample_weight=np.ones(50)),
        TypeError,
        "unexpected keyword argument 'sample_weight'",
    ),
    "space unknown": (
        lambda m: fit(m, space="unseen"),
        ValueError,
        "space='unseen'.*'zsl', 'gzsl', 'seen'",
    ),
    "space None": (lambda m: fit(m, space=None), ValueError, "space=None is not a valid choice"),
    "space a list": (
        lambda m: fit(m, space=["zsl"]),
        ValueError,
        r"space=\['zsl'\] is not a valid",
    ),
    "space an array": (lambda m: fit(m, space=np.array(["zsl"])), ValueError, "not a valid choice"),
    "space in capitals": (lambda m: fit(m, space="ZSL"), ValueError, "space='ZSL' is not a valid"),
}


@pytest.fixture
def no_training(monkeypatch):
    """Fail if anything starts to learn."""

    def fail(*arguments, **keywords):
        pytest.fail("training started")

    for name in ("learn", "search_epochs"):
        monkeypatch.setattr(claster, name, fail)
    for name in ("fit_projector", "fit_estimator", "train_classifier", "make_aggregation"):
        monkeypatch.setattr(f"sklearn_claster._core.learning.{name}", fail)
    monkeypatch.setattr(ESZSL, "_fit_seen", fail)


def refuse(action, error, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error, match=f"(?s){message}"):
            action()


@both
@pytest.mark.parametrize(("action", "error", "message"), BAD_DATA.values(), ids=BAD_DATA)
@pytest.mark.usefixtures("no_training")
def test_bad_data_are_refused_before_training(make, action, error, message):
    refuse(lambda: action(make), error, message)


@both
@pytest.mark.usefixtures("no_training")
def test_good_data_would_be_trained_on(make):
    with pytest.raises(pytest.fail.Exception, match="training started"):
        fit(make)


def name_of(parameter, value):
    return re.sub(" at 0x.*", "", f"{parameter}={value!r}")  # no address: it differs by process


KIND, RANGE, CHOICE = (
    "has the wrong type; expected",
    "is out of range; expected",
    "not a valid choice",
)


def number(name, low, high=None, whole=False, also=None):
    """Wrong values of a parameter that is a number; low is "0" (allowed) or ">0" (not)."""
    wrong = ["0.1", None, [1], True, np.True_, 1j, np.array([1.0])]
    wrong += [1.0, 2.5, math.nan] if whole else []
    for value in wrong:
        yield name, value, TypeError, KIND
    yield name, -1, ValueError, RANGE
    yield name, np.int64(-1), ValueError, RANGE
    if low == ">0":
        yield name, 0, ValueError, RANGE
    if not whole:
        for value in (math.nan, np.float32("nan"), math.inf, -math.inf, -1e-9):
            yield name, value, ValueError, RANGE
    if high is not None:
        yield name, high + 0.01, ValueError, RANGE
    if also is not None:
        yield name, also.upper(), TypeError, f"or '{also}'"


def choice(name, *wrong):
    for value in wrong:
        yield name, value, ValueError, f"{CHOICE}; expected one of"


BAD_PARAMETERS = {
    small: [
        *number("n_clusters", ">0", whole=True),
        *number("alpha", "0", 1.0),
        *choice("centroids", "none", "REINFORCE", True, False, 1, ["kmeans"]),
        *number("centroid_weight", "0", also="mean"),
        *choice("fusion", "none", "concat", False, 1, ["sum"]),
        *choice("whiten", None, 0, 1, "True", "auto"),
        *choice("linear_shortcut", None, 0, 1, "True"),
        *choice("inference", None, "", "eszsl", 1, True, ["visual"]),
        *number("visual_weight", "0", 1.0),
        *number("feature_weight", "0", 1000.0),
        *number("n_neighbors", "0", whole=True),
        *number("temperature", ">0"),
        *number("learning_rate", ">0"),
        *number("weight_decay", "0"),
        *number("batch_size", ">0", whole=True, also="auto"),
        *number("max_epochs", ">0", whole=True),
        *number("reinforce_steps", "0", whole=True, also="auto"),
        *choice("precision", None, "", "float16", "bf16", 32, torch.bfloat16),
        *choice("early_stopping", None, 0, 1, "auto", 0.25),
        *(case for case in number("verbose", "0", whole=True) if case[1] is not True),
        *[
            ("hidden_layer_sizes", value, TypeError, f"{KIND} a sequence of widths, .*, or 'auto'")
            for value in (16, 16.0, None, "16", True, {16}, {16: 16}, np.int64(16))
        ],
        *[
            ("hidden_layer_sizes", value, ValueError, "positive integers; expected for example")
            for value in ((0,), (16, -1), (16.0,), ("16",), (None,), (math.nan,), ((16,),))
        ],
        *[
            ("device", value, ValueError, "names no device; expected 'auto', 'cpu'")
            for value in ("gpu", "", "CPU", None, True, 3.5, 0, ["cpu"])
        ],
        *[
            ("device", value, ValueError, "not available here. Use device='auto'")
            for value in ("cuda:99", "meta", "xla", torch.device("meta"))
        ],
        *[
            ("random_state", value, ValueError, "seed|Seed")
            for value in ("0", -1, 1.5, [0], math.nan, np.random.default_rng(0))
        ],
    ],
    ESZSL: [*number("gamma", ">0"), *number("lam", ">0")],
}


@pytest.mark.parametrize(
    ("make", "name", "value", "error", "message"),
    [
        pytest.param(make, *case, id=name_of(*case[:2]))
        for make, cases in BAD_PARAMETERS.items()
        for case in cases
    ],
)
@pytest.mark.usefixtures("no_training")
def test_bad_parameters_are_refused_before_training(make, name, value, error, message):
    named = "" if name == "random_state" else re.escape(f"{name}={value!r} ")
    refuse(lambda: fit(make, **{name: value}), error, f"{named}.*{message}" if named else message)


@pytest.mark.parametrize("value", [(True,), b"ab", np.array(16)], ids=repr)
@pytest.mark.usefixtures("no_training")
def test_odd_hidden_layer_sizes_are_refused_before_training(value):
    refuse(
        lambda: fit(small, hidden_layer_sizes=value), (TypeError, ValueError), "hidden_layer_sizes="
    )


@pytest.mark.usefixtures("no_training")
def test_visual_inference_without_semantics_is_refused():
    refuse(
        lambda: fit(small, inference="visual", fusion=None),
        ValueError,
        "inference='visual'.*fusion=None leaves out. Use inference='compatibility'",
    )


@pytest.mark.parametrize("device", ["cuda", "cuda:0", torch.device("cuda")])
@pytest.mark.usefixtures("no_training")
def test_a_missing_gpu_is_refused_before_training(monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refuse(lambda: fit(small, device=device), ValueError, "device=.*cuda.*not available here")


GOOD_PARAMETERS = {
    small: [
        ("n_clusters", np.int64(3)),
        ("n_clusters", np.uint8(1)),
        ("alpha", np.float32(0.5)),
        ("alpha", 0),
        ("alpha", 1),
        ("alpha", np.int64(1)),
        ("centroids", np.str_("random")),
        ("centroids", None),
        ("centroid_weight", np.float16(0.5)),
        ("centroid_weight", 0),
        ("centroid_weight", 1),
        ("fusion", np.str_("sum")),
        ("fusion", None),
        ("whiten", np.True_),
        ("whiten", np.False_),
        ("early_stopping", np.False_),
        ("inference", np.str_("conse")),
        ("visual_weight", np.float64(1.0)),
        ("n_neighbors", np.int32(0)),
        ("n_neighbors", 10**6),
        ("temperature", np.float32(0.3)),
        ("temperature", 1),
        ("hidden_layer_sizes", [16]),
        ("hidden_layer_sizes", np.array([16, 4])),
        ("hidden_layer_sizes", (np.int64(16),)),
        ("hidden_layer_sizes", ()),
        ("hidden_layer_sizes", range(3, 5)),
        ("learning_rate", np.float64(1e-2)),
        ("weight_decay", 0),
        ("batch_size", np.int64(16)),
        ("batch_size", 10**6),
        ("max_epochs", np.int16(1)),
        ("reinforce_steps", np.int64(3)),
        ("reinforce_steps", 0),
        ("space", np.str_("gzsl")),
        ("device", torch.device("cpu")),
        ("device", "cpu:0"),
        ("random_state", np.int64(3)),
        ("random_state", np.random.RandomState(0)),
        ("random_state", None),
        ("verbose", np.int64(0)),
    ],
    ESZSL: [
        ("gamma", np.float32(0.5)),
        ("gamma", 3),
        ("lam", np.int64(2)),
        ("space", np.str_("seen")),
    ],
}


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        pytest.param(make, *case, id=name_of(*case[:2]))
        for make, cases in GOOD_PARAMETERS.items()
        for case in cases
    ],
)
def test_good_parameters_are_used_as_they_are(make, name, value):
    model = fit(make, **{name: value})
    assert vars(model)[name] is value
    probabilities = model.predict_proba(ALL_X)
    assert np.isfinite(probabilities).all()
    if isinstance(value, np.generic) and name != "random_state":  # as the plain value would be
        plain = fit(make, **{name: value.item()}).predict_proba(ALL_X)
        assert_allclose(probabilities, plain, rtol=1e-4, atol=1e-6)


OLD = {"class 0": VECTORS[0], "new": VECTORS[1]}

# model fitted with TABLE, one with the seen classes only, one without a table -> what to do
BAD_QUESTIONS = {
    "NaN in X": (lambda m: m.predict(changed(np.nan)), ValueError, "X contains NaN"),
    "inf in X": (lambda m: m.predict(changed(np.inf)), ValueError, "X contains infinity"),
    "fewer features": (lambda m: m.predict(X[:, 1:]), ValueError, "5 features, but .* 6 features"),
    "more features": (lambda m: m.predict(np.c_[X, X]), ValueError, "12 features, but .* 6 feat"),
    "1-D X": (lambda m: m.predict(X[0]), ValueError, "Expected 2D array, got 1D.*Reshape"),
    "3-D X": (
        lambda m: m.predict(X[None]),
        ValueError,
        "X has 3 dimensions.*one vector per sample.*Average over time",
    ),
    "no samples": (lambda m: m.predict(X[:0]), ValueError, "0 sample.*minimum of 1"),
    "sparse X": (lambda m: m.predict(sparse.csr_array(X)), TypeError, "Sparse.*dense.*toarray"),
    "X None": (lambda m: m.predict(None), ValueError, "Expected 2D array, got scalar"),
    "text X": (lambda m: m.predict(np.full(X.shape, "a")), ValueError, "could not convert"),
    "not fitted": (lambda m: clone(m).predict(X), NotFittedError, "not fitted yet. Call 'fit'"),
    "not fitted, wrong X too": (lambda m: clone(m).predict(None), NotFittedError, "not fitted yet"),
    "score not fitted": (lambda m: clone(m).score(X, Y), NotFittedError, "not fitted yet"),
    "candidates not fitted": (lambda m: clone(m).candidates(), NotFittedError, "not fitted yet"),
    "unseen of another width": (
        lambda m: m.predict(X, {"new": [1.0, 2.0]}),
        ValueError,
        "unseen_embeddings have 2 features; the model was fitted with class vectors of 4",
    ),
    "a seen class among the unseen": (
        lambda m: m.predict(X, OLD),
        ValueError,
        "unseen_embeddings holds 1 class.es. seen in fit: 'class 0'. Leave them out; space='gzsl'",
    ),
    "the whole table as unseen": (
        lambda m: m.predict(X, TABLE),
        ValueError,
        "unseen_embeddings holds 5 class.es. seen in fit",
    ),
    "unseen keyed by numbers": (
        lambda m: m.predict(X, {1: VECTORS[0]}),
        TypeError,
        "labels in y are strings .* but unseen_embeddings is keyed by numbers .1.*Use the same",
    ),
    "unseen a bare array": (
        lambda m: m.predict(X, VECTORS[5:]),
        TypeError,
        "unseen_embeddings has to say.*got ndarray.*ClassEmbeddings",
    ),
    "unseen a list": (lambda m: m.predict(X, UNSEEN), TypeError, "unseen_embeddings.*got list"),
    "unseen empty": (lambda m: m.predict(X, {}), ValueError, "unseen_embeddings is empty"),
    "unseen twice": (
        lambda m: m.predict(X, (["new", "new"], VECTORS[:2])),
        ValueError,
        "each label once: 'new'",
    ),
    "unseen NaN": (lambda m: m.predict(X, {"new": [np.nan] * 4}), ValueError, "hold NaN"),
    "unseen with space='seen'": (
        lambda m: m.set_params(space="seen").predict(X, UNSEEN_TABLE),
        ValueError,
        "cannot be used because space='seen'.*space='zsl' or 'gzsl'",
    ),
    "unseen in score with space='seen'": (
        lambda m: m.set_params(space="seen").score(X, Y, unseen_embeddings=UNSEEN_TABLE),
        ValueError,
        "cannot be used because space='seen'",
    ),
    "unseen after a fit without a table": (
        lambda m: m.fit(X, Y).predict(X, UNSEEN_TABLE),
        ValueError,
        "cannot be used because fit got no class_embeddings. Fit with a class table",
    ),
    "no unseen class": (
        lambda m: m.fit(X, Y, SEEN_TABLE).predict(X),
        ValueError,
        "no unseen class to predict with space='zsl'.*Pass unseen_embeddings.*ZeroShotKFold",
    ),
    "space unknown": (
        lambda m: m.set_params(space="all").predict(X),
        ValueError,
        "space='all' is not a valid choice; expected one of 'zsl'",
    ),
    "y shorter": (lambda m: m.score(NEW_X, NEW_Y[1:]), ValueError, r"inconsistent.*\[29, 30\]"),
    "weights shorter": (
        lambda m: m.score(NEW_X, NEW_Y, sample_weight=[1.0]),
        ValueError,
        r"inconsistent.*\[30, 30, 1\]",
    ),
    "parameter unknown": (lambda m: m.set_params(spaces="zsl"), ValueError, "Invalid parameter"),
}


@both
@pytest.mark.parametrize(("action", "error", "message"), BAD_QUESTIONS.values(), ids=BAD_QUESTIONS)
def test_bad_questions_are_refused(make, action, error, message):
    refuse(lambda: action(fitted(make)), error, message)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0),
        ("temperature", math.nan),
        ("visual_weight", math.nan),
        ("inference", "eszsl"),
        ("n_neighbors", -1),
    ],
)
def test_bad_parameters_set_after_fit_are_refused(name, value):
    model = fitted(small).set_params(**{name: value})
    refuse(lambda: model.predict_proba(X), (TypeError, ValueError), re.escape(f"{name}={value!r}"))


def test_one_feature_is_said_to_be_little():
    X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
    with pytest.warns(UserWarning, match="X has one feature"):
        ESZSL().fit(X, y)
    wide = np.hstack([X, np.square(X)])
    with pytest.warns(UserWarning, match="class_embeddings has one feature"):
        ESZSL().fit(wide, y, {0: [0.0], 1: [1.0], 2: [2.0]})
