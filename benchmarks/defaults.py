"""How the defaults of ClasterZSL were chosen: one change at a time, on held-out seen classes.

    python benchmarks/defaults.py --jobs 2

The unseen classes of every problem are put away first. Of its seen classes a quarter is held out;
a variant learns the rest and names the held-out ones. At most 40 rows a class are used.
"""

import argparse
import sys
from itertools import product
from pathlib import Path

import joblib
import numpy as np
import torch
from data import change_training, default_folders, find_sources, load_problem, names_of_embeddings
from figures import interval
from problems import network_features
from rows import ROOT, command
from threadpoolctl import threadpool_limits

from sklearn_claster import ClasterZSL
from sklearn_claster.datasets import make_zero_shot_classification
from sklearn_claster.metrics import mean_per_class_accuracy
from sklearn_claster.model_selection import ZeroShotShuffleSplit

VARIANTS = [
    {"whiten": True},
    {"whiten": False},
    {"mixup": False},
    {"linear_shortcut": False},
    {"feature_weight": 1.0},
    {"feature_weight": 3.0},
    {"feature_weight": 30.0},
    {"linear_shortcut": False, "feature_weight": 1.0},
    {"fusion": "sum"},
    {"hidden_layer_sizes": ()},
    {"hidden_layer_sizes": (512,)},
    {"hidden_layer_sizes": (256, 256)},
    {"hidden_layer_sizes": (512, 512)},
    {"max_epochs": 5},
    {"max_epochs": 20},
    {"learning_rate": 5e-4},
    {"weight_decay": 5e-3},
    {"dropout": 0.3},
    {"temperature": 0.05},
    {"temperature": 0.2},
    {"visual_weight": 0.5},
    {"visual_weight": 0.9},
    {"visual_weight": 1.0},
    {"inference": "compatibility"},
    {"whiten": False, "inference": "compatibility"},
    {"n_neighbors": 1},
    {"n_neighbors": 3},
    {"n_neighbors": 10},
    {"visual_weight": 0.9, "feature_weight": 3.0, "n_neighbors": 3},
    {"centroid_weight": 1.0},
    {"centroid_weight": 1.0, "inference": "compatibility"},
    {"centroids": "kmeans", "inference": "compatibility"},
    {"centroids": None},
    {"centroids": None, "inference": "compatibility"},
    {"n_clusters": 20, "inference": "compatibility"},
    {"n_seeds": 4},
]
ROWS_A_CLASS = 40
SYNTHETIC = "synthetic"
KINDS = ("linear", "nonlinear", "network", "small linear", "small nonlinear")  # of synthetic data
TEXT = """\
# How the defaults were chosen{which}

Each line changes one default of `ClasterZSL`. The unseen classes of every problem were put away; of
its seen classes a quarter was held out, and a variant that had learnt the others named them (at
most {rows_a_class} rows a class). Mean per-class accuracy on the held-out classes, in percent:
first the default, then what a variant adds to it; the last column is the mean over all {n_folds}
folds of {averaged} data, with the 95 % t-interval of the paired differences. Synthetic are the
columns "linear" and "nonlinear", `make_zero_shot_classification` (40 seen classes, 256 features,
vectors of 64), "small", likewise (20 seen classes of 20 rows, 20 features, vectors of 15), and
"network", made like the features of a deep network (`benchmarks/problems.py`).
Lines with "compatibility" are
compared with the default parameters under the same test rule, since "combined" hides most of what
clusters do. `n_seeds` is no parameter: the probabilities of so many fits, with other seeds, are
averaged.

{table}

Made by `{command}`.
"""


def load(source, embedding, split):
    """Rows of seen classes, their labels and the class table."""
    if source == SYNTHETIC and embedding == "network":
        return network_features(40, ROWS_A_CLASS, split)
    if source == SYNTHETIC:
        small = embedding.startswith("small")
        n_seen, rows, n_features, width = (20, 20, 20, 15) if small else (40, ROWS_A_CLASS, 256, 64)
        data = make_zero_shot_classification(
            (n_seen + 2) * rows, n_features, n_seen=n_seen, n_unseen=2, n_embedding_features=width,
            nonlinear=embedding.endswith("nonlinear"), random_state=split,
        )  # fmt: skip
        seen = np.isin(data.target, data.seen_classes)
        class_vectors = data.class_embeddings.select(data.seen_classes)
        return data.data[seen], data.target[seen], class_vectors
    problem = load_problem(source, embedding, split)
    problem = change_training(problem, {"rows_a_class": ROWS_A_CLASS}, split)
    return problem.X_seen, problem.y_seen, problem.seen


