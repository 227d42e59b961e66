"""Turn the rows of benchmarks/zero_shot.py into a table.

python benchmarks/report.py
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from scipy.stats import sem, t
from zero_shot import METHODS, RESULTS, ROOT, read_rows

CLASTER, ESZSL = METHODS
TEXT = """\
# ClasterZSL and tuned ESZSL on unseen classes

Mean per-class accuracy on the unseen classes, in percent: mean ± standard deviation over the class
splits. The difference is paired by split (ClasterZSL minus ESZSL, percentage points) and stands
with its 95 % t-interval. Splits share classes and rows, so they are not independent and the
intervals are somewhat too narrow. Seconds are mean wall times of one fit on one thread of a machine
with other work to do: orders of magnitude, no more. ESZSL's include the choice of its parameters.

{table}

* ClasterZSL: one set of parameters for every data set: {claster}.
* ESZSL: gamma and lam chosen for each split among {n_choices} pairs by {folds}-fold
  cross-validation over the seen classes, which holds out whole classes. No row and no vector of an
  unseen class takes part.
* Seeds: split i is drawn and fitted with seed {seed} + i.
* Versions: {versions}.
* Machine: {cores} cores, one thread a process; device {device}; run {date}.
* Rows: `{rows}`, made by

```bash
{commands}
```
"""


def distinct(rows, *names):
    """The different values of a field, in order of appearance."""
    found = {}
    for row in rows:
        value = row
        for name in names:
            value = value[name]
        found.setdefault(json.dumps(value, sort_keys=True), value)
    return list(found.values())


def the_one(rows, *names):
    """The value of a field that a table has to have in common."""
    values = distinct(rows, *names)
    if len(values) > 1:
        sys.exit(
            f"The rows differ in {'.'.join(names)}: {values}. One table compares like with like: "
            "write each configuration to a file of its own (zero_shot.py --output), or drop the "
            "outdated lines."
        )
    return values[0]


def paired(rows):
    """Rows of the two methods on the same split: {(dataset, embedding): {method: [rows]}}."""
    by_split = {}
    for row in rows:
        problem = by_split.setdefault((row["dataset"], row["embedding"]), {})
        problem.setdefault(row["split"], {})[row["method"]] = row
    return {
        name: {method: [split[method] for split in complete] for method in METHODS}
        for name, splits in by_split.items()
        if (complete := [split for split in splits.values() if len(split) == len(METHODS)])
    }


def interval(differences, confidence=0.95):
    """Mean and half width of the t-interval of the mean; the width of one value is nan."""
    n = len(differences)
    half = t.ppf((1 + confidence) / 2, n - 1) * sem(differences) if n > 1 else np.nan
    return np.mean(differences), half


def table_row(name, methods):
    percent = {
        method: 100 * np.array([row["mean_per_class_accuracy"] for row in rows])
        for method, rows in methods.items()
    }
    mean, half = interval(percent[CLASTER] - percent[ESZSL])
    seconds = {
        method: np.mean([row["tune_seconds"] + row["fit_seconds"] for row in rows])
        for method, rows in methods.items()
    }
    several = len(percent[CLASTER]) > 1
    cells = [
        *name,
        len(percent[CLASTER]),
        *(
            f"{values.mean():.1f}" + (f" ± {values.std(ddof=1):.1f}" if several else "")
            for values in percent.values()
        ),
        f"{mean:+.1f}" + (f" [{mean - half:+.1f}, {mean + half:+.1f}]" if several else ""),
        *(f"{value:.1f}" for value in seconds.values()),
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def report(rows, source):
    """The Markdown page."""
    by_method = {m: [row for row in rows if row["method"] == m] for m in METHODS}
    parameters = {m: the_one(of_method, "parameters") for m, of_method in by_method.items()}
    head = ["data set", "class vectors", "splits", *METHODS, "difference [95 % interval]"]
    head += [f"{method}, s" for method in METHODS]
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    lines += [table_row(name, methods) for name, methods in sorted(paired(rows).items())]
    dates = sorted(row["date"][:10] for row in rows)
    grid = parameters[ESZSL]["grid"]
    return TEXT.format(
        table="\n".join(lines),
        claster=", ".join(f"`{name}={value!r}`" for name, value in parameters[CLASTER].items()),
        n_choices=len(grid["gamma"]) * len(grid["lam"]),
        folds=parameters[ESZSL]["folds"],
        seed=the_one(rows, "seed"),
        versions=", ".join(f"{name} {value}" for name, value in the_one(rows, "versions").items()),
        cores=" or ".join(map(str, distinct(rows, "cores"))),
        device=" or ".join(distinct(by_method[CLASTER], "device")),
        date=dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}",
        rows=source,
        commands="\n".join(distinct(rows, "command")),
    )


def main():
    parser = argparse.ArgumentParser(description="Turn rows of zero_shot.py into a table.")
    parser.add_argument("rows", type=Path, nargs="?", default=RESULTS, help="file of JSON lines")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results" / "zero_shot.md")
    args = parser.parse_args()
    path = args.rows.resolve()
    source = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(report(read_rows(path), source), "utf-8")
    print(f"written: {args.output}")


if __name__ == "__main__":
    main()
