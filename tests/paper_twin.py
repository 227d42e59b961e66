"""The CLASTER paper's equations a second time: NumPy float64, plain loops, no package code.

Written from the text and the readings of it that the docs list, not from the package's code,
so that agreement between the two means something. Slow on purpose.
"""

import math

import numpy as np

TIE = 1e-12


def distances(points, centroids):
    """Euclidean distance of every point to every centroid: ``d_ij = ||psi_i - c_j||_2``."""
    points, centroids = np.asarray(points, float), np.asarray(centroids, float)
    result = np.empty((len(points), len(centroids)))
    for i, point in enumerate(points):
        for j, centroid in enumerate(centroids):
            result[i, j] = math.hypot(*(point - centroid))
    return result


def distance_weights(distances):
    """Eq. 1: ``eta_j = (1/d_j - min_k 1/d_k) / (max_k 1/d_k - min_k 1/d_k)``, row by row.

    Limits: the nearest gets 1; distance zero gets 1 (and every d > 0 beside it 0);
    ``d_max - d_min <= 1e-12 d_max``, K = 1 included, gives 1 to all.
    """
    distances = np.asarray(distances, float)
    weights = np.empty_like(distances)
    for i, row in enumerate(distances):
        low, high = min(row), max(row)
        for j, d in enumerate(row):
            if high - low <= TIE * high or d == low:
                weights[i, j] = 1.0
            elif low == 0:
                weights[i, j] = 0.0
            else:
                weights[i, j] = (1 / d - 1 / high) / (1 / low - 1 / high)
    return weights


def claster_representation(points, centroids, weight=1.0):
    """Eq. 1: ``omega_i = psi_i + weight * sum_j eta_ij c_j``; weight = 1 is the paper."""
    points, centroids = np.asarray(points, float), np.asarray(centroids, float)
    weights = distance_weights(distances(points, centroids))
    result = points.copy()
    for i in range(len(points)):
        for j in range(len(centroids)):
            result[i] += weight * weights[i, j] * centroids[j]
    return result


def _unit(vector):
    """``v / ||v||``; the zero vector has no direction and stays zero."""
    vector = np.asarray(vector, float)
    largest = max(abs(vector), default=0.0)
    if largest == 0:
        return vector.copy()
    vector = vector / largest
    return vector / math.hypot(*vector)


def semantic_softmax(projected, embeddings, temperature):
    """Eq. 2: ``S(y) = exp(cos(V(omega), a(y)) / T) / sum_y' exp(cos(V(omega), a(y')) / T)``."""
    result = np.empty((len(projected), len(embeddings)))
    for i, vector in enumerate(projected):
        logits = [float(_unit(vector) @ _unit(row)) / temperature for row in embeddings]
        exps = [math.exp(logit - max(logits)) for logit in logits]
        result[i] = [value / math.fsum(exps) for value in exps]
    return result


def reward(probabilities, targets):
    """``r = +1`` if the true class has the largest probability, ``-1`` if not."""
    return np.array(
        [
            1.0 if int(np.argmax(row)) == target else -1.0
            for row, target in zip(probabilities, targets, strict=True)
        ]
    )


def selection_scale(nearest_distances):
    """The s with ``2 (1 - sigmoid(median / s)) = 0.05``: ``median / ln(0.975 / 0.025)``, or 1."""
    median = float(np.median(nearest_distances))
    return median / math.log(0.975 / 0.025) if median > 0 else 1.0


def selection_probability(distance, scale=1.0):
    """``p = 2 (1 - sigmoid(d / s))`` (Likas 1999, s = 1)."""
    ratio = np.asarray(distance, float) / scale
    return 2 * np.exp(-ratio) / (1 + np.exp(-ratio))


def _step(centroids, point, z, r, alpha, scale):
    """The winner and ``delta c = alpha r (z - p)(psi - c)``, Eqs. 4-5, of one sample.

    z - p is cut at 0; a single centroid is never repelled.
    """
    row = distances([point], centroids)[0]
    winner = int(np.argmin(row))
    advantage = max(float(z) - float(selection_probability(row[winner], scale)), 0.0)
    coefficient = alpha * r * advantage
    if len(centroids) == 1:
        coefficient = max(coefficient, 0.0)
    return winner, coefficient * (np.asarray(point, float) - centroids[winner])


def reinforce_sequential(centroids, points, z, rewards, alpha, scale=1.0):
    """Eqs. 4-5: ``c_j <- c_j + alpha r (z - p_j)(psi - c_j)``, j nearest, sample after sample."""
    centroids = np.array(centroids, float)
    for point, z_i, r_i in zip(points, z, rewards, strict=True):
        winner, delta = _step(centroids, point, z_i, r_i, alpha, scale)
        centroids[winner] = centroids[winner] + delta
    return centroids


