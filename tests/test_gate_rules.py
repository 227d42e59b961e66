"""The gate's rules; its Mahalanobis distances against the textbook's formulas, and their cost."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.covariance import LedoitWolf
from sklearn.covariance import ledoit_wolf_shrinkage as reference_shrinkage

from sklearn_claster import BiasDetector
from sklearn_claster._data.unit_rows import unit_rows
from sklearn_claster._gate.rules import (
    Evidence,
    Mahalanobis,
    OutlierRule,
    Stacking,
    ledoit_wolf_shrinkage,
    solve_shrunk,
    usable_rule,
)
from sklearn_claster.datasets import make_zero_shot_classification

# more samples than features, fewer, as many, two of each
sizes = pytest.mark.parametrize("n, f", [(60, 20), (20, 60), (30, 30), (10, 2), (2, 10)])
either_distance = pytest.mark.parametrize("relative", [False, True])


def centred_rows(n, f):
    """Rows whose features differ in spread, (n, f)."""
    x = np.random.default_rng(0).normal(size=(n, f)) * np.linspace(0.1, 2.0, f)
    return x - x.mean(axis=0)


def classes_of_unequal_size(n, f, n_classes=5):
    """Unit rows around their classes' means, and codes, (n, f), (n,)."""
    random = np.random.default_rng(1)
    shares = np.arange(1, n_classes + 1) / sum(range(1, n_classes + 1))
    codes = np.r_[np.arange(n_classes), random.choice(n_classes, n - n_classes, p=shares)]
    x = random.normal(size=(n_classes, f))[codes] + random.normal(size=(n, f))
    return unit_rows(x, x.mean(axis=0), np.float64), codes


def textbook(x, codes, new, relative):
    """Minus the distance of each of the new rows, by inverses of whole covariances."""
    classes = np.unique(codes)
    means = [x[codes == c].mean(axis=0) for c in classes]
    residuals = np.array([row - means[c] for row, c in zip(x, codes, strict=True)])
    within = LedoitWolf(assume_centered=True).fit(residuals).covariance_
    center = x.mean(axis=0)
    total = within + sum(
        np.mean(codes == c) * np.outer(m - center, m - center)
        for c, m in zip(classes, means, strict=True)
    )
    within, total = np.linalg.inv(within), np.linalg.inv(total)
    found = []
    for row in new:
        distance = min((row - mean) @ within @ (row - mean) for mean in means)
        if relative:
            distance -= (row - center) @ total @ (row - center)
        found.append(-distance)
    return np.array(found)


@sizes
def test_the_shrinkage_is_that_of_scikit_learn_from_either_gram_matrix(n, f):
    x = centred_rows(n, f)
    squares = np.square(x).sum(axis=1)
    expected = reference_shrinkage(x, assume_centered=True)
    for gram in (x.T @ x / n, x @ x.T / n):
        assert_allclose(ledoit_wolf_shrinkage(gram, squares, f), expected, rtol=1e-9, atol=1e-14)


@sizes
def test_the_shrunk_covariance_is_solved_from_either_side(n, f):
    x = centred_rows(n, f)
    right = np.random.default_rng(2).normal(size=(f, 3))
    covariance = LedoitWolf(assume_centered=True).fit(x).covariance_
    covariance += 1e-6 * np.trace(covariance) / f * np.eye(f)  # keeps it definite
    expected = np.linalg.solve(covariance, right)
    assert_allclose(solve_shrunk(x, right), expected, rtol=1e-8, atol=1e-8 * abs(expected).max())


@either_distance
@pytest.mark.parametrize("n, f", [(300, 12), (300, 100), (60, 100)])
def test_distances_are_those_of_the_textbook(n, f, relative):
    x, codes = classes_of_unequal_size(n, f)
    new = np.random.default_rng(3).normal(size=(40, f))
    new /= np.linalg.norm(new, axis=1, keepdims=True)
    rule = Mahalanobis(relative)
    rule.fit(Evidence(x), codes)
    expected = textbook(x, codes, new, relative)[:, None]
    # the ridge that keeps covariances definite costs some digits
    assert_allclose(rule.columns(Evidence(new)), expected, rtol=1e-3, atol=1e-3)


