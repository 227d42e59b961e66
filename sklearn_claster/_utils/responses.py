"""What scorers and displays ask of a fitted estimator, also inside a pipeline or a search."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_clusterer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .torch import autocast, to_numpy


def last_step(estimator: Any) -> Any:
    """Return the last step of a pipeline; any other estimator as it is."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def before_last_step(estimator: Any, X: Any) -> Any:
    """X as the last step of a fitted pipeline gets it; steps that resample do so in `fit` alone."""
    while isinstance(estimator, Pipeline):
        *before, (_, estimator) = estimator.steps
        for _, step in before:
            if step not in (None, "passthrough") and not hasattr(step, "fit_resample"):
                X = step.transform(X)
    return X


def unwrap(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return the last estimator of a fitted pipeline or search, and X (or None) as that gets it."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            X = None if X is None else before_last_step(estimator, X)
            estimator = last_step(estimator)
        elif isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        else:
            check_is_fitted(estimator)
            return estimator, X


def candidate_scores(
    estimator: Any, X: Any, unseen_embeddings: Any = None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Scores of rows (n, C), their labels (C,), and the seen classes."""
    host, X = unwrap(estimator, X)
    if not hasattr(host, "classes_"):
        raise ValueError(
            f"{type(host).__name__} has no classes_; a fitted classifier is needed, whose classes_ "
            "are the seen classes."
        )
    options = {} if unseen_embeddings is None else {"unseen_embeddings": unseen_embeddings}
    labels = host.candidates(**options)[0] if hasattr(host, "candidates") else host.classes_
    method = "decision_function" if hasattr(host, "decision_function") else "predict_proba"
    scores = np.asarray(getattr(host, method)(X, **options))
    if scores.ndim == 1:  # two candidates: second minus first
        scores = np.column_stack([np.zeros_like(scores), scores])
    return scores, labels, host.classes_


def cluster_labels(estimator: Any, X: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the cluster of each row (n,), and the labels of all clusters (K,)."""
    host, X = unwrap(estimator, X)
    if getattr(host, "cluster_centers_", None) is not None and hasattr(host, "_model"):
        model = host._model
        with torch.inference_mode(), autocast(model.device):
            clusters = np.concatenate(
                [
                    to_numpy(model.net.aggregation.assign(model.points(rows)))
                    for rows in host._row_blocks(X)
                ]
            )
        return clusters, np.arange(host.n_clusters_)
    if is_clusterer(host) and hasattr(host, "predict"):
        clusters = np.asarray(host.predict(X))
        centers = getattr(host, "cluster_centers_", None)
        return clusters, np.unique(clusters) if centers is None else np.arange(len(centers))
    raise ValueError(
        f"{type(host).__name__} puts no rows into clusters. Use a fitted ClasterZSL whose "
        "centroids are not None, or a clusterer with predict, such as KMeans."
    )
