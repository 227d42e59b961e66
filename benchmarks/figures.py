"""Arithmetic of the tables: means, spreads, paired differences with intervals, Markdown."""

import json

import numpy as np
from scipy.stats import sem, t


def interval(differences, confidence=0.95):
    """Mean and half width of the t-interval of the mean; the width of one value is nan."""
    n = len(differences)
    half = t.ppf((1 + confidence) / 2, n - 1) * sem(differences) if n > 1 else np.nan
    return np.mean(differences), half


def by_unit(rows, value):
    """What pairs rows: {(data set, class vectors, split): value}, averaged over seeds."""
    found = {}
    for row in rows:
        unit = (row["dataset"], row["embedding"], row["split"])
        found.setdefault(unit, []).append(value(row))
    return {unit: float(np.mean(values)) for unit, values in found.items()}


def paired_differences(ours, theirs, value):
    """Differences of the units that both have, as an array."""
    a, b = by_unit(ours, value), by_unit(theirs, value)
    return np.array([a[unit] - b[unit] for unit in a if unit in b])


def mean_and_spread(values):
    """In percent: "17.3 ± 2.4"; a single value has no spread."""
    if not len(values):
        return ""
    percent = 100 * np.asarray(values)
    spread = f" ± {percent.std(ddof=1):.1f}" if len(percent) > 1 else ""
    return f"{percent.mean():.1f}{spread}"


def difference(differences):
    """In percentage points with the 95 % interval: "+1.3 [+0.2, +2.4]"."""
    if not len(differences):
        return ""
    mean, half = interval(100 * np.asarray(differences))
    limits = "" if np.isnan(half) else f" [{mean - half:+.1f}, {mean + half:+.1f}]"
    return f"{mean:+.1f}{limits}"


def markdown(head, lines, n_words=1):
    """A table whose first columns are words and whose others are figures."""
    ruler = "|" + "---|" * n_words + "---:|" * (len(head) - n_words)
    rows = ["| " + " | ".join(map(str, cells)) + " |" for cells in (head, *lines)]
    return "\n".join([rows[0], ruler, *rows[1:]])


def distinct(rows, name):
    """The different values of a field, in order of appearance."""
    return list({json.dumps(row[name], sort_keys=True): row[name] for row in rows}.values())
