"""Features and class vectors in one space: the plain cosine, and whether seen classes support it.

Nothing is centred: the constant offset between both kinds of vectors tells classes apart as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

from .._data.unit_rows import class_sums, directions
from .._utils.torch import to_numpy

LEAST_AGREEMENT = 4.0  # standard deviations of what chance would give
LEAST_LIFT = 3.0  # times the accuracy of a guess


def plain_cosines(X: NDArray[Any], vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Cosine of every sample with every class vector, (n, f), (C, f) -> (n, C).

    The product is torch's: threads of two libraries in turns wait for each other.
    """
    x, t = (torch.from_numpy(directions(rows, np.float32)) for rows in (X, vectors))
    return to_numpy(x @ t.T)


def agreement(cosines: NDArray[Any], y: NDArray[np.intp]) -> float:
    """How much more classes agree with their own vectors than with others', in deviations.

    With Q the mean cosines of classes and vectors, centred in rows and columns, it is the trace
    of Q over its standard deviation if vectors were dealt out to the classes at random (the
    permutation test of Mantel, 1967, with its normal approximation).

    Parameters
    ----------
    cosines : ndarray of shape (n_samples, n_classes)
        Plain cosines.
    y : ndarray of shape (n_samples,)
        Class codes.
    """
    n_classes = cosines.shape[1]
    q = class_sums(cosines, y, n_classes) / np.bincount(y, minlength=n_classes)[:, None]
    q = q - q.mean(axis=0) - q.mean(axis=1, keepdims=True) + q.mean()
    spread = np.sqrt((q**2).sum() / max(n_classes - 1, 1))
    return float(np.trace(q) / spread) if spread > 0.0 else 0.0


def is_shared(X: NDArray[Any], y: NDArray[np.intp], vectors: NDArray[Any]) -> bool:
    """Whether samples and the vectors of their classes, all seen, lie in one space.

    They do if they are equally wide and the plain cosine names seen samples far better than
    chance. A few classes can be right by luck, so classes count and not samples.
    """
    if X.shape[1] != vectors.shape[1]:
        return False
    cosines = plain_cosines(X, vectors)
    if agreement(cosines, y) < LEAST_AGREEMENT:
        return False
    accuracy = balanced_accuracy_score(y, cosines.argmax(axis=1))
    return bool(accuracy >= LEAST_LIFT / len(vectors))
