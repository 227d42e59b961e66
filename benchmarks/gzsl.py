"""Seen and unseen classes together: every gate of ClasterZSL, and the limit of hindsight.

    python benchmarks/gzsl.py --jobs 2

Each split trains one ClasterZSL and its three models without a third of the seen classes; all gates
share them. Rows are appended to benchmarks/results/gzsl.jsonl as splits finish, and a second run
skips splits that are there with the same versions and parameters.
"""

import argparse
import copy
import json
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from time import process_time

import joblib
import numpy as np
import sklearn
import torch
from data import SEEN_TEST_SHARE, default_folders, find_sources, load_problem
from rows import ROOT
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from threadpoolctl import threadpool_limits

from sklearn_claster import BiasDetector, ClassEmbeddings, ClasterZSL, __version__
from sklearn_claster._gate.fitting import Judged, hold_out_classes
from sklearn_claster._gate.gate import look
from sklearn_claster.metrics import ausuc, gzsl_report

THRESHOLDS = 501  # quantiles of the test scores that hindsight tries
SPLITS = {
    "snu_b36ex": ("attributes", ["own"]),
    "ucf101_captions": ("sentence_description", ["0", "1", "2", "3", "4", "truze"]),
}
OWN_METHODS = [
    "learned", "max_softmax", "entropy", "energy", "mahalanobis", "relative_mahalanobis", "knn",
]  # fmt: skip
RECOMMENDED = "BiasDetector('learned'), hard"
TEXT = """\
# Seen and unseen classes together

`ClasterZSL(space="gzsl", bias_detector=..., gate=...)` with {parameters}. Mean per-class accuracy
on the test rows of seen and of unseen classes and their harmonic mean H, in percent, averaged over
the splits. *Limit*: the H that the best threshold (or constant), chosen with hindsight on the test
rows, reaches with the same scores. *AUSUC*: the area under the seen-unseen curve of
`decision_function`; a constant taken from a hard gate's seen scores moves its threshold.
*Held-out H*: what the choice of the threshold saw, the mean H on three thirds of the *seen* classes
that were held out; it alone decides which gate is recommended. *Predict*: time of `predict`,
relative to no gate.

{tables}

* Data: snu_b36ex with its own rows (`trainval_idx` trains, `test_seen_idx` and `test_unseen_idx`
  test) and class vectors `attributes`; ucf101_captions with `sentence_description`, the splits 0-4
  of Xu et al. and TruZe, {share:.0%} of the rows of each seen class held out (seed: the number of
  the split).
* No gate compares raw scores; its limit is that of stacking.
* IsolationForest and LocalOutlierFactor(novelty=True) have their default parameters and the
  threshold that the gate chooses for them.
* Fit: the three models without a third of the classes take {ratio:.2f} times the fit without a
  gate, so that a gated fit takes about {total:.2f} times as long (mean over the splits).
* Times are processor times.
* Versions: {versions}. Machine: {cores} cores, one thread a process; run {date}.
* Made by `{command}`.
"""


def detectors():
    """The gates by name: bias_detector and gate."""
    named = {f"BiasDetector({method!r})": BiasDetector(method) for method in OWN_METHODS}
    named["IsolationForest()"] = IsolationForest(random_state=0)
    named["LocalOutlierFactor()"] = LocalOutlierFactor(novelty=True)
    gates = {"no gate": (None, "hard"), "stacking": ("stacking", "hard")}
    for name, detector in named.items():
        gates |= {f"{name}, {gate}": (detector, gate) for gate in ("hard", "soft")}
    return gates


def load(dataset, split, source):
    """The problem of a split, which is a number or a name."""
    split = int(split) if split.isdigit() else split
    return load_problem(source, SPLITS[dataset][0], split, "gzsl")


