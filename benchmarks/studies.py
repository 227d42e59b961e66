"""Which fits the evidence takes: each study is a list of entries, a label and the task behind it.

Tasks of different studies that are equal are one row. Hyper-parameters come from validation rows,
which see the training rows of seen classes only.
"""

from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import numpy as np
from data import OWN, TRUZE, fingerprint, names_of_embeddings, read_arrays, splits_of
from methods import BASELINES, CLASTER, METHODS, build, is_applicable
from rows import key

DEFAULT, TUNED = CLASTER, f"{CLASTER}, tuned"
NO_PARAMETERS = {"random_state", "space", "bias_detector", "gate", "device", "verbose"}
TUNING_ROWS = 40  # at most, of a class
GATE = "learned"  # the gate of every method in the generalized setting
# Where a data set has several kinds of class vectors, studies of the method itself take one.
STUDY_EMBEDDING = {"ucf101_captions": "sentence_description", "snu_b36ex": "attributes"}
ABLATION = {  # Table 1, in the paper's words
    "no clusters (baseline)": {"centroids": None},
    "random centroids": {"centroids": "random"},
    "NetVLAD": {"centroids": "netvlad"},
    "K-means, fixed": {"centroids": "kmeans"},
    "CLASTER w/o RL": {"centroids": "gradient"},
    "CLASTER w/o SE": {"use_semantics": False},
    "CLASTER": {},
}
CLUSTERS = [2, 4, 6, 10, 20, 50, 100]
ALPHAS = [0.0, 0.01, 0.1, 1.0]
FUSIONS = ["concatenate", "sum", "product"]
BEFORE_AFTER = {"K-means": {"centroids": "kmeans"}, "REINFORCE": {}}


@dataclass(frozen=True)
class Case:
    """A data set with one kind of class vectors."""

    dataset: str
    data: str  # fingerprint of its files
    embedding: str
    binary: bool  # whether its class vectors hold zeros and ones only
    splits: tuple

    @property
    def numbered(self):
        return [split for split in self.splits if not isinstance(split, str)]


@dataclass(frozen=True)
class Plan:
    """How much is computed."""

    cases: tuple
    methods: tuple = tuple(METHODS)
    splits: int = 10  # of Table 2
    generalized_splits: int = 2  # of Table 3
    study_splits: int = 2  # of Table 1 and the curves
    centroid_splits: int = 4
    centroid_seeds: int = 1
    long_splits: int = 2  # of the long schedules in the study of centroids
    training: dict = field(default_factory=dict)
    tune_every_split: bool = False
    named: tuple = (TRUZE,)  # splits of Table 4
    tuning_rows: int = TUNING_ROWS
    long_steps: int = 10_000
    brief: bool = False  # the study of centroids under its main conditions only

    def tuning_split(self, case, split):
        """The split whose seen classes choose the hyper-parameters for this one."""
        own = self.tune_every_split or isinstance(split, str) or not case.numbered
        return split if own else case.numbered[0]

    def study_cases(self):
        """One kind of class vectors for each data set."""
        chosen = {}
        for case in self.cases:
            if case.embedding == STUDY_EMBEDDING.get(case.dataset, case.embedding):
                chosen.setdefault(case.dataset, case)
        for case in self.cases:
            chosen.setdefault(case.dataset, case)
        return list(chosen.values())


PRESETS = {
    "standard": {},
    "quick": {
        "splits": 2, "generalized_splits": 1, "study_splits": 1, "centroid_splits": 2,
        "long_splits": 0, "brief": True, "named": (),
        "training": {"rows_a_class": 6}, "tuning_rows": 6,
        "methods": (CLASTER, "ESZSL", "ConSE", "PrototypeRegression", "SAE"),
    },
    "full": {
        "generalized_splits": 10, "study_splits": 10, "centroid_splits": 10, "long_splits": 10,
        "tune_every_split": True, "named": (TRUZE, OWN),
    },
}  # fmt: skip


SPLITS = ("splits", "generalized_splits", "study_splits", "centroid_splits")


@dataclass(frozen=True)
class Entry:
    """One cell of a table: the case, the line it stands in, and the task that fills it."""

    case: Case
    label: Any
    task: dict
    group: str = ""


def catalogue(sources, datasets=None, embeddings=None):
    """The cases that these data sets offer."""
    cases = []
    for name, source in sources.items():
        if datasets and name not in datasets:
            continue
        for kind in embeddings or names_of_embeddings(source):
            parts = kind.split("+")
            if not set(parts) <= set(names_of_embeddings(source)):
                continue
            binary = source is None or all(map(partial(_is_binary, source), parts))
            cases.append(Case(name, fingerprint(source), kind, binary, tuple(splits_of(source))))
    return tuple(cases)


def _is_binary(source, embedding):
    values = set(np.unique(read_arrays(source)[embedding]).tolist())
    return values <= {0, 1} or values <= {-1, 1}


def cases_of(rows):
    """The cases that rows are about, where the data sets themselves are not at hand."""
    splits = {}
    for row in rows:
        case = (row["dataset"], row["data"], row["embedding"], row["binary"])
        splits.setdefault(case, set()).add(row["split"])
    return tuple(
        Case(*case, tuple(sorted(found, key=lambda split: (isinstance(split, str), split))))
        for case, found in splits.items()
    )


