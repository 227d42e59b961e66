"""Prototype regression: class vectors mapped to the visual space, linearly."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from .._data.unit_rows import directions, mean_samples
from .._utils.parameters import check_number
from ._centred import CentredClassifier


class PrototypeRegression(CentredClassifier):
    """Zero-shot classifier by ridge regression of visual prototypes.

    Learns to predict a class' mean sample from its embedding and names the candidate whose
    predicted prototype has the largest cosine to the sample. W (s, f) minimises

        sum over seen classes of ||m_y - a(y) W||^2 + alpha ||W||^2

    with m_y the mean of the samples of class y. Every class counts alike, however many
    samples it has: what the map has to generalise over is classes, and `alpha` means the
    same for every number of samples. Features and class vectors are centred on the seen
    data and brought to unit length, as in `ClasterZSL`.

    Parameters
    ----------
    alpha : float, default=1.0
        Regularisation.
    space : {"zsl", "gzsl", "seen"}, default="zsl"
        Candidates of `predict`: unseen classes, seen and unseen ones, or seen ones.
    bias_detector : None, str or outlier detector, default=None
        With ``space="gzsl"``, what decides between seen and unseen classes, as in `ClasterZSL`.
    gate : {"hard", "soft"}, default="hard"
        How an outlier detector decides, as in `ClasterZSL`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_embedding_features, n_features_in_)
        W.
    classes_, unseen_classes_, class_embeddings_, bias_detector_, gate_threshold_
        As in `ClasterZSL`.
    feature_mean_ : ndarray of shape (n_features_in_,)
        Mean of the training samples.
    embedding_mean_ : ndarray of shape (n_embedding_features,)
        Mean of the seen classes' embeddings.
    n_features_in_ : int
        Number of features seen in `fit`.

    See Also
    --------
    DEM : The same with a network in place of W.

    Notes
    -----
    `predict_proba` is the softmax of the cosines: it ranks, but it is not calibrated.

    References
    ----------
    S. Changpinyo, W.-L. Chao and F. Sha, "Predicting visual exemplars of unseen classes for
    zero-shot learning", ICCV 2017; here with a linear map.

    Y. Shigeto, I. Suzuki, K. Hara, M. Shimbo and Y. Matsumoto, "Ridge regression, hubness,
    and zero-shot learning", ECML PKDD 2015: why this direction.

    Examples
    --------
    >>> from sklearn_claster.baselines import PrototypeRegression
    >>> X = [[0.0, 0.1], [0.1, 0.0], [1.0, 1.1], [1.1, 1.0]]
    >>> y = ["low", "low", "high", "high"]
    >>> table = {"low": [0, 1], "high": [1, 0], "higher": [3, 0], "lower": [0, 3]}
    >>> PrototypeRegression().fit(X, y, table).predict([[4.0, 4.0]])
    array(['higher'], dtype='<U6')
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        space: str = "zsl",
        bias_detector: Any = None,
        gate: str = "hard",
    ) -> None:
        self.alpha = alpha
        self.space = space
        self.bias_detector = bias_detector
        self.gate = gate

    def _check_parameters(self) -> None:
        check_number(self, "alpha", Real, 0, low_allowed=False)

    def _fit_seen(
        self, X: NDArray[Any], y: NDArray[np.intp], embeddings: NDArray[np.float64]
    ) -> None:
        x, a = self._centre(X, embeddings)
        ridge = Ridge(self.alpha, fit_intercept=False, solver="svd").fit(a, mean_samples(x, y))
        self.coef_ = ridge.coef_.reshape(x.shape[1], -1).T

    def _prepare_candidates(
        self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        return directions(self._semantic(vectors) @ self.coef_).T  # (f, C)
