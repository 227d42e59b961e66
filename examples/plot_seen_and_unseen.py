"""
Example: with and without a gate
================================

A model that was trained on 24 of 32 classes names the other eight too seldom: its raw scores favour
what it has seen. A gate decides first whether a sample is of a seen or of an unseen class. Held-out
seen classes choose its threshold during ``fit``.
"""

# %%
# The data
# --------
# Classes that overlap, and a curved map from class vectors to features.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from sklearn_claster import BiasDetector, ClasterZSL
from sklearn_claster.datasets import make_zero_shot_classification
from sklearn_claster.inspection import DetectorScoreDisplay, SeenUnseenCurveDisplay
from sklearn_claster.metrics import ausuc, gzsl_report

data = make_zero_shot_classification(
    n_samples=800,
    n_seen=24,
    n_unseen=8,
    n_embedding_features=12,
    class_sep=5.0,
    nonlinear=True,
    random_state=0,
)
seen = np.isin(data.target, data.seen_classes)
labels = data.target[seen]
X_train, X_seen, y_train, y_seen = train_test_split(
    data.data[seen], labels, test_size=0.2, stratify=labels, random_state=0
)
X = np.concatenate([X_seen, data.data[~seen]])
y = np.concatenate([y_seen, data.target[~seen]])

# %%
# Without a gate, and with two of them
# ------------------------------------

gates = {
    "no gate": {},
    "calibrated stacking": {"bias_detector": "stacking"},
    "BiasDetector": {"bias_detector": BiasDetector()},
}
models = {}
print(f"{'':22s}{'seen':>8s}{'unseen':>8s}{'harmonic mean':>15s}{'AUSUC':>8s}")
for name, gate in gates.items():
    model = ClasterZSL(space="gzsl", random_state=0, **gate)
    models[name] = model.fit(X_train, y_train, data.class_embeddings)
    report = gzsl_report(y, model.predict(X), model.classes_)
    area = ausuc(y, model.decision_function(X), model.candidates()[0], model.classes_)
    print(
        f"{name:22s}{report['seen']:8.3f}{report['unseen']:8.3f}"
        f"{report['harmonic_mean']:15.3f}{area:8.3f}"
    )

# %%
# How good the threshold is
# -------------------------
# The curve shows what any other threshold would have reached on the test samples, and how close the
# choice came.

gated = models["BiasDetector"]
figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 4.4), layout="constrained")
SeenUnseenCurveDisplay.from_estimator(gated, X, y, ax=left)
DetectorScoreDisplay.from_estimator(gated, X, y, name="BiasDetector", ax=right)
left.set_title("What other thresholds reach")
figure.savefig("seen_and_unseen.png", dpi=120)
