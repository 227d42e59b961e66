"""A map of the representation."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.manifold import TSNE
from sklearn.metrics import pairwise_distances
from sklearn.utils import check_array, check_consistent_length, check_random_state

from .._utils.labels import check_labels
from ._plotting import MARKERS, PALETTE, one_axes, short

_MAX_PERPLEXITY = 30.0


class RepresentationDisplay:
    """Map of the rows' representation in the plane, by class.

    It is the paper's [1]_ Fig. 4. Names stand at the middle of their classes, as far as
    they do not cover one another; colours and markers repeat, but not among neighbours.
    Make it with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    positions : ndarray of shape (n_rows, 2)
        Places in the plane.
    y : ndarray of shape (n_rows,)
        Classes.
    rows : ndarray of shape (n_rows,), default=None
        Which of the given rows these are, if only a part was drawn.

    Attributes
    ----------
    positions, y, rows
        As given.
    classes : ndarray of shape (n_classes,)
        The classes, sorted.
    named_ : list
        The classes whose names found room.
    ax_ : matplotlib Axes
        The axes with the map.
    figure_ : matplotlib Figure
        The figure of the axes.

    See Also
    --------
    sklearn.manifold.TSNE : How the map is made by default.

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

    named_: list[Any]
    ax_: Any
    figure_: Any

    def __init__(
        self,
        positions: NDArray[np.float64],
        y: NDArray[Any],
        *,
        rows: NDArray[np.intp] | None = None,
    ) -> None:
        self.positions = positions
        self.y = y
        self.rows = rows
        self.classes = np.unique(y)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        reducer: Any = None,
        max_samples: int | None = 2000,
        random_state: int | np.random.RandomState | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw what a fitted estimator makes of rows.

        Parameters
        ----------
        estimator : object
            Anything fitted with `transform`: a `ClasterZSL`, or a pipeline or search.
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,)
            Their labels, of seen or unseen classes.
        reducer, max_samples, random_state, ax, **kwargs
            As in `from_predictions`.

        Returns
        -------
        display : RepresentationDisplay
            The display with what it has drawn.

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
            A vector per row. With two outputs they are the places themselves.
        y : array-like of shape (n_samples,)
            The class of each row.
        reducer : object, default=None
            Anything with `fit_transform` into two columns, for example
            ``sklearn.decomposition.PCA(2)``. None stands for scikit-learn's `TSNE` with a
            perplexity of 30, or a third of the rows if that is less.
        max_samples : int or None, default=2000
            The most rows to draw, chosen at random but of every class at least one; None
            draws all. t-SNE takes seconds for thousands of rows.
        random_state : int, RandomState instance or None, default=None
            Seed of the choice of rows and of t-SNE.
        ax : matplotlib Axes, default=None
            Where to draw; by default on new axes.
        **kwargs : dict
            Passed to `plot`.

        Returns
        -------
        display : RepresentationDisplay
            The display with what it has drawn.

        Raises
        ------
        ValueError
            If the arguments differ in length, or the reducer does not give two columns.
        """
        vectors = check_array(representation, dtype=np.float64, input_name="representation")
        labels = check_labels(y, "y")
        check_consistent_length(vectors, labels)
        rng = check_random_state(random_state)
        rows = _choose_rows(labels, max_samples, rng)
        vectors, labels = vectors[rows], labels[rows]
        if reducer is None and vectors.shape[1] != 2:
            perplexity = min(_MAX_PERPLEXITY, max(1.0, (len(rows) - 1) / 3))
            reducer = TSNE(perplexity=perplexity, random_state=rng)
        positions = vectors if reducer is None else np.asarray(reducer.fit_transform(vectors))
        if positions.shape != (len(rows), 2):
            raise ValueError(
                f"The map needs two columns; {reducer} gave an array of shape {positions.shape}. "
                "Set its n_components=2."
            )
        return cls(positions, labels, rows=rows).plot(ax, **kwargs)

    def plot(self, ax: Any = None, *, highlight: ArrayLike | None = None, **kwargs: Any) -> Self:
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default on new axes.
        highlight : array-like of shape (n_highlighted,), default=None
            Classes to draw in colour and to name; the others become grey. None colours all.
        **kwargs : dict
            Passed to matplotlib's `scatter`.

        Returns
        -------
        self : RepresentationDisplay
            The display with what it has drawn.

        Raises
        ------
        ValueError
            If no highlighted class has a row.
        """
        shown = np.ones(len(self.classes), dtype=bool)
        if highlight is not None:
            shown = np.isin(self.classes, np.asarray(highlight))
            if not shown.any():
                raise ValueError(
                    f"None of highlight={np.ravel(highlight).tolist()} is a class of these rows."
                )
        side = float(np.clip(4.5 + 0.02 * len(self.classes), 5.0, 8.5))
        ax = one_axes(self, ax, figsize=(side, side))
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_color("0.8")
        others = np.isin(self.y, self.classes[~shown])
        size = float(np.clip(12000 / np.sum(~others), 8, 36))
        if others.any():
            ax.scatter(*self.positions[others].T, s=6, color="0.85", lw=0, zorder=1)
        middles = np.array([_middle(self.positions[self.y == name]) for name in self.classes])
        looks = _looks(middles[shown])
        for name, look in zip(self.classes[shown], looks, strict=True):
            style = {
                "s": size,
                "color": PALETTE[look % len(PALETTE)],
                "marker": MARKERS[look // len(PALETTE)],
                "alpha": 0.75,
                "linewidth": 0,
                "zorder": 2,
                **kwargs,
            }
            ax.scatter(*self.positions[self.y == name].T, **style)
        ax.margins(0.04)
        self._name(ax, middles, np.flatnonzero(shown))
        return self

    def _name(self, ax: Any, middles: NDArray[np.float64], shown: NDArray[np.intp]) -> None:
        """Write the names, the largest classes first, where they cover no other."""
        from matplotlib.patheffects import withStroke

        counts = np.array([np.sum(self.y == self.classes[place]) for place in shown])
        size = 9 if len(shown) <= 30 else 7
        self.named_ = []
        taken: list[Any] = []
        for place in shown[np.argsort(-counts, kind="stable")]:
            text = ax.annotate(
                short(self.classes[place]),
                middles[place],
                xytext=(0, 0),
                textcoords="offset points",
                fontsize=size,
                ha="center",
                va="center",
                zorder=3,
                path_effects=[withStroke(linewidth=2, foreground="white")],
            )
            for shift in ((0, 0), (0, size), (0, -size), (2 * size, 0), (-2 * size, 0)):
                text.set_position(shift)
                box = text.get_window_extent()
                if not any(box.overlaps(other) for other in taken):
                    taken.append(box)
                    self.named_.append(self.classes[place])
                    break
            else:
                text.remove()
        if len(self.named_) < len(shown):
            ax.set_xlabel(
                f"{len(self.named_)} of {len(shown)} classes are named, where there is room",
                fontsize=8,
                color="0.4",
            )


def _choose_rows(
    y: NDArray[Any], max_samples: int | None, rng: np.random.RandomState
) -> NDArray[np.intp]:
    """At most so many rows, ascending: first one of every class, the others at random."""
    if max_samples is None or len(y) <= max_samples:
        return np.arange(len(y))
    order = rng.permutation(len(y))
    first = np.zeros(len(y), dtype=bool)
    first[np.unique(y[order], return_index=True)[1]] = True
    order = np.concatenate([order[first], order[~first]])
    return np.sort(order[: max(max_samples, int(first.sum()))])


def _middle(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """The row with the smallest sum of distances to the others: never between two groups."""
    return positions[pairwise_distances(positions).sum(axis=0).argmin()]


def _looks(middles: NDArray[np.float64]) -> list[int]:
    """A colour and marker per class, so that equal colours lie far apart.

    Look l has the colour l % 6 and the marker l // 6. Each class takes the colour whose
    nearest bearer is farthest, and the marker that this colour has borne least.
    """
    looks: list[int] = []
    colors = np.full(len(middles), -1)
    borne = np.zeros((len(PALETTE), len(MARKERS)), dtype=int)
    distances = pairwise_distances(middles)
    for place in range(len(middles)):
        nearest = [
            distances[place, colors == color].min(initial=math.inf) for color in range(len(PALETTE))
        ]
        color = int(np.argmax(nearest))
        marker = int(borne[color].argmin())
        borne[color, marker] += 1
        colors[place] = color
        looks.append(color + len(PALETTE) * marker)
    return looks
