"""Metrics of (generalized) zero-shot learning, and of clusters of labelled samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import hmean
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import auc, recall_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from ._utils.labels import check_labels, is_among, labels_like, preview
from ._utils.parameters import check_value
from ._utils.torch import as_host_array
from ._utils.warning import warn

__all__ = [
    "GZSLReport",
    "ausuc",
    "class_purity",
    "cluster_purity",
    "expected_calibration_error",
    "gzsl_report",
    "mean_per_class_accuracy",
    "seen_unseen_curve",
]


def cluster_purity(clusters: ArrayLike, y: ArrayLike) -> float:
    r"""Compute the share of samples that belong to the main class of their cluster.

    .. math:: \frac{1}{N} \sum_{j=1}^{K} \max_c |\{i : \text{cluster}_i = j, y_i = c\}|

    With fewer clusters than classes it cannot reach 1: six clusters hold at most
    six of 51 equally large classes, so 6/51. See `class_purity` for that case.

    Parameters
    ----------
    clusters : array-like of shape (n_samples,)
        The cluster of each sample.
    y : array-like of shape (n_samples,)
        The class of each sample.

    Returns
    -------
    float
        The purity, above 0 and at most 1.

    Raises
    ------
    ValueError
        If the arguments are empty or differ in length, or a label is missing.
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
    r"""Compute the share of samples that lie in the main cluster of their class.

    .. math:: \frac{1}{N} \sum_{c} \max_j |\{i : \text{cluster}_i = j, y_i = c\}|

    It tells whether clusters keep classes whole. It can reach 1 with few clusters, and always
    does with one. The values that the paper [1]_ reports for six clusters and 51 classes are
    possible for this purity, and not for its Eq. 7 as printed, which is `cluster_purity`.

    Parameters
    ----------
    clusters : array-like of shape (n_samples,)
        The cluster of each sample.
    y : array-like of shape (n_samples,)
        The class of each sample.

    Returns
    -------
    float
        The purity, above 0 and at most 1.

    Raises
    ------
    ValueError
        If the arguments are empty or differ in length, or a label is missing.
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
    labels: ArrayLike | Set[Any] | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Compute the accuracy within each class, and average over the classes.

    Every class counts alike, however many samples it has [1]_. This is the mean recall of the
    classes that have samples in `y_true`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        The true labels.
    y_pred : array-like of shape (n_samples,)
        The predicted labels. One that is not among `labels` is a wrong answer.
    labels : array-like of shape (n_labels,) or set, default=None
        The classes to average over; samples of other classes are left out. A class
        without samples in `y_true` has no accuracy and is left out of the mean too.
        None stands for the classes in `y_true`.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples within their classes. A class whose samples all weigh 0
        counts as one without samples.

    Returns
    -------
    float
        The mean accuracy, from 0 to 1.

    Raises
    ------
    ValueError
        If no class in `labels` has a sample in `y_true`, if the arguments are empty
        or differ in length, if they are no class labels, or a label is missing.
    TypeError
        If strings are compared with numbers, or numbers of types that cannot hold each other.

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
    y_true, y_pred = _check_pair(y_true, y_pred)
    if sample_weight is not None:
        sample_weight = column_or_1d(as_host_array(sample_weight, "sample_weight"))
    check_consistent_length(y_true, sample_weight)
    present = np.unique(y_true if sample_weight is None else y_true[sample_weight != 0])
    averaged = present if labels is None else present[is_among(present, labels, "labels")]
    if not len(averaged):
        raise ValueError(
            "mean_per_class_accuracy needs a sample of at least one of the classes to average "
            f"over; samples of weight above 0 are of the classes [{preview(present)}], and labels "
            f"are {labels!r}. Leave labels=None to average over all classes in y_true."
        )
    return float(
        recall_score(y_true, y_pred, labels=averaged, average="macro", sample_weight=sample_weight)
    )


class GZSLReport(dict[str, float]):
    """Dictionary of accuracies that prints as a table: see `gzsl_report`.

    Parameters
    ----------
    accuracies : dict from str to float
        "seen", "unseen" and "harmonic_mean".
    n_classes, n_samples : tuple of two int
        Numbers of seen and unseen classes, and of their samples.
    """

    def __init__(
        self, accuracies: Mapping[str, float], n_classes: Sequence[int], n_samples: Sequence[int]
    ) -> None:
        super().__init__(accuracies)
        self._counts = tuple(zip(n_classes, n_samples, strict=True))

    def __str__(self) -> str:
        lines = [f"{'':>13}  {'accuracy':>9} {'classes':>9} {'support':>9}", ""]
        for side, (n_classes, n_samples) in zip(("seen", "unseen"), self._counts, strict=True):
            lines.append(f"{side:>13}  {self[side]:>9.2f} {n_classes:>9} {n_samples:>9}")
        totals = [sum(column) for column in zip(*self._counts, strict=True)]
        mean = self["harmonic_mean"]
        return "\n".join(
            [*lines, "", f"{'harmonic mean':>13}  {mean:>9.2f} {totals[0]:>9} {totals[1]:>9}", ""]
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return GZSLReport, (dict(self), *zip(*self._counts, strict=True))


def gzsl_report(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    seen_classes: ArrayLike | Set[Any] | None = None,
    *,
    unseen_classes: ArrayLike | Set[Any] | None = None,
) -> GZSLReport:
    """Measure accuracy on seen and on unseen classes when both are candidates.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        The true labels, of seen and unseen classes.
    y_pred : array-like of shape (n_samples,)
        The predicted labels, out of seen and unseen classes together.
    seen_classes : array-like of shape (n_seen_classes,) or set, default=None
        The classes that were trained on; every other class is unseen.
    unseen_classes : array-like of shape (n_unseen_classes,) or set, default=None
        In place of `seen_classes`: the classes that were not trained on; every other is seen.

    Returns
    -------
    GZSLReport
        A dictionary: "seen" and "unseen", the mean per-class accuracies on the samples of each
        kind, and their "harmonic_mean" [1]_: 0 if either is 0. If `y_true` holds
        no sample of one kind, that accuracy and the harmonic mean are NaN. Its ``str`` is a table.

    Raises
    ------
    ValueError
        If the arguments are empty or differ in length, are no class labels, a label is missing,
        or not exactly one of `seen_classes` and `unseen_classes` is given.
    TypeError
        If strings are compared with numbers, or numbers of types that cannot hold each other.

    Warns
    -----
    UndefinedMetricWarning
        If `y_true` holds no sample of one kind.

    See Also
    --------
    mean_per_class_accuracy : The accuracy that is used.
    seen_unseen_curve : Both accuracies for every balance between the two kinds.
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
    >>> print(report)
                    accuracy   classes   support
    <BLANKLINE>
             seen       1.00         1         2
           unseen       0.50         1         2
    <BLANKLINE>
    harmonic mean       0.67         2         4
    <BLANKLINE>
    """
    if (seen_classes is None) == (unseen_classes is None):
        raise ValueError(
            "gzsl_report needs the classes that were trained on or those that were not; got "
            f"{'neither' if seen_classes is None else 'both'}. Pass seen_classes, for example "
            "model.classes_, or unseen_classes."
        )
    y_true, y_pred = _check_pair(y_true, y_pred)
    classes, codes = np.unique(y_true, return_inverse=True)
    if unseen_classes is None:
        is_seen = is_among(classes, seen_classes, "seen_classes")
    else:
        is_seen = ~is_among(classes, unseen_classes, "unseen_classes")
    seen, unseen = (
        mean_per_class_accuracy(y_true, y_pred, labels=side) if len(side) else float("nan")
        for side in (classes[is_seen], classes[~is_seen])
    )
    for side, accuracy in (("seen", seen), ("unseen", unseen)):
        if np.isnan(accuracy):
            warn(
                f"y_true holds no sample of {side} classes, so the accuracy on them and the "
                "harmonic mean are NaN. Pass samples of both kinds, and the classes of the model "
                "that made y_pred, for example model.classes_.",
                UndefinedMetricWarning,
            )
    return GZSLReport(
        {"seen": seen, "unseen": unseen, "harmonic_mean": float(hmean([seen, unseen]))},
        [int(side.sum()) for side in (is_seen, ~is_seen)],
        [int(side[codes].sum()) for side in (is_seen, ~is_seen)],
    )


def seen_unseen_curve(
    y_true: ArrayLike, scores: ArrayLike, labels: ArrayLike, seen_classes: ArrayLike | Set[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Compute seen and unseen accuracy for every constant taken from the seen scores.

    Calibrated stacking [1]_ lowers the scores of all seen classes by a constant, which
    moves predictions from seen to unseen classes. Between two neighbouring constants that are
    returned no prediction changes sides: the curve is exact, without a grid.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        The true labels, of seen and unseen classes. A class that is not among `labels`
        is always missed, and counts in the mean over its side.
    scores : array-like of shape (n_samples, n_labels)
        Finite scores, the higher the better; the first label wins a tie within a side.
    labels : array-like of shape (n_labels,)
        The candidates, one per column of `scores`, of both sides. A candidate without
        samples in `y_true` competes, but has no accuracy and is left out of the mean.
    seen_classes : array-like of shape (n_seen_classes,) or set
        The classes that were trained on; every other class is unseen.

    Returns
    -------
    seen : ndarray of shape (n_points,)
        Mean per-class accuracy on the samples of seen classes, falling to 0. NaN if `y_true`
        has none.
    unseen : ndarray of shape (n_points,)
        The same on the samples of unseen classes, rising from 0.
    constants : ndarray of shape (n_points,)
        Ascending, the first -inf. With a constant c a sample goes to a seen class if its best
        seen score exceeds its best unseen score by more than c; a tie goes to the unseen
        class. The accuracies at ``constants[i]`` hold up to, not including, the next
        constant; a value halfway between them is safe from rounding.

    Raises
    ------
    ValueError
        If the shapes do not match, a score is not finite, or `labels` repeats a class or
        lacks one side.
    TypeError
        If strings are compared with numbers.

    See Also
    --------
    ausuc : The area under this curve.
    sklearn_claster.inspection.SeenUnseenCurveDisplay : Its picture.

    References
    ----------
    .. [1] W.-L. Chao, S. Changpinyo, B. Gong, F. Sha, "An empirical study and analysis of
       generalized zero-shot learning for object recognition in the wild", ECCV 2016.

    Examples
    --------
    >>> from sklearn_claster.metrics import seen_unseen_curve
    >>> scores = [[3.0, 1.0], [2.0, 1.5], [1.0, 0.0], [1.0, 2.0]]
    >>> seen, unseen, constants = seen_unseen_curve(
    ...     ["archery", "archery", "yoyo", "yoyo"], scores, ["archery", "yoyo"], ["archery"]
    ... )
    >>> print(seen, unseen, constants)
    [1.  1.  0.5 0.5 0. ] [0.  0.5 0.5 1.  1. ] [-inf -1.   0.5  1.   2. ]
    """
    y_true, labels = check_labels(y_true, "y_true"), check_labels(labels, "labels")
    labels = labels_like(labels, y_true, "labels", "y_true")
    matrix: NDArray[np.float64] = check_array(
        as_host_array(scores, "scores"), dtype=np.float64, input_name="scores"
    )
    check_consistent_length(y_true, matrix)
    if matrix.shape[1] != len(labels) or len(np.unique(labels)) != len(labels):
        raise ValueError(
            "scores needs one column per label, and labels each class once; got "
            f"{matrix.shape[1]} columns and {len(labels)} labels of {len(np.unique(labels))} "
            "classes. For a zero-shot classifier, pass labels=candidates()[0]."
        )
    is_seen_label = is_among(labels, seen_classes, "seen_classes")
    if is_seen_label.all() or not is_seen_label.any():
        raise ValueError(
            "The curve needs seen and unseen classes among labels; they hold "
            f"{is_seen_label.sum()} seen and {(~is_seen_label).sum()} unseen ones. If the "
            'estimator has a parameter "space", take its scores with space="gzsl".'
        )
    best, hit = [], []  # of either side: the highest score (n,), whether it is the true class
    for columns in (np.flatnonzero(is_seen_label), np.flatnonzero(~is_seen_label)):
        top = columns[matrix[:, columns].argmax(axis=1)]
        best.append(matrix[np.arange(len(matrix)), top])
        hit.append(labels[top] == y_true)
    classes, codes, counts = np.unique(y_true, return_inverse=True, return_counts=True)
    is_seen = is_among(classes, seen_classes, "seen_classes")
    # A sample is worth its share of the mean over the classes of its side.
    worth = (1.0 / (counts * np.where(is_seen, is_seen.sum(), (~is_seen).sum())))[codes]
    is_seen = is_seen[codes]  # per sample from here on
    counted = np.where(is_seen, *hit)
    constants, at = np.unique((best[0] - best[1])[counted], return_inverse=True)
    lost, won = (
        np.bincount(at, weights=(worth * side)[counted], minlength=len(constants))
        for side in (is_seen, ~is_seen)
    )
    seen = np.append(np.cumsum(lost[::-1])[::-1], 0.0).clip(max=1.0)
    unseen = np.append(0.0, np.cumsum(won)).clip(max=1.0)
    for side, accuracy in ((is_seen, seen), (~is_seen, unseen)):
        if not side.any():
            accuracy[:] = np.nan
    return seen, unseen, np.append(-np.inf, constants)


