"""A classifier that adapts to the samples of each call."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted


class Transductive(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Zero-shot classifier that adapts to the samples of each call before it answers.

    Predictions depend on the batch: a sample may get another answer among other samples. Their
    order does not matter. Cross-validation with `ZeroShotKFold` measures what `adapt` is worth;
    report such figures apart from those of inductive methods. To answer one sample at a time,
    call `adapt` of the classifier once. Without unseen candidates the classifier answers as it
    is.

    Parameters
    ----------
    estimator : zero-shot classifier
        `ClasterZSL` or a baseline. `fit` clones it.

    Attributes
    ----------
    estimator_ : zero-shot classifier
        The fitted clone, which is not adapted.
    classes_ : ndarray of shape (n_classes,)
        The seen classes, sorted.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if `X` had any.

    See Also
    --------
    ZeroShotKFold : Folds that hold out whole classes.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn_claster.baselines import ESZSL
    >>> from sklearn_claster.datasets import load_digit_pairs
    >>> from sklearn_claster.model_selection import Transductive, ZeroShotKFold
    >>> digits = load_digit_pairs(random_state=0)
    >>> scores = cross_val_score(
    ...     Transductive(ESZSL()), digits.data, digits.target, cv=ZeroShotKFold(3),
    ...     params={"class_embeddings": digits.class_embeddings},
    ... )
    >>> len(scores)
    3
    """

    __metadata_request__fit = {"class_embeddings": True, "groups": True}
    __metadata_request__predict = {"unseen_embeddings": True}
    __metadata_request__predict_proba = {"unseen_embeddings": True}
    __metadata_request__decision_function = {"unseen_embeddings": True}
    __metadata_request__score = {"unseen_embeddings": True}

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        class_embeddings: Any = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit a clone of the classifier.

        Parameters
        ----------
        X, y, class_embeddings, groups
            As in `ClasterZSL.fit`.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        if not hasattr(self.estimator, "adapt"):
            raise TypeError(
                "estimator has to be a zero-shot classifier with a method `adapt`, such as "
                f"ClasterZSL(); got {self.estimator!r}."
            )
        self.estimator_ = clone(self.estimator).fit(X, y, class_embeddings, groups)
        self.classes_ = self.estimator_.classes_
        self.n_features_in_ = self.estimator_.n_features_in_
        if hasattr(self.estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.estimator_.feature_names_in_
        return self

    def predict(self, X: ArrayLike, unseen_embeddings: Any = None) -> NDArray[Any]:
        """Adapt a copy to these samples, and name their classes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features)
            Feature vectors.
        unseen_embeddings : ClassEmbeddings, mapping, DataFrame or tuple, default=None
            Vectors of the unseen candidate classes, as in `ClasterZSL.predict`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels.
        """
        return self._adapted(X, unseen_embeddings).predict(X, unseen_embeddings)

    def predict_proba(self, X: ArrayLike, unseen_embeddings: Any = None) -> NDArray[Any]:
        """Adapt a copy to these samples, and give probabilities.

        Parameters
        ----------
        X, unseen_embeddings
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_candidates)
            Probabilities; the columns are the labels of `candidates`.
        """
        return self._adapted(X, unseen_embeddings).predict_proba(X, unseen_embeddings)

    def decision_function(self, X: ArrayLike, unseen_embeddings: Any = None) -> NDArray[Any]:
        """Adapt a copy to these samples, and give scores.

        Parameters
        ----------
        X, unseen_embeddings
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_candidates) or (n_samples,)
            Scores, as of `ClasterZSL.decision_function`.
        """
        return self._adapted(X, unseen_embeddings).decision_function(X, unseen_embeddings)

    def score(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        unseen_embeddings: Any = None,
    ) -> float:
        """Adapt a copy to these samples, and give the accuracy.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features)
            Feature vectors.
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        unseen_embeddings : ClassEmbeddings, mapping, DataFrame or tuple, default=None
            As in `predict`.

        Returns
        -------
        float
            Accuracy.
        """
        adapted = self._adapted(X, unseen_embeddings)
        return float(adapted.score(X, y, sample_weight, unseen_embeddings))

    def candidates(self, unseen_embeddings: Any = None) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return the classes that `predict` chooses from.

        Parameters
        ----------
        unseen_embeddings : ClassEmbeddings, mapping, DataFrame or tuple, default=None
            As in `predict`.

        Returns
        -------
        labels : ndarray of shape (n_candidates,)
            Sorted labels.
        vectors : ndarray of shape (n_candidates, n_embedding_features)
            Their class vectors.
        """
        check_is_fitted(self)
        found: tuple[NDArray[Any], NDArray[np.float64]] = self.estimator_.candidates(
            unseen_embeddings
        )
        return found

    def _adapted(self, X: Any, unseen_embeddings: Any) -> Any:
        labels, _ = self.candidates(unseen_embeddings)
        if np.isin(labels, self.classes_).all():  # there is nothing to learn
            return self.estimator_
        return copy.copy(self.estimator_).adapt(X, unseen_embeddings)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags, tags.target_tags = inner.input_tags, inner.target_tags
        tags.classifier_tags = inner.classifier_tags
        return tags
