"""
Naming digit pairs that were never seen
=======================================

Each image shows two handwritten digits, and its class is the pair. Both methods learn from 70
of the 100 pairs and then name images of the other 30, of which they know only the class vector:
which digit stands left, and which right. No digit image occurs on both sides.

:class:`~sklearn_claster.ClasterZSL` runs with its default parameters. Beside it stands
:class:`~sklearn_claster.baselines.ESZSL`, a closed-form baseline whose two regularisers are chosen
by cross-validation that holds out whole classes, among the seen classes only.
"""

import argparse
from time import perf_counter

import matplotlib

matplotlib.use("Agg")  # draws into a file; no screen is needed

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import make_scorer, recall_score
from sklearn.model_selection import GridSearchCV

from sklearn_claster import ClasterZSL
from sklearn_claster.baselines import ESZSL
from sklearn_claster.datasets import load_digit_pairs
from sklearn_claster.metrics import mean_per_class_accuracy
from sklearn_claster.model_selection import ZeroShotKFold

GREEN, RED, BLUE, ORANGE = "#1a7f37", "#c8102e", "#1f6fb4", "#e08214"
N_COLUMNS, N_ROWS = 6, 5  # images drawn at random; below them one row of errors


def main():
    parser = argparse.ArgumentParser(description="Name digit pairs that were never seen.")
    parser.add_argument("--random-state", type=int, default=0, help="seed of data and fits")
    parser.add_argument("--output", default="digit_pairs.png", help="where to save the picture")
    args = parser.parse_args()

    digits = load_digit_pairs(random_state=args.random_state)
    seen = np.isin(digits.target, digits.seen_classes)
    X_seen, y_seen = digits.data[seen], digits.target[seen]
    X_unseen, y_unseen = digits.data[~seen], digits.target[~seen]

    # The table holds a vector for all 100 classes. Those without a training row are the candidates.
    start = perf_counter()
    claster = ClasterZSL(random_state=args.random_state)
    claster.fit(X_seen, y_seen, class_embeddings=digits.class_embeddings)
    claster_seconds = perf_counter() - start

    # The search gets the seen classes alone: rows and vectors of the unseen play no part in it.
    start = perf_counter()
    search = GridSearchCV(
        ESZSL(),
        {"gamma": np.logspace(-2, 3, 6), "lam": np.logspace(-2, 3, 6)},
        scoring=make_scorer(mean_per_class_accuracy),
        cv=ZeroShotKFold(4, random_state=args.random_state),
    )
    search.fit(X_seen, y_seen, class_embeddings=digits.class_embeddings.select(digits.seen_classes))
    eszsl_seconds = perf_counter() - start

    unseen_embeddings = digits.class_embeddings.select(digits.unseen_classes)
    predicted = {
        "ClasterZSL": claster.predict(X_unseen),
        "ESZSL": search.best_estimator_.predict(X_unseen, unseen_embeddings=unseen_embeddings),
    }
    seconds = {"ClasterZSL": claster_seconds, "ESZSL": eszsl_seconds}
    best = ", ".join(f"{name}={value:g}" for name, value in search.best_params_.items())
    tuned = {
        "ClasterZSL": "nothing: default parameters",
        "ESZSL": f"{best} (best of {len(search.cv_results_['params'])}, seen classes only)",
    }

    print(f"learned from {len(y_seen)} images of {len(digits.seen_classes)} seen classes")
    print(f"tested on {len(y_unseen)} images of {len(digits.unseen_classes)} unseen classes\n")
    print(f"{'method':<12}{'mean per-class accuracy':>23}{'fit seconds':>14}   tuned")
    for method, y_pred in predicted.items():
        accuracy = mean_per_class_accuracy(y_unseen, y_pred)
        print(f"{method:<12}{accuracy:>23.3f}{seconds[method]:>14.1f}   {tuned[method]}")

    draw(digits.images[~seen], y_unseen, predicted, args.random_state).savefig(args.output, dpi=100)
    print(f"\npicture saved as {args.output}")


def draw(images, y_true, predicted, random_state):
    """Test images with their labels on the left, the accuracy of each class on the right."""
    rng = np.random.default_rng(random_state)
    y_pred = predicted["ClasterZSL"]
    errors = np.flatnonzero(y_true != y_pred)
    sample = rng.choice(len(y_true), N_ROWS * N_COLUMNS, replace=False)
    shown_errors = rng.permutation(errors)[:N_COLUMNS]
    n_wrong = np.isin(sample, errors).sum()

    figure = plt.figure(figsize=(13, 6.8), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1.5, 1], wspace=0.04)
    top, bottom = left.subfigures(2, 1, height_ratios=[N_ROWS + 0.45, 1.4])
    top.suptitle(
        "ClasterZSL names pairs it has never seen (true → predicted)\n"
        f"{len(sample)} of the {len(y_true)} test images, drawn at random: "
        f"{len(sample) - n_wrong} right, {n_wrong} wrong"
    )
    bottom.suptitle(f"{len(shown_errors)} of the {len(errors)} errors, drawn at random")
    draw_images(top.subplots(N_ROWS, N_COLUMNS), sample, images, y_true, y_pred)
    draw_images(bottom.subplots(1, N_COLUMNS), shown_errors, images, y_true, y_pred)
    draw_accuracies(right, y_true, predicted)
    return figure


def draw_images(grid, rows, images, y_true, y_pred):
    for axes in grid.flat[len(rows) :]:  # fewer errors than places
        axes.set_axis_off()
    for row, axes in zip(rows, grid.flat, strict=False):
        right = y_true[row] == y_pred[row]
        color = GREEN if right else RED
        axes.imshow(images[row], cmap="gray_r", interpolation="nearest")
        axes.set_title(
            f"{y_true[row]} → {y_pred[row]} {'✓' if right else '✗'}",
            color=color,
            fontsize=11,
            pad=3,
        )
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color=color, linewidth=1.0 if right else 2.0)


def draw_accuracies(figure, y_true, predicted):
    classes = np.unique(y_true)
    accuracies = {
        method: recall_score(y_true, y_pred, labels=classes, average=None)
        for method, y_pred in predicted.items()
    }
    both = np.array(list(accuracies.values()))  # (2, n_classes)
    order = np.lexsort((both[1], both[0]))
    heights = np.arange(len(classes))

    axes = figure.subplots()
    axes.hlines(heights, both.min(axis=0)[order], both.max(axis=0)[order], color="0.75", zorder=1)
    styles = {
        "ClasterZSL": {"marker": "o", "s": 46, "color": BLUE},
        "ESZSL": {"marker": "D", "s": 34, "edgecolors": ORANGE, "facecolors": "none"},
    }
    for method, accuracy in accuracies.items():
        label = f"{method}, mean {accuracy.mean():.3f}"
        axes.scatter(accuracy[order], heights, label=label, zorder=2, **styles[method])
    axes.set_yticks(heights, classes[order], fontsize=9, family="monospace")
    axes.set_ylim(-0.7, len(classes) - 0.3)
    axes.set_xlabel("accuracy on the class's test images")
    axes.set_ylabel("unseen class")
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", frameon=False)
    figure.suptitle("Accuracy on each unseen class")


if __name__ == "__main__":
    main()