def ausuc(
    y_true: ArrayLike, scores: ArrayLike, labels: ArrayLike, seen_classes: ArrayLike | Set[Any]
) -> float:
    """Compute the area under the seen-unseen curve.

    One number for all constants that calibrated stacking could choose [1]_: the mean seen
    accuracy over all unseen accuracies from 0 to 1. Those out of reach count as 0.

    Parameters
    ----------
    y_true, scores, labels, seen_classes
        As in `seen_unseen_curve`.

    Returns
    -------
    float
        The area, from 0 to 1; at most the product of the two accuracies that are reached
        when each side has its own candidates only. Where a seen and an unseen sample change
        sides together, the points are joined by a straight line, as in the area under a
        ROC curve. NaN if `y_true` has no sample of one side.

    Raises
    ------
    ValueError, TypeError
        As in `seen_unseen_curve`.

    See Also
    --------
    seen_unseen_curve : The curve.
    sklearn_claster.model_selection.ausuc_scorer : The same as a scorer.

    References
    ----------
    .. [1] W.-L. Chao, S. Changpinyo, B. Gong, F. Sha, "An empirical study and analysis of
       generalized zero-shot learning for object recognition in the wild", ECCV 2016.

    Examples
    --------
    >>> from sklearn_claster.metrics import ausuc
    >>> scores = [[3.0, 1.0], [2.0, 1.5], [1.0, 0.0], [1.0, 2.0]]
    >>> y_true = ["archery", "archery", "yoyo", "yoyo"]
    >>> ausuc(y_true, scores, ["archery", "yoyo"], ["archery"])
    0.75
    """
    seen, unseen, _ = seen_unseen_curve(y_true, scores, labels, seen_classes)
    if np.isnan([seen[0], unseen[0]]).any():
        return float("nan")
    return float(auc(unseen, seen)) if len(seen) > 1 else 0.0


