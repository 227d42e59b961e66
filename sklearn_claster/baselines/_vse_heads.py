"""The heads of two systems for videos, on features that are given: E2E and ER."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from .._core.adam import Adam
from .._core.networks import MLP
from .._data.unit_rows import class_sums, directions
from .._utils.parameters import check_number
from .._utils.torch import (
    draw_seed,
    resolve_device,
    seeded_generator,
    shuffled_batches,
    to_tensor,
    undisturbed,
)
from ._centred import CentredClassifier, Matrix, ridge_solve
from ._dense import layers_of


class E2EHead(CentredClassifier):
    """Zero-shot classifier by regression to unit class vectors, the head of E2E.

    Learns to predict the class vector of a sample and names the candidate with the largest
    cosine to what is predicted. W (f, s) minimises

        sum_n ||x_n W - a(y_n)||^2 + alpha ||W||^2

    Features and class vectors are centred on the seen data and brought to unit length, as in
    `ClasterZSL`.

    Parameters
    ----------
    alpha : float, default=10.0
        Regularisation.
    space : {"zsl", "gzsl", "seen"}, default="zsl"
        Candidates of `predict`: unseen classes, seen and unseen ones, or seen ones.
    bias_detector : None, str or outlier detector, default=None
        With ``space="gzsl"``, what decides between seen and unseen classes, as in `ClasterZSL`.
    gate : {"hard", "soft"}, default="hard"
        How an outlier detector decides, as in `ClasterZSL`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_embedding_features, n_features_in_)
        The transpose of W: a row per output, as in scikit-learn's linear models.
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
    PrototypeRegression : The other direction.

    Notes
    -----
    This is the last layer of E2E alone, in closed form. E2E also trains a network for videos
    below it, on the classes of Kinetics that are far from those of the test. Its accuracy comes
    from there.

    `predict_proba` is the softmax of the cosines: it ranks, but it is not calibrated.

    References
    ----------
    B. Brattoli, J. Tighe, F. Zhdanov, P. Perona and K. Chalupka, "Rethinking zero-shot video
    classification: end-to-end training for realistic applications", CVPR 2020, and its code.

    Examples
    --------
    >>> from sklearn_claster.baselines import E2EHead
    >>> X = [[0.0, 0.1], [0.1, 0.0], [1.0, 1.1], [1.1, 1.0]]
    >>> y = ["low", "low", "high", "high"]
    >>> table = {"low": [0, 1], "high": [1, 0], "higher": [3, 0], "lower": [0, 3]}
    >>> E2EHead().fit(X, y, table).predict([[4.0, 4.0]])
    array(['higher'], dtype='<U6')
    """

    coef_: Matrix

    def __init__(
        self,
        alpha: float = 10.0,
        *,
        space: str = "zsl",
        bias_detector: Any = None,
        gate: str = "hard",
    ) -> None:
        self.alpha = alpha
        self.space = space
        self.bias_detector = bias_detector
        self.gate = gate

    def _check_parameters(self) -> None:
        check_number(self, "alpha", Real, 0, low_allowed=False)

    def _fit_seen(
        self, X: NDArray[Any], y: NDArray[np.intp], embeddings: NDArray[np.float64]
    ) -> None:
        x, a = self._centre(X, embeddings)
        self.coef_ = ridge_solve(x.T @ x, class_sums(x, y, len(a)).T @ a, self.alpha).T

    def _prepare_candidates(
        self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_]
    ) -> Matrix:
        return self._semantic(vectors).T

    def _score_rows(self, X: NDArray[Any], candidates: Any) -> Matrix:
        return directions(self._visual(X) @ self.coef_.T) @ candidates


class ERHead(CentredClassifier):
    """Zero-shot classifier by cosines of projected samples and class vectors, the head of ER.

    Samples and class vectors are projected to one space, v = P x + p and t_c = Q a_c + q, and
    trained for the cross entropy of their cosines among the seen classes:

        -1/n sum_n log softmax_c(cos(v_n, t_c) / temperature)_(y_n)

    The candidate with the largest cosine is named. Features and class vectors are centred on
    the seen data and brought to unit length, as in `ClasterZSL`.

    Parameters
    ----------
    n_components : int, default=512
        Width of the space of v and t.
    temperature : float, default=0.1
        Divides the cosines, in training and in the scores.
    learning_rate : float, default=1e-2
        Step size of Adam.
    weight_decay : float, default=1e-3
        Adam's weight decay.
    max_epochs : int, default=10
        Passes over the data.
    batch_size : int, default=128
        Samples per step.
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
        Seed of first weights and of the order of samples. The same int gives the same model bit
        for bit on the CPU, with the same versions and number of threads. Torch's global generator
        is never touched.

    Attributes
    ----------
    sample_coef_ : ndarray of shape (n_components, n_features_in_)
        P, a row per output, as in scikit-learn's linear models.
    sample_intercept_ : ndarray of shape (n_components,)
        p.
    class_coef_ : ndarray of shape (n_components, n_embedding_features)
        Q.
    class_intercept_ : ndarray of shape (n_components,)
        q.
    classes_, unseen_classes_, class_embeddings_, bias_detector_, gate_threshold_
        As in `ClasterZSL`.
    feature_mean_ : ndarray of shape (n_features_in_,)
        Mean of the training samples.
    embedding_mean_ : ndarray of shape (n_embedding_features,)
        Mean of the seen classes' embeddings.
    n_features_in_ : int
        Number of features seen in `fit`.

    Notes
    -----
    This is the head of ER for features of videos alone. It leaves out the second stream (names and
    definitions of recognised objects, with its gates and its part in the score), the rehearsal
    loss on these objects, and the text encoder, whose last layers ER trains: here class vectors
    are given. Adam's step size is larger than in ER, because held-out seen classes are named
    better with it.

    References
    ----------
    S. Chen and D. Huang, "Elaborative rehearsal for zero-shot action recognition", ICCV 2021, and
    its code.

    Examples
    --------
    >>> from sklearn_claster.baselines import ERHead
    >>> X = [[0.0, 0.1], [0.1, 0.0], [1.0, 1.1], [1.1, 1.0]]
    >>> y = ["low", "low", "high", "high"]
    >>> table = {"low": [0, 1], "high": [1, 0], "higher": [3, 0], "lower": [0, 3]}
    >>> ERHead(random_state=0).fit(X, y, table).predict([[4.0, 4.0]])
    array(['higher'], dtype='<U6')
    """

    _read_when_scoring = ("temperature",)

    def __init__(
        self,
        n_components: int = 512,
        *,
        temperature: float = 0.1,
        learning_rate: float = 1e-2,
        weight_decay: float = 1e-3,
        max_epochs: int = 10,
        batch_size: int = 128,
        space: str = "zsl",
        bias_detector: Any = None,
        gate: str = "hard",
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.temperature = temperature
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.space = space
        self.bias_detector = bias_detector
        self.gate = gate
        self.device = device
        self.random_state = random_state

    def _check_parameters(self) -> None:
        for name in ("n_components", "max_epochs", "batch_size"):
            check_number(self, name, Integral, 1)
        for name in ("temperature", "learning_rate"):
            check_number(self, name, Real, 0, low_allowed=False)
        check_number(self, "weight_decay", Real, 0)
        resolve_device(self.device)

    @undisturbed
    def _fit_seen(
        self, X: NDArray[Any], y: NDArray[np.intp], embeddings: NDArray[np.float64]
    ) -> None:
        x, a = self._centre(X, embeddings)
        draws = seeded_generator(draw_seed(self.random_state))
        device = resolve_device(self.device)
        of_sample = MLP(x.shape[1], (), self.n_components, draws).to(device)
        of_class = MLP(a.shape[1], (), self.n_components, draws).to(device)
        adam = Adam(nn.ModuleList([of_sample, of_class]), self.learning_rate, self.weight_decay)
        samples, classes = to_tensor(x, device), to_tensor(a, device)
        codes = torch.as_tensor(y, device=device)
        for _ in range(self.max_epochs):
            for rows in shuffled_batches(len(x), self.batch_size, draws, device):
                v, t = normalize(of_sample(samples[rows])), normalize(of_class(classes))
                adam.descend(cross_entropy(v @ t.T / self.temperature, codes[rows]))
        (sample_coef,), (self.sample_intercept_,) = layers_of(of_sample)
        (class_coef,), (self.class_intercept_,) = layers_of(of_class)
        self.sample_coef_, self.class_coef_ = sample_coef.T, class_coef.T

    def _prepare_candidates(
        self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_]
    ) -> Matrix:
        classes = directions(self._semantic(vectors) @ self.class_coef_.T + self.class_intercept_)
        return classes.T / self.temperature

    def _score_rows(self, X: NDArray[Any], candidates: Any) -> Matrix:
        samples = self._visual(X) @ self.sample_coef_.T + self.sample_intercept_
        return directions(samples) @ candidates
