"""
What a zero-shot classifier has learnt, in five pictures
========================================================

The classes are pairs of handwritten digits; 70 of the 100 pairs are seen in training, 30 are not.
A fifth of the seen rows is kept aside, so that the test rows are of seen and of unseen classes. The
displays of :mod:`sklearn_claster.inspection` show

* the training, epoch by epoch,
* the map of the unseen classes before (the features) and after (the CLASTER representation),
* which clusters hold which unseen classes, at the K-means start and after the rewards,
* the scores of a novelty detector, fitted on seen rows alone, with its threshold,
* seen against unseen accuracy for every balance between the two.
"""

import argparse
from time import perf_counter

import matplotlib

matplotlib.use("Agg")  # draws into files; no screen is needed

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor

from sklearn_claster import ClasterZSL
from sklearn_claster.baselines import ESZSL
from sklearn_claster.datasets import load_digit_pairs
from sklearn_claster.inspection import (
    ClusterClassDisplay,
    DetectorScoreDisplay,
    EpochCurveDisplay,
    RepresentationDisplay,
    SeenUnseenCurveDisplay,
)


def main():
    parser = argparse.ArgumentParser(description="Draw what a zero-shot classifier has learnt.")
    parser.add_argument("--random-state", type=int, default=0, help="seed of data and fits")
    parser.add_argument("--prefix", default="digit_pairs", help="start of the pictures' names")
    args = parser.parse_args()
    start = perf_counter()
    seed = args.random_state

    digits = load_digit_pairs(random_state=seed)
    X, y = digits.data, digits.target
    unseen = np.isin(y, digits.unseen_classes)
    train, aside = train_test_split(
        np.flatnonzero(~unseen), test_size=0.2, stratify=y[~unseen], random_state=seed
    )
    test = np.concatenate([aside, np.flatnonzero(unseen)])

    zsl = ClasterZSL(10, space="gzsl", random_state=seed)
    zsl.fit(X[train], y[train], digits.class_embeddings)
    kmeans = clone(zsl).set_params(centroids="kmeans")  # with the same seed: where zsl started
    kmeans.fit(X[train], y[train], digits.class_embeddings)
    eszsl = ESZSL(space="gzsl").fit(X[train], y[train], digits.class_embeddings)
    detector = LocalOutlierFactor(novelty=True, contamination=0.05).fit(X[train])

    pictures = {"epochs": EpochCurveDisplay.from_estimator(zsl).figure_}

    figure, axes = plt.subplots(1, 2, figsize=(11, 5.6), layout="constrained")
    shared = {"max_samples": 500, "random_state": seed}  # the same rows in both maps
    RepresentationDisplay.from_predictions(X[unseen], y[unseen], ax=axes[0], **shared)
    axes[0].set_title("features of the unseen classes")
    RepresentationDisplay.from_estimator(zsl, X[unseen], y[unseen], ax=axes[1], **shared)
    axes[1].set_title("their CLASTER representation")
    pictures["map"] = figure

    clusters = ClusterClassDisplay.from_estimator(
        zsl, X[unseen], y[unseen], before=kmeans, titles=("K-means start", "after REINFORCE")
    )
    pictures["clusters"] = clusters.figure_

    scores = DetectorScoreDisplay.from_estimator(
        detector, X[test], y[test], seen_classes=zsl.classes_
    )
    pictures["detector"] = scores.figure_

    curve = SeenUnseenCurveDisplay.from_estimator(zsl, X[test], y[test])
    other = SeenUnseenCurveDisplay.from_estimator(eszsl, X[test], y[test], ax=curve.ax_)
    pictures["seen_unseen"] = curve.figure_

    before, after = clusters.class_purity_before, clusters.class_purity
    print(f"class purity, unseen classes: K-means start {before:.3f}, after REINFORCE {after:.3f}")
    print(f"detector: ROC AUC {scores.roc_auc:.3f}")
    print(
        f"area under the seen-unseen curve: ClasterZSL {curve.ausuc:.3f}, ESZSL {other.ausuc:.3f}"
    )
    for name, picture in pictures.items():
        path = f"{args.prefix}_{name}.png"
        picture.savefig(path, dpi=120)
        print(f"saved {path}")
    print(f"{perf_counter() - start:.1f} seconds")


if __name__ == "__main__":
    main()