def expected_calibration_error(
    y_true: ArrayLike, y_proba: ArrayLike, labels: ArrayLike | None = None, n_bins: int = 15
) -> float:
    r"""Measure how far probabilities are from the share of right answers.

    .. math:: \sum_{m} \frac{|B_m|}{n} |\text{acc}(B_m) - \text{conf}(B_m)|

    The bins :math:`B_m` have equal widths and hold the samples whose largest probability lies
    there; acc is the share of samples that are named correctly, conf the mean of those
    probabilities [1]_.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        The true labels. One that is not among `labels` is always missed.
    y_proba : array-like of shape (n_samples, n_labels)
        Probabilities of the candidates, as from `predict_proba`.
    labels : array-like of shape (n_labels,), default=None
        The candidates, one per column: of a zero-shot classifier, ``candidates()[0]``. None
        stands for the sorted classes in `y_true`.
    n_bins : int, default=15
        Number of bins. Empty bins do not count.

    Returns
    -------
    float
        The error, from 0 to 1.

    Raises
    ------
    ValueError
        If the shapes do not match, or `y_proba` holds no probabilities.
    TypeError
        If strings are compared with numbers.

    See Also
    --------
    sklearn_claster.inspection.ReliabilityDisplay : The bins as a picture.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural
       networks", ICML 2017.

    Examples
    --------
    >>> from sklearn_claster.metrics import expected_calibration_error
    >>> y_proba = [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]]
    >>> round(expected_calibration_error(["archery", "yoyo", "yoyo"], y_proba), 2)
    0.4
    """
    shares, confidences, counts = confidence_bins(y_true, y_proba, labels, n_bins)[:3]
    return float(np.abs(shares - confidences) @ counts / counts.sum())


