"""Finished rows in a joblib.Memory, from which an interrupted run continues."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_memory


def _row_of(key: Any, row: NDArray[np.float32] | None) -> NDArray[np.float32]:
    if row is None:
        raise KeyError(key)
    return row


class Kept:
    """Rows by key, in a folder that several processes may share: joblib writes each in one step."""

    def __init__(self, memory: Any) -> None:
        if isinstance(memory, os.PathLike):
            memory = os.fspath(memory)
        self._call = check_memory(memory).cache(_row_of, ignore=["row"])

    def get(self, key: Any) -> NDArray[np.float32] | None:
        """Return the row, or None if it is missing or cannot be read."""
        if not self._call.check_call_in_cache(key, None):
            return None
        try:
            row: NDArray[np.float32] = self._call(key, None)
        except KeyError:
            return None
        return row

    def put(self, key: Any, row: NDArray[np.float32]) -> None:
        """Keep a row."""
        self._call(key, row)
