"""
Example: a grid over K and alpha
================================

How many clusters, and how far should rewards move them? Folds that hold out whole *classes* score
the grid, since samples of classes that were trained on say nothing about those that were not. The
test rule is "compatibility": the visual half of the default one never sees the clusters.
"""

# %%
# The search
# ----------
# It gets the class vectors of the seen classes alone: no vector of an unseen class plays a part.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV

from sklearn_claster import ClasterZSL
from sklearn_claster.datasets import make_zero_shot_classification
from sklearn_claster.model_selection import ZeroShotKFold, mean_per_class_scorer

data = make_zero_shot_classification(800, n_seen=20, n_unseen=5, nonlinear=True, random_state=0)
seen = np.isin(data.target, data.seen_classes)
table = data.class_embeddings

model = ClasterZSL(
    inference="compatibility", hidden_layer_sizes=(64,), max_epochs=5, random_state=0
)
clusters, alphas = [1, 6, 12], [0.0, 0.1, 0.5]
search = GridSearchCV(
    model,
    {"n_clusters": clusters, "alpha": alphas},
    cv=ZeroShotKFold(3, random_state=0),
    scoring=mean_per_class_scorer,
)
search.fit(data.data[seen], data.target[seen], class_embeddings=table.select(data.seen_classes))
print(search.best_params_)

# %%
# The best model, fitted to all seen classes, names samples of the unseen ones.

unseen = table.select(data.unseen_classes)
accuracy = search.best_estimator_.score(
    data.data[~seen], data.target[~seen], unseen_embeddings=unseen
)
print(f"accuracy on the unseen classes: {accuracy:.3f}")

# %%
# The grid
# --------
# Each cell shows the mean over the folds and their standard deviation. Compare the two before you
# believe in the best cell: the folds differ by which classes are held out, and mostly by far more
# than the cells do.

shape = len(alphas), len(clusters)  # the last name, n_clusters, counts fastest
means = search.cv_results_["mean_test_score"].reshape(shape)
spreads = search.cv_results_["std_test_score"].reshape(shape)

figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
image = axes.imshow(means, cmap="Blues", vmin=means.min() - 0.1, vmax=means.max() + 0.1)
for (row, column), mean in np.ndenumerate(means):
    text = f"{mean:.3f}\n± {spreads[row, column]:.3f}"
    weight = "bold" if mean == means.max() else "normal"
    axes.text(column, row, text, ha="center", va="center", weight=weight)
axes.set_xticks(range(len(clusters)), clusters)
axes.set_yticks(range(len(alphas)), alphas)
axes.set(xlabel="number of clusters, K", ylabel="step size of the rewards, alpha")
axes.set_title("Mean accuracy on held-out classes (bold: best)")
figure.colorbar(image, label="mean per-class accuracy")
figure.savefig("grid_search.png", dpi=120)
