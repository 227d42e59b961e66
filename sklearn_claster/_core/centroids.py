"""Centroids: where they start, how rewards move them, and the ablations' variants."""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from .._data.rows import Rows
from .._utils.torch import seeded_generator, to_tensor
from .._utils.warning import warn
from .equations import pairwise_distances, reinforce_update, reward, selection_scale
from .kmeans import kmeans, kmeans_plusplus
from .networks import CentroidSum, NetVLAD, NoClusters

CENTROIDS = ("reinforce", "kmeans", "gradient", "netvlad", "random", None)

# The start is computed from as many random points as hold so many numbers.
_MOST_NUMBERS = 50_000_000


def is_given(centroids: Any) -> TypeGuard[NDArray[Any]]:
    """Whether the parameter `centroids` is a matrix of centroids and not a word or None."""
    return isinstance(centroids, np.ndarray)


def check_given_centroids(parameters: Any, n_features: int) -> None:
    """Raise if `centroids` is a matrix that does not fit points of so many features."""
    given = parameters.centroids
    if not is_given(given):
        return
    n_points = 2 * n_features if parameters.fusion == "concatenate" else n_features
    with np.errstate(over="ignore"):  # the networks compute in float32
        numbers = given.dtype.kind in "fiu" and np.isfinite(given.astype(np.float32)).all()
    if not numbers or given.size == 0 or given.shape[1:] != (n_points,):
        raise ValueError(
            f"centroids is an array of shape {given.shape} and type {given.dtype}; expected "
            f"finite numbers of shape (n_clusters, {n_points}), the width of a point for X "
            f"with {n_features} features and fusion={parameters.fusion!r}. Or name the "
            f"centroids, one of "
            f"{', '.join(map(repr, CENTROIDS))}."
        )


def is_refined(centroids: Any) -> bool:
    """Whether rewards move the centroids."""
    return isinstance(centroids, str) and centroids == "reinforce"


def warn_of_empty_clusters(centroids: Any, counts: list[list[int]]) -> None:
    """Warn if a cluster holds no sample, from the counts (K,) after every epoch."""
    now = counts[-1]
    if now and min(now) == 0:
        moved_away = is_refined(centroids) and min(counts[0])
        warn(
            f"{now.count(0)} of {len(now)} clusters hold no training sample. Lower "
            f"{'n_clusters or alpha' if moved_away else 'n_clusters'}.",
            ConvergenceWarning,
        )


def kmeans_centroids(points: Tensor, n_clusters: int, seed: int) -> Tensor:
    """Section 3.3: K-means on [x_i, a'(y_i)], (n, p) -> (K, p)."""
    centroids, _ = kmeans(points, kmeans_plusplus(points, n_clusters, seeded_generator(seed)))
    return centroids


def random_centroids(points: Tensor, n_clusters: int, seed: int) -> Tensor:
    """Compute means of a random partition into equal shares ("random"), (n, p) -> (K, p)."""
    order = torch.randperm(len(points), generator=seeded_generator(seed)).to(points.device)
    return torch.stack([points[part].mean(dim=0) for part in order.tensor_split(n_clusters)])


def make_aggregation(
    centroids: str | NDArray[Any] | None,
    points: Rows,
    n_clusters: int,
    weight: float | str,
    seed: int,
    device: torch.device,
) -> NoClusters | CentroidSum | NetVLAD:
    """Return the map psi -> omega that the parameter `centroids` names, with its start.

    `weight` "mean" makes every kind of centroid term a mean over clusters.
    """
    if centroids is None:
        return NoClusters()
    factor = 1.0 / n_clusters if weight == "mean" else float(weight)
    if is_given(centroids):
        return CentroidSum(to_tensor(np.ascontiguousarray(centroids), device), factor)
    start_at = random_centroids if centroids == "random" else kmeans_centroids
    start = start_at(points.sample(_MOST_NUMBERS)[0], n_clusters, seed)
    if centroids == "netvlad":  # its soft assignment sums to one: a mean already
        return NetVLAD(start, 1.0 if weight == "mean" else float(weight))
    return CentroidSum(start, factor, learnt=centroids == "gradient")


def step_size(alpha: float, step: int, n_steps: int) -> float:
    """Return the paper's schedule: alpha, alpha/10, alpha/100 for 10 / 10 / 80 % of the steps."""
    if 10 * step < n_steps:
        return alpha
    return alpha / 10.0 if 10 * step < 2 * n_steps else alpha / 100.0


class Reinforcement:
    """Eqs. 4-5 over a whole training: what each batch earns moves its nearest centroids.

    Parameters
    ----------
    clusters : CentroidSum
        The module whose centroids move.
    points : Rows of shape (n, p)
        All training points: the median distance to their nearest centroid sets the scale
        of the selection probability, once.
    alpha : float
        First step size.
    n_steps : int
        Number of calls to come, for the schedule.
    """

    def __init__(self, clusters: CentroidSum, points: Rows, alpha: float, n_steps: int) -> None:
        self.clusters = clusters
        self.alpha = alpha
        self.n_steps = n_steps
        self.step = 0
        nearest = [
            pairwise_distances(psi, clusters.centroids).min(dim=1).values
            for psi, _ in points.blocks()
        ]
        self.scale = selection_scale(torch.cat(nearest))

    @torch.no_grad()
    def __call__(self, points: Tensor, probabilities: Tensor, y: Tensor) -> None:
        z = probabilities.gather(1, y[:, None])[:, 0]  # probability of the true class
        alpha = step_size(self.alpha, self.step, self.n_steps)
        centroids = self.clusters.centroids
        rewards = reward(probabilities, y)
        centroids.copy_(reinforce_update(centroids, points, z, rewards, alpha, self.scale))
        self.step += 1
