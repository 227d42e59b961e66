"""Seen or unseen? The gate between the two experts, and the choice of its threshold.

A zero-shot classifier is two experts, one for the seen and one for the unseen candidates. A gate
scores rows (`_detection`) and compares with a threshold, which is chosen on seen classes alone.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, log_softmax
from scipy.stats import hmean
from sklearn.base import clone, is_outlier_detector
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ._class_embeddings import ClassEmbeddings
from ._detection import Evidence, OutlierRule, Rule, Stacking
from ._preprocessing import row_mean, unit_rows
from .model_selection import ZeroShotKFold

MODES = ("hard", "soft")
N_CLASS_FOLDS = 3  # each holds out a third of the seen classes
SEEN_SHARE = 0.2  # of the rows of the other classes, held out beside them
MIN_CLASSES = 4
DEFAULT_CONTAMINATION = 0.05  # where there is nothing to choose it by
SHARPNESSES = np.logspace(-2.0, 3.0, 41)
LEVELS = np.linspace(0.0, 1.0, 201)  # of the seen scores, among which the best is chosen


@dataclass(frozen=True)
class Gate:
    """A fitted gate.

    Parameters
    ----------
    rule : Rule
        Turns rows into columns of evidence.
    weights, bias : ndarray of shape (n_columns,), float
        The gate's score is columns @ weights + bias.
    threshold : float
        Rows that score at least this much are called seen.
    scale : float
        The soft gate's probability of "seen" is expit((score - threshold) / scale).
    sharpness : float
        Inverse temperature of both experts in the soft gate.
    level : float
        The share of the seen scores below the threshold.
    feature_mean : ndarray of shape (n_features,)
        What centres X.
    dtype : type
        Of the centred rows.
    """

    rule: Rule
    weights: NDArray[np.float64]
    bias: float
    threshold: float
    scale: float
    sharpness: float
    level: float
    feature_mean: NDArray[np.float64]
    dtype: type

    def margins(self, X: NDArray[Any], scores: Any, is_seen: Any) -> NDArray[np.float64]:
        """Score minus threshold of feature rows and their scores, (n, f), (n, C) -> (n,)."""
        evidence = look(X, self.feature_mean, self.dtype, scores, is_seen)
        return self.rule.columns(evidence) @ self.weights + self.bias - self.threshold


def look(
    X: NDArray[Any],
    mean: NDArray[np.float64],
    dtype: type,
    scores: NDArray[Any] | None = None,
    is_seen: NDArray[np.bool_] | None = None,
) -> Evidence:
    """The evidence in feature rows and in the scores of their candidates."""
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


def hard_log_proba(
    scores: NDArray[Any], is_seen: NDArray[np.bool_], margins: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The chosen expert's log-probabilities; the other side has probability zero."""
    within = _expert_log_proba(scores, is_seen)
    return np.where((margins >= 0.0)[:, None] == is_seen, within, -np.inf)


