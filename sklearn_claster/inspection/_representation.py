"""A map of the representation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.manifold import TSNE
from sklearn.metrics import pairwise_distances
from sklearn.utils import check_array, check_consistent_length, check_random_state

from .._utils.labels import check_labels, is_among
from ._plotting import PALETTE, SEEN_MARKER, UNSEEN_MARKER, one_axes, short

_MAX_PERPLEXITY = 30.0
_COLORS = (*PALETTE, "#332288", "#882255")
_ASIDE = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))  # of a name


class RepresentationDisplay:
    """Map of the samples' representation in the plane, by class.

    It is Fig. 4 of the paper [1]_. The name of a class stands beside the middle of the class if it
    covers no other name and no other middle. Colours repeat, but not among neighbours. Circles
    are samples of seen classes, triangles samples of unseen classes. Make the display with
    `from_estimator` or `from_predictions`.

    Parameters
    ----------
    positions : ndarray of shape (n_drawn, 2)
        Places of the samples in the plane.
    y : ndarray of shape (n_drawn,)
        Their classes.
    rows : ndarray of shape (n_drawn,), default=None
        The indices of the drawn samples among the given ones.
    seen_classes : array-like of shape (n_seen_classes,), default=None
        The classes that were trained on. None draws all samples as circles.

    Attributes
    ----------
    positions, y, rows, seen_classes
        As given.
    classes : ndarray of shape (n_classes,)
        The classes, sorted.
    colors_ : dict
        The colours of the classes that are not grey.
    named_ : list
        The classes whose names are drawn.
    ax_ : matplotlib Axes
        The axes with the map.
    figure_ : matplotlib Figure
        The figure of the axes.

    See Also
    --------
    sklearn.manifold.TSNE : Makes the map by default.

    Notes
    -----
    t-SNE keeps neighbours together; distances between groups and their sizes mean little.

    References
    ----------
    .. [1] S. N. Gowda, L. Sevilla-Lara, F. Keller, M. Rohrbach, "CLASTER: Clustering
       with Reinforcement Learning for Zero-Shot Action Recognition", ECCV 2022, Fig. 4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_claster.inspection import RepresentationDisplay
    >>> display = RepresentationDisplay(np.eye(2), np.array(["yoyo", "archery"]))
    >>> display.classes
    array(['archery', 'yoyo'], dtype='<U7')
    """

    colors_: dict[Any, Any]
    named_: list[Any]
    ax_: Any
    figure_: Any

    def __init__(
        self,
        positions: NDArray[np.float64],
        y: NDArray[Any],
        *,
        rows: NDArray[np.intp] | None = None,
        seen_classes: ArrayLike | None = None,
    ) -> None:
        self.positions = positions
        self.y = y
        self.rows = rows
        self.seen_classes = seen_classes
        self.classes = np.unique(y)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        seen_classes: ArrayLike | None = None,
        reducer: Any = None,
        max_samples: int | None = 2000,
        random_state: int | np.random.RandomState | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the representation that a fitted estimator gives samples.

        Parameters
        ----------
        estimator : object
            A fitted estimator with `transform`: a `ClasterZSL`, or a pipeline or search.
        X : array-like of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,)
            Their labels, of seen or unseen classes.
        seen_classes : array-like of shape (n_seen_classes,), default=None
            The classes that were trained on. None stands for ``estimator.classes_``, if any.
        reducer, max_samples, random_state, ax, **kwargs
            As in `from_predictions`.

        Returns
        -------
        display : RepresentationDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        ValueError
            If the estimator has no `transform`.
        """
        if not hasattr(estimator, "transform"):
            raise ValueError(
                f"{type(estimator).__name__} has no transform. Pass a fitted ClasterZSL, or a "
                "representation of your own to from_predictions."
            )
        return cls.from_predictions(
            estimator.transform(X),
            y,
            seen_classes=(
                getattr(estimator, "classes_", None) if seen_classes is None else seen_classes
            ),
            reducer=reducer,
            max_samples=max_samples,
            random_state=random_state,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        representation: ArrayLike,
        y: ArrayLike,
        *,
        seen_classes: ArrayLike | None = None,
        reducer: Any = None,
        max_samples: int | None = 2000,
        random_state: int | np.random.RandomState | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw a given representation.

        Parameters
        ----------
        representation : array-like of shape (n_samples, n_outputs)
            One vector per sample. Vectors of two numbers are the places themselves.
        y : array-like of shape (n_samples,)
            The class of each sample.
        seen_classes : array-like of shape (n_seen_classes,), default=None
            The classes that were trained on. None draws all samples as circles.
        reducer : object, default=None
            A transformer whose `fit_transform` returns two columns, for example
            ``sklearn.decomposition.PCA(2)``. None stands for scikit-learn's `TSNE` with a
            perplexity of 30, or a third of the samples if that is less.
        max_samples : int or None, default=2000
            The maximum number of samples to draw, chosen at random, at least one per class;
            None draws all. t-SNE takes seconds for thousands of samples.
        random_state : int, RandomState instance or None, default=None
            Seed of the choice of samples and of t-SNE.
        ax : matplotlib Axes, default=None
            The axes to draw on; by default new axes.
        **kwargs : dict
            Passed to `plot`.

        Returns
        -------
        display : RepresentationDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        ValueError
            If the arguments differ in length, or the reducer does not return two columns.
        TypeError
            If `seen_classes` and `y` cannot be compared, such as text and numbers.
        """
        vectors = check_array(representation, dtype=np.float64, input_name="representation")
        labels = check_labels(y, "y")
        check_consistent_length(vectors, labels)
        rng = check_random_state(random_state)
        rows = _choose_rows(labels, max_samples, rng)
        vectors, labels = vectors[rows], labels[rows]
        if reducer is None and vectors.shape[1] != 2:
            perplexity = min(_MAX_PERPLEXITY, max(1.0, (len(rows) - 1) / 3))
            # TSNE begins with PCA, which crashes where there is no direction at all
            flat = vectors.shape[1] == 1 or not np.ptp(vectors, axis=0).any()
            init = "random" if flat else "pca"
            reducer = TSNE(perplexity=perplexity, init=init, random_state=rng)
        positions = vectors if reducer is None else np.asarray(reducer.fit_transform(vectors))
        if positions.shape != (len(rows), 2):
            raise ValueError(
                f"The map needs two columns; got the shape {positions.shape} from {reducer}. Set "
                "its n_components=2."
            )
        return cls(positions, labels, rows=rows, seen_classes=seen_classes).plot(ax, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        highlight: ArrayLike | None = None,
        colors: Mapping[Any, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on; by default new axes.
        highlight : array-like of shape (n_highlighted,), default=None
            Classes to draw in colour and to name; the others become grey. None colours all.
        colors : mapping of class to matplotlib colour, default=None
            Colours of classes, for example `colors_` of another map. Each other class gets a
            colour that no neighbour has.
        **kwargs : dict
            Passed to matplotlib's `scatter`.

        Returns
        -------
        self : RepresentationDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        ValueError
            If no highlighted class has a sample.
        """
        shown = np.ones(len(self.classes), dtype=bool)
        if highlight is not None:
            shown = np.isin(self.classes, np.asarray(highlight))
            if not shown.any():
                raise ValueError(
                    f"None of highlight={np.ravel(highlight).tolist()} is a class of these samples."
                    " Pass labels of y, or highlight=None."
                )
        side = float(np.clip(5.0 + 0.025 * len(self.classes), 5.5, 10.0))
        ax = one_axes(self, ax, figsize=(side, side))
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_color("0.8")
        others = np.isin(self.y, self.classes[~shown])
        if others.any():
            ax.scatter(*self.positions[others].T, s=6, color="0.85", lw=0, zorder=1)
        names = self.classes[shown]
        middles = np.array([_middle(self.positions[self.y == name]) for name in names])
        self.colors_ = _spread_colors(names, middles, {} if colors is None else colors)
        is_seen = np.ones(len(names), dtype=bool)
        if self.seen_classes is not None:
            is_seen = is_among(names, self.seen_classes, "seen_classes")
        for name, seen in zip(names, is_seen, strict=True):
            style = {
                "s": float(np.clip(12000 / np.sum(~others), 14, 36)),
                "color": self.colors_[name],
                "marker": SEEN_MARKER if seen else UNSEEN_MARKER,
                "alpha": 0.75,
                "linewidth": 0,
                "zorder": 2,
                **kwargs,
            }
            ax.scatter(*self.positions[self.y == name].T, **style)
        ax.margins(0.06)
        if is_seen.any() and not is_seen.all():
            for marker, kind in ((SEEN_MARKER, "seen"), (UNSEEN_MARKER, "unseen")):
                ax.plot([], [], marker, color="0.35", label=f"{kind} classes")
            ax.legend(loc="best", fontsize=9)
        self._name(ax, names, middles)
        return self

    def _name(self, ax: Any, names: NDArray[Any], middles: NDArray[np.float64]) -> None:
        """Write the names where there is room, beginning with the largest classes."""
        from matplotlib.patheffects import withStroke

        counts = np.array([np.sum(self.y == name) for name in names])
        size = 10 if len(names) <= 30 else 8
        self.named_ = []
        self.figure_.figure.draw_without_rendering()  # lays out the axes and the legend
        frame, legend = ax.get_window_extent(), ax.get_legend()
        taken = [] if legend is None else [legend.get_window_extent()]
        places = ax.transData.transform(middles)
        for at in np.argsort(-counts, kind="stable"):
            text = ax.annotate(
                short(names[at]),
                middles[at],
                xytext=(0, 0),
                textcoords="offset points",
                fontsize=size,
                zorder=3,
                path_effects=[withStroke(linewidth=2, foreground="white")],
            )
            for right, up in _ASIDE:
                text.set(
                    position=(0.5 * size * right, 0.5 * size * up),
                    ha=("right", "center", "left")[right + 1],
                    va=("top", "center", "bottom")[up + 1],
                )
                box = text.get_window_extent()
                if not (
                    frame.count_contains(box.corners()) < 4
                    or box.count_contains(np.delete(places, at, axis=0))
                    or any(box.overlaps(other) for other in taken)
                ):
                    taken.append(box)
                    self.named_.append(names[at])
                    break
            else:
                text.remove()
        if len(self.named_) < len(names):
            ax.set_xlabel(
                f"{len(self.named_)} of {len(names)} classes are named, where there is room",
                fontsize=9,
                color="0.4",
            )


def _choose_rows(
    y: NDArray[Any], max_samples: int | None, rng: np.random.RandomState
) -> NDArray[np.intp]:
    """Choose samples, in ascending order: one of every class, the others at random."""
    if max_samples is None or len(y) <= max_samples:
        return np.arange(len(y))
    order = rng.permutation(len(y))
    first = np.zeros(len(y), dtype=bool)
    first[np.unique(y[order], return_index=True)[1]] = True
    order = np.concatenate([order[first], order[~first]])
    return np.sort(order[: max(max_samples, int(first.sum()))])


def _middle(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sample with the smallest sum of distances, which never lies between groups."""
    return positions[pairwise_distances(positions).sum(axis=0).argmin()]


def _spread_colors(
    names: NDArray[Any], middles: NDArray[np.float64], given: Mapping[Any, Any]
) -> dict[Any, Any]:
    """Choose a colour per class: the given one, or the one whose nearest use is farthest away."""
    colors: list[Any] = []
    distances = pairwise_distances(middles)
    for place, name in enumerate(names):
        rooms = [
            distances[place, :place].min(
                where=np.array([color == other for other in colors], dtype=bool), initial=math.inf
            )
            for color in _COLORS
        ]
        colors.append(given.get(name, _COLORS[int(np.argmax(rooms))]))
    return dict(zip(names, colors, strict=True))
