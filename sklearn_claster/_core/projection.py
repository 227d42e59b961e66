"""The linear part of a', from class vectors to the visual space, in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

PENALTIES = np.logspace(-4, 2, 7)  # for embeddings of unit length
PENALTIES_WITH_START = np.logspace(-4, 4, 9)  # the largest leave the start as it is


def linear_projection(
    embeddings: NDArray[np.float64],
    class_means: NDArray[np.float64],
    class_weights: NDArray[np.float64],
    start: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Ridge regression of class means on embeddings, (S, s), (S, f), (S,) -> (f, s).

    Its penalty has the least error on classes left out one at a time. It has a free intercept,
    which is left out of the map: centred means sum to zero, so that without it the other classes
    would tell the one left out.

    Parameters
    ----------
    embeddings, class_means : ndarray of shape (n_classes, s), (n_classes, f)
    class_weights : ndarray of shape (n_classes,)
        Their sum is one.
    start : ndarray of shape (f, s), default=None
        A map to depart from, scaled to fit best: the ridge shrinks towards it. By default zero.
    """
    map_ = np.zeros((class_means.shape[1], embeddings.shape[1]))
    if start is not None:
        guess = embeddings @ start.T
        weights = class_weights[:, None]
        size = (weights * guess**2).sum()
        scale = (weights * class_means * guess).sum() / size if size > 0.0 else 0.0
        map_ = max(scale, 0.0) * start
    ridge = RidgeCV(PENALTIES if start is None else PENALTIES_WITH_START)
    residuals = class_means - embeddings @ map_.T
    ridge.fit(embeddings, residuals, sample_weight=len(embeddings) * class_weights)
    return map_ + ridge.coef_.reshape(map_.shape)