def confidence_bins(
    y_true: ArrayLike, y_proba: ArrayLike, labels: ArrayLike | None, n_bins: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
    """Share of right answers, mean confidence and samples of each bin, and all confidences.

    Bins without a sample are left out, (n_filled,) each; confidences (n,).
    """
    check_value(n_bins, "n_bins", Integral, 1)
    y_true = check_labels(y_true, "y_true")
    columns = np.unique(y_true) if labels is None else check_labels(labels, "labels")
    columns = labels_like(columns, y_true, "labels", "y_true")
    proba: NDArray[np.float64] = check_array(
        as_host_array(y_proba, "y_proba"), dtype=np.float64, input_name="y_proba"
    )
    check_consistent_length(y_true, proba)
    if proba.shape[1] != len(columns) or len(np.unique(columns)) != len(columns):
        raise ValueError(
            "y_proba needs one column per label, and labels each class once; got "
            f"{proba.shape[1]} columns and {len(columns)} labels of {len(np.unique(columns))} "
            "classes. For a zero-shot classifier, pass labels=candidates()[0]."
        )
    if proba.min() < 0.0 or np.abs(proba.sum(axis=1) - 1.0).max() > 1e-3:
        raise ValueError(
            "y_proba has to hold probabilities, and each row sums to one; got numbers from "
            f"{proba.min():.3g} to {proba.max():.3g}. Pass what predict_proba returns, for all "
            "candidates."
        )
    best = proba.argmax(axis=1)
    confidence, hits = proba[np.arange(len(best)), best], columns[best] == y_true
    bins = np.digitize(confidence, np.linspace(0.0, 1.0, n_bins + 1)[1:-1], right=True)
    counts = np.bincount(bins)
    filled = counts > 0
    counts = counts[filled]
    shares, means = (
        np.bincount(bins, weights=part)[filled] / counts for part in (hits, confidence)
    )
    return shares, means, counts, confidence


def _check_pair(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Check true and predicted labels: one each per sample, of one type."""
    true, predicted = check_labels(y_true, "y_true"), check_labels(y_pred, "y_pred")
    check_consistent_length(true, predicted)
    return true, labels_like(predicted, true, "y_pred", "y_true")


def _count(clusters: ArrayLike, y: ArrayLike) -> NDArray[np.int64]:
    """Rows per class and cluster."""
    clusters, y = check_labels(clusters, "clusters"), check_labels(y, "y")
    check_consistent_length(clusters, y)
    return contingency_matrix(y, clusters)
