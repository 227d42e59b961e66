"""CLASTER as plain torch loops: the same arithmetic and step counts, and nothing around it.

Written from the description of the method, with no import from the package; no checks, no
callbacks, no history, no classes. What the estimator costs beyond this is its overhead.
"""

import math
from itertools import pairwise

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.linear_model import RidgeCV
from torch.nn import functional as F

ROWS = 4096  # of a block in predict


def network(widths):
    """Dense layers with ReLU between them, as torch starts them."""
    layers = []
    for a, b in pairwise(widths):
        layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def step(adam, loss):
    adam.zero_grad(set_to_none=True)
    loss.backward()
    adam.step()


def distances(psi, centroids):
    """From |a|^2 - 2 a b + |b|^2."""
    squares = psi.norm(dim=1, keepdim=True).square() + centroids.square().sum(dim=1)
    return (squares - 2.0 * (psi @ centroids.T)).clamp(min=1e-6).sqrt()


def omega(psi, centroids):
    """Eq. 1: distances, min-max normalised inverses, weighted sum of centroids."""
    d = distances(psi, centroids)
    near, far = d.min(dim=1, keepdim=True).values, d.max(dim=1, keepdim=True).values
    eta = near * (far - d) / (d * (far - near).clamp(min=1e-12))
    return psi + (eta @ centroids) / len(centroids), d


def whitening(x, y, means):
    """Inverse triangle of the shrunk covariance within classes (Ledoit and Wolf)."""
    residuals = (x - means[y]).double()
    n, f = residuals.shape
    covariance = residuals.T @ residuals / n
    variance = covariance.trace() / f
    square = covariance.square().sum()
    error = (residuals.square().sum(dim=1).square().mean() - square) / n
    share = (error / (square - f * variance**2)).clamp(0.05, 1.0)
    eye = torch.eye(f, dtype=torch.float64, device=x.device)
    lower = torch.linalg.cholesky((1 - share) * covariance / variance + share * eye)
    return torch.linalg.solve_triangular(lower, eye, upper=False).T


def class_means(x, y, n_classes):
    sums = torch.zeros(n_classes, x.shape[1], device=x.device).index_add_(0, y, x)
    counts = torch.bincount(y, minlength=n_classes)
    return sums / counts[:, None], counts / len(y)


def ridge(a, means, shares, device):
    """A linear map from class vectors to class means, (f, s)."""
    a, means, shares = (tensor.double().cpu().numpy() for tensor in (a, means, shares))
    found = RidgeCV(np.logspace(-4, 2, 7)).fit(a, means, len(a) * shares)
    return torch.tensor(found.coef_, dtype=torch.float32, device=device)


