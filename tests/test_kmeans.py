"""K-means on the device: scikit-learn's result from the same start, and its corner cases."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from sklearn_claster._core.kmeans import kmeans, kmeans_plusplus


def points_of(n=300, p=5, seed=0):
    rng = np.random.RandomState(seed)
    return rng.normal(size=(n, p)) + 3.0 * rng.normal(size=(4, p))[rng.randint(4, size=n)]


def start(points, n_clusters, seed=0):
    return kmeans_plusplus(torch.as_tensor(points), n_clusters, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n_clusters", [1, 2, 4, 7, 30])
@pytest.mark.parametrize("seed", [0, 1])
def test_from_the_same_start_it_ends_where_scikit_learn_does(n_clusters, seed):
    points = points_of(seed=seed)
    first = start(points, n_clusters, seed)
    expected = KMeans(n_clusters, init=first.numpy(), n_init=1, tol=0.0).fit(points)
    ours, _ = kmeans(torch.as_tensor(points), first)
    np.testing.assert_allclose(ours, expected.cluster_centers_, atol=1e-10)


def test_single_precision_is_enough():
    points, first = points_of(), start(points_of(), 4)
    double, _ = kmeans(torch.as_tensor(points), first)
    single, _ = kmeans(torch.as_tensor(points, dtype=torch.float32), first.float())
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, double, atol=1e-5)


def test_the_start_takes_points_far_apart():
    """Four tight groups: every one gets a centroid, which a uniform draw rarely achieves."""
    rng = np.random.RandomState(0)
    centres = 100.0 * np.eye(4)
    points = np.repeat(centres, [200, 200, 5, 5], axis=0) + rng.normal(size=(410, 4))
    for seed in range(20):
        chosen = start(points, 4, seed).numpy()
        assert sorted(chosen.argmax(axis=1)) == [0, 1, 2, 3]
        assert all((points == row).all(axis=1).any() for row in chosen)


def test_the_start_is_drawn_from_the_generator_alone():
    points, state = points_of(), torch.get_rng_state()
    assert torch.equal(start(points, 5, 3), start(points, 5, 3))
    assert not torch.equal(start(points, 5, 3), start(points, 5, 4))
    assert torch.equal(state, torch.get_rng_state())


def test_as_many_clusters_as_points():
    points = points_of(6)
    ours, _ = kmeans(torch.as_tensor(points), start(points, 6))
    np.testing.assert_allclose(np.sort(ours, axis=0), np.sort(points, axis=0), atol=1e-12)


@pytest.mark.parametrize("n_clusters", [1, 3, 5])
def test_points_that_are_all_the_same(n_clusters):
    points = np.full((5, 2), 0.3)
    first = start(points, n_clusters)
    np.testing.assert_allclose(kmeans(torch.as_tensor(points), first)[0], points[:n_clusters])


def test_a_centroid_without_points_moves_to_the_farthest_point():
    points = np.array([[0.0], [0.1], [0.2], [10.0], [10.1], [50.0]])
    first = torch.tensor([[0.1], [10.0], [1e3], [1e3]], dtype=torch.float64)
    ours = np.sort(kmeans(torch.as_tensor(points), first)[0][:, 0])
    assert ours[-1] == 50.0
    labels = np.abs(points - ours).argmin(axis=1)
    assert len(set(labels)) == 4
    np.testing.assert_allclose(ours, [points[labels == j].mean() for j in range(4)])
