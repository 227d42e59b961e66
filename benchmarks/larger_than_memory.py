"""Time and memory of fit and predict on a file, from ten thousand to a million rows.

    python benchmarks/larger_than_memory.py

Each size runs in a process of its own. The files are removed afterwards.
"""

import argparse
import json
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from memory import peak_bytes
from rows import ROOT, command, versions

from sklearn_claster import ClasterZSL
from sklearn_claster._data import on_disk as on_disk_module

PARAMETERS = {"hidden_layer_sizes": (64,), "max_epochs": 1, "device": "cpu", "random_state": 0}
N_CLASSES, N_UNSEEN, N_VECTOR = 50, 10, 64
TEXT = """\
# Larger than memory

Made by `{command}`: `ClasterZSL({parameters})`
on rows of {n_features} float32 numbers in a file, opened by `numpy.load(..., mmap_mode="r")`, of
{n_classes} classes and sorted by class. *Memory*: the most that the process held above what it held
before (anonymous pages: not those of the file, which the system may drop at any time). {how}.

| rows | file, MB | fit, s | ms a row | its memory, MB | predict, s | its memory, MB | accuracy |
|---:|---:|---:|---:|---:|---:|---:|---:|
{rows}

{plot}
Sorted files are the hard case for reading in parts; the accuracy is that of `predict` on unseen
classes, where chance is {chance:.2f}. What is read:
[Larger than memory](../larger_than_memory.md).
"""


@dataclass
class Size:
    n_rows: int
    n_features: int
    megabytes: float
    fit_seconds: float
    fit_memory: float
    predict_seconds: float
    predict_memory: float
    accuracy: float


def write(path, labels, means, n_features, seed):
    """Rows around the means of their classes, without holding them."""
    rng = np.random.default_rng(seed)
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (len(labels), n_features))
    for start in range(0, len(labels), 10_000):
        part = labels[start : start + 10_000]
        rows[start : start + len(part)] = means[part] + rng.standard_normal(
            (len(part), n_features), np.float32
        )
    rows.flush()


def measure(n_rows, n_features, folder, n_threads):
    """Figures of one size."""
    torch.set_num_threads(n_threads)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((N_CLASSES + N_UNSEEN, N_VECTOR))
    means = (vectors @ rng.standard_normal((N_VECTOR, n_features)) / N_VECTOR**0.5).astype("f4")
    y = np.sort(rng.integers(N_CLASSES, size=n_rows))
    y_new = N_CLASSES + np.sort(rng.integers(N_UNSEEN, size=n_rows))
    for name, labels in (("train", y), ("new", y_new)):
        write(folder / f"{name}.npy", labels, 0.5 * means, n_features, 1)
    X, X_new = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("train", "new"))
    table = dict(enumerate(vectors))
    few = np.arange(4 * N_CLASSES) % N_CLASSES
    noise = rng.standard_normal((len(few), n_features), np.float32)
    zsl = ClasterZSL(**PARAMETERS).fit(means[few] + noise, few, table)  # loads what is loaded late
    zsl.predict(means[:2])
    start = perf_counter()
    with peak_bytes(0.005) as fit_memory:
        zsl.fit(X, y, table)
    fit_seconds, start = perf_counter() - start, perf_counter()
    with peak_bytes(0.005) as predict_memory:
        predicted = zsl.predict(X_new)
    return Size(
        n_rows, n_features, X.nbytes / 1e6, fit_seconds, fit_memory[0] / 1e6,
        perf_counter() - start, predict_memory[0] / 1e6, float(np.mean(predicted == y_new)),
    )  # fmt: skip


def draw(sizes, path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    n = [size.n_rows for size in sizes]
    for name, marker in (("fit", "o"), ("predict", "s")):
        left.loglog(
            n, [getattr(size, f"{name}_seconds") for size in sizes], marker=marker, label=name
        )
        right.semilogx(
            n, [getattr(size, f"{name}_memory") for size in sizes], marker=marker, label=name
        )
    last = sizes[-1].fit_seconds
    left.loglog(n, [last * k / n[-1] for k in n], "k:", label="linear")
    right.semilogx(n, [size.megabytes for size in sizes], "k--", label="the file")
    right.set_ylim(0, 2.2e3)
    left.set(xlabel="rows", ylabel="seconds", title="Time")
    right.set(xlabel="rows", ylabel="MB", title="Memory above the model")
    for axes in (left, right):
        axes.legend()
    figure.savefig(path, dpi=150)


def render(sizes, how, plot):
    rows = [
        f"| {s.n_rows:,} | {s.megabytes:,.0f} | {s.fit_seconds:.1f} | "
        f"{1e3 * s.fit_seconds / s.n_rows:.3f} | {s.fit_memory:,.0f} | {s.predict_seconds:.1f} | "
        f"{s.predict_memory:,.0f} | {s.accuracy:.2f} |"
        for s in sizes
    ]
    return TEXT.format(
        command=command(),
        parameters=", ".join(f"{name}={value!r}" for name, value in PARAMETERS.items()),
        n_features=sizes[0].n_features,
        n_classes=N_CLASSES,
        chance=1 / N_UNSEEN,
        how=how,
        rows="\n".join(rows),
        plot=f"![Time and memory against the number of rows]({plot})\n" if plot else "",
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--features", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", type=Path, help="folder (default: the results of the project)")
    args = parser.parse_args()
    results = args.output or ROOT / "benchmarks" / "results"
    pages = args.output or ROOT / "docs" / "results"
    how = f"{args.threads} threads; " + ", ".join(f"{k} {v}" for k, v in versions().items())
    how += f"; files above {on_disk_module.READ_WHOLE_BYTES / 2**20:.0f} MiB are read in parts"
    sizes = []
    for n_rows in args.rows:
        with (
            tempfile.TemporaryDirectory() as folder,
            ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        ):
            done = pool.submit(measure, n_rows, args.features, Path(folder), args.threads)
            sizes.append(done.result())
        print(sizes[-1], flush=True)
        save(sizes, how, results, pages)


def save(sizes, how, results, pages):
    """Figures, picture and page of the sizes that are done."""
    for folder in (results, pages):
        folder.mkdir(parents=True, exist_ok=True)
    found = {"how": how, "command": command(), "sizes": [asdict(size) for size in sizes]}
    (results / "larger_than_memory.json").write_text(json.dumps(found, indent=1) + "\n")
    draw(sizes, pages / "larger_than_memory.png")
    page = render(sizes, how, "larger_than_memory.png")
    (pages / "larger_than_memory.md").write_text(page, "utf-8")


if __name__ == "__main__":
    main()
