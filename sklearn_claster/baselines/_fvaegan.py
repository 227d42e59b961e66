"""f-VAEGAN: generated features, from a generator that is also the decoder of a VAE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from .._adaptation.prototypes import Learnt
from .._class_embeddings import ClassEmbeddings
from .._utils.torch import resolve_device, to_tensor, undisturbed
from ._dense import Layers, network_of
from ._fclswgan import FCLSWGAN


@dataclass(frozen=True)
class LearntGenerator(Learnt):
    """The same with the weights and biases of a generator that has learnt from the pool."""

    layers: tuple[Layers, Layers]


class FVAEGAN(FCLSWGAN):
    """Zero-shot classifier on generated features (f-VAEGAN with a semantic decoder).

    As `FCLSWGAN`, with other losses of the generator G(z, a): it is also the decoder of a
    variational autoencoder, whose encoder E(x, a) gives a Gaussian q of z, and another network R
    decodes class vectors from features, as in TF-VAEGAN. Beside the critic's part G minimises

        vae_weight (||x - G(z, a)||^2 / 2 + KL(q || N(0, I)) / f)
            + decoder_weight ||R(G(z', a)) - a||^2

    with z drawn from q and z' from N(0, I). Then a softmax classifier is trained on features that
    are generated for the unseen candidates.

    Parameters
    ----------
    n_generated : int, default=100
        Features generated for each unseen candidate.
    vae_weight : float, default=1.0
        Weight of the autoencoder; 0 leaves it out.
    decoder_weight : float, default=0.1
        Weight of the decoded class vectors; 0 leaves them out.
    pool_weight : float, default=0.0
        Weight of the second critic of f-VAEGAN-D2, in `adapt` alone; it may be set after `fit`. 0
        leaves it out, and `adapt` is that of every other classifier.
    hidden_layer_sizes : sequence of int, default=(256,)
        Widths of the hidden layers of all networks.
    n_noise : int, default=16
        Width of z.
    n_steps : int, default=500
        Training steps of G.
    n_critic_steps : int, default=5
        Steps of the critic before each of them.
    batch_size : int, default=64
        Samples per step, drawn with replacement.
    learning_rate : float, default=1e-3
        Step size of Adam.
    penalty_weight : float, default=10.0
        Weight of the gradient penalty.
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
        Seed of first weights, batches and noise, as in `FCLSWGAN`.

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

    Notes
    -----
    With ``pool_weight=1`` `adapt` is the transductive form, f-VAEGAN-D2. First G learns on for
    `n_steps` more steps, with a second critic, which tells unlabelled samples from generated ones
    and sees no class: G also maximises `pool_weight` times what it says of samples generated for
    the candidates, each of which is drawn equally often. Then candidates get prototypes, as in
    every other classifier. It takes longer than `fit` and holds all unlabelled samples in memory;
    `coefs_` stay as they are.

    The feedback of TF-VAEGAN from R to G is left out, and R's part in its last classifier. Features
    are of unit length, with a squared error in place of the papers' binary cross entropy of
    features from 0 to 1. What is said of predictions and seeds in `FCLSWGAN` holds here.

    References
    ----------
    Y. Xian, S. Sharma, B. Schiele and Z. Akata, "f-VAEGAN-D2: a feature generating framework for
    any-shot learning", CVPR 2019.

    S. Narayan, A. Gupta, F. S. Khan, C. G. M. Snoek and L. Shao, "Latent embedding feedback and
    discriminative features for zero-shot classification", ECCV 2020: TF-VAEGAN.

    Examples
    --------
    >>> from sklearn_claster.baselines import FVAEGAN
    >>> X = [[0.0, 0.1], [0.1, 0.0], [1.0, 1.1], [1.1, 1.0]]
    >>> y = ["low", "low", "high", "high"]
    >>> table = {"low": [0, 1], "high": [1, 0], "higher": [3, 0], "lower": [0, 3]}
    >>> FVAEGAN(n_steps=50, random_state=0).fit(X, y, table).predict([[4.0, 4.0]])
    array(['higher'], dtype='<U6')
    """

    _losses = ("penalty", "decoder", "vae", "pool")

    def __init__(
        self,
        n_generated: int = 100,
        *,
        vae_weight: float = 1.0,
        decoder_weight: float = 0.1,
        pool_weight: float = 0.0,
        hidden_layer_sizes: Sequence[int] = (256,),
        n_noise: int = 16,
        n_steps: int = 500,
        n_critic_steps: int = 5,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        penalty_weight: float = 10.0,
        C: float = 10.0,
        space: str = "zsl",
        bias_detector: Any = None,
        gate: str = "hard",
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_generated = n_generated
        self.vae_weight = vae_weight
        self.decoder_weight = decoder_weight
        self.pool_weight = pool_weight
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_noise = n_noise
        self.n_steps = n_steps
        self.n_critic_steps = n_critic_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.penalty_weight = penalty_weight
        self.C = C
        self.space = space
        self.bias_detector = bias_detector
        self.gate = gate
        self.device = device
        self.random_state = random_state

    @undisturbed
    def _learn_from(self, X: Any, table: ClassEmbeddings, is_seen: NDArray[np.bool_]) -> Learnt:
        if not self.pool_weight:
            return super()._learn_from(X, table, is_seen)
        device, a = resolve_device(self.device), self._semantic(table.vectors)
        x = np.vstack([self._visual(rows).astype(np.float32) for rows in self._row_blocks(X)])
        layers = self._train(
            len(self.coefs_[0]) - a.shape[1],
            start=network_of(self.coefs_, self.intercepts_).to(device),
            pool=(to_tensor(x, device), to_tensor(a, device)),
        )
        learnt = super(FVAEGAN, self._with(layers))._learn_from(X, table, is_seen)
        return LearntGenerator(**vars(learnt), layers=layers)

    def _raw_blocks(self, X: Any, table: ClassEmbeddings, is_seen: Any) -> Iterator[Any]:
        learnt, model = self._learnt, self
        made_for = self._what_a_gate_needs() | {"space": self.space}
        if isinstance(learnt, LearntGenerator) and learnt.serves(table, made_for):
            model = self._with(learnt.layers)
        return super(FVAEGAN, model)._raw_blocks(X, table, is_seen)

    def _with(self, layers: tuple[Layers, Layers]) -> Self:
        """Return the classifier with another generator."""
        model = copy(self)
        model.coefs_, model.intercepts_ = layers
        return model
