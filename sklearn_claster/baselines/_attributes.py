"""DAP and IAP: classes recognised by their binary attributes."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit, softmax
from sklearn.linear_model import LogisticRegression

from .._class_embeddings import IndistinctClasses
from .._data.unit_rows import row_mean
from .._utils.labels import preview
from .._utils.parameters import check_number
from ._centred import CentredClassifier, Matrix, softmax_regression

_LEAST = np.finfo(np.float64).tiny  # the least probability that has a logarithm


class _AttributeClassifier(CentredClassifier):
    """Attributes of 0 and 1, and the posterior of a class given theirs."""

    def __init__(
        self,
        C: float = 10.0,
        *,
        threshold: float | str | None = None,
        space: str = "zsl",
        bias_detector: Any = None,
        gate: str = "hard",
    ) -> None:
        self.C = C
        self.threshold = threshold
        self.space = space
        self.bias_detector = bias_detector
        self.gate = gate

    @abstractmethod
    def _fit_attributes(self, x: Matrix, y: NDArray[np.intp], present: NDArray[np.bool_]) -> None:
        """Learn from samples (n, f), class codes (n,) and the classes' attributes (S, M)."""

    @abstractmethod
    def _log_probabilities(self, x: Matrix) -> tuple[Matrix, Matrix]:
        """Logarithms of p(a_m = 1 | x) and p(a_m = 0 | x), (n, f) -> (n, M) each."""

    def _check_parameters(self) -> None:
        check_number(self, "C", Real, 0, low_allowed=False)
        check_number(self, "threshold", Real, -np.inf, also=(None, "mean"))

    def _fit_seen(
        self, X: NDArray[Any], y: NDArray[np.intp], embeddings: NDArray[np.float64]
    ) -> None:
        self.feature_mean_ = row_mean(X)
        self.threshold_ = (
            row_mean(embeddings)
            if self.threshold == "mean"
            else np.full(embeddings.shape[1], self.threshold or 0.0)
        )
        present = self._binary(embeddings)  # (S, M)
        self.attribute_prior_ = present.mean(axis=0)
        if not self._differs().any():
            raise IndistinctClasses(
                "No attribute in class_embeddings differs between the seen classes once "
                f"threshold={self.threshold!r} has made them binary. Choose another threshold, "
                "for example 'mean'."
            )
        self._fit_attributes(self._visual(X), y, present)

    def _prepare_candidates(
        self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_]
    ) -> tuple[Matrix, Matrix, Matrix]:
        differs = self._differs()
        present = self._binary(vectors)[:, differs]
        prior = self.attribute_prior_[differs]
        log_prior = np.where(present, np.log(prior), np.log1p(-prior)).sum(axis=1)
        counted = np.zeros((2, *vectors.shape))
        counted[:, :, differs] = present, ~present
        return counted[0].T, counted[1].T, log_prior  # (M, C), (M, C), (C,)

    def _score_rows(self, X: NDArray[Any], candidates: Any) -> Matrix:
        present, absent, log_prior = candidates
        log_present, log_absent = self._log_probabilities(self._visual(X))
        return log_present @ present + log_absent @ absent - log_prior

    def _binary(self, vectors: NDArray[np.float64]) -> NDArray[np.bool_]:
        if self.threshold is None:
            values = np.unique(vectors)
            if not (np.isin(values, (0.0, 1.0)).all() or np.isin(values, (-1.0, 1.0)).all()):
                raise ValueError(
                    f"{type(self).__name__} needs binary attributes, 0 and 1 (or -1 and 1) in "
                    f"every class vector; got values such as {preview(values, 3)}. Set "
                    "threshold='mean' or a number to make them binary."
                )
        return vectors > self.threshold_

    def _differs(self) -> NDArray[np.bool_]:
        """Return the attributes that some seen classes have and others have not, (M,)."""
        return (self.attribute_prior_ > 0.0) & (self.attribute_prior_ < 1.0)


