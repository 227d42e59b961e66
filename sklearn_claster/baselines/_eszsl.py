"""ESZSL: an embarrassingly simple approach to zero-shot learning."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._data.unit_rows import class_sums
from .._utils.parameters import check_number
from ._centred import BilinearClassifier, ridge_solve


class ESZSL(BilinearClassifier):
    """Closed-form bilinear zero-shot classifier.

    Finds W that minimises

        ||X W A^T - Y||^2 + gamma ||W A^T||^2 + lambda ||X W||^2 + gamma lambda ||W||^2

    with X (n, f) samples, A (S, s) class vectors and Y (n, S) of +1 and -1:

        W = (X^T X + gamma I)^-1 X^T Y A (A^T A + lambda I)^-1

    Features and class vectors are centred on the seen data and brought to unit length,
    as in `ClasterZSL`.

    Parameters
    ----------
    gamma : float, default=1.0
        Regularisation in the visual space.
    lam : float, default=1.0
        Regularisation in the semantic space (lambda).
    space : {"zsl", "gzsl", "seen"}, default="zsl"
        Candidates of `predict`: unseen classes, seen and unseen ones, or seen ones.
    bias_detector : None, str or outlier detector, default=None
        With ``space="gzsl"``, what decides between seen and unseen classes, as in `ClasterZSL`.
    gate : {"hard", "soft"}, default="hard"
        How an outlier detector decides, as in `ClasterZSL`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_embedding_features, n_features_in_)
        The transpose of W: a row per output, as in scikit-learn's linear models.
    classes_, unseen_classes_, class_embeddings_, bias_detector_, gate_threshold_
        As in `ClasterZSL`.
    feature_mean_ : ndarray of shape (n_features_in_,)
        Mean of the training samples.
    embedding_mean_ : ndarray of shape (n_embedding_features,)
        Mean of the seen classes' embeddings.
    n_features_in_ : int
        Number of features seen in `fit`.

    Notes
    -----
    `predict_proba` is the softmax of the raw compatibilities x W a^T: it ranks, but it is
    not calibrated.

    References
    ----------
    B. Romera-Paredes and P. H. S. Torr, "An embarrassingly simple approach to zero-shot
    learning", ICML 2015.

    Examples
    --------
    >>> from sklearn_claster.baselines import ESZSL
    >>> X = [[0.0, 0.1], [0.1, 0.0], [1.0, 1.1], [1.1, 1.0]]
    >>> table = {"low": [0, 1], "high": [1, 0], "higher": [3, 0], "lower": [0, 3]}
    >>> ESZSL().fit(X, ["low", "low", "high", "high"], table).predict([[4.0, 4.0]])
    array(['higher'], dtype='<U6')
    """

    def __init__(
        self,
        gamma: float = 1.0,
        *,
        lam: float = 1.0,
        space: str = "zsl",
        bias_detector: Any = None,
        gate: str = "hard",
    ) -> None:
        self.gamma = gamma
        self.lam = lam
        self.space = space
        self.bias_detector = bias_detector
        self.gate = gate

    def _check_parameters(self) -> None:
        check_number(self, "gamma", Real, 0, low_allowed=False)
        check_number(self, "lam", Real, 0, low_allowed=False)

    def _fit_seen(
        self, X: NDArray[Any], y: NDArray[np.intp], embeddings: NDArray[np.float64]
    ) -> None:
        x, a = self._centre(X, embeddings)
        # X^T Y without forming Y: +1 for the own class, -1 for all others
        xty = (2.0 * class_sums(x, y, len(a)) - x.sum(axis=0)).T  # (f, S)
        left = ridge_solve(x.T @ x, xty @ a, self.gamma)
        self.coef_ = ridge_solve(a.T @ a, left.T, self.lam)
