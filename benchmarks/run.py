"""Make the evidence: one row of figures for each fit, and the pages that show them.

    python benchmarks/run.py --jobs 2              the paper's tables (hours)
    python benchmarks/run.py in_use probabilities --jobs 2
                                                   one space, probabilities, unlabelled samples
    python benchmarks/run.py --data my_features.npz --output my_results
    python benchmarks/run.py --pages-only          the pages from the rows that are there

A second run computes only what is missing: a row is kept if data, parameters, versions and the
state of the package's code are equal.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

from data import N_SPLITS, default_folders, find_sources
from measure import measure
from methods import METHODS
from pages import write_pages
from rows import ROOT, compute, read_rows
from studies import PAPER, STUDIES, Plan, cases_of, catalogue, tuning


def read_arguments():
    how = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=how)
    words = f"of {', '.join(STUDIES)} (default: {', '.join(PAPER)})"
    choices = {"choices": [PAPER, *STUDIES], "default": PAPER, "metavar": "STUDY"}
    parser.add_argument("studies", nargs="*", help=words, **choices)
    words = ".npz files, folders of them or of .mat files (default: CLASTER_DATA or ../shared/data)"
    path = {"type": Path, "metavar": "PATH", "default": default_folders()}
    parser.add_argument("--data", nargs="+", help=words, **path)
    parser.add_argument("--datasets", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--embeddings", nargs="+", metavar="NAME", help="only these class vectors")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, metavar="NAME")
    parser.add_argument("--splits", type=int, default=N_SPLITS, help="class splits at most")
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread each")
    words = "folder for rows.csv.gz and the pages (default: benchmarks/results and docs/results)"
    parser.add_argument("--output", type=Path, metavar="DIR", help=words)
    parser.add_argument("--pages-only", action="store_true", help="compute nothing")
    return parser.parse_args()


def outputs(args):
    """The table of rows and the folder of pages."""
    table = (args.output or ROOT / "benchmarks" / "results") / "rows.csv.gz"
    return table, args.output or ROOT / "docs" / "results"


def execute(args, path):
    """Compute what is missing: first what chooses hyper-parameters, then the studies."""
    sources = find_sources(args.data)
    names = args.datasets or list(sources)
    if unknown := sorted(set(names) - set(sources)):
        sys.exit(
            f"There is no data set {', '.join(unknown)}; there are {', '.join(sources)}. "
            "Name its file or folder with --data."
        )
    cases = catalogue({name: sources[name] for name in names}, args.embeddings)
    if not cases:
        sys.exit("No data set has these class vectors.")
    plan, function = Plan(cases, args.methods, args.splits), partial(measure, sources=sources)
    errors = compute(tuning(plan, args.studies), function, path, args.jobs, "validation")
    for name in args.studies:
        tasks = [entry.task for entry in STUDIES[name](plan, read_rows(path))]
        errors += compute(tasks, function, path, args.jobs, name)
    return errors


def main():
    args = read_arguments()
    path, folder = outputs(args)
    errors = [] if args.pages_only else execute(args, path)
    rows = read_rows(path)
    tuned = {row["method"] for row in rows.values() if row["kind"] == "validation"}
    plan = Plan(cases_of(rows), [name for name in METHODS if name in tuned], sys.maxsize)
    write_pages(args.studies, plan, rows, folder, path)
    if errors:
        sys.exit("\n".join([f"{len(errors)} rows failed:", *errors]))


if __name__ == "__main__":
    main()
