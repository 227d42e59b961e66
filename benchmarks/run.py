"""Make the evidence: one row of figures for each fit, and the pages that show them.

    python benchmarks/run.py --jobs 2              the paper's tables (hours)
    python benchmarks/run.py in_use probabilities --jobs 2
                                                   one space, probabilities, unlabelled samples
    python benchmarks/run.py --quick --jobs 2      a first look (minutes)
    python benchmarks/run.py --data my_features.npz --output my_results
    python benchmarks/run.py --pages-only          the pages from the rows that are there

A second run computes only what is missing: a row is kept if data, parameters, versions and the
state of the package's code are equal.
"""

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from data import default_folders, find_sources
from measure import measure
from methods import CLASTER, METHODS, class_of
from pages import write_pages
from rows import ROOT, compute, read_rows
from studies import PAPER, STUDIES, Plan, cases_of, catalogue, tuning

QUICK = {
    "splits": 2, "rows_a_class": 6, "tuning_rows": 6,
    "methods": (CLASTER, "ESZSL", "ConSE", "PrototypeRegression", "SAE"),
}  # fmt: skip


def make_parser():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    studies = f"of {', '.join(STUDIES)} (default: {', '.join(PAPER)})"
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=studies)
    parser.add_argument(
        "--data", type=Path, nargs="+", metavar="PATH", default=default_folders(),
        help=".npz files, folders of them, and folders with .mat files "
        "(default: the folder CLASTER_DATA, or ../shared/data if there is one)",
    )  # fmt: skip
    parser.add_argument("--datasets", nargs="+", metavar="NAME", help="only these")
    parser.add_argument(
        "--embeddings", nargs="+", metavar="NAME",
        help="only these kinds of class vectors; A+B puts two side by side",
    )  # fmt: skip
    parser.add_argument("--methods", nargs="+", metavar="NAME", help=f"of {', '.join(METHODS)}")
    parser.add_argument("--splits", type=int, help="class splits, where a data set has so many")
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread each")
    parser.add_argument(
        "--quick", action="store_true",
        help="two splits, six training samples per class, one kind of class vectors, fast methods",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, metavar="DIR",
        help="folder for rows.csv.gz and the pages (default: benchmarks/results and docs/results; "
        "build/benchmarks with --quick)",
    )  # fmt: skip
    parser.add_argument("--pages-only", action="store_true", help="compute nothing")
    return parser


def outputs(args):
    """The table of rows and the folder of pages."""
    if args.output is None and not args.quick:
        return ROOT / "benchmarks" / "results" / "rows.csv.gz", ROOT / "docs" / "results"
    folder = args.output or ROOT / "build" / "benchmarks"
    return folder / "rows.csv.gz", folder


def make_plan(args):
    """What to compute, and where its data lie; ValueError for what is unknown."""
    sources = find_sources(args.data)
    if unknown := set(args.datasets or []) - set(sources):
        raise ValueError(
            f"There is no data set {', '.join(sorted(unknown))}; there are {', '.join(sources)}. "
            "Name its file or folder with --data."
        )
    cases = catalogue(sources, args.datasets, args.embeddings)
    if not cases:
        raise ValueError("No data set has these class vectors.")
    plan = Plan(cases, **(QUICK if args.quick else {}))
    if args.quick and not args.embeddings:
        plan = replace(plan, cases=tuple(plan.for_studies))
    given = {"methods": args.methods and tuple(args.methods), "splits": args.splits}
    plan = replace(plan, **{name: value for name, value in given.items() if value})
    for name in plan.methods:
        class_of(name)
    return plan, sources


def execute(plan, names, sources, path, jobs):
    """Compute what is missing: first what chooses hyper-parameters, then the studies."""
    function = partial(measure, sources=sources)
    errors = compute(tuning(plan, names), function, path, jobs, "validation")
    for name in names:
        tasks = [entry.task for entry in STUDIES[name](plan, read_rows(path))]
        errors += compute(tasks, function, path, jobs, name)
    return errors


def main():
    parser = make_parser()
    args = parser.parse_args()
    names, errors = args.studies or PAPER, []
    path, folder = outputs(args)
    plan = Plan((), **(QUICK if args.quick else {}))
    try:
        if unknown := set(names) - set(STUDIES):
            raise ValueError(f"Unknown study {', '.join(unknown)}; there are {', '.join(STUDIES)}.")
        if not args.pages_only:
            wanted, sources = make_plan(args)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if not args.pages_only:
        errors = execute(wanted, names, sources, path, args.jobs)
    rows = read_rows(path)
    tuned = {row["method"] for row in rows.values() if row["kind"] == "validation"}
    known = tuple(name for name in METHODS if name in tuned)
    plan = replace(plan, cases=cases_of(rows), methods=known, splits=sys.maxsize)
    write_pages(names, plan, rows, folder, path)
    if errors:
        sys.exit("\n".join([f"{len(errors)} rows failed:", *errors]))


if __name__ == "__main__":
    main()
