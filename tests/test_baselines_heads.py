"""The heads of E2E and ER against normal equations and plain loops of torch."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from test_baselines import make_data, normalised

from sklearn_claster._core.networks import MLP
from sklearn_claster._utils.torch import draw_seed, seeded_generator, shuffled_batches
from sklearn_claster.baselines import E2EHead, ERHead

CPU = torch.device("cpu")


def problem(X, y, table):
    """Unit samples, unit class vectors of seen and of unseen classes."""
    vectors, n_seen = np.array(list(table.values())), y.max() + 1
    mean = vectors[:n_seen].mean(axis=0)
    x, a = normalised(X, X.mean(axis=0)), normalised(vectors, mean)
    return x, a[:n_seen], a[n_seen:]


def cosines(rows, others):
    return np.array([[r @ t / np.linalg.norm(r) / np.linalg.norm(t) for t in others] for r in rows])


@pytest.mark.parametrize("sizes", [{}, {"n": 12, "f": 30}, {"s": 12}, {"n_classes": 2}], ids=str)
@pytest.mark.parametrize("alpha", [1e-3, 10.0, 100.0])
def test_e2e_head_is_ridge_regression_over_the_samples(sizes, alpha):
    X, y, table = make_data(**sizes)
    model = E2EHead(alpha).fit(X, y, table)
    x, a, new = problem(X, y, table)
    left = sum(np.outer(row, row) for row in x) + alpha * np.eye(x.shape[1])
    right = sum(np.outer(row, a[label]) for row, label in zip(x, y, strict=True))
    W = np.linalg.inv(left) @ right
    assert_allclose(model.coef_.T, W, rtol=1e-6, atol=1e-8)
    assert_allclose(model.decision_function(X), cosines(x @ W, new), atol=1e-7)


def plain_er(x, y, a, seed, n_components, epochs, batch_size, temperature, rate, decay):
    """What ERHead does, with torch's own layers and optimiser, one sample after the other."""
    draws = seeded_generator(seed)
    first = [MLP(width, (), n_components, draws) for width in (x.shape[1], a.shape[1])]
    P, Q = (torch.nn.Linear(m.layers[0].in_features, n_components) for m in first)
    P.load_state_dict(first[0].layers[0].state_dict())
    Q.load_state_dict(first[1].layers[0].state_dict())
    adam = torch.optim.Adam([*P.parameters(), *Q.parameters()], rate, weight_decay=decay)
    x, a = (torch.tensor(rows, dtype=torch.float32) for rows in (x, a))
    for _ in range(epochs):
        for rows in shuffled_batches(len(x), batch_size, draws, CPU):
            loss = 0.0
            for n in rows.tolist():
                v = P(x[n])
                s = torch.stack([torch.cosine_similarity(v, Q(t), dim=0) for t in a]) / temperature
                loss = loss - (s[y[n]] - torch.logsumexp(s, 0)) / len(rows)
            adam.zero_grad()
            loss.backward()
            adam.step()
    return P, Q


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_er_head_is_a_plain_loop(temperature):
    X, y, table = make_data()
    x, a, new = problem(X, y, table)
    model = ERHead(
        7, temperature=temperature, learning_rate=3e-3, max_epochs=2, batch_size=15, random_state=0
    ).fit(X, y, table)
    P, Q = plain_er(x, y, a, draw_seed(0), 7, 2, 15, temperature, 3e-3, 1e-3)
    assert_allclose(model.sample_coef_, P.weight.detach(), atol=1e-5)
    assert_allclose(model.class_intercept_, Q.bias.detach(), atol=1e-5)
    v = x @ model.sample_coef_.T + model.sample_intercept_
    t = new @ model.class_coef_.T + model.class_intercept_
    assert_allclose(model.decision_function(X), cosines(v, t) / temperature, atol=1e-6)


def test_er_head_lowers_its_loss():
    X, y, table = make_data()
    probabilities = [
        ERHead(16, max_epochs=epochs, space="seen", random_state=0)
        .fit(X, y, table)
        .predict_proba(X)[np.arange(len(y)), y]
        for epochs in (1, 10, 100)
    ]
    losses = [-np.log(p).mean() for p in probabilities]
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.5 * losses[0]
