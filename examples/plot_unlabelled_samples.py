"""
Example: learning from samples without labels
=============================================

Fifteen pairs of digits have labels, thirty others have none. Of these only the class vectors are
known, which digit stands left and which right, and a heap of images. ``adapt`` learns from the
heap, and names images better the larger it is.
"""

# %%
# The data
# --------
# Half of the unlabelled images are the heap. The accuracy is measured on the other half: after
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
heap, X, heap_labels, y = train_test_split(
    digits.data[unseen], labels, test_size=0.5, stratify=labels, random_state=0
)

# %%
# Heaps of several sizes
# ----------------------
# The labels of the heap only serve to draw it evenly; ``adapt`` never sees them.

sizes = [0, 1, 3, 5, 10, 15]  # images per class in the heap
curves, named = {}, {}
for model in (ESZSL(), ClasterZSL(random_state=0)):
    model.fit(digits.data[labelled], digits.target[labelled], table)
    name = type(model).__name__
    named["without the heap"] = model.predict(heap)
    curves[name] = [model.score(X, y)]
    for size in sizes[1:]:
        rows = [np.flatnonzero(heap_labels == label)[:size] for label in digits.unseen_classes]
        model.adapt(heap[np.concatenate(rows)])
        curves[name].append(model.score(X, y))
    named["with the heap"] = model.predict(heap)
    print(f"{name}, without samples   {curves[name][0]:.3f}")
    print(f"{name}, {sizes[-1]} per class    {curves[name][-1]:.3f}")

figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
for (name, curve), style in zip(curves.items(), ("s--", "o-"), strict=True):
    axes.plot(sizes, curve, style, label=name)
axes.set_xlabel("images without a label, per unseen class")
axes.set_ylabel("accuracy on other images of the unseen classes")
axes.legend()
axes.grid(alpha=0.3)
figure.savefig("unlabelled_sizes.png", dpi=100)

# %%
# A map of the heap
# -----------------
# Images that lie together get one name. The names are those of ClasterZSL, before and after.

places = TSNE(random_state=0).fit_transform(model.transform(heap))
figure, panels = plt.subplots(1, 2, figsize=(9.6, 5.2), layout="constrained")
for axes, (title, names) in zip(panels, named.items(), strict=True):
    wrong = names != heap_labels
    axes.plot(*places[~wrong].T, "o", markersize=4, color="#9ecae1", label="named correctly")
    axes.plot(*places[wrong].T, "x", markersize=5, color="#b35806", label="named wrongly")
    axes.set_title(f"{title}: {100 * wrong.mean():.0f} % wrong")
    axes.set(xlabel="t-SNE, first axis", ylabel="t-SNE, second axis")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
figure.savefig("unlabelled_map.png", dpi=80)
