"""Run ClasterZSL against tuned ESZSL and keep one row of figures for each fit.

    python benchmarks/zero_shot.py --jobs 2
    python benchmarks/report.py

All rows of the seen classes train, all rows of the unseen classes test. ClasterZSL has its default
parameters unless --set changes some. ESZSL's gamma and lam are chosen by cross-validation that
holds out whole classes, among the seen classes of each split. Rows are appended to the output as
they finish; a second run skips those that are there with equal parameters and versions.
"""

import argparse
import ast
import json
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from time import perf_counter

import joblib
import torch
from data import DIGIT_PAIRS, load_problem, names_of_embeddings, number_of_splits
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from sklearn_claster import ClasterZSL
from sklearn_claster.baselines import ESZSL
from sklearn_claster.metrics import mean_per_class_accuracy
from sklearn_claster.model_selection import ZeroShotKFold

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "zero_shot.jsonl"
DATASETS = [DIGIT_PAIRS, "ucf101_captions", "snu_b36ex"]
ESZSL_GRID = {"gamma": [10.0**k for k in range(-2, 4)], "lam": [10.0**k for k in range(-2, 4)]}
ESZSL_FOLDS = 4
KEY = ("dataset", "embedding", "method", "split", "seed", "parameters", "versions")


def fit_claster(problem, seed, parameters):
    """The fitted estimator, the seconds of tuning, and what tuning has chosen."""
    estimator = ClasterZSL(**parameters, random_state=seed)
    return estimator.fit(problem.X_seen, problem.y_seen, problem.seen), 0.0, {}


def fit_eszsl(problem, seed, parameters):
    """The same for ESZSL; the rows and vectors of unseen classes play no part in the search."""
    search = GridSearchCV(
        ESZSL(),
        parameters["grid"],
        scoring=make_scorer(mean_per_class_accuracy),
        cv=ZeroShotKFold(parameters["folds"], random_state=seed),
        error_score="raise",
    )
    start = perf_counter()
    search.fit(problem.X_seen, problem.y_seen, class_embeddings=problem.seen)
    seconds = perf_counter() - start - search.refit_time_
    return search.best_estimator_, seconds, search.best_params_


METHODS = {"ClasterZSL": fit_claster, "ESZSL": fit_eszsl}


def run(task, folder):
    """Complete a row: fit on the seen classes, name the rows of the unseen ones."""
    torch.set_num_threads(1)
    with threadpool_limits(1):
        problem = load_problem(
            task["dataset"], task["embedding"], task["split"], task["seed"], folder
        )
        start = perf_counter()
        estimator, tune_seconds, chosen = METHODS[task["method"]](
            problem, task["seed"] + task["split"], task["parameters"]
        )
        fit_seconds = perf_counter() - start - tune_seconds
        start = perf_counter()
        y_pred = estimator.predict(problem.X_unseen, unseen_embeddings=problem.unseen)
        predict_seconds = perf_counter() - start
    return {
        **task,
        "chosen": chosen,
        "accuracy": accuracy_score(problem.y_unseen, y_pred),
        "mean_per_class_accuracy": mean_per_class_accuracy(problem.y_unseen, y_pred),
        "tune_seconds": round(tune_seconds, 3),
        "fit_seconds": round(fit_seconds, 3),
        "predict_seconds": round(predict_seconds, 3),
        "device": str(getattr(estimator, "device_", "cpu")),
    }


def tasks(args, folder):
    """What identifies every row wanted; both methods of a split stand together."""
    overrides = dict(args.overrides)
    if "random_state" in overrides:
        raise ValueError("random_state is the row's seed + split; use --seed")
    claster = ClasterZSL().set_params(**overrides).get_params()
    del claster["random_state"]
    parameters = {"ClasterZSL": claster, "ESZSL": {"grid": ESZSL_GRID, "folds": ESZSL_FOLDS}}
    modules = ("numpy", "scipy", "sklearn", "torch", "sklearn_claster")
    versions = {"python": platform.python_version()}
    versions |= {name: str(import_module(name).__version__) for name in modules}
    problems = (
        (dataset, embedding, split)
        for dataset in args.datasets
        for embedding in names_of_embeddings(dataset, folder)
        for split in range(min(number_of_splits(dataset, folder), args.splits))
    )
    return [
        {
            "dataset": dataset,
            "embedding": embedding,
            "method": method,
            "split": split,
            "seed": args.seed,
            "parameters": parameters[method],
            "versions": versions,
        }
        for dataset, embedding, split in problems
        for method in METHODS
    ]


def key(row):
    """What makes a row the same as another: with all these equal it is not computed again."""
    return json.dumps([row[name] for name in KEY], sort_keys=True)


def read_rows(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def override(text):
    """A parameter from name=value; what is no Python literal is a string."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected name=value, got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


def make_parser():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--datasets", nargs="+", default=DATASETS, metavar="NAME",
        help=f"{DIGIT_PAIRS}, or NAME.npz in the data folder (default: {' '.join(DATASETS)})",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, metavar="DIR",
        default=os.environ.get("CLASTER_DATA", ROOT.parent / "shared" / "data"),
        help="folder of the .npz files (default: CLASTER_DATA, or ../shared/data)",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], type=override, dest="overrides",
        metavar="NAME=VALUE", help="a parameter of ClasterZSL; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--splits", type=int, default=sys.maxsize, help="at most so many a data set"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="split i is drawn and fitted with SEED + i"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread each")
    parser.add_argument("--output", type=Path, default=RESULTS, help="file of JSON lines to extend")
    return parser


def main():
    parser = make_parser()
    args = parser.parse_args()
    folder = Path(args.data).resolve()
    try:
        wanted = tasks(args, folder)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    finished = set(map(key, read_rows(args.output))) if args.output.exists() else set()
    todo = [task for task in wanted if key(task) not in finished]
    how = {"cores": os.cpu_count(), "command": shlex.join(["python", *sys.argv])}
    args.output.parent.mkdir(parents=True, exist_ok=True)
    print(f"{len(todo)} rows to compute, {len(wanted) - len(todo)} finished", file=sys.stderr)
    # loky's processes start with one thread each
    with joblib.parallel_config("loky", n_jobs=args.jobs, inner_max_num_threads=1):
        parallel = joblib.Parallel(return_as="generator_unordered")
        rows = parallel(joblib.delayed(run)(task, folder) for task in todo)
        for done, row in enumerate(rows, start=1):
            row |= {"date": datetime.now(UTC).isoformat(timespec="seconds"), **how}
            with args.output.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(
                f"[{done}/{len(todo)}] {row['dataset']} {row['embedding']} split {row['split']} "
                f"{row['method']}: {row['mean_per_class_accuracy']:.4f} "
                f"(tuned {row['tune_seconds']:.1f} s, fitted {row['fit_seconds']:.1f} s)",
                file=sys.stderr,
                flush=True,
            )


if __name__ == "__main__":
    main()
