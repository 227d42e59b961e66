"""Whitening within the seen classes, and how much of it held-out classes bear."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .._data.rows import Rows
from .._utils.torch import seeded_generator, to_numpy
from .ridge import fit_ridge

LEAST_SHRINKAGE = 0.05  # keeps directions without scatter from being blown up
WEAKER = (0.9, 1.0)  # shrinkages to compare with that of Ledoit and Wolf; 1: not whitened
N_FOLDS = 3
ROWS_A_CLASS = 40  # about as many, to compare with
STANDARD_ERRORS = 2.5  # that a gain has to exceed: the larger of two is looked at


@dataclass(frozen=True)
class Scatter:
    """How rows scatter around the means of their classes, in each fold of the classes.

    Attributes
    ----------
    sums : Tensor of shape (n_folds, n_features, n_features), float64
        Sums of outer products.
    total : Tensor of shape (n_features, n_features), float64
        The sum over folds.
    folds : ndarray of shape (n_classes,)
        The fold of every class.
    counts : Tensor of shape (n_folds,), float64
        Numbers of rows.
    fourth_powers : float
        Sum of the fourth powers of the rows' distances from their means.
    resolution : float
        Machine epsilon of the rows.
    """

    sums: Tensor
    total: Tensor
    folds: NDArray[np.intp]
    counts: Tensor
    fourth_powers: float
    resolution: float

    @classmethod
    def of(cls, x: Rows, y: Tensor, means: Tensor, folds: NDArray[np.intp]) -> Scatter:
        """Of rows (n, f) with codes y (n,), class means (S, f) and folds of the classes (S,)."""
        n_folds, n_features = int(folds.max()) + 1, means.shape[1]
        sums = means.new_zeros(n_folds, n_features, n_features)
        counts = means.new_zeros(n_folds)
        fourth_powers, resolution = means.new_zeros(()), 0.0
        fold_of = torch.as_tensor(folds, device=y.device)
        for values, rows in x.blocks():
            own = means.to(values.device, values.dtype).index_select(0, y[rows])
            residuals = torch.sub(values, own, out=own)
            distances = torch.linalg.vector_norm(residuals, dim=1)
            fourth_powers += (distances**4).sum().to(means.device)
            resolution = torch.finfo(values.dtype).eps
            where = fold_of[y[rows]]
            for fold in range(n_folds):
                part = residuals if n_folds == 1 else residuals[where == fold]
                sums[fold] += gram(part).to(means.device)  # adds in float64
                counts[fold] += len(part)
        total = sums[0] if n_folds == 1 else sums.sum(dim=0)
        return cls(sums, total, folds, counts, float(fourth_powers), resolution)

    def covariance(self, without: int | None = None, dtype: torch.dtype = torch.float64) -> Tensor:
        """The covariance within classes, of all folds or all but one, over its mean variance.

        The identity if classes have no scatter, (f, f).
        """
        n_samples, sums = float(self.counts.sum()), torch.empty_like(self.total, dtype=dtype)
        if without is None:
            sums.copy_(self.total)
        else:
            n_samples -= float(self.counts[without])
            torch.sub(self.total, self.sums[without], out=sums)
        size = float(sums.trace()) / len(sums)  # mean over directions
        if size <= n_samples * self.resolution**2:
            return _identity_like(sums)
        return sums.div_(size)

    def shrinkage(self) -> float:
        """The share of the identity that makes the covariance well-conditioned, 0.05 to 1.

        From Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance
        matrices", 2004.
        """
        n_features, n_samples = self.sums.shape[1], float(self.counts.sum())
        square = float(torch.linalg.matrix_norm(self.total)) ** 2
        trace = float(self.total.trace())
        # of the covariance, and of its eigenvalues, squared; both times n_samples**2
        error = self.fourth_powers - square / n_samples
        spread = square - trace**2 / n_features
        share = error / spread if spread > 0.0 else 1.0
        return min(max(share, LEAST_SHRINKAGE), 1.0)


def shrunk(covariance: Tensor, shrinkage: float) -> Tensor:
    """(1 - s) C + s I, (f, f)."""
    matrix = (1.0 - shrinkage) * covariance
    matrix.diagonal().add_(shrinkage)
    return matrix


def whitening_matrix(covariance: Tensor, shrinkage: float) -> Tensor:
    """W = L^-T, upper triangular, (f, f), with L the lower Cholesky factor of `shrunk`.

    Rows times W scatter alike.
    """
    identity = _identity_like(covariance)
    if shrinkage == 1.0:
        return identity
    root = torch.linalg.cholesky(shrunk(covariance, shrinkage))
    return torch.linalg.solve_triangular(root, identity, upper=False).T.contiguous()


def gram(rows: Tensor) -> Tensor:
    """`rows.T @ rows`, (n, f) -> (f, f); what lies below the diagonal blocks is copied."""
    products = rows.new_empty(rows.shape[1], rows.shape[1])
    for here in _column_blocks(rows.shape[1]):
        above = rows[:, : here.stop].T @ rows[:, here]
        products[: here.stop, here] = above
        products[here, : here.start] = above[: here.start].T
    return products


def times_upper_triangle(rows: Tensor, triangle: Tensor) -> Tensor:
    """`rows @ triangle`, (n, f), (f, f) -> (n, f), without the zeros below its diagonal blocks."""
    products = rows.new_empty(rows.shape)
    for here in _column_blocks(len(triangle)):
        torch.mm(rows[:, : here.stop], triangle[: here.stop, here], out=products[:, here])
    return products


def _column_blocks(n_columns: int) -> Iterator[slice]:
    """Eight at most, none narrower than 256: narrow products are slow."""
    width = max(256, -(-n_columns // 8))
    for start in range(0, n_columns, width):
        yield slice(start, min(start + width, n_columns))


def _identity_like(matrix: Tensor) -> Tensor:
    return torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)


def class_folds(n_classes: int, seed: int) -> NDArray[np.intp]:
    """A random fold for every class, (S,)."""
    return np.random.RandomState(seed).permutation(n_classes) % N_FOLDS


def held_out_accuracies(
    shrinkages: list[float],
    scatter: Scatter,
    x: Rows,  # (n, f)
    y: Tensor,  # (n,)
    means: Tensor,  # (S, f)
    embeddings: NDArray[Any],  # (S, s)
    seed: int,
) -> NDArray[np.float64]:
    """Zero-shot accuracy of every class with rows in a sample, (n_shrinkages, S at most).

    Each fold of the classes is held out: their means are predicted from their embeddings, by a
    ridge regression over the other classes, and their rows take the nearest one, all whitened by
    the scatter of the other classes.
    """
    values, rows = next(x.batches(ROWS_A_CLASS * len(means), seeded_generator(seed)))
    values, codes = values.to(means.device), to_numpy(y[rows])
    hits = np.zeros((len(shrinkages), len(means)))
    for fold in range(N_FOLDS):
        is_held = scatter.folds == fold
        held, kept = np.flatnonzero(is_held), np.flatnonzero(~is_held)
        ridge = fit_ridge(embeddings[kept], to_numpy(means[kept]))
        predicted = ridge.predict(embeddings[held]).reshape(len(held), -1)  # (., f)
        inside = np.flatnonzero(np.isin(codes, held))
        centre = means[kept].mean(dim=0).to(values)
        centred = values[inside] - centre  # (., f)
        prototypes = (torch.from_numpy(predicted).to(values) - centre).T  # (f, .)
        covariance = scatter.covariance(without=fold, dtype=values.dtype)
        for i, shrinkage in enumerate(shrinkages):
            towards = prototypes
            if shrinkage < 1.0:
                # .mT changes nothing of a symmetric matrix, and spares LAPACK a transposed copy
                towards = torch.linalg.solve(shrunk(covariance, shrinkage).mT, prototypes)
            squares = (prototypes * towards).sum(dim=0)  # of the whitened prototypes' lengths
            scale = squares.clamp(min=torch.finfo(squares.dtype).tiny).rsqrt()
            cosines = centred @ (towards * scale)  # times a row's length, which moves no maximum
            right = held[to_numpy(cosines.argmax(dim=1))] == codes[inside]
            hits[i] += np.bincount(codes[inside], right, len(means))
    found = np.bincount(codes, minlength=len(means))
    return hits[:, found > 0] / found[found > 0]


def clear_choice(accuracies: NDArray[np.float64]) -> int:
    """Which row of accuracies (n_choices, n_classes) to take: the first, unless another is better.

    The best has to be ahead of the first by 2.5 standard errors, of the mean difference over
    classes. Then the last row is taken that is not behind the best by more than one.
    """
    n_classes = accuracies.shape[1]
    best = int(accuracies.mean(axis=1).argmax())
    if n_classes < 2 or best == 0:
        return 0
    behind = accuracies[best] - accuracies
    errors = behind.std(axis=1, ddof=1) / math.sqrt(n_classes)
    if behind[0].mean() <= STANDARD_ERRORS * errors[0]:
        return 0
    return int(np.flatnonzero(behind.mean(axis=1) <= errors)[-1])
