"""What baselines for one space of features and class vectors share: unit vectors, not centred."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from .._base import BaseZeroShotClassifier
from .._data.unit_rows import directions, mean_samples
from .._utils.parameters import check_number
from ..model_selection._split import TrainTest, ZeroShotKFold
from ._centred import Matrix

CLIP_TEMPERATURE = 0.01
_SAMPLES_TO_CALIBRATE = 10_000
N_CLASS_FOLDS = 3  # each holds out a third of the seen classes
OTHER_SPACES = (
    "{name} takes features and class vectors of one space: expected class vectors of {expected} "
    "features, as many as X has, got {got}. Embed both with one model (CLIP, SigLIP, a sentence "
    "model), or use ClasterZSL, which learns the way from one space to another."
)

# Training samples (n, f), their class codes (n,), class vectors (S, f), new class vectors (C, f),
# new samples (m, f) -> scores of the new samples with each of the values, (m, C) each.
Trial = Callable[[Matrix, NDArray[np.intp], Matrix, Matrix, Matrix], Sequence[Matrix]]


class SharedSpaceClassifier(BaseZeroShotClassifier):
    """Scores x t_c / temperature of unit vectors, of which a method may change either.

    Without a class table the mean unit samples of the classes stand for class vectors.
    """

    _read_when_scoring: tuple[str, ...] = ("temperature",)

    temperature: float | str
    temperature_: float
    class_means_: Matrix | None

    @abstractmethod
    def _fit_seen(
        self, x: Matrix, y: NDArray[np.intp], t: Matrix, groups: NDArray[Any] | None
    ) -> None:
        """Learn from unit samples (n, f), class codes (n,) and unit class vectors (S, f)."""

    def _check_parameters(self) -> None:
        check_number(self, "temperature", Real, 0, low_allowed=False, also=("auto",))

    def _fit(self, X: Any, y: Any, class_embeddings: Any, groups: Any) -> None:
        rows, codes, groups = self._check_fit(X, y, class_embeddings, groups)
        width = self.class_embeddings_.vectors.shape[1]
        if self._has_table and width != rows.shape[1]:
            raise ValueError(
                OTHER_SPACES.format(name=type(self).__name__, expected=rows.shape[1], got=width)
            )
        x = directions(rows)
        self.class_means_ = None if self._has_table else mean_samples(x, codes)
        t = self._semantic(self._seen_table().vectors)
        automatic = isinstance(self.temperature, str)
        self.temperature_ = likeliest_temperature(x, codes, t) if automatic else self._temperature()
        self._fit_seen(x, codes, t, groups)
        self._fit_gate(rows, codes, groups)

    def _temperature(self) -> float:
        SharedSpaceClassifier._check_parameters(self)
        value = self.temperature
        return self.temperature_ if isinstance(value, str) else float(value)

    def _semantic(self, vectors: NDArray[np.float64]) -> Matrix:
        """Return unit class vectors in the space of the features, (C, f)."""
        return directions(vectors if self.class_means_ is None else vectors @ self.class_means_)

    def _prepare_candidates(self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_]) -> Any:
        return self._semantic(vectors).T / self._temperature()  # (f, C)

    def _score_rows(self, X: NDArray[Any], candidates: Any) -> Matrix:
        return directions(X) @ candidates  # (n, f) (f, C)


class MappedClassifier(SharedSpaceClassifier):
    """Scores cos(x W, t_c) / temperature, with the transpose of W in `coef_`."""

    coef_: NDArray[np.float64]

    def _score_rows(self, X: NDArray[Any], candidates: Any) -> Matrix:
        return directions(directions(X) @ self.coef_.T) @ candidates


def likeliest_temperature(x: Matrix, y: NDArray[np.intp], t: Matrix) -> float:
    """Return the temperature with which the plain cosine makes the seen classes' labels likeliest.

    It lies between 0.01, where CLIP's own training stops it, and 1. Many samples take every n-th.
    """
    step = math.ceil(len(x) / _SAMPLES_TO_CALIBRATE)
    cosines, codes = x[::step] @ t.T, y[::step]
    own = cosines[np.arange(len(codes)), codes]

    def loss(log_sharpness: float) -> float:
        sharpness = math.exp(log_sharpness)
        return float(np.mean(logsumexp(sharpness * cosines, axis=1) - sharpness * own))

    found = minimize_scalar(loss, bounds=(0.0, -math.log(CLIP_TEMPERATURE)), method="bounded")
    return math.exp(-found.x)


def choose_on_held_out_classes(
    x: Matrix,
    y: NDArray[np.intp],
    t: Matrix,
    groups: NDArray[Any] | None,
    values: Sequence[float],
    trial: Trial,
) -> float:
    """Return the value with the best mean per-class accuracy on seen classes that were held out.

    The first of the `values`, the prior, stays unless another is ahead of it by more than a
    standard error over the classes, and where no classes can be held out.
    """
    n_classes = len(t)
    accuracy = np.zeros((n_classes, len(values)))
    for train, test in _folds(y, groups, n_classes):
        codes = np.unique(y[train], return_inverse=True)[1]
        held_out, truth = np.unique(y[test], return_inverse=True)
        known = np.unique(y[train])
        found = trial(x[train], codes, t[known], t[held_out], x[test])
        for at, scores in enumerate(found):
            hits = scores.argmax(axis=1) == truth
            accuracy[held_out, at] = np.bincount(truth, weights=hits) / np.bincount(truth)
    best = int(accuracy.mean(axis=0).argmax())
    lead = accuracy[:, best] - accuracy[:, 0]
    clear = lead.mean() > lead.std(ddof=1) / math.sqrt(n_classes)
    return values[best if clear else 0]


def _folds(y: NDArray[np.intp], groups: NDArray[Any] | None, n_classes: int) -> list[TrainTest]:
    """Training and held-out samples; none with less than four classes, or if groups forbid it."""
    if n_classes < 4:
        return []
    splitter = ZeroShotKFold(min(N_CLASS_FOLDS, n_classes // 2), random_state=0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of samples in neither part
            return list(splitter.split(y, y, groups))
    except ValueError:
        return []