class DAP(_AttributeClassifier):
    """Zero-shot classifier by direct attribute prediction.

    One classifier per binary attribute gives p(a_m = 1 | x). The candidate z is named whose
    attributes a^z make the largest

        prod_m p(a_m = a_m^z | x) / p(a_m = a_m^z)

    Features are centred on the seen data and brought to unit length, as in `ClasterZSL`.

    Parameters
    ----------
    C : float, default=10.0
        Inverse regularisation of the attributes' `LogisticRegression`.
    threshold : None, "mean" or float, default=None
        An attribute above it is present. "mean" is the mean of each
        attribute over the seen classes. None expects attributes that are 0 or 1 (or -1 or 1)
        already.
    space : {"zsl", "gzsl", "seen"}, default="zsl"
        Candidates of `predict`: unseen classes, seen and unseen ones, or seen ones.
    bias_detector : None, str or outlier detector, default=None
        With ``space="gzsl"``, what decides between seen and unseen classes, as in `ClasterZSL`.
    gate : {"hard", "soft"}, default="hard"
        How an outlier detector decides, as in `ClasterZSL`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_embedding_features, n_features_in_)
        Weights of the attributes' logistic regressions.
    intercept_ : ndarray of shape (n_embedding_features,)
        Their intercepts.
    threshold_ : ndarray of shape (n_embedding_features,)
        An attribute above it is present.
    attribute_prior_ : ndarray of shape (n_embedding_features,)
        p(a_m = 1), the share of the seen classes that have the attribute.
    classes_, unseen_classes_, class_embeddings_, bias_detector_, gate_threshold_
        As in `ClasterZSL`.
    feature_mean_ : ndarray of shape (n_features_in_,)
        Mean of the training samples.
    n_features_in_ : int
        Number of features seen in `fit`.

    See Also
    --------
    IAP : Predicts attributes through the seen classes.

    Notes
    -----
    An attribute that all seen classes have, or none, cannot be learnt and is left out. Scores
    are the logarithm of the product, so that `predict_proba` is the posterior over candidates
    that are equally likely a priori.

    Raises
    ------
    ValueError
        From `fit` and the predicting methods, if attributes are not binary and `threshold` is
        None.

    References
    ----------
    C. H. Lampert, H. Nickisch and S. Harmeling, "Attribute-based classification for
    zero-shot visual object categorization", TPAMI 2014; here with logistic regression.

    Examples
    --------
    >>> from sklearn_claster.baselines import DAP
    >>> X = [[0, 0], [0, 1], [5, 0], [5, 1], [0, 5], [0, 6]]
    >>> y = ["plain", "plain", "long", "long", "high", "high"]
    >>> table = {"plain": [0, 0], "long": [1, 0], "high": [0, 1], "long and high": [1, 1]}
    >>> DAP(space="gzsl").fit(X, y, table).predict([[5, 6], [5, 0]])
    array(['long and high', 'long'], dtype='<U13')
    """

    def _fit_attributes(self, x: Matrix, y: NDArray[np.intp], present: NDArray[np.bool_]) -> None:
        self.coef_ = np.zeros((present.shape[1], x.shape[1]))
        self.intercept_ = np.zeros(present.shape[1])
        for m in np.flatnonzero(self._differs()):
            model = LogisticRegression(C=self.C, max_iter=1000).fit(x, present[y, m])
            self.coef_[m], self.intercept_[m] = model.coef_[0], model.intercept_[0]

    def _log_probabilities(self, x: Matrix) -> tuple[Matrix, Matrix]:
        log_odds = x @ self.coef_.T + self.intercept_
        return log_expit(log_odds), log_expit(-log_odds)


class IAP(_AttributeClassifier):
    """Zero-shot classifier by indirect attribute prediction.

    A softmax classifier of the seen classes gives p(y | x), and the seen classes' binary
    attributes a^y give

        p(a_m = 1 | x) = sum_y p(y | x) a_m^y

    The candidate z is named whose attributes a^z make the largest

        prod_m p(a_m = a_m^z | x) / p(a_m = a_m^z)

    Features are centred on the seen data and brought to unit length, as in `ClasterZSL`.

    Parameters
    ----------
    C : float, default=10.0
        Inverse regularisation of the seen classes' `LogisticRegression`.
    threshold : None, "mean" or float, default=None
        An attribute above it is present. "mean" is the mean of each
        attribute over the seen classes. None expects attributes that are 0 or 1 (or -1 or 1)
        already.
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
    seen_attributes_ : ndarray of shape (n_classes, n_embedding_features), bool
        The seen classes' attributes.
    threshold_ : ndarray of shape (n_embedding_features,)
        An attribute above it is present.
    attribute_prior_ : ndarray of shape (n_embedding_features,)
        p(a_m = 1), the share of the seen classes that have the attribute.
    classes_, unseen_classes_, class_embeddings_, bias_detector_, gate_threshold_
        As in `ClasterZSL`.
    feature_mean_ : ndarray of shape (n_features_in_,)
        Mean of the training samples.
    n_features_in_ : int
        Number of features seen in `fit`.

    See Also
    --------
    DAP : Predicts every attribute from the features.

    Notes
    -----
    An attribute that all seen classes have, or none, cannot be learnt and is left out. Scores
    are the logarithm of the product, so that `predict_proba` is the posterior over candidates
    that are equally likely a priori.

    Raises
    ------
    ValueError
        From `fit` and the predicting methods, if attributes are not binary and `threshold` is
        None.

    References
    ----------
    C. H. Lampert, H. Nickisch and S. Harmeling, "Attribute-based classification for
    zero-shot visual object categorization", TPAMI 2014; here with logistic regression.

    Examples
    --------
    >>> from sklearn_claster.baselines import IAP
    >>> X = [[0, 0], [0, 1], [5, 0], [5, 1], [0, 5], [0, 6]]
    >>> y = ["plain", "plain", "long", "long", "high", "high"]
    >>> table = {"plain": [0, 0], "long": [1, 0], "high": [0, 1], "long and high": [1, 1]}
    >>> IAP(space="gzsl").fit(X, y, table).predict([[5, 6], [5, 0]])
    array(['long and high', 'long'], dtype='<U13')
    """

    def _fit_attributes(self, x: Matrix, y: NDArray[np.intp], present: NDArray[np.bool_]) -> None:
        self.seen_attributes_ = present
        self.coef_, self.intercept_ = softmax_regression(x, y, self.C)

    def _log_probabilities(self, x: Matrix) -> tuple[Matrix, Matrix]:
        probability = softmax(x @ self.coef_.T + self.intercept_, axis=1)  # (n, S)
        present = probability @ self.seen_attributes_  # (n, M)
        absent = probability @ ~self.seen_attributes_
        return np.log(np.maximum(present, _LEAST)), np.log(np.maximum(absent, _LEAST))
