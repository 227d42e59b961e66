"""
Example: a threshold that keeps a given accuracy
================================================

A gate decides whether a sample is of a seen or of an unseen class. The more samples of one kind it
finds, the more of the other it loses. ``contamination`` is the share of the seen samples that it
may send to the unseen classes. By default held-out *seen* classes choose the share with the best
harmonic mean. Here they serve another aim: the best accuracy on unseen classes that leaves at least
0.7 on seen classes.
"""

# %%
# The data
# --------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV, train_test_split

from sklearn_claster import BiasDetector, ClasterZSL
from sklearn_claster.datasets import make_zero_shot_classification
from sklearn_claster.metrics import gzsl_report
from sklearn_claster.model_selection import ZeroShotKFold, gzsl_scorer

sizes = {"n_samples": 500, "n_seen": 20, "n_unseen": 6}
data = make_zero_shot_classification(**sizes, class_sep=5.0, random_state=0)
seen = np.isin(data.target, data.seen_classes)
labels = data.target[seen]
X, X_seen, y, y_seen = train_test_split(
    data.data[seen], labels, test_size=0.2, stratify=labels, random_state=0
)
X_test = np.concatenate([X_seen, data.data[~seen]])
y_test = np.concatenate([y_seen, data.target[~seen]])

# %%
# The search
# ----------
# ``refit`` picks the share that serves the aim.

shares, least_seen = [0.02, 0.1, 0.2, 0.4], 0.7


def most_unseen(results):
    """Position of the best unseen accuracy where the seen accuracy is enough."""
    seen, unseen = results["mean_test_seen"], results["mean_test_unseen"]
    enough = seen >= least_seen
    return int(np.where(enough, unseen, -1.0).argmax() if enough.any() else seen.argmax())


gated = ClasterZSL(
    space="gzsl",
    bias_detector=BiasDetector(),
    hidden_layer_sizes=(64,),  # small and short: the search fits 32 models
    max_epochs=4,
    random_state=0,
)
search = GridSearchCV(
    gated,
    {"bias_detector__contamination": shares},
    cv=ZeroShotKFold(2, seen_fraction=0.2, random_state=0),
    scoring=gzsl_scorer,
    refit=most_unseen,
)
search.fit(X, y, class_embeddings=data.class_embeddings.select(data.seen_classes))
print(search.best_params_)

# %%
# How well the choice carries over
# --------------------------------
# The same shares on test samples of seen and of unseen classes.

held_out = [search.cv_results_[f"mean_test_{side}"] for side in ("seen", "unseen")]
reports = []
for share in shares:
    gated.set_params(bias_detector__contamination=share).fit(X, y, data.class_embeddings)
    reports.append(gzsl_report(y_test, gated.predict(X_test), gated.classes_))
tested = [np.array([report[side] for report in reports]) for side in ("seen", "unseen")]
print(f"{'':14s}{'held-out classes':>20s}{'test samples':>20s}")
print(f"{'contamination':14s}" + 2 * f"{'seen':>12s}{'unseen':>8s}")
for share, *row in zip(shares, *held_out, *tested, strict=True):
    print(f"{share:<14.2f}{row[0]:12.3f}{row[1]:8.3f}{row[2]:12.3f}{row[3]:8.3f}")

# %%
# Rings mark the choice, numbers the shares.

figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
for name, (x, y_) in {"held-out seen classes": held_out, "test samples": tested}.items():
    line = axes.plot(x, y_, marker="o", label=name)[0]
    style = {"color": line.get_color(), "fontsize": 12, "textcoords": "offset points"}
    for share, *place in zip(shares, x, y_, strict=True):
        axes.annotate(f"{share:g}", place, xytext=(8, 6), **style)
    best = x[search.best_index_], y_[search.best_index_]
    axes.plot(*best, "o", markersize=15, fillstyle="none", color=line.get_color())
words = "least accuracy on seen classes"
axes.axvline(least_seen, color="grey", linestyle=":", label=words)
axes.set(xlabel="accuracy on seen classes", ylabel="accuracy on unseen classes")
axes.set(xlim=(0.4, 0.9), ylim=(0, 0.9))
axes.set_title("What each contamination reaches")
axes.legend(loc="lower left")
figure.savefig("operating_point.png", dpi=120)
