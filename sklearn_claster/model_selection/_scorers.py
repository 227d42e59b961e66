"""Scorers of zero-shot learning: callables (estimator, X, y) for searches and validation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_consistent_length

from .._utils.labels import check_labels, is_among, labels_like
from .._utils.responses import candidate_scores, cluster_labels, unwrap
from .._utils.warning import warn
from ..metrics import (
    ausuc,
    class_purity,
    cluster_purity,
    gzsl_report,
    mean_per_class_accuracy,
)


def mean_per_class_scorer(estimator: Any, X: Any, y: ArrayLike) -> float:
    """Score a fitted classifier by its mean per-class accuracy.

    The string "balanced_accuracy" gives the same number, but warns when a class is predicted
    that `y` does not hold, as happens with more candidates than test classes. scikit-learn has
    no names for the other scorers of this package: pass them as callables.

    Parameters
    ----------
    estimator : object
        A fitted classifier, pipeline or search.
    X : array-like of shape (n_samples, n_features)
        The samples to score.
    y : array-like of shape (n_samples,)
        Their labels.

    Returns
    -------
    float
        `sklearn_claster.metrics.mean_per_class_accuracy` of the predictions.

    See Also
    --------
    gzsl_scorer : The same for seen and unseen classes apart.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn_claster.model_selection import mean_per_class_scorer
    >>> classifier = KNeighborsClassifier(1).fit([[0.0], [1.0]], ["archery", "bowling"])
    >>> mean_per_class_scorer(classifier, [[0.1], [0.2], [0.3]], ["archery", "archery", "yoyo"])
    0.5
    """
    return mean_per_class_accuracy(y, estimator.predict(X))


def top_k_scorer(estimator: Any, X: Any, y: ArrayLike, k: int = 5) -> float:
    """Score a fitted zero-shot classifier by how often the true class is among its k best.

    For another k than 5 pass ``functools.partial(top_k_scorer, k=3)``.

    Parameters
    ----------
    estimator : object
        A fitted zero-shot classifier, or a pipeline or search around one.
    X : array-like of shape (n_samples, n_features)
        The samples to score.
    y : array-like of shape (n_samples,)
        Their labels.
    k : int, default=5
        How many candidates count as named.

    Returns
    -------
    float
        The share of samples whose class is among their k most probable candidates, within each
        class, averaged over the classes. With k = 1 it is `mean_per_class_scorer`.

    Raises
    ------
    ValueError
        If there are fewer candidates than k, or the estimator has no `top_k`.

    See Also
    --------
    mean_per_class_scorer : The same for the best candidate alone.

    Examples
    --------
    >>> from sklearn_claster.baselines import CosineZSL
    >>> from sklearn_claster.model_selection import top_k_scorer
    >>> model = CosineZSL.from_table({"cat": [1.0, 0.1], "dog": [0.1, 1.0], "eel": [1.0, 0.0]})
    >>> top_k_scorer(model, [[0.9, 0.0], [0.2, 0.9]], ["cat", "eel"], k=2)
    0.5
    """
    host, X = unwrap(estimator, X)
    if not hasattr(host, "top_k"):
        raise ValueError(
            f"top_k_scorer needs a zero-shot classifier, which has a method top_k; got "
            f"{type(host).__name__}. For other classifiers use scoring='top_k_accuracy'."
        )
    named = host.top_k(X, k)[0]
    truth = labels_like(check_labels(y, "y"), named.ravel(), "The labels in y", "the model")
    check_consistent_length(truth, named)
    hits = (named == truth[:, None]).any(axis=1)
    return mean_per_class_accuracy(truth, np.where(hits, truth, named[:, 0]))


def gzsl_scorer(estimator: Any, X: Any, y: ArrayLike) -> dict[str, float]:
    """Score a fitted zero-shot classifier on samples of seen and unseen classes.

    For ``scoring=gzsl_scorer, refit="harmonic_mean"`` in a search, with generalized
    folds (``seen_fraction > 0``) and an estimator that chooses among seen and unseen
    classes (``space="gzsl"``).

    Parameters
    ----------
    estimator : object
        A fitted classifier, pipeline or search; its `classes_` are the seen classes.
    X : array-like of shape (n_samples, n_features)
        Rows of seen and unseen classes, none of them trained on.
    y : array-like of shape (n_samples,)
        Their labels.

    Returns
    -------
    dict
        "seen", "unseen" and "harmonic_mean" of `sklearn_claster.metrics.gzsl_report`.

    Raises
    ------
    ValueError
        If `y` has no sample of a seen class, or none of an unseen class, as in ordinary
        folds and in training data (so leave ``return_train_score=False``), or if the
        estimator has no `classes_`.

    Warns
    -----
    UserWarning
        If no prediction is a seen class.

    See Also
    --------
    sklearn_claster.model_selection.ZeroShotKFold : The folds to use.
    ausuc_scorer : One number for all balances between seen and unseen classes.
    sklearn_claster.metrics.gzsl_report : The same for given predictions.

    References
    ----------
    .. [1] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-shot learning - a
       comprehensive evaluation of the good, the bad and the ugly", TPAMI 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn_claster.model_selection import gzsl_scorer
    >>> classifier = KNeighborsClassifier(1).fit([[0.0], [1.0]], ["archery", "bowling"])
    >>> gzsl_scorer(classifier, [[0.1], [0.9], [2.0]], ["archery", "bowling", "yoyo"])
    {'seen': 1.0, 'unseen': 0.0, 'harmonic_mean': 0.0}
    """
    if not hasattr(estimator, "classes_"):
        raise ValueError(
            "gzsl_scorer needs a fitted classifier whose classes_ are the seen classes; "
            f"{type(estimator).__name__} has none. Fit it first, or use "
            "sklearn_claster.metrics.gzsl_report(y, y_pred, seen_classes)."
        )
    is_seen = is_among(check_labels(y, "y"), estimator.classes_, "classes_")
    for side, there in (("seen", is_seen), ("unseen", ~is_seen)):
        if not there.any():
            raise ValueError(_missing_side("gzsl_scorer", side))
    y_pred = check_labels(estimator.predict(X), "y_pred")
    report = gzsl_report(y, y_pred, estimator.classes_)
    if not np.isin(y_pred, estimator.classes_).any():
        warn(
            'No prediction is a seen class. If the estimator has a parameter "space", set '
            'space="gzsl" to have it choose among seen and unseen classes.',
        )
    return report


def ausuc_scorer(estimator: Any, X: Any, y: ArrayLike) -> float:
    """Score a fitted zero-shot classifier by the area under its seen-unseen curve.

    It judges the scores at every balance between seen and unseen classes, so a search does not
    have to tune that balance. It needs generalized folds
    (``seen_fraction > 0``) and an estimator that scores seen and unseen classes
    (``space="gzsl"``).

    Parameters
    ----------
    estimator : object
        A fitted classifier, pipeline or search with `decision_function` or `predict_proba`;
        its `classes_` are the seen classes.
    X : array-like of shape (n_samples, n_features)
        Rows of seen and unseen classes, none of them trained on.
    y : array-like of shape (n_samples,)
        Their labels.

    Returns
    -------
    float
        `sklearn_claster.metrics.ausuc` of the scores.

    Raises
    ------
    ValueError
        If `y` has no sample of a seen class, or none of an unseen class, as in ordinary folds
        and in training data (so leave ``return_train_score=False``); or if the estimator
        scores one side only.

    See Also
    --------
    gzsl_scorer : The accuracies at the balance that the estimator has chosen.
    sklearn_claster.inspection.SeenUnseenCurveDisplay : The curve as a picture.

    References
    ----------
    .. [1] W.-L. Chao, S. Changpinyo, B. Gong, F. Sha, "An empirical study and analysis of
       generalized zero-shot learning for object recognition in the wild", ECCV 2016.

    Examples
    --------
    >>> from sklearn_claster import ClasterZSL
    >>> from sklearn_claster.model_selection import ausuc_scorer
    >>> table = {"archery": [1, 0], "bowling": [0, 1], "surfing": [1, 1]}
    >>> X, y = [[3, 0], [0, 3], [4, 1], [1, 4]], ["archery", "bowling", "archery", "bowling"]
    >>> zsl = ClasterZSL(2, space="gzsl", random_state=0).fit(X, y, table)
    >>> 0 <= ausuc_scorer(zsl, [[3, 0], [0, 3], [3, 3]], ["archery", "bowling", "surfing"]) <= 1
    True
    """
    scores, labels, seen_classes = candidate_scores(estimator, X)
    area = ausuc(y, scores, labels, seen_classes)
    if math.isnan(area):
        missing = "unseen" if np.isin(y, seen_classes).any() else "seen"
        raise ValueError(_missing_side("ausuc_scorer", missing))
    return area


def class_purity_scorer(estimator: Any, X: Any, y: ArrayLike) -> float:
    """Score the clusters of a fitted estimator by how whole they keep the classes.

    Compare centroids with it, but do not choose the number of clusters by it: a single
    cluster keeps every class whole.

    Parameters
    ----------
    estimator : object
        A fitted `ClasterZSL` with centroids, a clusterer with `predict`, or a pipeline or
        search around one of them.
    X : array-like of shape (n_samples, n_features)
        The samples to put into clusters.
    y : array-like of shape (n_samples,)
        Their labels, of seen or unseen classes.

    Returns
    -------
    float
        `sklearn_claster.metrics.class_purity` of the clusters.

    Raises
    ------
    ValueError
        If the estimator has no clusters.

    See Also
    --------
    cluster_purity_scorer : The purity with the roles exchanged.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn_claster.model_selection import class_purity_scorer
    >>> kmeans = KMeans(2, random_state=0).fit([[0.0], [1.0], [8.0], [9.0]])
    >>> class_purity_scorer(kmeans, [[0.0], [2.0], [9.0]], ["archery", "archery", "yoyo"])
    1.0
    """
    return class_purity(cluster_labels(estimator, X)[0], y)


def cluster_purity_scorer(estimator: Any, X: Any, y: ArrayLike) -> float:
    """Score the clusters of a fitted estimator by the share of their main classes.

    Parameters
    ----------
    estimator : object
        As in `class_purity_scorer`.
    X : array-like of shape (n_samples, n_features)
        The samples to put into clusters.
    y : array-like of shape (n_samples,)
        Their labels, of seen or unseen classes.

    Returns
    -------
    float
        `sklearn_claster.metrics.cluster_purity` of the clusters.

    Raises
    ------
    ValueError
        If the estimator has no clusters.

    See Also
    --------
    class_purity_scorer : The purity to use with fewer clusters than classes.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn_claster.model_selection import cluster_purity_scorer
    >>> kmeans = KMeans(2, random_state=0).fit([[0.0], [1.0], [8.0], [9.0]])
    >>> cluster_purity_scorer(kmeans, [[0.0], [2.0], [8.0], [9.0]], ["a", "b", "c", "c"])
    0.75
    """
    return cluster_purity(cluster_labels(estimator, X)[0], y)


def _missing_side(scorer: str, side: str) -> str:
    return (
        f"{scorer} needs samples of seen and of unseen classes; y has none of {side} classes. Test "
        "on generalized folds, for example cv=ZeroShotKFold(seen_fraction=0.2), and leave "
        "return_train_score=False."
    )
