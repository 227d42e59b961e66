"""
Seen and unseen together
========================

A model that was trained on 24 of 32 classes names the other eight too seldom: its raw scores favour
what it has seen. A gate decides first whether a sample is of a seen or of an unseen class. Its
threshold comes from seen classes that are held out during ``fit``; the curve shows what any other
threshold would have reached on the test samples, and how close the choice came. The data are made:
classes that overlap, and a curved map from class vectors to features.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from sklearn.model_selection import train_test_split

from sklearn_claster import BiasDetector, ClasterZSL
from sklearn_claster.datasets import make_zero_shot_classification
from sklearn_claster.inspection import DetectorScoreDisplay, SeenUnseenCurveDisplay
from sklearn_claster.metrics import ausuc, gzsl_report


def main():
    parser = argparse.ArgumentParser(description="Seen and unseen classes together.")
    parser.add_argument("--output", type=Path, default=Path("seen_and_unseen.png"))
    parser.add_argument("--random-state", type=int, default=0)
    args = parser.parse_args()
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    data = make_zero_shot_classification(
        n_samples=800,
        n_seen=24,
        n_unseen=8,
        n_embedding_features=12,
        class_sep=5.0,
        nonlinear=True,
        random_state=args.random_state,
    )
    seen = np.isin(data.target, data.seen_classes)
    X_train, X_seen, y_train, y_seen = train_test_split(
        data.data[seen],
        data.target[seen],
        test_size=0.2,
        stratify=data.target[seen],
        random_state=args.random_state,
    )
    X = np.concatenate([X_seen, data.data[~seen]])
    y = np.concatenate([y_seen, data.target[~seen]])

    gates = {
        "no gate": {},
        "calibrated stacking": {"bias_detector": "stacking"},
        "BiasDetector": {"bias_detector": BiasDetector()},
    }
    models = {
        name: ClasterZSL(space="gzsl", random_state=args.random_state, **gate).fit(
            X_train, y_train, data.class_embeddings
        )
        for name, gate in gates.items()
    }
    print(f"{'':22s}{'seen':>8s}{'unseen':>8s}{'harmonic mean':>15s}{'AUSUC':>8s}")
    for name, model in models.items():
        report = gzsl_report(y, model.predict(X), model.classes_)
        area = ausuc(y, model.decision_function(X), model.candidates()[0], model.classes_)
        print(
            f"{name:22s}{report['seen']:8.3f}{report['unseen']:8.3f}"
            f"{report['harmonic_mean']:15.3f}{area:8.3f}"
        )

    gated = models["BiasDetector"]
    explained = gated.explain_gate(X)
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    SeenUnseenCurveDisplay.from_estimator(gated, X, y, ax=left)
    left.set_title("What other thresholds reach", pad=24)
    DetectorScoreDisplay.from_predictions(
        y,
        explained.score,
        seen_classes=gated.classes_,
        threshold=explained.threshold,
        ax=right,
    )
    right.set_title("Scores of the gate")
    figure.savefig(args.output, dpi=130)
    print(f"\npicture saved as {args.output}")


if __name__ == "__main__":
    main()
