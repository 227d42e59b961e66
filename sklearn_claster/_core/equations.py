"""The equations of CLASTER, in the order of the paper, as pure tensor functions.

Gowda, Sevilla-Lara, Keller and Rohrbach, "CLASTER: Clustering with Reinforcement
Learning for Zero-Shot Action Recognition", ECCV 2022. Nothing here has state,
chooses a device or draws a random number. The letters are the paper's: n samples,
p = width of a visual-semantic point, K clusters, S seen classes, C candidates,
s = width of a class embedding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_TIE = 1e-5  # d_max - d_min below this share of d_max counts as a tie: Eq. 1 has no limit there


def pairwise_distances(points: Tensor, centroids: Tensor) -> Tensor:
    """Euclidean distances d_ij = ||psi_i - c_j||, (n, p), (K, p) -> (n, K).

    Squares are expanded, which takes a matrix product: |psi|^2 - 2 psi c + |c|^2. In float32 that
    cannot tell a distance from zero below 3e-4 of the norms, where it stays at that; what Eq. 1
    makes of it is as small.
    """
    squares = torch.linalg.vector_norm(points, dim=1, keepdim=True) ** 2 + (centroids**2).sum(dim=1)
    resolution = torch.finfo(squares.dtype)
    least = resolution.eps * squares + resolution.tiny  # also keeps gradients of the root finite
    # few centroids times many points are faster than the other way round
    expanded = torch.addmm(squares.T, centroids, points.T, alpha=-2.0).T
    return torch.maximum(expanded, least).sqrt()


def distance_weights(distances: Tensor) -> Tensor:
    """Eq. 1, the weights eta_j: 1/d_j, min-max normalised in each row, (n, K) -> (n, K).

    Multiplied out, eta_j = d_min (d_max - d_j) / (d_j (d_max - d_min)), and 1 for the
    nearest centroid. A centroid at distance zero gets 1, and if all distances are
    equal (as with K = 1, where the paper's formula reads 0/0) all weights are 1. Inputs
    are masked, not outputs, so that gradients are finite too.
    """
    nearest, farthest = distances.aminmax(dim=1, keepdim=True)  # (n, 1)
    spread = farthest - nearest
    tied = spread <= _TIE * farthest  # (n, 1)
    one = (distances <= nearest) | tied  # where eta is 1 by definition
    safe_distances = distances.masked_fill(one, 1.0)
    safe_spread = spread.masked_fill(tied, 1.0)
    eta = (nearest / safe_distances) * ((farthest - distances) / safe_spread)
    return eta.masked_fill(one, 1.0)


def claster_representation(points: Tensor, centroids: Tensor, weight: float = 1.0) -> Tensor:
    """Eq. 1, omega_i = psi_i + weight * sum_j eta_ij c_j, (n, p), (K, p) -> (n, p).

    ``weight=1`` follows the paper; 1/K turns the sum into a mean.
    """
    eta = distance_weights(pairwise_distances(points, centroids))
    return torch.addmm(points, eta, centroids, alpha=weight)


def compatibility(projected: Tensor, embeddings: Tensor) -> Tensor:
    """Cosine of every row with every class embedding, (n, s), (C, s) -> (n, C).

    A row shorter than 1e-12 counts as zero: its cosines are 0.
    """
    return F.normalize(projected, dim=1) @ F.normalize(embeddings, dim=1).T


def semantic_softmax(cosines: Tensor, temperature: float) -> Tensor:
    """Eq. 2, z: softmax over classes of cos(V(omega), a(y)) / temperature, (n, C) -> (n, C)."""
    return torch.softmax(cosines / temperature, dim=1)


def reward(probabilities: Tensor, y: Tensor) -> Tensor:
    """Eq. 4, r: +1 where the most probable class is the true one, else -1, (n, S), (n,) -> (n,)."""
    correct = probabilities.argmax(dim=1) == y
    return 2.0 * correct.to(probabilities.dtype) - 1.0


def selection_scale(nearest_distances: Tensor, probability: float = 0.05) -> float:
    """Find the scale s: p_j = `probability` at the median nearest distance (1 if that is 0)."""
    # torch's median is the lower one; the mean of lower and upper is the usual median
    median = float(nearest_distances.median() - (-nearest_distances).median()) / 2.0
    # 2 (1 - sigmoid(t)) = probability  <=>  t = log(2 / probability - 1)
    return median / math.log(2.0 / probability - 1.0) if median > 0.0 else 1.0


def selection_probability(distances: Tensor, scale: float = 1.0) -> Tensor:
    """p_j = 2 (1 - sigmoid(d_j / s)), the chance that the unit at distance d_j fires.

    The paper leaves p_j undefined; this is Likas (1999), "A reinforcement learning
    approach to online clustering", with a scale s so that units do not matter
    (s = 1 is Likas to the letter).
    """
    return 2.0 * torch.sigmoid(-distances / scale)  # = 2 (1 - sigmoid(d / s)), without cancellation


def reinforce_update(
    centroids: Tensor,
    points: Tensor,
    z: Tensor,
    rewards: Tensor,
    alpha: float,
    scale: float = 1.0,
) -> Tensor:
    """Eqs. 4-5: move the nearest centroid of every point by alpha r (z - p_j) (psi - c_j).

    z - p_j is clipped at 0, so that the reward alone sets the direction.

    Parameters
    ----------
    centroids, points : Tensor of shape (K, p), (n, p)
    z : Tensor of shape (n,)
        Probability of the true class.
    rewards : Tensor of shape (n,)
        +1 or -1.
    alpha : float
        Step size, 0 <= alpha <= 1.
    scale : float
        Scale of the selection probability.

    Returns
    -------
    Tensor of shape (K, p)
        New centroids: each one moved by the mean of its points' updates; where it
        wins no point it stays. With K = 1 nothing is ever pushed away: a single
        centroid has no neighbour that could take over its points.
    """
    n_clusters = len(centroids)
    nearest_distance, nearest = pairwise_distances(points, centroids).min(dim=1)  # (n,)
    confidence = (z - selection_probability(nearest_distance, scale)).clamp(min=0.0)
    strength = rewards * confidence  # (n,)
    if n_clusters == 1:
        strength = strength.clamp(min=0.0)
    assigned = F.one_hot(nearest, n_clusters).to(points.dtype)  # (n, K)
    weighted = assigned * strength[:, None]  # (n, K)
    counts = assigned.sum(dim=0).clamp(min=1.0)  # (K,)
    # sum_i w_ij (psi_i - c_j) = (W^T psi)_j - (sum_i w_ij) c_j
    pull = weighted.T @ points - weighted.sum(dim=0)[:, None] * centroids  # (K, p)
    return centroids + alpha * pull / counts[:, None]


def rectify(candidates: Tensor, seen: Tensor, n_neighbors: int) -> Tensor:
    """Eq. 6, a_hat: candidates moved towards their nearest seen classes, (C, s), (S, s) -> (C, s).

    a_hat = a' + 1/k sum over the k nearest seen classes n of cos(a', n) n, on unit rows
    before and after. k is clipped to the number of seen classes; k = 0 returns unit rows.
    """
    candidates, seen = F.normalize(candidates, dim=1), F.normalize(seen, dim=1)
    k = min(n_neighbors, len(seen))
    if k == 0:
        return candidates
    similarity, neighbors = (candidates @ seen.T).topk(k, dim=1)  # (C, k)
    pull = (similarity[:, :, None] * seen[neighbors]).mean(dim=1)  # (C, s)
    return F.normalize(candidates + pull, dim=1)
