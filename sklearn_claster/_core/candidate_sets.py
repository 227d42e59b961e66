"""Sets of candidates that hold the true class of a given share of samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from .inference import Choice

LEVELS = np.linspace(0.0, 1.0, 101)  # of the table of masses


def mass_ahead(probabilities: NDArray[Any]) -> NDArray[np.float64]:
    """Of every candidate: the sum over those with larger probabilities than its own, (n, C).

    A set of all candidates with at most so much ahead is what Romano et al. (2020) sum up from the
    largest on. It is never empty, and of equals it holds all or none.
    """
    order = np.argsort(-probabilities, axis=1)
    ordered = np.take_along_axis(probabilities, order, axis=1).astype(np.float64)
    ahead = np.zeros(ordered.shape)
    ahead[:, 1:] = np.minimum(ordered.cumsum(axis=1)[:, :-1], 1.0)
    ahead[:, 1:][ordered[:, 1:] == ordered[:, :-1]] = 0.0
    ahead = np.maximum.accumulate(ahead, axis=1)  # equals have that of their first
    found = np.empty_like(ahead)
    np.put_along_axis(found, order, ahead, axis=1)
    return found


def masses_of(scores: list[NDArray[Any]], codes: list[NDArray[np.intp]]) -> tuple[float, ...]:
    """Return the mass ahead that a share of held-out samples stays below, for all `LEVELS`.

    Classes count alike, and one class more, which is in no set, stands for the next one: Lee,
    Barber and Willett (2023). C held-out classes therefore do not tell of shares above C / (C + 1),
    for which the mass is 1.

    Parameters
    ----------
    scores : list of ndarray of shape (n, C)
        Of the samples of every fold, for its classes.
    codes : list of ndarray of shape (n,)
        Their classes, as columns of the scores.
    """
    ahead, weights = [], []
    for fold, y in zip(scores, codes, strict=True):
        probabilities = softmax(fold, axis=1)
        own = np.take_along_axis(probabilities, y[:, None], axis=1)
        ahead.append(np.sum(probabilities, axis=1, where=probabilities > own, dtype=np.float64))
        weights.append(1.0 / np.bincount(y)[y])
    weight = np.concatenate(weights)
    levels = LEVELS * (1.0 + 1.0 / weight.sum())
    masses = np.quantile(
        np.concatenate(ahead), levels.clip(max=1.0), weights=weight, method="inverted_cdf"
    )
    return tuple(np.where(levels > 1.0, 1.0, masses.clip(max=1.0)).tolist())


def mass_of(parameters: Any, choice: Choice, coverage: float, is_seen: NDArray[np.bool_]) -> float:
    """Return the mass ahead that candidates of a set have at most, seen or not."""
    if is_seen.any() and not is_seen.all():
        raise ValueError(
            "predict_set needs candidates of one kind, seen or unseen; got space='gzsl', where "
            "sets hold the true class too rarely if it is unseen. Set space='zsl' or 'seen'."
        )
    if parameters.temperature != "auto" or parameters.inference != "combined":
        raise ValueError(
            "predict_set needs the probabilities that fit has chosen on held-out classes, with "
            "temperature='auto' and inference='combined'; got temperature="
            f"{parameters.temperature!r} and inference={parameters.inference!r}. Fit with these."
        )
    masses = choice.seen_masses if is_seen.all() else choice.masses
    if not masses:
        raise ValueError(
            "predict_set needs seen classes, or for space='seen' samples, that fit could hold out; "
            "there were none. Fit with 4 or more seen classes that groups do not tie together, "
            "temperature='auto' and inference='combined'."
        )
    return masses[math.ceil(round(coverage * (len(masses) - 1), 6))]
