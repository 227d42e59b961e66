"""What a default fit learns, and how well: the same written anew, and accuracy on two problems.

The twins here are made of what scikit-learn and torch offer, with the numbers and seeds that the
default stands for. Each starts from what the fitted model had at that point, so that rounding has
no time to grow.
"""

from functools import cache

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn import clone
from sklearn.cluster import KMeans
from sklearn.linear_model import RidgeCV
from torch.nn import functional as F

from sklearn_claster import ClasterZSL
from sklearn_claster._core.centroids import random_centroids
from sklearn_claster._core.kmeans import kmeans_plusplus
from sklearn_claster._core.networks import ClasterNet
from sklearn_claster._data.rows import RowsInMemory
from sklearn_claster._data.unit_rows import unit_rows
from sklearn_claster._gate.fitting import hold_out_classes
from sklearn_claster._gate.rules import Evidence, Neighbors
from sklearn_claster._utils.progress import Progress
from sklearn_claster.baselines import ESZSL
from sklearn_claster.datasets import load_digit_pairs, make_zero_shot_classification
from sklearn_claster.metrics import mean_per_class_accuracy
from sklearn_claster.model_selection import ZeroShotKFold

N, S, BATCH = 320, 8, 32  # samples and classes that are seen, samples per batch
DATA = make_zero_shot_classification(
    N + 120, 16, n_seen=S, n_unseen=3, n_embedding_features=6, class_sep=3.0, random_state=0
)
SEEN = np.isin(DATA.target, DATA.seen_classes)
X, Y, TABLE = DATA.data[SEEN], DATA.target[SEEN], DATA.class_embeddings
SEED = int(np.random.RandomState(0).randint(2**31 - 1))  # what random_state=0 draws
N_ESTIMATOR_EPOCHS, N_EPOCHS = 10, 10


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@cache
def fitted():
    """The default, but for centroids that stay where K-means puts them."""
    return ClasterZSL(centroids="kmeans", device="cpu", random_state=0).fit(X, Y, TABLE)


def stage():
    """A fitted network, a fresh one, unit rows x, codes y and centred class vectors a."""
    model = fitted()._model
    fresh = ClasterNet(16, 6, (256, 256), "concatenate", seeded(SEED), linear_shortcut=True)
    y = torch.from_numpy(np.searchsorted(fitted().classes_, Y))
    return model.net, fresh, torch.from_numpy(model.input_space(X)), y, torch.tensor(model.seen)


def batches(n_epochs, order):
    for _ in range(n_epochs):
        yield from torch.randperm(N, generator=order).split(BATCH)


def descend(network, n_steps, learning_rate, weight_decay, losses):
    adam = torch.optim.Adam(network.parameters(), learning_rate, weight_decay=weight_decay)
    for _ in range(n_steps):
        adam.zero_grad()
        next(losses).backward()
        adam.step()


