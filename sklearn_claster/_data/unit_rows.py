"""Centring on the seen data and unit rows, chunk by chunk in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.utils import gen_batches

from .._utils.warning import warn

_ROWS_AT_ONCE = 4096
_ONE_DIRECTION = 0.95  # real data stay below 0.4, and below 0.95 with a column of heavy tails
_TINY = 1e-200  # a sum of squares far from vanishing
_NUMBERS_AT_ONCE = 2**17  # their float64 copy fits in a core's cache


def row_mean(rows: Any) -> NDArray[np.float64]:
    """Mean row, summed in float64, (n, f) -> (f,); of an array on disk too."""
    chunks = list(gen_batches(len(rows), _ROWS_AT_ONCE))
    return np.asarray(sum(rows[c].sum(axis=0, dtype=np.float64) for c in chunks) / len(rows))


def warn_of_one_direction(center: NDArray[np.float64]) -> None:
    """Warn if nearly all centred rows share a direction, by the mean (f,) of the unit rows."""
    if float(np.linalg.norm(center)) > _ONE_DIRECTION:
        warn(
            "Nearly all rows of X point in one direction once their mean is subtracted. A few rows "
            "that are far longer than the others move the mean so far. Look for broken rows "
            "(np.linalg.norm(X, axis=1)), and leave them out or scale the features."
        )


def unit_rows(
    rows: NDArray[Any], mean: NDArray[np.float64], dtype: type = np.float32
) -> NDArray[Any]:
    """Rows minus `mean`, each brought to length one; a row that equals the mean stays zero.

    Chunks keep the float64 intermediate in the cache.
    """
    out: NDArray[Any] = np.empty(rows.shape, dtype=dtype)
    n_rows = max(1, _NUMBERS_AT_ONCE // max(1, rows.shape[1]))
    for chunk in gen_batches(len(rows), n_rows):
        centred = rows[chunk] - mean
        squares = np.einsum("ij,ij->i", centred, centred)
        if squares.min() < _TINY or squares.max() > 1.0 / _TINY:  # some vanish or overflow
            largest = np.abs(centred).max(axis=1, keepdims=True)
            centred /= np.where(largest > 0.0, largest, 1.0)
            squares = np.einsum("ij,ij->i", centred, centred)
        lengths = np.sqrt(np.where(squares > 0.0, squares, 1.0))[:, None]
        np.divide(centred, lengths, out=out[chunk], casting="same_kind")
    return out


def class_sums(rows: NDArray[Any], y: NDArray[np.intp], n_classes: int) -> NDArray[np.float64]:
    """Sum of the rows of every class, (n, f), (n,) -> (S, f), in float64."""
    ones, at = np.ones(len(y)), np.arange(len(y))
    return np.asarray(csr_array((ones, (y, at)), shape=(n_classes, len(y))) @ rows)


def mean_samples(x: NDArray[Any], y: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the mean sample of every class, (n, f), (n,) -> (S, f), in float64."""
    counts = np.bincount(y)
    return class_sums(x, y, len(counts)) / counts[:, None]


def directions(rows: NDArray[Any], dtype: type = np.float64) -> NDArray[Any]:
    """Rows of length one; a zero row stays zero."""
    return unit_rows(rows, np.zeros(rows.shape[1]), dtype)
