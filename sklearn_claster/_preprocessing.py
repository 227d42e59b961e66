"""Centring on the seen data and unit rows: the one scale that every method here works on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

_ROWS_AT_ONCE = 4096


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
