"""
A grid over K and alpha
=======================

How many clusters, and how far should rewards move them? The grid is scored by folds that hold out
whole *classes*, since samples of classes that were trained on say nothing about those that were
not. The test rule is "compatibility": the visual half of the default one never sees the clusters.

Each cell shows the mean over the folds, and their standard deviation. Compare the two before you
believe in the best cell: the folds differ by which classes are held out, and mostly by far more
than the cells do.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # draws into a file; no screen is needed

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV

from sklearn_claster import ClasterZSL
from sklearn_claster.datasets import make_zero_shot_classification
from sklearn_claster.model_selection import ZeroShotKFold, mean_per_class_scorer

CLUSTERS, ALPHAS = [1, 6, 12], [0.0, 0.1, 0.5]


def main():
    parser = argparse.ArgumentParser(description="A grid over K and alpha.")
    parser.add_argument("--output", type=Path, default=Path("grid_search.png"))
    parser.add_argument("--random-state", type=int, default=0)
    args = parser.parse_args()

    data = make_zero_shot_classification(
        n_samples=800, n_seen=20, n_unseen=5, nonlinear=True, random_state=args.random_state
    )
    seen = np.isin(data.target, data.seen_classes)
    table = data.class_embeddings
    zsl = ClasterZSL(
        inference="compatibility",
        hidden_layer_sizes=(64,),
        max_epochs=5,
        random_state=args.random_state,
    )
    search = GridSearchCV(
        zsl,
        {"n_clusters": CLUSTERS, "alpha": ALPHAS},
        cv=ZeroShotKFold(3, random_state=args.random_state),
        scoring=mean_per_class_scorer,
        error_score="raise",
    )
    # The table of the seen classes alone: no vector of an unseen class plays a part.
    search.fit(data.data[seen], data.target[seen], class_embeddings=table.select(data.seen_classes))
    for parameters, mean, spread in zip(
        search.cv_results_["params"],
        search.cv_results_["mean_test_score"],
        search.cv_results_["std_test_score"],
        strict=True,
    ):
        print(f"{parameters!s:<38}{mean:.3f} ± {spread:.3f}")

    best = search.best_estimator_  # refitted on all seen classes
    unseen = table.select(data.unseen_classes)
    accuracy = best.score(data.data[~seen], data.target[~seen], unseen_embeddings=unseen)
    print(f"\nbest: {search.best_params_}, accuracy on the unseen classes {accuracy:.3f}")

    draw(search).savefig(args.output, dpi=120)
    print(f"\npicture saved as {args.output}")


def draw(search):
    """The grid as a heat map: mean and standard deviation over the folds."""
    shape = len(ALPHAS), len(CLUSTERS)  # ParameterGrid counts the last name, n_clusters, fastest
    means = search.cv_results_["mean_test_score"].reshape(shape)
    spreads = search.cv_results_["std_test_score"].reshape(shape)
    figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
    image = axes.imshow(means, cmap="Blues", vmin=means.min() - 0.1, vmax=means.max() + 0.1)
    best = np.unravel_index(search.best_index_, shape)
    for place, mean in np.ndenumerate(means):
        axes.text(
            *place[::-1],
            f"{mean:.3f}\n± {spreads[place]:.3f}",
            ha="center",
            va="center",
            weight="bold" if place == best else "normal",
        )
    axes.set_xticks(range(len(CLUSTERS)), CLUSTERS)
    axes.set_yticks(range(len(ALPHAS)), ALPHAS)
    axes.set(xlabel="number of clusters, K", ylabel="step size of the rewards, $\\alpha$")
    axes.set_title("Mean accuracy on held-out classes (bold: best)")
    figure.colorbar(image, label="mean per-class accuracy")
    return figure


if __name__ == "__main__":
    main()