def accuracy(source, embedding, split, fold, changes):
    """Held-out accuracy of one variant on one fold."""
    torch.set_num_threads(1)
    with threadpool_limits(1):
        X, y, class_vectors = load(source, embedding, split)
        folds = ZeroShotShuffleSplit(fold + 1, test_size=0.25, random_state=100 + split)
        learn, held_out = list(folds.split(X, y))[fold]
        held_out_vectors = class_vectors.select(np.unique(y[held_out]))
        parameters = dict(changes)
        probabilities = 0.0
        for number in range(parameters.pop("n_seeds", 1)):
            model = ClasterZSL(random_state=fold + 100 * number, **parameters)
            model.fit(X[learn], y[learn], class_vectors)
            probabilities = probabilities + model.predict_proba(X[held_out], held_out_vectors)
        predicted = np.asarray(held_out_vectors.labels)[probabilities.argmax(axis=1)]
        return mean_per_class_accuracy(y[held_out], predicted)


def name_of(changes):
    return ", ".join(f"`{name}={value!r}`" for name, value in changes.items()) or "default"


def table(problems, variants, figures, n_averaged):
    """Markdown lines from {(problem, variant): accuracies over folds}; means of `n_averaged`."""
    head = ["variant", *(embedding for _, embedding in problems), "mean difference"]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    for number, changes in enumerate(variants):
        own = [100 * np.array(figures[p, number]) for p in range(len(problems))]
        base = {k: v for k, v in changes.items() if k == "inference" and len(changes) > 1}
        reference = variants.index(base)
        if number in (reference, 0):
            cells = [f"{values.mean():.1f}" for values in own]
            cells.append("")
        else:
            others = [100 * np.array(figures[p, reference]) for p in range(len(problems))]
            gains = [a - b for a, b in zip(own, others, strict=True)]
            mean, half = interval(np.concatenate(gains[:n_averaged]))
            cells = [f"{gain.mean():+.1f}" for gain in gains]
            cells.append(f"{mean:+.2f} [{mean - half:+.2f}, {mean + half:+.2f}]")
        lines.append("| " + " | ".join([name_of(changes), *cells]) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--datasets", nargs="+", metavar="NAME", help=f"only these, of which {SYNTHETIC} is one"
    )
    parser.add_argument(
        "--data", type=Path, nargs="+", metavar="PATH",
        default=default_folders(),
        help="data sets as in run.py, with the same default",
    )  # fmt: skip
    parser.add_argument(
        "--only", nargs="+", metavar="PARAMETER", help="only variants that change these alone"
    )
    parser.add_argument("--splits", type=int, default=1, help="class splits a data set")
    parser.add_argument("--folds", type=int, default=2, help="hold-outs a split")
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread each")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results" / "defaults.md")
    args = parser.parse_args()
    sources = find_sources(path.resolve() for path in args.data)
    variants = [{}, *(v for v in VARIANTS if not args.only or set(v) <= set(args.only))]
    names = args.datasets or [*sources, SYNTHETIC]
    problems = [
        (name, kind)
        for name in names
        if name != SYNTHETIC
        for kind in names_of_embeddings(sources[name])
    ]
    n_averaged = len(problems)
    if SYNTHETIC in names:
        sources |= {SYNTHETIC: SYNTHETIC}
        problems += [(SYNTHETIC, kind) for kind in KINDS]
    averaged = "real" if n_averaged else SYNTHETIC
    n_averaged = n_averaged or len(problems)
    cells = list(product(range(len(problems)), range(len(variants))))
    folds = list(product(range(args.splits), range(args.folds)))
    figures = {}
    with joblib.parallel_config("loky", n_jobs=args.jobs, inner_max_num_threads=1):
        parallel = joblib.Parallel(return_as="generator")
        found = parallel(
            joblib.delayed(accuracy)(
                sources[problems[p][0]], problems[p][1], split, fold, variants[v]
            )
            for p, v in cells
            for split, fold in folds
        )
        for p, v in cells:
            figures[p, v] = [next(found) for _ in folds]
            mean = np.mean(figures[p, v])
            print(*problems[p], name_of(variants[v]), f"{mean:.4f}", file=sys.stderr, flush=True)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    text = TEXT.format(
        which=f": {', '.join(args.only)}" if args.only else "",
        table=table(problems, variants, figures, n_averaged),
        averaged=averaged,
        rows_a_class=ROWS_A_CLASS,
        n_folds=n_averaged * len(folds),
        command=command(),
    )
    args.output.write_text(text, "utf-8")
    print(f"written: {args.output}")


if __name__ == "__main__":
    main()
