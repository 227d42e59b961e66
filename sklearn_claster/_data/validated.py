"""Samples of an estimator, checked: whole in `fit`, block by block afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, gen_batches
from sklearn.utils.validation import validate_data

from .._utils.samples import check_samples
from .on_disk import ArrayOnDisk, on_disk, read_whole

FLOATS = (np.float64, np.float32, np.float16)  # anything else becomes the first


def validated(estimator: BaseEstimator, X: Any, n_rows: int, *, in_parts: bool) -> Any:
    """Training samples (n, f); an array on disk is read whole unless `in_parts`, then in blocks."""
    X = (on_disk if in_parts else read_whole)(check_samples(X))
    if not isinstance(X, ArrayOnDisk):
        return validate_data(estimator, X, dtype=FLOATS)
    validate_data(estimator, X, skip_check_array=True)
    for rows in gen_batches(len(X), n_rows):
        check_array(X[rows], dtype=FLOATS, estimator=estimator, input_name="X")
    return X


def validated_blocks(estimator: BaseEstimator, X: Any, n_rows: int) -> Iterator[NDArray[Any]]:
    """Yield samples for a fitted estimator, at most `n_rows` at a time."""
    X = on_disk(check_samples(X))
    if not isinstance(X, ArrayOnDisk):
        X = validate_data(estimator, X, dtype=FLOATS, reset=False)
        yield from (X[rows] for rows in gen_batches(len(X), n_rows))
        return
    for rows in gen_batches(len(X), n_rows):
        yield validate_data(estimator, X[rows], dtype=FLOATS, reset=False)
