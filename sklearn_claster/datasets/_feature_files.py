"""Files of zero-shot data sets: one with features and labels, one with class vectors and splits.

Samples, labels and classes are counted from 1 in these files and from 0 here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn.utils import Bunch

from .._class_embeddings import ClassEmbeddings
from .._utils.labels import preview
from ._matlab import read_mat

TESTS = ("test_seen", "test_unseen")


@dataclass(frozen=True)
class FeatureFile:
    """The features and labels of a data set."""

    data: NDArray[Any]  # (n_samples, n_features)
    classes: NDArray[np.intp]  # (n_samples,), counted from 0


@dataclass(frozen=True)
class SplitFile:
    """The class vectors of a data set and its parts, as positions of samples."""

    vectors: NDArray[np.float64]  # (n_classes, n_embedding_features)
    names: NDArray[Any]  # (n_classes,)
    rows: dict[str, NDArray[np.intp]]  # "train", "test_seen", "test_unseen", counted from 0
    tuning: dict[str, NDArray[np.intp]]  # "tuning_train", "tuning_validation", where present


def read_features(path: Path, dtype: DTypeLike) -> FeatureFile:
    """Read features stored as (n_features, n_samples) and labels from 1.

    Raises
    ------
    ValueError
        If features and labels do not belong together, or if a feature is not finite.
    """
    content = read_mat(path, ["features", "labels"])
    labels = _whole_numbers(content["labels"], "labels", path)
    features = content["features"]
    if features.ndim != 2 or features.dtype.kind not in "fiub":
        raise ValueError(
            f"{path.name}: features has to be a matrix of numbers, one column per sample; got the "
            f"shape {features.shape} and the type {features.dtype}. Is it another file?"
        )
    n_features, n_samples = features.shape
    if n_samples != len(labels):
        turned = n_features == len(labels)
        raise ValueError(
            f"{path.name}: features has to have one column for each of the {len(labels)} labels; "
            f"got the shape {features.shape}. "
            + ("Save it transposed." if turned else "Take both variables from one data set.")
        )
    with np.errstate(over="ignore"):  # what overflows is reported below
        data = np.ascontiguousarray(features.T, dtype=dtype)
    bad = np.flatnonzero(~np.isfinite(data).all(axis=1))
    if len(bad):
        raise ValueError(
            f"{path.name}: features have to be finite; got NaN or infinity in {len(bad)} of "
            f"{n_samples} samples, the first in column {bad[0] + 1} (from 1). Compute the features "
            "of these samples again, or drop them from the file and from the index vectors."
        )
    if len(labels) and labels.min() < 1:
        raise ValueError(
            f"{path.name}: labels are counted from 1; got {labels.min()}. Add 1 to the labels."
        )
    return FeatureFile(data, labels - 1)


def read_split(path: Path, embeddings: str, class_names: ArrayLike | None) -> SplitFile:
    """Read class vectors stored as (n_embedding_features, n_classes) and index vectors from 1.

    Raises
    ------
    ValueError
        If a variable is missing or has the wrong content.
    """
    indices = {"train": "trainval_loc", "test_seen": "test_seen_loc"}
    indices["test_unseen"] = "test_unseen_loc"
    tuning = {"tuning_train": "train_loc", "tuning_validation": "val_loc"}
    content = read_mat(
        path, [embeddings, *indices.values()], ["allclasses_names", *tuning.values()]
    )
    vectors = content[embeddings]
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiub":
        raise ValueError(
            f"{path.name}: {embeddings} has to be a matrix of numbers, one column per class; got "
            f"the shape {vectors.shape} and the type {vectors.dtype}. Name the variable that holds "
            "the class vectors."
        )
    names = _class_names(class_names, content.get("allclasses_names"), vectors.shape[1], path)
    lost = ~np.isfinite(vectors).all(axis=0)
    if lost.any():
        raise ValueError(
            f"{path.name}: each class needs a vector without NaN or infinity; {embeddings} has "
            f"none for {preview(names[lost])}. Repair the vectors, or take another variable."
        )
    return SplitFile(
        np.ascontiguousarray(vectors.T, dtype=np.float64),
        names,
        {part: _rows(content[name], name, path) for part, name in indices.items()},
        {
            part: _rows(content[name], name, path)
            for part, name in tuning.items()
            if name in content
        },
    )


def assemble(features: FeatureFile, split: SplitFile) -> Bunch:
    """Check both files against each other and return them as one data set.

    Raises
    ------
    ValueError
        If an index or a label is out of range, if parts share samples or are empty, if a
        class of the unseen test is trained on, or a class of the seen test is not.
    """
    classes, names = features.classes, split.names
    if len(classes) and classes.max() >= len(names):
        raise ValueError(
            f"Each label needs a class vector: there are {len(names)} vectors, but labels up to "
            f"{classes.max() + 1}. Take both files from one data set, or add the missing vectors."
        )
    for name, rows in {**split.rows, **split.tuning}.items():
        if len(rows) and rows.max() >= len(classes):
            raise ValueError(
                f"The indices of {name} have to lie between 1 and {len(classes)}, the number of "
                f"samples; got {rows.max() + 1}. Take both files from one data set."
            )
    _check_parts(split.rows)
    used = {part: np.unique(classes[rows]) for part, rows in split.rows.items()}
    _check_classes(used, names)
    return Bunch(
        data=features.data,
        target=names[classes],
        class_embeddings=ClassEmbeddings(names, split.vectors),
        seen_classes=np.sort(names[used["train"]]),
        unseen_classes=np.sort(names[used["test_unseen"]]),
        **split.rows,
        **{
            part: np.setdiff1d(split.tuning[part], np.concatenate([split.rows[t] for t in TESTS]))
            if part in split.tuning
            else None
            for part in ("tuning_train", "tuning_validation")
        },
        split_fingerprint=fingerprint(split.rows),
    )


def fingerprint(rows: dict[str, NDArray[np.intp]]) -> str:
    """Compute sixteen hexadecimal digits that are equal only for splits with equal parts."""
    digest = sha256()
    for part in sorted(rows):
        digest.update(f"{part}:{','.join(map(str, np.sort(rows[part]).tolist()))};".encode())
    return digest.hexdigest()[:16]


def _check_parts(rows: dict[str, NDArray[np.intp]]) -> None:
    for part in ("train", "test_unseen"):
        if not len(rows[part]):
            raise ValueError(
                f"The part {part} has to hold samples; it is empty. Is it a file of another split?"
            )
    parts = list(rows)
    for i, part in enumerate(parts):
        for other in parts[:i]:
            both = np.intersect1d(rows[part], rows[other])
            if len(both):
                raise ValueError(
                    f"{other} and {part} must not share samples; got {len(both)} in both, the "
                    f"first is {both[0] + 1} (from 1). Test samples would be trained on, or "
                    "counted twice. Take the split from its source again."
                )


def _check_classes(used: dict[str, NDArray[np.intp]], names: NDArray[Any]) -> None:
    trained = np.intersect1d(used["train"], used["test_unseen"])
    if len(trained):
        raise ValueError(
            "The classes of test_unseen must not be trained on; train holds samples of "
            f"{preview(names[trained])}. Is it a standard split instead of a zero-shot split? Take "
            "the split from its source again."
        )
    strange = np.setdiff1d(used["test_seen"], used["train"])
    if len(strange):
        raise ValueError(
            "The classes of test_seen have to be trained on; train holds no sample of "
            f"{preview(names[strange])}. Move their samples to test_unseen."
        )


def _class_names(
    given: ArrayLike | None, stored: NDArray[Any] | None, n_classes: int, path: Path
) -> NDArray[Any]:
    """Return the names of the classes in the order of the labels."""
    if given is None and stored is None:
        raise ValueError(
            f"{path.name} holds no class names (allclasses_names). Pass class_names=[...] in the "
            f"order of the labels, or class_names=range(1, {n_classes + 1}) to keep the numbers."
        )
    if given is None:
        if stored is None or stored.dtype.kind != "U":
            raise ValueError(
                f"{path.name}: allclasses_names has to be a cell array of strings; got the type "
                f"{getattr(stored, 'dtype', None)}. Pass class_names=[...] instead."
            )
        names = np.array([name.strip() for name in stored.tolist()])
    else:
        names = np.asarray(list(given) if isinstance(given, Iterable) else given)
    if names.shape != (n_classes,):
        raise ValueError(
            f"There has to be one class name for each of the {n_classes} class vectors; got "
            f"{names.size}. Name all classes of the file, seen and unseen, in its order."
        )
    values, counts = np.unique(names, return_counts=True)
    if counts.max() > 1:
        raise ValueError(
            f"Class names have to differ; {preview(values[counts > 1])} occurs more than once. "
            "Pass class_names=[...] with distinct names."
        )
    return names


def _rows(values: NDArray[Any], name: str, path: Path) -> NDArray[np.intp]:
    """Convert indices from 1 to indices from 0."""
    rows = _whole_numbers(values, name, path)
    if len(rows) and rows.min() < 1:
        raise ValueError(
            f"{path.name}: {name} counts samples from 1, as MATLAB does; got {rows.min()}. Add 1 "
            "to all index vectors if they were written from Python."
        )
    unique, counts = np.unique(rows, return_counts=True)
    if len(unique) < len(rows):
        raise ValueError(
            f"{path.name}: {name} has to hold each sample once; got {int(np.sum(counts > 1))} "
            f"samples more than once, the first is {unique[counts > 1][0]}. Take the split from "
            "its source again."
        )
    return rows - 1


def _whole_numbers(values: NDArray[Any], name: str, path: Path) -> NDArray[np.intp]:
    """Return a vector of whole numbers, whatever type MATLAB gave it."""
    if values.dtype.kind not in "fiub" or values.size > max(values.shape, default=0):
        raise ValueError(
            f"{path.name}: {name} has to be a vector of whole numbers; got the shape "
            f"{values.shape} and the type {values.dtype}. Is it another file?"
        )
    flat = values.ravel().astype(np.float64)
    wrong = flat[~(np.isfinite(flat) & (flat == np.round(flat)))]
    if len(wrong):
        raise ValueError(
            f"{path.name}: {name} has to be a vector of whole numbers; got {wrong[0]}. "
            "Take the file from its source again."
        )
    return flat.astype(np.intp)
