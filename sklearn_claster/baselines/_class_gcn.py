"""ClassGCN: visual prototypes by a graph network over the class vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import relu

from .._core.networks import MLP
from .._data.unit_rows import directions
from .._utils.parameters import check_number
from .._utils.torch import resolve_device, to_tensor
from ._centred import Matrix
from ._dem import DEM


class ClassGCN(DEM):
    """Zero-shot classifier by a graph network over classes, which predicts visual prototypes.

    Every class is joined to its k nearest seen classes by the cosine of class vectors. A layer
    mixes the state of a class with those of its neighbours, then is dense:

        h_c <- relu(((1 - share) h_c + share mean_(j in N(c)) h_j) W + b),   h_c = a_c at first

    The last layer has no ReLU and gives the prototype p_c. The network minimises
    1/n sum_n ||x_n - p(y_n)||^2, and the candidate whose prototype has the largest cosine to the
    sample is named. Features and class vectors are centred on the seen data and brought to
    unit length, as in `ClasterZSL`.

    Parameters
    ----------
    n_neighbors : int, default=4
        k, the number of neighbours. A number above that of the seen classes means all.
    neighbor_share : float, default=0.25
        Share of the neighbours, from 0 to 1. k / (k + 1) is the plain mean of a class and
        its neighbours; 0 leaves the graph out, which is `DEM`.
    hidden_layer_sizes : sequence of int, default=(512,)
        Widths of the hidden layers; () makes a single one.
    learning_rate : float, default=1e-3
        Step size of Adam.
    weight_decay : float, default=1e-3
        Adam's weight decay.
    n_steps : int, default=300
        Steps of Adam, each over all classes. Class means weighted by class counts stand for the
        samples: the gradient is the same.
    space : {"zsl", "gzsl", "seen"}, default="zsl"
        Candidates of `predict`: unseen classes, seen and unseen ones, or seen ones.
    bias_detector : None, str or outlier detector, default=None
        With ``space="gzsl"``, what decides between seen and unseen classes, as in `ClasterZSL`.
    gate : {"hard", "soft"}, default="hard"
        How an outlier detector decides, as in `ClasterZSL`.
    device : str or torch.device, default="auto"
        Where `fit` computes. "auto" picks CUDA, then MPS, then CPU. The fitted model
        holds NumPy arrays and needs no device.
    random_state : int, RandomState instance or None, default=None
        Seed of the first weights. The same int gives the same model bit for bit on the CPU,
        with the same versions and number of threads. Torch's global generator is never
        touched.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer, as in scikit-learn's `MLPRegressor`.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer.
    classes_, unseen_classes_, class_embeddings_, bias_detector_, gate_threshold_
        As in `ClasterZSL`.
    feature_mean_ : ndarray of shape (n_features_in_,)
        Mean of the training samples.
    embedding_mean_ : ndarray of shape (n_embedding_features,)
        Mean of the seen classes' embeddings.
    n_features_in_ : int
        Number of features seen in `fit`.

    See Also
    --------
    DEM : The same without a graph.

    Notes
    -----
    It stands in for PS-GNN, which passes messages between classes and the objects recognised in a
    video, along edges that it learns. ClassGCN uses features and class vectors alone, as do the
    graph networks of Wang et al. and of Kampffmeyer et al., whose graph has rows that sum to one.
    They learn with all classes in one graph. ClassGCN joins candidates to seen classes and not to
    each other: vectors of unseen classes take no part in the training, and no candidate changes
    the score of another.

    `predict_proba` is the softmax of the cosines: it ranks, but it is not calibrated.

    References
    ----------
    X. Wang, Y. Ye and A. Gupta, "Zero-shot recognition via semantic embeddings and knowledge
    graphs", CVPR 2018.

    M. Kampffmeyer, Y. Chen, X. Liang, H. Wang, Y. Zhang and E. P. Xing, "Rethinking knowledge
    graph propagation for zero-shot learning", CVPR 2019.

    J. Gao, T. Zhang and C. Xu, "Learning to model relationships for zero-shot video
    classification", TPAMI 2021: PS-GNN.

    Examples
    --------
    >>> from sklearn_claster.baselines import ClassGCN
    >>> X = [[0.0, 0.1], [0.1, 0.0], [1.0, 1.1], [1.1, 1.0]]
    >>> y = ["low", "low", "high", "high"]
    >>> table = {"low": [0, 1], "high": [1, 0], "higher": [3, 0], "lower": [0, 3]}
    >>> ClassGCN(random_state=0).fit(X, y, table).predict([[4.0, 4.0]])
    array(['higher'], dtype='<U6')
    """

    _read_when_scoring = ("n_neighbors", "neighbor_share")

    def __init__(
        self,
        n_neighbors: int = 4,
        *,
        neighbor_share: float = 0.25,
        hidden_layer_sizes: Sequence[int] = (512,),
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-3,
        n_steps: int = 300,
        space: str = "zsl",
        bias_detector: Any = None,
        gate: str = "hard",
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.neighbor_share = neighbor_share
        self.hidden_layer_sizes = hidden_layer_sizes
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.n_steps = n_steps
        self.space = space
        self.bias_detector = bias_detector
        self.gate = gate
        self.device = device
        self.random_state = random_state

    def _check_parameters(self) -> None:
        check_number(self, "n_neighbors", Integral, 1)
        check_number(self, "neighbor_share", Real, 0, 1)
        super()._check_parameters()

    def _map(self, network: MLP, a: Matrix) -> Callable[[Tensor], Tensor]:
        own = (1.0 - self.neighbor_share) * np.eye(len(a))
        edges = self._edges(a, a, np.ones(len(a), dtype=bool))
        graph = to_tensor(own + edges, resolve_device(self.device))
        return lambda states: propagate(network, graph, states)

    def _edges(self, a: Matrix, seen: Matrix, is_seen: NDArray[np.bool_]) -> Matrix:
        """Shares of the seen classes in the mixtures of classes, (C, s), (S, s) -> (C, S)."""
        cosines = a @ seen.T
        if is_seen.any():  # all of them, and none is a neighbour of itself
            cosines[is_seen, np.arange(len(seen))] = -np.inf
        k = min(self.n_neighbors, len(seen) - 1)
        edges = np.zeros_like(cosines)
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        np.put_along_axis(edges, nearest, self.neighbor_share / k, axis=1)
        return edges

    def _prepare_candidates(
        self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_]
    ) -> Matrix:
        seen, states = self._semantic(self._seen_table().vectors), self._semantic(vectors)
        edges = self._edges(states, seen, is_seen)
        among = self._edges(seen, seen, np.ones(len(seen), dtype=bool))
        own = 1.0 - self.neighbor_share
        for depth, (coef, intercept) in enumerate(zip(self.coefs_, self.intercepts_, strict=True)):
            if depth:
                seen, states = np.maximum(seen, 0.0), np.maximum(states, 0.0)
            states = (own * states + edges @ seen) @ coef + intercept
            seen = (own * seen + among @ seen) @ coef + intercept
        return directions(states).T


def propagate(network: MLP, graph: Tensor, states: Tensor) -> Tensor:
    """Return the layers of the network, each after the graph (S, S) has mixed states (S, n_in)."""
    *hidden, last = network.layers
    for layer in hidden:
        states = relu(layer(graph @ states))
    out: Tensor = last(graph @ states)
    return out
