"""From a task to its figures: learn on the seen classes, then name rows of unseen and seen ones."""

import resource
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from data import SEED_OF, change_training, load_problem
from methods import CLASTER, METHODS, fit
from sklearn.metrics import accuracy_score
from sklearn.metrics.cluster import contingency_matrix

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
FOLDS = 3  # of the class-wise cross-validation
GATES = {"stacking": "stacking", "learned": BiasDetector("learned")}
N_CONFUSED = 10


def measure(tasks, sources):
    """The figures of each of the tasks, which have their fits in common.

    `sources` says where the data sets lie.
    """
    task = tasks[0]
    problem = load_problem(
        sources[task["dataset"]], task["embedding"], task["split"], task["setting"]
    )
    seed = 100 * task["seed"] + SEED_OF.get(task["split"], task["split"])
    problem = change_training(problem, task["training"], seed)
    with warnings.catch_warnings(record=True) as caught, peak_memory() as memory:
        warnings.simplefilter("always")
        found = {"validation": validate, "test": test}[task["kind"]](tasks, problem, seed)
    said = sorted({f"{w.category.__name__}: {str(w.message)[:100]}" for w in caught})
    return [figures | memory | {"warnings": said} for figures in found]


def validate(tasks, problem, seed):
    """Class-wise cross-validation: rows and vectors of seen classes are all it touches.

    The tasks differ in parameters that `predict` alone reads, so a fold is fitted once for all.
    """
    X, y, table = problem.X_seen, problem.y_seen, problem.seen
    method, parameters = tasks[0]["method"], tasks[0]["parameters"]
    start, accuracies = perf_counter(), [[] for _ in tasks]
    for learn, held_out in ZeroShotKFold(FOLDS, random_state=seed).split(X, y):
        model = fit(method, parameters, seed, X[learn], y[learn], table)
        for task, own in zip(tasks, accuracies, strict=True):
            y_pred = model.set_params(**when_predicting(task)).predict(X[held_out])
            own.append(mean_per_class_accuracy(y[held_out], y_pred))
    seconds = (perf_counter() - start) / len(tasks)
    return [
        {
            "validation": np.mean(own),
            "validation_folds": own,
            "fit_seconds": round(seconds, 3),
        }
        for own in accuracies
    ]


def test(tasks, problem, seed):
    """Accuracy on unseen classes, and with held-out rows of seen ones all of the rest.

    As in `validate` one fit is for all tasks; each row has all its seconds.
    """
    task = tasks[0]
    parameters = dict(task["parameters"])
    if task["setting"] == "gzsl":
        parameters |= {"space": "gzsl", "bias_detector": GATES.get(task["gate"])}
    start = perf_counter()
    model = fit(task["method"], parameters, seed, problem.X_seen, problem.y_seen, problem.seen)
    seconds = perf_counter() - start
    return [
        predict(model.set_params(**when_predicting(task)), task, problem, seconds) for task in tasks
    ]


def when_predicting(task):
    """The parameters of the task that `predict` alone reads."""
    return {name: task["parameters"][name] for name in METHODS[task["method"]].when_predicting}


def predict(model, task, problem, fit_seconds):
    """The figures of a fitted model."""
    generalized = task["setting"] == "gzsl"
    model.set_params(space="zsl")
    start = perf_counter()
    y_pred = model.predict(problem.X_unseen, unseen_embeddings=problem.unseen)
    figures = {
        "accuracy": accuracy_score(problem.y_unseen, y_pred),
        "mean_per_class_accuracy": mean_per_class_accuracy(problem.y_unseen, y_pred),
        "fit_seconds": round(fit_seconds, 3),
        "predict_seconds": round(perf_counter() - start, 3),
        "device": str(getattr(model, "device_", "cpu")),
    }
    if generalized:
        figures |= generalized_figures(model, problem)
    if task["method"] == CLASTER:
        figures |= rule_figures(model, problem, generalized, y_pred)
        if model.cluster_centers_ is not None:
            figures |= cluster_figures(model, problem, task["details"])
    return figures