def make_task(case, split, method, changes=None, **others):
    """A task in full: every parameter that is not the runner's own to set."""
    changes = changes or {}
    return {
        "kind": "test",
        "dataset": case.dataset,
        "data": case.data,
        "embedding": case.embedding,
        "split": split,
        "setting": "zsl",
        "method": method,
        "changes": changes,
        "parameters": _defaults(method) | changes,
        "gate": None,
        "training": {},
        "seed": 0,
        "details": False,
        "binary": case.binary,
    } | others


@cache
def _defaults(method):
    parameters = build(method, {}, None).get_params(deep=False)
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in parameters.items()
        if name not in NO_PARAMETERS
    }


def validation_tasks(plan, method, case, split):
    """One task for each combination of a method's parameters."""
    return [
        make_task(
            case,
            plan.tuning_split(case, split),
            method,
            changes,
            kind="validation",
            setting="gzsl",  # without the rows that the generalized setting tests on
            training={"rows_a_class": plan.tuning_rows},
        )
        for changes in METHODS[method].combinations()
    ]


def fit_of(task):
    """Equal for tasks that differ in parameters that `predict` alone reads, and a gate does not."""
    late = METHODS[task["method"]].when_predicting if task["gate"] is None else ()
    early = {name: value for name, value in task["parameters"].items() if name not in late}
    return key(task | {"parameters": early})


def chosen(plan, by_key, method, case, split):
    """The best combination of parameters and its validation score; None before it is known."""
    tasks = validation_tasks(plan, method, case, split)
    rows = [by_key.get(key(task)) for task in tasks]
    if None in rows:
        return None
    best = max(rows, key=lambda row: row["validation"])  # the first of equals
    return best["changes"], best["validation"]


def selected_baseline(plan, by_key, case, split):
    """The baseline that class-wise validation on seen classes prefers; None before it is known."""
    scores = {}
    for method in plan.methods:
        if method in BASELINES and is_applicable(method, case.binary):
            if (found := chosen(plan, by_key, method, case, split)) is None:
                return None
            scores[method] = found[1]
    return max(scores, key=scores.get) if scores else None


def comparison(plan, by_key, n_splits, setting):
    """ClasterZSL as it is, and every method tuned; what is not tuned yet is left out."""
    return [
        entry
        for number in range(n_splits)
        for case in plan.cases
        for split in case.numbered[number : number + 1]
        for entry in _methods_on(plan, by_key, case, split, setting)
    ]


def _methods_on(plan, by_key, case, split, setting):
    options = {"setting": setting, "training": plan.training}
    if setting == "gzsl":
        options["gate"] = GATE
    entries = []
    for method in plan.methods:
        if not is_applicable(method, case.binary):
            continue
        if method == CLASTER:
            entries.append(Entry(case, DEFAULT, make_task(case, split, method, **options)))
        if found := chosen(plan, by_key, method, case, split):
            label = TUNED if method == CLASTER else method
            entries.append(Entry(case, label, make_task(case, split, method, found[0], **options)))
    return entries


def methods_study(plan, by_key):
    """Table 2."""
    return comparison(plan, by_key, plan.splits, "zsl")


def generalized_study(plan, by_key):
    """Table 3."""
    return comparison(plan, by_key, plan.generalized_splits, "gzsl")


def named_study(plan, by_key):
    """Table 4: TruZe, and data sets' own row splits, in both settings."""
    return [
        replace(entry, group=split)
        for case in plan.cases
        for split in case.splits
        if split in plan.named
        for setting in ("zsl", "gzsl")
        for entry in _methods_on(plan, by_key, case, split, setting)
    ]


def one_change(variants):
    """A study of ClasterZSL that changes its parameters, label by label."""

    def study(plan, by_key):
        return [
            Entry(case, label, make_task(case, split, CLASTER, changes, training=plan.training))
            for case in plan.study_cases()
            for split in case.numbered[: plan.study_splits]
            for label, changes in variants.items()
        ]

    return study


def analysis_study(plan, by_key):
    """Section 5.6: clusters and mistakes before and after REINFORCE, on the first split."""
    return [
        Entry(
            case,
            label,
            make_task(
                case, case.numbered[0], CLASTER, changes, training=plan.training, details=True
            ),
        )
        for case in plan.study_cases()
        for label, changes in BEFORE_AFTER.items()
    ]


STUDIES = {
    "methods": methods_study,
    "generalized": generalized_study,
    "named": named_study,
    "ablation": one_change(ABLATION),
    "clusters": one_change({k: {"n_clusters": k} for k in CLUSTERS}),
    "alpha": one_change({alpha: {"alpha": alpha} for alpha in ALPHAS}),
    "fusion": one_change({fusion: {"fusion": fusion} for fusion in FUSIONS}),
    "analysis": analysis_study,
}
NEED_TUNING = {"methods", "generalized", "named"}


def tuning(plan, names):
    """Every validation task that these studies need."""
    needed = []
    for case in plan.cases:
        splits = []
        if {"methods", "generalized"} & set(names):
            splits += case.numbered[: max(plan.splits, plan.generalized_splits)]
        if "named" in names:
            splits += [split for split in case.splits if split in plan.named]
        needed += [
            task
            for split in dict.fromkeys(plan.tuning_split(case, split) for split in splits)
            for method in plan.methods
            if is_applicable(method, case.binary)
            for task in validation_tasks(plan, method, case, split)
        ]
    return needed
