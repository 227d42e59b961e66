"""Class tables on their way into a model: the one of `fit`, and those of unseen classes."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._class_embeddings import (
    ClassEmbeddings,
    IndistinctClasses,
    check_same_features,
    keyed_like,
    part_of_seen,
    warn_of_mixed_units,
    warn_of_shared_vectors,
)
from ._utils.labels import preview
from ._utils.parameters import check_value
from ._utils.warning import warn

NO_UNSEEN_CLASS = (
    "There is no unseen class to predict with space={!r}: every class of class_embeddings had "
    "samples in fit. Pass unseen_embeddings to predict, call set_candidates on the fitted model "
    "(best_estimator_ of a search, the last step of a pipeline), put the unseen classes into the "
    "table given to fit, or set space='seen'. In a cross-validation use cv=ZeroShotKFold(), which "
    "holds out whole classes, and pass the table as ClassEmbeddings(labels, vectors), which "
    "scikit-learn does not cut into folds."
)


def table_of_fit(class_embeddings: Any, classes: NDArray[Any], space: str) -> ClassEmbeddings:
    """Read the table given to `fit`; without one, make one-hot vectors of the seen classes.

    Raises
    ------
    IndistinctClasses
        If all seen classes have the same vector.
    """
    if class_embeddings is None:
        return ClassEmbeddings(classes, np.eye(len(classes)))
    table = ClassEmbeddings.from_table(class_embeddings)
    table = keyed_like(table, classes, "class_embeddings", "y")
    seen = part_of_seen(table, classes)
    distinct = np.unique(seen.vectors, axis=0)
    if len(distinct) == 1:
        raise IndistinctClasses(
            f"All {len(classes)} seen classes have the same vector in class_embeddings; at least "
            "two have to differ, or nothing can be learnt from them."
        )
    if table.vectors.shape[1] == 1:
        warn_of_one_feature("class_embeddings")
    warn_of_mixed_units(seen.vectors, seen.feature_names)
    if len(distinct) < len(classes):
        warn(
            f"Only {len(distinct)} of the {len(classes)} seen classes' vectors in "
            "class_embeddings are distinct; classes that share one cannot be told apart."
        )
    unseen = np.setdiff1d(table.labels, classes)
    if space != "seen" and len(unseen):
        named = table if space == "gzsl" else table.select(unseen)
        warn_of_shared_vectors(named, classes, "class_embeddings")
    return table


def table_of_unseen(
    unseen_embeddings: Any, fitted: ClassEmbeddings, classes: NDArray[Any]
) -> ClassEmbeddings:
    """Read a table of unseen candidates for a model that was fitted with another.

    Raises
    ------
    ValueError
        If its columns are not those of the fitted table, or it holds one of the seen `classes`.
    """
    table = ClassEmbeddings.from_table(unseen_embeddings, "unseen_embeddings")
    if len(classes):
        table = keyed_like(table, classes, "unseen_embeddings", "y")
    check_same_features(table, fitted, "unseen_embeddings")
    width = fitted.vectors.shape[1]
    if table.vectors.shape[1] != width:
        raise ValueError(
            f"The vectors in unseen_embeddings have {table.vectors.shape[1]} features; the model "
            f"was fitted with class vectors of {width}."
        )
    known = np.intersect1d(table.labels, classes)
    if len(known):
        raise ValueError(
            f"unseen_embeddings holds {len(known)} class(es) seen in fit: {preview(known)}. Leave "
            "them out; space='gzsl' adds the seen classes by itself."
        )
    return table


def joined_tables(seen: ClassEmbeddings, unseen: ClassEmbeddings) -> ClassEmbeddings:
    """Both in one table, sorted by label."""
    return ClassEmbeddings(
        np.concatenate([seen.labels, unseen.labels]),
        np.concatenate([seen.vectors, unseen.vectors]),
    )


def best_candidates(
    answers: Iterable[tuple[NDArray[Any], NDArray[Any]]], k: int, n_candidates: int
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Columns and probabilities of the k best, from blocks of scores and log-probabilities (n, C).

    Of equally probable candidates the one with the higher score is better, of these the first.
    """
    cure = "There are no more candidates: lower k, or pass more in unseen_embeddings."
    check_value(k, "k", Integral, 1, n_candidates, cure=cure)
    columns, probabilities = [], []
    for scores, log_proba in answers:
        best = np.lexsort((-scores, -log_proba), axis=1)[:, :k]
        columns.append(best)
        probabilities.append(np.exp(np.take_along_axis(log_proba, best, axis=1)))
    return np.concatenate(columns), np.concatenate(probabilities)


def warn_of_one_feature(name: str) -> None:
    """Warn that one feature tells little."""
    warn(
        f"{name} has one feature. It is centred and brought to unit length, so that only its sign "
        "counts; more than two groups need two or more features."
    )
