"""Which fits the evidence takes: each study is a list of entries, a label and the task behind it.

Tasks of different studies that are equal are one row. Hyper-parameters come from validation rows,
which see the training samples of seen classes only.
"""

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from data import N_SPLITS, OWN, TRUZE, fingerprint, read_arrays, splits_of, tables_of
from methods import BASELINES, BINARY_ONLY, CLASTER, METHODS, ONE_SPACE, SLOW, build
from rows import key
from sklearn.model_selection import ParameterGrid

DEFAULT, TUNED = CLASTER, f"{CLASTER}, tuned"
PER_CLASS = 40  # training samples at most, where something is chosen
SLOW_SPLITS = 3  # of the methods that train a generator
# Where a data set has several kinds of class vectors, studies of the method itself take one.
STUDY_EMBEDDING = {
    "ucf101_captions": "sentence_description",
    "ucf101_minilm": "minilm_description",
    "snu_b36ex": "attributes",
}
ABLATION = {  # Table 1, in the paper's words
    "no clusters (baseline)": {"centroids": None},
    "random centroids": {"centroids": "random"},
    "NetVLAD": {"centroids": "netvlad"},
    "K-means, fixed": {"centroids": "kmeans"},
    "CLASTER w/o RL": {"centroids": "gradient"},
    "CLASTER w/o SE": {"fusion": None},
    "CLASTER": {},
}
SIMPLE = (*ONE_SPACE, "ESZSL")  # beside ClasterZSL where features and class vectors share a space


@dataclass(frozen=True)
class Case:
    """A data set with one kind of class vectors."""

    dataset: str
    data: str  # fingerprint of its files
    embedding: str
    binary: bool  # whether its class vectors hold two values only
    splits: tuple
    one_space: bool = False  # whether its class vectors are as wide as its features

    def takes(self, method):
        """Whether a method can use it."""
        two_values = self.binary or method not in BINARY_ONLY
        return two_values and (self.one_space or method not in ONE_SPACE)

    @property
    def numbered(self):
        return [split for split in self.splits if not isinstance(split, str)]

    @property
    def named(self):
        return [split for split in (OWN, TRUZE) if split in self.splits]


@dataclass(frozen=True)
class Plan:
    """How much is computed."""

    cases: tuple
    methods: tuple = tuple(METHODS)
    splits: int = N_SPLITS  # of every study

    @property
    def for_studies(self):
        """One kind of class vectors for each data set: the one named above, or the first."""
        chosen = {}
        for case in self.cases:
            if case.embedding == STUDY_EMBEDDING.get(case.dataset):
                chosen[case.dataset] = case
            chosen.setdefault(case.dataset, case)
        return list(chosen.values())


@dataclass(frozen=True)
class Entry:
    """One cell of a table: the case, the line it stands in, and the task that fills it."""

    case: Case
    label: Any
    task: dict


def catalogue(sources, embeddings=None):
    """The cases that these data sets offer."""
    cases = []
    for name, source in sources.items():
        width, splits = read_arrays(source)["X"].shape[1], tuple(splits_of(source))
        for kind, table in tables_of(source).items():
            if kind in (embeddings or [kind]):
                values = set(np.unique(table.vectors))
                binary = values <= {0, 1} or values <= {-1, 1}
                shared = table.vectors.shape[1] == width
                cases.append(Case(name, fingerprint(source), kind, binary, splits, shared))
    return tuple(cases)


def cases_of(rows):
    """The cases that rows are about."""
    splits, shared = {}, set()
    for row in rows.values():
        case = (row["dataset"], row["data"], row["embedding"], row["binary"])
        splits.setdefault(case, set()).add(row["split"])
        shared |= {case} if row["method"] in ONE_SPACE else set()
    return tuple(
        Case(*case, tuple(sorted(splits[case], key=str)), case in shared) for case in sorted(splits)
    )


def make_task(case, split, method, changes, **others):
    """A task in full; what is no change of a default is left out."""
    defaults = _defaults(method)
    return {
        "kind": "test",
        "dataset": case.dataset,
        "data": case.data,
        "embedding": case.embedding,
        "split": split,
        "setting": "zsl",
        "method": method,
        "changes": {k: v for k, v in changes.items() if k not in defaults or defaults[k] != v},
        "rows_a_class": 0,
        "binary": case.binary,
    } | others


