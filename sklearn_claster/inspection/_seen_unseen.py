"""The curve of seen against unseen accuracy."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import hmean
from sklearn.metrics import auc

from .._utils.responses import candidate_scores, unwrap
from ..metrics import gzsl_report, seen_unseen_curve
from ._plotting import PALETTE, one_axes

# Marks of artists, by which displays that are drawn on the same axes later find them.
_CURVE, _ISOLINES = "seen-unseen curve", "harmonic-mean isolines"


class SeenUnseenCurveDisplay:
    """Seen against unseen accuracy for every balance between seen and unseen classes.

    Make it with `from_estimator` or `from_predictions`. Several curves may share axes.

    Parameters
    ----------
    seen, unseen, constants : ndarray of shape (n_points,)
        The results of `sklearn_claster.metrics.seen_unseen_curve`.
    operating_point : tuple of float, default=None
        Seen and unseen accuracy of the predictions.
    estimator_name : str, default=None
        The name in the legend.

    Attributes
    ----------
    seen, unseen, constants : ndarray of shape (n_points,)
        The curve.
    ausuc : float
        The area under it.
    point_at_zero : tuple of float
        Seen and unseen accuracy at the constant 0, so of the scores as they are. If the classifier
        has a gate, its scores already contain the gate's decision.
    operating_point : tuple of float or None
        Seen and unseen accuracy of the predictions.
    line_ : matplotlib Artist
        The curve.
    ax_ : matplotlib Axes
        The axes with the curve.
    figure_ : matplotlib Figure
        The figure of the axes.

    See Also
    --------
    sklearn_claster.metrics.seen_unseen_curve : The curve as numbers.
    sklearn_claster.metrics.ausuc : The area under it.

    References
    ----------
    .. [1] W.-L. Chao, S. Changpinyo, B. Gong, F. Sha, "An empirical study and analysis of
       generalized zero-shot learning for object recognition in the wild", ECCV 2016.

    Examples
    --------
    >>> from sklearn_claster.inspection import SeenUnseenCurveDisplay
    >>> from sklearn_claster.metrics import seen_unseen_curve
    >>> scores = [[3.0, 1.0], [2.0, 1.5], [1.0, 0.0], [1.0, 2.0]]
    >>> y_true = ["archery", "archery", "yoyo", "yoyo"]
    >>> curve = seen_unseen_curve(y_true, scores, ["archery", "yoyo"], ["archery"])
    >>> display = SeenUnseenCurveDisplay(*curve)
    >>> display.ausuc, display.point_at_zero
    (0.75, (1.0, 0.5))
    """

    line_: Any
    ax_: Any
    figure_: Any

    def __init__(
        self,
        seen: NDArray[np.float64],
        unseen: NDArray[np.float64],
        constants: NDArray[np.float64],
        *,
        operating_point: tuple[float, float] | None = None,
        estimator_name: str | None = None,
    ) -> None:
        self.seen = seen
        self.unseen = unseen
        self.constants = constants
        self.ausuc = float(auc(unseen, seen)) if len(seen) > 1 else 0.0
        self.point_at_zero = self._point(0.0)
        self.operating_point = operating_point
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        unseen_embeddings: Any = None,
        constant: float | None = None,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the curve of a fitted zero-shot classifier.

        Parameters
        ----------
        estimator : object
            A fitted classifier, or a pipeline or search around one, that scores seen and
            unseen classes (``space="gzsl"``).
        X : array-like of shape (n_samples, n_features)
            Samples of seen and unseen classes, none of them trained on.
        y : array-like of shape (n_samples,)
            Their labels.
        unseen_embeddings : ClassEmbeddings, mapping, DataFrame or tuple, default=None
            Vectors of the unseen candidates, as in `ClasterZSL.predict`.
        constant : float, default=None
            The constant whose point on the curve is the operating point. None marks the
            accuracies of ``estimator.predict``, on or off the curve.
        name : str, default=None
            Name of the curve; by default that of the estimator's class.
        ax : matplotlib Axes, default=None
            The axes to draw on; by default new axes.
        **kwargs : dict
            Passed to matplotlib's `plot` of the curve.

        Returns
        -------
        display : SeenUnseenCurveDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        ValueError
            If samples or candidates of one side are missing.
        """
        host, X = unwrap(estimator, X)
        scores, labels, seen_classes = candidate_scores(host, X, unseen_embeddings)
        y_pred = None
        if constant is None:
            options = {} if unseen_embeddings is None else {"unseen_embeddings": unseen_embeddings}
            y_pred = host.predict(X, **options)
        return cls.from_predictions(
            y,
            scores,
            labels,
            seen_classes,
            y_pred=y_pred,
            constant=constant,
            name=type(host).__name__ if name is None else name,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        scores: ArrayLike,
        labels: ArrayLike,
        seen_classes: ArrayLike,
        *,
        y_pred: ArrayLike | None = None,
        constant: float | None = None,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the curve of given scores.

        Parameters
        ----------
        y_true, scores, labels, seen_classes
            As in `sklearn_claster.metrics.seen_unseen_curve`.
        y_pred : array-like of shape (n_samples,), default=None
            Predictions, with a gate or without; their accuracies are the operating point.
        constant : float, default=None
            The constant whose point on the curve is the operating point. Give `y_pred` or
            `constant`, not both.
        name : str, default=None
            Name of the curve.
        ax : matplotlib Axes, default=None
            The axes to draw on; by default new axes.
        **kwargs : dict
            Passed to matplotlib's `plot` of the curve.

        Returns
        -------
        display : SeenUnseenCurveDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        ValueError
            If samples or candidates of one side are missing, or both `y_pred` and `constant`
            are given.
        """
        if y_pred is not None and constant is not None:
            raise ValueError(
                "Pass y_pred or constant, not both: each of them sets the operating point; got "
                "both. Leave one out."
            )
        display = cls(*seen_unseen_curve(y_true, scores, labels, seen_classes), estimator_name=name)
        if math.isnan(display.ausuc):
            raise ValueError(
                "The curve needs samples of seen and of unseen classes; y_true has only one kind. "
                "Test on samples of both, for example of ZeroShotKFold(seen_fraction=0.2)."
            )
        if constant is not None:
            display.operating_point = display._point(constant)
        elif y_pred is not None:
            report = gzsl_report(y_true, y_pred, seen_classes)
            display.operating_point = report["seen"], report["unseen"]
        return display.plot(ax, **kwargs)

    def plot(
        self, ax: Any = None, *, name: str | None = None, isolines: bool = True, **kwargs: Any
    ) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on; by default new axes.
        name : str, default=None
            Name of the curve; by default `estimator_name`.
        isolines : bool, default=True
            Whether to draw thin lines of equal harmonic mean.
        **kwargs : dict
            Passed to matplotlib's `plot` of the curve.

        Returns
        -------
        self : SeenUnseenCurveDisplay
            The display, with `ax_` and `figure_` set.
        """
        ax = one_axes(self, ax, figsize=(6.0, 5.4))
        name = self.estimator_name if name is None else name
        area = f"AUSUC = {self.ausuc:.3f}"
        earlier = sum(line.get_gid() == _CURVE for line in ax.get_lines())
        style = {
            "label": area if name is None else f"{name} ({area})",
            "linewidth": 2,
            "color": PALETTE[earlier % len(PALETTE)],
            "gid": _CURVE,
            **kwargs,
        }
        (self.line_,) = ax.plot(self.unseen, self.seen, **style)
        color = self.line_.get_color()
        marks = [(self.point_at_zero, "o", 7, "white", "scores as they are")]
        if self.operating_point is not None:
            if np.allclose(self.operating_point, self.point_at_zero, atol=1e-9):
                marks.clear()
            marks.append((self.operating_point, "D", 8, color, "operating point"))
        for (seen, unseen), marker, size, face, what in marks:
            ax.plot(
                unseen,
                seen,
                marker,
                markersize=size,
                markerfacecolor=face,
                markeredgecolor=color if face == "white" else "black",
                label=f"{what}: H = {hmean([seen, unseen]):.3f}",
                zorder=3,
                clip_on=False,
            )
        self._frame(ax, isolines)
        ax.legend(loc="best", fontsize=9)
        return self

    def _point(self, constant: float) -> tuple[float, float]:
        at = np.searchsorted(self.constants, constant, side="right") - 1
        return float(self.seen[at]), float(self.unseen[at])

    def _frame(self, ax: Any, isolines: bool) -> None:
        """Set square limits from 0 to the next tick above all curves, and draw the isolines."""
        ends = [[line.get_xdata(), line.get_ydata()] for line in ax.get_lines()]
        top = max(float(np.max(end, initial=0.0)) for end in ends)
        step = 0.2 if top > 0.5 else 0.1
        top = min(1.0, step * (math.floor(top / step) + 1))
        margin = 0.02 * top
        for artist in [*ax.collections, *ax.texts]:
            if artist.get_gid() == _ISOLINES:
                artist.remove()
        ax.set(
            xlim=(-margin, top + margin),
            ylim=(-margin, top + margin),
            xticks=np.arange(0, top + step / 2, step),
            yticks=np.arange(0, top + step / 2, step),
            xlabel="mean per-class accuracy, unseen classes",
            ylabel="mean per-class accuracy, seen classes",
            aspect="equal",
        )
        ax.spines[["top", "right"]].set_visible(False)
        if not isolines:
            return
        from matplotlib.collections import LineCollection

        words = {"color": "0.5", "fontsize": 8, "va": "center", "gid": _ISOLINES}
        levels = np.arange(1, 10) * (0.1 if top > 0.5 else 0.05)
        lines = []
        for level in levels[levels < top]:
            unseen = np.geomspace(level * top / (2 * top - level), top, 200)
            lines.append(np.column_stack([unseen, level * unseen / (2 * unseen - level)]))
            ax.text(top + 2 * margin, lines[-1][-1, 1], f"{level:.2g}", **words)
        ax.text(top + 2 * margin, top, "harmonic\nmean H", **words)
        ax.add_collection(  # no lines of the axes: the legend may cover them
            LineCollection(lines, color="0.82", linewidth=0.8, zorder=0, gid=_ISOLINES)
        )
