"""
Learning from samples without labels
====================================

Fifteen pairs of digits have labels, thirty others have none: of these only the class vectors are
known, which digit stands left and which right, and a heap of images. ``adapt`` learns from the
heap, and names images better the larger it is. The images that the accuracy is measured on are
others: after ``adapt`` a sample is named by itself, as before.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from sklearn.model_selection import train_test_split

from sklearn_claster import ClasterZSL
from sklearn_claster.baselines import ESZSL
from sklearn_claster.datasets import load_digit_pairs

N_SEEN = 15
SIZES = [0, 1, 3, 5, 10, 15]  # images per class in the heap
COLORS = {"ClasterZSL": "#1f6fb4", "ESZSL": "#e08214"}


def accuracies(model, pool, pool_labels, X, y):
    """Accuracy on X after adapting to a heap of so many images per class."""
    found = [model.score(X, y)]
    for size in SIZES[1:]:
        rows = np.concatenate([np.flatnonzero(pool_labels == c)[:size] for c in np.unique(y)])
        found.append(model.adapt(pool[rows]).score(X, y))
    return found


def main():
    parser = argparse.ArgumentParser(description="Learning from samples without labels.")
    parser.add_argument("--output", type=Path, default=Path("unlabelled_samples.png"))
    parser.add_argument("--random-state", type=int, default=0)
    args = parser.parse_args()
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    digits = load_digit_pairs(random_state=args.random_state)
    random = np.random.default_rng(args.random_state)
    few = random.permutation(digits.seen_classes)[:N_SEEN]
    labelled = np.isin(digits.target, few)
    table = digits.class_embeddings.select(np.sort([*few, *digits.unseen_classes]))
    unseen = np.isin(digits.target, digits.unseen_classes)
    # Labels of the heap serve to draw it evenly; `adapt` never sees them.
    pool, X, pool_labels, y = train_test_split(
        digits.data[unseen],
        digits.target[unseen],
        test_size=0.5,
        stratify=digits.target[unseen],
        random_state=args.random_state,
    )

    _, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    for model in (ClasterZSL(random_state=args.random_state), ESZSL()):
        name = type(model).__name__
        model.fit(digits.data[labelled], digits.target[labelled], table)
        curve = accuracies(model, pool, pool_labels, X, y)
        print(f"{name}, without samples   {curve[0]:.3f}")
        print(f"{name}, {SIZES[-1]} per class    {curve[-1]:.3f}")
        axes.plot(SIZES, curve, "o-", color=COLORS[name], label=name)
    axes.set_xlabel("images without a label, per unseen class")
    axes.set_ylabel("accuracy on other images of the unseen classes")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    plt.savefig(args.output, dpi=150)
    print(f"saved {args.output}")


if __name__ == "__main__":
    main()
