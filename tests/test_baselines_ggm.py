"""GGM against loops over classes and features, and its EM beside `adapt`."""

from itertools import islice

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from test_baselines import make_data, normalised

from sklearn_claster.baselines import GGM
from sklearn_claster.metrics import mean_per_class_accuracy
from sklearn_claster.model_selection import ZeroShotShuffleSplit


def problem(X, y, table):
    """Unit samples, unit class vectors of seen and of all classes."""
    vectors = np.array(list(table.values()))
    seen = vectors[np.unique(y)]
    mean = seen.mean(axis=0)
    return normalised(X, X.mean(axis=0)), normalised(seen, mean), normalised(vectors, mean)


def of_samples(x, y):
    """Means and log-variances of the seen classes."""
    f = x.shape[1]
    means = np.array([x[y == c].mean(axis=0) for c in np.unique(y)])
    logs = [np.log(np.mean((x[y == c] - m) ** 2, axis=0) + 1e-3 / f) for c, m in enumerate(means)]
    return means, np.array(logs)


def naive_gaussians(x, y, a, b, alpha=1.0, variance_alpha=10.0, added=0.5):
    """Means and variances of new classes, feature by feature."""
    means, logs = of_samples(x, y)
    K = np.array([[(1 + p @ q) ** 2 for q in a] for p in a])
    k = np.array([[(1 + p @ q) ** 2 for q in a] for p in b])
    eye, f = np.eye(len(a)), x.shape[1]
    new_means, variances = np.zeros((len(b), f)), np.zeros((len(b), f))
    for j in range(f):
        new_means[:, j] = k @ np.linalg.inv(K + alpha * eye) @ means[:, j]
        middle = logs[:, j].mean()
        log = middle + k @ np.linalg.inv(K + variance_alpha * eye) @ (logs[:, j] - middle)
        variances[:, j] = np.exp(log) + added / f
    return new_means, variances


def log_densities(x, means, variances):
    pairs = zip(means, variances, strict=True)
    return np.stack(
        [-(((x - m) ** 2 / v + np.log(2 * np.pi * v)).sum(axis=1)) / 2 for m, v in pairs], axis=1
    )


SIZES = [{}, {"n": 12, "f": 30}, {"s": 12}, {"n_classes": 2}, {"f": 2, "s": 2}]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("values", [(1.0, 10.0, 0.5), (0.1, 1.0, 0.05), (10.0, 1e8, 2.0)])
def test_ggm_is_the_log_density_of_the_regressed_gaussians(sizes, values):
    X, y, table = make_data(**sizes)
    alpha, variance_alpha, added = values
    model = GGM(alpha, variance_alpha=variance_alpha, added_variance=added).fit(X, y, table)
    x, a, every = problem(X, y, table)
    expected = log_densities(x, *naive_gaussians(x, y, a, every[len(a) :], *values))
    assert_allclose(model.decision_function(X), expected, rtol=1e-7)


def test_seen_classes_keep_their_own_gaussians():
    X, y, table = make_data()
    model = GGM(space="gzsl").fit(X, y, table)
    x, *_ = problem(X, y, table)
    means, logs = of_samples(x, y)
    expected = log_densities(x, means, np.exp(logs) + 0.5 / x.shape[1])
    assert_allclose(model.decision_function(X)[:, : len(means)], expected, rtol=1e-9)


def test_equal_variances_name_the_nearest_mean():
    X, y, table = make_data()
    model = GGM(added_variance=1e9).fit(X, y, table)
    x, a, every = problem(X, y, table)
    means, _ = naive_gaussians(x, y, a, every[len(a) :])
    distances = np.linalg.norm(x[:, None] - means, axis=2)
    assert_array_equal(model.predict(X), len(a) + distances.argmin(axis=1))


def em(x, means, variances, n_iterations=20, smallest=0.4):
    """Expectation maximisation of a mixture of diagonal Gaussians, as GFZSL has it."""
    shares = np.full(len(means), 1.0 / len(means))
    for _ in range(n_iterations):
        r = softmax(log_densities(x, means, variances) + np.log(shares), axis=1)
        weight = r.sum(axis=0) + 1e-9
        shares = np.maximum(weight / weight.sum(), 1e-6)
        found = (weight > 1e-3)[:, None]
        new = r.T @ x / weight[:, None]
        spread = np.maximum(r.T @ x**2 / weight[:, None] - new**2, smallest / x.shape[1])
        means, variances = np.where(found, new, means), np.where(found, spread, variances)
    return means, variances


def class_splits(data):
    """Three pairs of seen and unseen classes."""
    if "split_train" in data:
        return zip(data["split_train"][:3], data["split_test"][:3], strict=True)
    folds = ZeroShotShuffleSplit(10, test_size=0.2, random_state=0).split(data["y"], data["y"])
    return [[np.unique(data["y"][rows]) for rows in fold] for fold in islice(folds, 3)]


@pytest.mark.slow
def test_adapt_is_as_good_as_its_em(claster_data):
    """The figures of docs/compared_systems.md; pytest -s shows them."""
    gains = []
    for name, key in (("snu_b36ex", "attributes"), ("ucf101_captions", "word2vec")):
        data = np.load(claster_data / f"{name}.npz")
        X, y, table = data["X"].astype(float), data["y"], dict(enumerate(data[key]))
        figures = []
        for seen, unseen in class_splits(data):
            known, new = np.isin(y, seen), np.isin(y, unseen)
            model = GGM().fit(X[known], y[known], {c: table[c] for c in [*seen, *unseen]})
            labels, _ = model.candidates()
            precisions, linear, _ = model._prepare_candidates(
                model.candidates()[1], np.zeros(len(labels), dtype=bool)
            )
            x = normalised(X[new], model.feature_mean_)
            learnt = em(x, (linear / precisions).T, 1.0 / precisions.T)
            answers = (
                model.predict(X[new]),
                labels[log_densities(x, *learnt).argmax(axis=1)],
                model.adapt(X[new]).predict(X[new]),
            )
            figures.append([100 * mean_per_class_accuracy(y[new], said) for said in answers])
        mean, spread = np.mean(figures, axis=0), np.std(figures, axis=0, ddof=1)
        print(name, key, "GGM, EM, adapt:", mean.round(1), "+-", spread.round(1))  # noqa: T201
        gains.append(mean[2] - mean[1])
    assert abs(np.mean(gains)) < 3.0
