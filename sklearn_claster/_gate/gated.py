"""The gate's place in a zero-shot classifier: fitted after the experts, asked between them."""

from __future__ import annotations

import copy
import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.utils import Bunch

from .._data.on_disk import in_memory
from .._data.unit_rows import row_mean
from .._utils.parameters import check_choice
from .._utils.warning import warn
from .fitting import (
    MIN_CLASSES,
    can_hold_out,
    check_bias_detector,
    contamination_of,
    description_of,
    fit_gate,
    rule_maker,
)
from .gate import MODES, Gate, best_allowed, gated_scores, hard_log_proba, soft_log_proba
from .rules import OutlierRule, Stacking


class GatedMixin:
    """Parameters `bias_detector` and `gate` for a zero-shot classifier.

    A classifier that has them in its ``__init__`` is gated; one that has not keeps these.
    """

    bias_detector: Any = None
    gate: str = "hard"
    gate_threshold_: float | None
    bias_detector_: Any

    def explain_gate(self, X: ArrayLike, unseen_embeddings: Any = None) -> Bunch:
        """How it was decided between seen and unseen classes.

        Parameters
        ----------
        X, unseen_embeddings
            As in `predict`.

        Returns
        -------
        Bunch
            A dictionary with attribute access:

            score : ndarray of shape (n_samples,)
                The gate's score of every sample; high means seen.
            threshold : float
                `gate_threshold_`; a score of at least this is seen.
            is_seen : ndarray of shape (n_samples,), bool
                Whether the score reaches the threshold.
            seen_probability : ndarray of shape (n_samples,)
                The soft gate's probability of "seen".
            seen_class, unseen_class : ndarray of shape (n_samples,)
                What the expert for the seen, and for the unseen classes would say.

        Raises
        ------
        ValueError
            If there is no gate: ``bias_detector=None``, or another space than "gzsl".
        """
        table, is_seen = self._candidates(unseen_embeddings)  # type: ignore[attr-defined]
        gate = self._active_gate()
        if gate is None:
            raise ValueError(
                "explain_gate needs a gate: there is none with "
                f"bias_detector={self.bias_detector!r}, "
                f"space={self.space!r}"  # type: ignore[attr-defined]
                f"{'' if self._has_table else ' and no class_embeddings'}. "  # type: ignore[attr-defined]
                "Fit with space='gzsl', a class table and, for example, "
                "bias_detector=BiasDetector()."
            )
        margins, best_seen, best_unseen = [], [], []
        for rows, scores in self._raw_blocks(X, table, is_seen):  # type: ignore[attr-defined]
            margins.append(gate.margins(rows, scores, is_seen))
            best_seen.append(scores[:, is_seen].argmax(axis=1))
            best_unseen.append(scores[:, ~is_seen].argmax(axis=1))
        margin = np.concatenate(margins)
        return Bunch(
            score=margin + gate.threshold,
            threshold=gate.threshold,
            is_seen=margin >= 0.0,
            seen_probability=expit(margin / gate.scale),
            seen_class=table.labels[is_seen][np.concatenate(best_seen)],
            unseen_class=table.labels[~is_seen][np.concatenate(best_unseen)],
        )

    def _check_gate(self) -> None:
        check_bias_detector(self.bias_detector)
        check_choice(self, "gate", MODES)

    def _forget_gate(self) -> None:
        for name in ("_gate", "_gate_made_of", "bias_detector_", "gate_threshold_"):
            self.__dict__.pop(name, None)

    def _fit_gate(self, X: Any, codes: NDArray[np.intp], hold_out: Any = None) -> None:
        """Fit the gate of the fitted experts; none where there is nothing to decide.

        Of an array on disk it takes as many rows as are read at once.
        """
        gate = detector = None
        has_table, space = self._has_table, self.space  # type: ignore[attr-defined]
        if self.bias_detector is not None and space == "gzsl" and has_table:
            X, codes = in_memory(X, codes)
            enough = can_hold_out(codes)
            if not enough:
                self._warn_of_few_classes(codes)
            if isinstance(self.bias_detector, str) and not enough:
                gate = Gate(
                    rule=Stacking(),
                    weights=np.ones(1),
                    bias=0.0,
                    threshold=0.0,  # the raw scores decide
                    scale=1.0,
                    sharpness=1.0,
                    level=math.nan,
                    feature_mean=row_mean(X),
                    dtype=np.float32,
                    mode="stacking",
                )
            else:
                gate = fit_gate(
                    self,
                    rule_maker(self.bias_detector, enough, getattr(self, "random_state", None)),
                    X,
                    codes,
                    self._seen_table() if enough else None,  # type: ignore[attr-defined]
                    contamination_of(self.bias_detector),
                    self._gate_mode(),
                    np.float32,
                    hold_out,
                )
                if hasattr(self.bias_detector, "_adopt"):
                    detector = clone(self.bias_detector)._adopt(gate, self._ungated())
                elif isinstance(gate.rule, OutlierRule):
                    detector = gate.rule.detector
        self._gate = gate
        self._gate_made_of = description_of(self.bias_detector)
        self.bias_detector_ = detector
        self.gate_threshold_ = None if gate is None else gate.threshold

    def _gate_mode(self) -> str:
        return "stacking" if isinstance(self.bias_detector, str) else self.gate

    def _ungated(self) -> Self:
        """The experts alone: a copy that shares everything learnt."""
        experts = copy.copy(self)
        experts.bias_detector = None
        experts.__dict__.pop("_callback_fit_ctx", None)  # scikit-learn's, of a fit that goes on
        experts._forget_gate()
        return experts

    def _active_gate(self) -> Gate | None:
        if self.bias_detector is None or self.space != "gzsl":  # type: ignore[attr-defined]
            return None
        if not getattr(self, "_has_table", False) or not hasattr(self, "_gate"):
            return None  # an ordinary classifier, or experts that are still being trained
        self._check_gate()
        made_of = getattr(self, "_gate_made_of", None)  # not in models saved before it was kept
        changed = made_of is not None and made_of != description_of(self.bias_detector)
        if self._gate is None or self._gate.mode != self._gate_mode() or changed:
            raise ValueError(
                f"bias_detector={self.bias_detector!r} with gate={self.gate!r} was not fitted, "
                "because space, bias_detector or gate had another value in fit. Fit again with "
                "space='gzsl', or set bias_detector=None for the raw scores."
            )
        return self._gate

    def _gated_scores(
        self, rows: NDArray[Any], scores: NDArray[Any], is_seen: NDArray[np.bool_]
    ) -> NDArray[Any]:
        gate = self._active_gate()
        if gate is None:
            return scores
        margins = gate.margins(rows, scores, is_seen)
        if self._gate_mode() == "soft":
            return soft_log_proba(scores, is_seen, margins, gate.scale, gate.sharpness)
        return gated_scores(scores, is_seen, margins)

    def _gated_best(
        self, rows: NDArray[Any], scores: NDArray[Any], is_seen: NDArray[np.bool_]
    ) -> NDArray[np.intp]:
        gate = self._active_gate()
        if gate is None or self._gate_mode() == "soft":
            return self._gated_scores(rows, scores, is_seen).argmax(axis=1)
        return best_allowed(scores, is_seen, gate.margins(rows, scores, is_seen))

    def _gated_proba(
        self, rows: NDArray[Any], scores: NDArray[Any], is_seen: NDArray[np.bool_]
    ) -> NDArray[Any]:
        if self._active_gate() is None or self._gate_mode() != "hard":
            return softmax(self._gated_scores(rows, scores, is_seen), axis=1)
        margins = self._gate.margins(rows, scores, is_seen)  # type: ignore[union-attr]
        return np.exp(hard_log_proba(scores, is_seen, margins))

    def _warn_of_few_classes(self, codes: NDArray[np.intp]) -> None:
        instead = (
            "the raw scores decide"
            if isinstance(self.bias_detector, str)
            else "the threshold is a quantile of the seen scores (`contamination`, by default 0.05)"
        )
        warn(
            f"The gate's threshold cannot be chosen on held-out classes, which takes {MIN_CLASSES} "
            f"seen classes, most of them with two samples; got {codes.max() + 1} classes and "
            f"{len(codes)} samples. Instead {instead}.",
        )
