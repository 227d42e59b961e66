"""RLA: a regularised linear adapter."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from .._core.adam import Adam
from .._data.unit_rows import directions
from .._utils.parameters import check_number
from .._utils.torch import resolve_device, to_numpy, to_tensor, undisturbed
from ._shared_space import MappedClassifier, Matrix


class RLA(MappedClassifier):
    """Zero-shot classifier by a linear adapter of the features that stays near the identity.

    For features and class vectors of one space, x and t of unit length, not centred. Minimises

        1/n sum_n CE(softmax(cos(x_n W, t) / temperature), y_n) + lambda ||W - I||^2

    over W (f, f), with the seen classes as candidates, and names the candidate with the largest
    cosine to x W.

    Parameters
    ----------
    lam : float or "auto", default="auto"
        Weight of the identity (lambda); "auto" is 1 / N, with N the mean number of samples per
        class.
    learnt_share : float, default=1.0
        Share b of the learnt W in W_b = (1 - b) I + b W: 0 is `CosineZSL`, 1 the whole W. It may
        be set after `fit`.
    learning_rate : float, default=1e-3
        Step size of Adam at the start; it falls to zero along a cosine.
    n_steps : int, default=300
        Steps of Adam, each over all samples.
    temperature : float or "auto", default="auto"
        Divides the cosines, in training and in `predict_proba`. "auto" takes the value that
        makes the labels of the seen samples likeliest by the plain cosine, at least CLIP's 0.01.
        It may be set after `fit`.
    space : {"zsl", "gzsl", "seen"}, default="zsl"
        Candidates of `predict`: unseen classes, seen and unseen ones, or seen ones.
    bias_detector : None, str or outlier detector, default=None
        With ``space="gzsl"``, what decides between seen and unseen classes, as in `ClasterZSL`.
    gate : {"hard", "soft"}, default="hard"
        How an outlier detector decides, as in `ClasterZSL`.
    device : str or torch.device, default="auto"
        Where `fit` computes. "auto" picks CUDA, then MPS, then CPU. The fitted model
        holds NumPy arrays and needs no device.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features_in_, n_features_in_)
        The transpose of W: a row per output, as in scikit-learn's linear models.
    lam_ : float
        The weight that was used.
    class_means_ : ndarray of shape (n_classes, n_features_in_) or None
        Class vectors if `fit` got none: the mean unit samples of the classes.
    temperature_ : float
        The temperature that was chosen or given.
    classes_, unseen_classes_, class_embeddings_, bias_detector_, gate_threshold_
        As in `ClasterZSL`.
    n_features_in_ : int
        Number of features seen in `fit`.

    See Also
    --------
    IdentityRidge : The same penalty with squares in place of the cross-entropy.

    Notes
    -----
    Objective, lambda = 1 / N, Adam from the identity, full batches and the cosine schedule are
    those of the authors' published code (``methods/RegLinearAdapter.py``), which takes
    the temperature 0.01 and an augmented view of the images in each step. Here each sample has one
    view, and features need not come from CLIP. `learnt_share` is weight interpolation (WiSE-FT).
    Nothing is random.

    References
    ----------
    M. Fahes, T.-H. Vu, A. Bursuc, P. Pérez and R. de Charette, "CLIP's visual embedding
    projector is a few-shot cornucopia", arXiv 2410.05270.

    M. Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022: the interpolation.

    Examples
    --------
    >>> from sklearn_claster.baselines import RLA
    >>> X = [[0.9, 0.2], [0.8, 0.1], [0.2, 0.9], [0.1, 0.8]]
    >>> table = {"cat": [1.0, 0.0], "dog": [0.0, 1.0], "cow": [0.7, 0.7], "eel": [-1.0, 0.1]}
    >>> RLA().fit(X, ["cat", "cat", "dog", "dog"], table).predict([[0.5, 0.6]])
    array(['cow'], dtype='<U3')
    """

    _read_when_scoring = ("temperature", "learnt_share")

    def __init__(
        self,
        lam: float | str = "auto",
        *,
        learnt_share: float = 1.0,
        learning_rate: float = 1e-3,
        n_steps: int = 300,
        temperature: float | str = "auto",
        space: str = "zsl",
        bias_detector: Any = None,
        gate: str = "hard",
        device: str | torch.device = "auto",
    ) -> None:
        self.lam = lam
        self.learnt_share = learnt_share
        self.learning_rate = learning_rate
        self.n_steps = n_steps
        self.temperature = temperature
        self.space = space
        self.bias_detector = bias_detector
        self.gate = gate
        self.device = device

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "lam", Real, 0, low_allowed=False, also=("auto",))
        check_number(self, "learnt_share", Real, 0, 1)
        check_number(self, "learning_rate", Real, 0, low_allowed=False)
        check_number(self, "n_steps", Integral, 1)
        resolve_device(self.device)

    @undisturbed
    def _fit_seen(
        self, x: Matrix, y: NDArray[np.intp], t: Matrix, groups: NDArray[Any] | None
    ) -> None:
        self.lam_ = len(t) / len(y) if isinstance(self.lam, str) else float(self.lam)
        device = resolve_device(self.device)
        samples, codes = to_tensor(x, device), torch.as_tensor(y, device=device)
        classes = to_tensor(t, device).T / self.temperature_  # (f, S)
        # W - I, of which the penalty is Adam's weight decay.
        change = nn.Parameter(torch.zeros(x.shape[1], x.shape[1], device=device))
        adam = Adam(nn.ParameterList([change]), self.learning_rate, 2.0 * self.lam_)
        for step in range(self.n_steps):
            cosine = 0.5 * (1.0 + math.cos(math.pi * step / self.n_steps))
            adam.learning_rate = self.learning_rate * cosine
            mapped = normalize(torch.addmm(samples, samples, change), dim=1)
            adam.descend(cross_entropy(mapped @ classes, codes))
        self.coef_ = np.eye(x.shape[1]) + to_numpy(change).T.astype(np.float64)

    def _score_rows(self, X: NDArray[Any], candidates: Any) -> Matrix:
        check_number(self, "learnt_share", Real, 0, 1)
        x = directions(X)
        mapped = (1.0 - self.learnt_share) * x + self.learnt_share * (x @ self.coef_.T)
        return directions(mapped) @ candidates
