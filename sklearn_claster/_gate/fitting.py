"""How a gate is fitted: its rule on all seen rows, its threshold on seen classes held out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax
from scipy.stats import hmean
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .._class_embeddings import ClassEmbeddings, IndistinctClasses
from .._data.unit_rows import row_mean
from .._utils.progress import Progress
from .._utils.warning import warn
from ..model_selection._split import TrainTest, ZeroShotKFold
from .detectors import contamination_of, rule_maker
from .gate import Gate, look
from .rules import Evidence, Rule

N_CLASS_FOLDS = 3  # each holds out a third of the seen classes
SEEN_SHARE = 0.2  # of the rows of the other classes, held out beside them
MIN_CLASSES = 4
DEFAULT_CONTAMINATION = 0.05  # where there is nothing to choose it by
FEW_PER_CLASS = 10  # samples, with fewer of which such a threshold is worse than none
SHARPNESSES = np.logspace(-2.0, 3.0, 41)
LEVELS = np.linspace(0.0, 1.0, 201)  # of the seen scores, among which the best is chosen


# Fitted experts, their training rows (n, f), class codes (n,) -> rows (m, f) of unseen classes.
Generate = Callable[[Any, NDArray[Any], NDArray[np.intp]], NDArray[Any]]


def can_hold_out(codes: NDArray[np.intp], groups: NDArray[Any] | None) -> bool:
    """Whether whole classes, and samples of others, can be held out in every fold."""
    if codes.max() + 1 < MIN_CLASSES:
        return False
    try:
        return bool(_split(codes, groups))
    except ValueError:  # classes of one sample or group, or groups that cannot be kept apart
        return False


def _split(codes: NDArray[np.intp], groups: NDArray[Any] | None) -> list[TrainTest]:
    splitter = ZeroShotKFold(N_CLASS_FOLDS, seen_fraction=SEEN_SHARE, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of samples in neither part
        return list(splitter.split(codes, codes, groups))


@dataclass(frozen=True)
class Judged:
    """What the experts say of rows of both sides, beside the truth."""

    evidence: Evidence
    answers: tuple[NDArray[Any], NDArray[Any]]  # (n, S), (n, U), what either side answers by
    is_seen: NDArray[np.bool_]  # (n,) whether the row's class was trained on
    own: NDArray[np.intp]  # (n,) position of its class among the candidates of its side
    hits: NDArray[np.bool_]  # (n,) whether the expert of its side names it
    weights: NDArray[np.float64]  # (n,) of the row in the mean per-class accuracy of its side

    @classmethod
    def of(
        cls,
        evidence: Evidence,
        answers: NDArray[Any],
        columns: NDArray[np.bool_],
        codes: NDArray[np.intp],
    ) -> Judged:
        """From the rows' classes (n,) among candidates, of which `columns` (C,) are seen."""
        is_seen = columns[codes]
        own = np.where(columns, np.cumsum(columns), np.cumsum(~columns))[codes] - 1
        by_side = answers[:, columns], answers[:, ~columns]
        named = np.where(is_seen, *(s.argmax(axis=1) for s in by_side))
        counts = np.bincount(codes, minlength=len(columns))
        n_classes = np.where(is_seen, *((counts[side] > 0).sum() for side in (columns, ~columns)))
        weights = 1.0 / (counts[codes] * n_classes)
        return cls(evidence, by_side, is_seen, own, named == own, weights)

    def accuracies(self, called_seen: NDArray[np.bool_]) -> tuple[float, float]:
        """Mean per-class accuracy of seen and of unseen classes, if these rows are called seen."""
        right = self.weights * (self.hits & (called_seen == self.is_seen))
        return right[self.is_seen].sum(), right[~self.is_seen].sum()

    def harmonic_means(
        self,
        scores: NDArray[np.float64],
        thresholds: NDArray[np.float64],
        soft: tuple[float, float] | None,
    ) -> NDArray[np.float64]:
        """Of both accuracies, for every threshold on the gate's scores (n,).

        `soft` is scale and sharpness.
        """
        if soft is None:
            found = [self.accuracies(scores >= threshold) for threshold in thresholds]
            return np.asarray(hmean(found, axis=1))
        scale, sharpness = soft
        seen, unseen = (log_softmax(sharpness * s.astype(np.float64), axis=1) for s in self.answers)
        best_seen, best_unseen = np.exp(seen.max(axis=1)), np.exp(unseen.max(axis=1))
        found = []
        for threshold in thresholds:
            g = expit((scores - threshold) / scale)
            smoothed_seen = g * (g * best_seen + (1.0 - g) / seen.shape[1])
            smoothed_unseen = (1.0 - g) * ((1.0 - g) * best_unseen + g / unseen.shape[1])
            found.append(self.accuracies(smoothed_seen >= smoothed_unseen))
        return np.asarray(hmean(found, axis=1))

    def log_likelihood(self, sharpness: float) -> float:
        """Mean log-probability of the rows' classes within their sides, both alike."""
        total = 0.0
        for side, scores in zip((self.is_seen, ~self.is_seen), self.answers, strict=True):
            z = log_softmax(sharpness * scores[side].astype(np.float64), axis=1)
            total += float(z[np.arange(len(z)), self.own[side]] @ self.weights[side])
        return total


