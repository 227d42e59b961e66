"""
Example: learning from samples without labels
=============================================

Fifteen pairs of digits have labels, thirty others have none. Of these only the class vectors are
known, which digit stands left and which right, and a pool of images. ``adapt`` learns from the
pool, and names images better the larger it is.
"""

# %%
# The data
# --------
# Half of the unlabelled images are the pool. The accuracy is measured on the other half: after
# ``adapt`` a sample is named by itself, as before.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.manifold import TSNE
from sklearn.model_selection import train_test_split

from sklearn_claster import ClasterZSL
from sklearn_claster.baselines import ESZSL
from sklearn_claster.datasets import load_digit_pairs

digits = load_digit_pairs(random_state=0)
few = np.random.default_rng(0).permutation(digits.seen_classes)[:15]
labelled = np.isin(digits.target, few)
table = digits.class_embeddings.select(np.sort([*few, *digits.unseen_classes]))
unseen = np.isin(digits.target, digits.unseen_classes)
labels = digits.target[unseen]
pool, X, pool_labels, y = train_test_split(
    digits.data[unseen], labels, test_size=0.5, stratify=labels, random_state=0
)

# %%
# Pools of several sizes
# ----------------------
# The labels of the pool only serve to draw it evenly; ``adapt`` never sees them.

sizes = [0, 1, 3, 5, 10, 15]  # images per class in the pool
curves, named = {}, {}
for model in (ESZSL(), ClasterZSL(random_state=0)):
    model.fit(digits.data[labelled], digits.target[labelled], table)
    name = type(model).__name__
    named["without the pool"] = model.predict(pool)
    curves[name] = [model.score(X, y)]
    for size in sizes[1:]:
        rows = [np.flatnonzero(pool_labels == c)[:size] for c in digits.unseen_classes]
        model.adapt(pool[np.concatenate(rows)])
        curves[name].append(model.score(X, y))
    named["with the pool"] = model.predict(pool)
    print(f"{name}, without samples   {curves[name][0]:.3f}")
    print(f"{name}, {sizes[-1]} per class    {curves[name][-1]:.3f}")

figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
for (name, curve), style in zip(curves.items(), ("s--", "o-"), strict=True):
    axes.plot(sizes, curve, style, label=name)
axes.set_xlabel("images without a label, per unseen class")
axes.set_ylabel("accuracy on other images of the unseen classes")
axes.set(xlim=(-0.5, sizes[-1] + 0.5), ylim=(0.6, 0.9))
axes.legend(loc="upper left")
axes.grid(alpha=0.3)
figure.savefig("unlabelled_sizes.png", dpi=100)

# %%
# A map of the pool
# -----------------
# Images that lie together get one name. The names are those of ClasterZSL, before and after.

places = TSNE(random_state=0).fit_transform(model.transform(pool))
figure, panels = plt.subplots(1, 2, figsize=(9.6, 5.2), layout="constrained")
for axes, (title, names) in zip(panels, named.items(), strict=True):
    wrong = names != pool_labels
    axes.plot(*places[~wrong].T, "o", ms=4, color="#9ecae1", label="named correctly")
    axes.plot(*places[wrong].T, "x", markersize=5, color="#b35806", label="named wrongly")
    axes.set_title(f"{title}: {100 * wrong.mean():.0f} % wrong")
    axes.set(xticks=[], yticks=[])
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
figure.savefig("unlabelled_map.png", dpi=80)
