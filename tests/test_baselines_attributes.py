"""DAP and IAP against loops over attributes, and what they make binary."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from sklearn_claster.baselines import DAP, IAP

both = pytest.mark.parametrize("method", [DAP, IAP])

# Four seen classes and two unseen; the fourth attribute is constant over the seen ones.
ATTRIBUTES = {
    "a": [0, 0, 1, 1],
    "b": [1, 0, 0, 1],
    "c": [0, 1, 0, 1],
    "d": [1, 1, 0, 1],
    "e": [1, 1, 1, 0],
    "f": [0, 1, 1, 1],
}
SEEN = ["a", "b", "c", "d"]


def make_data(n=60, f=7, seed=0):
    rng = np.random.default_rng(seed)
    y = np.array(SEEN)[np.r_[:4, rng.integers(4, size=n - 4)]]
    signal = np.array([ATTRIBUTES[label] for label in y]) @ rng.normal(size=(4, f))
    return signal + 0.3 * rng.normal(size=(n, f)), y


def unit(X):
    centred = X - X.mean(axis=0)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


def attribute_probabilities(method, X, y, C):
    """p(a_m = 1 | x) of the first three attributes, (n, 3)."""
    x = unit(X)
    if method is DAP:
        columns = []
        for m in range(3):
            present = [ATTRIBUTES[label][m] for label in y]
            model = LogisticRegression(C=C, max_iter=1000).fit(x, present)
            columns.append(model.predict_proba(x)[:, 1])
        return np.transpose(columns)
    model = LogisticRegression(C=C, max_iter=1000).fit(x, y)
    seen = np.array([ATTRIBUTES[label] for label in model.classes_])
    return np.array(
        [
            [sum(p * a[m] for p, a in zip(row, seen, strict=True)) for m in range(3)]
            for row in model.predict_proba(x)
        ]
    )


@both
@pytest.mark.parametrize("C", [0.5, 20.0])
def test_the_posterior_is_a_loop_over_the_attributes(method, C):
    X, y = make_data()
    model = method(C, space="gzsl").fit(X, y, ATTRIBUTES)
    prior = np.mean([ATTRIBUTES[label][:3] for label in SEEN], axis=0)
    expected = []
    for row in attribute_probabilities(method, X, y, C):
        scores = []
        for attributes in ATTRIBUTES.values():
            product = 1.0
            for m in range(3):  # the fourth cannot be learnt
                p, q = (row[m], prior[m]) if attributes[m] else (1 - row[m], 1 - prior[m])
                product *= p / q
            scores.append(product)
        expected.append(scores)
    expected = np.array(expected)
    assert_allclose(model.decision_function(X), np.log(expected), atol=1e-5)
    posterior = expected / expected.sum(axis=1, keepdims=True)
    assert_allclose(model.predict_proba(X), posterior, atol=1e-5)


@both
def test_an_attribute_that_cannot_be_learnt_says_nothing(method):
    X, y = make_data()
    model = method().fit(X, y, ATTRIBUTES)
    swapped = {label: [*row[:3], 1 - row[3]] for label, row in ATTRIBUTES.items()}
    assert_array_equal(model.attribute_prior_, [0.5, 0.5, 0.25, 1.0])
    assert_array_equal(method().fit(X, y, swapped).decision_function(X), model.decision_function(X))


@both
def test_an_attribute_and_its_opposite_are_one(method):
    """What is present and what is absent play the same part."""
    X, y = make_data()
    opposite = {label: [1 - value for value in row] for label, row in ATTRIBUTES.items()}
    one, other = (method(space="gzsl").fit(X, y, table) for table in (ATTRIBUTES, opposite))
    assert_allclose(one.decision_function(X), other.decision_function(X), atol=1e-4)


@both
def test_forms_of_binary_attributes(method):
    X, y = make_data()
    expected = method(space="gzsl").fit(X, y, ATTRIBUTES).decision_function(X)
    signs = {label: 2.0 * np.array(row) - 1.0 for label, row in ATTRIBUTES.items()}
    percent = {label: 60.0 * np.array(row) + 20.0 for label, row in ATTRIBUTES.items()}
    for table, threshold in ((signs, None), (signs, 0.0), (percent, 50), (ATTRIBUTES, 0.5)):
        model = method(threshold=threshold, space="gzsl").fit(X, y, table)
        assert_array_equal(model.decision_function(X), expected)


@both
def test_the_mean_is_that_of_the_seen_classes(method):
    rng = np.random.default_rng(0)
    X, y = make_data()
    table = {label: rng.normal(size=6) for label in ATTRIBUTES}
    mean = np.mean([table[label] for label in SEEN], axis=0)
    binary = {label: (row > mean).astype(int) for label, row in table.items()}
    model = method(threshold="mean", space="gzsl").fit(X, y, table)
    assert_allclose(model.threshold_, mean)
    expected = method(space="gzsl").fit(X, y, binary)
    assert_array_equal(model.decision_function(X), expected.decision_function(X))


@both
@pytest.mark.parametrize("value", [0.5, -1.0, 2.0])
def test_attributes_that_are_not_binary_are_refused_with_the_cure(method, value):
    X, y = make_data()
    message = rf"{method.__name__} needs binary attributes.*threshold='mean'"
    with pytest.raises(ValueError, match=message):
        method().fit(X, y, {**ATTRIBUTES, "a": [0, value, 1, 1]})
    model = method().fit(X, y, {**ATTRIBUTES, "e": [0, value, 1, 1]})  # unseen: never looked at
    with pytest.raises(ValueError, match=message):
        model.predict(X)
    assert set(model.predict(X, unseen_embeddings={"g": [0, 0, 0, 0]})) == {"g"}


@both
def test_a_threshold_that_makes_all_classes_equal_is_refused(method):
    X, y = make_data()
    with pytest.raises(ValueError, match=r"No attribute.*threshold=7.0.*'mean'"):
        method(threshold=7.0).fit(X, y, ATTRIBUTES)


@both
def test_certainty_stays_finite(method):
    X, y = make_data()
    model = method(1e6, space="gzsl").fit(X, y, ATTRIBUTES)
    far = 1e6 * X
    assert np.isfinite(model.decision_function(far)).all()
    assert_allclose(model.predict_proba(far).sum(axis=1), 1.0)


@both
def test_scores_are_log_posteriors_up_to_a_constant_per_row(method):
    X, y = make_data()
    model = method(space="gzsl").fit(X, y, ATTRIBUTES)
    assert_allclose(
        model.predict_log_proba(X), log_softmax(model.decision_function(X), axis=1), atol=1e-12
    )
