"""Centring on the seen data and unit rows, chunk by chunk in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

_ROWS_AT_ONCE = 4096
_NUMBERS_AT_ONCE = 2**17  # their float64 copy fits in a core's cache
_SMALL = 1e-200  # a sum of squares that is far from vanishing


def row_mean(rows: Any) -> NDArray[np.float64]:
    """Mean row, summed in float64, (n, f) -> (f,); of an array on disk too."""
    chunks = list(gen_batches(len(rows), _ROWS_AT_ONCE))
    with np.errstate(over="ignore", invalid="ignore"):
        mean = sum(rows[chunk].sum(axis=0, dtype=np.float64) for chunk in chunks) / len(rows)
    if not np.isfinite(mean).all():  # sums above 1.8e308
        mean = sum((rows[chunk] / len(rows)).sum(axis=0, dtype=np.float64) for chunk in chunks)
    return np.asarray(mean)


def unit_rows(
    rows: NDArray[Any], mean: NDArray[np.float64], dtype: type = np.float32
) -> NDArray[Any]:
    """Rows minus `mean`, each brought to length one; a row that equals the mean stays zero.

    Chunks keep the float64 intermediate in the cache.
    """
    out: NDArray[Any] = np.empty(rows.shape, dtype=dtype)
    n_rows = max(1, _NUMBERS_AT_ONCE // max(1, rows.shape[1]))
    for chunk in gen_batches(len(rows), n_rows):
        with np.errstate(over="ignore", invalid="ignore"):
            centred = rows[chunk] - mean
            squares = np.einsum("ij,ij->i", centred, centred)
        if squares.min() > _SMALL and squares.max() < 1.0 / _SMALL:
            lengths = np.sqrt(squares)[:, None]
            np.divide(centred, lengths, out=out[chunk], casting="same_kind")
        else:
            out[chunk] = _extreme_unit_rows(rows[chunk], mean)
    return out


def _extreme_unit_rows(rows: NDArray[Any], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same where differences or their squares might overflow or vanish."""
    centred = rows * 0.5 - mean / 2.0
    largest = np.abs(centred).max(axis=1, keepdims=True, initial=0.0)
    np.divide(centred, largest, out=centred, where=largest > 0.0)
    length = np.sqrt(np.einsum("ij,ij->i", centred, centred))[:, None]
    return np.divide(centred, length, out=centred, where=length > 0.0)
