"""fit replaces all of the state or nothing."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn import clone
from sklearn.exceptions import NotFittedError
from small_problem import (
    ALL_X,
    ALL_Y,
    CODES,
    N_FEATURES,
    NAMES,
    NEW_X,
    NEW_Y,
    TABLE,
    UNSEEN_TABLE,
    VECTORS,
    X,
    Y,
    answers,
    assert_same_answers,
    both,
    fit,
    fitted,
    small,
)

import sklearn_claster
from sklearn_claster import BiasDetector, ClassEmbeddings

pytestmark = pytest.mark.usefixtures("short_training")


# fit is all or nothing


def state(model):
    return pickle.dumps(vars(model))


def break_fit(monkeypatch, model, error):
    """Let fit fail late: labels and table are set, and the experts are trained."""

    def fail(self, *arguments):
        raise error

    monkeypatch.setattr(type(model), "_fit_gate", fail)


@both
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, RuntimeError("broken"), SystemExit, MemoryError]
)
def test_a_failed_fit_leaves_an_unfitted_estimator_unfitted(make, monkeypatch, error):
    model = make()
    before = dict(vars(model))
    break_fit(monkeypatch, model, error)
    with pytest.raises(error if isinstance(error, type) else type(error)):
        model.fit(pd.DataFrame(X).add_prefix("f"), Y, TABLE)
    assert vars(model) == before
    with pytest.raises(NotFittedError):
        model.predict(X)


@both
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError("broken")])
def test_a_failed_fit_leaves_a_fitted_estimator_as_it_was(make, monkeypatch, error):
    model = fitted(make, space="gzsl")
    before, keys = answers(model), list(vars(model))
    break_fit(monkeypatch, model, error)
    with pytest.raises(error if isinstance(error, type) else type(error)):
        model.fit(X[::-1, :4], CODES)
    assert list(vars(model)) == keys
    assert_same_answers(answers(model), before)


@both
def test_wrong_data_leave_a_fitted_estimator_as_it_was(make):
    model = fitted(make)
    before = answers(model)
    for wrong in (
        lambda: model.fit(X, Y, {"class 0": [1.0]}),  # fails after classes_ is set
        lambda: model.fit(X[:, :2], Y[:3], TABLE),
        lambda: model.fit(X[:, :2], np.zeros(len(X)), TABLE),
        lambda: model.fit(X[:10, :2], Y[:10], TABLE),  # fails after n_features_in_ is set
        lambda: model.fit(pd.DataFrame(X[:10]).add_prefix("f"), Y[:10]),
    ):
        with pytest.raises(ValueError, match=r"no vector|inconsistent|at least 2|missing names"):
            wrong()
        assert model.n_features_in_ == N_FEATURES
        assert not hasattr(model, "feature_names_in_")
        assert_same_answers(answers(model), before)


def test_an_interrupt_between_epochs_leaves_the_earlier_model(monkeypatch):
    model = fitted(small, space="gzsl")
    before = answers(model)
    epochs = []

    def line(history):
        epochs.append(len(history["loss"]))
        if len(epochs) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sklearn_claster._claster, "epoch_line", line)
        model.fit(X[::-1], Y[::-1])
    assert epochs == [1, 2]
    assert_same_answers(answers(model), before)
    assert_same_answers(answers(model.fit(X, Y, TABLE)), before)


@both
def test_a_second_fit_forgets_the_first(make):
    model = make(space="gzsl").fit(np.random.default_rng(0).normal(size=(9, 2)), list("abcabcabc"))
    assert_same_answers(answers(model.fit(X, Y, TABLE)), answers(fitted(make, space="gzsl")))


@both
def test_predicting_changes_nothing(make):
    model = fitted(make, space="gzsl")
    before, keys = state(model), list(vars(model))
    answers(model)
    answers(model, unseen_embeddings=UNSEEN_TABLE)
    model.score(ALL_X, ALL_Y)
    model.candidates()
    assert (state(model), list(vars(model))) == (before, keys)


@both
def test_a_clone_is_unfitted_and_a_copy_is_not(make):
    model = fitted(make)
    with pytest.raises(NotFittedError):
        clone(model).predict(X)
    assert_same_answers(answers(copy.deepcopy(model)), answers(model))


class RefitsWhenRead:
    """Samples in whose reading another fit ends, as it may in another thread."""

    shape, dtype = NEW_X.shape, NEW_X.dtype

    def __init__(self, model):
        self.model = model

    def __len__(self):
        return len(NEW_X)

    def __array__(self, dtype=None, copy=None):
        other = ClassEmbeddings([f"other {name}" for name in NAMES], VECTORS[::-1])
        self.model.fit(X, np.char.add("other ", Y), other)
        return NEW_X.astype(dtype or float)


QUESTIONS = {
    "predict": lambda model, rows: model.predict(rows),
    "predict_proba": lambda model, rows: model.predict_proba(rows),
    "decision_function": lambda model, rows: model.decision_function(rows),
    "score": lambda model, rows: model.score(rows, NEW_Y),
    "explain_gate": lambda model, rows: model.explain_gate(rows).unseen_class,
}


@both
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_meets_one_model_whatever_fit_does_meanwhile(make, question):
    model = fit(make, space="gzsl", bias_detector="max_softmax")
    ask = QUESTIONS[question]
    expected = ask(model, NEW_X)
    assert_array_equal(ask(model, RefitsWhenRead(model)), expected)
    assert model.classes_[0].startswith("other")  # the fit did end in between


def test_transform_and_detectors_meet_one_model(monkeypatch):
    model = small().fit(X, Y, TABLE)
    expected = model.transform(NEW_X)
    assert_array_equal(model.transform(RefitsWhenRead(model)), expected)
    detector = BiasDetector("energy").fit(X, Y, TABLE)
    expected = detector.score_samples(NEW_X)
    assert_array_equal(detector.score_samples(RefitsWhenRead(detector)), expected)
