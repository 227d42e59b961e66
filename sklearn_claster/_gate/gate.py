"""The gate between the experts for seen and for unseen classes, and what it decides.

A zero-shot classifier is two experts, one for the seen and one for the unseen candidates. A gate
scores rows (`rules`) and compares with a threshold (`fitting`). A classifier without one has an
`OpenGate`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, log_softmax
from sklearn.utils import Bunch

from .._data.unit_rows import unit_rows
from .rules import Evidence, Rule

MODES = ("hard", "soft")


class Manner(NamedTuple):
    """How margins decide: the parameters of a `Gate`."""

    mode: str
    scale: float = 1.0
    sharpness: float = 1.0


class Decides(ABC):
    """Answers for feature rows X (n, f), by what `look` makes of what the experts say.

    Its questions take X, scores that compare (n, C), the scores that each side's expert answers
    by (n, C), and which of the candidates are seen classes (C,).
    """

    @abstractmethod
    def look(
        self,
        X: NDArray[Any],
        scores: NDArray[Any],
        answers: NDArray[Any],
        is_seen: NDArray[np.bool_],
    ) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
        """Answers (n, C), and margins (n,) of the seen side; None where all compete as they are."""

    @property
    @abstractmethod
    def manner(self) -> Manner:
        """How margins decide."""

    def scores(self, *said: Any) -> NDArray[Any]:
        """Scores of all candidates, of which the best is the answer, (n, C)."""
        return self._scores(*self.look(*said), said[-1])

    def best(self, *said: Any) -> NDArray[np.intp]:
        """Return the column of the answer, (n,)."""
        answers, margins = self.look(*said)
        if margins is None or self.manner.mode == "soft":
            return self._scores(answers, margins, said[-1]).argmax(axis=1)
        return best_allowed(answers, said[-1], margins)

    def log_proba(self, *said: Any) -> NDArray[Any]:
        """Log-probabilities of all candidates, (n, C)."""
        return self.answers_and_log_proba(*said)[1]

    def answers_and_log_proba(self, *said: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the experts' answers beside them, (n, C) each."""
        answers, margins = self.look(*said)
        if margins is not None and self.manner.mode == "hard":
            return answers, hard_log_proba(answers, said[-1], margins)
        return answers, log_softmax(self._scores(answers, margins, said[-1]), axis=1)

    def _scores(
        self,
        answers: NDArray[Any],
        margins: NDArray[np.float64] | None,
        is_seen: NDArray[np.bool_],
    ) -> NDArray[Any]:
        if margins is None:
            return answers
        mode, scale, sharpness = self.manner
        if mode == "soft":
            return soft_log_proba(answers, is_seen, margins, scale, sharpness)
        return gated_scores(answers, is_seen, margins)


@dataclass(frozen=True)
class Gate(Decides):
    """A fitted gate: it decides between the experts for seen and for unseen classes.

    Parameters
    ----------
    rule : Rule
        Turns rows into columns of evidence.
    mode : {"hard", "soft", "stacking"}
        How it decides; threshold and sharpness were chosen for that.
    feature_mean : ndarray of shape (n_features,)
        What centres X.
    dtype : type
        Of the centred rows.
    weights, bias : ndarray of shape (n_columns,), float
        The gate's score is columns @ weights + bias.
    threshold : float
        Rows that score at least this much are called seen.
    scale : float
        The soft gate's probability of "seen" is expit((score - threshold) / scale).
    sharpness : float
        Inverse temperature of both experts in the soft gate.
    level : float
        The share of the seen scores below the threshold; NaN if nothing chose it.
    harmonic_mean : float
        What held-out seen classes say of the threshold: the harmonic mean of the accuracies
        on them and on held-out rows of others, averaged over the folds. NaN without folds.
    made_for : dict
        The parameters of the classifier that it was fitted with, and that its threshold needs.
    """

    rule: Rule
    mode: str
    feature_mean: NDArray[np.float64]
    dtype: type
    weights: NDArray[np.float64] = field(default_factory=lambda: np.ones(1))
    bias: float = 0.0
    threshold: float = 0.0
    scale: float = 1.0
    sharpness: float = 1.0
    level: float = math.nan
    harmonic_mean: float = math.nan
    made_for: Mapping[str, Any] = field(default_factory=dict)

    def margins(self, X: NDArray[Any], scores: Any, is_seen: Any) -> NDArray[np.float64]:
        """Score minus threshold, (n,)."""
        evidence = look(X, self.feature_mean, self.dtype, scores, is_seen)
        return self.rule.columns(evidence) @ self.weights + self.bias - self.threshold

    def look(
        self,
        X: NDArray[Any],
        scores: NDArray[Any],
        answers: NDArray[Any],
        is_seen: NDArray[np.bool_],
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Answers (n, C) and margins (n,)."""
        return answers, self.margins(X, scores, is_seen)

    @property
    def manner(self) -> Manner:
        """How margins decide."""
        return Manner(self.mode, self.scale, self.sharpness)


class OpenGate(Decides):
    """No gate: the experts' scores compete as they are."""

    manner = Manner("stacking")

    def look(
        self,
        X: NDArray[Any],
        scores: NDArray[Any],
        answers: NDArray[Any],
        is_seen: NDArray[np.bool_],
    ) -> tuple[NDArray[Any], None]:
        """Return the answers (n, C); no margins."""
        return answers, None


def explain(
    gate: Gate,
    blocks: Iterable[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]],
    labels: NDArray[Any],
    is_seen: NDArray[np.bool_],
    decider: Decides | None = None,
) -> Bunch:
    """Explain blocks of rows (n, f), scores and answers (n, C) by a gate and both experts.

    `decider` is what the gate has become in an adapted model.
    """
    margins, best_seen, best_unseen = [], [], []
    for said in blocks:
        answers, of_rows = (decider or gate).look(*said, is_seen)
        margins.append(np.asarray(of_rows))
        best_seen.append(answers[:, is_seen].argmax(axis=1))
        best_unseen.append(answers[:, ~is_seen].argmax(axis=1))
    margin = np.concatenate(margins)
    return Bunch(
        score=margin + gate.threshold,
        threshold=gate.threshold,
        is_seen=margin >= 0.0,
        seen_probability=expit(margin / gate.scale),
        seen_class=labels[is_seen][np.concatenate(best_seen)],
        unseen_class=labels[~is_seen][np.concatenate(best_unseen)],
    )


