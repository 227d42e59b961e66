"""The input space: centring on the seen data, whitening within classes, unit rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from sklearn.utils import gen_batches

_ROWS_AT_ONCE = 4096
_LEAST_SHRINKAGE = 0.05  # keeps directions without scatter from being blown up


def row_mean(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Mean row, summed in float64, (n, f) -> (f,)."""
    with np.errstate(over="ignore"):
        mean = rows.mean(axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():  # sums above 1.8e308
        scale = np.abs(rows).max()
        mean = (rows / scale).mean(axis=0, dtype=np.float64) * scale
    return mean


def unit_rows(
    rows: NDArray[Any], mean: NDArray[np.float64], dtype: type = np.float32
) -> NDArray[Any]:
    """Rows minus `mean`, each brought to length one; a row that equals the mean stays zero.

    Chunks keep the float64 intermediate small; the division by the largest entry keeps the
    squares from overflowing or vanishing.
    """
    out: NDArray[Any] = np.empty(rows.shape, dtype=dtype)
    for chunk in gen_batches(len(rows), _ROWS_AT_ONCE):
        centred = rows[chunk] / 2.0 - mean / 2.0  # halves: the difference cannot overflow
        largest = np.abs(centred).max(axis=1, keepdims=True, initial=0.0)
        np.divide(centred, largest, out=centred, where=largest > 0.0)
        length = np.linalg.norm(centred, axis=1, keepdims=True)
        out[chunk] = np.divide(centred, length, out=centred, where=length > 0.0)
    return out


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
    def of(cls, X: NDArray[Any], y: NDArray[np.intp] | None = None) -> InputSpace:
        """Learn it from feature rows (n, f); with class codes y (n,) it whitens."""
        mean = row_mean(X)
        if y is None:
            return cls(mean)
        x = unit_rows(X, mean)
        whitening = within_class_whitening(x, y)
        return cls(mean, whitening, row_mean(x) @ whitening)

    def __call__(self, X: NDArray[Any], dtype: type = np.float32) -> NDArray[Any]:
        """Unit rows of feature rows, (n, f) -> (n, f)."""
        rows = unit_rows(X, self.mean, dtype)
        if self.whitening is None or self.whitened_mean is None:
            return rows
        return unit_rows(rows @ self.whitening.astype(dtype), self.whitened_mean, dtype)


def within_class_whitening(x: NDArray[Any], y: NDArray[np.intp]) -> NDArray[np.float64]:
    """A matrix W such that the rows of x W scatter alike in all directions around class means.

    W W^T is the inverse of the rows' covariance within classes, (1 - s) C + s tr(C)/f I, with the
    share s of Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance
    matrices", 2004. It is a triangular matrix, and the identity if classes have no scatter.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
        Class codes.

    Returns
    -------
    ndarray of shape (n_features, n_features)
    """
    n_samples, n_features = x.shape
    class_means = np.zeros((y.max() + 1, n_features))
    np.add.at(class_means, y, x)
    class_means /= np.maximum(np.bincount(y), 1)[:, None]
    scatter, fourth_powers = np.zeros((n_features, n_features)), 0.0
    for rows in gen_batches(n_samples, _ROWS_AT_ONCE):
        residuals = x[rows] - class_means[y[rows]]
        scatter += residuals.T @ residuals
        fourth_powers += ((residuals**2).sum(axis=1) ** 2).sum()
    covariance = scatter / n_samples
    variance = np.trace(covariance) / n_features  # mean over directions
    if variance <= np.finfo(x.dtype).eps ** 2:
        return np.eye(n_features)
    square = (covariance**2).sum()
    error = (fourth_powers / n_samples - square) / n_samples  # of the covariance, squared
    spread = square - n_features * variance**2  # of the eigenvalues, squared
    shrinkage = np.clip(error / spread if spread > 0.0 else 1.0, _LEAST_SHRINKAGE, 1.0)
    shrunk = (1.0 - shrinkage) * covariance + shrinkage * variance * np.eye(n_features)
    lower = cholesky(shrunk / variance, lower=True)
    return solve_triangular(lower, np.eye(n_features), lower=True).T
