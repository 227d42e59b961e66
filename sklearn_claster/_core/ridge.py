"""Ridge regression of class means on class embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

PENALTIES = np.logspace(-4, 2, 7)  # for embeddings of unit length


def fit_ridge(
    embeddings: NDArray[Any],  # (S, s)
    class_means: NDArray[Any],  # (S, f)
    weights: NDArray[Any] | None = None,  # (S,)
) -> RidgeCV:
    """The regression whose penalty has the least error on classes left out one at a time.

    It has a free intercept: centred means sum to zero, so that without it the other classes would
    tell the one left out.
    """
    return RidgeCV(PENALTIES).fit(embeddings, class_means, sample_weight=weights)