def limit(model, X, codes, host_scores, is_seen):
    """The best harmonic mean that a threshold chosen on these rows reaches."""
    gate = model._gate
    judged = Judged.of(look(X, gate.feature_mean, gate.dtype, host_scores, is_seen), is_seen, codes)
    scores = gate.margins(X, host_scores, is_seen) + gate.threshold
    thresholds = np.append(np.quantile(scores, np.linspace(0, 1, THRESHOLDS)), scores.max() + 1)
    soft = (gate.scale, gate.sharpness) if model._gate_mode() == "soft" else None
    return max(judged.harmonic_means(scores, np.append(thresholds, gate.threshold), soft))


def seconds(function, *args, repeats=3):
    """The shortest of a few runs."""
    times = []
    for _ in range(repeats):
        start = process_time()
        function(*args)
        times.append(process_time() - start)
    return min(times)


def run(dataset, split, parameters, source):
    """One row of figures for each gate on one split."""
    torch.set_num_threads(1)
    with threadpool_limits(1):
        problem = load(dataset, split, source)
        X, y = problem.X_seen, problem.y_seen
        X_test = np.concatenate([problem.X_held, problem.X_unseen])
        y_test = np.concatenate([problem.y_held, problem.y_unseen])
        table = ClassEmbeddings(
            np.concatenate([problem.seen.labels, problem.unseen.labels]),
            np.concatenate([problem.seen.vectors, problem.unseen.vectors]),
        )
        labels = table.labels
        host = ClasterZSL(space="gzsl", random_state=0, **parameters)
        start = process_time()
        host.fit(X, y, table)
        fit_seconds = process_time() - start
        codes = np.searchsorted(host.classes_, y)
        start = process_time()
        folds = hold_out_classes(host, X, codes, host._seen_table(), np.float32)
        fold_seconds = process_time() - start
        scores, is_seen = host._raw_scores(X_test), np.isin(labels, host.classes_)
        rows = []
        for name, (detector, gate) in detectors().items():
            model = copy.copy(host)
            model.bias_detector, model.gate = detector, gate
            start = process_time()
            model._fit_gate(X, codes, lambda *_: folds)
            gate_seconds = process_time() - start
            row = gzsl_report(y_test, model.predict(X_test), host.classes_)
            decisions = model.decision_function(X_test)
            row["ausuc"] = ausuc(y_test, decisions, labels, host.classes_)
            if detector is not None:
                test_codes = np.searchsorted(labels, y_test)
                row["limit"] = limit(model, X_test, test_codes, scores, is_seen)
                row["held_out"] = model._gate.harmonic_mean
            rows.append(
                {"dataset": dataset, "split": split, "gate": name, "parameters": parameters}
                | row
                | {
                    "fit_seconds": fit_seconds,
                    "fold_seconds": fold_seconds,
                    "gate_seconds": gate_seconds,
                    "predict_seconds": seconds(model.predict, X_test),
                }
            )
        return rows


def mean_of(rows, name):
    values = [row[name] for row in rows if name in row]
    return np.mean(values) if values else np.nan


