"""The gate of OD: a network that is sure of seen classes and unsure of generated unseen ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn.functional import log_softmax, nll_loss

from .._core.adam import Adam
from .._core.networks import MLP
from .._gate.rules import Evidence, Rule, Trial, negative_entropy
from .._utils.torch import (
    resolve_device,
    seeded_generator,
    shuffled_batches,
    to_device,
    to_tensor,
    undisturbed,
)
from ._dense import Layers, forward, layers_of

PASSES = (1, 3, 10)  # over the seen samples; held-out classes choose
WIDTHS = (512, 512)
BATCH_SIZE = 64  # of either side
LEARNING_RATE, BETAS = 1e-3, (0.5, 0.999)


def entropy_loss(logits: Tensor, y: Tensor) -> Tensor:
    """H(p) - log p_y of the seen half of logits (2 b, S), less H(p) of the generated half."""
    log_p = log_softmax(logits, dim=1)
    seen, generated = (-(log_p.exp() * log_p).sum(dim=1)).chunk(2)
    return seen.mean() + nll_loss(log_p[: len(y)], y) - generated.mean()


class OutOfDistribution(Rule):
    """Minus the entropy of a softmax network of the seen classes."""

    reads_generated = True
    device = "auto"

    @undisturbed
    def fit(self, evidence: Evidence, codes: NDArray[np.intp]) -> None:
        """Train on seen and generated rows, and keep the network after each number of passes."""
        assert evidence.generated is not None
        draws, device = seeded_generator(0), resolve_device(self.device)
        seen, generated = (to_tensor(x, device) for x in (evidence.x, evidence.generated))
        y = torch.as_tensor(codes, device=device)
        network = MLP(seen.shape[1], WIDTHS, int(codes.max()) + 1, draws).to(device)
        adam = Adam(network, LEARNING_RATE, 0.0, betas=BETAS)
        self.networks: list[tuple[Layers, Layers]] = []
        for n_passes in range(1, PASSES[-1] + 1):
            for rows in shuffled_batches(len(seen), BATCH_SIZE, draws, device):
                drawn = torch.randint(len(generated), (len(rows),), generator=draws)
                both = torch.cat([seen[rows], generated[to_device(drawn, device)]])
                adam.descend(entropy_loss(network(both), y[rows]))
            if n_passes in PASSES:
                self.networks.append(layers_of(network))

    def choose(self, trials: Sequence[Trial]) -> None:
        """Keep the number of passes that tells both sides of all trials apart best."""
        areas = [
            [roc_auc_score(is_seen, _scores(evidence.x, n)) for n in rule.networks]
            for rule, evidence, is_seen in trials
        ]
        best = int(np.mean(areas, axis=0).argmax()) if areas else 1
        for rule in (self, *(rule for rule, *_ in trials)):
            rule.networks = [rule.networks[best]]

    def columns(self, evidence: Evidence) -> NDArray[np.float64]:
        """Minus the entropy, (n, 1)."""
        return _scores(evidence.x, self.networks[-1])[:, None]


def _scores(x: NDArray[Any], network: tuple[Layers, Layers]) -> NDArray[np.float64]:
    return negative_entropy(forward(x, *network).astype(np.float64))
