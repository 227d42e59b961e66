"""
Example: what a zero-shot classifier has learnt
===============================================

The classes are pairs of handwritten digits; 70 of the 100 pairs are seen in training, 30 are not.
A third of the seen samples is kept aside, so that the test samples are of seen and unseen classes.
Five displays of :mod:`sklearn_claster.inspection` look into the model.
"""

# %%
# The model
# ---------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.model_selection import train_test_split

from sklearn_claster import BiasDetector, ClasterZSL
from sklearn_claster.baselines import ESZSL
from sklearn_claster.datasets import load_digit_pairs
from sklearn_claster.inspection import (
    ClusterClassDisplay,
    DetectorScoreDisplay,
    EpochCurveDisplay,
    RepresentationDisplay,
    SeenUnseenCurveDisplay,
)

digits = load_digit_pairs(random_state=0)
X, y, table = digits.data, digits.target, digits.class_embeddings
unseen = np.isin(y, digits.unseen_classes)
train, aside = train_test_split(
    np.flatnonzero(~unseen), test_size=1 / 3, stratify=y[~unseen], random_state=0
)
test = np.concatenate([aside, np.flatnonzero(unseen)])
zsl = ClasterZSL(10, space="gzsl", random_state=0).fit(X[train], y[train], table)

# %%
# The training, epoch by epoch
# ----------------------------

epochs = EpochCurveDisplay.from_estimator(zsl)

# %%
# Maps of test samples
# --------------------
# Ten seen and ten unseen classes before (the features) and after (the CLASTER representation).

drawn = np.concatenate([zsl.classes_[::7], digits.unseen_classes[::3]])
on_map = test[np.isin(y[test], drawn)]
figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 5.2), layout="constrained")
left.set_title("Features")
right.set_title("CLASTER representation")
before = RepresentationDisplay.from_predictions(
    X[on_map], y[on_map], seen_classes=zsl.classes_, random_state=0, ax=left
)
after = RepresentationDisplay.from_estimator(
    zsl, X[on_map], y[on_map], random_state=0, ax=right, colors=before.colors_
)

# %%
# Which clusters hold which classes
# ---------------------------------
# A model with the same seed and fixed centroids shows where the clusters started.

kmeans = clone(zsl).set_params(centroids="kmeans").fit(X[train], y[train], table)
clusters = ClusterClassDisplay.from_estimator(
    zsl, X[unseen], y[unseen], before=kmeans, titles=("K-means start", "after REINFORCE")
)
print(
    f"class purity of unseen classes: K-means start {clusters.class_purity_before:.3f}, "
    f"after REINFORCE {clusters.class_purity:.3f}"
)

# %%
# Scores of a detector
# --------------------
# :class:`~sklearn_claster.BiasDetector` never meets a sample of an unseen class. It learns from
# seen classes that it holds out.

detector = BiasDetector().fit(X[train], y[train], table)
scores = DetectorScoreDisplay.from_estimator(detector, X[test], y[test])
print(f"ROC AUC of the detector: {scores.roc_auc:.3f}")

# %%
# Seen against unseen accuracy
# ----------------------------
# For every balance between the two.

eszsl = ESZSL(space="gzsl").fit(X[train], y[train], table)
curve = SeenUnseenCurveDisplay.from_estimator(zsl, X[test], y[test])
other = SeenUnseenCurveDisplay.from_estimator(eszsl, X[test], y[test], ax=curve.ax_)
print(f"area under the curve: ClasterZSL {curve.ausuc:.3f}, ESZSL {other.ausuc:.3f}")

# %%
# Save the pictures
# -----------------

pictures = {
    "epochs": epochs.figure_,
    "map": figure,
    "clusters": clusters.figure_,
    "detector": scores.figure_,
    "seen_unseen": curve.figure_,
}
for name, picture in pictures.items():
    picture.savefig(f"representation_{name}.png", dpi=120)
