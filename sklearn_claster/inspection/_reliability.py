"""The reliability diagram of a zero-shot classifier."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.calibration import CalibrationDisplay

from .._utils.responses import unwrap
from ..metrics import confidence_bins
from ._plotting import one_axes


class ReliabilityDisplay(CalibrationDisplay):
    """Share of right answers against the probability of the named class.

    It extends scikit-learn's `CalibrationDisplay` from two classes to any number of candidates: the
    event is that the named class is the right one. A curve below the diagonal shows that the
    probabilities are too high. Make it with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    prob_true : ndarray of shape (n_filled_bins,)
        The share of samples in each bin whose class is named correctly.
    prob_pred : ndarray of shape (n_filled_bins,)
        The mean probability of the named class in each bin.
    y_prob : ndarray of shape (n_samples,)
        The probability of the named class for each sample.
    counts : ndarray of shape (n_filled_bins,)
        The number of samples in each bin.
    estimator_name : str, default=None
        The name in the legend.

    Attributes
    ----------
    prob_true, prob_pred, y_prob, counts, estimator_name
        As given.
    expected_calibration_error : float
        The mean distance of the bins from the diagonal, weighted by their samples.
    line_ : matplotlib Artist
        The curve.
    ax_ : matplotlib Axes
        The axes with the curve.
    figure_ : matplotlib Figure
        The figure of the axes.

    See Also
    --------
    sklearn_claster.metrics.expected_calibration_error : The number alone.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural
       networks", ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_claster.inspection import ReliabilityDisplay
    >>> half, whole = np.array([0.5, 1.0]), np.array([0.6, 0.9])
    >>> display = ReliabilityDisplay(half, whole, np.array([0.6, 0.6, 0.9]), np.array([2, 1]))
    >>> round(display.expected_calibration_error, 3)
    0.1
    """

    ax_: Any
    figure_: Any

    def __init__(
        self,
        prob_true: NDArray[np.float64],
        prob_pred: NDArray[np.float64],
        y_prob: NDArray[np.float64],
        counts: NDArray[np.intp],
        *,
        estimator_name: str | None = None,
    ) -> None:
        super().__init__(prob_true, prob_pred, y_prob, estimator_name=estimator_name)
        self.counts = counts
        distances = np.abs(prob_true - prob_pred)
        self.expected_calibration_error = float(distances @ counts / counts.sum())

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        unseen_embeddings: Any = None,
        *,
        n_bins: int = 15,
        name: str | None = None,
        ax: Any = None,
        ref_line: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Draw the reliability of a fitted classifier.

        Parameters
        ----------
        estimator : object
            A fitted classifier with `predict_proba`, or a pipeline or search around one.
        X : array-like of shape (n_samples, n_features)
            Samples that were not trained on.
        y : array-like of shape (n_samples,)
            Their labels. A sample whose label is no candidate counts as an error.
        unseen_embeddings : ClassEmbeddings, mapping, DataFrame or tuple, default=None
            As in `predict`.
        n_bins : int, default=15
            Number of bins of equal width.
        name : str, default=None
            Name in the legend; by default that of the classifier's class.
        ax : matplotlib Axes, default=None
            The axes to draw on; by default new axes.
        ref_line : bool, default=True
            Whether to draw the diagonal.
        **kwargs : dict
            Passed to matplotlib's `plot`.

        Returns
        -------
        display : ReliabilityDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        ValueError
            If the estimator has no `predict_proba`.
        """
        host, X = unwrap(estimator, X)
        if not hasattr(host, "predict_proba"):
            raise ValueError(
                f"{type(host).__name__} has no predict_proba. Pass a fitted classifier with "
                "probabilities, or probabilities of your own to from_predictions."
            )
        options = {} if unseen_embeddings is None else {"unseen_embeddings": unseen_embeddings}
        labels = host.candidates(**options)[0] if hasattr(host, "candidates") else host.classes_
        return cls.from_predictions(
            y,
            host.predict_proba(X, **options),
            labels=labels,
            n_bins=n_bins,
            name=type(host).__name__ if name is None else name,
            ax=ax,
            ref_line=ref_line,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_proba: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        n_bins: int = 15,
        name: str | None = None,
        ax: Any = None,
        ref_line: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Draw the reliability of given probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            The true labels. A sample whose label is not in `labels` counts as an error.
        y_proba : array-like of shape (n_samples, n_labels)
            Probabilities of the candidates.
        labels : array-like of shape (n_labels,), default=None
            The candidates, one per column; None stands for the sorted classes in `y_true`.
        n_bins : int, default=15
            Number of bins of equal width.
        name : str, default=None
            Name in the legend.
        ax : matplotlib Axes, default=None
            The axes to draw on; by default new axes.
        ref_line : bool, default=True
            Whether to draw the diagonal.
        **kwargs : dict
            Passed to matplotlib's `plot`.

        Returns
        -------
        display : ReliabilityDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        ValueError
            If the shapes do not match, or `y_proba` holds no probabilities.
        TypeError
            If strings are compared with numbers.
        """
        shares, confidences, counts, y_prob = confidence_bins(y_true, y_proba, labels, n_bins)
        display = cls(shares, confidences, y_prob, counts, estimator_name=name)
        return display.plot(ax=ax, ref_line=ref_line, **kwargs)

    def plot(
        self, *, ax: Any = None, name: str | None = None, ref_line: bool = True, **kwargs: Any
    ) -> Self:
        """Draw the curve, with the expected calibration error (ECE) in the legend.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on; by default new axes.
        name : str, default=None
            Name in the legend; by default `estimator_name`.
        ref_line : bool, default=True
            Whether to draw the diagonal.
        **kwargs : dict
            Passed to matplotlib's `plot`.

        Returns
        -------
        self : ReliabilityDisplay
            The display, with `ax_` and `figure_` set.
        """
        ax = one_axes(self, ax)
        name = self.estimator_name if name is None else name
        error = f"ECE = {self.expected_calibration_error:.3f}"
        label = error if name is None else f"{name} ({error})"
        super().plot(ax=ax, ref_line=ref_line, **{"label": label, **kwargs})
        ax.legend(loc="upper left")
        ax.set(
            xlabel="Probability of the named class",
            ylabel="Share that is named correctly",
            xlim=(-0.02, 1.02),
            ylim=(-0.02, 1.02),
        )
        return self
