"""Prototypes of the candidates, learnt from unlabelled samples by expectation-maximisation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from .._data.unit_rows import directions
from .labelled import Labelled

# Chosen once, on held-out seen classes of all development data (docs/unlabelled_samples.md).
PRIOR_COUNT = 3.0  # the prior of a prototype counts as so many samples
CONFIDENCE_POWER = 2.0  # a sample counts q_c max(q)^2
EVIDENCE = 0.7  # of the temperature of scores: the final model knows more classes than the folds
DOUBT = 5.0  # the pool has its full say where the model doubts a fifth of its answers
MAX_ITER = 6  # more of them gain nothing on average, and lose where pools are uneven
TOLERANCE = 1e-3
_MOST_SAMPLES = 2048  # that choose the factor of scores
_KEPT_NUMBERS = 2**25  # of a pool that is read once; a larger one is read in every iteration

# A block of the pool: unit rows (n, f), scores (n, C), the gate's logits of "seen" (n,) or None.
Block = tuple[NDArray[Any], NDArray[Any], "NDArray[Any] | None"]


@dataclass(frozen=True)
class Learnt:
    """What a pool of unlabelled samples has taught, for fixed candidates.

    Attributes
    ----------
    labels, vectors, is_seen : ndarray
        The candidates, (C,), (C, s), (C,).
    made_for : dict
        Parameters of the classifier that it was learnt with.
    prototypes : ndarray of shape (n_candidates, n_features)
        Unit prototypes p.
    weight : float
        Of the cosines with them, beside the model's own scores.
    logit : float
        What turns differences of scores into logits.
    offset : float
        The threshold between seen and unseen candidates, in logits.
    factor : float
        Of all scores, which makes them as sure as they were.
    counts, movement : ndarray of shape (n_candidates,)
        Samples that each candidate has found, and the distance of its prototype from the prior.
    n_iter, n_samples : int
        Numbers of iterations and of samples.
    """

    labels: NDArray[Any]
    vectors: NDArray[np.float64]
    is_seen: NDArray[np.bool_]
    made_for: dict[str, Any]
    prototypes: NDArray[np.float32]
    weight: float
    logit: float
    offset: float
    factor: float
    counts: NDArray[np.float64]
    movement: NDArray[np.float64]
    n_iter: int
    n_samples: int

    def serves(self, table: Any, made_for: dict[str, Any]) -> bool:
        """Whether these are its candidates and parameters."""
        return (
            made_for == self.made_for
            and np.array_equal(table.labels, self.labels)
            and np.array_equal(table.vectors, self.vectors)
        )

    def adapted(
        self, x: NDArray[Any], scores: NDArray[Any], logits: NDArray[Any] | None
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Scores (n, C) and logits of "seen" (n,) of unit rows (n, f) with what was learnt."""
        pull = self.weight * (x @ self.prototypes.T)
        if logits is not None:
            logits = logits + lead(pull, self.is_seen) - self.offset
        return self.factor * (scores + (pull / self.logit).astype(scores.dtype)), logits


class Pool:
    """Blocks of unlabelled samples, which are kept in memory if they are few."""

    def __init__(self, read: Callable[[], Iterable[Block]]) -> None:
        self._read = read
        self._kept: list[Block] | None = None

    def __iter__(self) -> Iterator[Block]:
        if self._kept is not None:
            yield from self._kept
            return
        kept, room = [], _KEPT_NUMBERS
        for block in self._read():
            room -= block[0].size + block[1].size
            if room >= 0:
                kept.append(block)
            yield block
        self._kept = kept if room >= 0 else None


def learn(
    pool: Iterable[Block],
    labelled: Labelled,
    prior: NDArray[Any],
    is_seen: NDArray[np.bool_],
    report: Callable[[int, float], None] = lambda iteration, movement: None,
) -> dict[str, Any]:
    """Prototypes of the candidates, and all else of a `Learnt`, from blocks of the pool.

    Parameters
    ----------
    pool : iterable of blocks
        Unit rows, scores and logits of "seen"; it is gone through once per iteration.
    labelled : Labelled
        The seen classes.
    prior : ndarray of shape (n_unseen, n_features)
        Unit prototypes of the unseen candidates before.
    is_seen : ndarray of shape (n_candidates,)
        Which candidates are seen classes; all of them or none.
    report : callable, default=None
        Called after every iteration with its number and the movement of the prototypes.

    Returns
    -------
    dict
        Attributes of `Learnt`.
    """
    unseen = ~is_seen
    start = np.zeros((len(is_seen), prior.shape[1]))  # sums that stand for the prior
    start[unseen], start[is_seen] = PRIOR_COUNT * prior, labelled.sums if is_seen.any() else 0.0
    first = p = directions(start)
    logit = _logit(pool, labelled, prior, unseen)
    weight, offset, balance, share, doubt = 0.0, 0.0, 0.0, 0.0, 1.0
    for n_iter in range(1, MAX_ITER + 1):
        sums, found, used = start.copy(), np.zeros(len(p)), 0.0
        seen_logits, sureness, n_samples = [], 0.0, 0
        for x, scores, logits in pool:
            pull = weight * (x @ p.T)
            z = logit * scores + pull
            q = np.zeros(z.shape)
            for side, belief in _sides(is_seen, logits, pull, offset, balance, n_iter):
                own = softmax(z[:, side], axis=1)
                best = own.max(axis=1)
                found[side] += (own * belief[:, None]).sum(axis=0)
                q[:, side] = own * (best**CONFIDENCE_POWER * belief)[:, None]
                if n_iter == 1 and not is_seen[side].any():
                    sureness += float(best.sum())
            sums += q.T @ x
            used += float(q[:, unseen].sum(axis=1) @ np.linalg.norm(x, axis=1))  # 0 or 1
            n_samples += len(x)
            if logits is not None:
                seen_logits.append(logits + lead(pull, is_seen) if n_iter > 1 else logits)
        if n_iter == 1:
            doubt = min(1.0, DOUBT * (1.0 - sureness / n_samples))
        if seen_logits:
            found_logits = np.concatenate(seen_logits)
            share = float(np.mean(found_logits >= 0.0)) if n_iter == 1 else share
            offset = float(np.quantile(found_logits, 1.0 - share)) if n_iter > 1 else 0.0
            balance = _balance(found_logits - offset)
        weight = doubt * used / (used + PRIOR_COUNT * unseen.sum()) / labelled.temperature
        before, p = p, directions(sums)
        movement = float(np.linalg.norm(p - before, axis=1).max())
        report(n_iter, movement)
        if movement < TOLERANCE and n_iter > 2:
            break
    offset, factor = _for_the_last(pool, weight * p, logit, is_seen, share, n_samples)
    return {
        "prototypes": p.astype(np.float32),
        "weight": float(weight),
        "logit": logit,
        "offset": offset,
        "factor": factor,
        "counts": found,
        "movement": np.linalg.norm(p - first, axis=1),
        "n_iter": n_iter,
        "n_samples": n_samples,
    }


