"""The gradient loops.

The optimiser is Adam throughout; the penalty of Eq. 3 is its weight decay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .._data.rows import Rows
from .._utils.processes import ALONE, Processes
from .._utils.progress import Progress
from .._utils.torch import autocast, to_numpy
from .adam import Adam
from .equations import compatibility, semantic_softmax
from .networks import ClasterNet, NoClusters, SemanticMap, ShortcutMLP
from .projection import linear_projection

# a' is learnt from one point per class, so it needs a stronger penalty than V does.
PROJECTOR_WEIGHT_DECAY = 3e-3


@dataclass(frozen=True)
class Optimization:
    """How the loops step: Adam's rate and weight decay, and batches."""

    learning_rate: float
    weight_decay: float
    batch_size: int
    order: torch.Generator  # of the rows, on the CPU
    device: torch.device
    precision: str = "float32"  # of matrix products
    processes: Processes = ALONE  # who shares the rows of a batch

    def adam(
        self, network: nn.Module, weight_decay: float, free: Iterable[nn.Parameter] = ()
    ) -> Adam:
        """Adam for a network, and for `free` parameters that no penalty shrinks."""
        return Adam(network, self.learning_rate, weight_decay, free)

    def autocast(self) -> AbstractContextManager[Any]:
        """Where a network's forward pass has the chosen precision."""
        return autocast(self.device, self.precision)


def fit_projector(
    net: ClasterNet,
    embeddings: Tensor,  # (S, s)
    class_means: Tensor,  # (S, f)
    class_weights: Tensor,  # (S,), sum 1
    optimization: Optimization,
    n_steps: int,
    start: NDArray[np.float64] | None = None,  # (f, s)
) -> None:
    """Section 3.2, a -> a': least squares against x.

    Where a' has a linear shortcut, that is fitted first, beginning at `start`, and the network
    learns the rest.
    Afterwards a' is scaled to a root mean square row norm of one.
    """
    network: Callable[[Tensor], Tensor] = net.projector
    targets = class_means
    if isinstance(net.projector, ShortcutMLP):
        fit_shortcut(net.projector, embeddings, class_means, class_weights, start)
        network = net.projector.dense
        targets = class_means - embeddings @ net.projector.shortcut.T
    adam = optimization.adam(net.projector, PROJECTOR_WEIGHT_DECAY)
    fit_class_means(network, embeddings, targets, class_weights, adam, n_steps)
    with torch.no_grad():
        norms = (net.projector(embeddings) ** 2).sum(dim=1)  # (S,)
        mean_square = (class_weights * norms).sum()
        net.projection_scale.copy_(torch.where(mean_square > 0.0, mean_square.sqrt(), 1.0))


def fit_shortcut(
    network: ShortcutMLP,
    embeddings: Tensor,  # (S, s)
    class_means: Tensor,  # (S, f)
    class_weights: Tensor,  # (S,), sum 1
    start: NDArray[np.float64] | None,  # (f, s)
) -> None:
    """Fit the linear part of a', in closed form."""
    tensors = embeddings, class_means, class_weights
    a, means, weights = (to_numpy(tensor).astype(np.float64) for tensor in tensors)
    found = linear_projection(a, means, weights, start).astype(np.float32)
    network.shortcut.copy_(torch.from_numpy(found))


def fit_class_means(
    network: Callable[[Tensor], Tensor],
    embeddings: Tensor,  # (S, s)
    class_means: Tensor,  # (S, f)
    class_weights: Tensor,  # (S,), sum 1
    adam: Adam,
    n_steps: int,
) -> None:
    """Least squares from a class' embedding to its samples.

    Trained on class means weighted by class counts: for full batches the gradient of the
    squared error is the same, and the cost does not depend on the number of samples.
    """
    for _ in range(n_steps):
        _descend_squares(adam, network(embeddings), class_means, class_weights[:, None])


def _descend_squares(adam: Adam, found: Tensor, target: Tensor, weight: Tensor | float) -> None:
    """One step down the gradient of the sum of weight * (found - target)**2.

    The gradient is written out: the losses themselves are of no use, and take time.
    """
    adam.descend(found, (found.detach() - target).mul_(2.0 * weight))


