"""Centroids: where they start, how rewards move them, and the ablations' variants."""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans, MiniBatchKMeans
from torch import Tensor

from ._equations import pairwise_distances, reinforce_update, reward, selection_scale
from ._networks import CentroidSum, NetVLAD, NoClusters
from ._torch_utils import to_numpy, to_tensor

CENTROIDS = ("reinforce", "kmeans", "gradient", "netvlad", "random", None)
# Readings of p_j, which the paper does not define.
SELECTION_PROBABILITIES = ("scaled", "likas", "zero")

# Above this many numbers K-means sees mini-batches.
_FULL_KMEANS_SIZE = 50_000_000


def is_given(centroids: Any) -> TypeGuard[NDArray[Any]]:
    """Whether the parameter `centroids` is a matrix of centroids and not a word or None."""
    return isinstance(centroids, np.ndarray)


def is_refined(centroids: Any) -> bool:
    """Whether rewards move the centroids."""
    return isinstance(centroids, str) and centroids == "reinforce"


def kmeans_centroids(
    points: NDArray[np.float32], n_clusters: int, random_state: int
) -> NDArray[np.float32]:
    """Section 3.3: K-means on [x_i, a'(y_i)], (n, p) -> (K, p)."""
    kmeans_class = KMeans if points.size <= _FULL_KMEANS_SIZE else MiniBatchKMeans
    kmeans = kmeans_class(n_clusters=n_clusters, n_init=1, random_state=random_state)
    return kmeans.fit(points).cluster_centers_.astype(np.float32)


def random_centroids(
    points: NDArray[np.float32], n_clusters: int, random_state: int
) -> NDArray[np.float32]:
    """The ablation "random": means of a random partition into equal shares, (n, p) -> (K, p)."""
    order = np.random.RandomState(random_state).permutation(len(points))
    return np.stack([points[part].mean(axis=0) for part in np.array_split(order, n_clusters)])


def make_aggregation(
    centroids: str | NDArray[Any] | None,
    points: Tensor,
    n_clusters: int,
    weight: float | str,
    random_state: int,
) -> NoClusters | CentroidSum | NetVLAD:
    """The map psi -> omega that the parameter `centroids` names, with its start.

    `weight` "mean" makes every kind of centroid term a mean over clusters.
    """
    if centroids is None:
        return NoClusters()
    factor = 1.0 / n_clusters if weight == "mean" else float(weight)
    if is_given(centroids):
        return CentroidSum(to_tensor(centroids, points.device), factor)
    start_at = random_centroids if centroids == "random" else kmeans_centroids
    start = torch.as_tensor(
        start_at(to_numpy(points), n_clusters, random_state), device=points.device
    )
    if centroids == "netvlad":  # its soft assignment sums to one: a mean already
        return NetVLAD(start, 1.0 if weight == "mean" else float(weight))
    return CentroidSum(start, factor, learnt=centroids == "gradient")


def step_size(alpha: float, step: int, n_steps: int) -> float:
    """The paper's schedule: alpha, alpha/10, alpha/100 for 10 / 10 / 80 % of the steps."""
    if 10 * step < n_steps:
        return alpha
    return alpha / 10.0 if 10 * step < 2 * n_steps else alpha / 100.0


class Reinforcement:
    """Eqs. 4-5 over a whole training: what each batch earns moves its nearest centroids.

    Parameters
    ----------
    clusters : CentroidSum
        The module whose centroids move.
    points : Tensor of shape (n, p)
        All training points: the median distance to their nearest centroid sets the scale
        of the selection probability, once.
    alpha : float
        First step size.
    n_steps : int
        Number of calls to come, for the schedule.
    selection_probability : {"scaled", "likas", "zero"}
        The reading of p_j.
    """

    def __init__(
        self,
        clusters: CentroidSum,
        points: Tensor,
        alpha: float,
        n_steps: int,
        selection_probability: str = "scaled",
    ) -> None:
        self.clusters = clusters
        self.alpha = alpha
        self.n_steps = n_steps
        self.step = 0
        self.clip = selection_probability != "likas"
        if selection_probability != "scaled":
            self.scale = 1.0 if selection_probability == "likas" else 0.0
            return
        nearest = [
            pairwise_distances(part, clusters.centroids).min(dim=1).values
            for part in points.split(8192)
        ]
        self.scale = selection_scale(torch.cat(nearest))

    @torch.no_grad()
    def __call__(self, points: Tensor, probabilities: Tensor, y: Tensor) -> None:
        z = probabilities.gather(1, y[:, None])[:, 0]  # probability of the true class
        alpha = step_size(self.alpha, self.step, self.n_steps)
        self.clusters.centroids.copy_(
            reinforce_update(
                self.clusters.centroids,
                points,
                z,
                reward(probabilities, y),
                alpha,
                self.scale,
                self.clip,
            )
        )
        self.step += 1
