"""GGM: class-conditional Gaussians whose parameters follow from the class vectors."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._data.unit_rows import mean_samples
from .._utils.parameters import check_number
from ._centred import CentredClassifier, Matrix, ridge_solve

SMALLEST_VARIANCE = 1e-3  # of a feature whose mean square is one, before the logarithm


class GGM(CentredClassifier):
    """Zero-shot classifier by Gaussians that are generated from class vectors (GFZSL).

    A class is a Gaussian N(mu_c, diag s_c). Of the seen classes, mu and s are the mean and the
    variances of their samples. Those of other classes are kernel ridge regressions on class
    embeddings, of mu itself and of the logarithm of s less its mean over classes, with the kernel

        k(a, b) = (1 + a b)^2

    The score of a candidate is the logarithm of its density. Features and class vectors are
    centred on the seen data and brought to unit length, as in `ClasterZSL`.

    Parameters
    ----------
    alpha : float, default=1.0
        Regularisation of the regression of means.
    variance_alpha : float, default=10.0
        Regularisation of the regression of variances. A large one gives new classes the geometric
        mean of the seen classes' variances.
    added_variance : float, default=0.5
        Added to every variance, in units of the mean square of a feature, 1/f.
    space : {"zsl", "gzsl", "seen"}, default="zsl"
        Candidates of `predict`: unseen classes, seen and unseen ones, or seen ones.
    bias_detector : None, str or outlier detector, default=None
        With ``space="gzsl"``, what decides between seen and unseen classes, as in `ClasterZSL`.
    gate : {"hard", "soft"}, default="hard"
        How an outlier detector decides, as in `ClasterZSL`.

    Attributes
    ----------
    means_ : ndarray of shape (n_classes, n_features_in_)
        Mean sample of every seen class.
    log_variances_ : ndarray of shape (n_classes, n_features_in_)
        Logarithms of the variances within every seen class.
    mean_coef_ : ndarray of shape (n_classes, n_features_in_)
        Weights of the seen classes in the regression of means.
    variance_coef_ : ndarray of shape (n_classes, n_features_in_)
        Weights of the seen classes in the regression of variances.
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
    PrototypeRegression : Means alone, a linear regression, cosines.

    Notes
    -----
    The equations are those of GFZSL and of its public code, which regularises the variances by
    10^7 and more, so that they are one. GGM, for actions, adds a regulariser that maps means back
    to class vectors. It is left out, because only the abstract was available.

    With many features, densities make `predict_proba` almost 0 or 1: it ranks, but it is not
    calibrated.

    References
    ----------
    A. Mishra, V. K. Verma, M. S. K. Reddy, A. S., P. Rai and A. Mittal, "A generative approach to
    zero-shot and few-shot action recognition", WACV 2018.

    V. K. Verma and P. Rai, "A simple exponential family framework for zero-shot learning", ECML
    PKDD 2017: GFZSL.

    Examples
    --------
    >>> from sklearn_claster.baselines import GGM
    >>> X = [[0.0, 0.1], [0.1, 0.0], [1.0, 1.1], [1.1, 1.0]]
    >>> y = ["low", "low", "high", "high"]
    >>> table = {"low": [0, 1], "high": [1, 0], "higher": [3, 0], "lower": [0, 3]}
    >>> GGM().fit(X, y, table).predict([[4.0, 4.0]])
    array(['higher'], dtype='<U6')
    """

    _read_when_scoring = ("added_variance",)

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        variance_alpha: float = 10.0,
        added_variance: float = 0.5,
        space: str = "zsl",
        bias_detector: Any = None,
        gate: str = "hard",
    ) -> None:
        self.alpha = alpha
        self.variance_alpha = variance_alpha
        self.added_variance = added_variance
        self.space = space
        self.bias_detector = bias_detector
        self.gate = gate

    def _check_parameters(self) -> None:
        for name in ("alpha", "variance_alpha", "added_variance"):
            check_number(self, name, Real, 0, low_allowed=False)

    def _fit_seen(
        self, X: NDArray[Any], y: NDArray[np.intp], embeddings: NDArray[np.float64]
    ) -> None:
        x, a = self._centre(X, embeddings)
        self.means_ = mean_samples(x, y)
        squares = mean_samples((x - self.means_[y]) ** 2, y)
        self.log_variances_ = np.log(squares + SMALLEST_VARIANCE / x.shape[1])
        kernel = _kernel(a, a)
        around = self.log_variances_ - self.log_variances_.mean(axis=0)
        self.mean_coef_ = ridge_solve(kernel, self.means_, self.alpha)
        self.variance_coef_ = ridge_solve(kernel, around, self.variance_alpha)

    def _prepare_candidates(
        self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_]
    ) -> tuple[Matrix, Matrix, Matrix]:
        kernel = _kernel(self._semantic(vectors), self._semantic(self._seen_table().vectors))
        means = kernel @ self.mean_coef_  # (C, f)
        logs = self.log_variances_.mean(axis=0) + kernel @ self.variance_coef_
        if is_seen.any():
            means[is_seen], logs[is_seen] = self.means_, self.log_variances_
        variances = np.exp(logs) + self.added_variance / means.shape[1]
        linear = means / variances
        constant = (means * linear + np.log(2.0 * np.pi * variances)).sum(axis=1)
        return 1.0 / variances.T, linear.T, constant

    def _score_rows(self, X: NDArray[Any], candidates: tuple[Matrix, Matrix, Matrix]) -> Matrix:
        """Log-densities, (n, C)."""
        precisions, linear, constant = candidates
        x = self._visual(X)
        return x @ linear - 0.5 * (x**2 @ precisions + constant)


def _kernel(a: Matrix, b: Matrix) -> Matrix:
    return (1.0 + a @ b.T) ** 2