def fit_estimator(
    net: ClasterNet,
    x: Rows,  # (n, f)
    y: Tensor,  # (n,)
    projected: Tensor,  # (S, f)
    optimization: Optimization,
    n_epochs: int,
    progress: Progress,
) -> None:
    """Section 3.3, x -> phi: least squares to a'(y), so that a' need not be known."""
    processes = optimization.processes
    adam = optimization.adam(net.estimator, 0.0)
    estimator = processes.joined(net.estimator)
    for _ in range(n_epochs):
        epoch = progress.task.begin("epoch of phi")
        for sample, rows in x.batches(optimization.batch_size, optimization.order):
            target = projected.index_select(0, y[rows])
            with optimization.autocast():
                phi = estimator(processes.part(sample))
            phi = phi.to(target.dtype)
            _descend_squares(adam, phi, processes.part(target), processes.weight(len(rows)))
        epoch.end()


@dataclass
class EpochRecord:
    """What one epoch of V showed; the keys of ``history_``."""

    loss: float
    seen_accuracy: float
    reward: float
    centroid_movement: float
    cluster_counts: list[int]


# Called after every REINFORCE step with points (b, p), z (b, S) and y (b,).
Refine = Callable[[Tensor, Tensor, Tensor], None]
# Sees every epoch's record; True stops the training.
Watch = Callable[[EpochRecord], bool]


def train_classifier(
    net: ClasterNet,
    points: Rows,  # (n, p)
    y: Tensor,  # (n,)
    embeddings: Tensor,  # (S, s)
    temperature: float,
    optimization: Optimization,
    n_warm_up_steps: int,
    n_steps: int,
    refine: Refine | None,
    watch: Watch,
) -> None:
    """Eqs. 2-5: train V through the semantic softmax; after the warm-up, rewards move centroids.

    Nothing is read back from the device but what an epoch has shown, at its end.
    """
    adam = optimization.adam(
        net.classifier, optimization.weight_decay, free=net.aggregation.parameters()
    )
    processes = optimization.processes
    semantic_map = processes.joined(SemanticMap(net))
    centroids = net.aggregation.centroids
    start = None if centroids is None else centroids.detach().clone()
    step = 0
    while step < n_steps:
        losses, hits = [], []  # of every row, on the device
        for psi, rows in points.batches(optimization.batch_size, optimization.order):
            target = y[rows]
            with optimization.autocast():
                semantic = semantic_map(processes.part(psi))  # (b, s)
            cosines = compatibility(semantic.to(psi.dtype), embeddings)  # (b, S)
            errors = nn.functional.cross_entropy(
                cosines / temperature, processes.part(target), reduction="none"
            )
            adam.descend(errors, torch.full_like(errors, processes.weight(len(rows))))
            with torch.no_grad():
                cosines = processes.whole(cosines, len(rows))
                if refine is not None and step >= n_warm_up_steps:
                    refine(psi, semantic_softmax(cosines, temperature), target)
                losses.append(processes.whole(errors.detach(), len(rows)))
                hits.append(cosines.argmax(dim=1) == target)
            step += 1
            if step == n_steps:
                break
        moved = _relative_movement(start, centroids, y.device)
        counts = _cluster_counts(net, points)
        found = torch.stack([torch.cat(losses).mean(), torch.cat(hits).sum(), moved])
        loss, n_hits, movement = found.tolist()
        accuracy = n_hits / sum(map(len, hits))
        record = EpochRecord(
            loss=loss,
            seen_accuracy=accuracy,
            reward=2.0 * accuracy - 1.0,
            centroid_movement=movement,
            cluster_counts=counts.tolist(),
        )
        if watch(record):
            break


@torch.no_grad()
def _relative_movement(start: Tensor | None, now: Tensor | None, device: torch.device) -> Tensor:
    if start is None or now is None:
        return torch.zeros((), device=device)
    size = start.norm()
    return torch.where(size > 0.0, (now.detach() - start).norm() / size, 0.0)


@torch.no_grad()
def _cluster_counts(net: ClasterNet, points: Rows) -> Tensor:
    """How many points every cluster has, (K,), on the device."""
    aggregation = net.aggregation
    if isinstance(aggregation, NoClusters):
        return torch.zeros(0)
    counts = aggregation.centroids.new_zeros(len(aggregation.centroids), dtype=torch.int64)
    for psi, _ in points.blocks():
        assigned = aggregation.assign(psi)
        counts.index_add_(0, assigned, torch.ones_like(assigned))
    return counts