def generalized_figures(model, problem):
    """Seen and unseen classes together: with the gate, and raw."""
    X = np.concatenate([problem.X_held, problem.X_unseen])
    y = np.concatenate([problem.y_held, problem.y_unseen])
    model.set_params(space="gzsl")
    figures = gzsl_report(y, model.predict(X, unseen_embeddings=problem.unseen), model.classes_)
    gate = model.bias_detector
    model.set_params(bias_detector=None)
    scores, labels, _ = candidate_scores(model, X, problem.unseen)
    raw = gzsl_report(y, labels[scores.argmax(axis=1)], model.classes_)
    model.set_params(bias_detector=gate, space="seen")
    seen_pred = model.predict(problem.X_held)
    return {
        **figures,
        "ausuc": ausuc(y, scores, labels, model.classes_),
        "raw": raw,
        "seen_only": mean_per_class_accuracy(problem.y_held, seen_pred),
    }


def rule_figures(model, problem, generalized, y_pred):
    """ClasterZSL under each test rule: unseen classes, and seen ones where rows were held out.

    `y_pred` is what it names unseen classes under its own rule.
    """
    by_rule, chosen = {}, model.inference
    for rule in RULES:
        model.set_params(inference=rule, space="zsl")
        named = y_pred
        if rule != chosen:
            named = model.predict(problem.X_unseen, unseen_embeddings=problem.unseen)
        by_rule[rule] = {"unseen": mean_per_class_accuracy(problem.y_unseen, named)}
        if generalized:
            named = model.set_params(space="seen").predict(problem.X_held)
            by_rule[rule]["seen"] = mean_per_class_accuracy(problem.y_held, named)
    model.set_params(inference=chosen, space="zsl")
    return {"by_rule": by_rule}


def cluster_figures(model, problem, details):
    """Purities on training rows and on unseen classes, and how large the centroid term is."""
    own, _ = cluster_labels(model, problem.X_seen)
    unseen, names = cluster_labels(model, problem.X_unseen)
    with torch.inference_mode():
        points = model._model.points(problem.X_seen)
        term = model._model.net.represent(points) - points
        share = float((term.square().sum() / points.square().sum()).sqrt())
    figures = {
        "cluster_purity": cluster_purity(own, problem.y_seen),
        "class_purity": class_purity(own, problem.y_seen),
        "unseen_cluster_purity": cluster_purity(unseen, problem.y_unseen),
        "unseen_class_purity": class_purity(unseen, problem.y_unseen),
        "centroid_term": share,  # root mean square of omega - psi, relative to psi's
        "centroid_movement": model.history_["centroid_movement"][-1],
    }
    if details:
        table = contingency_matrix(problem.y_unseen, unseen)
        columns = np.unique(unseen)
        counts = np.zeros((len(table), len(names)), dtype=int)
        counts[:, columns] = table
        classes = np.unique(problem.y_unseen)
        figures["clusters_by_class"] = dict(zip(classes.tolist(), counts.tolist(), strict=True))
        figures["confused"] = confused_pairs(model, problem)
    return figures


def confused_pairs(model, problem):
    """The most frequent mistakes among unseen classes: true, named, share of the true rows."""
    chosen = model.inference
    model.set_params(inference="compatibility", space="zsl")
    y_pred = model.predict(problem.X_unseen, unseen_embeddings=problem.unseen)
    model.set_params(inference=chosen)
    classes = problem.unseen.labels
    true, named = (np.searchsorted(classes, labels) for labels in (problem.y_unseen, y_pred))
    shares = np.zeros((len(classes), len(classes)))
    np.add.at(shares, (true, named), 1)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    order = np.argsort(shares, axis=None)[::-1][:N_CONFUSED]
    pairs = zip(*np.unravel_index(order, shares.shape), strict=True)
    return [[str(classes[i]), str(classes[j]), round(float(shares[i, j]), 4)] for i, j in pairs]


@contextmanager
def peak_memory():
    """The most memory that the process holds meanwhile, in MiB; where the system cannot forget an
    earlier peak, the most that it ever held."""
    found = {}
    status = Path("/proc/self/status")
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        status = None
    yield found
    if status is not None:
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        found["peak_memory_mib"] = round(int(line.split()[1]) / 1024, 1)
    else:
        unit = 2**20 if sys.platform == "darwin" else 2**10
        found["peak_memory_mib"] = round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1
        )