def look(
    X: NDArray[Any],
    mean: NDArray[np.float64],
    dtype: type,
    scores: NDArray[Any] | None = None,
    is_seen: NDArray[np.bool_] | None = None,
) -> Evidence:
    """Return the evidence in feature rows and in the scores of their candidates."""
    x = unit_rows(X, mean, dtype)
    if scores is None or is_seen is None:
        return Evidence(x)
    return Evidence(x, scores[:, is_seen], scores[:, ~is_seen])


# decisions


def gated_scores(
    scores: NDArray[Any], is_seen: NDArray[np.bool_], margins: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Scores of the hard gate, (n, C): the best candidate of the chosen side is the best of all.

    Each side is counted from its best candidate, and the seen side gets the gate's margin. A
    constant taken from the seen columns moves the threshold. With the margin of `Stacking` this is
    calibrated stacking, up to a constant per row.
    """
    gated = np.empty(scores.shape)
    for side in (is_seen, ~is_seen):
        own = scores[:, side].astype(np.float64)
        gated[:, side] = own - own.max(axis=1, keepdims=True)
    # on the threshold counts as seen
    gated[:, is_seen] += np.where(margins == 0.0, np.finfo(np.float64).tiny, margins)[:, None]
    return gated


def best_allowed(
    scores: NDArray[Any], is_seen: NDArray[np.bool_], margins: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Return the columns of the largest `gated_scores`, without forming them, (n,)."""
    allowed = (margins >= 0.0)[:, None] == is_seen  # (n, C)
    return np.where(allowed, scores, -np.inf).argmax(axis=1)


def hard_log_proba(
    scores: NDArray[Any], is_seen: NDArray[np.bool_], margins: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the chosen expert's log-probabilities; the other side has probability zero."""
    within = _expert_log_proba(scores, is_seen)
    return np.where((margins >= 0.0)[:, None] == is_seen, within, -np.inf)


def soft_log_proba(
    scores: NDArray[Any],
    is_seen: NDArray[np.bool_],
    margins: NDArray[np.float64],
    scale: float,
    sharpness: float,
) -> NDArray[np.float64]:
    """Both experts' log-probabilities, smoothed and weighted by the gate, (n, C).

    With g the gate's probability of "seen" and S seen candidates, the seen candidate c gets
    g (g p(c | seen) + (1 - g) / S): the less the gate believes in a side, the closer is its expert
    to uniform. The unseen ones likewise with 1 - g.
    """
    out = _expert_log_proba(sharpness * scores, is_seen)
    for side, z in ((is_seen, margins / scale), (~is_seen, -margins / scale)):
        belief, doubt = log_expit(z)[:, None], log_expit(-z)[:, None]
        out[:, side] = belief + np.logaddexp(belief + out[:, side], doubt - math.log(side.sum()))
    return out


def _expert_log_proba(scores: NDArray[Any], is_seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    within = np.empty(scores.shape)
    for side in (is_seen, ~is_seen):
        within[:, side] = log_softmax(scores[:, side].astype(np.float64), axis=1)
    return within
