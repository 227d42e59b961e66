"""The test rules: from visual-semantic points to scores of candidate classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .equations import compatibility, rectify, semantic_softmax
from .networks import ClasterNet

VISUAL_NEEDS_SEMANTICS = (
    "inference='visual' compares points with projected class embeddings, which "
    "fusion=None leaves out. Use inference='compatibility'."
)


@dataclass(frozen=True)
class ScoringRule:
    """How candidates are scored: the parameters of an estimator that `fit` does not read."""

    inference: str
    n_neighbors: int
    temperature: float
    visual_weight: float
    feature_weight: float

    @classmethod
    def of(cls, parameters: Any) -> ScoringRule:
        """The rule that an estimator's parameters name."""
        return cls(*(getattr(parameters, field.name) for field in fields(cls)))


@dataclass(frozen=True)
class Candidates:
    """Candidate classes in both spaces, rectified (Eq. 6) where they are unseen."""

    semantic: Tensor  # (C, s) unit rows
    visual: Tensor | None  # (C, p), their own points [a', a']; None without semantics
    seen: Tensor  # (S, s), the embeddings of the seen classes


def make_candidates(
    net: ClasterNet, vectors: Tensor, is_seen: Tensor, seen: Tensor, n_neighbors: int
) -> Candidates:
    """Project and rectify candidates (C, s) with the seen classes (S, s) as neighbours.

    Only unseen candidates are rectified: a seen class is its own nearest neighbour.
    """

    def rectify_unseen(rows: Tensor, seen_rows: Tensor) -> Tensor:
        rectified = rectify(rows, seen_rows, n_neighbors)
        return torch.where(is_seen[:, None], F.normalize(rows, dim=1), rectified)

    visual = None
    if net.use_semantics:
        projected = rectify_unseen(net.project(vectors), net.project(seen))  # (C, f)
        visual = net.fuse(projected, projected)
    return Candidates(rectify_unseen(vectors, seen), visual, seen)


def _compatibility(net: ClasterNet, points: Tensor, to: Candidates, rule: ScoringRule) -> Tensor:
    return net.semantic_scores(points, to.semantic)


def _visual(net: ClasterNet, points: Tensor, to: Candidates, rule: ScoringRule) -> Tensor:
    if to.visual is None:
        raise ValueError(VISUAL_NEEDS_SEMANTICS)
    return compatibility(net.emphasised(points, rule.feature_weight), to.visual)


def _combined(net: ClasterNet, points: Tensor, to: Candidates, rule: ScoringRule) -> Tensor:
    if to.visual is None:
        return _compatibility(net, points, to, rule)
    w = rule.visual_weight
    semantic, visual = _compatibility(net, points, to, rule), _visual(net, points, to, rule)
    return (1.0 - w) * semantic + w * visual


def _seen_class(net: ClasterNet, points: Tensor, to: Candidates, rule: ScoringRule) -> Tensor:
    best = net.semantic_scores(points, to.seen).argmax(dim=1)
    return compatibility(to.seen[best], to.semantic)


def _conse(net: ClasterNet, points: Tensor, to: Candidates, rule: ScoringRule) -> Tensor:
    z = semantic_softmax(net.semantic_scores(points, to.seen), rule.temperature)
    return compatibility(z @ F.normalize(to.seen, dim=1), to.semantic)


# Each maps points (n, p) to cosines (n, C).
TEST_RULES: dict[str, Callable[[ClasterNet, Tensor, Candidates, ScoringRule], Tensor]] = {
    "combined": _combined,
    "compatibility": _compatibility,
    "visual": _visual,
    "seen_class": _seen_class,
    "conse": _conse,
}
