"""The input space: unit rows around the seen data's centre, whitened within the seen classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ._on_disk import ArrayOnDisk
from ._preprocessing import row_mean, unit_rows
from ._rows import Rows, RowsInMemory, RowsOnDisk
from ._torch_utils import exact_device, to_numpy

_LEAST_SHRINKAGE = 0.05  # keeps directions without scatter from being blown up
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class InputSpace:
    """From feature rows to unit rows: centred, and whitened within classes if `whitening` is given.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
        Mean of the training rows.
    whitening : ndarray of shape (n_features, n_features) or None
        What centred unit rows are multiplied by.
    whitened_mean : ndarray of shape (n_features,) or None
        Mean of the training rows after that.
    """

    mean: NDArray[np.float64]
    whitening: NDArray[np.float64] | None = None
    whitened_mean: NDArray[np.float64] | None = None

    @classmethod
    def fit(cls, X: Any, y: Any = None, device: torch.device = _CPU) -> tuple[InputSpace, Rows]:
        """Learn it from feature rows (n, f), and bring them there.

        With class codes y (n,) it whitens. Rows on disk stay there.
        """
        centred = cls(row_mean(X))
        to_unit_rows = centred.on(device)
        x: Rows
        if isinstance(X, ArrayOnDisk):
            x = RowsOnDisk(X, to_unit_rows)
        else:
            x = RowsInMemory(to_unit_rows(X))
        if y is None:
            return centred, x
        y = torch.as_tensor(y, device=device)
        n_classes = int(y.max()) + 1
        means, shares = class_means(x, y, n_classes)
        whitening = within_class_whitening(x, y, means)
        space = cls(centred.mean, to_numpy(whitening), to_numpy(shares @ means @ whitening))
        whiten = space._whitener(device, np.float32)
        return space, x.map(lambda values, _: whiten(values))

    def on(self, device: torch.device, dtype: type = np.float32) -> Callable[[Any], Tensor]:
        """What brings feature rows there, (n, f) -> (n, f), with constants on the device."""
        whiten = self._whitener(device, dtype)

        def to_unit_rows(X: NDArray[Any]) -> Tensor:
            return whiten(torch.from_numpy(unit_rows(X, self.mean, dtype)).to(device))

        return to_unit_rows

    def __call__(self, X: NDArray[Any], dtype: type = np.float32) -> NDArray[Any]:
        """Unit rows of feature rows, (n, f) -> (n, f), on the CPU."""
        return to_numpy(self.on(_CPU, dtype)(X))

    def _whitener(self, device: torch.device, dtype: type) -> Callable[[Tensor], Tensor]:
        if self.whitening is None or self.whitened_mean is None:
            return lambda x: x
        whitening, mean = (
            torch.from_numpy(array.astype(dtype)).to(device)
            for array in (self.whitening, self.whitened_mean)
        )
        return lambda x: F.normalize((x @ whitening).sub_(mean), dim=1)


def class_means(x: Rows, y: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
    """Mean of every class, (S, f), and its share of the samples, (S,), in float64."""
    where = exact_device(y.device)
    counts = torch.bincount(y.to(where), minlength=n_classes).to(torch.float64)
    sums: Any = 0.0
    for values, rows in x.blocks():
        part = values.new_zeros(n_classes, values.shape[1]).index_add_(0, y[rows], values)
        sums = sums + part.to(where, torch.float64)
    return sums / counts[:, None], counts / counts.sum()


def within_class_whitening(x: Rows, y: Tensor, means: Tensor) -> Tensor:
    """A matrix W such that the rows of x W scatter alike in all directions around class means.

    W W^T is the inverse of the rows' covariance within classes, (1 - s) C + s tr(C)/f I, with the
    share s of Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance
    matrices", 2004. It is a triangular matrix, and the identity if classes have no scatter.

    Parameters
    ----------
    x : Rows of shape (n_samples, n_features)
    y : Tensor of shape (n_samples,)
        Class codes.
    means : Tensor of shape (n_classes, n_features)
        Class means, in float64.

    Returns
    -------
    Tensor of shape (n_features, n_features), float64
    """
    n_samples, n_features = len(x), means.shape[1]
    scatter = torch.zeros(n_features, n_features, dtype=torch.float64, device=means.device)
    fourth_powers, epsilon = 0.0, 0.0
    for values, rows in x.blocks():
        residuals = values - means.to(values.device, values.dtype)[y[rows]]
        scatter += (residuals.T @ residuals).to(means.device, torch.float64)
        fourth_powers += float(((residuals**2).sum(dim=1) ** 2).sum())
        epsilon = torch.finfo(values.dtype).eps
    covariance = scatter.div_(n_samples)  # in place: copies of it take as long as its products
    variance = float(covariance.trace()) / n_features  # mean over directions
    identity = torch.eye(n_features, dtype=torch.float64, device=means.device)
    if variance <= epsilon**2:
        return identity
    square = float(torch.linalg.matrix_norm(covariance)) ** 2
    error = (fourth_powers / n_samples - square) / n_samples  # of the covariance, squared
    spread = square - n_features * variance**2  # of the eigenvalues, squared
    shrinkage = min(max(error / spread if spread > 0.0 else 1.0, _LEAST_SHRINKAGE), 1.0)
    shrunk = covariance.mul_((1.0 - shrinkage) / variance)
    shrunk.diagonal().add_(shrinkage)
    lower = torch.linalg.cholesky(shrunk)
    return torch.linalg.solve_triangular(lower, identity, upper=False).T.contiguous()