@dataclass(frozen=True)
class Fold:
    """A model without some of the classes: its training rows, and rows that it has not seen."""

    trained: Evidence
    trained_codes: NDArray[np.intp]
    tested: Judged


def hold_out_classes(
    experts: Any,
    X: NDArray[Any],
    codes: NDArray[np.intp],
    table: ClassEmbeddings,
    groups: NDArray[Any] | None,
    dtype: type,
    generate: Generate | None,
    progress: Progress,
    scores_of_trained: bool,
) -> list[Fold]:
    """Refit the experts without each third of their classes; test on it and on held-out rows.

    What they say of their own training rows takes as long, and is asked for if a rule reads it.
    Nothing but the seen classes' rows and vectors takes part. A third without which the other
    classes all share a vector is not held out.
    """
    labels = table.labels[codes]
    folds = []
    for fold, (train, test) in enumerate(_split(codes, groups), start=1):
        progress.tell(f"gate, {fold} of {N_CLASS_FOLDS} fits with fewer classes")
        task = progress.task.begin("fold")
        model = experts._to_refit()
        try:
            with warnings.catch_warnings(), task.handed_to(model):
                warnings.simplefilter("ignore")  # the whole fit has said it already
                model.fit(X[train], labels[train], table)
        except IndistinctClasses:  # never in two folds: together they train on all classes
            task.end()
            continue
        mean = row_mean(X[train])
        columns = np.isin(table.labels, model.classes_)
        scores, answers = model._raw_scores(X[test])
        train_scores = model._raw_scores(X[train])[0] if scores_of_trained else None
        trained = look(X[train], mean, dtype, train_scores, columns)
        tested = look(X[test], mean, dtype, scores, columns)
        train_codes = np.unique(codes[train], return_inverse=True)[1]
        if generate is not None:
            trained = replace(trained, generated=generate(model, X[train], train_codes))
        folds.append(Fold(trained, train_codes, Judged.of(tested, answers, columns, codes[test])))
        task.end()
    return folds


def fit_gate_of(
    experts: Any,
    detector: Any,
    mode: str,
    X: NDArray[Any],
    codes: NDArray[np.intp],
    groups: NDArray[Any] | None,
    random_state: Any,
    progress: Progress,
) -> Gate:
    """Return the gate of a classifier, from its parameter `bias_detector`; as `fit_gate`."""
    enough = can_hold_out(codes, groups)
    if not enough:
        n_classes = int(codes.max()) + 1
        instead = "the raw scores decide"
        if mode != "stacking":
            instead = (
                "the threshold is a quantile of the seen scores (`contamination`, by default "
                f"{DEFAULT_CONTAMINATION})"
            )
            if len(codes) < FEW_PER_CLASS * n_classes:
                instead += (
                    ". With so few samples per class it calls nearly every new sample unseen: "
                    "bias_detector=None leaves the decision to the raw scores"
                )
        warn(
            "The gate's threshold cannot be chosen on held-out classes, which takes "
            f"{MIN_CLASSES} seen classes, most of them with two samples (or groups that can be "
            f"kept apart); got {n_classes} classes and {len(codes)} samples. Instead {instead}."
        )
    with progress.stage("gate", n_parts=N_CLASS_FOLDS + 1) as folds:  # and the threshold
        return fit_gate(
            experts,
            rule_maker(detector, enough, random_state),
            X,
            codes,
            experts._seen_table() if enough else None,
            groups,
            contamination_of(detector),
            mode,
            np.float32,
            getattr(detector, "_generate", None),
            folds,
        )


