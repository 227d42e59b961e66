"""ConSE: convex combination of the seen classes' embeddings."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from .._data.unit_rows import directions
from .._utils.parameters import check_number
from ._centred import CentredClassifier, Matrix, softmax_regression


class ConSE(CentredClassifier):
    """Zero-shot classifier by convex combination of semantic embeddings.

    A softmax classifier of the seen classes gives p(y | x). A sample's embedding is the
    mean of the embeddings of its T most probable seen classes, weighted by probability:

        f(x) = sum_t p(y_t | x) a(y_t) / sum_t p(y_t | x)

    and the candidate with the largest cosine to f(x) is named. Features and class
    embeddings are centred on the seen data and brought to unit length, as in `ClasterZSL`.

    Parameters
    ----------
    n_top : int, default=10
        T, the number of seen classes that are combined; more than there are means all.
    C : float, default=1.0
        Inverse regularisation of the seen classes' `LogisticRegression`.
    space : {"zsl", "gzsl", "seen"}, default="zsl"
        Candidates of `predict`: unseen classes, seen and unseen ones, or seen ones.
    bias_detector : None, str or outlier detector, default=None
        With ``space="gzsl"``, what decides between seen and unseen classes, as in `ClasterZSL`.
    gate : {"hard", "soft"}, default="hard"
        How an outlier detector decides, as in `ClasterZSL`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_features_in_)
        Weights of the seen classes' logistic regression, on unit rows.
    intercept_ : ndarray of shape (n_classes,)
        Its biases.
    seen_embeddings_ : ndarray of shape (n_classes, n_embedding_features)
        The seen classes' embeddings, centred and of unit length.
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
    `predict_proba` is the softmax of the cosines: it ranks, but it is not calibrated.

    References
    ----------
    M. Norouzi, T. Mikolov, S. Bengio, Y. Singer, J. Shlens, A. Frome, G. S. Corrado and
    J. Dean, "Zero-shot learning by convex combination of semantic embeddings", ICLR 2014.

    Examples
    --------
    >>> from sklearn_claster.baselines import ConSE
    >>> X = [[0.0, 0.1], [0.1, 0.0], [1.0, 1.1], [1.1, 1.0]]
    >>> table = {"low": [0, 1], "high": [1, 0], "higher": [3, 0], "lower": [0, 3]}
    >>> ConSE().fit(X, ["low", "low", "high", "high"], table).predict([[4.0, 4.0]])
    array(['higher'], dtype='<U6')
    """

    _read_when_scoring = ("n_top",)

    def __init__(
        self,
        n_top: int = 10,
        *,
        C: float = 1.0,
        space: str = "zsl",
        bias_detector: Any = None,
        gate: str = "hard",
    ) -> None:
        self.n_top = n_top
        self.C = C
        self.space = space
        self.bias_detector = bias_detector
        self.gate = gate

    def _check_parameters(self) -> None:
        check_number(self, "n_top", Integral, 1)
        check_number(self, "C", Real, 0, low_allowed=False)

    def _fit_seen(
        self, X: NDArray[Any], y: NDArray[np.intp], embeddings: NDArray[np.float64]
    ) -> None:
        x, self.seen_embeddings_ = self._centre(X, embeddings)
        self.coef_, self.intercept_ = softmax_regression(x, y, self.C)

    def _prepare_candidates(
        self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        return self._semantic(vectors).T  # (s, C)

    def _score_rows(self, X: NDArray[Any], candidates: Any) -> Matrix:
        probability = softmax(self._visual(X) @ self.coef_.T + self.intercept_, axis=1)  # (n, S)
        n_left_out = max(probability.shape[1] - self.n_top, 0)
        least = np.argpartition(probability, n_left_out - 1, axis=1)[:, :n_left_out]
        np.put_along_axis(probability, least, 0.0, axis=1)
        return directions(probability @ self.seen_embeddings_) @ candidates
