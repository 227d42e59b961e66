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


TRAINING_TEMPERATURE = 0.1  # of Eq. 2 and of rules that nothing is chosen for
DEFAULT_TEMPERATURE = 0.5  # where no class can be held out
DEFAULT_MEANS_SHARE = 1.0


@dataclass(frozen=True)
class ScoringRule:
    """How candidates are scored: the parameters of an estimator that `fit` does not read."""

    inference: str
    n_neighbors: int
    temperature: float | str
    visual_weight: float
    feature_weight: float

    @classmethod
    def of(cls, parameters: Any) -> ScoringRule:
        """Return the rule that an estimator's parameters name."""
        return cls(*(getattr(parameters, field.name) for field in fields(cls)))

    @property
    def training_temperature(self) -> float:
        """The temperature of the semantic softmax, Eq. 2."""
        return self.chosen(TRAINING_TEMPERATURE)

    def chosen(self, temperature: float) -> float:
        """Return the temperature that was set by hand, otherwise this one."""
        return temperature if self.temperature == "auto" else float(self.temperature)


@dataclass(frozen=True)
class Choice:
    """What is chosen, in standard deviations of cosines over samples and seen classes.

    Attributes
    ----------
    plain_spread : float or None
        Standard deviation of the plain cosines; None without a prior.
    centring : float
        Share of the samples' mean that they are centred by for the plain cosines.
    share : float
        Of the rule's cosines beside the plain ones.
    temperature : float
        Of the rule; without a prior in units of `temperature_unit`.
    means_share : float
        Of the cosines with class means beside those of the rule, in the seen expert.
    seen_temperature : float
        Of that expert.
    masses, seen_masses : tuple of float
        For candidate sets by the rule, and by that expert; empty where nothing was held out.
    """

    plain_spread: float | None = None
    centring: float = 0.0
    share: float = 1.0
    temperature: float = DEFAULT_TEMPERATURE
    means_share: float = DEFAULT_MEANS_SHARE
    seen_temperature: float = DEFAULT_TEMPERATURE
    masses: tuple[float, ...] = ()
    seen_masses: tuple[float, ...] = ()


@dataclass(frozen=True)
class Scale:
    """How the cosines of the rule "combined", and those of the seen expert, become scores.

    Attributes
    ----------
    choice : Choice
        What held-out seen classes have chosen, of which the rest follows for one network.
    learnt : float
        Factor of the rule's cosines beside the plain one.
    temperature : float
        What divides their sum.
    network, means : float
        Factors of the cosines of V, and of those with class means, beside those of the rule in
        the seen expert.
    seen_temperature : float
        What divides their sum.
    """

    choice: Choice
    learnt: float
    temperature: float
    network: float
    means: float
    seen_temperature: float

    @property
    def prior(self) -> bool:
        """Whether the plain cosine takes part."""
        return self.choice.plain_spread is not None


@dataclass(frozen=True)
class Candidates:
    """Candidate classes in both spaces, rectified (Eq. 6) where they are unseen."""

    semantic: Tensor  # (C, s) unit rows
    visual: Tensor | None  # (C, p), their own points [a', a']; None without semantics
    seen: Tensor  # (S, s), the embeddings of the seen classes


def make_candidates(
    net: ClasterNet,
    vectors: Tensor,
    is_seen: Tensor,
    seen: Tensor,
    n_neighbors: int,
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
    return combined(net, points, net.semantic(points), to, rule)


def combined(
    net: ClasterNet, points: Tensor, semantic: Tensor, to: Candidates, rule: ScoringRule
) -> Tensor:
    """Return the mean of the cosines in both spaces, with V(omega) (n, s) at hand, (n, C)."""
    cosines = compatibility(semantic, to.semantic)
    if to.visual is None:
        return cosines
    w = rule.visual_weight
    return (1.0 - w) * cosines + w * _visual(net, points, to, rule)


def scores(
    net: ClasterNet,
    points: Tensor,
    semantic: Tensor,
    plain: Tensor | None,
    to: Candidates,
    rule: ScoringRule,
    scale: Scale,
) -> Tensor:
    """Scores of points for candidates, (n, p) -> (n, C).

    Parameters
    ----------
    net : ClasterNet
    points, semantic : Tensor of shape (n, p), (n, s)
        psi, and V(omega).
    plain : Tensor of shape (n, C) or None
        Plain cosines, where the scale has a prior.
    to : Candidates
    rule : ScoringRule
    scale : Scale
    """
    if rule.inference != "combined":
        return TEST_RULES[rule.inference](net, points, to, rule) / rule.training_temperature
    found = combined(net, points, semantic, to, rule)
    if plain is not None:
        found = plain + scale.learnt * found
    return found / rule.chosen(scale.temperature)


def seen_scores(
    net: ClasterNet,
    x: Tensor,
    points: Tensor,
    semantic: Tensor,
    class_means: Tensor,
    to: Candidates,
    rule: ScoringRule,
    scale: Scale,
) -> Tensor:
    """Scores of the expert for the seen classes, (n, f) -> (n, S).

    The rule and V(omega) name them, beside what labelled samples alone offer: the means of the
    classes.

    Parameters
    ----------
    net : ClasterNet
    x, points, semantic : Tensor of shape (n, f), (n, p), (n, s)
        Rows in the input space, psi, and V(omega).
    class_means : Tensor of shape (S, f)
    to : Candidates
        The seen classes, as `make_candidates` gives them for `to.seen`.
    rule : ScoringRule
    scale : Scale
    """
    cosines = combined(net, points, semantic, to, rule)
    cosines = cosines + scale.network * compatibility(semantic, to.semantic)
    cosines = cosines + scale.means * compatibility(x, class_means)
    return cosines / rule.chosen(scale.seen_temperature)


def _seen_class(net: ClasterNet, points: Tensor, to: Candidates, rule: ScoringRule) -> Tensor:
    best = net.semantic_scores(points, to.seen).argmax(dim=1)
    return compatibility(to.seen[best], to.semantic)


def _conse(net: ClasterNet, points: Tensor, to: Candidates, rule: ScoringRule) -> Tensor:
    z = semantic_softmax(net.semantic_scores(points, to.seen), rule.training_temperature)
    return compatibility(z @ F.normalize(to.seen, dim=1), to.semantic)


# Each maps points (n, p) to cosines (n, C).
TEST_RULES: dict[str, Callable[[ClasterNet, Tensor, Candidates, ScoringRule], Tensor]] = {
    "combined": _combined,
    "compatibility": _compatibility,
    "visual": _visual,
    "seen_class": _seen_class,
    "conse": _conse,
}
