"""Metrics of (generalized) zero-shot learning, and of clusters of labelled rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import hmean
from sklearn.metrics import recall_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import type_of_target

from ._class_embeddings import check_comparable, preview

__all__ = ["class_purity", "cluster_purity", "gzsl_report", "mean_per_class_accuracy"]


def cluster_purity(clusters: ArrayLike, y: ArrayLike) -> float:
    r"""The share of rows that belong to the main class of their cluster.

    .. math:: \frac{1}{N} \sum_{j=1}^{K} \max_c |\{i : \text{cluster}_i = j, y_i = c\}|

    With fewer clusters than classes it cannot reach 1: six clusters hold at most
    six of 51 equally large classes, so 6/51. See `class_purity` for that case.

    Parameters
    ----------
    clusters : array-like of shape (n_samples,)
        The cluster of each row.
    y : array-like of shape (n_samples,)
        The class of each row.

    Returns
    -------
    float
        The purity, above 0 and at most 1.

    Raises
    ------
    ValueError
        If the arguments are empty or differ in length.
    TypeError
        If an argument mixes strings with other values.

    See Also
    --------
    class_purity : The same with the roles of clusters and classes exchanged.

    References
    ----------
    .. [1] S. N. Gowda, L. Sevilla-Lara, F. Keller, M. Rohrbach, "CLASTER: Clustering
       with Reinforcement Learning for Zero-Shot Action Recognition", ECCV 2022, Eq. 7.

    Examples
    --------
    >>> from sklearn_claster.metrics import cluster_purity
    >>> cluster_purity([0, 0, 0, 1], ["archery", "archery", "yoyo", "yoyo"])
    0.75
    """
    table = _count(clusters, y)  # (n_classes, n_clusters)
    return float(table.max(axis=0).sum() / table.sum())


def class_purity(clusters: ArrayLike, y: ArrayLike) -> float:
    r"""The share of rows that lie in the main cluster of their class.

    .. math:: \frac{1}{N} \sum_{c} \max_j |\{i : \text{cluster}_i = j, y_i = c\}|

    It tells whether clusters keep classes whole, and reaches 1 however few the
    clusters are (with a single cluster it always does). The values that the paper
    [1]_ reports for six clusters and 51 classes are possible for this purity only,
    not for its Eq. 7 as printed, which is `cluster_purity`.

    Parameters
    ----------
    clusters : array-like of shape (n_samples,)
        The cluster of each row.
    y : array-like of shape (n_samples,)
        The class of each row.

    Returns
    -------
    float
        The purity, above 0 and at most 1.

    Raises
    ------
    ValueError
        If the arguments are empty or differ in length.
    TypeError
        If an argument mixes strings with other values.

    See Also
    --------
    cluster_purity : The same with the roles of clusters and classes exchanged.

    References
    ----------
    .. [1] S. N. Gowda, L. Sevilla-Lara, F. Keller, M. Rohrbach, "CLASTER: Clustering
       with Reinforcement Learning for Zero-Shot Action Recognition", ECCV 2022, Eq. 7.

    Examples
    --------
    >>> from sklearn_claster.metrics import class_purity
    >>> class_purity([0, 0, 0, 1], ["archery", "archery", "yoyo", "surfing"])
    1.0
    """
    table = _count(clusters, y)  # (n_classes, n_clusters)
    return float(table.max(axis=1).sum() / table.sum())


def mean_per_class_accuracy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """The accuracy within each class, averaged over the classes.

    Every class counts alike, however many rows it has [1]_. This is the mean of
    the recalls of the classes that have rows in `y_true`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        The true labels.
    y_pred : array-like of shape (n_samples,)
        The predicted labels. One that is not among `labels` is a wrong answer.
    labels : array-like of shape (n_labels,), default=None
        The classes to average over; rows of other classes are left out. A class
        without rows in `y_true` has no accuracy and is left out of the mean too.
        None stands for the classes in `y_true`.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows within their classes. A class whose rows all weigh 0
        counts as one without rows.

    Returns
    -------
    float
        The mean accuracy, from 0 to 1.

    Raises
    ------
    ValueError
        If no class in `labels` has a row in `y_true`, if the arguments are empty
        or differ in length, or if they are no class labels.
    TypeError
        If strings are compared with numbers.

    See Also
    --------
    gzsl_report : This accuracy for seen and unseen classes apart.

    References
    ----------
    .. [1] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-shot learning - a
       comprehensive evaluation of the good, the bad and the ugly", TPAMI 2018.

    Examples
    --------
    >>> from sklearn_claster.metrics import mean_per_class_accuracy
    >>> y_true = ["yoyo", "yoyo", "yoyo", "yoyo", "surfing", "archery"]
    >>> y_pred = ["yoyo", "yoyo", "yoyo", "surfing", "archery", "archery"]
    >>> mean_per_class_accuracy(y_true, y_pred, labels=["surfing", "yoyo"])
    0.375
    """
    y_true, y_pred = check_labels(y_true, "y_true"), check_labels(y_pred, "y_pred")
    check_consistent_length(y_true, y_pred, sample_weight)
    present = np.unique(y_true if sample_weight is None else y_true[np.asarray(sample_weight) != 0])
    averaged = present if labels is None else present[_is_among(present, labels, "labels")]
    if not len(averaged):
        raise ValueError(
            "mean_per_class_accuracy needs a row of at least one of the classes to average over; "
            f"the rows of weight above 0 are of the classes [{preview(present)}], and labels are "
            f"{None if labels is None else np.ravel(labels).tolist()}. Leave labels=None to "
            "average over all classes in y_true."
        )
    return float(
        recall_score(y_true, y_pred, labels=averaged, average="macro", sample_weight=sample_weight)
    )


def gzsl_report(y_true: ArrayLike, y_pred: ArrayLike, seen_classes: ArrayLike) -> dict[str, float]:
    """How well seen and unseen classes are told when both are candidates.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        The true labels, of seen and unseen classes.
    y_pred : array-like of shape (n_samples,)
        The predicted labels, out of seen and unseen classes together.
    seen_classes : array-like of shape (n_seen_classes,)
        The classes that were trained on; every other class is unseen.

    Returns
    -------
    dict
        "seen" and "unseen", the mean per-class accuracies on the rows of each
        kind, and their "harmonic_mean" [1]_: 0 if either is 0. If `y_true` holds
        no row of one kind, that accuracy and the harmonic mean are NaN.

    Raises
    ------
    ValueError
        If the arguments are empty or differ in length, or are no class labels.
    TypeError
        If strings are compared with numbers.

    See Also
    --------
    mean_per_class_accuracy : The accuracy that is used.
    sklearn_claster.model_selection.gzsl_scorer : The same as a scorer.

    References
    ----------
    .. [1] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-shot learning - a
       comprehensive evaluation of the good, the bad and the ugly", TPAMI 2018.

    Examples
    --------
    >>> from sklearn_claster.metrics import gzsl_report
    >>> y_true = ["archery", "archery", "yoyo", "yoyo"]
    >>> y_pred = ["archery", "archery", "archery", "yoyo"]
    >>> report = gzsl_report(y_true, y_pred, seen_classes=["archery"])
    >>> report["seen"], report["unseen"], round(report["harmonic_mean"], 3)
    (1.0, 0.5, 0.667)
    """
    y_true, y_pred = check_labels(y_true, "y_true"), check_labels(y_pred, "y_pred")
    check_consistent_length(y_true, y_pred)
    classes = np.unique(y_true)
    is_seen = _is_among(classes, seen_classes, "seen_classes")
    seen, unseen = (
        mean_per_class_accuracy(y_true, y_pred, labels=side) if len(side) else float("nan")
        for side in (classes[is_seen], classes[~is_seen])
    )
    return {"seen": seen, "unseen": unseen, "harmonic_mean": float(hmean([seen, unseen]))}


def check_labels(labels: ArrayLike, name: str) -> NDArray[Any]:
    """Class labels as a one-dimensional array of numbers or of strings, not both."""
    array = column_or_1d(labels)
    if not len(array):
        raise ValueError(f"{name} has to hold at least one class label; it is empty.")
    assert_all_finite(array, input_name=name)
    if array.dtype.kind == "O":
        kinds = {isinstance(label, str) for label in array}
        if len(kinds) > 1:
            raise TypeError(
                f"{name} has to hold strings only or numbers only; it mixes strings with other "
                "values. Drop the rows without a label, or convert the labels with str(label)."
            )
        array = np.array(array.tolist())
    if (kind := type_of_target(array, input_name=name)) not in ("binary", "multiclass"):
        raise ValueError(
            f"{name} has to hold class labels (strings or whole numbers), one per row; got "
            f"{kind!r} values. Convert them, for example with {name}.astype(str)."
        )
    return array


def _is_among(classes: NDArray[Any], labels: ArrayLike, name: str) -> NDArray[np.bool_]:
    if not np.size(labels):
        return np.zeros(len(classes), dtype=bool)
    labels = check_labels(labels, name)
    check_comparable(labels, classes, name, "y_true")
    return np.isin(classes, labels)


def _count(clusters: ArrayLike, y: ArrayLike) -> NDArray[np.int64]:
    """Rows per class and cluster."""
    clusters, y = check_labels(clusters, "clusters"), check_labels(y, "y")
    check_consistent_length(clusters, y)
    return contingency_matrix(y, clusters)
