"""Sets of candidates with a promised coverage."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from small_problem import ALL_X, NEW_X, OLD_AS_NEW, TABLE, X, Y, small

from sklearn_claster import ClasterZSL
from sklearn_claster._core.candidate_sets import LEVELS, mass_ahead, masses_of
from sklearn_claster.baselines import ESZSL
from sklearn_claster.datasets import make_zero_shot_classification
from sklearn_claster.persistence import load_model, save_model


@pytest.fixture(scope="module")
def problem():
    data = make_zero_shot_classification(600, n_seen=20, n_unseen=10, noise=2.0, random_state=0)
    seen = np.isin(data.target, data.seen_classes)
    model = ClasterZSL(2, hidden_layer_sizes=(32,), max_epochs=2, random_state=0)
    model.fit(data.data[seen], data.target[seen], data.class_embeddings)
    return model, data.data[~seen], data.target[~seen]


def set_by_hand(probabilities, mass):
    """Candidates from the most probable on, until those before hold more than the mass."""
    found = []
    for candidate in np.argsort(-probabilities, kind="stable"):
        if sum(p for p in probabilities if p > probabilities[candidate]) > mass:
            break
        found.append(candidate)
    return np.isin(np.arange(len(probabilities)), found)


def masses_by_hand(ahead, classes):
    """The smallest mass that enough of the classes' samples stay below, of one class more."""
    names = sorted(set(classes))
    masses = []
    for level in LEVELS:
        for mass in [*sorted(ahead), 1.0]:
            below = [np.mean(ahead[classes == name] <= mass) for name in names]
            if sum(below) / (len(names) + 1) >= level - 1e-12:
                break
            mass = 1.0
        masses.append(mass)
    return masses


@pytest.mark.parametrize("equals", [False, True])
def test_sets_are_those_of_the_naive_twin(equals):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(50, 7)) * 2
    probabilities = softmax(np.round(scores) if equals else scores, axis=1)
    ahead = mass_ahead(probabilities)
    for mass in (0.0, 0.3, 0.61, 0.9, 1.0):
        expected = [set_by_hand(row, mass) for row in probabilities]
        assert_array_equal(ahead <= mass + 1e-12, [e | (mass == 1.0) for e in expected])


def test_equals_are_in_a_set_together():
    probabilities = np.array([[0.25, 0.25, 0.5, 0.0], [0.25, 0.25, 0.25, 0.25]])
    assert_allclose(mass_ahead(probabilities), [[0.5, 0.5, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]])


def test_masses_are_those_of_the_naive_twin():
    rng = np.random.default_rng(0)
    scores = [rng.normal(size=(40, 3)), rng.normal(size=(25, 4))]
    codes = [rng.integers(3, size=40), rng.integers(4, size=25)]
    own = [
        mass_ahead(softmax(s, axis=1))[np.arange(len(y)), y]
        for s, y in zip(scores, codes, strict=True)
    ]
    classes = np.concatenate([codes[0], codes[1] + 3])
    expected = masses_by_hand(np.concatenate(own), classes)
    masses = masses_of(scores, codes)
    assert_allclose(masses, expected, atol=1e-9)
    assert masses[-1] == 1.0 and masses[87] < 1.0  # 7 classes tell of 7 / 8


def test_a_class_without_a_sample_tells_nothing():
    scores, codes = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 3
    assert len(masses_of([scores], [codes])) == len(LEVELS)


def test_sets_hold_what_predict_says_and_the_true_class_often_enough(problem):
    model, X_new, y_new = problem
    labels, _ = model.candidates()
    true = np.searchsorted(labels, y_new)
    for coverage in (0.5, 0.8, 0.9):
        sets = model.predict_set(X_new, coverage)
        assert sets.shape == (len(X_new), len(labels)) and sets.dtype == bool
        assert sets[np.arange(len(sets)), np.searchsorted(labels, model.predict(X_new))].all()
        assert sets[np.arange(len(sets)), true].mean() > coverage - 0.1
        assert sets.mean() < 1.0


def test_sets_grow_with_the_coverage_up_to_all_candidates(problem):
    model, X_new, _ = problem
    smaller = model.predict_set(X_new, 0.001)
    for coverage in (0.2, 0.5, 0.501, 0.8, 0.95, 1.0, 1):
        sets = model.predict_set(X_new, coverage)
        assert not (smaller & ~sets).any()
        smaller = sets
    assert sets.all()


def test_seen_classes_have_masses_of_their_own(problem):
    model, X_new, _ = problem
    seen = pickle.loads(pickle.dumps(model)).set_params(space="seen")
    sets = seen.predict_set(X_new, 0.8)
    assert sets.shape == (len(X_new), len(model.classes_)) and sets.any(axis=1).all()
    assert model._model.scale.choice.masses != model._model.scale.choice.seen_masses


def test_sets_in_blocks_are_those_of_all_at_once(problem, monkeypatch):
    model, X_new, _ = problem
    whole = model.predict_set(X_new)
    monkeypatch.setattr("sklearn_claster._base._ROWS_AT_ONCE", 7)
    assert_array_equal(model.predict_set(X_new), whole)


def test_one_candidate_is_in_every_set():
    model = small().fit(X, Y, TABLE)
    assert model.predict_set(NEW_X, 0.1, OLD_AS_NEW).shape == (len(NEW_X), 1)
    assert model.predict_set(NEW_X, 0.1, OLD_AS_NEW).all()


def test_a_saved_model_has_the_same_sets(problem, tmp_path):
    model, X_new, _ = problem
    sets = model.predict_set(X_new)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict_set(X_new), sets)
    moved = pickle.loads(pickle.dumps(model)).to("cpu")
    assert moved._model.scale == model._model.scale
    pytest.importorskip("skops")
    save_model(model, tmp_path / "model.skops")
    assert_array_equal(load_model(tmp_path / "model.skops").predict_set(X_new), sets)


@pytest.mark.parametrize(
    ("coverage", "error"),
    [
        (0, ValueError),
        (1.1, ValueError),
        (np.nan, ValueError),
        ("0.9", TypeError),
        (True, TypeError),
    ],
)
def test_a_wrong_coverage_is_refused(problem, coverage, error):
    model, X_new, _ = problem
    with pytest.raises(error, match=r"coverage=.*expected a number in \(0, 1\]"):
        model.predict_set(X_new, coverage)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"space": "gzsl"}, "got space='gzsl'.*Set space='zsl' or 'seen'"),
        ({"temperature": 0.1}, "got temperature=0.1 and inference='combined'"),
        ({"inference": "conse"}, "got temperature='auto' and inference='conse'"),
    ],
)
def test_rules_that_no_mass_was_chosen_for_are_refused(problem, parameters, message):
    model, X_new, _ = problem
    other = pickle.loads(pickle.dumps(model)).set_params(**parameters)
    with pytest.raises(ValueError, match=f"predict_set needs .*{message}"):
        other.predict_set(X_new)


def test_without_held_out_classes_it_says_so():
    few = np.isin(Y, np.unique(Y)[:3])
    model = small().fit(X[few], Y[few], TABLE)
    with pytest.raises(ValueError, match=r"there were none\. Fit with 4 or more seen classes"):
        model.predict_set(NEW_X)
    assert model.set_params(space="seen").predict_set(ALL_X).any(axis=1).all()


def test_only_clasterzsl_has_it():
    assert not hasattr(ESZSL(), "predict_set")
