"""Whitening within the seen classes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from .._data.rows import Rows

LEAST_SHRINKAGE = 0.05  # keeps directions without scatter from being blown up


@dataclass(frozen=True)
class Scatter:
    """How rows scatter around the means of their classes.

    Attributes
    ----------
    sums : Tensor of shape (n_features, n_features), float64
        Sum of outer products.
    n_samples : int
        Number of rows.
    fourth_powers : float
        Sum of the fourth powers of the rows' distances from their means.
    resolution : float
        Machine epsilon of the rows.
    n_dimensions : int
        Of the space that the rows lie in: more than n_features where the others are left out, in
        which no row differs from another.
    """

    sums: Tensor
    n_samples: int
    fourth_powers: float
    resolution: float
    n_dimensions: int

    @classmethod
    def of(cls, x: Rows, y: Tensor, means: Tensor, n_dimensions: int | None = None) -> Scatter:
        """Of rows (n, f) with codes y (n,) and class means (S, f)."""
        sums = means.new_zeros(means.shape[1], means.shape[1])
        fourth_powers, resolution = means.new_zeros(()), 0.0
        for values, rows in x.blocks():
            own = means.to(values.device, values.dtype).index_select(0, y[rows])
            residuals = torch.sub(values, own, out=own)
            distances = torch.linalg.vector_norm(residuals, dim=1)
            fourth_powers += (distances**4).sum().to(means.device)
            resolution = torch.finfo(values.dtype).eps
            sums += (residuals.T @ residuals).to(means.device)  # adds in float64
        return cls(sums, len(x), float(fourth_powers), resolution, n_dimensions or len(sums))

    def covariance(self) -> Tensor:
        """Return the covariance within classes over its mean variance, (f, f).

        The identity if classes have no scatter.
        """
        size = float(self.sums.trace()) / self.n_dimensions  # mean over directions
        if size <= self.n_samples * self.resolution**2:
            return _identity_like(self.sums)
        return self.sums / size

    def shrinkage(self) -> float:
        """Return the share of the identity that makes the covariance well-conditioned, 0.05 to 1.

        From Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance
        matrices", 2004.
        """
        square = float(torch.linalg.matrix_norm(self.sums)) ** 2
        trace = float(self.sums.trace())
        # of the covariance, and of its eigenvalues, squared; both times n_samples**2
        error = self.fourth_powers - square / self.n_samples
        spread = square - trace**2 / self.n_dimensions
        share = error / spread if spread > 0.0 else 1.0
        return min(max(share, LEAST_SHRINKAGE), 1.0)


@contextmanager
def room_for_whitening(n_features: int) -> Iterator[None]:
    """Around what makes matrices of f x f: without memory for them, an error with the cure.

    Raises
    ------
    MemoryError
        In place of what NumPy and torch, which has a RuntimeError for each device, raise.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise MemoryError(
            f"There is no memory for whitening {n_features:,} features, which takes matrices of "
            f"{n_features:,} x {n_features:,} in float64, {8e-9 * n_features**2:,.1f} GB each. Set "
            "whiten=False, or reduce the features before (PCA)."
        ) from error


def whitening_matrix(covariance: Tensor, shrinkage: float) -> Tensor:
    """W = L^-T, upper triangular, (f, f), with L the lower Cholesky factor of (1 - s) C + s I.

    Rows times W scatter alike.
    """
    shrunk = (1.0 - shrinkage) * covariance
    shrunk.diagonal().add_(shrinkage)
    root = torch.linalg.cholesky(shrunk)
    identity = _identity_like(covariance)
    return torch.linalg.solve_triangular(root, identity, upper=False).T.contiguous()


def _identity_like(matrix: Tensor) -> Tensor:
    return torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
