"""The benchmark's zero-shot problems: digit pairs, .npz files, folders of .mat files.

An .npz file holds X (n, f), y (n,) of positions in class_names, class_names (C,), and one or more
matrices of class vectors (C, s) under names of their own. It may bring class splits, one per line,
as split_train and split_test, the TruZe split as truze_train and truze_test, and its own split of
the samples as trainval_idx, test_seen_idx and test_unseen_idx. A folder that `load_xlsa17` or
`load_i3d` reads is a data set too. The name of a file or folder is the name of the data set.
"""

import hashlib
import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_claster import ClassEmbeddings
from sklearn_claster.datasets import load_digit_pairs, load_i3d, load_truze_split, load_xlsa17
from sklearn_claster.model_selection import ZeroShotShuffleSplit

DIGIT_PAIRS = "digit_pairs"
N_SPLITS = 10  # class splits of a data set
UNSEEN_SHARE = 0.2  # of the classes, where a file brings no splits
SEEN_TEST_SHARE = 0.2  # of each seen class's samples, in the generalized setting
TRUZE, OWN = "truze", "own"  # splits with a name
SEED_OF = {TRUZE: 100, OWN: 101}  # a numbered split has its number
NO_CLASS_VECTORS = {"X", "y", "class_names", "split_train", "split_test"}
OWN_PARTS = ("trainval_idx", "test_seen_idx", "test_unseen_idx")
MAT_FILES, I3D_FILE = ("res101.mat", "att_splits.mat"), "i3d.mat"


@dataclass(frozen=True)
class Problem:
    """Samples of seen classes to learn from, and of seen and of unseen classes to test on."""

    X_seen: np.ndarray
    y_seen: np.ndarray
    X_held: np.ndarray  # of seen classes; none in the setting "zsl"
    y_held: np.ndarray
    X_unseen: np.ndarray
    y_unseen: np.ndarray
    seen: ClassEmbeddings
    unseen: ClassEmbeddings

    @classmethod
    def of(cls, X, y, table, learn, held, unseen):
        parts = [part for rows in (learn, held, unseen) for part in (X[rows], y[rows])]
        seen, unseen = (table.select(np.unique(y[rows])) for rows in (learn, unseen))
        return cls(*parts, seen, unseen)

    def thin(self, n_per_class, seed):
        """The problem with at most so many training samples per class; 0 keeps all."""
        if not n_per_class:
            return self
        order = pd.Series(np.random.default_rng(seed).permutation(len(self.y_seen)))
        rows = np.sort(order.groupby(self.y_seen[order]).head(n_per_class))
        return replace(self, X_seen=self.X_seen[rows], y_seen=self.y_seen[rows])


def default_folders():
    """The folder of data sets that the environment names, or the one beside the checkout if any."""
    if named := os.environ.get("CLASTER_DATA"):
        return [Path(named)]
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return [beside] if beside.is_dir() else []


def find_sources(paths):
    """The data sets by name: digit pairs, and what lies at these files and folders."""
    sources = {DIGIT_PAIRS: DIGIT_PAIRS}
    for path in paths:
        found = [part for part in (path, *sorted(path.glob("*"))) if _is_data_set(part)]
        if not found:
            raise SystemExit(
                f"There is no data set at {path}. Name .npz files or folders with --data, or the "
                "folder of data sets in the environment variable CLASTER_DATA."
            )
        sources |= {part.stem: part.resolve() for part in found}
    return sources


def fingerprint(source):
    """A short hash of a data set's files, so that rows of other data are not taken for its own."""
    digest = hashlib.sha256()
    if source != DIGIT_PAIRS:
        for part in sorted(source.rglob("*.mat")) if source.is_dir() else [source]:
            digest.update(part.read_bytes())
    return digest.hexdigest()[:12]


def splits_of(source):
    """Numbered class splits, then the ones that have a name."""
    named = [OWN] if set(OWN_PARTS) <= set(read_arrays(source)) else []
    named += [TRUZE] if _truze(source) is not None else []
    return [*range(len(_class_splits(source))), *named]


def load_problem(source, embedding, split, setting="zsl"):
    """One class split of a data set: the same arguments, the same samples.

    In the setting "zsl" all samples of seen classes train; in "gzsl" a fifth of each class is kept
    to test on. A data set's own split of the samples is taken as it is.
    """
    if source == DIGIT_PAIRS:
        data = load_digit_pairs(random_state=split)
        is_seen = np.isin(data.target, data.seen_classes)
        rows = _hold_out(data.target, is_seen, ~is_seen, split, setting)
        return Problem.of(data.data, data.target, data.class_embeddings, *rows)
    arrays = read_arrays(source)
    codes = arrays["y"]
    if split == OWN:
        learn, held, unseen = (arrays[name] for name in OWN_PARTS)
        rows = learn, held if setting == "gzsl" else held[:0], unseen
    else:
        classes = _truze(source) if split == TRUZE else _class_splits(source)[split]
        rows = _hold_out(codes, *(np.isin(codes, side) for side in classes), split, setting)
    names, table = arrays["class_names"], tables_of(source)[embedding]
    return Problem.of(arrays["X"], names[codes], table, *rows)


