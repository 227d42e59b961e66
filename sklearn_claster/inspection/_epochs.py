"""Curves over the epochs of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .._utils.responses import unwrap
from ._plotting import PALETTE, panels

_PANELS = {  # title of the panel: its curves in the history, with their names in the legend
    "accuracy": {
        "seen_accuracy": "seen classes, training samples",
        "validation_accuracy": "held-out classes, zero-shot",
        "unseen_accuracy": "unseen classes",
    },
    "loss": {"loss": "loss"},
    "mean reward": {"reward": "reward"},
    "centroid movement": {"centroid_movement": "distance from the start"},
}
_STYLES = (("o", "-"), ("s", "--"), ("^", ":"))


class EpochCurveDisplay:
    """Accuracies, loss, reward and centroid movement, epoch by epoch.

    Make it with `from_estimator` or `from_history`. The accuracies are those of Fig. 1 of the
    paper [1]_: the accuracy on seen classes goes on improving when that on unseen classes does
    not.

    Parameters
    ----------
    curves : dict of str to ndarray of shape (n_epochs,)
        Curves by their names in `ClasterZSL.history_`. Lengths may differ:
        "validation_accuracy" comes from a training of its own.
    estimator_name : str, default=None
        The name in the title.

    Attributes
    ----------
    curves : dict of str to ndarray of shape (n_epochs,)
        The curves.
    warm_up : int
        Number of epochs before the centroids first moved; 0 if they never moved. These epochs are
        shaded.
    lines_ : dict of str to matplotlib Artist
        The curves as drawn.
    ax_ : ndarray of matplotlib Axes
        The axes of the panels.
    figure_ : matplotlib Figure
        The figure of the axes.

    References
    ----------
    .. [1] S. N. Gowda, L. Sevilla-Lara, F. Keller, M. Rohrbach, "CLASTER: Clustering
       with Reinforcement Learning for Zero-Shot Action Recognition", ECCV 2022, Fig. 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_claster.inspection import EpochCurveDisplay
    >>> display = EpochCurveDisplay({"centroid_movement": np.array([0.0, 0.0, 0.1, 0.2])})
    >>> display.warm_up
    2
    """

    lines_: dict[str, Any]
    ax_: Any
    figure_: Any

    def __init__(
        self, curves: dict[str, NDArray[np.float64]], *, estimator_name: str | None = None
    ) -> None:
        self.curves = curves
        self.estimator_name = estimator_name
        moved = np.flatnonzero(curves.get("centroid_movement", []))
        self.warm_up = int(moved[0]) if len(moved) else 0

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, name: str | None = None, ax: Any = None, **kwargs: Any
    ) -> Self:
        """Draw the training of a fitted estimator.

        Parameters
        ----------
        estimator : object
            A fitted `ClasterZSL`, or a pipeline or search around one.
        name : str, default=None
            Name in the title; by default that of the estimator's class.
        ax : array of matplotlib Axes, default=None
            The axes to draw on, one per panel; by default new axes.
        **kwargs : dict
            Passed to matplotlib's `plot`.

        Returns
        -------
        display : EpochCurveDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        ValueError
            If the estimator has no `history_`.
        """
        host = unwrap(estimator, None)[0]
        if not hasattr(host, "history_"):
            raise ValueError(
                f"{type(host).__name__} has no history_. Pass a fitted ClasterZSL, or a history of "
                "your own to from_history."
            )
        name = type(host).__name__ if name is None else name
        return cls.from_history(host.history_, name=name, ax=ax, **kwargs)

    @classmethod
    def from_history(
        cls,
        history: Mapping[str, Sequence[Any]],
        *,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw a history.

        Parameters
        ----------
        history : mapping of str to sequence of float
            One value per epoch, under the names of `ClasterZSL.history_`. Pass accuracies that
            you measured, for example in a callback, as "unseen_accuracy". Other names are left
            out.
        name : str, default=None
            Name in the title.
        ax : array of matplotlib Axes, default=None
            The axes to draw on, one per panel; by default new axes.
        **kwargs : dict
            Passed to matplotlib's `plot`.

        Returns
        -------
        display : EpochCurveDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        ValueError
            If the history holds none of the curves.
        """
        known = [key for curves in _PANELS.values() for key in curves]
        curves = {key: np.asarray(history[key], dtype=float) for key in known if key in history}
        if not curves:
            raise ValueError(
                f"history has to hold one of {', '.join(known)}; it holds "
                f"{', '.join(map(str, history)) or 'nothing'}. Pass the history_ of a fitted "
                "ClasterZSL."
            )
        return cls(curves, estimator_name=name).plot(ax, **kwargs)

    def plot(self, ax: Any = None, *, name: str | None = None, **kwargs: Any) -> Self:
        """Draw one panel each for accuracies, loss, reward and movement, if there are any.

        Parameters
        ----------
        ax : array of matplotlib Axes, default=None
            The axes to draw on, one per panel; by default new axes.
        name : str, default=None
            Name in the title; by default `estimator_name`.
        **kwargs : dict
            Passed to matplotlib's `plot`.

        Returns
        -------
        self : EpochCurveDisplay
            The display, with `ax_` and `figure_` set.
        """
        shown = {
            title: [key for key in names if key in self.curves]
            for title, names in _PANELS.items()
            if not self.curves.keys().isdisjoint(names)
        }
        n_columns = min(2, len(shown))
        n_rows = -(-len(shown) // n_columns)
        size = (4.2 * n_columns, 2.9 * n_rows)
        new = ax is None
        axes = panels(self, ax, n_rows, n_columns, figsize=size, sharex=True)
        self.lines_ = {}
        last = max(map(len, self.curves.values()))
        for panel, (title, keys) in zip(axes, shown.items(), strict=False):
            if self.warm_up:
                panel.axvspan(0.5, self.warm_up + 0.5, color="0.93", zorder=0, lw=0)
            for key in keys:
                place = list(_PANELS[title]).index(key)
                marker, line = _STYLES[place]
                values = self.curves[key]
                style = {
                    "marker": marker if last <= 40 else None,
                    "markersize": 4,
                    "linestyle": line,
                    "color": PALETTE[place],
                    "label": _PANELS[title][key],
                    **kwargs,
                }
                (self.lines_[key],) = panel.plot(np.arange(1, len(values) + 1), values, **style)
            panel.set_title(title, fontsize=10)
            panel.set_xlim(0.5, last + 0.5)
            panel.xaxis.get_major_locator().set_params(integer=True)
            panel.spines[["top", "right"]].set_visible(False)
            if title == "accuracy":
                panel.set_ylim(-0.02, 1.02)
                panel.legend(loc="lower right", fontsize=9)
            elif panel.get_ylim()[0] > 0:
                panel.set_ylim(bottom=0)
        for panel in axes[max(0, len(shown) - n_columns) : len(shown)]:
            panel.set_xlabel("epoch" + (" (shaded: warm-up)" if self.warm_up else ""))
            panel.tick_params(labelbottom=True)
        if new:
            for panel in axes[len(shown) :]:
                panel.set_axis_off()
            name = self.estimator_name if name is None else name
            if name:
                self.figure_.suptitle(name)
        return self
