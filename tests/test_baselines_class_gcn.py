"""ClassGCN: its graph against loops over classes, its training against torch's own, and DEM."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from test_baselines import make_data, normalised

from sklearn_claster._core.networks import MLP
from sklearn_claster._utils.torch import draw_seed, seeded_generator
from sklearn_claster.baselines import DEM, ClassGCN

CHEAP = {"hidden_layer_sizes": (9,), "n_steps": 30, "random_state": 0}


def problem(X, y, table):
    vectors, n_seen = np.array(list(table.values())), y.max() + 1
    a = normalised(vectors, vectors[:n_seen].mean(axis=0))
    return normalised(X, X.mean(axis=0)), a[:n_seen], a


def neighbours(a, seen, k, itself=None):
    """The k nearest seen classes of a class, itself left out."""
    order = sorted((-(a @ b), j) for j, b in enumerate(seen) if j != itself)
    return [j for _, j in order[:k]]


def naive_prototypes(model, seen, a, k, share):
    """Prototype of every class, the first of which are seen, one after the other."""
    known = list(seen)
    states = list(a)
    lists = [neighbours(v, seen, k, c if c < len(seen) else None) for c, v in enumerate(a)]
    for depth, (W, b) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        if depth:
            known = [np.maximum(h, 0) for h in known]
            states = [np.maximum(h, 0) for h in states]
        mixed = [
            (1 - share) * h + share * np.mean([known[j] for j in near], axis=0)
            for h, near in zip(states, lists, strict=True)
        ]
        states = [h @ W + b for h in mixed]
        known = states[: len(seen)]
    return np.array(states)


@pytest.mark.parametrize("k", [1, 3, 100])
@pytest.mark.parametrize("hidden", [(), (9,), (6, 5)])
def test_every_class_is_mixed_with_its_nearest_seen_classes(k, hidden):
    X, y, table = make_data(n_classes=7)
    parameters = CHEAP | {"hidden_layer_sizes": hidden}
    model = ClassGCN(k, neighbor_share=0.4, space="gzsl", **parameters).fit(X, y, table)
    x, seen, a = problem(X, y, table)
    p = naive_prototypes(model, seen, a, min(k, 6), 0.4)
    expected = x @ (p / np.linalg.norm(p, axis=1, keepdims=True)).T
    assert_allclose(model.decision_function(X), expected, atol=1e-6)


def test_training_is_a_plain_loop():
    X, y, table = make_data(n_classes=7)
    model = ClassGCN(2, neighbor_share=0.4, **CHEAP).fit(X, y, table)
    x, seen, _ = problem(X, y, table)
    G = 0.6 * np.eye(7)
    for c, v in enumerate(seen):
        G[c, neighbours(v, seen, 2, c)] += 0.2
    G, a, x = (torch.tensor(array, dtype=torch.float32) for array in (G, seen, x))
    net = MLP(3, (9,), 6, seeded_generator(draw_seed(0)))
    adam = torch.optim.Adam(net.parameters(), 1e-3, weight_decay=1e-3)
    for _ in range(30):
        prototypes = net.layers[1](G @ torch.relu(net.layers[0](G @ a)))
        loss = ((x - prototypes[y]) ** 2).sum(dim=1).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert_allclose(model.coefs_[0].T, net.layers[0].weight.detach(), atol=1e-5)
    assert_allclose(model.intercepts_[1], net.layers[1].bias.detach(), atol=1e-5)


def test_without_a_share_of_the_neighbours_it_is_dem():
    X, y, table = make_data()
    one = ClassGCN(neighbor_share=0.0, **CHEAP).fit(X, y, table)
    other = DEM(**CHEAP).fit(X, y, table)
    assert_allclose(one.decision_function(X), other.decision_function(X), atol=1e-5)


def test_no_candidate_changes_the_score_of_another():
    X, y, table = make_data()
    model = ClassGCN(**CHEAP).fit(X, y, table)
    three = {label: table[label] for label in (5, 6, 7)}
    more = three | {8 + i: v for i, v in enumerate(np.eye(3))}
    few, many = (model.decision_function(X, unseen_embeddings=t) for t in (three, more))
    assert_allclose(many[:, :3], few, atol=1e-12)
    model.set_params(space="gzsl")
    assert_allclose(model.decision_function(X)[:, 5:], few, atol=1e-12)
