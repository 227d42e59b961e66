"""What the baselines share: the seen data's centre, unit rows, mean samples."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from sklearn.linear_model import LogisticRegression

from .._base import BaseZeroShotClassifier
from .._data.unit_rows import row_mean, unit_rows, warn_of_one_direction

Matrix = NDArray[np.float64]


class CentredClassifier(BaseZeroShotClassifier):
    """Features and class vectors centred on the seen data, unit rows, float64.

    Scores are products with one vector per candidate, unless a method says otherwise.
    """

    feature_mean_: NDArray[np.float64]
    embedding_mean_: NDArray[np.float64]

    @abstractmethod
    def _fit_seen(
        self, X: NDArray[Any], y: NDArray[np.intp], embeddings: NDArray[np.float64]
    ) -> None:
        """Learn from X (n, f), class codes y (n,) and the seen classes' vectors (S, s)."""

    def _fit(self, X: Any, y: Any, class_embeddings: Any, groups: Any) -> None:
        rows, codes, groups = self._check_fit(X, y, class_embeddings, groups)
        self._fit_seen(rows, codes, self._seen_table().vectors)
        self._fit_gate(rows, codes, groups)

    def _centre(self, X: NDArray[Any], embeddings: NDArray[np.float64]) -> tuple[Matrix, Matrix]:
        """Learn both centres -> samples x (n, f) and class vectors a (S, s)."""
        self.feature_mean_, self.embedding_mean_ = row_mean(X), row_mean(embeddings)
        x = self._visual(X)
        warn_of_one_direction(x.mean(axis=0))
        return x, self._semantic(embeddings)

    def _visual(self, X: NDArray[Any]) -> Matrix:
        return unit_rows(X, self.feature_mean_, np.float64)

    def _semantic(self, vectors: NDArray[np.float64]) -> Matrix:
        return unit_rows(vectors, self.embedding_mean_, np.float64)

    def _score_rows(self, X: NDArray[Any], candidates: Any) -> Matrix:
        return self._visual(X) @ candidates  # (n, f) (f, C)


class BilinearClassifier(CentredClassifier):
    """Compatibility x W a^T, with the transpose of W in `coef_`."""

    coef_: NDArray[np.float64]

    def _prepare_candidates(
        self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        return self.coef_.T @ self._semantic(vectors).T  # (f, C)


def ridge_solve(gram: Matrix, right: Matrix, ridge: float) -> Matrix:
    """(gram + ridge I)^-1 right, by eigenvalues: sound for rank-deficient Gram matrices too."""
    values, vectors = eigh(gram)
    shifted = np.maximum(values, 0.0) + ridge
    with np.errstate(under="ignore"):  # of a very large ridge
        return vectors @ ((vectors.T @ right) / shifted[:, None])


def softmax_regression(x: NDArray[Any], y: NDArray[np.intp], C: float) -> tuple[Matrix, Matrix]:
    """Weights (S, f) and biases (S,) of a `LogisticRegression` of class codes, one row per class.

    They are kept in its place: a fitted one is tied to its version of scikit-learn.
    """
    if y.min() == y.max():  # a single class
        return np.zeros((1, x.shape[1])), np.zeros(1)
    model = LogisticRegression(C=C, max_iter=1000).fit(x, y)
    coef, intercept = model.coef_, model.intercept_
    if len(intercept) == 1:  # two classes: the logit of the second
        return np.r_[-coef, coef] / 2.0, np.r_[-intercept, intercept] / 2.0
    return coef, intercept
