"""The benchmark's zero-shot problems: digit pairs, and .npz files of features.

An .npz file holds X (n, f), y (n,) of positions in class_names, class_names (C,), one or more
matrices of class vectors (C, s) under names of their own, and optionally split_train and
split_test: one class split a row.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from sklearn_claster import ClassEmbeddings
from sklearn_claster.datasets import load_digit_pairs
from sklearn_claster.model_selection import ZeroShotShuffleSplit

DIGIT_PAIRS = "digit_pairs"
N_SEEDS = 5  # of the digit pairs
N_SPLITS = 10  # of a file
UNSEEN_SHARE = 0.2  # of the classes, where a file brings no splits
NO_CLASS_VECTORS = {"X", "y", "class_names", "split_train", "split_test"}


@dataclass(frozen=True)
class Problem:
    """All rows of the seen classes, to learn from, and all rows of the unseen ones."""

    X_seen: np.ndarray
    y_seen: np.ndarray
    X_unseen: np.ndarray
    y_unseen: np.ndarray
    seen: ClassEmbeddings
    unseen: ClassEmbeddings

    @classmethod
    def of(cls, X, y, table, seen_rows, unseen_rows):
        return cls(
            X[seen_rows],
            y[seen_rows],
            X[unseen_rows],
            y[unseen_rows],
            table.select(np.unique(y[seen_rows])),
            table.select(np.unique(y[unseen_rows])),
        )


def names_of_embeddings(dataset, folder):
    """The kinds of class vectors that a data set has."""
    return ["one_hot_digits"] if dataset == DIGIT_PAIRS else list(_read(dataset, folder)[2])


def number_of_splits(dataset, folder):
    return N_SEEDS if dataset == DIGIT_PAIRS else len(_splits(dataset, folder, seed=0))


def load_problem(dataset, embedding, split, seed, folder):
    """One class split of a data set: the same arguments, the same rows."""
    if dataset == DIGIT_PAIRS:
        pairs = load_digit_pairs(random_state=seed + split)
        is_seen = np.isin(pairs.target, pairs.seen_classes)
        return Problem.of(pairs.data, pairs.target, pairs.class_embeddings, is_seen, ~is_seen)
    X, y, tables = _read(dataset, folder)
    return Problem.of(X, y, tables[embedding], *_splits(dataset, folder, seed)[split])


@lru_cache
def _arrays(dataset, folder):
    path = Path(folder) / f"{dataset}.npz"
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no {path}. Name the folder with --data or in the environment variable "
            f"CLASTER_DATA, or choose other --datasets; {DIGIT_PAIRS} needs no file."
        )
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


@lru_cache
def _read(dataset, folder):
    """Features, labels, and the class tables by name."""
    arrays = _arrays(dataset, folder)
    names = arrays["class_names"]
    tables = {
        key: ClassEmbeddings(names, array)
        for key, array in arrays.items()
        if key not in NO_CLASS_VECTORS and array.ndim == 2 and len(array) == len(names)
    }
    if not tables:
        raise ValueError(f"{dataset}.npz has no matrix with one row for each of its classes.")
    return arrays["X"].astype(np.float32), names[arrays["y"]], tables


@lru_cache
def _splits(dataset, folder, seed):
    """Rows of the seen and of the unseen classes of each split.

    A file's own splits, leaving out repeated ones, or else random ones.
    """
    arrays = _arrays(dataset, folder)
    y = arrays["y"]
    if "split_train" not in arrays:
        folds = ZeroShotShuffleSplit(N_SPLITS, test_size=UNSEEN_SHARE, random_state=seed)
        return list(folds.split(y, y))
    return [
        tuple(
            np.flatnonzero(np.isin(y, arrays[side][row])) for side in ("split_train", "split_test")
        )
        for row in distinct_rows(arrays["split_train"])[:N_SPLITS]
    ]


def distinct_rows(splits):
    """Positions of the class splits, without those that repeat an earlier one."""
    _, first = np.unique(np.sort(splits, axis=1), axis=0, return_index=True)
    return np.sort(first)
