"""K-means on the device of its points; its start is drawn on the CPU and so the same everywhere."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .._utils.torch import to_device
from .equations import pairwise_distances

_MOST_ITERATIONS = 300
_STILL = 1e-6  # of the centroids' size: a smaller movement is none


def kmeans_plusplus(points: Tensor, n_clusters: int, generator: torch.Generator) -> Tensor:
    """First centroids far from each other, (n, p) -> (K, p).

    Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", 2007. Every next
    centroid is a point, drawn with the square of its distance to the nearest one so far; of
    2 + log K candidates the one that helps most is taken, as in scikit-learn.
    """
    n_trials = 2 + int(math.log(n_clusters))
    first = int(torch.randint(len(points), (1,), generator=generator))
    draws = torch.rand(n_clusters - 1, n_trials, generator=generator, dtype=torch.float32)
    chosen = [points[first : first + 1]]
    nearest = pairwise_distances(points, chosen[0])[:, 0] ** 2  # (n,)
    for draw in to_device(draws.to(points.dtype), points.device):
        total = nearest.cumsum(dim=0)
        drawn = torch.searchsorted(total, draw * total[-1]).clamp(max=len(points) - 1)
        candidates = points.index_select(0, drawn)  # (trials, p)
        distances = pairwise_distances(points, candidates) ** 2  # (n, trials)
        distances = torch.minimum(distances, nearest[:, None])
        best = distances.sum(dim=0).argmin(dim=0, keepdim=True)
        nearest = distances.index_select(1, best)[:, 0]
        chosen.append(candidates.index_select(0, best))
    return torch.cat(chosen)


def kmeans(points: Tensor, centroids: Tensor) -> tuple[Tensor, int]:
    """Lloyd's algorithm from these centroids until they stay where they are, (n, p) -> (K, p).

    A centroid that loses all its points moves to the point that is farthest from its own. The
    number of passes over the points comes second.
    """
    squares = 0.5 * (points**2).sum(dim=1)
    number = 0
    while number < _MOST_ITERATIONS:
        number += 1
        before = centroids
        nearest, assigned = (0.5 * (before**2).sum(dim=1) - points @ before.T).min(dim=1)  # (n,)
        members = F.one_hot(assigned, len(before)).to(points.dtype)  # (n, K)
        counts = members.sum(dim=0)
        centroids = (members.T @ points) / counts.clamp(min=1.0)[:, None]
        empty = counts == 0.0
        farthest = (squares + nearest).topk(len(before)).indices[empty.cumsum(dim=0) - 1]
        centroids = torch.where(empty[:, None], points[farthest], centroids)
        if (centroids - before).norm() <= _STILL * before.norm():  # all that waits for the device
            break
    return centroids, number
