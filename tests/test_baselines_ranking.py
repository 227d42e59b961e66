"""SJE, ALE and DeViSE against their papers' updates, one sample and one class at a time."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from test_baselines import make_data, normalised

from sklearn_claster.baselines import ALE, SJE, DeViSE
from sklearn_claster.baselines._ranking import (
    ranking_gradient,
    structured_weights,
    sum_weights,
    warp_weights,
)

WEIGHTS = {SJE: structured_weights, ALE: warp_weights, DeViSE: sum_weights}
every_loss = pytest.mark.parametrize("method", WEIGHTS, ids=lambda method: method.__name__)


def sample_loss(method, W, x, y, A):
    """The loss of one sample."""
    hinges = []
    for j in range(len(A)):
        margin = 0.0 if j == y else 1.0
        hinges.append(max(0.0, margin + x @ W @ A[j] - x @ W @ A[y]))
    if method is SJE:
        return max(hinges)
    if method is DeViSE:
        return sum(hinges)
    rank = sum(hinge > 0.0 for hinge in hinges)
    share = sum(1.0 / i for i in range(1, rank + 1)) / rank if rank else 0.0
    return share * sum(hinges)


def sample_gradient(method, W, x, y, A):
    """Its subgradient in W: outer products of the sample and differences of embeddings."""
    hinges = {j: 1.0 + x @ W @ A[j] - x @ W @ A[y] for j in range(len(A)) if j != y}
    violators = [j for j, hinge in hinges.items() if hinge > 0.0]
    if method is SJE and violators:
        violators = [max(violators, key=hinges.get)]
    gradient = np.zeros_like(W)
    for j in violators:
        share = 1.0
        if method is ALE:
            share = sum(1.0 / i for i in range(1, len(violators) + 1)) / len(violators)
        gradient += share * np.outer(x, A[j] - A[y])
    return gradient


def problem(seed=0, **sizes):
    X, y, table = make_data(seed=seed, **sizes)
    A = np.array([table[label] for label in np.unique(y)])
    return normalised(X, X.mean(axis=0)), y, normalised(A, A.mean(axis=0))


@every_loss
@pytest.mark.parametrize("size", [0.0, 0.3, 1.0, 3.0, 30.0])
def test_the_gradient_is_that_of_a_loop_over_samples_and_classes(method, size):
    x, y, a = problem()
    W = size * np.random.default_rng(0).normal(size=(x.shape[1], a.shape[1]))
    expected = np.mean([sample_gradient(method, W, *row, a) for row in zip(x, y, strict=True)], 0)
    assert_allclose(ranking_gradient(W, x, y, a, WEIGHTS[method]), expected, atol=1e-12)


@every_loss
def test_it_is_the_gradient_of_the_loss(method):
    x, y, a = problem()
    W = np.random.default_rng(0).normal(size=(x.shape[1], a.shape[1]))
    gradient = ranking_gradient(W, x, y, a, WEIGHTS[method])

    def loss(at):
        return np.mean([sample_loss(method, at, *row, a) for row in zip(x, y, strict=True)])

    for index in np.ndindex(W.shape):
        shift = np.zeros_like(W)
        shift[index] = 1e-7  # far below the distance to the next kink
        slope = (loss(W + shift) - loss(W - shift)) / 2e-7
        assert slope == pytest.approx(gradient[index], abs=1e-6)


def test_weights_of_the_hinges():
    hinges = np.array([[0.0, 2.0, -1.0, 3.0], [0.0, -0.5, -1.0, -2.0], [0.5, 0.0, 0.25, 0.125]])
    assert_array_equal(structured_weights(hinges), [[0, 0, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]])
    assert_array_equal(sum_weights(hinges), [[0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 1, 1]])
    two, three = (1 + 1 / 2) / 2, (1 + 1 / 2 + 1 / 3) / 3
    assert_allclose(
        warp_weights(hinges), [[0, two, 0, two], [0, 0, 0, 0], [three, 0, three, three]]
    )


def test_with_two_classes_there_is_one_hinge_and_all_three_agree():
    X, y, table = make_data(n_classes=2)
    models = [method(random_state=0).fit(X, y, table) for method in WEIGHTS]
    for model in models[1:]:
        assert_array_equal(model.coef_, models[0].coef_)


@every_loss
def test_the_first_step(method):
    X, y, table = make_data()
    x, _, a = problem()
    model = method(0.5, max_epochs=1, batch_size=len(x), random_state=0).fit(X, y, table)
    W = np.zeros((x.shape[1], a.shape[1]))
    step = np.mean([sample_gradient(method, W, *row, a) for row in zip(x, y, strict=True)], 0)
    assert_allclose(model.coef_.T, -0.5 * step, atol=1e-12)


@every_loss
@pytest.mark.parametrize("n_epochs", [2, 5])
def test_full_batches_and_the_mean_of_the_second_half(method, n_epochs):
    X, y, table = make_data()
    x, _, a = problem()
    W = np.zeros((x.shape[1], a.shape[1]))
    iterates = []
    for _ in range(n_epochs):
        step = [sample_gradient(method, W, *row, a) for row in zip(x, y, strict=True)]
        W = W - 0.7 * np.mean(step, axis=0)
        iterates.append(W)
    model = method(0.7, max_epochs=n_epochs, batch_size=1000, random_state=0).fit(X, y, table)
    assert_allclose(model.coef_.T, np.mean(iterates[n_epochs // 2 :], axis=0), atol=1e-10)


@every_loss
def test_single_samples_are_the_papers_sequential_update(method):
    X, y, table = make_data()
    x, _, a = problem()
    random = np.random.RandomState(3)
    W, iterates = np.zeros((x.shape[1], a.shape[1])), []
    for epoch in range(2):
        for n in random.permutation(len(x)):
            W = W - 0.2 * sample_gradient(method, W, x[n], y[n], a)
            iterates += [W] if epoch else []
    model = method(0.2, max_epochs=2, batch_size=1, random_state=3).fit(X, y, table)
    assert_allclose(model.coef_.T, np.mean(iterates, axis=0), atol=1e-10)


@every_loss
def test_training_lowers_the_loss(method):
    X, y, table = make_data()
    x, _, a = problem()
    losses = [
        np.mean([sample_loss(method, W, *row, a) for row in zip(x, y, strict=True)])
        for W in (
            np.zeros((x.shape[1], a.shape[1])),
            method(max_epochs=2, random_state=0).fit(X, y, table).coef_.T,
            method(max_epochs=100, random_state=0).fit(X, y, table).coef_.T,
        )
    ]
    assert losses[0] > losses[1] > losses[2]


@every_loss
def test_scores_are_the_compatibilities(method):
    X, y, table = make_data()
    model = method(space="gzsl", random_state=0).fit(X, y, table)
    seen = np.array([table[label] for label in range(5)])
    candidates = normalised(list(table.values()), seen.mean(axis=0))
    new = make_data(seed=1)[0]
    expected = normalised(new, X.mean(axis=0)) @ model.coef_.T @ candidates.T
    assert_allclose(model.decision_function(new), expected, rtol=1e-8, atol=1e-10)
