"""The gate of an adapted classifier, or none: what was learnt goes into scores and margins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from .._gate.gate import Decides, Gate, Manner, OpenGate
from .prototypes import Block, Learnt, lead


def block_of(
    gate: Gate | OpenGate,
    x: NDArray[Any],
    rows: NDArray[Any],
    scores: NDArray[Any],
    answers: NDArray[Any],
    is_seen: NDArray[np.bool_],
    logit: float = 1.0,
) -> Block:
    """Return unit rows of feature rows, answers, and logits of "seen" where sides compete."""
    if not is_seen.any():
        return x, answers, None
    if isinstance(gate, Gate):
        return x, answers, gate.margins(rows, scores, is_seen) / gate.scale
    return x, answers, logit * lead(scores, is_seen)


@dataclass(frozen=True)
class Decider(Decides):
    """Answers of a gate, or of none, for feature rows X (n, f), scores and answers (n, C).

    Parameters
    ----------
    gate : Gate or OpenGate
        What decides without the pool.
    learnt : Learnt
        What the pool has taught.
    to_rows : callable
        Makes unit rows of feature rows.
    """

    gate: Gate | OpenGate
    learnt: Learnt
    to_rows: Callable[[NDArray[Any]], NDArray[Any]]

    def look(
        self,
        X: NDArray[Any],
        scores: NDArray[Any],
        answers: NDArray[Any],
        is_seen: NDArray[np.bool_],
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Adapted answers (n, C), and margins (n,) in the gate's unit where sides compete."""
        block = block_of(self.gate, self.to_rows(X), X, scores, answers, is_seen, self.learnt.logit)
        adapted, logits = self.learnt.adapted(*block)
        own = self.learnt.factor / self.learnt.logit
        unit = self.gate.scale if isinstance(self.gate, Gate) else own
        return adapted, None if logits is None else unit * logits

    @property
    def manner(self) -> Manner:
        """That of the gate."""
        return self.gate.manner


def summary_of(learnt: Learnt) -> Bunch:
    """Return what `adapted_` shows."""
    return Bunch(
        labels=learnt.labels,
        counts=learnt.counts,
        found=learnt.counts >= 1.0,
        movement=learnt.movement,
        weight=learnt.weight / learnt.logit,
        n_iter=learnt.n_iter,
        n_samples=learnt.n_samples,
    )
