"""Make the evidence: one row of figures for each fit, and the pages that show them.

    python benchmarks/run.py --jobs 2              the paper's tables (an hour)
    python benchmarks/run.py centroids --jobs 2    when do centroids and REINFORCE help?
    python benchmarks/run.py --quick --jobs 2      a first look (minutes)
    python benchmarks/run.py --tune-every-split    without shortcuts (many hours)
    python benchmarks/run.py --data my_features.npz --output my_results

Rows are appended to a file as they finish. A second run computes only what is missing: a row whose
data, parameters and versions are equal is kept. A change of the code alone is not noticed; delete
the file then.
"""

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from centroid_study import centroid_study
from data import OWN, TRUZE, default_folders, find_sources
from measure import measure
from methods import METHODS, check_available
from pages import write_pages
from rows import ROOT, compute, latest, read_rows
from studies import (
    NEED_TUNING,
    PRESETS,
    SPLITS,
    STUDIES,
    Plan,
    cases_of,
    catalogue,
    fit_of,
    tuning,
)

ALL = STUDIES | {"centroids": centroid_study}


def make_parser():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "studies", nargs="*", metavar="STUDY",
        help=f"of {', '.join(ALL)} (default: all but centroids)",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, nargs="+", metavar="PATH",
        default=default_folders(),
        help=".npz files, folders of them, and folders with an xlsa17 pair of .mat files "
        "(default: the folder CLASTER_DATA, or ../shared/data if there is one)",
    )  # fmt: skip
    parser.add_argument("--datasets", nargs="+", metavar="NAME", help="only these")
    parser.add_argument(
        "--embeddings", nargs="+", metavar="NAME",
        help="only these kinds of class vectors; A+B puts two side by side",
    )  # fmt: skip
    parser.add_argument("--methods", nargs="+", metavar="NAME", help=f"of {', '.join(METHODS)}")
    preset = parser.add_mutually_exclusive_group()
    preset.add_argument(
        "--quick", dest="preset", action="store_const", const="quick", default="standard",
        help="few splits, six training rows a class, one kind of class vectors, the fast methods",
    )  # fmt: skip
    preset.add_argument(
        "--tune-every-split", dest="preset", action="store_const", const="full",
        help="hyper-parameters chosen anew for every split, ten splits everywhere",
    )  # fmt: skip
    parser.add_argument(
        "--own-split", action="store_true", help="Table 4 with the data sets' own row splits too"
    )
    parser.add_argument(
        "--splits", type=int, help="class splits of every study, where a data set has so many"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread each")
    parser.add_argument(
        "--output", type=Path, metavar="DIR",
        help="folder for rows.jsonl and the pages (default: benchmarks/results and docs/results; "
        "build/benchmarks/NAME with --quick and --tune-every-split)",
    )  # fmt: skip
    parser.add_argument(
        "--pages-only", action="store_true", help="compute nothing, render the rows that are there"
    )
    return parser


def outputs(args):
    """The file of rows and the folder of pages."""
    if args.output is None and args.preset == "standard":
        return ROOT / "benchmarks" / "results" / "rows.jsonl", ROOT / "docs" / "results"
    folder = args.output or ROOT / "build" / "benchmarks" / args.preset
    return folder / "rows.jsonl", folder


def make_plan(args, cases):
    """How much to compute, from the preset and the command line."""
    changes = dict(PRESETS[args.preset])
    if args.methods:
        changes["methods"] = tuple(args.methods)
    plan = Plan(cases, **changes)
    if args.own_split:
        plan = replace(plan, named=(TRUZE, OWN))
    if args.preset == "quick" and not args.embeddings:
        plan = replace(plan, cases=tuple(plan.study_cases()))
    if args.splits is not None:
        plan = replace(plan, **dict.fromkeys(SPLITS, args.splits))
        plan = replace(plan, long_splits=min(args.splits, plan.long_splits))
    return plan


def execute(plan, names, sources, path, jobs):
    """Compute what is missing: first what chooses hyper-parameters, then the studies."""
    function = partial(measure, sources=sources)
    errors = []
    if NEED_TUNING & set(names):
        errors += compute(tuning(plan, names), function, path, jobs, "validation", fit_of)
    by_key = latest(read_rows(path))
    for name in names:
        tasks = [entry.task for entry in ALL[name](plan, by_key)]
        errors += compute(tasks, function, path, jobs, name, fit_of)
    return errors


def main():
    parser = make_parser()
    args = parser.parse_args()
    names = args.studies or list(STUDIES)
    path, folder = outputs(args)
    try:
        if unknown := set(names) - set(ALL):
            raise ValueError(f"Unknown study {', '.join(unknown)}; there are {', '.join(ALL)}.")
        if args.pages_only:
            sources, cases = {}, cases_of(read_rows(path))
        else:
            sources = find_sources(path.resolve() for path in args.data)
            if unknown := set(args.datasets or []) - set(sources):
                raise ValueError(
                    f"There is no data set {', '.join(sorted(unknown))}; there are "
                    f"{', '.join(sources)}. Name its file or folder with --data."
                )
            cases = catalogue(sources, args.datasets, args.embeddings)
        plan = make_plan(args, cases)
        if not cases:
            raise ValueError("No data set has these class vectors, or there are no rows yet.")
        check_available(plan.methods)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    errors = [] if args.pages_only else execute(plan, names, sources, path, args.jobs)
    write_pages(plan, names, read_rows(path), folder, path)
    if errors:
        sys.exit("\n".join([f"{len(errors)} rows failed:", *errors]))


if __name__ == "__main__":
    main()