@cache
def _defaults(method):
    return build(method, {}).get_params(deep=False)


def validation_tasks(plan, method, case, split):
    """One task for each combination of a method's parameters; numbered splits share them."""
    # the setting "gzsl" goes without the samples that the generalized setting tests on
    options = {"kind": "validation", "setting": "gzsl", "rows_a_class": PER_CLASS}
    split = split if isinstance(split, str) else case.numbered[0]
    return [make_task(case, split, method, c, **options) for c in ParameterGrid(METHODS[method])]


def chosen(plan, rows, method, case, split):
    """The best combination of parameters and its validation score; None before it is known."""
    found = [rows.get(key(task)) for task in validation_tasks(plan, method, case, split)]
    if None in found:
        return None
    best = max(found, key=lambda row: row["validation"])  # the first of equals
    return best["changes"], best["validation"]


def selected_baseline(plan, rows, case, split):
    """The baseline that class-wise validation on seen classes prefers; None before it is known."""
    scores = {}
    for method in BASELINES:
        if method in plan.methods and method not in SLOW and case.takes(method):
            if (found := chosen(plan, rows, method, case, split)) is None:
                return None
            scores[method] = found[1]
    return max(scores, key=scores.get) if scores else None


def comparison(plan, rows, settings, named=False):
    """ClasterZSL as it is, and every method tuned; what is not tuned yet is left out."""
    entries = []
    for setting in settings:
        for case, split, method in _compared(plan, named):
            if method == CLASTER:
                task = make_task(case, split, method, {}, setting=setting)
                entries.append(Entry(case, DEFAULT, task))
            if found := chosen(plan, rows, method, case, split):
                label = TUNED if method == CLASTER else method
                task = make_task(case, split, method, found[0], setting=setting)
                entries.append(Entry(case, label, task))
    return entries


def _compared(plan, named):
    """Cases with their splits, those that have a name or the others, and methods.

    First of all the first splits, so that a run that ends early has compared everything on a few.
    Slow methods take one kind of class vectors and the first splits.
    """
    few = [(case, split) for case in plan.for_studies for split in case.numbered[:SLOW_SPLITS]]
    found = [
        (case, split, method)
        for case in (plan.for_studies if named else plan.cases)
        for split in (case.named if named else case.numbered[: plan.splits])
        for method in plan.methods
        if case.takes(method) and (method not in SLOW or (case, split) in few)
    ]
    return sorted(found, key=lambda entry: entry[0].splits.index(entry[1]))


def ablation_study(plan, rows):
    """ClasterZSL with one part changed, label by label."""
    return [
        Entry(case, label, make_task(case, split, CLASTER, changes))
        for case in plan.for_studies
        for split in case.numbered[: plan.splits]
        for label, changes in ABLATION.items()
    ]


def defaults_study(plan, rows, kind, others=()):
    """ClasterZSL with its defaults, and others beside it where one space is possible."""
    entries = [
        Entry(case, method, make_task(case, split, method, {}, kind=kind, setting="gzsl"))
        for case in plan.cases
        for split in case.numbered[: plan.splits]
        for method in (CLASTER, *(others if case.one_space else ()))
    ]
    return sorted(entries, key=lambda entry: entry.task["split"])


STUDIES = {
    "methods": partial(comparison, settings=["zsl"]),
    "generalized": partial(comparison, settings=["gzsl"]),
    "named": partial(comparison, settings=["zsl", "gzsl"], named=True),
    "ablation": ablation_study,
    "in_use": partial(defaults_study, kind="in_use", others=SIMPLE),
    "probabilities": partial(defaults_study, kind="probabilities"),
}
PAPER = [name for name in STUDIES if name not in ("in_use", "probabilities")]


def tuning(plan, names):
    """Every validation task that these studies need."""
    needed = []
    for named in (False, True):
        if ({"named"} if named else {"methods", "generalized"}) & set(names):
            for case, split, method in _compared(plan, named):
                needed += validation_tasks(plan, method, case, split)
    return needed
