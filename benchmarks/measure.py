"""From a task to its figures: learn on seen classes, then name samples of unseen and seen ones."""

from copy import copy
from time import perf_counter

import numpy as np
from data import SEED_OF, load_problem
from in_use import in_use, probabilities
from methods import CLASTER, build

from sklearn_claster import BiasDetector
from sklearn_claster._utils.responses import candidate_scores, cluster_labels
from sklearn_claster.metrics import (
    ausuc,
    class_purity,
    cluster_purity,
    gzsl_report,
    mean_per_class_accuracy,
)
from sklearn_claster.model_selection import ZeroShotKFold

RULES = ("combined", "compatibility", "seen_class")  # test rules of ClasterZSL, on one fit
GATE = "learned"  # of every method in the generalized setting
FOLDS = 3  # of the class-wise cross-validation


def measure(task, sources):
    """The figures of a task; `sources` says where the data sets lie."""
    split = task["split"]
    problem = load_problem(sources[task["dataset"]], task["embedding"], split, task["setting"])
    seed = SEED_OF.get(split, split)
    problem = problem.thin(task["rows_a_class"], seed)
    kinds = {"validation": validation, "test": test, "in_use": in_use}
    kinds["probabilities"] = probabilities
    return kinds[task["kind"]](task, problem, seed)


def validation(task, problem, seed):
    """Class-wise cross-validation: samples and vectors of seen classes are all it touches."""
    X, y = problem.X_seen, problem.y_seen
    start, accuracies = perf_counter(), []
    for learn, held in ZeroShotKFold(FOLDS, random_state=seed).split(X, y):
        model = build(task["method"], task["changes"], seed)
        named = model.fit(X[learn], y[learn], problem.seen).predict(X[held])
        accuracies.append(mean_per_class_accuracy(y[held], named))
    return {"validation": np.mean(accuracies), "fit_seconds": round(perf_counter() - start, 3)}


def test(task, problem, seed):
    """Accuracy on unseen classes, and with held-out samples of seen ones all of the rest."""
    generalized = task["setting"] == "gzsl"
    gate = {"space": "gzsl", "bias_detector": BiasDetector(GATE)} if generalized else {}
    model = build(task["method"], task["changes"] | gate, seed)
    start = perf_counter()
    model.fit(problem.X_seen, problem.y_seen, problem.seen)
    fitted = perf_counter()
    named = model.set_params(space="zsl").predict(problem.X_unseen, problem.unseen)
    figures = {
        "accuracy": mean_per_class_accuracy(problem.y_unseen, named),
        "fit_seconds": round(fitted - start, 3),
    }
    if generalized:
        return figures | generalized_figures(model, problem)
    figures["adapted"] = adapted_accuracy(model, problem)
    return figures | (claster_figures(model, problem) if task["method"] == CLASTER else {})


def adapted_accuracy(model, problem):
    """Accuracy on unseen classes, their samples being the pool."""
    adapted = copy(model).adapt(problem.X_unseen, problem.unseen)
    return mean_per_class_accuracy(
        problem.y_unseen, adapted.predict(problem.X_unseen, problem.unseen)
    )


def generalized_figures(model, problem):
    """Seen and unseen classes together: with the gate, and the area under the curve without.

    Last with the gate and all test samples as the pool.
    """
    X = np.concatenate([problem.X_held, problem.X_unseen])
    y = np.concatenate([problem.y_held, problem.y_unseen])
    model.set_params(space="gzsl")
    figures = gzsl_report(y, model.predict(X, problem.unseen), model.classes_)
    adapted = copy(model).adapt(X, problem.unseen).predict(X, problem.unseen)
    figures["adapted_harmonic_mean"] = gzsl_report(y, adapted, model.classes_)["harmonic_mean"]
    model.set_params(bias_detector=None)
    scores, labels, seen = candidate_scores(model, X, problem.unseen)
    return figures | {"ausuc": ausuc(y, scores, labels, seen)}


def claster_figures(model, problem):
    """Accuracy under each test rule, without and with the pool; purities of clusters."""
    figures = {}
    for rule in RULES:
        named = model.set_params(inference=rule).predict(problem.X_unseen, problem.unseen)
        figures[rule] = mean_per_class_accuracy(problem.y_unseen, named)
        figures[f"{rule}, adapted"] = adapted_accuracy(model, problem)
    if model.cluster_centers_ is None:
        return figures
    for prefix, X, y in (
        ("", problem.X_seen, problem.y_seen),
        ("unseen_", problem.X_unseen, problem.y_unseen),
    ):
        clusters, _ = cluster_labels(model, X)
        figures[f"{prefix}class_purity"] = class_purity(clusters, y)
        figures[f"{prefix}cluster_purity"] = cluster_purity(clusters, y)
    return figures | {"centroid_movement": model.history_["centroid_movement"][-1]}
