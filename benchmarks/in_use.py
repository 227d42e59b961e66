"""What a user meets beside accuracy: probabilities, sets of candidates, samples without labels."""

from copy import copy

import numpy as np
from methods import CLASTER, build

from sklearn_claster import BiasDetector
from sklearn_claster.baselines import CosineZSL
from sklearn_claster.metrics import expected_calibration_error, gzsl_report, mean_per_class_accuracy

PROMISED = (0.8, 0.9, 0.95)  # of predict_set
DRAWS = 3  # of every pool that is drawn at random
FEW = {"three each": 3, "one each": 1}  # samples of every class
FOREIGN = {"10 % foreign": 0.1, "30 % foreign": 0.3, "50 % foreign": 0.5}
POOLS = ("all", "half absent", "unequal", *FEW, *FOREIGN)
BOTH_SIDES = ("mixed", "90 % seen", "90 % unseen", "seen only", "unseen only")


def in_use(task, problem, seed):
    """Figures of a method with its defaults."""
    ours = task["method"] == CLASTER
    gate = {"space": "gzsl", "bias_detector": BiasDetector()} if ours else {}
    model = build(task["method"], task["changes"] | gate, seed)
    model.fit(problem.X_seen, problem.y_seen, problem.seen).set_params(space="zsl")
    named = model.predict(problem.X_unseen, problem.unseen)
    figures = {"accuracy": mean_per_class_accuracy(problem.y_unseen, named)}
    figures["calibration"] = calibration_error(model, problem)
    if ours:
        figures["shared"] = model.prior_ is not None
        figures |= pooled(model, problem, seed) | pooled_both(model, problem, seed)
    elif task["method"] == "CosineZSL":
        figures |= pooled(CosineZSL.from_table(problem.unseen), problem, seed)
    figures |= both_sides(model.set_params(space="gzsl", bias_detector=None), problem)
    return {name: round(float(x), 5) for name, x in figures.items()}


def probabilities(task, problem, seed):
    """Calibration error of a method with its defaults, and what its sets of candidates hold."""
    model = build(task["method"], task["changes"], seed)
    model.fit(problem.X_seen, problem.y_seen, problem.seen)
    figures = {"calibration": calibration_error(model, problem)} | sets_of(model, problem)
    return {name: round(float(x), 5) for name, x in figures.items()}


def calibration_error(model, problem):
    """On unseen classes."""
    labels, _ = model.candidates(problem.unseen)
    probabilities = model.predict_proba(problem.X_unseen, problem.unseen)
    return expected_calibration_error(problem.y_unseen, probabilities, labels)


def both_sides(model, problem):
    """Accuracies on all test samples where seen and unseen classes compete."""
    X = np.concatenate([problem.X_held, problem.X_unseen])
    y = np.concatenate([problem.y_held, problem.y_unseen])
    return gzsl_report(y, model.predict(X, problem.unseen), model.classes_)


def sets_of(model, problem):
    """Share of sets with the true class, and candidates in a set, as means over classes."""
    seen, unseen = (problem.X_held, problem.y_held, None), (problem.X_unseen, problem.y_unseen)
    figures = {}
    for space, (X, y, asked) in {"seen": seen, "zsl": (*unseen, problem.unseen)}.items():
        model.set_params(space=space)
        labels, _ = model.candidates(asked)
        _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
        weights = 1.0 / counts[codes]
        for promised in PROMISED:
            sets = model.predict_set(X, promised, asked)
            held = sets[np.arange(len(y)), np.searchsorted(labels, y)]
            figures[f"{space} {promised}"] = np.average(held, weights=weights)
            figures[f"{space} {promised} size"] = np.average(sets.sum(axis=1), weights=weights)
    return figures


def pooled(model, problem, seed):
    """Accuracy on the unseen classes' samples in a pool, before and after."""
    X, y, unseen = problem.X_unseen, problem.y_unseen, problem.unseen
    before, figures = model.predict(X, unseen), {}
    for name in POOLS:
        found = []
        for draw in range(1 if name == "all" else DRAWS):
            own, foreign = draw_pool(name, y, len(problem.X_held), (seed, draw))
            pool = np.concatenate([X[own], problem.X_held[foreign]])
            adapted = copy(model).adapt(pool, unseen)
            answers = before[own], adapted.predict(X[own], unseen)
            found.append([mean_per_class_accuracy(y[own], named) for named in answers])
        figures[f"{name}, before"], figures[f"{name}, after"] = np.mean(found, axis=0)
        if name == "all":
            figures["calibration, after"] = calibration_error(adapted, problem)
    return figures


def draw_pool(name, y, n_foreign, seed):
    """Positions of samples with labels y (n,) and of foreign ones."""
    random = np.random.default_rng(seed)
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    sizes, n_own, odds = counts, len(y), 0.0
    if name == "half absent":
        sizes = counts * (random.permutation(len(counts)) < max(1, len(counts) // 2))
    elif name == "unequal":
        shares = random.dirichlet(np.full(len(counts), 0.5))
        sizes = np.rint(counts * shares / shares.max()).astype(int)
    elif name in FEW:
        sizes = np.full(len(counts), FEW[name])
    elif name in FOREIGN:
        odds = FOREIGN[name] / (1.0 - FOREIGN[name])
        n_own = min(n_own, round(n_foreign / odds))
    order = random.permutation(len(y))
    own = np.concatenate([order[codes[order] == c][:size] for c, size in enumerate(sizes)])
    own = random.permutation(own)[:n_own]
    return np.sort(own), random.permutation(n_foreign)[: round(odds * n_own)]


def pooled_both(model, problem, seed):
    """H over all test samples of both sides with the gate, before and after."""
    model.set_params(space="gzsl")
    X, n_seen = np.concatenate([problem.X_held, problem.X_unseen]), len(problem.X_held)
    order = np.random.default_rng(seed).permutation(len(X))
    seen, unseen = order[order < n_seen], order[order >= n_seen]
    uneven = [np.concatenate(nine_to_one(*pair)) for pair in ((seen, unseen), (unseen, seen))]
    before, figures = both_sides(model, problem)["harmonic_mean"], {}
    for name, rows in zip(BOTH_SIDES, (order, *uneven, seen, unseen), strict=True):
        adapted = copy(model).adapt(X[rows], problem.unseen)
        figures[f"{name}, before"] = before
        figures[f"{name}, after"] = both_sides(adapted, problem)["harmonic_mean"]
    return figures


def nine_to_one(many, few):
    """As many of both as there are nine to one."""
    n_many = min(len(many), 9 * len(few))
    return many[:n_many], few[: max(1, n_many // 9)]