def table_of(rows):
    """Markdown lines: one for each gate, averaged over the splits in `rows`."""
    head = ["gate", "seen", "unseen", "H", "limit", "H / limit", "AUSUC", "held-out H", "predict"]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    by_gate = {name: [row for row in rows if row["gate"] == name] for name in detectors()}
    plain = by_gate["no gate"]
    for name, own in by_gate.items():
        figures = [mean_of(own, key) for key in ("seen", "unseen", "harmonic_mean")]
        best = mean_of(own if name != "no gate" else by_gate["stacking"], "limit")
        held_out = mean_of(own, "held_out")
        time = mean_of(own, "predict_seconds") / mean_of(plain, "predict_seconds")
        cells = [f"**{name}**" if name == RECOMMENDED else name]
        cells += [f"{100 * value:.1f}" for value in (*figures, best)]
        cells += [f"{figures[2] / best:.2f}", f"{100 * mean_of(own, 'ausuc'):.1f}"]
        cells += ["" if np.isnan(held_out) else f"{100 * held_out:.1f}", f"{time:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def report(rows, how):
    """The Markdown page."""
    parts = []
    for dataset, (_, splits) in SPLITS.items():
        groups = {"own split": ["own"]}
        if dataset == "ucf101_captions":
            groups = {"Xu's splits": [s for s in splits if s != "truze"], "TruZe": ["truze"]}
        for title, names in groups.items():
            own = [row for row in rows if row["dataset"] == dataset and row["split"] in names]
            if own:
                n_splits = len({row["split"] for row in own})
                parts.append(f"## {dataset}, {title} ({n_splits})\n\n{table_of(own)}")
    ratio = mean_of(rows, "fold_seconds") / mean_of(rows, "fit_seconds")
    parameters = json.dumps(rows[0]["parameters"]) if rows[0]["parameters"] else "its defaults"
    return TEXT.format(
        tables="\n\n".join(parts), share=SEEN_TEST_SHARE, ratio=ratio, total=1 + ratio,
        parameters=parameters, **how,
    )  # fmt: skip


def make_parser():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", nargs="+", choices=list(SPLITS), default=list(SPLITS))
    parser.add_argument("--splits", nargs="+", help="only these, for example: own 0 truze")
    parser.add_argument(
        "--data", type=Path, nargs="+", metavar="PATH",
        default=default_folders(),
        help="data sets as in run.py, with the same default",
    )  # fmt: skip
    parser.add_argument("--epochs", type=int, help="max_epochs of ClasterZSL, for a quick look")
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread each")
    results = ROOT / "benchmarks" / "results" / "gzsl.jsonl"
    parser.add_argument("--rows", type=Path, default=results, help="file of JSON lines to extend")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results" / "gzsl.md")
    return parser


def main():
    parser = make_parser()
    args = parser.parse_args()
    parameters = {} if args.epochs is None else {"max_epochs": args.epochs}
    versions = {
        "python": platform.python_version(),
        "sklearn_claster": __version__,
        "scikit-learn": sklearn.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    estimator = json.loads(json.dumps(ClasterZSL(**parameters).get_params(deep=False)))
    wanted = [
        (dataset, split)
        for dataset in args.datasets
        for split in SPLITS[dataset][1]
        if not args.splits or split in args.splits
    ]
    try:
        sources = find_sources(path.resolve() for path in args.data)
        if missing := set(args.datasets) - set(sources):
            raise FileNotFoundError(f"There is no data set {', '.join(sorted(missing))} in --data.")
    except FileNotFoundError as error:
        parser.error(str(error))
    rows = []
    if args.rows.exists():
        found = [json.loads(line) for line in args.rows.read_text("utf-8").splitlines()]
        rows = [
            row
            for row in found
            if row["versions"] == versions and row.get("estimator") == estimator
            and (row["dataset"], row["split"]) in wanted
        ]  # fmt: skip
    finished = {(row["dataset"], row["split"]) for row in rows}
    todo = [problem for problem in wanted if problem not in finished]
    args.rows.parent.mkdir(parents=True, exist_ok=True)
    with joblib.parallel_config("loky", n_jobs=args.jobs, inner_max_num_threads=1):
        parallel = joblib.Parallel(return_as="generator_unordered")
        for of_split in parallel(
            joblib.delayed(run)(dataset, split, parameters, sources[dataset])
            for dataset, split in todo
        ):
            of_split = [row | {"versions": versions, "estimator": estimator} for row in of_split]
            rows += of_split
            with args.rows.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in of_split)
            print(of_split[0]["dataset"], of_split[0]["split"], file=sys.stderr, flush=True)
    how = {
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "cores": os.cpu_count(),
        "date": datetime.now(UTC).date().isoformat(),
        "command": shlex.join(["python", *sys.argv]),
    }
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(report(rows, how), "utf-8")
    print(f"written: {args.output}")


if __name__ == "__main__":
    main()
