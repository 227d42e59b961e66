"""The fitted model: the network and the constants of its input space, between NumPy and torch."""

from __future__ import annotations

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

    @torch.inference_mode()
    def candidates(
        self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_], n_neighbors: int
    ) -> Candidates:
        """Class embeddings (C, s) as candidates in both spaces, the unseen ones rectified."""
        return make_candidates(
            self.net,
            to_tensor(unit_rows(vectors, self.embedding_mean), self.device),
            torch.as_tensor(is_seen, device=self.device),
            to_tensor(self.seen, self.device),
            n_neighbors,
        )

    @torch.inference_mode()
    def scores(
        self,
        X: NDArray[Any],
        candidates: Candidates,
        inference: str,
        temperature: float,
        visual_weight: float,
    ) -> NDArray[np.float32]:
        """Scores of feature rows for candidates, (n, f) -> (n, C)."""
        rule = TestRule(to_tensor(self.seen, self.device), temperature, visual_weight)
        cosines = TEST_RULES[inference](self.net, self._points(X), candidates, rule)
        return to_numpy(cosines / temperature)

    def _points(self, X: NDArray[Any]) -> torch.Tensor:
        return self.net.points(to_tensor(unit_rows(X, self.feature_mean), self.device))

    def __getstate__(self) -> dict[str, Any]:
        aggregation = self.net.aggregation
        return {
            **vars(self),
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
