"""Rows of figures in a file of JSON lines: what identifies one, and how missing ones are made.

A task is a dict of JSON values that says what to compute; a row is the task, its figures and how
they came about. A row whose task and versions are equal is not computed again.
"""

import hashlib
import json
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from time import perf_counter

import joblib
import torch
from threadpoolctl import threadpool_limits

import sklearn_claster

ROOT = Path(__file__).resolve().parents[1]
TASK = (
    "kind", "dataset", "data", "embedding", "split", "setting", "method", "parameters", "gate",
    "training", "seed", "details",
)  # fmt: skip


def key(row):
    """What a row is about: equal keys are figures of the same thing, whatever the versions."""
    return json.dumps([row[name] for name in TASK], sort_keys=True)


@cache
def versions():
    modules = ("numpy", "scipy", "sklearn", "torch", "sklearn_claster")
    found = {name: str(import_module(name).__version__) for name in modules}
    return {"python": platform.python_version()} | found


@cache
def code():
    """A short hash of the package's source, to tell rows of different code."""
    digest = hashlib.sha256()
    for path in sorted(Path(sklearn_claster.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def command():
    """The command line, without the folders of this machine."""
    paths = [(word, Path(word)) for word in sys.argv[1:]]
    words = [p.name if p.is_absolute() or ".." in p.parts else word for word, p in paths]
    return shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *words])


def read_rows(path):
    """The rows of a file; a last line that was cut off by an interruption is removed from it."""
    if not path.exists():
        return []
    text = path.read_text("utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, "utf-8")
    return [json.loads(line) for line in whole.splitlines()]


def latest(rows):
    """The newest row of each key."""
    return {key(row): row for row in sorted(rows, key=lambda row: row["date"])}


def unfinished(tasks, rows):
    """The tasks, each once, that have no row of these versions."""
    finished = {key(row) for row in rows if row["versions"] == versions()}
    return [task for name, task in {key(t): t for t in tasks}.items() if name not in finished]


def compute(tasks, function, path, jobs, title, group_of):
    """Append a row to the file for each task as it finishes; the errors of those that failed.

    `function` maps a group of tasks, which have equal `group_of`, to their figures. Each process
    has one thread.
    """
    todo = unfinished(tasks, read_rows(path))
    groups = {}
    for task in todo:
        groups.setdefault(group_of(task), []).append(task)
    n_done = len({key(task) for task in tasks}) - len(todo)
    print(f"{title}: {len(todo)} rows to compute, {n_done} finished", file=sys.stderr, flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    how = {"versions": versions(), "code": code(), "cores": os.cpu_count(), "command": command()}
    errors, start = [], perf_counter()
    with joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
        parallel = joblib.Parallel(return_as="generator_unordered")
        results = parallel(joblib.delayed(_guarded)(function, group) for group in groups.values())
        for done, (task, figures, error) in enumerate(chain.from_iterable(results), start=1):
            left = (perf_counter() - start) / done * (len(todo) - done) / 60
            print(
                f"[{done}/{len(todo)}] about {left:.0f} min left | {in_words(task)}: "
                f"{error or in_short(figures)}",
                file=sys.stderr,
                flush=True,
            )
            if error:
                errors.append(f"{in_words(task)}: {error}")
                continue
            row = task | figures | how | {"date": datetime.now(UTC).isoformat(timespec="seconds")}
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    return errors


def in_words(task):
    parts = [task["dataset"], task["embedding"], f"split {task['split']}", task["setting"]]
    changes = [f"{k}={v}" for name in ("changes", "training") for k, v in task[name].items()]
    return " ".join([*parts, task["method"], *changes])


def in_short(figures):
    names = ("mean_per_class_accuracy", "harmonic_mean", "validation")
    return ", ".join(
        [f"{name} {figures[name]:.4f}" for name in names if name in figures]
        + [f"{figures['fit_seconds']:.1f} s"]
    )


def _guarded(function, group):
    """Tasks with their figures, or what went wrong: one failure does not end a long run."""
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            figures = function(group)
    except Exception as error:
        return [(task, None, f"{type(error).__name__}: {error}") for task in group]
    return [(task, found, None) for task, found in zip(group, figures, strict=True)]
