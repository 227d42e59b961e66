"""GDA: Gaussian discriminant analysis beside the cosine."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import pinvh

from .._data.unit_rows import mean_samples
from .._utils.parameters import check_number
from ._shared_space import Matrix, SharedSpaceClassifier, choose_on_held_out_classes

WEIGHTS = (0.0, *(10.0**k for k in range(-4, 3)))  # the first is the cosine itself
N_COPIES = 16  # of a new class' vector, among the samples that stand for its own
_SMALLEST = float(np.finfo(np.float32).eps)  # eigenvalues below it count as zero, times f


class GDA(SharedSpaceClassifier):
    """Zero-shot classifier by Gaussian discriminant analysis beside the cosine.

    For features and class vectors of one space, x and t of unit length, not centred. To the
    cosine comes the discriminant of Gaussians with one covariance:

        s_c(x) = (x t_c + alpha / 100 (mu_c P x - mu_c P mu_c / 2)) / temperature

    Of a seen class, mu_c is the mean of its samples, and P the pseudo-inverse of the mean
    covariance of the classes. A new class borrows the k training samples nearest to its vector:
    mu_c is the mean of these and of 16 copies of t_c, and P = mean_c f ((k - 1) C_c + tr(C_c) I)^-1
    over the new candidates, with C_c the covariance of the borrowed samples around t_c.

    Parameters
    ----------
    gaussian_weight : float or "auto", default="auto"
        Weight of the discriminant (alpha); 0 is the plain cosine. "auto" holds out seen classes,
        treats them as new, and takes the value with the best mean per-class accuracy. The plain
        cosine stays with fewer than four classes, and unless another value is ahead by more than a
        standard error.
    n_neighbors : int, default=64
        k, the number of training samples that a new class borrows. A number above that of the
        samples means all.
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
    gaussian_weight_ : float
        The weight that was used.
    means_ : ndarray of shape (n_classes, n_features_in_)
        The mean unit samples of the seen classes.
    precision_ : ndarray of shape (n_features_in_, n_features_in_)
        P of the seen classes.
    samples_ : ndarray of shape (n_samples, n_features_in_)
        The training samples, of unit length, from which new classes borrow.
    class_means_ : ndarray of shape (n_classes, n_features_in_) or None
        Class vectors if `fit` got none: `means_`.
    temperature_ : float
        The temperature that was chosen or given.
    classes_, unseen_classes_, class_embeddings_, bias_detector_, gate_threshold_
        As in `ClasterZSL`.
    n_features_in_ : int
        Number of features seen in `fit`.

    Notes
    -----
    With the temperature 0.01 this is the paper's score. The equations of new classes are those of
    the authors' published code (``main_base2new.py``), which evaluates seen and new classes apart.
    Here, with ``space="gzsl"``, each side keeps its own P. The code chooses alpha on held-out
    samples of the seen classes; here held-out classes choose it, because it matters for new
    classes. The score of a new class depends on the other new candidates. Without a gate the seen
    classes win too often over new ones, whose P differs.

    References
    ----------
    Z. Wang, J. Liang, L. Sheng, R. He, Z. Wang and T. Tan, "A hard-to-beat baseline for
    training-free CLIP-based adaptation", ICLR 2024.

    Examples
    --------
    >>> from sklearn_claster.baselines import GDA
    >>> X = [[0.9, 0.2], [0.8, 0.1], [0.2, 0.9], [0.1, 0.8]]
    >>> table = {"cat": [1.0, 0.0], "dog": [0.0, 1.0], "cow": [0.7, 0.7], "eel": [-1.0, 0.1]}
    >>> GDA(0.1).fit(X, ["cat", "cat", "dog", "dog"], table).predict([[0.5, 0.6]])
    array(['cow'], dtype='<U3')
    """

    def __init__(
        self,
        gaussian_weight: float | str = "auto",
        *,
        n_neighbors: int = 64,
        temperature: float | str = "auto",
        space: str = "zsl",
        bias_detector: Any = None,
        gate: str = "hard",
    ) -> None:
        self.gaussian_weight = gaussian_weight
        self.n_neighbors = n_neighbors
        self.temperature = temperature
        self.space = space
        self.bias_detector = bias_detector
        self.gate = gate

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "gaussian_weight", Real, 0, also=("auto",))
        check_number(self, "n_neighbors", Integral, 2)

    def _fit_seen(
        self, x: Matrix, y: NDArray[np.intp], t: Matrix, groups: NDArray[Any] | None
    ) -> None:
        self.means_, self.precision_, self.samples_ = mean_samples(x, y), _precision(x, y), x
        self.gaussian_weight_ = (
            choose_on_held_out_classes(x, y, t, groups, WEIGHTS, self._trial)
            if isinstance(self.gaussian_weight, str)
            else float(self.gaussian_weight)
        )

    def _trial(
        self, x: Matrix, y: NDArray[np.intp], t: Matrix, new_t: Matrix, new_x: Matrix
    ) -> list[Matrix]:
        slopes, offsets = _discriminant(*_borrowed(x, new_t, self.n_neighbors))
        cosine, gaussian = new_x @ new_t.T, new_x @ slopes + offsets
        return [cosine + weight / 100.0 * gaussian for weight in WEIGHTS]

    def _prepare_candidates(
        self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_]
    ) -> tuple[Matrix, NDArray[np.float64]]:
        slopes = super()._prepare_candidates(vectors, is_seen)  # (f, C)
        offsets = np.zeros(len(vectors))
        weight = self.gaussian_weight_ / 100.0 / self._temperature()
        for side in (is_seen, ~is_seen):
            if weight and side.any():
                seen = bool(is_seen[side][0])
                new = self._semantic(vectors[side])
                gaussians = (
                    (self.means_, self.precision_)
                    if seen
                    else _borrowed(self.samples_, new, self.n_neighbors)
                )
                found = _discriminant(*gaussians)
                slopes[:, side] += weight * found[0]
                offsets[side] = weight * found[1]
        return slopes, offsets

    def _score_rows(self, X: NDArray[Any], candidates: Any) -> Matrix:
        slopes, offsets = candidates
        return super()._score_rows(X, slopes) + offsets


def _precision(x: Matrix, y: NDArray[np.intp]) -> Matrix:
    """Pseudo-inverse of the mean covariance of the classes; of one sample it is zero."""
    weights = 1.0 / np.maximum(np.bincount(y) - 1, 1)
    centred = (x - mean_samples(x, y)[y]) * np.sqrt(weights / len(weights))[y, None]
    covariance = centred.T @ centred
    return np.asarray(pinvh(covariance, rtol=_SMALLEST * x.shape[1]), dtype=np.float64)


def _borrowed(x: Matrix, t: Matrix, n_neighbors: int) -> tuple[Matrix, Matrix]:
    """Means (C, f) and shared precision (f, f) of new classes, by the samples nearest to them.

    With U the k samples minus t, (k - 1) C = U^T U is of rank k, so that the inverse takes a
    matrix of k rows: (U^T U + r I)^-1 = (I - U^T (U U^T + r I)^-1 U) / r.
    """
    k = min(n_neighbors, len(x))
    f = x.shape[1]
    means, precision = np.empty_like(t), np.zeros((f, f))
    for c, vector in enumerate(t):
        nearest = x[np.argpartition(x @ vector, len(x) - k)[len(x) - k :]]
        means[c] = (nearest.sum(axis=0) + N_COPIES * vector) / (k + N_COPIES)
        u = nearest - vector
        ridge = float(np.sum(u * u)) / max(k - 1, 1)
        if ridge > 0.0:
            inner = np.linalg.solve(u @ u.T + ridge * np.eye(k), u)
            precision += (np.eye(f) - u.T @ inner) / ridge
    return means, precision * (f / len(t))


def _discriminant(means: Matrix, precision: Matrix) -> tuple[Matrix, NDArray[np.float64]]:
    """Slopes (f, C) and offsets (C,) of the linear discriminant."""
    slopes = precision @ means.T
    return slopes, -0.5 * np.einsum("cf,fc->c", means, slopes)
