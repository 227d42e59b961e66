"""Random problems of given sizes: what is in them does not matter for the time, only its amount."""

from dataclasses import dataclass

import numpy as np

from sklearn_claster import ClassEmbeddings


@dataclass(frozen=True)
class Problem:
    X: np.ndarray  # (n, f)
    y: np.ndarray  # (n,) class codes
    seen: np.ndarray  # (S, s)
    unseen: np.ndarray  # (C, s)

    @property
    def table(self):
        vectors = np.concatenate([self.seen, self.unseen])
        return ClassEmbeddings(np.arange(len(vectors)), vectors)


def random_problem(sizes, n=None, dtype=np.float32, seed=0):
    """Rows around a linear map of their classes' vectors, of the sizes or with `n` rows."""
    random = np.random.default_rng(seed)
    n = n or sizes.n
    y = np.arange(n) % sizes.classes
    n_classes = sizes.classes + sizes.candidates
    vectors = random.standard_normal((n_classes, sizes.s), dtype=np.float32)
    to_features = random.standard_normal((sizes.s, sizes.f), dtype=np.float32) / sizes.s**0.5
    X = 2.0 * random.standard_normal((n, sizes.f), dtype=np.float32)
    X += (vectors @ to_features)[y]
    return Problem(
        X.astype(dtype, copy=False), y, vectors[: sizes.classes], vectors[sizes.classes :]
    )