def soft_log_proba(
    scores: NDArray[Any],
    is_seen: NDArray[np.bool_],
    margins: NDArray[np.float64],
    scale: float = 1.0,
    sharpness: float = 1.0,
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


# fit


def rule_maker(detector: Any, has_unseen: bool) -> Callable[[], Rule]:
    """What makes a fresh rule from the parameter `bias_detector`."""
    if isinstance(detector, str):
        return Stacking
    if hasattr(detector, "_make_rule"):
        return lambda: detector._make_rule(has_unseen)
    return lambda: OutlierRule(clone(detector))


def check_bias_detector(detector: Any) -> None:
    """Raise unless it is None, "stacking" or an outlier detector that can be fitted."""
    if detector is None or (isinstance(detector, str) and detector == "stacking"):
        return
    usable = not isinstance(detector, (str, type)) and all(
        hasattr(detector, name) for name in ("fit", "get_params")
    )
    if not usable or not is_outlier_detector(detector):
        raise ValueError(
            f"bias_detector={detector!r} is not a valid choice; expected None, 'stacking', or an "
            "instance of an outlier detector, for example BiasDetector() or "
            "sklearn.ensemble.IsolationForest()."
        )
    if not hasattr(detector, "predict"):
        raise ValueError(
            f"bias_detector={detector!r} cannot judge new rows: it has no predict. "
            "LocalOutlierFactor needs novelty=True."
        )


def contamination_of(detector: Any) -> float | str:
    """The level set by hand, or "auto"; "own" where a foreign detector decides for itself."""
    contamination = getattr(detector, "contamination", "auto")
    automatic = isinstance(contamination, str)
    if hasattr(detector, "_make_rule"):
        return contamination
    if isinstance(detector, str) or (automatic and hasattr(detector, "decision_function")):
        return "auto"
    return "own"


def can_hold_out(codes: NDArray[np.intp]) -> bool:
    """Whether whole classes, and rows of others, can be held out in every fold."""
    counts = np.bincount(codes)
    return len(counts) >= MIN_CLASSES and int((counts > 1).sum()) > -(-len(counts) // N_CLASS_FOLDS)


@dataclass(frozen=True)
class Fold:
    """What a model without some of the classes says of rows that it has not seen."""

    trained: Evidence
    trained_codes: NDArray[np.intp]
    tested: Evidence
    is_seen: NDArray[np.bool_]  # (n,) whether a tested row's class was trained on
    own: NDArray[np.intp]  # (n,) position of the row's class on its side
    hits: NDArray[np.bool_]  # (n,) whether the expert of its side names it
    weights: NDArray[np.float64]  # (n,) of a row in the mean per-class accuracy of its side

    def harmonic_mean(self, called_seen: NDArray[np.bool_]) -> float:
        """Of the mean per-class accuracies of both sides, if these rows are called seen."""
        right = self.weights * (self.hits & (called_seen == self.is_seen))
        return float(hmean([right[self.is_seen].sum(), right[~self.is_seen].sum()]))


def hold_out_classes(
    host: Any, X: NDArray[Any], codes: NDArray[np.intp], table: ClassEmbeddings, dtype: type
) -> list[Fold]:
    """Refit the host without each third of its classes and test it on them and on held-out rows.

    Nothing but the seen classes' rows and vectors takes part.
    """
    labels = table.labels[codes]
    parameters = {
        name: value
        for name, value in {"bias_detector": None, "space": "gzsl", "verbose": 0}.items()
        if name in host.get_params(deep=False)
    }
    folds = []
    splitter = ZeroShotKFold(N_CLASS_FOLDS, seen_fraction=SEEN_SHARE, random_state=0)
    for train, test in splitter.split(X, labels):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the whole fit has said it already
            model = clone(host).set_params(**parameters).fit(X[train], labels[train], table)
        mean = row_mean(X[train])
        columns = np.isin(table.labels, model.classes_)
        tested = look(X[test], mean, dtype, model._raw_scores(X[test]), columns)
        is_seen = columns[codes[test]]
        own = np.where(columns, np.cumsum(columns), np.cumsum(~columns))[codes[test]] - 1
        assert tested.seen is not None and tested.unseen is not None
        named = np.where(is_seen, tested.seen.argmax(axis=1), tested.unseen.argmax(axis=1))
        counts = np.bincount(codes[test], minlength=len(columns))
        n_classes = np.where(is_seen, (counts[columns] > 0).sum(), (counts[~columns] > 0).sum())
        folds.append(
            Fold(
                look(X[train], mean, dtype, model._raw_scores(X[train]), columns),
                np.unique(codes[train], return_inverse=True)[1],
                tested,
                is_seen,
                own,
                named == own,
                1.0 / (counts[codes[test]] * n_classes),
            )
        )
    return folds


def fit_gate(
    host: Any,
    make_rule: Callable[[], Rule],
    X: NDArray[Any],
    codes: NDArray[np.intp],
    table: ClassEmbeddings | None,
    contamination: float | str,
    mode: str,
    dtype: type,
) -> Gate:
    """Fit a rule on the seen data and choose its threshold.

    Parameters
    ----------
    host : BaseZeroShotClassifier
        The fitted experts.
    make_rule : callable
        Makes a fresh rule.
    X, codes : ndarray of shape (n_samples, n_features), (n_samples,)
        The training rows and their class codes.
    table : ClassEmbeddings or None
        The seen classes' vectors; without them no class is held out.
    contamination : float, "auto" or "own"
        The level of the seen scores to put the threshold at; "auto" chooses the one with the best
        harmonic mean, "own" leaves a foreign detector at its zero.
    mode : {"hard", "soft", "stacking"}
        How the decision is made.
    dtype : type
        Of the centred rows.

    Returns
    -------
    Gate
        The fitted gate.
    """
    rule, mean = make_rule(), row_mean(X)
    # A rule that reads the unseen expert cannot be asked about training rows: their class is
    # no candidate of that expert. Its seen scores are those of the rows that folds hold out.
    needs_scores = rule.reads_seen and not rule.reads_unseen
    scores = host._raw_seen_scores(X) if needs_scores else None
    every = None if scores is None else np.ones(scores.shape[1], dtype=bool)
    evidence = look(X, mean, dtype, scores, every)
    rule.fit(evidence, codes)
    folds = []
    if table is not None and (contamination == "auto" or mode == "soft" or rule.reads_unseen):
        folds = hold_out_classes(host, X, codes, table, dtype)
    fold_rules = [_fitted(make_rule(), fold) for fold in folds]
    tested = [
        fold_rule.columns(fold.tested) for fold_rule, fold in zip(fold_rules, folds, strict=True)
    ]
    weights, bias, scale = np.ones(1), 0.0, None
    if folds:
        weights, bias, scale = _logistic(
            np.concatenate(tested), np.concatenate([fold.is_seen for fold in folds])
        )
    fold_scores = [columns @ weights + bias for columns in tested]
    held_out = [s[fold.is_seen] for s, fold in zip(fold_scores, folds, strict=True)]
    if rule.reads_unseen:
        references, seen_scores = held_out, np.concatenate(held_out)
    else:
        references = [
            fold_rule.columns(fold.trained) @ weights + bias
            for fold_rule, fold in zip(fold_rules, folds, strict=True)
        ]
        seen_scores = rule.columns(evidence) @ weights + bias
    sharpness = _sharpness(folds) if folds and mode == "soft" else 1.0
    if scale is None:
        scale = float(seen_scores.std()) or 1.0

    if contamination == "own":
        level = float(np.mean(seen_scores < 0.0))
        return Gate(rule, weights, bias, 0.0, scale, sharpness, level, mean, dtype)
    level = DEFAULT_CONTAMINATION if isinstance(contamination, str) else float(contamination)
    if contamination == "auto" and folds:
        curves = [
            _harmonic_means(
                fold, scores, np.quantile(reference, LEVELS), scale, sharpness, mode == "soft"
            )
            for fold, scores, reference in zip(folds, fold_scores, references, strict=True)
        ]
        level = float(LEVELS[np.mean(curves, axis=0).argmax()])
    threshold = float(np.quantile(seen_scores, level))
    return Gate(rule, weights, bias, threshold, scale, sharpness, level, mean, dtype)


def _fitted(rule: Rule, fold: Fold) -> Rule:
    rule.fit(fold.trained, fold.trained_codes)
    return rule


def _logistic(
    columns: NDArray[np.float64], is_seen: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], float, float | None]:
    """Weights, bias and scale of the gate's score.

    Several columns are weighed by logistic regression, both sides counting alike; a single one is
    left as it is. The scale makes differences of scores logits; it is None where the column does
    not tell the sides apart.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    model.fit(columns, is_seen)
    slopes = model[-1].coef_[0] / model[0].scale_
    if columns.shape[1] == 1:
        return np.ones(1), 0.0, float(1.0 / slopes[0]) if slopes[0] > 0.0 else None
    return slopes, float(model[-1].intercept_[0] - model[0].mean_ @ slopes), 1.0


def _sharpness(folds: list[Fold]) -> float:
    """The inverse temperature that makes the experts' probabilities of held-out rows likeliest."""
    likelihoods = []
    for beta in SHARPNESSES:
        of_folds = []
        for fold in folds:
            of_rows = np.empty(len(fold.is_seen))
            for side, scores in _sides(fold):
                z = log_softmax(beta * scores[side].astype(np.float64), axis=1)
                of_rows[side] = z[np.arange(len(z)), fold.own[side]]
            of_folds.append(
                sum(np.average(of_rows[s], weights=fold.weights[s]) for s, _ in _sides(fold))
            )
        likelihoods.append(np.mean(of_folds))
    return float(SHARPNESSES[np.argmax(likelihoods)])


def _sides(fold: Fold) -> tuple[tuple[NDArray[np.bool_], NDArray[Any]], ...]:
    """The rows of each side, and what its expert says of all rows."""
    assert fold.tested.seen is not None and fold.tested.unseen is not None
    return (fold.is_seen, fold.tested.seen), (~fold.is_seen, fold.tested.unseen)


def _harmonic_means(
    fold: Fold,
    scores: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    scale: float,
    sharpness: float,
    soft: bool,
) -> list[float]:
    """The fold's harmonic mean at every threshold."""
    if not soft:
        return [fold.harmonic_mean(scores >= threshold) for threshold in thresholds]
    (_, seen), (_, unseen) = _sides(fold)
    tops = [
        np.exp(log_softmax(sharpness * own.astype(np.float64), axis=1).max(axis=1))
        for own in (seen, unseen)
    ]
    found = []
    for threshold in thresholds:
        g = expit((scores - threshold) / scale)
        best_seen = g * (g * tops[0] + (1.0 - g) / seen.shape[1])
        best_unseen = (1.0 - g) * ((1.0 - g) * tops[1] + g / unseen.shape[1])
        found.append(fold.harmonic_mean(best_seen >= best_unseen))
    return found
