"""Samples as they are given: one vector of numbers each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_consistent_length, column_or_1d

from .containers import type_names
from .labels import is_class_table
from .torch import as_host_array

_CELLS = re.compile("ndarray|array|list|tuple|tensor|series", re.IGNORECASE)  # types begin so


def check_samples(X: Any, name: str = "X") -> Any:
    """`X` on the host, after it was seen to be no stack, no column of arrays and no class table.

    Parameters
    ----------
    X : array-like, frame, torch.Tensor or array on disk of shape (n_samples, n_features)
        What a user passed as samples.
    name : str, default="X"
        What messages call it.

    Returns
    -------
    array-like
        The same; lists and tensors as NumPy arrays. Numbers are left to scikit-learn's checks.

    Raises
    ------
    ValueError
        If there are more than two dimensions, or arrays in cells.
    TypeError
        If it is a class table, strings, dates or durations.
    """
    is_pair = isinstance(X, tuple) and is_class_table(X)
    is_mapping = isinstance(X, Mapping) and not hasattr(X, "shape")  # some sparse arrays are dicts
    if hasattr(X, "vectors") or is_pair or is_mapping:
        raise TypeError(
            f"{name} is a class table ({type(X).__name__}); expected one vector per sample. The "
            "order of arguments is fit(X, y, class_embeddings)."
        )
    if isinstance(X, (list, tuple)):
        X = _stacked(X, name)
    X = as_host_array(X, name)
    shape = getattr(X, "shape", ())
    if len(shape) > 2:
        raise ValueError(
            f"{name} has {len(shape)} dimensions, the shape {tuple(shape)}; expected one vector "
            f"per sample, (n_samples, n_features). {_AVERAGE.format(name=name)}"
        )
    for column, kinds in type_names(X):
        part = name if column is None else f"{name}[{column!r}]"
        if len(shape) == 1 and any(kind.lower().startswith("str") for kind in kinds):
            raise TypeError(
                f"{part} holds strings; expected one vector of numbers per sample. The order of "
                "arguments is fit(X, y, class_embeddings)."
            )
        if any(map(_CELLS.match, kinds)):
            raise ValueError(
                f"{part} holds an array in each cell; expected one vector per sample. Average "
                f"arrays of frames over time first; stack vectors: np.stack(list(np.ravel({part})))"
                "."
            )
    return X


def check_groups(groups: Any, labels: NDArray[Any]) -> NDArray[Any] | None:
    """Check groups: an array (n,), or None."""
    if groups is None:
        return None
    groups = read_groups(groups)
    check_consistent_length(labels, groups)
    return groups


def read_groups(groups: Any) -> NDArray[Any]:
    """Return groups as an array (n,).

    Raises
    ------
    ValueError
        If they are a single value, or come in several columns.
    """
    groups = as_host_array(groups, "groups")
    shape = np.shape(groups)
    if len(shape) != 1 and shape[1:] != (1,):
        raise ValueError(
            f"groups has to hold one name or number per sample; got the shape {shape}. Join the "
            "columns of a frame into one: frame.astype(str).agg('/'.join, axis=1)."
        )
    names: NDArray[Any] = column_or_1d(groups)
    return names


_AVERAGE = (
    "Average over time (frames of videos) or place, for example {name}.mean(axis=1), so that each "
    "sample is one vector."
)


def _stacked(X: Any, name: str) -> Any:
    """Return a list as an array."""
    try:
        return np.asarray(X)
    except ValueError as error:
        raise ValueError(
            f"{name} is a list of unlike parts; expected one vector per sample, all of one length. "
            "Where each part holds the frames of a video, average over them: "
            f"np.stack([frames.mean(axis=0) for frames in {name}]). ({error})"
        ) from error
