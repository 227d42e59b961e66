"""
Example: a grid over what matters, and one over K and alpha
===========================================================

Two parameters of :class:`~sklearn_claster.ClasterZSL` are worth a search on new data: ``whiten``
and ``n_neighbors``. The number of clusters, K, and the step size of the rewards, alpha, matter to a
study of the method. Folds that hold out whole *classes* score both grids: samples of classes that
were trained on say nothing about classes that were not.
"""

# %%
# The data
# --------
# Every other seen class of the digit pairs, which makes the example fast.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV

from sklearn_claster import ClasterZSL
from sklearn_claster.datasets import load_digit_pairs
from sklearn_claster.model_selection import ZeroShotKFold, mean_per_class_scorer

digits = load_digit_pairs(random_state=0)
classes = digits.seen_classes[::2]
chosen, unseen = (np.isin(digits.target, part) for part in (classes, digits.unseen_classes))
table = digits.class_embeddings
folds = ZeroShotKFold(3, random_state=0)
model = ClasterZSL(hidden_layer_sizes=(64,), max_epochs=5, random_state=0)  # small

# %%
# The two searches
# ----------------
# They get the class vectors of the seen classes alone. K and alpha change little under the default
# test rule, whose visual half never sees the clusters, so that the second search takes another.


def search(model, **grid):
    found = GridSearchCV(model, grid, cv=folds, scoring=mean_per_class_scorer)
    fit_to = digits.data[chosen], digits.target[chosen]
    return found.fit(*fit_to, class_embeddings=table.select(classes))


what_matters = search(model, n_neighbors=[0, 1, 3], whiten=[True, False])
clusters = search(
    model.set_params(inference="compatibility"), alpha=[0.0, 0.5], n_clusters=[1, 6, 12]
)
print(what_matters.best_params_)

# %%
# The best model of the first grid, fitted to all the chosen classes, names samples of the unseen
# ones.

accuracy = what_matters.best_estimator_.score(
    digits.data[unseen],
    digits.target[unseen],
    unseen_embeddings=table.select(digits.unseen_classes),
)
print(f"accuracy on the unseen classes: {accuracy:.3f}")

# %%
# The grids
# ---------
# Each cell shows the mean accuracy on the held-out classes. Below it stands the difference from the
# best cell, taken fold by fold: its mean and its standard deviation. Compare the two before you
# believe in the best cell.

sizes = {"figsize": (9.6, 4.2), "width_ratios": [2, 3]}
figure, panels = plt.subplots(1, 2, layout="constrained", **sizes)
for axes, found in zip(panels, (what_matters, clusters), strict=True):
    (down, rows), (across, columns) = found.param_grid.items()  # the last varies fastest
    scores = np.array([found.cv_results_[f"split{fold}_test_score"] for fold in range(3)])
    behind = scores - scores[:, [found.best_index_]]
    for cell, (mean, less) in enumerate(zip(scores.mean(axis=0), behind.T, strict=True)):
        best = cell == found.best_index_
        below = "best" if best else f"{less.mean():+.3f} ± {less.std():.3f}"
        words = f"{mean:.3f}\n{below}"
        style = {"ha": "center", "va": "center", "weight": "bold" if best else "normal"}
        axes.text(cell % len(columns), cell // len(columns), words, fontsize=12, **style)
    shown = behind.mean(axis=0).reshape(len(rows), len(columns))
    axes.imshow(shown, cmap="Blues", vmin=-0.03, vmax=0.02, aspect="auto")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel=across, ylabel=down)
panels[0].set_title("What matters", fontsize=13)
panels[1].set_title("K and alpha, with inference='compatibility'", fontsize=13)
figure.savefig("grid_search.png", dpi=120)
