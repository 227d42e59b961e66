"""Shared parts of the displays: matplotlib on demand, colours, axes, and labels that fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

# Okabe and Ito's palette for all kinds of colour vision, without black and yellow.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
SEEN_COLOR, UNSEEN_COLOR = PALETTE[:2]
SEEN_MARKER, UNSEEN_MARKER = "o", "^"

_LONGEST_LABEL = 24  # characters


def pyplot(display: Any) -> Any:
    """Import matplotlib.pyplot, or say how to get it."""
    try:
        return import_module("matplotlib.pyplot")
    except ImportError as error:
        raise ImportError(
            f"{type(display).__name__}.plot needs matplotlib, which is not installed. Install it "
            'with the package: pip install "sklearn_claster[plot]".'
        ) from error


def one_axes(display: Any, ax: Any, **options: Any) -> Any:
    """Return the given axes or new ones, and set `ax_` and `figure_` of the display."""
    plt = pyplot(display)
    if ax is None:
        ax = plt.subplots(layout="constrained", **options)[1]
    display.ax_, display.figure_ = ax, ax.figure
    return ax


def panels(display: Any, ax: Any, n_rows: int, n_columns: int, **options: Any) -> Any:
    """Return axes for every panel as an array, and set `ax_` and `figure_` of the display."""
    plt = pyplot(display)
    if ax is None:
        ax = plt.subplots(n_rows, n_columns, squeeze=False, layout="constrained", **options)[1]
    axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    if len(axes) < n_rows * n_columns:
        raise ValueError(
            f"{type(display).__name__} has {n_rows * n_columns} panels to draw; got {len(axes)} "
            f"axes. Make the axes with plt.subplots({n_rows}, {n_columns}), or leave ax=None."
        )
    display.ax_, display.figure_ = axes, axes[0].figure
    return axes


def short(label: Any) -> str:
    """Return a label as text, cut to a maximum length."""
    text = str(label)
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"


def fitting_ticks(axis: Any, labels: Sequence[Any], per_label: float = 7.0) -> None:
    """Label the places 0, 1, 2, ... of an axis: all if there is room, otherwise every n-th.

    `per_label` is the room in points that a label needs at the smallest size.
    """
    axes = axis.axes
    across = axis is axes.xaxis
    pixels = axes.bbox.width if across else axes.bbox.height
    room = 72.0 * pixels / axes.figure.dpi / len(labels)
    step = max(1, math.ceil(per_label / room))
    places = np.arange(0, len(labels), step)
    size = float(np.clip(0.85 * room * step, 5.5, 9.0))
    names = [short(labels[place]) for place in places]
    wide = 0.65 * size * max(map(len, names)) > 0.9 * room * step
    axis.set_ticks(places, names)
    axis.set_tick_params(labelsize=size, rotation=90 if across and wide else 0, length=2)
