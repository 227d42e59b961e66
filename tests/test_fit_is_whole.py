"""fit replaces all of the state or nothing."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import clone
from sklearn.exceptions import NotFittedError
from small_problem import (
    ALL_X,
    ALL_Y,
    CODES,
    N_FEATURES,
    TABLE,
    UNSEEN_TABLE,
    X,
    Y,
    answers,
    assert_same_answers,
    both,
    fitted,
    small,
)

from sklearn_claster import ClasterZSL


@pytest.fixture(autouse=True)
def short_training(monkeypatch):
    monkeypatch.setattr("sklearn_claster._core.learning.PROJECTOR_STEPS", 40)
    monkeypatch.setattr("sklearn_claster._core.learning.ESTIMATOR_EPOCHS", 3)


# fit is all or nothing


def state(model):
    return pickle.dumps(vars(model))


def break_fit(monkeypatch, model, error):
    """Let fit fail in the middle: after labels and table are set, in or after training."""
    fit_seen = type(model)._fit_seen

    def fail(self, *arguments):
        fit_seen(self, *arguments)
        raise error

    monkeypatch.setattr(type(model), "_fit_seen", fail)


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

    def report(self, history):
        epochs.append(len(history["loss"]))
        if len(epochs) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ClasterZSL, "_report", report)
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
