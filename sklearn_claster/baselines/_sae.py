"""SAE: the semantic autoencoder."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from .._data.unit_rows import class_sums, directions
from .._utils.parameters import check_choice, check_number
from ._centred import CentredClassifier, Matrix

INFERENCES = ("visual", "semantic")


class SAE(CentredClassifier):
    """Zero-shot classifier by a linear semantic autoencoder with tied weights.

    Finds the W (s, f) that minimises

        ||X - S W||^2 + lambda ||X W^T - S||^2

    with X (n, f) samples and S (n, s) the embeddings of their classes. The encoder W maps
    samples to embeddings, the decoder, its transpose, embeddings to samples. The solution
    satisfies a Sylvester equation,

        S^T S W + W (lambda X^T X) = (1 + lambda) S^T X

    Features and class vectors are centred on the seen data and brought to unit length,
    as in `ClasterZSL`.

    Parameters
    ----------
    lam : float, default=10.0
        Weight of the encoder against the decoder (lambda).
    inference : {"visual", "semantic"}, default="visual"
        Where the nearest candidate by cosine is sought: "visual" decodes the candidates,
        "semantic" encodes the sample. It may be set after `fit`.
    space : {"zsl", "gzsl", "seen"}, default="zsl"
        Candidates of `predict`: unseen classes, seen and unseen ones, or seen ones.
    bias_detector : None, str or outlier detector, default=None
        With ``space="gzsl"``, what decides between seen and unseen classes, as in `ClasterZSL`.
    gate : {"hard", "soft"}, default="hard"
        How an outlier detector decides, as in `ClasterZSL`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_embedding_features, n_features_in_)
        W.
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
    Both matrices of the Sylvester equation are symmetric, so that two eigendecompositions
    solve it; where it has many solutions, which is the rule after centring, W is the
    smallest.

    `predict_proba` is the softmax of the cosines: it ranks, but it is not calibrated.

    References
    ----------
    E. Kodirov, T. Xiang and S. Gong, "Semantic autoencoder for zero-shot learning",
    CVPR 2017.

    Examples
    --------
    >>> from sklearn_claster.baselines import SAE
    >>> X = [[0.0, 0.1], [0.1, 0.0], [1.0, 1.1], [1.1, 1.0]]
    >>> table = {"low": [0, 1], "high": [1, 0], "higher": [3, 0], "lower": [0, 3]}
    >>> SAE().fit(X, ["low", "low", "high", "high"], table).predict([[4.0, 4.0]])
    array(['higher'], dtype='<U6')
    """

    _read_when_scoring = ("inference",)

    def __init__(
        self,
        lam: float = 10.0,
        *,
        inference: str = "visual",
        space: str = "zsl",
        bias_detector: Any = None,
        gate: str = "hard",
    ) -> None:
        self.lam = lam
        self.inference = inference
        self.space = space
        self.bias_detector = bias_detector
        self.gate = gate

    def _check_parameters(self) -> None:
        check_number(self, "lam", Real, 0, low_allowed=False)
        check_choice(self, "inference", INFERENCES)

    def _fit_seen(
        self, X: NDArray[Any], y: NDArray[np.intp], embeddings: NDArray[np.float64]
    ) -> None:
        x, a = self._centre(X, embeddings)
        self.coef_ = _solve_sylvester(
            a.T @ (np.bincount(y)[:, None] * a),
            self.lam * (x.T @ x),
            (1.0 + self.lam) * (a.T @ class_sums(x, y, len(a))),
        )

    def _prepare_candidates(
        self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        check_choice(self, "inference", INFERENCES)
        a = self._semantic(vectors)
        return directions(a @ self.coef_).T if self.inference == "visual" else a.T

    def _score_rows(self, X: NDArray[Any], candidates: Any) -> Matrix:
        x = self._visual(X)
        return (x if self.inference == "visual" else directions(x @ self.coef_.T)) @ candidates


def _solve_sylvester(left: Matrix, right: Matrix, constant: Matrix) -> Matrix:
    """Find the smallest W with left W + W right = constant, for semidefinite matrices."""
    (p, u), (q, v) = eigh(left), eigh(right)
    sums = p[:, None] + q
    rotated = u.T @ constant @ v
    solvable = sums > sums.max() * max(sums.shape) * np.finfo(np.float64).eps
    return u @ np.divide(rotated, sums, out=np.zeros_like(rotated), where=solvable) @ v.T
