"""The page that compares methods: Tables 2, 3 and 4 of the paper."""

import numpy as np
from figures import difference, markdown, mean_and_spread, paired_differences
from methods import BASELINES, WHITENED
from studies import DEFAULT, GATE, TUNED, selected_baseline

# {(table, method): text}, as TEXT says; no figure that was not read somewhere.
PUBLISHED = {
    ("Table 2", DEFAULT): "UCF101 53.9, HMDB51 43.2, Olympic Sports 68.4",
    ("Table 2", "ESZSL"): "UCF101 15.0, HMDB51 18.5, Olympic Sports 39.6",
    ("Table 2", "SJE"): "word vectors: UCF101 9.9, HMDB51 13.3, Olympic Sports 28.6",
    ("Table 3", DEFAULT): "UCF101 51.3, HMDB51 48, Olympic Sports 69.1",
    ("Table 4", DEFAULT): "HMDB51 33.2",
}
SIDES = ("seen", "unseen")
TEXT = """\
# ClasterZSL and other methods

Every method is fitted on the same rows and named classes it had never seen; figures are mean
per-class accuracies in percent, mean ± standard deviation over the class splits. Differences are
paired by split against ClasterZSL with its defaults (method minus ClasterZSL, percentage points,
95 % t-interval). Splits share classes and rows, so they are not independent and the intervals are
somewhat too narrow.

* Hyper-parameters of every method, ours and theirs, are chosen among at most nine combinations by
  three-fold cross-validation over the *seen* classes of {tuning} (at most {tuning_rows} rows a
  class), which holds out whole classes. "{default}" is not tuned: it has one set of parameters
  everywhere.
* "whitened": the baseline on features that are whitened within classes, the first step of
  ClasterZSL. It says how much of the difference is due to this step, which any method may take. It
  does not count as a baseline where one is selected.
* A cell without a figure: the method needs binary class vectors (DAP, IAP), or rows are missing.
* Features of ucf101_captions are made from machine-made captions, not from pixels. No figure here
  compares with a published one for UCF101; the column "published" is there for a run on a user's
  own features. Its figures are on features of pixels and come from leaderboards that cite the
  papers: for unseen classes only from the Papers with Code tables that the repository
  OpenCodePapers keeps, the others from the page of CLASTER on wizwand.com. These do not say with
  which class vectors, and for seen and unseen classes together only "accuracy". The papers' own
  tables could not be read; what is in no leaderboard stays empty.
  HMDB51 and Olympic Sports take a user's own features (`--data`), and get the same tables.

## Against the baseline that validation selects

For each data set and kind of class vectors: the baseline with the best validation score on seen
classes, and the one that turns out best on the unseen classes, which nobody can know beforehand.
Differences are ClasterZSL (defaults) minus baseline.

{summary}

## Table 2: unseen classes only

{accuracy}

Differences to ClasterZSL:

{differences}

{generalized}{named}## Cost

The least of the splits in each column of Table 2, which other work beside it disturbs least, and
the mean of the columns. What was measured on different days ran on different machines, some of them
several times slower than others: only rows of the same days compare.

{cost}
"""
GENERALIZED = """\
## Table 3: seen and unseen classes together

A fifth of the rows of each seen class is held out, in {n_splits} class split(s). All methods have
the same gate between seen and unseen classes (`BiasDetector({gate!r})`, its threshold chosen on
held-out seen classes). H is the harmonic mean of the accuracies on seen and
on unseen classes; AUSUC, the area under the seen-unseen curve, needs no threshold and is taken
without the gate.

H:

{harmonic}

Differences in H to ClasterZSL:

{differences}

AUSUC:

{ausuc}

Seen / unseen, means:

{sides}

"""
NAMED = """\
## Table 4: splits with a name

TruZe: no unseen class occurs in Kinetics. "own": a data set's own row split. One split each, so
there is no spread. Accuracy on unseen classes when only they are candidates, and H of the
generalized setting.

{table}

"""


def accuracy(row):
    return row["mean_per_class_accuracy"]


def methods_page(plan, by_key, tables):
    """The Markdown text."""
    rows = tables["methods"]
    generalized = ""
    if tables["generalized"]:
        found = tables["generalized"]
        generalized = GENERALIZED.format(
            gate=GATE,
            n_splits=len({entry.task["split"] for entry, _ in found}),
            harmonic=figures_table(found, lambda row: row["harmonic_mean"], "Table 3"),
            differences=differences_table(found, lambda row: row["harmonic_mean"]),
            ausuc=figures_table(found, lambda row: row["ausuc"]),
            sides=sides_table(found),
        )
    named = NAMED.format(table=named_table(tables["named"])) if tables["named"] else ""
    return TEXT.format(
        tuning="each split" if plan.tune_every_split else "the first split",
        tuning_rows=plan.tuning_rows,
        default=DEFAULT,
        summary=summary_table(plan, by_key, rows),
        accuracy=figures_table(rows, accuracy, "Table 2"),
        differences=differences_table(rows, accuracy),
        generalized=generalized,
        named=named,
        cost=cost_table(rows),
    ).rstrip()


def lines_of(found):
    """The methods that have rows, ClasterZSL first."""
    labels = {entry.label for entry, _ in found}
    return [label for label in (DEFAULT, TUNED, *BASELINES, *WHITENED) if label in labels]


