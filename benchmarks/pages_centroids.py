"""The page of the study of centroids: when do they, and REINFORCE, help?"""

import numpy as np
from centroid_study import (
    BASE,
    KMEANS,
    NONE,
    RANDOM_DIRECTIONS,
    REINFORCE,
    ROWS_A_CLASS,
    conditions,
)
from figures import difference, markdown, mean_and_spread, paired_differences

TEXT = """\
# When do centroids and REINFORCE help?

One change at a time around the defaults of `ClasterZSL` (but `whiten=True`: changed training rows
shall not change how strongly features are whitened), on {cases}, at most {rows_a_class}
training rows a class, a fifth of each seen class's rows held out. Under every condition the
variants are compared on the same splits, seeds and training rows: differences of mean per-class
accuracy in percentage points with 95 % t-intervals over {n_splits} class splits of {n_cases} data
set(s), seeds averaged first. Splits share classes and rows, so the intervals are somewhat too
narrow; {n_lines} lines are many, so that about one in twenty leaves zero out by chance.

* "none": omega = psi. "{random}", the control for a term of the same size: the K-means
  centroids turned by one random rotation, so that lengths and angles between them stay and only the
  directions mean nothing, and weighted such that the term is as large as with K-means. "REINFORCE,
  V anew": a second fit with the same seed, and so the same phi, on the refined centroids, which
  stay fixed.
* Unseen classes: "compatibility" and "seen_class" see the clusters, "combined" (the default) only
  with a part of its score. Seen classes: the held-out rows, all seen classes as candidates.
* *Term*: root mean square of omega - psi relative to that of psi. *Purity*: `class_purity` on the
  training rows, percent. *Moved*: how far rewards moved the centroids, relative to their size.
* Wrong labels: a share of the training rows gets the label of another seen class. Outliers: a share
  of the training rows becomes noise ten times as wide as the data.

## Centroids against none

{against_none}

## REINFORCE against fixed K-means

{reinforce}

## Each data set

Unseen classes under "combined" and "compatibility", seen classes under "compatibility", in percent.

{each}
"""


def unseen(rule):
    return lambda row: row["by_rule"][rule]["unseen"]


def seen(row):
    return row["by_rule"]["compatibility"]["seen"]


MEASURES = {
    **{f'unseen, "{rule}"': unseen(rule) for rule in ("compatibility", "seen_class", "combined")},
    "seen": seen,
}


def centroid_page(plan, by_key, tables):
    """The Markdown text."""
    found = tables["centroids"]
    rows = {}
    for entry, row in found:
        rows.setdefault((entry.group, entry.label), []).append(row)
    cases = list(dict.fromkeys(entry.case for entry, _ in found))
    against = against_none(plan, rows)
    return TEXT.format(
        cases=", ".join(f"{case.dataset} ({case.embedding})" for case in cases),
        rows_a_class=plan.training.get("rows_a_class", ROWS_A_CLASS),
        n_splits=len({row["split"] for _, row in found}),
        n_cases=len(cases),
        n_lines=len(against),
        random=RANDOM_DIRECTIONS,
        against_none=markdown(
            ["condition", "centroids", "pairs", *MEASURES, "term", "purity", "moved"], against, 2
        ),
        reinforce=markdown(["condition", "pairs", *MEASURES], reinforce_against_kmeans(plan, rows)),
        each=markdown(
            ["condition", "data set", "centroids", "combined", "compatibility", "seen"],
            each_data_set(plan, rows),
            3,
        ),
    ).rstrip()


def gains(ours, theirs):
    """The number of pairs, and the difference in each measure."""
    differences = [paired_differences(ours, theirs, value) for value in MEASURES.values()]
    return [len(differences[0]), *map(difference, differences)]


def against_none(plan, rows):
    lines = []
    for condition in conditions(plan):
        none = rows.get((condition.compared_with, NONE), [])
        for variant in condition.variants:
            own = rows.get((condition.name, variant), [])
            if own and none and variant != NONE:
                words = [condition.name, variant]
                lines.append([*words, *gains(own, none), *clusters_in_short(own)])
    return lines


def clusters_in_short(rows):
    """Size of the centroid term, class purity, movement."""
    formats = {
        "centroid_term": "{:.2f}".format,
        "class_purity": lambda share: f"{100 * share:.1f}",
        "centroid_movement": "{:.1e}".format,
    }
    cells = []
    for name, show in formats.items():
        values = [row[name] for row in rows if name in row]
        cells.append(show(np.mean(values)) if values else "")
    return cells


def reinforce_against_kmeans(plan, rows):
    """The same condition with rewards and without; p_j's readings against the base's K-means."""
    lines = []
    for condition in conditions(plan):
        ours = rows.get((condition.name, REINFORCE), [])
        kmeans = condition.name if KMEANS in condition.variants else BASE
        theirs = rows.get((kmeans, KMEANS), [])
        if ours and theirs:
            lines.append([condition.name, *gains(ours, theirs)])
    return lines


def each_data_set(plan, rows):
    lines = []
    for condition in conditions(plan):
        of_condition = [v for v in condition.variants if (condition.name, v) in rows]
        datasets = {r["dataset"] for v in of_condition for r in rows[condition.name, v]}
        for dataset in sorted(datasets):
            for variant in of_condition:
                own = [r for r in rows[condition.name, variant] if r["dataset"] == dataset]
                values = [unseen("combined"), unseen("compatibility"), seen]
                cells = [mean_and_spread([value(r) for r in own]) for value in values]
                lines.append([condition.name, dataset, variant, *cells])
    return lines
