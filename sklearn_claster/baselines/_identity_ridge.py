"""Ridge regression towards the identity, for features and class vectors of one space."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from .._data.unit_rows import class_sums, directions
from .._utils.parameters import check_number
from ._shared_space import MappedClassifier, Matrix, choose_on_held_out_classes

LAMBDAS = (math.inf, *(10.0**k for k in range(2, -4, -1)))  # the first is the cosine itself


class IdentityRidge(MappedClassifier):
    """Zero-shot classifier by a linear map that stays near the identity, in closed form.

    For features and class vectors of one space. Finds the W (f, f) that minimises

        1/n sum_n ||x_n W - t(y_n)||^2 + lambda ||W - I||^2

    with x and t of unit length, not centred:

        W = (X^T X / n + lambda I)^-1 (X^T T_y / n + lambda I)

    and names the candidate with the largest cosine to x W. A large lambda is `CosineZSL`.

    Parameters
    ----------
    lam : float or "auto", default="auto"
        Weight of the identity (lambda). "auto" holds out seen classes and takes the value with
        the best mean per-class accuracy on them. The plain cosine stays with fewer than four
        classes, and unless another value is ahead by more than a standard error.
    temperature : float or "auto", default="auto"
        `predict_proba` divides the cosines by it. "auto" takes the value that makes the labels of
        the seen samples likeliest by the plain cosine, at least CLIP's 0.01.
        It may be set after `fit`.
    space : {"zsl", "gzsl", "seen"}, default="zsl"
        Candidates of `predict`: unseen classes, seen and unseen ones, or seen ones.
    bias_detector : None, str or outlier detector, default=None
        With ``space="gzsl"``, what decides between seen and unseen classes, as in `ClasterZSL`.
    gate : {"hard", "soft"}, default="hard"
        How an outlier detector decides, as in `ClasterZSL`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features_in_, n_features_in_)
        The transpose of W: a row per output, as in scikit-learn's linear models.
    lam_ : float
        The weight that was used; infinite where the plain cosine was chosen.
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
    RLA : The same penalty with the cross-entropy in place of the squares.

    Notes
    -----
    Squares are the simplest objective with W = I as its prior; it is not from a paper. The
    reference has the penalty, and is the source of a linear map near the identity.

    References
    ----------
    M. Fahes, T.-H. Vu, A. Bursuc, P. Pérez and R. de Charette, "CLIP's visual embedding
    projector is a few-shot cornucopia", arXiv 2410.05270.

    Examples
    --------
    >>> from sklearn_claster.baselines import IdentityRidge
    >>> X = [[0.9, 0.2], [0.8, 0.1], [0.2, 0.9], [0.1, 0.8]]
    >>> table = {"cat": [1.0, 0.0], "dog": [0.0, 1.0], "cow": [0.7, 0.7], "eel": [-1.0, 0.1]}
    >>> IdentityRidge(1.0).fit(X, ["cat", "cat", "dog", "dog"], table).predict([[0.5, 0.6]])
    array(['cow'], dtype='<U3')
    """

    def __init__(
        self,
        lam: float | str = "auto",
        *,
        temperature: float | str = "auto",
        space: str = "zsl",
        bias_detector: Any = None,
        gate: str = "hard",
    ) -> None:
        self.lam = lam
        self.temperature = temperature
        self.space = space
        self.bias_detector = bias_detector
        self.gate = gate

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "lam", Real, 0, low_allowed=False, also=("auto",))

    def _fit_seen(
        self, x: Matrix, y: NDArray[np.intp], t: Matrix, groups: NDArray[Any] | None
    ) -> None:
        self.lam_ = (
            choose_on_held_out_classes(x, y, t, groups, LAMBDAS, _trial)
            if isinstance(self.lam, str)
            else float(self.lam)
        )
        self.coef_ = _solutions(x, y, t, (self.lam_,))[0].T


def _solutions(
    x: Matrix, y: NDArray[np.intp], t: Matrix, lambdas: tuple[float, ...]
) -> list[Matrix]:
    """W for every weight: one eigendecomposition serves them all.

    W - I = (G + lambda I)^-1 (H - G) with G = X^T X / n and H = X^T T_y / n.
    """
    gram = x.T @ x / len(x)
    towards = class_sums(x, y, len(t)).T @ t / len(x) - gram
    values, vectors = eigh(gram)
    rotated, identity = vectors.T @ towards, np.eye(len(gram))
    return [
        identity + vectors @ (rotated / (np.maximum(values, 0.0) + lam)[:, None]) for lam in lambdas
    ]


def _trial(x: Matrix, y: NDArray[np.intp], t: Matrix, new_t: Matrix, new_x: Matrix) -> list[Matrix]:
    return [directions(new_x @ W) @ new_t.T for W in _solutions(x, y, t, LAMBDAS)]
