"""
Example: naming digit pairs that were never seen
================================================

Each image shows two handwritten digits, and its class is the pair. Both methods learn from 70
of the 100 pairs. They then name images of the other 30, of which they know only the class vector:
which digit stands left, and which right. No digit image occurs on both sides.
"""

# %%
# The data
# --------
# The table of class vectors holds all 100 pairs. Those without a training image are unseen.

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import recall_score
from sklearn.model_selection import GridSearchCV

from sklearn_claster import ClasterZSL
from sklearn_claster.baselines import ESZSL
from sklearn_claster.datasets import load_digit_pairs
from sklearn_claster.model_selection import ZeroShotKFold, mean_per_class_scorer

digits = load_digit_pairs(random_state=0)
seen = np.isin(digits.target, digits.seen_classes)
X_seen, y_seen = digits.data[seen], digits.target[seen]
X_unseen, y_unseen = digits.data[~seen], digits.target[~seen]
table = digits.class_embeddings
print(f"{len(y_seen)} images of {len(digits.seen_classes)} seen classes")
print(f"{len(y_unseen)} images of {len(digits.unseen_classes)} unseen classes")

# %%
# Two methods
# -----------
# :class:`~sklearn_claster.ClasterZSL` runs with its default parameters.

start = perf_counter()
claster = ClasterZSL(random_state=0).fit(X_seen, y_seen, class_embeddings=table)
seconds = {"ClasterZSL": perf_counter() - start}

# %%
# :class:`~sklearn_claster.baselines.ESZSL` has a closed form and two regularisers. A search over
# folds that hold out whole seen classes chooses them; no unseen class plays a part in it.

start = perf_counter()
regularisers = {"gamma": np.logspace(-2, 3, 6), "lam": np.logspace(-2, 3, 6)}
folds = ZeroShotKFold(4, random_state=0)
search = GridSearchCV(ESZSL(), regularisers, scoring=mean_per_class_scorer, cv=folds)
search.fit(X_seen, y_seen, class_embeddings=table.select(digits.seen_classes))
seconds["ESZSL"] = perf_counter() - start

# %%
# Accuracy on the unseen classes
# ------------------------------

unseen_table = table.select(digits.unseen_classes)
predicted = {
    "ClasterZSL": claster.predict(X_unseen),
    "ESZSL": search.best_estimator_.predict(X_unseen, unseen_embeddings=unseen_table),
}
accuracies = {
    method: recall_score(y_unseen, names, labels=digits.unseen_classes, average=None)
    for method, names in predicted.items()
}
print(f"{'method':<12}{'mean per-class accuracy':>23}{'fit seconds':>14}")
for method, of_class in accuracies.items():
    print(f"{method:<12}{of_class.mean():>23.3f}{seconds[method]:>14.1f}")

# %%
# Some of the images, drawn at random, with the names that ClasterZSL gives them, and the accuracy
# on each unseen class.

figure = plt.figure(figsize=(12, 7.2), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[1.15, 1])
left.suptitle("Named without an example in training", fontsize=19)
shown = np.random.default_rng(0).permutation(len(y_unseen))[:8]
for at, axes in zip(shown, left.subplots(4, 2).flat, strict=True):
    truth, name = y_unseen[at], predicted["ClasterZSL"][at]
    axes.imshow(digits.images[~seen][at], cmap="gray_r", aspect="auto")
    axes.set(xticks=[], yticks=[])
    wrong = "" if name == truth else f", not {truth}"
    axes.set_title(f"{name}{wrong}", fontsize=19, color="#c8102e" if wrong else "#1a7f37")

axes, order = right.subplots(), np.argsort(accuracies["ClasterZSL"], kind="stable")
for method, style in {"ESZSL": "D", "ClasterZSL": "o"}.items():
    of_class = accuracies[method][order]
    label = f"{method}, mean {of_class.mean():.3f}"
    axes.plot(of_class, range(len(order)), style, markersize=9, alpha=0.8, label=label)
axes.set_yticks(range(len(order)), digits.unseen_classes[order], fontsize=11)
axes.tick_params(axis="x", labelsize=13)
axes.set_xlabel("accuracy on each unseen class", fontsize=15)
axes.set(xlim=(0.58, 1.02), ylim=(-1, len(order) + 3.5))
axes.grid(axis="x", alpha=0.3)
axes.legend(loc="upper left", fontsize=14)
figure.savefig("digit_pairs.png", dpi=100)
