"""The fitted model: the network and the constants of its input space, between NumPy and torch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from .._data.unit_rows import unit_rows
from .._utils.torch import autocast, device_or_fallback, to_numpy, to_tensor
from .inference import Candidates, Choice, Scale, ScoringRule, make_candidates, scores, seen_scores
from .input_space import InputSpace
from .networks import CentroidSum, ClasterNet, NetVLAD
from .shared_space import plain_cosines


class ClasterModel:
    """All that `fit` learns; rows of features go in, scores and representations come out.

    Pickles hold NumPy arrays and plain sizes, so that they load on any machine.

    Parameters
    ----------
    net : ClasterNet
        The network, on its device.
    input_space : InputSpace
        What brings feature rows to the network's scale.
    embedding_mean : ndarray of shape (n_embedding_features,)
        Mean of the seen classes' embeddings.
    seen : ndarray of shape (n_classes, n_embedding_features)
        The seen classes' embeddings, centred and of unit length.
    class_means : ndarray of shape (n_classes, n_features)
        Their means in the input space.
    scale : Scale
        How cosines become scores.
    """

    def __init__(
        self,
        net: ClasterNet,
        input_space: InputSpace,
        embedding_mean: NDArray[np.float64],
        seen: NDArray[np.float32],
        class_means: NDArray[np.float32],
        scale: Scale,
    ) -> None:
        self.net = net
        self.input_space = input_space
        self.embedding_mean = embedding_mean
        self.seen = seen
        self.class_means = class_means
        self.scale = scale
        self._scorer: Scorer | None = None  # the last one

    def to(self, device: torch.device) -> ClasterModel:
        """Return a copy on another device."""
        net = copy.deepcopy(self.net).to(device)
        constants = self.input_space, self.embedding_mean, self.seen, self.class_means, self.scale
        return ClasterModel(net, *constants)

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return next(self.net.parameters()).device

    @property
    def centroids(self) -> NDArray[np.float32] | None:
        """The centroids, (K, p), or None."""
        centroids = self.net.aggregation.centroids
        return None if centroids is None else to_numpy(centroids).copy()

    @torch.inference_mode()
    def represent(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Return the representations omega of feature rows, (n, f) -> (n, p)."""
        with autocast(self.device):
            return to_numpy(self.net.represent(self.points(X)))

    def points(self, X: NDArray[Any]) -> torch.Tensor:
        """Return the points psi of feature rows, (n, f) -> (n, p)."""
        return self.net.points(self.to_inputs(X))

    @torch.inference_mode()
    def inputs(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Return unit rows of the input space of feature rows, (n, f) -> (n, f)."""
        with autocast(self.device):
            return to_numpy(self.to_inputs(X))

    @torch.inference_mode()
    def projected(self, vectors: NDArray[np.float64]) -> NDArray[np.float32] | None:
        """Class embeddings in the input space, of length one, (C, s) -> (C, f); or None."""
        if not self.net.use_semantics:
            return None
        with autocast(self.device):
            a = to_tensor(unit_rows(vectors, self.embedding_mean), self.device)
            return to_numpy(F.normalize(self.net.project(a), dim=1))

    @cached_property
    def to_inputs(self) -> Callable[[NDArray[Any]], torch.Tensor]:
        return self.input_space.on(self.device)

    def scorer(
        self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_], rule: ScoringRule
    ) -> Scorer:
        """Prepare candidates (C, s); what comes back scores feature rows for them."""
        scorer = self._scorer
        if scorer is None or not scorer.serves(vectors, is_seen, rule):
            self._scorer = scorer = Scorer(self, vectors, is_seen, rule)
        return scorer

    def __getstate__(self) -> dict[str, Any]:
        aggregation = self.net.aggregation
        return {
            "input_space": vars(self.input_space),
            "embedding_mean": self.embedding_mean,
            "seen": self.seen,
            "class_means": self.class_means,
            "scale": {**vars(self.scale), "choice": vars(self.scale.choice)},
            "net": {name: to_numpy(tensor) for name, tensor in self.net.state_dict().items()},
            "sizes": self.net.sizes,
            "aggregation": type(aggregation).__name__,
            "centroid_weight": getattr(aggregation, "weight", None),
            "learnt": isinstance(getattr(aggregation, "centroids", None), torch.nn.Parameter),
            "device": str(self.device),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        arrays = {name: _copied(array) for name, array in state["net"].items()}
        net = ClasterNet(**state["sizes"], generator=None)
        aggregation, weight = state["aggregation"], state["centroid_weight"]
        if aggregation != "NoClusters":
            centroids = arrays["aggregation.centroids"].to("meta")  # their shape: numbers follow
            if aggregation == "CentroidSum":
                net.aggregation = CentroidSum(centroids, weight, state["learnt"])
            else:
                net.aggregation = NetVLAD(centroids, weight)
        net.load_state_dict(arrays, assign=True)
        self.__init__(  # type: ignore[misc]
            net.to(device_or_fallback(state["device"])),
            InputSpace(**state["input_space"]),
            state["embedding_mean"],
            state["seen"],
            state["class_means"],
            Scale(**{**state["scale"], "choice": Choice(**state["scale"]["choice"])}),
        )


def _copied(array: NDArray[np.float32]) -> torch.Tensor:
    """Return a tensor of an array, which may be read-only, as by `joblib.load(mmap_mode="r")`.

    NumPy copies, since torch would start threads for it, one set in each thread that loads models.
    They stay, and the threads of later fits have to wait for the processor instead of running.
    """
    tensor = torch.empty(array.shape, dtype=torch.float32, device="cpu")
    tensor.numpy()[...] = array
    return tensor


class Scorer:
    """Scores of feature rows for fixed candidates, (n, f) -> (n, C), as its call.

    Candidates are projected and rectified once. Scores are float32, whatever the rows are.

    Parameters
    ----------
    model : ClasterModel
        The fitted model.
    vectors : ndarray of shape (n_candidates, n_embedding_features)
        Class embeddings of the candidates.
    is_seen : ndarray of shape (n_candidates,)
        Which of them are seen classes.
    rule : ScoringRule
        How to score.
    """

    def __init__(
        self,
        model: ClasterModel,
        vectors: NDArray[np.float64],
        is_seen: NDArray[np.bool_],
        rule: ScoringRule,
    ) -> None:
        self.model = model
        self.vectors = vectors
        self.is_seen = is_seen
        self.rule = rule
        self._candidates = self._prepared(unit_rows(vectors, model.embedding_mean), is_seen)

    def _prepared(self, rows: NDArray[np.float32], is_seen: NDArray[np.bool_]) -> Candidates:
        model, device = self.model, self.model.device
        with torch.inference_mode(), autocast(device):
            return make_candidates(
                model.net,
                to_tensor(rows, device),
                torch.as_tensor(is_seen, device=device),
                to_tensor(model.seen, device),
                self.rule.n_neighbors,
            )

    @cached_property
    def _seen(self) -> tuple[Candidates, Tensor]:
        """The seen classes and their means, for the expert that tells them apart."""
        every = np.ones(len(self.model.seen), dtype=bool)
        with torch.inference_mode():
            means = to_tensor(self.model.class_means, self.model.device)
        return self._prepared(self.model.seen, every), means

    @torch.inference_mode()
    def __call__(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Scores of feature rows, (n, f) -> (n, C)."""
        with autocast(self.model.device):
            x = self.model.to_inputs(X)
            points = self.model.net.points(x)
            return to_numpy(self._scores(X, points, self.model.net.semantic(points)))

    @torch.inference_mode()
    def apart(self, X: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Scores, and the same with those of the seen expert for seen candidates, (n, C) each.

        With the rule "combined" that expert tells seen classes apart, all of them candidates in
        the order of `model.seen`. Other rules answer as they score.
        """
        model = self.model
        with autocast(model.device):
            x = model.to_inputs(X)
            points = model.net.points(x)
            semantic = model.net.semantic(points)
            scores = to_numpy(self._scores(X, points, semantic))
            if self.rule.inference != "combined" or not self.is_seen.any():
                return scores, scores
            answers = scores.copy()
            to, means = self._seen
            said = model.net, x, points, semantic, means, to, self.rule, model.scale
            answers[:, self.is_seen] = to_numpy(seen_scores(*said))
            return scores, answers

    def _scores(self, X: NDArray[Any], points: Tensor, semantic: Tensor) -> Tensor:
        model, plain = self.model, None
        if model.scale.prior and self.rule.inference == "combined":
            center = model.scale.choice.centring * model.input_space.mean
            plain = to_tensor(plain_cosines(X, self.vectors, center), model.device)
        to = self._candidates
        return scores(model.net, points, semantic, plain, to, self.rule, model.scale)

    def serves(
        self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_], rule: ScoringRule
    ) -> bool:
        """Whether these are its candidates and its rule."""
        return (
            rule == self.rule
            and np.array_equal(vectors, self.vectors)
            and np.array_equal(is_seen, self.is_seen)
        )