def reinforce_batch(centroids, points, z, rewards, alpha, scale=1.0):
    """Eqs. 4-5 with ``c_j <- c_j + mean of delta c_j`` over the samples nearest to the old c_j."""
    old = np.array(centroids, float)
    new = old.copy()
    steps = [
        _step(old, point, z_i, r_i, alpha, scale)
        for point, z_i, r_i in zip(points, z, rewards, strict=True)
    ]
    for j in range(len(old)):
        deltas = [delta for winner, delta in steps if winner == j]
        if deltas:
            new[j] = old[j] + sum(deltas) / len(deltas)
    return new


def rectify(candidates, seen, n_neighbors):
    """Eq. 6: ``a_hat = a' + 1/k sum over the k nearest seen n of cos(a', n) n``.

    Unit rows before and after; k is clipped to the number of seen classes; k = 0 gives unit rows.
    """
    units = [_unit(row) for row in seen]
    k = min(n_neighbors, len(units))
    result = np.empty(np.shape(candidates))
    for i, candidate in enumerate(candidates):
        rectified = candidate = _unit(candidate)
        cosines = [float(candidate @ unit) for unit in units]
        for j in sorted(range(len(units)), key=lambda j: -cosines[j])[:k]:
            rectified = rectified + cosines[j] * units[j] / k
        result[i] = _unit(rectified)
    return result


def ridge(a, targets, weights, largest=2):
    """Weighted ridge regression, (S, s), (S, f) -> (f, s), (f,): coefficients and a free intercept.

    The penalty, a power of ten from 1e-4 to 10^largest, has the least squared error on rows that
    are left out one at a time.
    """

    def solve(rows, penalty):
        a_mean, mean = (np.average(v[rows], axis=0, weights=weights[rows]) for v in (a, targets))
        weighted = (a[rows] - a_mean) * weights[rows, None]
        matrix = weighted.T @ (a[rows] - a_mean) + penalty * np.eye(a.shape[1])
        found = np.linalg.solve(matrix, weighted.T @ (targets[rows] - mean)).T
        return found, mean - found @ a_mean

    errors = {}
    for penalty in 10.0 ** np.arange(-4, largest + 1):
        errors[penalty] = 0.0
        for i in range(len(a)):
            others = np.delete(np.arange(len(a)), i)
            found, intercept = solve(others, penalty)
            residual = targets[i] - found @ a[i] - intercept
            errors[penalty] += weights[i] * float(residual @ residual)
    return solve(np.arange(len(a)), min(errors, key=errors.get))


def _counts(clusters, y):
    """How often every (cluster, class) pair occurs."""
    counts = {}
    for pair in zip(np.asarray(clusters).tolist(), np.asarray(y).tolist(), strict=True):
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def cluster_purity(clusters, y):
    """Eq. 7: ``1/N sum over clusters of max over classes |cluster & class|``."""
    largest = {}
    for (cluster, _), count in _counts(clusters, y).items():
        largest[cluster] = max(largest.get(cluster, 0), count)
    return sum(largest.values()) / len(y)


def class_purity(clusters, y):
    """Eq. 7 inverted: ``1/N sum over classes of max over clusters |cluster & class|``."""
    largest = {}
    for (_, label), count in _counts(clusters, y).items():
        largest[label] = max(largest.get(label, 0), count)
    return sum(largest.values()) / len(y)


def within_class_whitening(rows, labels):
    """W with W W^T the inverse of the shrunk covariance within classes.

    The share of the identity is that of Ledoit and Wolf (2004), and at least 0.05.
    """
    residuals = np.array(
        [row - rows[labels == label].mean(axis=0) for row, label in zip(rows, labels, strict=True)]
    )
    n_features = rows.shape[1]
    covariance = sum(np.outer(r, r) for r in residuals) / len(residuals)
    target = np.trace(covariance) / n_features * np.eye(n_features)
    if np.allclose(residuals, 0, atol=1e-7):
        return np.eye(n_features)
    distance = np.sum((covariance - target) ** 2)
    error = sum(np.sum((np.outer(r, r) - covariance) ** 2) for r in residuals) / len(residuals) ** 2
    share = max(0.05, min(error, distance) / distance) if distance > 0 else 1.0
    shrunk = (1 - share) * covariance + share * target
    return np.linalg.inv(np.linalg.cholesky(shrunk)).T * np.sqrt(target[0, 0])
