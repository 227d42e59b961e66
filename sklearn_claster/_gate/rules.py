"""Scores that tell rows of seen classes from others: one small rule for each method.

A rule learns from the rows of seen classes and turns rows into columns of evidence, high for seen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import entr, logsumexp, softmax
from sklearn.neighbors import NearestNeighbors

N_BANK_ROWS = 512  # rows that a nearest-neighbour rule keeps, so that it stays quick
SAME_PLACE = 1e-6  # a distance between unit rows that rounding explains
LEAST_PER_CLASS = 3  # training rows in each fold, on average, for distances that compare


@dataclass(frozen=True)
class Evidence:
    """What a rule may look at: the rows themselves, and what both experts say of them."""

    x: NDArray[Any]  # (n, f), centred on the seen data, unit rows
    seen: NDArray[Any] | None = None  # (n, S), scores of the seen classes
    unseen: NDArray[Any] | None = None  # (n, U), scores of the unseen ones
    generated: NDArray[Any] | None = None  # (m, f), rows made up for unseen classes


class Rule(ABC):
    """A rule of evidence. The base of them all learns nothing."""

    reads_seen = False  # whether it needs the scores of the seen classes
    reads_unseen = False  # whether it needs those of unseen ones, too
    reads_generated = False  # whether it learns from rows made up for unseen classes

    def fit(self, evidence: Evidence, codes: NDArray[np.intp]) -> None:  # noqa: B027, optional
        """Learn from rows of seen classes and their class codes."""

    def choose(self, trials: Sequence[Trial]) -> None:  # noqa: B027, optional
        """Choose what is left open by rules that were fitted to fewer classes, and these alike."""

    @abstractmethod
    def columns(self, evidence: Evidence) -> NDArray[np.float64]:
        """Evidence that rows are of seen classes, (n, 1) or wider."""


# A rule fitted to fewer classes, rows that it has not seen, and which of these are of its classes.
Trial = tuple[Any, Evidence, NDArray[np.bool_]]


def max_softmax(scores: NDArray[Any]) -> NDArray[Any]:
    """Probability of the best seen class."""
    return softmax(scores, axis=1).max(axis=1)


def negative_entropy(scores: NDArray[Any]) -> NDArray[Any]:
    """How far the seen classes' probabilities are from uniform."""
    return -entr(softmax(scores, axis=1)).sum(axis=1)


def negative_energy(scores: NDArray[Any]) -> NDArray[Any]:
    """Logarithm of the sum of the exponentials, the unnormalised log-density of the row."""
    return logsumexp(scores, axis=1)


CONFIDENCES: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "max_softmax": max_softmax,
    "entropy": negative_entropy,
    "energy": negative_energy,
}


