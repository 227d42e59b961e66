"""Heat map of clusters and classes."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length

from .._utils.labels import check_labels
from .._utils.responses import cluster_labels
from ._plotting import fitting_ticks, panels, short


class ClusterClassDisplay:
    """Heat map of the clusters that hold the samples of each class, before and after.

    It is Fig. 5 of the paper [1]_: one column per class, one row per cluster; the colour is the
    share of the class's samples in that cluster. Both panels sort the classes by their main
    cluster in the second panel. Make the display with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    counts : ndarray of shape (n_clusters, n_classes)
        Numbers of samples of each class in each cluster. Every class has samples.
    clusters : ndarray of shape (n_clusters,)
        The names of the clusters.
    classes : ndarray of shape (n_classes,)
        The names of the classes.
    counts_before : ndarray of shape (n_clusters, n_classes), default=None
        The numbers of an earlier state, drawn above.

    Attributes
    ----------
    counts, clusters, classes, counts_before
        As given.
    shares, shares_before : ndarray of shape (n_clusters, n_classes)
        Shares of the samples of each class; columns sum to one. `shares_before` is None without
        `counts_before`.
    class_purity, class_purity_before : float
        `sklearn_claster.metrics.class_purity` of both states. `class_purity_before` is None
        without `counts_before`.
    order_ : ndarray of shape (n_classes,)
        Order in which the classes are drawn.
    ax_ : ndarray of matplotlib Axes
        The axes of the panels.
    figure_ : matplotlib Figure
        The figure of the axes.

    See Also
    --------
    sklearn_claster.metrics.class_purity : The share of samples in the main cluster of their class.

    References
    ----------
    .. [1] S. N. Gowda, L. Sevilla-Lara, F. Keller, M. Rohrbach, "CLASTER: Clustering
       with Reinforcement Learning for Zero-Shot Action Recognition", ECCV 2022, Fig. 5.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_claster.inspection import ClusterClassDisplay
    >>> counts = np.array([[3, 0], [1, 4]])
    >>> display = ClusterClassDisplay(counts, np.arange(2), np.array(["archery", "yoyo"]))
    >>> display.shares
    array([[0.75, 0.  ],
           [0.25, 1.  ]])
    >>> display.class_purity
    0.875
    """

    order_: NDArray[np.intp]
    ax_: Any
    figure_: Any

    def __init__(
        self,
        counts: NDArray[np.int64],
        clusters: NDArray[Any],
        classes: NDArray[Any],
        *,
        counts_before: NDArray[np.int64] | None = None,
    ) -> None:
        self.counts = counts
        self.clusters = clusters
        self.classes = classes
        self.counts_before = counts_before
        self.shares, self.class_purity = _shares(counts)
        self.shares_before, self.class_purity_before = None, None
        if counts_before is not None:
            self.shares_before, self.class_purity_before = _shares(counts_before)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        before: Any = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the clusters of a fitted estimator.

        Parameters
        ----------
        estimator : object
            A fitted `ClasterZSL` with centroids, a clusterer with `predict`, or a pipeline or
            search around one of them.
        X : array-like of shape (n_samples, n_features)
            Samples of seen or unseen classes.
        y : array-like of shape (n_samples,)
            Their labels.
        before : object, default=None
            A fitted estimator to compare with, drawn above. To see the K-means clusters from which
            a ``ClasterZSL(random_state=0)`` started, fit its clone with ``centroids="kmeans"`` on
            the same data; `random_state` has to be an int.
        ax : array of matplotlib Axes, default=None
            The axes to draw on, one per panel; by default new axes.
        **kwargs : dict
            Passed to `plot`.

        Returns
        -------
        display : ClusterClassDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        ValueError
            If an estimator has no clusters.
        """
        clusters, names = cluster_labels(estimator, X)
        clusters_before = None
        if before is not None:
            clusters_before, names_before = cluster_labels(before, X)
            names = np.union1d(names, names_before)
        return cls.from_predictions(
            y, clusters, clusters_before=clusters_before, cluster_names=names, ax=ax, **kwargs
        )

    @classmethod
    def from_predictions(
        cls,
        y: ArrayLike,
        clusters: ArrayLike,
        *,
        clusters_before: ArrayLike | None = None,
        cluster_names: ArrayLike | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw given assignments.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            The class of each sample.
        clusters : array-like of shape (n_samples,)
            The cluster of each sample.
        clusters_before : array-like of shape (n_samples,), default=None
            The clusters in an earlier state, drawn above.
        cluster_names : array-like of shape (n_clusters,), default=None
            All clusters; one without samples gets an empty row. None stands for the clusters
            that have samples.
        ax : array of matplotlib Axes, default=None
            The axes to draw on, one per panel; by default new axes.
        **kwargs : dict
            Passed to `plot`.

        Returns
        -------
        display : ClusterClassDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        ValueError
            If the arguments are empty, differ in length or are no labels, or if `cluster_names`
            lacks a cluster.
        """
        states = [check_labels(clusters, "clusters")]
        if clusters_before is not None:
            states.append(check_labels(clusters_before, "clusters_before"))
        classes, codes = np.unique(check_labels(y, "y"), return_inverse=True)
        check_consistent_length(codes, *states)
        found = np.unique(np.concatenate(states))
        names = found if cluster_names is None else np.unique(cluster_names)
        if not np.isin(found, names).all():
            raise ValueError(
                f"cluster_names lacks {np.setdiff1d(found, names).tolist()}. Name every cluster "
                "that has samples, or leave cluster_names=None."
            )
        tables = []
        for state in states:
            table = np.zeros((len(names), len(classes)), dtype=np.int64)
            np.add.at(table, (np.searchsorted(names, state), codes), 1)
            tables.append(table)
        display = cls(
            tables[0], names, classes, counts_before=tables[1] if len(tables) > 1 else None
        )
        return display.plot(ax, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        titles: tuple[str, str] = ("before", "after"),
        cmap: str = "Blues",
        colorbar: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Draw the heat maps.

        Parameters
        ----------
        ax : array of matplotlib Axes, default=None
            The axes to draw on, one per panel; by default new axes.
        titles : tuple of str, default=("before", "after")
            Names of the two states. They are not drawn without `counts_before`.
        cmap : str or matplotlib Colormap, default="Blues"
            Colours of shares from 0 to 1.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        **kwargs : dict
            Passed to matplotlib's `imshow`.

        Returns
        -------
        self : ClusterClassDisplay
            The display, with `ax_` and `figure_` set.
        """
        states = [(self.shares, self.class_purity, titles[1])]
        if self.shares_before is not None and self.class_purity_before is not None:
            states.insert(0, (self.shares_before, self.class_purity_before, titles[0]))
        n_clusters, n_classes = self.shares.shape
        width = float(np.clip(0.14 * n_classes + 2.0, 5.0, 15.0))
        per_panel = float(np.clip(0.18 * n_clusters, 1.1, 5.0)) + 0.4
        below = 0.5 + 0.07 * max(len(short(name)) for name in self.classes)  # inches
        height = len(states) * per_panel + below
        axes = panels(self, ax, len(states), 1, figsize=(width, height))
        main = self.shares.argmax(axis=0)
        self.order_ = np.lexsort((-self.shares.max(axis=0), main))
        for panel, (shares, purity, title) in zip(axes, states, strict=False):
            style = {"cmap": cmap, "vmin": 0.0, "vmax": 1.0, "interpolation": "nearest", **kwargs}
            image = panel.imshow(shares[:, self.order_], aspect="auto", **style)
            held = np.bincount(shares.argmax(axis=0), minlength=n_clusters)
            fitting_ticks(
                panel.yaxis,
                [f"{name} ({n})" for name, n in zip(self.clusters, held, strict=True)],
            )
            panel.vlines(
                np.flatnonzero(np.diff(main[self.order_])) + 0.5,
                -0.5,
                n_clusters - 0.5,
                color="0.6",
                linewidth=0.6,
            )
            words = [f"class purity {purity:.3f}"]
            panel.set_title(": ".join([title, *words] if len(states) > 1 else words), fontsize=10)
            panel.set_ylabel("cluster (number of\nits main classes)", fontsize=9)
            panel.tick_params(axis="x", bottom=False, labelbottom=False)
        last = axes[len(states) - 1]
        last.tick_params(axis="x", bottom=True, labelbottom=True)
        fitting_ticks(last.xaxis, self.classes[self.order_].tolist())
        last.set_xlabel("class, sorted by its main cluster")
        if colorbar:
            shown = axes[: len(states)].tolist()
            self.figure_.colorbar(
                image, ax=shown, label="share of the class's samples", fraction=0.05, pad=0.01
            )
        return self


def _shares(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], float]:
    """Compute the shares per column, and the class purity."""
    return counts / counts.sum(axis=0), float(counts.max(axis=0).sum() / counts.sum())
