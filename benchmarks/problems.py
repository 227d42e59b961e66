"""Made-up problems: some of given sizes, for the time they take, and one that is hard to whiten."""

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


def network_features(n_classes, rows_a_class, seed=0):
    """Rows such as a deep network gives: many, redundant, none negative; (n, 512), (n,), table.

    Class vectors come from a dozen hidden traits. They and what differs within a class go through
    two random layers with ReLU, so that classes also differ where their samples are alike, in ways
    that no linear map of their vectors tells.
    """
    random = np.random.default_rng(seed)
    traits = random.normal(size=(n_classes, 12)) @ random.normal(size=(12, 85))
    vectors = 1.0 / (1.0 + np.exp(-traits))
    y = np.arange(n_classes * rows_a_class) % n_classes
    standard = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0)
    latent = 0.2 * standard[y] @ random.normal(size=(85, 64))
    latent += 1.5 * random.normal(size=latent.shape)
    hidden = latent @ random.normal(size=(64, 256)) / 8 + 0.3 * random.normal(size=256)
    X = np.maximum(hidden, 0.0) @ random.normal(size=(256, 512)) / 12
    X += 0.3 * (random.normal(size=512) + random.normal(size=X.shape)) - 0.5
    return np.maximum(X, 0.0).astype(np.float32), y, ClassEmbeddings(np.arange(n_classes), vectors)
