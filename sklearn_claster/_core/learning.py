"""How a model is learnt: Fig. 2 of the paper, and the search for the number of epochs."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import balanced_accuracy_score
from sklearn.utils import gen_batches
from torch import Tensor

from .._data.on_disk import ArrayOnDisk, rows_where
from .._data.unit_rows import row_mean, unit_rows
from .._utils.processes import current
from .._utils.progress import Progress
from .._utils.torch import resolve_device, seeded_generator, to_numpy, to_tensor
from .._utils.warning import warn
from .centroids import Reinforcement, is_given, is_refined, make_aggregation
from .equations import compatibility
from .held_out import temperature_unit
from .inference import Choice, Scale, ScoringRule, combined, make_candidates
from .input_space import InputSpace, class_means
from .model import ClasterModel
from .networks import CentroidSum, ClasterNet
from .training import EpochRecord, Optimization, fit_estimator, fit_projector, train_classifier

PROJECTOR_STEPS = 300  # at most: ten a class, but at least
LEAST_PROJECTOR_STEPS = 100
ESTIMATOR_EPOCHS = 10
_SAMPLE_ROWS = 2048  # whose cosines say how far a rule's scores spread
HELD_OUT_SHARE = 0.25  # of the seen classes, in the search for the number of epochs

History = dict[str, list[Any]]
# Called after every epoch of V with what makes the model, its history, and the progress of V; True
# stops the training.
OnEpoch = Callable[[Callable[[], ClasterModel], History, Progress], bool]


@dataclass(frozen=True)
class Plan:
    """The budget of V, from an estimator's parameters and the number of samples."""

    batch_size: int
    n_warm_up_steps: int  # with fixed centroids
    n_steps: int  # warm-up included
    n_epochs: int  # training stops after so many

    @classmethod
    def of(cls, parameters: Any, n_samples: int) -> Plan:
        """Resolve "auto" and epochs into rows and steps."""
        batch_size = parameters.batch_size
        if batch_size == "auto":
            batch_size = max(8, min(32, n_samples // 10), min(256, n_samples // 32))
        per_epoch = math.ceil(n_samples / batch_size)
        n_steps = parameters.max_epochs * per_epoch
        n_warm_up_steps = math.ceil(n_steps / 2)
        if parameters.reinforce_steps != "auto":
            n_steps = n_warm_up_steps + parameters.reinforce_steps
        return cls(batch_size, n_warm_up_steps, n_steps, math.ceil(n_steps / per_epoch))

    def shortened(self, n_epochs: int) -> Plan:
        """Return the same plan in fewer epochs: warm-up and REINFORCE keep their shares."""
        return Plan(
            self.batch_size,
            math.ceil(self.n_warm_up_steps * n_epochs / self.n_epochs),
            math.ceil(self.n_steps * n_epochs / self.n_epochs),
            n_epochs,
        )


def learn(
    parameters: Any,
    X: NDArray[Any] | ArrayOnDisk,  # (n, f)
    y: NDArray[np.intp],  # (n,) class codes
    embeddings: NDArray[np.float64],  # (S, s)
    seed: int,
    plan: Plan,
    choice: Choice,
    progress: Progress,
    on_epoch: OnEpoch,
) -> tuple[ClasterModel, History]:
    """Learn a model as Fig. 2 of the paper does, in `n_stages` stages.

    `parameters` is anything with the constructor parameters of `ClasterZSL` as attributes;
    nothing is written to it.
    """
    device = resolve_device(parameters.device)
    labels = torch.as_tensor(y, device=device)  # (n,)
    embedding_mean = row_mean(embeddings)
    seen = unit_rows(embeddings, embedding_mean)
    a = to_tensor(seen, device)  # (S, s)
    line = f"input space, {len(X):,} samples of {X.shape[1]:,} features"
    with progress.stage("input space", line):
        input_space, x = InputSpace.fit(X, labels if parameters.whiten else None, device)  # (n, f)
    processes = current.get()
    processes.check_same({}, input_space.mean)
    net = ClasterNet(
        X.shape[1],
        a.shape[1],
        hidden_widths(parameters.hidden_layer_sizes, len(X), X.shape[1], a.shape[1]),
        parameters.fusion,
        seeded_generator(seed),
        parameters.linear_shortcut,
    ).to(device)
    optimization = Optimization(
        learning_rate=parameters.learning_rate,
        weight_decay=parameters.weight_decay,
        batch_size=plan.batch_size,
        order=seeded_generator(seed + 1),
        device=device,
        precision=parameters.precision,
        processes=processes,
    )

    clustered = x  # what K-means sees
    mean_rows, shares = (part.to(device, a.dtype) for part in class_means(x, labels, len(a)))
    if net.use_semantics:
        n_steps = min(PROJECTOR_STEPS, max(LEAST_PROJECTOR_STEPS, 10 * len(a)))
        if choice.plain_spread is not None:  # a' starts close to where it ends
            n_steps = min(n_steps, LEAST_PROJECTOR_STEPS)
        larger = replace(  # steps, where there are fewer of them
            optimization, learning_rate=optimization.learning_rate * PROJECTOR_STEPS / n_steps
        )
        start = None if choice.plain_spread is None else input_space.start()
        with progress.stage("a'", f"a', {n_steps} steps"):
            fit_projector(net, a, mean_rows, shares, larger, n_steps, start)  # a -> a'
        with torch.no_grad():
            projected = net.project(a)  # (S, f)
        _check_finite("a projected class", float(projected.abs().max()), parameters)
        line = f"phi, {ESTIMATOR_EPOCHS} epochs"
        with progress.stage("phi", line, ESTIMATOR_EPOCHS) as phi:  # x -> phi
            fit_estimator(net, x, labels, projected, optimization, ESTIMATOR_EPOCHS, phi)
        clustered = x.map(lambda rows, at: net.fuse(rows, projected[labels[at]]))  # [x_i, a'(y_i)]
    n_clusters = _usable_clusters(parameters, len(x))
    with progress.stage("clusters", f"clusters, then V in {plan.n_epochs} epochs"):
        net.aggregation = make_aggregation(  # psi -> omega
            parameters.centroids, clustered, n_clusters, parameters.centroid_weight, seed, device
        )
    del clustered
    points = x.map(lambda rows, _: net.points(rows))  # psi, (n, p)
    some_points, at = points.sample(_SAMPLE_ROWS * net.n_points)
    some_x, _ = x.sample(_SAMPLE_ROWS * X.shape[1])  # the same samples
    _check_finite("a point", float(some_points.abs().max()), parameters)
    refine = None
    if is_refined(parameters.centroids) and isinstance(net.aggregation, CentroidSum):
        n_steps = plan.n_steps - plan.n_warm_up_steps
        refine = Reinforcement(net.aggregation, points, parameters.alpha, n_steps)

    history: History = {}

    rule = ScoringRule.of(parameters)

    def model() -> ClasterModel:  # a new one each time: it keeps candidates of these weights
        said = some_x, some_points, labels[at], a, mean_rows
        scale = measured_scale(net, *said, rule, choice)
        return ClasterModel(net, input_space, embedding_mean, seen, to_numpy(mean_rows), scale)

    def record_epoch(record: EpochRecord) -> bool:
        _check_finite("the loss", record.loss, parameters)
        for name, value in vars(record).items():
            history.setdefault(name, []).append(value)
        stopped = processes.any_has(on_epoch(model, history, epochs))
        return stopped or len(history["loss"]) == plan.n_epochs

    with progress.stage("V", n_parts=plan.n_epochs) as epochs:
        train_classifier(  # omega -> V(omega), and rewards that move the centroids
            net,
            points,
            labels,
            a,
            rule.training_temperature,
            optimization,
            plan.n_warm_up_steps,
            plan.n_steps,
            refine,
            record_epoch,
        )
    return model(), history


def n_stages(parameters: Any) -> int:
    """Count the stages of `learn`."""
    return 3 if parameters.fusion is None else 5


@torch.inference_mode()
def measured_scale(
    net: ClasterNet,
    x: Tensor,  # (n, f)
    points: Tensor,  # (n, p), of the same samples
    y: Tensor,  # (n,), their classes
    seen: Tensor,  # (S, s)
    class_means: Tensor,  # (S, f)
    rule: ScoringRule,
    choice: Choice,
) -> Scale:
    """Convert what was chosen to the units of this network's cosines.

    V takes part in the seen expert if it names training samples as well as the rule does. It was
    trained to, so that one that does not has learnt too little to be asked.
    """
    every = torch.ones(len(seen), dtype=torch.bool, device=seen.device)
    to = make_candidates(net, seen, every, seen, 0)
    semantic = net.semantic(points)
    by_rule = combined(net, points, semantic, to, rule)
    by_network, by_means = compatibility(semantic, seen), compatibility(x, class_means)
    spread = _spread(by_rule)
    right, of_rule = ((cosines.argmax(dim=1) == y).sum() for cosines in (by_network, by_rule))
    network = spread / _spread(by_network) if bool(right >= of_rule) else 0.0
    means = choice.means_share * spread / _spread(by_means)
    seen_spread = _spread(by_rule + network * by_network + means * by_means)
    plain = choice.plain_spread
    unit = temperature_unit(to_numpy(by_rule), to_numpy(y)) if plain is None else plain
    return Scale(
        choice,
        learnt=1.0 if plain is None else choice.share * plain / spread,
        temperature=choice.temperature * unit,
        network=network,
        means=means,
        seen_temperature=choice.seen_temperature * seen_spread,
    )


def _spread(cosines: Tensor) -> float:
    return float(cosines.std()) or 1.0


def search_epochs(
    parameters: Any,
    X: NDArray[Any] | ArrayOnDisk,
    y: NDArray[np.intp],
    embeddings: NDArray[np.float64],
    groups: NDArray[Any] | None,
    seed: int,
    choice: Choice,
    progress: Progress,
) -> list[float]:
    """Zero-shot accuracy on held-out seen classes after every epoch of learning the others.

    Samples of the others whose group has samples in the held-out classes do not take part.
    """
    n_classes = len(embeddings)
    n_held_out = min(max(2, round(HELD_OUT_SHARE * n_classes)), n_classes - 2)
    order = np.random.RandomState(seed).permutation(n_classes)
    held_out, kept = np.sort(order[:n_held_out]), np.sort(order[n_held_out:])
    outside, inside = np.isin(y, held_out), np.isin(y, kept)
    if groups is not None:
        inside &= ~np.isin(groups, groups[outside])
        if len(np.unique(y[inside])) < len(kept):
            raise ValueError(
                "early_stopping cannot hold out classes, because groups tie them together: some "
                "class has samples of shared groups only. Set early_stopping=False."
            )
    X_held_out, y_held_out = rows_where(X, outside), np.searchsorted(held_out, y[outside])
    unseen, rule = np.zeros(n_held_out, dtype=bool), ScoringRule.of(parameters)
    accuracies: list[float] = []

    def validate(model: Callable[[], ClasterModel], history: History, epochs: Progress) -> bool:
        score = model().scorer(embeddings[held_out], unseen, rule)
        best = [
            score(X_held_out[rows]).argmax(axis=1) for rows in gen_batches(len(X_held_out), 4096)
        ]
        accuracies.append(float(balanced_accuracy_score(y_held_out, np.concatenate(best))))
        epochs.tell(f"{epoch_line(history)}, held-out accuracy {accuracies[-1]:.3f}")
        epochs.task.begin("search epoch").end()
        return False

    y_kept = np.searchsorted(kept, y[inside])
    plan = Plan.of(parameters, len(y_kept))
    stages = progress.stage("search", n_parts=n_stages(parameters), prefix="search, ")
    with warnings.catch_warnings(), stages as search:
        warnings.filterwarnings("ignore", "n_clusters=")  # more than these rows: all may do
        rows = rows_where(X, inside)
        learn(parameters, rows, y_kept, embeddings[kept], seed, plan, choice, search, validate)
    return accuracies


def best_epoch(accuracies: list[float]) -> int:
    """Return the best epoch, the last of equals; warn if it is the last of all."""
    n_epochs = len(accuracies) - int(np.argmax(accuracies[::-1]))
    if 1 < n_epochs == len(accuracies) and max(accuracies[:-1]) < accuracies[-1]:
        warn(
            f"early_stopping found the best zero-shot accuracy in the last of {n_epochs} epochs; "
            "more might be better: increase max_epochs.",
            ConvergenceWarning,
        )
    return n_epochs


def epoch_line(history: History) -> str:
    """Describe the latest epoch."""
    latest = {name: values[-1] for name, values in history.items()}
    return (
        f"epoch {len(history['loss'])}: loss {latest['loss']:.4f}, seen accuracy "
        f"{latest['seen_accuracy']:.3f}, centroid movement {latest['centroid_movement']:.2e}"
    )


def hidden_widths(
    sizes: Sequence[int] | str, n_samples: int, n_features: int, n_embedding_features: int
) -> Sequence[int]:
    """Resolve "auto": narrow layers learn a small problem as well, in less time."""
    if isinstance(sizes, str):
        small = n_samples < 1000 and max(n_features, n_embedding_features) <= 32
        return (256, 256) if small else (512, 512)
    return sizes


def _usable_clusters(parameters: Any, n_samples: int) -> int:
    if is_given(parameters.centroids):
        return len(parameters.centroids)
    if parameters.centroids is not None and parameters.n_clusters > n_samples:
        warn(
            f"n_clusters={parameters.n_clusters} is more than the {n_samples} training samples; "
            f"{n_samples} clusters are used.",
        )
    return min(parameters.n_clusters, n_samples)


def _check_finite(name: str, value: float, parameters: Any) -> None:
    if not math.isfinite(value):
        raise ValueError(
            f"Training diverged: {name} became {value}. Lower "
            f"learning_rate={parameters.learning_rate} or raise "
            f"temperature={ScoringRule.of(parameters).training_temperature}."
        )