def flat(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def relative_error(found, expected):
    return float((found - expected).norm() / expected.norm())


# what a default fit learns


def test_projected_classes_are_learnt_with_their_own_penalty_in_larger_steps():
    """Rounding ends at 3 % of the weights and 0.02 % of their norm, which a penalty twice as
    large moves by 4 % and steps of the size of the others by more than half.
    """
    net, fresh, x, y, a = stage()
    fresh, x, a = fresh.double(), x.double(), a.double()
    shares = torch.bincount(y).double() / N
    means = torch.stack([x[y == c].mean(dim=0) for c in range(S)])
    ridge = RidgeCV(np.logspace(-4, 2, 7)).fit(a, means, sample_weight=S * shares)
    targets = means - a @ torch.from_numpy(ridge.coef_.T)
    errors = iter(lambda: (shares @ (fresh.projector(a) - targets) ** 2).sum(), None)
    n_steps = 100  # of at most 300, so that each is three times as large
    descend(fresh.projector, n_steps, 3 * 1e-3, 3e-3, errors)
    found, expected = flat(net.projector), flat(fresh.projector)
    assert abs(float(found.norm() / expected.norm()) - 1.0) < 5e-3
    assert relative_error(found, expected) < 0.1


def test_the_estimator_meets_samples_in_the_order_of_the_next_seed():
    net, fresh, x, y, a = stage()
    targets = net.project(a).detach()[y]
    order = batches(N_ESTIMATOR_EPOCHS, seeded(SEED + 1))
    errors = (((fresh.estimator(x[i]) - targets[i]) ** 2).sum() / len(i) for i in order)
    descend(fresh.estimator, N_ESTIMATOR_EPOCHS * N // BATCH, 1e-3, 0.0, errors)
    assert relative_error(flat(net.estimator), flat(fresh.estimator)) < 1e-2


def test_the_classifier_goes_on_in_that_order():
    net, fresh, x, y, a = stage()
    order = seeded(SEED + 1)
    list(batches(N_ESTIMATOR_EPOCHS, order))
    omega = net.represent(net.points(x)).detach()
    unit = F.normalize(a)
    losses = (
        F.cross_entropy(F.normalize(fresh.classifier(omega[i])) @ unit.T / 0.1, y[i])
        for i in batches(N_EPOCHS, order)
    )
    descend(fresh.classifier, N_EPOCHS * N // BATCH, 1e-3, 5e-4, losses)
    assert relative_error(flat(net.classifier), flat(fresh.classifier)) < 1e-2


# what is drawn


def test_clusters_start_with_the_same_seed():
    net, _, x, y, a = stage()
    points = torch.cat([x, net.project(a).detach()[y]], dim=1)

    def inertia(centroids):
        return float((torch.cdist(points, centroids).min(dim=1).values ** 2).sum())

    def found(seed):
        start = kmeans_plusplus(points, 6, seeded(seed))
        means = KMeans(6, init=start.numpy(), n_init=1, tol=0.0).fit(points.numpy())
        return torch.from_numpy(means.cluster_centers_)

    assert torch.allclose(net.aggregation.centroids, found(SEED), rtol=1e-3, atol=1e-4)
    ours = inertia(net.aggregation.centroids)
    assert any(abs(inertia(found(SEED + i)) / ours - 1.0) > 1e-2 for i in range(1, 5))


def test_random_centroids_are_means_of_a_partition_drawn_with_the_seed():
    points = torch.rand(100, 3, generator=seeded(1))
    parts = torch.randperm(100, generator=seeded(7)).split(25)
    expected = torch.stack([points[part].mean(dim=0) for part in parts])
    assert torch.equal(random_centroids(points, 4, 7), expected)


def test_of_many_samples_some_are_drawn_with_seed_zero():
    values = torch.rand(100, 3, generator=seeded(1))
    expected = values[torch.randperm(100, generator=seeded(0))[:20]]
    assert torch.equal(RowsInMemory(values).sample(60)[0], expected)


@pytest.mark.filterwarnings("ignore:early_stopping found the best")
def test_early_stopping_holds_out_classes_in_an_order_drawn_with_the_seed():
    zsl = ClasterZSL(max_epochs=2, device="cpu", random_state=0)
    stopped = clone(zsl).set_params(early_stopping=True).fit(X, Y, TABLE)

    def accuracy_on(classes):
        out = np.isin(Y, classes)
        found = clone(zsl).fit(X[~out], Y[~out], TABLE).predict(X[out], TABLE.select(classes))
        return mean_per_class_accuracy(Y[out], found)

    order = np.random.RandomState(SEED).permutation(DATA.seen_classes)
    pairs = order.reshape(4, 2)  # a quarter of the classes each
    ours, *others = map(accuracy_on, pairs)
    assert abs(stopped.history_["validation_accuracy"][-1] - ours) < 0.01
    assert min(abs(np.array(others) - ours)) > 0.03


def test_the_folds_of_a_gate_are_those_of_seed_zero():
    codes = np.searchsorted(DATA.seen_classes, Y)
    experts = ESZSL(space="gzsl").fit(X, Y, TABLE)
    seen = TABLE.select(DATA.seen_classes)
    folds = hold_out_classes(experts, X, codes, seen, None, np.float64, None, Progress(), True)
    splits = ZeroShotKFold(3, seen_fraction=0.2, random_state=0).split(X, Y)
    for fold, (train, test) in zip(folds, splits, strict=True):
        mean = X[train].mean(axis=0)
        np.testing.assert_allclose(fold.trained.x, unit_rows(X[train], mean, np.float64))
        np.testing.assert_allclose(fold.tested.evidence.x, unit_rows(X[test], mean, np.float64))


def test_neighbours_are_drawn_with_seed_zero():
    rule, x = Neighbors(1), np.random.RandomState(1).normal(size=(600, 3))
    rule.fit(Evidence(x), np.zeros(600, dtype=int))
    assert_array_equal(rule.bank, x[np.random.RandomState(0).permutation(600)[:512]])


# how well


PROBLEMS = {
    "digit pairs": (lambda: load_digit_pairs(n_samples_per_class=10), 0.94),
    "synthetic": (
        lambda: make_zero_shot_classification(
            1500, 16, n_unseen=10, n_embedding_features=8, class_sep=4.0, random_state=0
        ),
        0.667,
    ),
}


@pytest.mark.parametrize("make, expected", PROBLEMS.values(), ids=PROBLEMS)
def test_accuracy_of_the_default_on_unseen_classes(make, expected):
    """Four seeds lie within half a point of what is expected."""
    data = make()
    seen = np.isin(data.target, data.seen_classes)
    zsl = ClasterZSL(device="cpu", random_state=0)
    zsl.fit(data.data[seen], data.target[seen], data.class_embeddings)
    found = zsl.predict(data.data[~seen])
    assert abs(mean_per_class_accuracy(data.target[~seen], found) - expected) < 0.025
