"""Features and class vectors in one space: their cosine, and whether seen classes support it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

from .._data.unit_rows import directions, mean_samples, unit_rows
from .._utils.torch import to_numpy
from .._utils.warning import warn

LEAST_AGREEMENT = 4.0  # standard deviations of what chance would give
LEAST_LIFT = 3.0  # times the accuracy of a guess
LEAST_ACCURACY = 0.3  # is enough of few classes
# Here a user should know: more deviations, fewer classes, and features as wide as embeddings are.
UNSURE, FEW_CLASSES, WIDE = 2.0, 10, 64


def plain_cosines(
    X: NDArray[Any], vectors: NDArray[Any], center: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Cosine of every sample less `center` (f,) with every class vector, (n, f), (C, f) -> (n, C).

    The product is torch's: threads of two libraries in turns wait for each other.
    """
    x, t = torch.from_numpy(unit_rows(X, center)), directions(vectors, np.float32)
    return to_numpy(x @ torch.from_numpy(t).T)


def common_share(X: NDArray[Any], y: NDArray[np.intp]) -> float:
    """How much of the mean of samples is no accident of their few classes, (n, f), (n,) -> 0 to 1.

    It is 1 - 2 e / |m|^2, and not below 0, with m the mean of the class means and e its squared
    error as the estimate of a mean of more classes.
    """
    means = mean_samples(X, y)
    mean, n_classes = means.mean(axis=0), len(means)
    error = ((means - mean) ** 2).sum() / (n_classes * max(n_classes - 1, 1))
    return max(1.0 - 2.0 * float(error / (mean @ mean or 1.0)), 0.0)


def agreement(X: NDArray[Any], y: NDArray[np.intp], vectors: NDArray[Any]) -> float:
    """How much class means and class vectors agree, in standard deviations of chance.

    The larger of two answers: `by_classes` needs many classes, `by_signs` many features.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Samples.
    y : ndarray of shape (n_samples,)
        Class codes.
    vectors : ndarray of shape (n_classes, n_features)
        Class vectors.
    """
    means = mean_samples(directions(X, np.float32), y)
    M, T = (rows - rows.mean(axis=0) for rows in (means, directions(vectors)))
    return max(by_classes(M, T), by_signs(M, T))


def by_classes(M: NDArray[np.float64], T: NDArray[np.float64]) -> float:
    """tr(M T') over its spread if vectors are dealt out to the classes at random, (S, f), (S, f).

    It is the permutation test of Mantel (1967), with its normal approximation. Means and vectors
    are centred over the classes. S classes reach S - 1 at most.
    """
    variance = float(((M @ T.T) ** 2).sum()) / max(len(M) - 1, 1)
    return float((M * T).sum() / np.sqrt(variance)) if variance > 0.0 else 0.0


def by_signs(M: NDArray[np.float64], T: NDArray[np.float64]) -> float:
    """sum_j a_j over its spread if the signs of the features are drawn at random, (S, f), (S, f).

    a_j is the product of the columns m_j and t_j over the root of their lengths. In two spaces
    nothing ties the sign of a column of one to that of the other. f features reach sqrt(f) at most.
    """
    lengths = np.linalg.norm(M, axis=0) * np.linalg.norm(T, axis=0)
    a = (M * T).sum(axis=0) / np.sqrt(np.where(lengths > 0.0, lengths, 1.0))
    return float(a.sum() / (np.linalg.norm(a) or 1.0))


def is_shared(X: NDArray[Any], y: NDArray[np.intp], vectors: NDArray[Any]) -> bool:
    """Whether samples and the vectors of their classes, all seen, lie in one space.

    They do if they are equally wide, agree more than by chance, and the plain cosine is of use
    among the seen classes. A warning says where few classes leave it open.
    """
    if X.shape[1] != vectors.shape[1]:
        return False
    found = agreement(X, y, vectors)
    if found < LEAST_AGREEMENT:
        if found > UNSURE and len(vectors) < FEW_CLASSES and X.shape[1] >= WIDE:
            warn(
                "X and class_embeddings are equally wide and may lie in one space, but "
                f"{len(vectors)} seen classes are too few to be sure: the plain cosine takes no "
                "part. Set prior='cosine' if one model made both, and prior=None if not."
            )
        return False
    cosines = plain_cosines(X, vectors, np.zeros(X.shape[1]))
    accuracy = balanced_accuracy_score(y, cosines.argmax(axis=1))
    return bool(accuracy >= min(LEAST_LIFT / len(vectors), LEAST_ACCURACY))