def cases_in(found):
    return list(dict.fromkeys(entry.case for entry, _ in found))


def rows_of(found, case, label):
    return [row for entry, row in found if entry.case == case and entry.label == label]


def heads(cases):
    return [f"{case.dataset}, {case.embedding}" for case in cases]


def figures_table(found, value, table=None):
    """Methods by cases: mean ± standard deviation; a column of published figures for a table."""
    cases = cases_in(found)
    lines = [
        [label]
        + [mean_and_spread([value(r) for r in rows_of(found, case, label)]) for case in cases]
        + ([PUBLISHED.get((table, label), "")] if table else [])
        for label in lines_of(found)
    ]
    published = ["published (other features)"] if table else []
    return markdown(["method", *heads(cases), *published], lines)


def differences_table(found, value):
    """Methods by cases: paired differences to the defaults of ClasterZSL."""
    cases = cases_in(found)
    lines = [
        [label]
        + [
            difference(
                paired_differences(
                    rows_of(found, case, label), rows_of(found, case, DEFAULT), value
                )
            )
            for case in cases
        ]
        for label in lines_of(found)
        if label != DEFAULT
    ]
    return markdown(["method", *heads(cases)], lines)


def sides_table(found):
    cases = cases_in(found)
    lines = []
    for label in lines_of(found):
        cells = [label]
        for case in cases:
            sides = ([row[side] for row in rows_of(found, case, label)] for side in SIDES)
            cells.append(" / ".join(f"{100 * np.mean(side):.1f}" for side in sides if side))
        lines.append(cells)
    return markdown(["method", *heads(cases)], lines)


def named_table(found):
    """Methods by named splits: both settings in one cell."""
    columns = list(dict.fromkeys((entry.case, entry.group) for entry, _ in found))
    head = ["method", *(f"{c.dataset} ({split}), {c.embedding}" for c, split in columns)]
    lines = []
    for label in lines_of(found):
        cells = [label]
        for case, split in columns:
            of_split = [
                row for row in rows_of(found, case, label) if row["split"] == split
            ]  # fmt: skip
            zsl = [accuracy(row) for row in of_split if row["setting"] == "zsl"]
            both = [row["harmonic_mean"] for row in of_split if row["setting"] == "gzsl"]
            parts = [mean_and_spread(zsl), f"H {mean_and_spread(both)}" if both else ""]
            cells.append("; ".join(filter(None, parts)))
        lines.append([*cells, PUBLISHED.get(("Table 4", label), "")])
    return markdown([*head, "published (other features)"], lines)


def summary_table(plan, by_key, found):
    """One line a case: ClasterZSL, the selected baseline, the best one with hindsight."""
    head = ["data set", "class vectors", "splits", DEFAULT, TUNED, "selected baseline"]
    head += ["its accuracy", "difference", "best with hindsight", "its accuracy", "difference"]
    lines, gains, hindsight = [], [], []
    for case in cases_in(found):
        ours = rows_of(found, case, DEFAULT)
        theirs = {label: rows_of(found, case, label) for label in BASELINES}
        theirs = {label: rows for label, rows in theirs.items() if rows}
        chosen = selected_rows(plan, by_key, case, theirs)
        best = max(theirs, key=lambda label: np.mean([*map(accuracy, theirs[label])]), default=None)
        cells = [case.dataset, case.embedding, len(ours)]
        cells.append(mean_and_spread([*map(accuracy, ours)]))
        cells.append(mean_and_spread([*map(accuracy, rows_of(found, case, TUNED))]))
        for name, rows, kept in (
            (", ".join(dict.fromkeys(r["method"] for r in chosen)), chosen, gains),
            (best or "", theirs.get(best, []), hindsight),
        ):
            gain = paired_differences(ours, rows, accuracy)
            cells += [name, mean_and_spread([*map(accuracy, rows)]), difference(gain)]
            kept.extend([gain.mean()] if len(gain) and "+" not in case.embedding else [])
        lines.append(cells)
    mean = ["mean", "", "", "", "", "", "", difference(gains), "", "", difference(hindsight)]
    last = (
        "The last line is the mean over the lines above, with the t-interval over them. Two kinds "
        "of class vectors side by side (A+B) are not in it."
    )
    return f"{markdown(head, [*lines, mean], 2)}\n\n{last}"


def selected_rows(plan, by_key, case, theirs):
    """The rows of the baseline that validation selects, split by split."""
    rows = []
    for split in {row["split"] for own in theirs.values() for row in own}:
        name = selected_baseline(plan, by_key, case, split)
        rows += [row for row in theirs.get(name, []) if row["split"] == split]
    return sorted(rows, key=lambda row: row["split"])


def cost_table(found):
    names = ("fit_seconds", "predict_seconds", "peak_memory_mib")
    lines = []
    for label in lines_of(found):
        columns = [rows for case in cases_in(found) if (rows := rows_of(found, case, label))]
        means = (np.mean([min(row[name] for row in rows) for rows in columns]) for name in names)
        days = [row["date"][:10] for rows in columns for row in rows]
        when = " to ".join(dict.fromkeys((min(days), max(days))))
        lines.append([label, *(f"{mean:.2f}" for mean in means), when])
    head = ["method", "fit, s", "predict, s", "peak memory of the process, MiB", "measured"]
    return markdown(head, lines)
