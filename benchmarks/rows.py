"""Rows of figures in one compressed table: what identifies a row, and how missing ones are made.

A task is a dict that says what to compute; a row is the task, its figures and how they came about.
A row whose task, versions and state of the code are equal is not computed again; one of another
state is replaced.
"""

import ast
import hashlib
import json
import os
import platform
import sys
from datetime import UTC, datetime
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from time import perf_counter

import joblib
import pandas as pd
import torch
from threadpoolctl import threadpool_limits

import sklearn_claster

ROOT = Path(__file__).resolve().parents[1]
TASK = (
    "kind", "dataset", "data", "embedding", "split", "setting", "method", "changes", "rows_a_class",
)  # fmt: skip
AS_TEXT = dict.fromkeys(("data", "split", "code", "changes"), str)
NO_FIGURE_FROM = {"__main__.py", "inspection", "persistence", "text", "video"}
SAVE_EVERY = 20.0  # seconds


def key(row):
    """What a row is about: equal keys are figures of the same thing."""
    return json.dumps([row[name] for name in TASK], sort_keys=True)


@cache
def versions():
    modules = ("numpy", "scipy", "sklearn", "torch", "sklearn_claster")
    found = {name: import_module(name).__version__ for name in modules}
    return ", ".join(f"{k} {v}" for k, v in ({"python": platform.python_version()} | found).items())


@cache
def code():
    """A short hash of what the package computes, to tell rows of different states.

    Docstrings, comments and layout play no part, and no file that a figure does not depend on.
    """
    digest, folder = hashlib.sha256(), Path(sklearn_claster.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        if path.relative_to(folder).parts[0] in NO_FIGURE_FROM:
            continue
        digest.update(ast.dump(without_docstrings(path.read_text("utf-8"))).encode())
    return digest.hexdigest()[:12]


def without_docstrings(source):
    """The syntax tree of a module, less its docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        match node:
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                if ast.get_docstring(node, clean=False) is not None:
                    del node.body[0]
    return tree


def machine(device):
    """The processor or the GPU, in words."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores, {next(iter(names), platform.machine())}"


def read_rows(path):
    """The rows of a table by their keys."""
    if not path.exists():
        return {}
    rows = pd.read_csv(path, dtype=AS_TEXT).to_dict("records")
    for row in rows:
        row["changes"] = json.loads(row["changes"])
        row["split"] = int(row["split"]) if row["split"].isdigit() else row["split"]
    return {key(row): row for row in rows}


def write_rows(rows, path):
    """All rows, in order; an interruption leaves the former table."""
    table = pd.DataFrame(rows.values())
    table["changes"] = [json.dumps(changes, sort_keys=True) for changes in table["changes"]]
    table["split"] = table["split"].astype(str)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"new_{path.name}")
    table.sort_values(list(TASK)).to_csv(
        temporary, index=False, compression={"method": "gzip", "mtime": 0}
    )
    temporary.replace(path)


def compute(tasks, function, path, jobs, title):
    """Add a row to the table for each task; the errors of those that failed.

    `function` maps a task to its figures. Each process has one thread.
    """
    data = {task["dataset"]: task["data"] for task in tasks}
    rows = {  # without those of former data of the same name
        k: row
        for k, row in read_rows(path).items()
        if row["data"] == data.get(row["dataset"], row["data"])
    }
    state = {"versions": versions(), "code": code()}
    unique = {key(task): task for task in tasks}
    todo = [task for k, task in unique.items() if not state.items() <= rows.get(k, {}).items()]
    say = partial(print, file=sys.stderr, flush=True)
    say(f"{title}: {len(todo)} rows to compute")
    how = state | {"machine": machine("cuda" if torch.cuda.is_available() else "cpu")}
    errors, start, saved = [], perf_counter(), perf_counter()
    try:
        with joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
            parallel = joblib.Parallel(return_as="generator_unordered")
            results = parallel(joblib.delayed(_guarded)(function, task) for task in todo)
            for done, (task, figures, error) in enumerate(results, start=1):
                left = (perf_counter() - start) / done * (len(todo) - done) / 60
                said = f"{in_words(task)}: {error or in_short(figures)}"
                say(f"[{done}/{len(todo)}] about {left:.0f} min left | {said}")
                if error:
                    errors.append(said)
                    continue
                rows[key(task)] = task | figures | how | {"date": f"{datetime.now(UTC):%Y-%m-%d}"}
                if perf_counter() - saved > SAVE_EVERY:
                    write_rows(rows, path)
                    saved = perf_counter()
    finally:
        if rows:
            write_rows(rows, path)
    return errors


def in_words(task):
    parts = [task["dataset"], task["embedding"], f"split {task['split']}", task["setting"]]
    changes = [f"{k}={v}" for k, v in task["changes"].items()]
    return " ".join([*parts, task["method"], *changes])


def in_short(figures):
    names = ("accuracy", "harmonic_mean", "validation", "fit_seconds")
    return ", ".join(f"{name} {figures[name]:.4g}" for name in names if name in figures)


def _guarded(function, task):
    """A task with its figures, or what went wrong: one failure does not end a long run."""
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            return task, function(task), None
    except Exception as error:
        return task, None, f"{type(error).__name__}: {error}"
