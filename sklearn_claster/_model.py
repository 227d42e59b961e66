"""The fitted model: the network and the constants of its input space, between NumPy and torch."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ._inference import TEST_RULES, Candidates, TestRule, make_candidates
from ._networks import CentroidSum, ClasterNet, NetVLAD
from ._preprocessing import unit_rows
from ._torch_utils import device_or_fallback, to_numpy, to_tensor


class ClasterModel:
    """All that `fit` learns; rows of features go in, scores and representations come out.

    Pickles hold NumPy arrays and plain sizes, so that they load on any machine.

    Parameters
    ----------
    net : ClasterNet
        The network, on its device.
    feature_mean : ndarray of shape (n_features,)
        Mean of the training samples.
    embedding_mean : ndarray of shape (n_embedding_features,)
        Mean of the seen classes' embeddings.
    seen : ndarray of shape (n_classes, n_embedding_features)
        The seen classes' embeddings, centred and of unit length.
    """

    def __init__(
        self,
        net: ClasterNet,
        feature_mean: NDArray[np.float64],
        embedding_mean: NDArray[np.float64],
        seen: NDArray[np.float32],
    ) -> None:
        self.net = net
        self.feature_mean = feature_mean
        self.embedding_mean = embedding_mean
        self.seen = seen
        self._double_net: ClasterNet | None = None

    def net_in(self, dtype: type) -> ClasterNet:
        """The network in float32, or its float64 copy, which is made once."""
        if dtype is np.float32:
            return self.net
        if self._double_net is None:
            self._double_net = copy.deepcopy(self.net).double()
        return self._double_net

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return next(self.net.parameters()).device

    @property
    def centroids(self) -> NDArray[np.float32] | None:
        """The centroids, (K, p), or None."""
        centroids = self.net.aggregation.centroids
        return None if centroids is None else to_numpy(centroids)

    @torch.inference_mode()
    def represent(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """The representations omega of feature rows, (n, f) -> (n, p)."""
        return to_numpy(self.net.represent(self._points(X)))

    def scorer(
        self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_], rule: TestRule
    ) -> Scorer:
        """What scores feature rows for these candidates (C, s)."""
        return Scorer(self, vectors, is_seen, rule)

    def _points(self, X: NDArray[Any]) -> torch.Tensor:
        return self.net.points(to_tensor(unit_rows(X, self.feature_mean), self.device)).psi

    def __getstate__(self) -> dict[str, Any]:
        aggregation = self.net.aggregation
        return {
            "feature_mean": self.feature_mean,
            "embedding_mean": self.embedding_mean,
            "seen": self.seen,
            "net": {name: to_numpy(tensor) for name, tensor in self.net.state_dict().items()},
            "sizes": self.net.sizes,
            "aggregation": type(aggregation).__name__,
            "centroid_weight": getattr(aggregation, "weight", None),
            "learnt": isinstance(getattr(aggregation, "centroids", None), torch.nn.Parameter),
            "device": str(self.device),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Copies: the arrays may be read-only, as in joblib.load(..., mmap_mode="r").
        arrays = {name: torch.tensor(array) for name, array in state["net"].items()}
        net = ClasterNet(**state["sizes"], generator=torch.Generator())
        if state["aggregation"] == "CentroidSum":
            net.aggregation = CentroidSum(
                arrays["aggregation.centroids"], state["centroid_weight"], state["learnt"]
            )
        elif state["aggregation"] == "NetVLAD":
            net.aggregation = NetVLAD(arrays["aggregation.centroids"], state["centroid_weight"])
        net.load_state_dict(arrays)
        self.__init__(  # type: ignore[misc]
            net.to(device_or_fallback(state["device"])),
            state["feature_mean"],
            state["embedding_mean"],
            state["seen"],
        )


class Scorer:
    """Scores of feature rows for fixed candidates, (n, f) -> (n, C), as its call.

    Candidates are projected and rectified once. On the CPU float64 rows are scored in
    float64, all else in float32: double in, double out, as in scikit-learn.

    Parameters
    ----------
    model : ClasterModel
        The fitted model.
    vectors : ndarray of shape (n_candidates, n_embedding_features)
        Class embeddings of the candidates.
    is_seen : ndarray of shape (n_candidates,)
        Which of them are seen classes.
    rule : TestRule
        How to score.
    """

    def __init__(
        self,
        model: ClasterModel,
        vectors: NDArray[np.float64],
        is_seen: NDArray[np.bool_],
        rule: TestRule,
    ) -> None:
        self.model = model
        self.vectors = vectors
        self.is_seen = is_seen
        self.rule = rule
        self._prepared: dict[type, tuple[ClasterNet, Candidates]] = {}

    @torch.inference_mode()
    def __call__(self, X: NDArray[Any]) -> NDArray[Any]:
        """Scores of feature rows, (n, f) -> (n, C)."""
        double = X.dtype == np.float64 and self.model.device.type == "cpu"
        dtype: type = np.float64 if double else np.float32
        if dtype not in self._prepared:
            self._prepared[dtype] = self._prepare(dtype)
        net, candidates = self._prepared[dtype]
        points = net.points(self._unit_rows(X, self.model.feature_mean, dtype))
        cosines = TEST_RULES[self.rule.inference](net, points, candidates, self.rule)
        return to_numpy(cosines / self.rule.temperature)

    def _prepare(self, dtype: type) -> tuple[ClasterNet, Candidates]:
        net, device = self.model.net_in(dtype), self.model.device
        candidates = make_candidates(
            net,
            self._unit_rows(self.vectors, self.model.embedding_mean, dtype),
            torch.as_tensor(self.is_seen, device=device),
            torch.tensor(self.model.seen.astype(dtype), device=device),
            self.rule.n_neighbors,
        )
        return net, candidates

    def _unit_rows(
        self, rows: NDArray[Any], mean: NDArray[np.float64], dtype: type
    ) -> torch.Tensor:
        return torch.from_numpy(unit_rows(rows, mean, dtype)).to(self.model.device)
