"""
Seen and unseen together
========================

A model that has only seen 70 of 100 classes hardly ever names one of the other 30: its raw scores
favour what it was trained on. A gate decides first whether an image is of a seen or of an unseen
class. Its threshold comes from seen classes that are held out during ``fit``; the curve shows what
any other threshold would have reached on the test images, and how close the choice came.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from sklearn.model_selection import train_test_split

from sklearn_claster import BiasDetector, ClasterZSL
from sklearn_claster.datasets import load_digit_pairs
from sklearn_claster.inspection import DetectorScoreDisplay, SeenUnseenCurveDisplay
from sklearn_claster.metrics import ausuc, gzsl_report


def main():
    parser = argparse.ArgumentParser(description="Seen and unseen digit pairs together.")
    parser.add_argument("--output", type=Path, default=Path("seen_and_unseen.png"))
    parser.add_argument("--random-state", type=int, default=0)
    args = parser.parse_args()
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    digits = load_digit_pairs(random_state=args.random_state)
    seen = np.isin(digits.target, digits.seen_classes)
    X_train, X_seen, y_train, y_seen = train_test_split(
        digits.data[seen],
        digits.target[seen],
        test_size=0.2,
        stratify=digits.target[seen],
        random_state=args.random_state,
    )
    X = np.concatenate([X_seen, digits.data[~seen]])
    y = np.concatenate([y_seen, digits.target[~seen]])

    gates = {
        "no gate": {},
        "calibrated stacking": {"bias_detector": "stacking"},
        "BiasDetector": {"bias_detector": BiasDetector()},
    }
    models = {
        name: ClasterZSL(space="gzsl", random_state=args.random_state, **gate).fit(
            X_train, y_train, digits.class_embeddings
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
