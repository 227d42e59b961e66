"""Arrays larger than memory: numpy.memmap, and what HDF5 and zarr offer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

# Smaller arrays are read whole: what happens to them is what happens to arrays in memory.
READ_WHOLE_BYTES = 256 * 2**20
_ROWS_AT_ONCE = 4096
_WIDEST_GAP = 256  # rows between two wanted ones that are read along with them
_LONGEST_READ = 8192  # rows


class ArrayOnDisk:
    """Rows of a two-dimensional array that is read in parts.

    Parameters
    ----------
    array : array-like of shape (n, f)
        What is read from: it has `shape` and `dtype`, and gives rows for a slice.
    positions : ndarray of shape (n_rows,), default=None
        Which of its rows these are, ascending; by default all.
    """

    def __init__(self, array: Any, positions: NDArray[np.intp] | None = None) -> None:
        self.array = array
        self.positions = positions
        self.dtype = np.dtype(array.dtype)
        n_rows = array.shape[0] if positions is None else len(positions)
        self.shape = (int(n_rows), int(array.shape[1]))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return the rows of a slice, read into memory."""
        if self.positions is None:
            return np.asarray(self.array[rows])
        positions = self.positions[rows]
        if not len(positions):
            return np.empty((0, self.shape[1]), dtype=self.dtype)
        is_cut = np.diff(positions) > _WIDEST_GAP
        is_cut |= np.diff(positions // _LONGEST_READ) > 0
        parts = [
            np.asarray(self.array[int(run[0]) : int(run[-1]) + 1])[run - run[0]]
            for run in np.split(positions, np.flatnonzero(is_cut) + 1)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def on_disk(X: Any) -> Any:
    """`X` as an `ArrayOnDisk` if it is an array on disk that is too large to be read whole.

    Smaller arrays on disk come back in memory, all else comes back as it is.

    Raises
    ------
    TypeError
        If a large one holds text or objects, which would have to be converted as a whole.
    """
    if not _is_on_disk(X):
        return X
    rows = ArrayOnDisk(X)
    if rows.shape[0] * rows.shape[1] * rows.dtype.itemsize <= READ_WHOLE_BYTES:
        return rows[:]
    if rows.dtype.kind in "OSTUV":
        raise TypeError(
            f"X is an array on disk of type {rows.dtype}; expected numbers, for example float32. "
            "Write it anew with that type."
        )
    return rows


def read_whole(X: Any) -> Any:
    """`X` in memory if it is an array on disk; all else as it is."""
    return ArrayOnDisk(X)[:] if _is_on_disk(X) else X


def rows_where(X: NDArray[Any] | ArrayOnDisk, mask: NDArray[np.bool_]) -> Any:
    """Return the rows of a mask; of an array on disk nothing is read yet."""
    if not isinstance(X, ArrayOnDisk):
        return X[mask]
    positions = np.arange(len(X)) if X.positions is None else X.positions
    return ArrayOnDisk(X.array, positions[mask])


def in_memory(
    X: NDArray[Any] | ArrayOnDisk,
    y: NDArray[np.intp],
    groups: NDArray[Any] | None = None,
    per_class: int | None = None,
) -> tuple[NDArray[Any], NDArray[np.intp], NDArray[Any] | None]:
    """Rows, class codes and groups in memory; of an array on disk as many random rows as fit.

    Every class keeps its share of rows, and at least one; with `per_class` at most so many.
    """
    counts = np.bincount(y)
    most = counts if per_class is None else np.minimum(counts, per_class)
    if isinstance(X, ArrayOnDisk):
        n_rows = max(1, READ_WHOLE_BYTES // (X.shape[1] * X.dtype.itemsize))
        most = np.minimum(most, np.maximum(1, counts * n_rows // len(y)))
    elif np.array_equal(most, counts):
        return X, y, groups
    rank = np.empty(len(y), dtype=np.intp)  # of a row within its class, shuffled
    shuffled = np.random.RandomState(0).permutation(len(y))
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    rank[by_class] = np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)
    chosen = rank < most[y]
    rows = [X[part][chosen[part]] for part in gen_batches(len(X), _ROWS_AT_ONCE)]
    return np.concatenate(rows), y[chosen], None if groups is None else groups[chosen]


def _is_on_disk(X: Any) -> bool:
    if isinstance(X, np.ndarray):
        return isinstance(X, np.memmap) and X.ndim == 2
    if hasattr(X, "__dask_graph__"):  # every part would be computed anew
        return False
    # h5py.Dataset and zarr.Array; their `chunks` may be None
    has_parts = hasattr(X, "chunks") and hasattr(X, "dtype") and hasattr(X, "__getitem__")
    return has_parts and len(getattr(X, "shape", ())) == 2