def fit(X, y, vectors, hidden=(512, 512), *, batch=256, epochs=10, n_clusters=6, device="cpu"):
    """Learn from rows (n, f), class codes (n,) and class vectors (S, s); all that predict needs."""
    x, y = torch.tensor(X, dtype=torch.float32, device=device), torch.as_tensor(y, device=device)
    mean, n_classes = x.mean(dim=0), len(vectors)
    x = F.normalize(x - mean, dim=1)
    W = whitening(x, y, class_means(x, y, n_classes)[0]).float()
    mean2 = x.mean(dim=0) @ W
    x = F.normalize(x @ W - mean2, dim=1)
    a = torch.tensor(vectors, dtype=torch.float32, device=device)
    a_mean = a.mean(dim=0)
    a = F.normalize(a - a_mean, dim=1)
    f, s, order = x.shape[1], a.shape[1], torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(0)
        widths = [(s, *hidden, f), (f, *hidden, f), (2 * f, *hidden, s)]
        project, estimate, classify = (network(w).to(device) for w in widths)
        for parameter in project[-1].parameters():
            parameter.data *= 0.1

    def adam(net, decay, faster=1.0):
        return torch.optim.Adam(net.parameters(), 1e-3 * faster, weight_decay=decay, fused=True)

    def batches():
        rows = torch.randperm(len(x), generator=order).to(device)
        return rows.tensor_split(-(-len(x) // batch))

    means, shares = class_means(x, y, n_classes)
    linear = ridge(a, means, shares, device)
    means = means - a @ linear.T
    n_steps = min(300, max(100, 10 * n_classes))
    optimiser = adam(project, 3e-3, 300 / n_steps)
    for _ in range(n_steps):
        step(optimiser, (shares[:, None] * (project(a) - means) ** 2).sum())
    with torch.no_grad():
        targets = a @ linear.T + project(a)
        targets /= (shares * targets.square().sum(dim=1)).sum().sqrt()
    optimiser = adam(estimate, 0.0)
    for _ in range(10):
        for rows in batches():
            error = estimate(x.index_select(0, rows)) - targets[y[rows]]
            step(optimiser, error.square().sum(dim=1).mean())
    with torch.no_grad():
        psi = torch.cat([x, estimate(x)], dim=1)
        k_means = KMeans(n_clusters, n_init=1, random_state=0)
        k_means.fit(torch.cat([x, targets[y]], dim=1).cpu().numpy())
        centroids = torch.tensor(k_means.cluster_centers_, dtype=torch.float32, device=device)
        nearest = omega(psi, centroids)[1].min(dim=1).values
        width = float(nearest.median()) / math.log(2.0 / 0.05 - 1.0)
    optimiser = adam(classify, 5e-4)
    n_steps = epochs * -(-len(x) // batch)
    n_warm_up = math.ceil(n_steps / 2)
    for done, rows in enumerate(rows for _ in range(epochs) for rows in batches()):
        point, target = psi.index_select(0, rows), y[rows]
        logits = F.normalize(classify(omega(point, centroids)[0]), dim=1) @ a.T / 0.1
        step(optimiser, F.cross_entropy(logits, target))
        if done >= n_warm_up:
            share = (done - n_warm_up) / (n_steps - n_warm_up)
            alpha = 0.1 if share < 0.1 else 0.01 if share < 0.2 else 0.001
            centroids = rewarded(centroids, point, logits.detach(), target, alpha, width)
    return mean, W, mean2, a_mean, linear, project, estimate, classify, centroids


def rewarded(centroids, psi, logits, y, alpha, width):
    """Eqs. 4-5: the nearest centroid of every point moves by what its decision earned."""
    z = torch.softmax(logits, dim=1)
    reward = torch.where(z.argmax(dim=1) == y, 1.0, -1.0)
    distance, nearest = distances(psi, centroids).min(dim=1)
    chance = 2.0 * torch.sigmoid(-distance / width)
    strength = reward * (z.gather(1, y[:, None])[:, 0] - chance).clamp(min=0.0)
    own = F.one_hot(nearest, len(centroids)).to(psi.dtype)
    pull = (own * strength[:, None]).T @ psi
    pull -= (own * strength[:, None]).sum(dim=0)[:, None] * centroids
    return centroids + alpha * pull / own.sum(dim=0).clamp(min=1.0)[:, None]


@torch.inference_mode()
def predict(model, X, vectors, prior=False):
    """Positions of the best of unseen candidates (C, s) for rows (n, f), in blocks of rows.

    With `prior` the plain cosine of rows less most of their mean counts as much.
    """
    mean, W, mean2, a_mean, linear, project, estimate, classify, centroids = model
    vectors = torch.tensor(vectors, dtype=torch.float32, device=mean.device)
    candidates = F.normalize(vectors - a_mean, dim=1)
    visual = candidates @ linear.T + project(candidates)
    visual = F.normalize(torch.cat([visual, visual], dim=1), dim=1)
    plain, best = F.normalize(vectors, dim=1), []
    for rows in torch.as_tensor(X).split(ROWS):
        rows = rows.to(mean.device)
        x = F.normalize(F.normalize(rows - mean, dim=1) @ W - mean2, dim=1)
        phi = estimate(x)
        moved, _ = omega(torch.cat([x, phi], dim=1), centroids)
        score = 0.05 * F.normalize(classify(moved), dim=1) @ candidates.T
        score += 0.95 * F.normalize(torch.cat([10.0 * x, phi], dim=1), dim=1) @ visual.T
        if prior:
            score += F.normalize(rows - 0.9 * mean, dim=1) @ plain.T
        best.append(score.argmax(dim=1))
    return torch.cat(best).cpu().numpy()
