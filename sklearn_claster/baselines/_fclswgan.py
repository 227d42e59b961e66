"""f-CLSWGAN: features of the candidate classes, generated from their embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .._data.unit_rows import directions
from .._utils.parameters import check_number, check_widths
from .._utils.torch import draw_seed, resolve_device, seeded_generator, to_tensor, undisturbed
from ._adversarial import Adversary, Weights
from ._centred import CentredClassifier, Matrix, softmax_regression
from ._dense import Layers, forward, layers_of


class FCLSWGAN(CentredClassifier):
    """Zero-shot classifier on generated features (f-CLSWGAN).

    A generator G(z, a) learns to make features of a class from noise z and the class
    embedding a; a critic D(x, a) tells real from generated ones. With a mixture x' of a real
    and a generated sample of a class, the critic maximises

        E[D(x, a)] - E[D(G(z, a), a)] - penalty E[(||grad D(x', a)|| - 1)^2]

    and G maximises E[D(G(z, a), a)] plus `classification_weight` times the log-likelihood
    that a softmax classifier of the real samples gives to the class of G(z, a). Then G
    generates features of the unseen candidates, and a softmax classifier is trained on them:
    with ``space="zsl"`` on generated features alone, with ``space="gzsl"`` on the real
    samples of the seen classes too, with ``space="seen"`` on these alone.

    Features and class vectors are centred on the seen data and brought to unit length, as
    in `ClasterZSL`; so are generated features, whereas those of the paper end in a ReLU.

    Parameters
    ----------
    n_generated : int, default=100
        Features generated for each unseen candidate.
    hidden_layer_sizes : sequence of int, default=(256,)
        Widths of the hidden layers of G and D.
    n_noise : int, default=16
        Width of z.
    n_steps : int, default=500
        Training steps of G.
    n_critic_steps : int, default=5
        Steps of D before each of them.
    batch_size : int, default=64
        Samples per step, drawn with replacement.
    learning_rate : float, default=1e-3
        Step size of Adam.
    penalty_weight : float, default=10.0
        Weight of the gradient penalty.
    classification_weight : float, default=0.1
        Weight of the classification loss of G.
    cosine_weight : float, default=0.0
        Weight of the cosine embedding loss that OD adds to f-CLSWGAN: 1 - cos of G(z, a) and a
        real sample of its class, and the same for a second sample, or max(0, cos) if that is of
        another class. OD takes 0.1.
    decoder_weight : float, default=0.0
        Weight of the other loss of OD: the squared error of class vectors that a network decodes
        from G(z, a). OD takes 0.01 times the mean over embedding features.
    C : float, default=10.0
        Inverse regularisation of the softmax classifiers (`LogisticRegression`).
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
        Seed of first weights, batches and noise, that of the predicting methods included.
        The same int gives the same model bit for bit on the CPU, with the same versions and
        number of threads. Torch's global generator is never touched.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer of G, as in scikit-learn's `MLPRegressor`.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer of G.
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
    FVAEGAN : The same with an autoencoder.

    Notes
    -----
    The candidates are known only when the classifier predicts: each call of a predicting method
    generates features and trains the last classifier, unless ``space="seen"``. Predict many
    samples in one call. The noise is the same in every call and for every class, so that
    the same samples and candidates get the same scores.

    The model keeps the training samples, which "gzsl" needs. Softmax classifiers are fitted in
    float32.

    References
    ----------
    Y. Xian, T. Lorenz, B. Schiele and Z. Akata, "Feature generating networks for zero-shot
    learning", CVPR 2018.

    D. Mandal, S. Narayan, S. K. Dwivedi, V. Gupta, S. Ahmed, F. S. Khan and L. Shao,
    "Out-of-distribution detection for generalized zero-shot action recognition", CVPR 2019, and its
    code: the two losses of OD.

    I. Gulrajani, F. Ahmed, M. Arjovsky, V. Dumoulin and A. Courville, "Improved training of
    Wasserstein GANs", NIPS 2017: the gradient penalty.

    Examples
    --------
    >>> from sklearn_claster.baselines import FCLSWGAN
    >>> X = [[0.0, 0.1], [0.1, 0.0], [1.0, 1.1], [1.1, 1.0]]
    >>> y = ["low", "low", "high", "high"]
    >>> table = {"low": [0, 1], "high": [1, 0], "higher": [3, 0], "lower": [0, 3]}
    >>> gan = FCLSWGAN(n_steps=50, random_state=0).fit(X, y, table)
    >>> gan.predict([[4.0, 4.0]])
    array(['higher'], dtype='<U6')
    """

    _read_when_scoring = ("n_generated", "C")
    _losses: tuple[str, ...] = ("penalty", "classification", "cosine", "decoder")

    def __init__(
        self,
        n_generated: int = 100,
        *,
        hidden_layer_sizes: Sequence[int] = (256,),
        n_noise: int = 16,
        n_steps: int = 500,
        n_critic_steps: int = 5,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        penalty_weight: float = 10.0,
        classification_weight: float = 0.1,
        cosine_weight: float = 0.0,
        decoder_weight: float = 0.0,
        C: float = 10.0,
        space: str = "zsl",
        bias_detector: Any = None,
        gate: str = "hard",
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_generated = n_generated
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_noise = n_noise
        self.n_steps = n_steps
        self.n_critic_steps = n_critic_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.penalty_weight = penalty_weight
        self.classification_weight = classification_weight
        self.cosine_weight = cosine_weight
        self.decoder_weight = decoder_weight
        self.C = C
        self.space = space
        self.bias_detector = bias_detector
        self.gate = gate
        self.device = device
        self.random_state = random_state

    def _check_parameters(self) -> None:
        check_widths(self, "hidden_layer_sizes")
        for name in ("n_generated", "n_noise", "n_steps", "n_critic_steps", "batch_size"):
            check_number(self, name, Integral, 1)
        for name in ("learning_rate", "C"):
            check_number(self, name, Real, 0, low_allowed=False)
        for loss in self._losses:
            check_number(self, f"{loss}_weight", Real, 0)
        resolve_device(self.device)

    @undisturbed
    def _fit_seen(
        self, X: NDArray[Any], y: NDArray[np.intp], embeddings: NDArray[np.float64]
    ) -> None:
        x, _ = self._centre(X, embeddings)
        self._seed = draw_seed(self.random_state)
        self._x, self._y = x.astype(np.float32), y
        self._seen_softmax = softmax_regression(self._x, y, self.C)
        self.coefs_, self.intercepts_ = self._train(self.n_noise)

    def _train(self, n_noise: int, **more: Any) -> tuple[Layers, Layers]:
        """Weights and biases of a generator that learns from the samples kept, and from `more`."""
        device = resolve_device(self.device)
        adversary = Adversary(
            self.hidden_layer_sizes,
            n_noise,
            self.learning_rate,
            self.batch_size,
            self.n_steps,
            self.n_critic_steps,
            Weights(**{loss: getattr(self, f"{loss}_weight") for loss in self._losses}),
            seeded_generator(self._seed),
        )
        coef, intercept = self._seen_softmax
        generator = adversary.train(
            to_tensor(self._x, device),
            torch.as_tensor(self._y, device=device),
            to_tensor(self._semantic(self._seen_table().vectors), device),
            (to_tensor(coef.T, device), to_tensor(intercept, device)),
            **more,
        )
        return layers_of(generator)

    def _generate(self, a: Matrix) -> Matrix:
        """Features of class vectors, `n_generated` of each, one class after the other."""
        n_noise = len(self.coefs_[0]) - a.shape[1]
        noise = np.random.RandomState(self._seed).normal(size=(self.n_generated, n_noise))
        rows = np.hstack([np.tile(noise, (len(a), 1)), np.repeat(a, self.n_generated, axis=0)])
        return directions(forward(rows, self.coefs_, self.intercepts_))

    def _prepare_candidates(
        self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_]
    ) -> tuple[Matrix, Matrix]:
        if is_seen.all():
            return self._seen_softmax
        unseen = np.flatnonzero(~is_seen)
        x = self._generate(self._semantic(vectors[unseen])).astype(np.float32)
        y = np.repeat(unseen, self.n_generated)
        if is_seen.any():
            x, y = np.r_[self._x, x], np.r_[np.flatnonzero(is_seen)[self._y], y]
        return softmax_regression(x, y, self.C)

    def _score_rows(self, X: NDArray[Any], candidates: tuple[Matrix, Matrix]) -> Matrix:
        coef, intercept = candidates
        return self._visual(X) @ coef.T + intercept
