"""What `fit` keeps of the labelled samples for a later adaptation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.linear_model import RidgeCV
from sklearn.utils import gen_batches

from .._data.on_disk import in_memory
from .._data.unit_rows import class_sums, directions, row_mean, unit_rows

PENALTIES = np.logspace(-3.0, 3.0, 7)  # of the ridge regression from class vectors to prototypes
N_FOLDS = 3  # each holds out a third of the seen classes
MIN_CLASSES = 6  # so that two are left in every fold
MOST_SAMPLES = 2048  # that choose the temperatures
COLD_TEMPERATURE = 0.05  # where no labelled sample chooses one
_LOG_TEMPERATURES = (-7.0, 1.0)
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Labelled:
    """The seen classes in the input space, and how sharp cosines are there.

    Attributes
    ----------
    feature_mean : ndarray of shape (n_features,)
        Mean of the training rows.
    sums : ndarray of shape (n_classes, n_features)
        Sum of the unit rows of every seen class.
    counts : ndarray of shape (n_classes,)
        Their numbers.
    temperature : float
        The one at which cosines with class means make the labels of seen samples likeliest, each
        sample being left out of its own mean.
    score_temperature : float
        The same for prototypes that come from class vectors, on classes that are held out.
    """

    feature_mean: NDArray[np.float64]
    sums: NDArray[np.float32]
    counts: NDArray[np.intp]
    temperature: float
    score_temperature: float

    @classmethod
    def of(
        cls,
        to_rows: Callable[[NDArray[Any], NDArray[np.float64]], NDArray[Any]],
        X: Any,
        codes: NDArray[np.intp],
        vectors: NDArray[np.float64],
    ) -> Labelled:
        """From features (n, f), class codes (n,) and the seen classes' vectors (S, s).

        `to_rows` makes unit rows of features and their mean. Of an array on disk as many samples
        take part as are read at once.
        """
        X, codes, _ = in_memory(X, codes)
        mean = row_mean(X)
        sums = np.zeros((len(vectors), X.shape[1]))
        for rows in gen_batches(len(X), _ROWS_AT_ONCE):
            sums += class_sums(to_rows(X[rows], mean), codes[rows], len(vectors))
        counts = np.bincount(codes, minlength=len(vectors))
        some = slice(None, None, -(-len(X) // MOST_SAMPLES))
        x, y = to_rows(X[some], mean), codes[some]
        temperature = _own_temperature(x, y, sums, counts)
        held_out = _held_out_temperature(x, y, sums / counts[:, None], vectors)
        scores = temperature if held_out is None else held_out
        return cls(mean, sums.astype(np.float32), counts, temperature, scores)

    @classmethod
    def nothing(cls, pool_mean: NDArray[np.float64]) -> Labelled:
        """Of a model without labelled samples, which centres rows by the mean of its pool."""
        sums, counts = np.zeros((0, len(pool_mean)), np.float32), np.zeros(0, np.intp)
        return cls(pool_mean, sums, counts, COLD_TEMPERATURE, COLD_TEMPERATURE)

    def prototypes(
        self, seen: NDArray[np.float64], vectors: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return unit prototypes (C, f) of class vectors (C, s), by the seen classes' means."""
        return _predicted(seen, self.sums / self.counts[:, None], vectors)


def _predicted(
    seen: NDArray[np.float64], means: NDArray[np.float64], vectors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Ridge regression from class vectors to class means, of length one."""
    centre = row_mean(seen)
    model = RidgeCV(PENALTIES).fit(unit_rows(seen, centre, np.float64), means)
    predicted = model.predict(unit_rows(vectors, centre, np.float64))
    return directions(predicted.reshape(len(vectors), -1))  # one feature comes without its axis


def _own_temperature(
    x: NDArray[Any], y: NDArray[np.intp], sums: NDArray[np.float64], counts: NDArray[np.intp]
) -> float:
    able = counts[y] > 1
    x, y = x[able], y[able]
    if not len(x):
        return COLD_TEMPERATURE
    cosines = x @ directions(sums).T
    cosines[np.arange(len(y)), y] = np.einsum("ij,ij->i", x, directions(sums[y] - x))
    return likeliest_temperature([(cosines, y)])


def _held_out_temperature(
    x: NDArray[Any],
    y: NDArray[np.intp],
    means: NDArray[np.float64],
    vectors: NDArray[np.float64],
) -> float | None:
    if len(means) < MIN_CLASSES:
        return None
    order, judged = np.random.RandomState(0).permutation(len(means)), []
    for fold in range(N_FOLDS):
        out, kept = np.sort(order[fold::N_FOLDS]), np.sort(np.delete(order, slice(fold, None, 3)))
        own = np.isin(y, out)
        prototypes = _predicted(vectors[kept], means[kept], vectors[out])
        judged.append((x[own] @ prototypes.T, np.searchsorted(out, y[own])))
    return likeliest_temperature(judged)


def likeliest_temperature(judged: list[tuple[NDArray[Any], NDArray[np.intp]]]) -> float:
    """Return the temperature at which cosines (n, C) make the classes (n,) likeliest."""

    def loss(log_temperature: float) -> float:
        heat = np.exp(log_temperature)
        return -sum(
            float(log_softmax(cosines / heat, axis=1)[np.arange(len(y)), y].sum())
            for cosines, y in judged
        )

    found = minimize_scalar(
        loss, bounds=_LOG_TEMPERATURES, method="bounded", options={"xatol": 0.02}
    )
    return float(np.exp(found.x))