@either_distance
def test_a_detector_scores_by_its_distance(relative):
    data = make_zero_shot_classification(600, 12, n_seen=12, n_unseen=4, random_state=0)
    seen = np.isin(data.target, data.seen_classes)
    X, y = data.data[seen], data.target[seen]
    method = "relative_mahalanobis" if relative else "mahalanobis"
    detector = BiasDetector(method).fit(X, y, data.class_embeddings)
    x, new = (unit_rows(rows, X.mean(axis=0), np.float64) for rows in (X, data.data[~seen]))
    codes = np.unique(y, return_inverse=True)[1]
    expected = textbook(x, codes, new, relative)
    assert_allclose(detector.score_samples(data.data[~seen]), expected, rtol=1e-3, atol=1e-3)


@either_distance
@pytest.mark.parametrize("n, f", [(300, 30), (60, 100)])
def test_single_precision_rows_get_the_same_distances(n, f, relative):
    x, codes = classes_of_unequal_size(n, f)
    found = []
    for dtype in (np.float32, np.float64):
        rule = Mahalanobis(relative)
        rule.fit(Evidence(x.astype(dtype)), codes)
        found.append(rule.columns(Evidence(x.astype(dtype))))
    assert_allclose(*found, rtol=1e-4, atol=1e-4)


@either_distance
@pytest.mark.parametrize("copies", [1, 20])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_classes_of_equal_rows_are_nearest_to_themselves(dtype, copies, relative):
    # nothing varies within a class: the covariance is the smallest ridge alone
    x, _ = classes_of_unequal_size(6, 10)
    rows = x.repeat(copies, axis=0).astype(dtype)
    rule = Mahalanobis(relative)
    rule.fit(Evidence(rows), np.arange(6).repeat(copies))
    of_seen = rule.columns(Evidence(rows))
    of_others = rule.columns(Evidence(rows[::-1] * dtype(-1.0)))
    assert np.isfinite(of_seen).all()
    assert of_seen.min() > of_others.max()


def test_many_features_of_few_samples_take_little_memory():
    n, f = 40, 4000
    x, codes = classes_of_unequal_size(n, f)
    rule = Mahalanobis(relative=True)
    tracemalloc.start()
    rule.fit(Evidence(x), codes)
    rule.columns(Evidence(x))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * n * f * 8 < f * f * 8  # no covariance of all features
    kept = sum(value.size for value in vars(rule).values() if isinstance(value, np.ndarray))
    assert kept < 7 * f


# the other rules


def test_stacking_is_the_best_seen_score_minus_the_best_unseen_one():
    seen, unseen = np.array([[1.0, 5.0], [2.0, 0.0]]), np.array([[3.0, 2.0, 1.0], [0.0, 7.0, 1.0]])
    found = Stacking().columns(Evidence(np.zeros((2, 1)), seen, unseen))
    assert_array_equal(found, [[2.0], [-5.0]])


def test_an_outlier_detector_decides_by_its_function_or_else_by_its_answers():
    class Answers:
        def predict(self, x):
            return np.where(x[:, 0] > 0.0, 1, -1)

    class Function(Answers):
        def decision_function(self, x):
            return x[:, 0]

    x = np.array([[2.0], [-3.0]])
    assert_array_equal(OutlierRule(Answers()).columns(Evidence(x)), [[1.0], [-1.0]])
    assert_array_equal(OutlierRule(Function()).columns(Evidence(x)), x)


def test_a_rule_that_needs_more_than_there_is_gives_way():
    assert usable_rule("max_softmax", has_unseen=False) == "max_softmax"
    assert usable_rule("max_softmax", has_unseen=True, has_classes=False) == "mahalanobis"
    assert usable_rule("knn", has_unseen=False, has_classes=False) == "knn"
    assert usable_rule("learned", has_unseen=True) == "learned"
    assert usable_rule("learned", has_unseen=False) == "relative_mahalanobis"
