"""Histograms of the scores of a detector of seen and unseen classes."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_auc_score
from sklearn.utils import check_array, check_consistent_length

from .._utils.labels import check_labels, is_among
from .._utils.responses import unwrap
from ._plotting import SEEN_COLOR, UNSEEN_COLOR, one_axes

_TAIL = 0.005  # share of the scores at either end that may fall into the outer bins


class DetectorScoreDisplay:
    """Scores of a detector for samples of seen and of unseen classes, with its threshold.

    Make it with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        The scores; at or above the threshold means seen.
    is_seen : ndarray of bool of shape (n_samples,)
        Which samples are of seen classes.
    threshold : float, default=None
        The threshold of the detector.
    estimator_name : str, default=None
        The name in the title.

    Attributes
    ----------
    scores, is_seen, threshold
        As given.
    roc_auc : float
        The probability that a sample of a seen class scores higher than one of an unseen class.
        NaN if one kind is missing.
    rates : tuple of float or None
        The shares of the samples of seen and of unseen classes that the detector calls seen
        (score >= threshold, as in scikit-learn's outlier detectors). None without threshold.
    ax_ : matplotlib Axes
        The axes with the histograms.
    figure_ : matplotlib Figure
        The figure of the axes.

    See Also
    --------
    SeenUnseenCurveDisplay : Seen and unseen accuracy.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_claster.inspection import DetectorScoreDisplay
    >>> display = DetectorScoreDisplay(
    ...     np.array([2.0, 1.0, 0.5, -1.0]), np.array([True, True, False, False]), threshold=0.0
    ... )
    >>> display.roc_auc, display.rates
    (1.0, (1.0, 0.5))
    """

    ax_: Any
    figure_: Any

    def __init__(
        self,
        scores: NDArray[np.float64],
        is_seen: NDArray[np.bool_],
        *,
        threshold: float | None = None,
        estimator_name: str | None = None,
    ) -> None:
        self.scores = scores
        self.is_seen = is_seen
        self.threshold = threshold
        self.estimator_name = estimator_name
        both = is_seen.any() and not is_seen.all()
        self.roc_auc = float(roc_auc_score(is_seen, scores)) if both else float("nan")
        self.rates = None
        if threshold is not None:
            self.rates = tuple(
                float(np.mean(scores[side] >= threshold)) if side.any() else float("nan")
                for side in (is_seen, ~is_seen)
            )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        seen_classes: ArrayLike | None = None,
        response_method: str = "auto",
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the scores of a fitted detector.

        Parameters
        ----------
        estimator : object
            A fitted detector, or a pipeline or search around one. A detector is an outlier
            detector of scikit-learn, a density with `score_samples`, or a zero-shot classifier
            with a gate.
        X : array-like of shape (n_samples, n_features)
            Samples of seen and unseen classes, none of them trained on.
        y : array-like of shape (n_samples,)
            Their class labels; or booleans, True for samples of seen classes.
        seen_classes : array-like of shape (n_seen_classes,), default=None
            The classes that were trained on. None stands for ``estimator.classes_``. A boolean
            `y` does not need them.
        response_method : {"auto", "decision_function", "score_samples"}, default="auto"
            The source of the scores: `decision_function` with the threshold 0, or
            `score_samples` with the threshold `offset_`, if there is one. "auto" takes the
            first that the detector has; from a zero-shot classifier it takes the scores and
            the threshold of the gate, as in `explain_gate`.
        name : str, default=None
            Name in the title; by default that of the detector's class.
        ax : matplotlib Axes, default=None
            The axes to draw on; by default new axes.
        **kwargs : dict
            Passed to `plot`.

        Returns
        -------
        display : DetectorScoreDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        ValueError
            If the seen classes are unknown, if the estimator gives no score per sample, or if a
            zero-shot classifier has no gate.
        """
        host, X = unwrap(estimator, X)
        methods = ("decision_function", "score_samples")
        if response_method not in ("auto", *methods):
            raise ValueError(
                f"response_method={response_method!r} is not a valid choice; expected 'auto', "
                "'decision_function' or 'score_samples'."
            )
        wanted = methods if response_method == "auto" else (response_method,)
        found = next((method for method in wanted if hasattr(host, method)), None)
        if response_method == "auto" and hasattr(host, "explain_gate"):
            explained = host.explain_gate(X)
            scores, threshold = explained.score, explained.threshold
        else:
            scores = None if found is None else np.asarray(getattr(host, found)(X))
            threshold = 0.0 if found == "decision_function" else getattr(host, "offset_", None)
        if scores is None or scores.ndim != 1:
            raise ValueError(
                f"{type(host).__name__} gives no score per sample by {' or '.join(wanted)}, so it "
                "is no detector. Pass a fitted outlier detector, or scores to from_predictions."
            )
        if seen_classes is None and np.asarray(y).dtype != bool:
            seen_classes = getattr(host, "classes_", None)
        return cls.from_predictions(
            y,
            scores,
            seen_classes=seen_classes,
            threshold=threshold,
            name=type(host).__name__ if name is None else name,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        scores: ArrayLike,
        *,
        seen_classes: ArrayLike | None = None,
        threshold: float | None = None,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw given scores.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            The class labels; or booleans, True for samples of seen classes.
        scores : array-like of shape (n_samples,)
            The scores; high means seen.
        seen_classes : array-like of shape (n_seen_classes,), default=None
            The classes that were trained on. A boolean `y_true` does not need them.
        threshold : float, default=None
            From this score on a sample is called seen.
        name : str, default=None
            Name in the title.
        ax : matplotlib Axes, default=None
            The axes to draw on; by default new axes.
        **kwargs : dict
            Passed to `plot`.

        Returns
        -------
        display : DetectorScoreDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        ValueError
            If the seen classes are unknown, or a score is missing or not finite.
        TypeError
            If `seen_classes` and `y_true` cannot be compared, such as text and numbers.
        """
        y_true = np.asarray(y_true)
        if seen_classes is not None:
            is_seen = is_among(check_labels(y_true, "y_true"), seen_classes, "seen_classes")
        elif y_true.dtype == bool:
            is_seen = y_true
        else:
            raise ValueError(
                "The seen classes are unknown: pass seen_classes, or booleans instead of labels, "
                "True for samples of seen classes."
            )
        values = check_array(scores, ensure_2d=False, dtype=np.float64, input_name="scores")
        check_consistent_length(is_seen, values)
        if threshold is not None:  # one number, in an array where OneClassSVM has it
            threshold = float(np.asarray(threshold).item())
        display = cls(values.ravel(), is_seen, threshold=threshold, estimator_name=name)
        return display.plot(ax, **kwargs)

    def plot(
        self, ax: Any = None, *, name: str | None = None, bins: int = 40, **kwargs: Any
    ) -> Self:
        """Draw the histograms, each with an area of one.

        The outer bins take a few extreme scores, so that they do not squeeze the rest: half a per
        cent at either end, if it would take up most of the axis.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on; by default new axes.
        name : str, default=None
            Name in the title; by default `estimator_name`.
        bins : int, default=40
            Number of bins, the same for both kinds.
        **kwargs : dict
            Passed to matplotlib's `stairs` of both histograms.

        Returns
        -------
        self : DetectorScoreDisplay
            The display, with `ax_` and `figure_` set.
        """
        ax = one_axes(self, ax, figsize=(6.4, 4.2))
        edges, cut = self._edges(bins)
        for side, word, color, hatch in (
            (self.is_seen, "seen", SEEN_COLOR, None),
            (~self.is_seen, "unseen", UNSEEN_COLOR, "////"),
        ):
            if not side.any():
                continue
            heights, _ = np.histogram(np.clip(self.scores[side], *edges[[0, -1]]), edges)
            label = f"{word}: {side.sum()} samples"
            if self.rates is not None:
                label += f", {self.rates[word == 'unseen']:.0%} called seen"
            heights = heights / (side.sum() * np.diff(edges))
            style = {
                "fill": True,
                "facecolor": (color, 0.3),
                "edgecolor": color,
                "linewidth": 1.5,
                "hatch": hatch,
                "label": label,
                **kwargs,
            }
            ax.stairs(heights, edges, **style)
        if self.threshold is not None:
            ax.axvline(
                self.threshold,
                ymax=0.75,  # below the legend
                color="black",
                linestyle="--",
                label=f"threshold {self.threshold:.3g}",
            )
        name = self.estimator_name if name is None else name
        area = "" if np.isnan(self.roc_auc) else f"ROC AUC = {self.roc_auc:.3f}"
        ax.set(
            xlabel="score (high: seen)" + (", outer bins hold the rest" if cut else ""),
            ylabel="density",
            title=": ".join(part for part in (name, area) if part),
        )
        ax.set_ylim(0, 1.35 * ax.dataLim.y1)  # room for the legend
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(loc="best", fontsize=9)
        return self

    def _edges(self, bins: int) -> tuple[NDArray[np.float64], bool]:
        """Compute the edges of the bins, and whether the outer bins hold a tail."""
        shown = self.scores if self.threshold is None else np.append(self.scores, self.threshold)
        low, high = shown.min(), shown.max()
        inner = np.quantile(self.scores, [_TAIL, 1 - _TAIL])
        if self.threshold is not None:
            inner = np.array([min(inner[0], self.threshold), max(inner[1], self.threshold)])
        cut = bool(high - low > 2 * (inner[1] - inner[0]) > 0)
        if cut:
            low, high = inner
        return np.histogram_bin_edges([], bins, (low, high)), cut