class Confidence(Rule):
    """A function of the scores of the seen classes, by its name: saved rules hold no code."""

    reads_seen = True

    def __init__(self, name: str) -> None:
        self.name = name

    def columns(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return the function's values, (n, 1)."""
        return CONFIDENCES[self.name](np.asarray(evidence.seen, dtype=np.float64))[:, None]


class Stacking(Rule):
    """Best seen score minus best unseen score: a threshold on it is calibrated stacking."""

    reads_seen = reads_unseen = True

    def columns(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return the difference, (n, 1)."""
        tops = _tops(evidence)
        return tops[:, :1] - tops[:, 1:]


class Mahalanobis(Rule):
    """Minus the squared distance to the nearest class mean, one shrunk covariance for all.

    The relative distance subtracts the one to a single Gaussian around all rows. Its covariance is
    that within classes plus that of the class means. So the two Gaussians differ in the span of the
    means alone, and the relative distance needs no more of a row than its product with each mean.
    """

    def __init__(self, relative: bool) -> None:
        self.relative = relative

    def fit(self, evidence: Evidence, codes: NDArray[np.intp]) -> None:
        """Estimate means and covariances."""
        x = np.asarray(evidence.x, dtype=np.float64)
        counts = np.bincount(codes)
        means = np.zeros((len(counts), x.shape[1]))
        np.add.at(means, codes, x)
        means /= counts[:, None]
        self.center = x.mean(axis=0)  # (f,)
        offsets = means - self.center  # M, (S, f)
        residuals = x - means[codes]  # (n, f), of covariance W
        if self.relative:
            self.directions = solve_shrunk(residuals, offsets.T)  # W^-1 M', (f, S)
        else:
            self.form = solve_shrunk(residuals, np.eye(x.shape[1]))  # W^-1, (f, f)
            self.directions = self.form @ offsets.T
        products = offsets @ self.directions  # M W^-1 M', (S, S)
        self.lengths = np.diag(products).copy()  # (S,)
        if self.relative:  # with shares P, W^-1 - (W + M' P M)^-1 = W^-1 M' (this) M W^-1
            self.form = np.linalg.inv(np.diag(len(x) / counts) + products)  # (S, S)

    def columns(self, evidence: Evidence) -> NDArray[np.float64]:
        """Minus the (relative) distance, (n, 1)."""
        x = evidence.x - self.center  # (n, f), float64
        products = x @ self.directions  # (n, S)
        nearest = (self.lengths - 2.0 * products).min(axis=1)  # all but x' W^-1 x
        z = products if self.relative else x
        return -(nearest + np.einsum("ij,ij->i", z @ self.form, z))[:, None]


class Neighbors(Rule):
    """Minus the distance to the k-th nearest of a sample of the training rows.

    A row is no neighbour of itself: of two at the same place one is taken for the other, so that
    training rows, which set the threshold, score as new rows do.
    """

    def __init__(self, n_neighbors: int) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, evidence: Evidence, codes: NDArray[np.intp]) -> None:
        """Keep a fixed random sample of the rows."""
        order = np.random.RandomState(0).permutation(len(evidence.x))
        self.bank = evidence.x[order[:N_BANK_ROWS]]

    def columns(self, evidence: Evidence) -> NDArray[np.float64]:
        """Minus the distance, (n, 1)."""
        k = min(self.n_neighbors, len(self.bank) - 1)
        index = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(self.bank)
        distances, _ = index.kneighbors(evidence.x)  # (n, k + 1), ascending
        is_itself = distances[:, 0] < SAME_PLACE
        found = np.where(is_itself, distances[:, k], distances[:, k - 1])
        return -found[:, None].astype(np.float64)


class Learned(Rule):
    """What a logistic gate weighs: best seen score, best unseen score, relative distance.

    Rows lie close to means of two or three rows that they belong to, and new rows do not: with so
    few, distances of folds and of the whole fit do not compare, and the scores decide alone.
    """

    reads_seen = reads_unseen = True
    reads_distance = True

    def __init__(self) -> None:
        self.distance = Mahalanobis(relative=True)

    def fit(self, evidence: Evidence, codes: NDArray[np.intp]) -> None:
        """Estimate the distance."""
        self.per_class = len(codes) / (codes.max() + 1)
        self.distance.fit(evidence, codes)

    def choose(self, trials: Sequence[Trial]) -> None:
        """Choose whether distances compare."""
        rules = [rule for rule, *_ in trials]
        compare = all(rule.per_class >= LEAST_PER_CLASS for rule in rules)
        for rule in (self, *rules):
            rule.reads_distance = compare

    def columns(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return two or three columns, (n, 2) or (n, 3)."""
        tops = _tops(evidence)
        if not self.reads_distance:
            return tops
        return np.hstack([tops, self.distance.columns(evidence)])


class OutlierRule(Rule):
    """Any outlier detector of scikit-learn, fitted on the rows alone."""

    def __init__(self, detector: Any) -> None:
        self.detector = detector

    def fit(self, evidence: Evidence, codes: NDArray[np.intp]) -> None:
        """Fit the detector."""
        self.detector.fit(evidence.x)

    def columns(self, evidence: Evidence) -> NDArray[np.float64]:
        """Its decision function, or its answers +1 and -1 if it has none, (n, 1)."""
        answer = getattr(self.detector, "decision_function", self.detector.predict)
        return np.asarray(answer(evidence.x), dtype=np.float64).reshape(-1, 1)


RULES: dict[str, Callable[[int], Rule]] = {  # by name, from the k of "knn"
    "learned": lambda k: Learned(),
    "max_softmax": lambda k: Confidence("max_softmax"),
    "entropy": lambda k: Confidence("entropy"),
    "energy": lambda k: Confidence("energy"),
    "mahalanobis": lambda k: Mahalanobis(relative=False),
    "relative_mahalanobis": lambda k: Mahalanobis(relative=True),
    "knn": lambda k: Neighbors(k),
}
_NEED_CLASSES = {"learned", "max_softmax", "entropy", "energy", "relative_mahalanobis"}


def usable_rule(name: str, has_unseen: bool, has_classes: bool = True) -> str:
    """Return the rule to take with what there is, in place of one that needs more."""
    if not has_classes and name in _NEED_CLASSES:
        return "mahalanobis"
    if name == "learned" and not has_unseen:
        return "relative_mahalanobis"
    return name


def _tops(evidence: Evidence) -> NDArray[np.float64]:
    """Best seen and best unseen score, (n, 2)."""
    assert evidence.seen is not None and evidence.unseen is not None
    tops = [evidence.seen.max(axis=1), evidence.unseen.max(axis=1)]
    return np.stack(tops, axis=1).astype(np.float64)


def solve_shrunk(centred: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inverse of a shrunk covariance, times `right`, (n, f), (f, k) -> (f, k).

    The covariance is S = X'X / n of centred rows, shrunk after Ledoit and Wolf, and kept positive
    definite where rows do not vary at all. With fewer rows than features it is low rank plus a
    multiple of the identity: Woodbury's identity leaves an (n, n) matrix to be solved.
    """
    n, f = centred.shape
    wide = n < f
    gram = (centred @ centred.T if wide else centred.T @ centred) / n  # the eigenvalues of S
    mean = np.trace(gram) / f  # eigenvalue
    shrinkage = ledoit_wolf_shrinkage(gram, np.einsum("ij,ij->i", centred, centred), f)
    ridge = shrinkage * mean + max(1e-6 * mean, 1e-12)
    gram *= 1.0 - shrinkage
    np.fill_diagonal(gram, gram.diagonal() + ridge)
    factor = cho_factor(gram, lower=True, overwrite_a=True)
    if not wide:
        return np.asarray(cho_solve(factor, right))
    inner = cho_solve(factor, centred @ right)  # (n, k)
    return np.asarray((right - (1.0 - shrinkage) / n * (centred.T @ inner)) / ridge)


def ledoit_wolf_shrinkage(
    gram: NDArray[np.float64], squares: NDArray[np.float64], n_features: int
) -> float:
    """Share of the identity in Ledoit and Wolf's covariance of n centred rows x_i.

    `gram` is X'X / n or XX' / n: trace and Frobenius norm are the same. `squares` are |x_i|^2.
    """
    n = len(squares)
    norm = float(np.vdot(gram, gram))  # squared
    to_identity = norm - float(np.trace(gram)) ** 2 / n_features
    noise = (float(squares @ squares) / n - norm) / n  # of S around the true covariance
    return min(noise / to_identity, 1.0) if min(noise, to_identity) > 0.0 else 0.0