def fit_gate(
    experts: Any,
    make_rule: Callable[[], Rule],
    X: NDArray[Any],
    codes: NDArray[np.intp],
    table: ClassEmbeddings | None,
    groups: NDArray[Any] | None,
    contamination: float | str,
    mode: str,
    dtype: type,
    generate: Generate | None,
    progress: Progress,
) -> Gate:
    """Fit a rule on the seen data and choose its threshold.

    Parameters
    ----------
    experts : zero-shot classifier
        Fitted, without a gate; its clones are fitted to fewer classes.
    make_rule : callable
        Makes a fresh rule.
    X, codes : ndarray of shape (n_samples, n_features), (n_samples,)
        The training rows and their class codes.
    table : ClassEmbeddings or None
        The seen classes' vectors; without them no class is held out.
    groups : ndarray of shape (n_samples,) or None
        Samples of one group are held out together.
    contamination : float, "auto" or "own"
        The level of the seen scores to put the threshold at; "auto" chooses the one with the best
        harmonic mean, "own" leaves a foreign detector at its zero.
    mode : {"hard", "soft", "stacking"}
        How the decision is made.
    dtype : type
        Of the centred rows.
    generate : callable or None
        Makes rows of unseen classes up, for rules that learn from them.
    progress : Progress
        Is told of each fit.

    Returns
    -------
    Gate
        The fitted gate.
    """
    rule, mean = make_rule(), row_mean(X)
    # A rule that reads the unseen expert cannot be asked about training rows: their class is
    # no candidate of that expert. Its seen scores are those of the rows that folds hold out.
    needs_scores = rule.reads_seen and not rule.reads_unseen
    scores = experts._raw_seen_scores(X) if needs_scores else None
    every = None if scores is None else np.ones(scores.shape[1], dtype=bool)
    evidence = look(X, mean, dtype, scores, every)
    if not rule.reads_generated:
        generate = None
    if generate is not None:
        evidence = replace(evidence, generated=generate(experts, X, codes))
    rule.fit(evidence, codes)
    folds = []
    chooses = contamination == "auto" or rule.reads_unseen or rule.reads_generated
    if table is not None and (chooses or mode == "soft"):
        given = experts, X, codes, table, groups, dtype, generate, progress, needs_scores
        folds = hold_out_classes(*given)
    if rule.reads_unseen and not folds:  # there is nothing to choose a constant by
        return Gate(rule, mode, mean, dtype)
    fold_rules = [_fitted(make_rule(), fold) for fold in folds]
    rule.choose(
        [
            (fold_rule, fold.tested.evidence, fold.tested.is_seen)
            for fold_rule, fold in zip(fold_rules, folds, strict=True)
        ]
    )
    tested = [
        fold_rule.columns(fold.tested.evidence)
        for fold_rule, fold in zip(fold_rules, folds, strict=True)
    ]
    weights, bias, scale = np.ones(1), 0.0, None
    if folds:
        weights, bias, scale = _logistic(
            np.concatenate(tested), np.concatenate([fold.tested.is_seen for fold in folds])
        )
    fold_scores = [columns @ weights + bias for columns in tested]
    held_out = [s[fold.tested.is_seen] for s, fold in zip(fold_scores, folds, strict=True)]
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
    fitted = Gate(rule, mode, mean, dtype, weights, bias, scale=scale, sharpness=sharpness)

    if contamination == "own":
        return replace(fitted, level=float(np.mean(seen_scores < 0.0)))
    level = DEFAULT_CONTAMINATION if isinstance(contamination, str) else float(contamination)
    soft = (scale, sharpness) if mode == "soft" else None
    levels = LEVELS if contamination == "auto" else np.array([level])
    expected = math.nan
    if folds:
        curves = [
            fold.tested.harmonic_means(scores, np.quantile(reference, levels), soft)
            for fold, scores, reference in zip(folds, fold_scores, references, strict=True)
        ]
        best = np.mean(curves, axis=0).argmax()
        level, expected = float(levels[best]), float(np.mean(curves, axis=0)[best])
    threshold = float(np.quantile(seen_scores, level))
    return replace(fitted, threshold=threshold, level=level, harmonic_mean=expected)


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
    """Return the inverse temperature that makes the classes of held-out rows likeliest."""
    likelihoods = [sum(fold.tested.log_likelihood(beta) for fold in folds) for beta in SHARPNESSES]
    return float(SHARPNESSES[np.argmax(likelihoods)])
