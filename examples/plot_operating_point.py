"""
Choosing the operating point
============================

Of seen and unseen samples together, a gate can find more of the one only by losing some of the
other. ``contamination`` says which share of the seen samples it may send to the unseen classes. By
default the share with the best harmonic mean on held-out *seen* classes is taken. Here the same
held-out classes answer another wish, the most unseen accuracy that leaves at least a given seen
accuracy, by a grid search; the test samples then show how well the answer carries over.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from sklearn.model_selection import GridSearchCV, train_test_split

from sklearn_claster import BiasDetector, ClasterZSL
from sklearn_claster.datasets import make_zero_shot_classification
from sklearn_claster.metrics import gzsl_report
from sklearn_claster.model_selection import ZeroShotKFold, gzsl_scorer

SHARES = [0.02, 0.1, 0.2, 0.4]
LEAST_SEEN = 0.65  # the wish: at least this accuracy on seen classes


def most_unseen(results):
    """The row of a search with the best unseen accuracy among those that fulfil the wish."""
    seen, unseen = results["mean_test_seen"], results["mean_test_unseen"]
    enough = seen >= LEAST_SEEN
    return int(np.where(enough, unseen, -1.0).argmax() if enough.any() else seen.argmax())


def main():
    parser = argparse.ArgumentParser(description="Choosing the operating point of a gate.")
    parser.add_argument("--output", type=Path, default=Path("operating_point.png"))
    parser.add_argument("--random-state", type=int, default=0)
    args = parser.parse_args()
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    data = make_zero_shot_classification(
        500, n_seen=20, n_unseen=6, class_sep=5.0, random_state=args.random_state
    )
    seen = np.isin(data.target, data.seen_classes)
    X, X_seen, y, y_seen = train_test_split(
        data.data[seen],
        data.target[seen],
        test_size=0.2,
        stratify=data.target[seen],
        random_state=args.random_state,
    )
    X_test = np.concatenate([X_seen, data.data[~seen]])
    y_test = np.concatenate([y_seen, data.target[~seen]])

    gated = ClasterZSL(
        space="gzsl",
        bias_detector=BiasDetector(),
        hidden_layer_sizes=(64,),  # small and short: the search fits 32 models
        max_epochs=4,
        random_state=args.random_state,
    )
    search = GridSearchCV(
        gated,
        {"bias_detector__contamination": SHARES},
        cv=ZeroShotKFold(2, seen_fraction=0.2, random_state=args.random_state),
        scoring=gzsl_scorer,
        refit=most_unseen,
        error_score="raise",
    )
    search.fit(X, y, class_embeddings=data.class_embeddings.select(data.seen_classes))

    tested = []
    for share in SHARES:
        gated.set_params(bias_detector__contamination=share).fit(X, y, data.class_embeddings)
        tested.append(gzsl_report(y_test, gated.predict(X_test), gated.classes_))
    print(f"{'':14s}{'held-out classes':>20s}{'test samples':>20s}")
    print(f"{'contamination':14s}" + 2 * f"{'seen':>12s}{'unseen':>8s}")
    results = search.cv_results_
    for i, share in enumerate(SHARES):
        print(
            f"{share:<14.2f}{results['mean_test_seen'][i]:12.3f}"
            f"{results['mean_test_unseen'][i]:8.3f}{tested[i]['seen']:12.3f}"
            f"{tested[i]['unseen']:8.3f}{'  <- chosen' if i == search.best_index_ else ''}"
        )

    figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
    curves = {
        "held-out seen classes": (results["mean_test_seen"], results["mean_test_unseen"]),
        "test samples": tuple([report[side] for report in tested] for side in ("seen", "unseen")),
    }
    for name, (seen_side, unseen_side) in curves.items():
        line = axes.plot(seen_side, unseen_side, marker="o", label=name)[0]
        chosen = seen_side[search.best_index_], unseen_side[search.best_index_]
        axes.plot(*chosen, marker="o", markersize=15, fillstyle="none", color=line.get_color())
    for x, y_, share in zip(*curves["test samples"], SHARES, strict=True):
        axes.annotate(f"{share:g}", (x, y_), xytext=(-32, -12), textcoords="offset points")
    axes.axvline(LEAST_SEEN, color="grey", linestyle=":", label="least seen accuracy wished for")
    axes.set(
        xlabel="accuracy on seen classes",
        ylabel="accuracy on unseen classes",
        title="What each share of refused seen samples reaches; the circles are the choice",
    )
    axes.legend()
    figure.savefig(args.output, dpi=130)
    print(f"\npicture saved as {args.output}")


if __name__ == "__main__":
    main()