def _for_the_last(
    pool: Iterable[Block],
    p: NDArray[Any],
    logit: float,
    is_seen: NDArray[np.bool_],
    share: float,
    n_samples: int,
) -> tuple[float, float]:
    """Return the threshold, and the factor of scores, for weighted prototypes (C, f)."""
    offset, moved, before, after = 0.0, [], [], []
    some = slice(None, None, -(-n_samples // _MOST_SAMPLES))
    for x, scores, logits in pool:
        pull = x @ p.T
        moved.append(np.full(len(x), -1.0) if logits is None else logits + lead(pull, is_seen))
        before.append(scores[some])
        after.append((scores + pull / logit)[some])
    if is_seen.any():
        offset = float(np.quantile(np.concatenate(moved), 1.0 - share))
    named_seen = np.concatenate([logits[some] >= offset for logits in moved])
    other = named_seen[:, None] != is_seen
    both = (np.where(other, -np.inf, np.concatenate(z)) for z in (before, after))
    return offset, _as_sure(*both)


def _as_sure(before: NDArray[Any], after: NDArray[Any]) -> float:
    """Return the factor by which scores (n, C) are as sure of the best as before, on average."""
    if np.array_equal(before, after):
        return 1.0
    sureness, low, high = softmax(before, axis=1).max(axis=1).mean(), -8.0, 8.0
    for _ in range(30):
        middle = (low + high) / 2.0
        surer = softmax(np.exp(middle) * after, axis=1).max(axis=1).mean() > sureness
        low, high = (low, middle) if surer else (middle, high)
    return float(np.exp((low + high) / 2.0))


def _logit(
    pool: Iterable[Block],
    labelled: Labelled,
    prior: NDArray[Any],
    unseen: NDArray[np.bool_],
) -> float:
    """Return what turns scores into logits with the spread of cosines with the prior."""
    spreads = np.zeros(2)
    for x, scores, _ in pool:
        own = scores[:, unseen].astype(np.float64)
        spreads += [np.square(s - s.mean(axis=1, keepdims=True)).sum() for s in (x @ prior.T, own)]
    ratio = float(np.sqrt(spreads[0] / spreads[1])) if spreads.min() > 0.0 else 1.0
    return ratio / (EVIDENCE * labelled.score_temperature)


def _sides(
    is_seen: NDArray[np.bool_],
    logits: NDArray[Any] | None,
    pull: NDArray[Any],
    offset: float,
    balance: float,
    n_iter: int,
) -> Iterator[tuple[NDArray[np.bool_], NDArray[Any]]]:
    """Columns of either side and the probability (n,) that a sample belongs there."""
    if logits is None:
        yield ~is_seen, np.ones(len(pull))
        return
    if n_iter > 2:  # the first prototypes have been learnt with the gate alone
        logits = logits + lead(pull, is_seen) - offset
    yield is_seen, expit(logits + balance)
    yield ~is_seen, expit(-logits - balance)


def lead(pull: NDArray[Any], is_seen: NDArray[np.bool_]) -> NDArray[Any]:
    """By how much the best seen candidate is ahead of the best unseen one, (n, C) -> (n,)."""
    best: NDArray[Any] = pull[:, is_seen].max(axis=1) - pull[:, ~is_seen].max(axis=1)
    return best


def _balance(logits: NDArray[Any]) -> float:
    """Estimate the log-odds of "seen" in the pool, from even ones on (Saerens et al., 2002)."""
    balance = 0.0
    for _ in range(5):
        share = np.clip(expit(logits + balance).mean(), 1e-6, 1.0 - 1e-6)
        balance = float(np.log(share) - np.log1p(-share))
    return balance