@lru_cache(maxsize=2)
def read_arrays(source):
    """The arrays of a data set, with the names that an .npz file has."""
    if source == DIGIT_PAIRS:
        return _arrays_of(load_digit_pairs(random_state=0), "one_hot_digits")
    if source.is_dir():
        return _read_mat_folder(source)
    with np.load(source, allow_pickle=False) as archive:
        arrays = dict(archive)
    if missing := {"X", "y", "class_names"} - set(arrays):
        raise ValueError(f"{source.name} lacks {', '.join(sorted(missing))}.")
    arrays["X"] = arrays["X"].astype(np.float32)
    return arrays


def _is_data_set(path):
    is_npz = path.suffix == ".npz" and path.is_file()
    return is_npz or (path / I3D_FILE).is_file() or _is_xlsa17(path)


def _is_xlsa17(path):
    return all((path / name).is_file() for name in MAT_FILES)


def _read_mat_folder(folder):
    """The same arrays from .mat files: the proposed split as the own one, or I3D's splits."""
    if _is_xlsa17(folder):
        bunch = load_xlsa17(folder)
        parts = (bunch.train, bunch.test_seen, bunch.test_unseen)
        return _arrays_of(bunch) | dict(zip(OWN_PARTS, parts, strict=True))
    numbers = sorted(int(path.name.split("_")[1]) for path in folder.glob("split_[0-9]*"))
    arrays, sides = {}, []
    for number in numbers[:N_SPLITS]:
        bunch = load_i3d(folder, split=number)
        arrays = arrays or _arrays_of(bunch)
        classes = (bunch.seen_classes, bunch.unseen_classes)
        sides.append([np.searchsorted(arrays["class_names"], side) for side in classes])
    train, test = zip(*sides, strict=True)
    return arrays | {"split_train": np.stack(train), "split_test": np.stack(test)}


def _arrays_of(bunch, kind="attributes"):
    labels = bunch.class_embeddings.labels
    return {
        "X": bunch.data,
        "y": np.searchsorted(labels, bunch.target),
        "class_names": labels,
        kind: bunch.class_embeddings.vectors,
    }


@lru_cache(maxsize=2)
def tables_of(source):
    """The kinds of class vectors, as tables by name."""
    arrays = read_arrays(source)
    names = arrays["class_names"]
    tables = {
        key: ClassEmbeddings(names, array)
        for key, array in arrays.items()
        if key not in NO_CLASS_VECTORS and array.ndim == 2 and len(array) == len(names)
    }
    if not tables:
        raise ValueError(f"{source.name} has no matrix with one row for each of its classes.")
    return tables


@lru_cache(maxsize=2)
def _class_splits(source):
    """Codes of the seen and of the unseen classes of each split.

    A file's own splits, leaving out repeated ones, or else random ones.
    """
    arrays = read_arrays(source)
    if "split_train" in arrays:
        _, first = np.unique(np.sort(arrays["split_train"], axis=1), axis=0, return_index=True)
        first = np.sort(first)[:N_SPLITS]
        return [(arrays["split_train"][row], arrays["split_test"][row]) for row in first]
    y = arrays["y"]
    folds = ZeroShotShuffleSplit(N_SPLITS, test_size=UNSEEN_SHARE, random_state=0).split(y, y)
    return [tuple(np.unique(y[rows]) for rows in fold) for fold in folds]


def _truze(source):
    """Codes of the seen and unseen classes of the TruZe split, or None.

    From the data set's own arrays, or if its classes are those of UCF101 or HMDB51.
    """
    arrays = read_arrays(source)
    if f"{TRUZE}_train" in arrays:
        return arrays[f"{TRUZE}_train"], arrays[f"{TRUZE}_test"]
    for name in ("ucf101", "hmdb51"):
        try:
            split = load_truze_split(name, arrays["class_names"])
        except ValueError:  # other classes
            continue
        sides = (split.seen_classes, split.unseen_classes)
        return tuple(np.flatnonzero(np.isin(arrays["class_names"], side)) for side in sides)
    return None


def _hold_out(y, seen, unseen, split, setting):
    """Positions of samples to learn from, of seen classes to test on, and of unseen classes."""
    held = np.zeros(len(y), dtype=bool)
    if setting == "gzsl":
        order = np.random.default_rng(SEED_OF.get(split, split)).permutation(len(y))
        for label in np.unique(y[seen]):
            own = order[y[order] == label]
            held[own[: round(SEEN_TEST_SHARE * len(own))]] = True
    return tuple(np.flatnonzero(mask) for mask in (seen & ~held, held, unseen))
