"""DEM: class vectors mapped to the visual space by a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .._core.adam import Adam
from .._core.networks import MLP
from .._core.training import fit_class_means
from .._data.unit_rows import directions, mean_samples
from .._utils.parameters import check_number, check_widths
from .._utils.torch import draw_seed, resolve_device, seeded_generator, to_tensor, undisturbed
from ._centred import CentredClassifier, Matrix
from ._dense import forward, layers_of


class DEM(CentredClassifier):
    """Zero-shot classifier by a deep embedding model in the visual space.

    A network f maps class vectors to the visual space, where the candidate nearest to
    the sample by cosine is named. It minimises

        1/n sum_n ||x_n - f(a(y_n))||^2

    Features and class vectors are centred on the seen data and brought to unit length,
    as in `ClasterZSL`. Centred features have both signs, hence the last layer is linear,
    without the ReLU of the paper.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=(512,)
        Widths of the hidden layers of f; () makes a linear map.
    learning_rate : float, default=1e-3
        Step size of Adam.
    weight_decay : float, default=1e-3
        Adam's weight decay.
    n_steps : int, default=300
        Steps of Adam, each over all samples. Class means weighted by class counts stand for
        the samples: the gradient is the same.
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
        Weights of each layer of f, as in scikit-learn's `MLPRegressor`.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer of f.
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
    PrototypeRegression : The same with a linear map, in closed form.

    Notes
    -----
    `predict_proba` is the softmax of the cosines: it ranks, but it is not calibrated.

    References
    ----------
    L. Zhang, T. Xiang and S. Gong, "Learning a deep embedding model for zero-shot
    learning", CVPR 2017.

    Examples
    --------
    >>> from sklearn_claster.baselines import DEM
    >>> X = [[0.0, 0.1], [0.1, 0.0], [1.0, 1.1], [1.1, 1.0]]
    >>> y = ["low", "low", "high", "high"]
    >>> table = {"low": [0, 1], "high": [1, 0], "higher": [3, 0], "lower": [0, 3]}
    >>> DEM(random_state=0).fit(X, y, table).predict([[4.0, 4.0]])
    array(['higher'], dtype='<U6')
    """

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (512,),
        *,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-3,
        n_steps: int = 300,
        space: str = "zsl",
        bias_detector: Any = None,
        gate: str = "hard",
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
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
        check_widths(self, "hidden_layer_sizes")
        check_number(self, "learning_rate", Real, 0, low_allowed=False)
        check_number(self, "weight_decay", Real, 0)
        check_number(self, "n_steps", Integral, 1)
        resolve_device(self.device)

    @undisturbed
    def _fit_seen(
        self, X: NDArray[Any], y: NDArray[np.intp], embeddings: NDArray[np.float64]
    ) -> None:
        x, a = self._centre(X, embeddings)
        draws = seeded_generator(draw_seed(self.random_state))
        device = resolve_device(self.device)
        network = MLP(a.shape[1], self.hidden_layer_sizes, x.shape[1], draws).to(device)
        fit_class_means(
            self._map(network, a),
            to_tensor(a, device),
            to_tensor(mean_samples(x, y), device),
            to_tensor(np.bincount(y) / len(y), device),
            Adam(network, self.learning_rate, self.weight_decay),
            self.n_steps,
        )
        self.coefs_, self.intercepts_ = layers_of(network)

    def _map(self, network: MLP, a: Matrix) -> Callable[[Tensor], Tensor]:
        """Return what is trained: a map from embeddings (S, s) to prototypes (S, f)."""
        return network

    def _prepare_candidates(
        self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_]
    ) -> Matrix:
        return directions(forward(self._semantic(vectors), self.coefs_, self.intercepts_)).T
