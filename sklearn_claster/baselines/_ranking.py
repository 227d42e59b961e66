"""SJE, ALE and DeViSE: a bilinear map learnt by ranking the own class above the others."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from .._utils.parameters import check_number
from ._centred import BilinearClassifier, Matrix


def structured_weights(hinges: Matrix) -> Matrix:
    """SJE: the largest hinge alone, (n, S) -> (n, S)."""
    weights = np.zeros_like(hinges)
    worst = hinges.argmax(axis=1)
    rows = np.arange(len(hinges))
    weights[rows, worst] = hinges[rows, worst] > 0.0
    return weights


def warp_weights(hinges: Matrix) -> Matrix:
    """ALE: r violators count l_r / r each, l_r = 1 + 1/2 + ... + 1/r, (n, S) -> (n, S)."""
    violated = hinges > 0.0
    ranks = np.arange(1, hinges.shape[1] + 1)
    shares = np.r_[0.0, np.cumsum(1.0 / ranks) / ranks]  # by number of violators
    return violated * shares[violated.sum(axis=1)][:, None]


def sum_weights(hinges: Matrix) -> Matrix:
    """DeViSE: every hinge alike, (n, S) -> (n, S)."""
    return (hinges > 0.0).astype(np.float64)


def ranking_gradient(
    coef: Matrix, x: Matrix, y: NDArray[np.intp], a: Matrix, weigh: Callable[[Matrix], Matrix]
) -> Matrix:
    """Mean subgradient of the weighted hinges [1 + x W a_j - x W a_y]_+ in W, (f, s)."""
    scores = x @ coef @ a.T  # (n, S)
    rows = np.arange(len(x))
    hinges = 1.0 + scores - scores[rows, y][:, None]
    hinges[rows, y] = 0.0
    weights = weigh(hinges)
    weights[rows, y] = -weights.sum(axis=1)
    return x.T @ (weights @ a) / len(x)


class RankingClassifier(BilinearClassifier):
    """The common core: averaged stochastic gradient descent from W = 0."""

    def __init__(
        self,
        learning_rate: float = 1.0,
        *,
        max_epochs: int = 20,
        batch_size: int = 32,
        space: str = "zsl",
        bias_detector: Any = None,
        gate: str = "hard",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.learning_rate = learning_rate
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.space = space
        self.bias_detector = bias_detector
        self.gate = gate
        self.random_state = random_state

    @staticmethod
    @abstractmethod
    def _weigh(hinges: Matrix) -> Matrix:
        """Weights of the hinges; the own class' hinge is 0."""

    def _check_parameters(self) -> None:
        check_number(self, "learning_rate", Real, 0, low_allowed=False)
        check_number(self, "max_epochs", Integral, 1)
        check_number(self, "batch_size", Integral, 1)

    def _fit_seen(
        self, X: NDArray[Any], y: NDArray[np.intp], embeddings: NDArray[np.float64]
    ) -> None:
        x, a = self._centre(X, embeddings)
        basis, _ = np.linalg.qr(a.T)  # (s, r), r <= S: the rows of W never leave the span of a
        a = a @ basis
        random = check_random_state(self.random_state)
        coef = np.zeros((x.shape[1], a.shape[1]))
        mean = np.zeros_like(coef)
        n_batches = -(-len(x) // self.batch_size)
        n_averaged = 0
        for epoch in range(self.max_epochs):
            for rows in np.array_split(random.permutation(len(x)), n_batches):
                coef -= self.learning_rate * ranking_gradient(
                    coef, x[rows], y[rows], a, self._weigh
                )
                if epoch >= self.max_epochs // 2:
                    n_averaged += 1
                    mean += (coef - mean) / n_averaged
        self.coef_ = basis @ mean.T


class SJE(RankingClassifier):
    """Zero-shot classifier by structured joint embedding.

    Learns the compatibility F(x, y) = x W a(y)^T of samples and class vectors by a hinge
    on the strongest wrong class,

        sum_n max_y [D(y_n, y) + F(x_n, y) - F(x_n, y_n)]_+

    with D = 1 for y != y_n and 0 for y = y_n. Features and class vectors are centred on
    the seen data and brought to unit length, as in `ClasterZSL`.

    Parameters
    ----------
    learning_rate : float, default=1.0
        Step size. The margin is 1, so that together they set the scale of W.
    max_epochs : int, default=20
        Passes over the data.
    batch_size : int, default=32
        Samples per step.
    space : {"zsl", "gzsl", "seen"}, default="zsl"
        Candidates of `predict`: unseen classes, seen and unseen ones, or seen ones.
    bias_detector : None, str or outlier detector, default=None
        With ``space="gzsl"``, what decides between seen and unseen classes, as in `ClasterZSL`.
    gate : {"hard", "soft"}, default="hard"
        How an outlier detector decides, as in `ClasterZSL`.
    random_state : int, RandomState instance or None, default=None
        Seed of the order of samples. The same int gives the same W bit for bit.

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

    See Also
    --------
    ALE, DeViSE : The same with other weights of the wrong classes.

    Notes
    -----
    Stochastic subgradient descent from W = 0; W is the mean of the iterates of the second
    half of the epochs, which is steadier than the last one. There is no other regularisation
    than the number of steps.

    `predict_proba` is the softmax of the raw compatibilities: it ranks, but it is not
    calibrated.

    References
    ----------
    Z. Akata, S. Reed, D. Walter, H. Lee and B. Schiele, "Evaluation of output embeddings for
    fine-grained image classification", CVPR 2015.

    Y. Xian, C. H. Lampert, B. Schiele and Z. Akata, "Zero-shot learning - a comprehensive
    evaluation of the good, the bad and the ugly", TPAMI 2018: the definitions used here.

    Examples
    --------
    >>> from sklearn_claster.baselines import SJE
    >>> X = [[0.0, 0.1], [0.1, 0.0], [1.0, 1.1], [1.1, 1.0]]
    >>> y = ["low", "low", "high", "high"]
    >>> table = {"low": [0, 1], "high": [1, 0], "higher": [3, 0], "lower": [0, 3]}
    >>> SJE(random_state=0).fit(X, y, table).predict([[4.0, 4.0]])
    array(['higher'], dtype='<U6')
    """

    _weigh = staticmethod(structured_weights)


class ALE(RankingClassifier):
    """Zero-shot classifier by attribute label embedding.

    Learns the compatibility F(x, y) = x W a(y)^T of samples and class vectors by hinges
    on the wrong classes that are weighted by the rank of the right one,

        sum_n l(r_n) / r_n  sum_y [D(y_n, y) + F(x_n, y) - F(x_n, y_n)]_+

    with D = 1 for y != y_n and 0 for y = y_n, r_n the number of positive hinges and
    l(r) = 1 + 1/2 + ... + 1/r: the top of the ranking counts more than its tail. Features
    and class vectors are centred on the seen data and brought to unit length, as in
    `ClasterZSL`.

    Parameters
    ----------
    learning_rate : float, default=1.0
        Step size. The margin is 1, so that together they set the scale of W.
    max_epochs : int, default=20
        Passes over the data.
    batch_size : int, default=32
        Samples per step.
    space : {"zsl", "gzsl", "seen"}, default="zsl"
        Candidates of `predict`: unseen classes, seen and unseen ones, or seen ones.
    bias_detector : None, str or outlier detector, default=None
        With ``space="gzsl"``, what decides between seen and unseen classes, as in `ClasterZSL`.
    gate : {"hard", "soft"}, default="hard"
        How an outlier detector decides, as in `ClasterZSL`.
    random_state : int, RandomState instance or None, default=None
        Seed of the order of samples. The same int gives the same W bit for bit.

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

    See Also
    --------
    SJE, DeViSE : The same with other weights of the wrong classes.

    Notes
    -----
    Stochastic subgradient descent from W = 0; W is the mean of the iterates of the second
    half of the epochs, which is steadier than the last one. There is no other regularisation
    than the number of steps.

    `predict_proba` is the softmax of the raw compatibilities: it ranks, but it is not
    calibrated.

    References
    ----------
    Z. Akata, F. Perronnin, Z. Harchaoui and C. Schmid, "Label-embedding for image
    classification", TPAMI 2016.

    Y. Xian, C. H. Lampert, B. Schiele and Z. Akata, "Zero-shot learning - a comprehensive
    evaluation of the good, the bad and the ugly", TPAMI 2018: the definitions used here.

    Examples
    --------
    >>> from sklearn_claster.baselines import ALE
    >>> X = [[0.0, 0.1], [0.1, 0.0], [1.0, 1.1], [1.1, 1.0]]
    >>> y = ["low", "low", "high", "high"]
    >>> table = {"low": [0, 1], "high": [1, 0], "higher": [3, 0], "lower": [0, 3]}
    >>> ALE(random_state=0).fit(X, y, table).predict([[4.0, 4.0]])
    array(['higher'], dtype='<U6')
    """

    _weigh = staticmethod(warp_weights)


class DeViSE(RankingClassifier):
    """Zero-shot classifier by a deep visual-semantic embedding's ranking loss.

    Learns the compatibility F(x, y) = x W a(y)^T of samples and class vectors by a hinge
    on every wrong class,

        sum_n sum_y [D(y_n, y) + F(x_n, y) - F(x_n, y_n)]_+

    with D = 1 for y != y_n and 0 for y = y_n. Features and class vectors are centred on
    the seen data and brought to unit length, as in `ClasterZSL`; the features are given, so
    that nothing below W is trained.

    Parameters
    ----------
    learning_rate : float, default=1.0
        Step size. The margin is 1, so that together they set the scale of W.
    max_epochs : int, default=20
        Passes over the data.
    batch_size : int, default=32
        Samples per step.
    space : {"zsl", "gzsl", "seen"}, default="zsl"
        Candidates of `predict`: unseen classes, seen and unseen ones, or seen ones.
    bias_detector : None, str or outlier detector, default=None
        With ``space="gzsl"``, what decides between seen and unseen classes, as in `ClasterZSL`.
    gate : {"hard", "soft"}, default="hard"
        How an outlier detector decides, as in `ClasterZSL`.
    random_state : int, RandomState instance or None, default=None
        Seed of the order of samples. The same int gives the same W bit for bit.

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

    See Also
    --------
    SJE, ALE : The same with other weights of the wrong classes.

    Notes
    -----
    Stochastic subgradient descent from W = 0; W is the mean of the iterates of the second
    half of the epochs, which is steadier than the last one. There is no other regularisation
    than the number of steps.

    `predict_proba` is the softmax of the raw compatibilities: it ranks, but it is not
    calibrated.

    References
    ----------
    A. Frome, G. S. Corrado, J. Shlens, S. Bengio, J. Dean, M. Ranzato and T. Mikolov,
    "DeViSE: a deep visual-semantic embedding model", NIPS 2013.

    Y. Xian, C. H. Lampert, B. Schiele and Z. Akata, "Zero-shot learning - a comprehensive
    evaluation of the good, the bad and the ugly", TPAMI 2018: the definitions used here.

    Examples
    --------
    >>> from sklearn_claster.baselines import DeViSE
    >>> X = [[0.0, 0.1], [0.1, 0.0], [1.0, 1.1], [1.1, 1.0]]
    >>> y = ["low", "low", "high", "high"]
    >>> table = {"low": [0, 1], "high": [1, 0], "higher": [3, 0], "lower": [0, 3]}
    >>> DeViSE(random_state=0).fit(X, y, table).predict([[4.0, 4.0]])
    array(['higher'], dtype='<U6')
    """

    _weigh = staticmethod(sum_weights)
