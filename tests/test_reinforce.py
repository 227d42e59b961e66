"""REINFORCE: which centroids move, when, and how far."""

import numpy as np
import paper_twin
import pytest
import torch
from small_models import Twin, X, Y, agree, fitted, identical

from sklearn_claster._core.centroids import Reinforcement, step_size
from sklearn_claster._core.networks import CentroidSum
from sklearn_claster._data.rows import RowsInMemory

# Tiny data: it happens, and a test of its own asks for it.
pytestmark = [
    pytest.mark.usefixtures("short_training"),
    pytest.mark.filterwarnings("ignore:.*clusters hold no training sample"),
]


# ------------------------------------------------------------------ REINFORCE


@pytest.mark.parametrize("fusion", ["concatenate", None])
def test_alpha_zero_is_kmeans_bit_for_bit(fusion):
    parameters = {"fusion": fusion, "max_epochs": 4}
    zsl = fitted(alpha=0.0, **parameters)
    assert identical(zsl, fitted(centroids="kmeans", **parameters))
    assert not identical(zsl, fitted(alpha=0.1, **parameters))


@pytest.mark.parametrize("n_steps", [1, 7, 10, 40, 101])
def test_the_schedule_is_10_10_80_percent(n_steps):
    steps = [step_size(0.5, i, n_steps) for i in range(n_steps)]
    expected = [0.5 if i < n_steps / 10 else 0.05 if i < n_steps / 5 else 0.005
                for i in range(n_steps)]  # fmt: skip
    assert steps == expected


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("n_clusters", [1, 2, 5])
def test_batches_of_one_are_the_sequential_rule_over_a_whole_schedule(n_clusters, alpha):
    rng = np.random.RandomState(n_clusters)
    n_steps, width, n_classes = 60, 4, 3
    start = rng.standard_normal((n_clusters, width))
    points = rng.standard_normal((n_steps, width))
    y = rng.randint(n_classes, size=n_steps)
    logits = torch.from_numpy(rng.standard_normal((n_steps, n_classes)))
    z = torch.softmax(3 * logits, dim=1)
    clusters = CentroidSum(torch.from_numpy(start), 1.0)
    update = Reinforcement(clusters, RowsInMemory(torch.from_numpy(points)), alpha, n_steps)
    for i in range(n_steps):
        update(torch.from_numpy(points[i : i + 1]), z[i : i + 1], torch.tensor([y[i]]))

    scale = paper_twin.selection_scale(paper_twin.distances(points, start).min(axis=1))
    true_z, rewards = z.numpy()[np.arange(n_steps), y], paper_twin.reward(z.numpy(), y)
    assert set(rewards) == {-1.0, 1.0}
    expected = start
    for part, share in [(slice(0, 6), 1), (slice(6, 12), 10), (slice(12, 60), 100)]:
        expected = paper_twin.reinforce_sequential(
            expected, points[part], true_z[part], rewards[part], alpha / share, scale
        )
    agree(clusters.centroids.numpy(), expected, tolerance=1e-10)
    assert np.array_equal(clusters.centroids.numpy(), start) == (alpha == 0)


def test_a_whole_fit_in_batches_of_one_is_the_sequential_rule(updates):
    zsl = fitted(batch_size=1, alpha=0.5, reinforce_steps=50)
    assert len(updates) == 50
    points, z, y = map(np.concatenate, zip(*updates, strict=True))
    rewards = paper_twin.reward(z, y)
    assert set(rewards) == {-1.0, 1.0}
    z = z[np.arange(50), y]
    centroids = fitted(centroids="kmeans").cluster_centers_
    all_points = Twin(zsl).points(X)
    scale = paper_twin.selection_scale(paper_twin.distances(all_points, centroids).min(axis=1))
    for part, share in [(slice(0, 5), 1), (slice(5, 10), 10), (slice(10, 50), 100)]:
        centroids = paper_twin.reinforce_sequential(
            centroids, points[part], z[part], rewards[part], 0.5 / share, scale
        )
    assert np.abs(zsl.cluster_centers_ - fitted(centroids="kmeans").cluster_centers_).max() > 0.05
    agree(zsl.cluster_centers_, centroids)


def test_rewards_see_training_points_with_their_own_labels(updates):
    zsl = fitted(alpha=0.5, max_epochs=4)
    points, z, y = map(np.concatenate, zip(*updates, strict=True))
    assert z.shape == (2 * len(X), 6)
    agree(z.sum(axis=1), 1.0)
    every = Twin(zsl).points(X)
    rows = paper_twin.distances(points, every).argmin(axis=1)
    agree(points, every[rows])
    assert np.array_equal(zsl.classes_[y], Y[rows])
    for epoch in (rows[: len(X)], rows[len(X) :]):
        assert sorted(epoch) == list(range(len(X)))
