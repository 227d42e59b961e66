"""How fast ClasterZSL is, beside plain torch loops of the same arithmetic.

python benchmarks/bench.py                 all of it, into docs/results/speed.md
python benchmarks/bench.py fit predict     some of it, printed
python benchmarks/bench.py --threads 1     by the processor's own time: on a machine in use
python benchmarks/bench.py memory --disk 10000 100000 1000000
python benchmarks/bench.py --quick         tiny sizes: does it run?
"""

import argparse
import cProfile
import gc
import inspect
import os
import tempfile
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread
from time import perf_counter, process_time

import bare
import numpy as np
import pandas as pd
import torch
from pages import markdown
from rows import ROOT, code, command, machine, versions
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from sklearn_claster import ClassEmbeddings, ClasterZSL
from sklearn_claster._core.centroids import make_aggregation
from sklearn_claster._core.input_space import InputSpace
from sklearn_claster._core.training import fit_estimator, fit_projector, train_classifier

STAGES = {
    "input space": InputSpace.fit, "a'": fit_projector, "phi": fit_estimator,
    "clusters": make_aggregation, "V": train_classifier,
}  # fmt: skip
QUICK = {"n": 240, "f": 16, "s": 8, "classes": 6, "candidates": 4}
BLOCK = 10_000  # samples that are made at a time
PAGE = """\
# Results: speed

`ClasterZSL` beside plain torch loops of the same arithmetic (`benchmarks/bare.py`), in turns in one
process. Seconds are the median of three runs, with the least and the most in brackets.
[Performance](../performance.md) says how to measure, and how to make it fast.

{sections}

{clock}, {threads} thread(s), load at the start {load:.1f}; {machine}; {date}; {versions}; state of
the code {code}. Made by `{command}`.
"""


class Bench:
    """What the command line asks for; each study has its page's words, and returns a table."""

    def __init__(self, device, threads, quick, disk):
        self.device, self.threads, self.quick, self.disk = device, threads, quick, disk
        # one thread on the CPU does all the work: its own time, which others disturb less
        self.clock = process_time if threads == 1 and device == "cpu" else perf_counter

    def problem(self, seed=0, same=False, **sizes):
        quick = QUICK | ({"s": QUICK["f"]} if same else {})
        return random_problem(**(quick if self.quick else sizes), seed=seed, same=same)

    def model(self, **parameters):
        return ClasterZSL(device=self.device, random_state=0, **parameters)

    def seconds(self, call, *args):
        wait = torch.cuda.synchronize if self.device == "cuda" else lambda: None
        wait()
        start = self.clock()
        call(*args)
        wait()
        return self.clock() - start

    def in_turns(self, *calls):
        """Seconds of each call, run by run."""
        runs = 1 if self.quick else 3
        return np.transpose([[self.seconds(call) for call in calls] for _ in range(runs)])

    def beside(self, ours, plain, where=""):
        """A line for each, with its ratio to the plain loops."""
        taken = self.in_turns(ours, plain)
        lines = zip((f"ClasterZSL{where}", f"plain torch loops{where}"), taken, strict=True)
        return {k: {"seconds": shown(t), "to the loops": shown(t / taken[1])} for k, t in lines}

    def fit(self):
        """A fit, stage by stage.

        7,000 samples of 2,048 features, 50 classes, a hidden layer of 1,024, batches of 256. Stages
        are of one run more.
        """
        X, y, seen, unseen = self.problem(n=7000, f=2048, s=300, classes=50, candidates=50)
        hidden, batch = ((12,), 8) if self.quick else ((1024,), 256)
        given = X, y, table_of(seen, unseen)
        model = self.model(hidden_layer_sizes=hidden, batch_size=batch)
        plain = {"hidden": hidden, "batch": batch, "device": self.device}
        table = self.beside(lambda: model.fit(*given), lambda: bare.fit(X, y, seen, **plain))
        profile = cProfile.Profile(self.clock, builtins=False)
        rest = self.seconds(profile.runcall, model.fit, *given)
        by_code = {entry.code: entry.totaltime for entry in profile.getstats()}
        for name, stage in STAGES.items():
            taken = by_code[inspect.unwrap(stage).__code__]
            table[name], rest = {"seconds": shown([taken])}, rest - taken
        return table | {"the rest": {"seconds": shown([rest])}}

    def predict(self):
        """Predict.

        100,000 samples of 512 features, 50 candidates. Aims: at most 1.15 times the plain loops;
        one sample in 2 ms. With class vectors in the space of the features, the plain cosine takes
        part.
        """
        hidden, table = (12,) if self.quick else (512, 512), {}
        for where, prior in {"": None, ", one space": "cosine"}.items():
            sizes = {"f": 512, "s": 512 if prior else 300, "classes": 50, "candidates": 50}
            X, y, seen, unseen = self.problem(n=6000, same=bool(prior), **sizes)
            many = self.problem(n=100_000, **sizes, seed=1)[0]
            model = self.model(hidden_layer_sizes=hidden, max_epochs=1, prior=prior)
            model.fit(X, y, table_of(seen, unseen))
            plain = bare.fit(X, y, seen, device=self.device, hidden=hidden, epochs=1)
            calls = partial(model.predict, many), partial(bare.predict, plain, many, unseen, prior)
            table |= self.beside(*calls, where)
        one = [np.median([self.seconds(model.predict, many[:1]) for _ in range(50)])]
        return table | {"ClasterZSL, one sample": {"seconds": shown(one)}}

    def small(self):
        """A small fit.

        Its time is overhead: many small steps. 300 samples of 20 features, 10 classes. Aim: the
        least at most 0.32 s.
        """
        X, y, *vectors = self.problem(n=300, f=20, s=15, classes=10, candidates=5)
        taken = [self.seconds(self.model().fit, X, y, table_of(*vectors)) for _ in range(5)]
        return {"ClasterZSL": {"least of 5, s": shown([min(taken)])}}

    def gate(self):
        """A fit with a gate.

        `BiasDetector("learned")`, by the number of features; 2,000 samples of 40 classes. Aim: at
        most 3.5 times the fit without.
        """
        lines = {}
        for f in (16,) if self.quick else (256, 512, 1024, 2048):
            X, y, *vectors = self.problem(n=2000, f=f, s=64, classes=40, candidates=10)
            models = [self.model(space="gzsl", bias_detector=d) for d in (None, "learned")]
            given = X, y, table_of(*vectors)
            taken, more = self.in_turns(*(partial(model.fit, *given) for model in models))
            lines[f"{f:,}"] = {"without, s": shown(taken), "with, s": shown(more)}
            lines[f"{f:,}"]["times"] = shown(more / taken)
        return lines

    def memory(self):
        """Memory.

        What the process holds of its own, without pages of files, above what it held before; each
        line is one run in a process of its own, on the CPU. One hidden layer of 64, one epoch of V,
        50 classes; seconds by the wall clock.
        """
        lines, cases = {}, [(n, 1024, "on disk") for n in self.disk]
        if not self.quick:
            cases = [(40_000, 512, "float32"), (40_000, 512, "float64"), *cases]
        for n, f, kind in cases:
            sizes = {"n": n, "f": f, "s": 64, "classes": 50, "candidates": 10}
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                found = pool.submit(held_by, kind, QUICK if self.quick else sizes, self.threads)
            lines[f"{n:,} x {f:,}, {kind}"] = {k: shown([x]) for k, x in found.result().items()}
        return lines


def random_problem(n, f, s, classes, candidates, rows=np.empty, seed=0, same=False):
    """Samples around a linear map of their classes' vectors, or around these, sorted by class.

    X (n, f), which `rows` makes from shape and type; y (n,); vectors of seen and unseen classes.
    """
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((classes + candidates, s), np.float32)
    means = vectors if same else vectors @ random.standard_normal((s, f), np.float32) / s**0.5
    y = np.arange(n) * classes // n
    X = rows((n, f), np.float32)
    for start in range(0, n, BLOCK):
        part = y[start : start + BLOCK]
        noise = 2.0 * random.standard_normal((len(part), f), np.float32)
        X[start : start + BLOCK] = means[part] + noise
    return X, y, vectors[:classes], vectors[classes:]


def table_of(seen, unseen):
    return ClassEmbeddings(np.arange(len(seen) + len(unseen)), np.concatenate([seen, unseen]))


def shown(values):
    """Three digits; of several values the median, the least and the most."""
    figures = np.median(values), min(values), max(values)
    median, least, most = (f"{float(f'{value:.3g}'):,g}" for value in figures)
    return f"{median} ({least} to {most})" if len(values) > 1 else median


def held_by(kind, sizes, n_threads):
    """MB of the data; seconds and peak MB of fit, and of predict."""
    with threadpool_limits(n_threads), tempfile.TemporaryDirectory() as folder:
        torch.set_num_threads(n_threads)

        def file(shape, dtype):
            return np.lib.format.open_memmap(f"{folder}/X.npy", "w+", dtype, shape)

        on_disk = kind == "on disk"
        X, y, *vectors = random_problem(**sizes, rows=file if on_disk else np.empty)
        X = np.load(f"{folder}/X.npy", mmap_mode="r") if on_disk else X.astype(kind)
        table, few = table_of(*vectors), np.linspace(0, len(X) - 1, 200, dtype=int)
        model = ClasterZSL(hidden_layer_sizes=(64,), max_epochs=1, device="cpu", random_state=0)
        model.fit(X[few], y[few], table).predict(X[:2])  # loads what is loaded late
        found = {"data, MB": X.nbytes / 1e6}
        for name, arguments in {"fit": (X, y, table), "predict": (X,)}.items():
            start = perf_counter()
            with peak_bytes() as peak:
                getattr(model, name)(*arguments)
            found |= {f"{name}, s": perf_counter() - start, f"{name}, MB": peak[0] / 1e6}
        return found


def anonymous_bytes():
    """What the process holds of its own, without mapped files; Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon")).split()[1])


@contextmanager
def peak_bytes(interval=0.002):
    """Looks from a thread: the most above what was held before, in a list of one number."""
    gc.collect()  # garbage that goes later would hide as much of what comes
    found, stop, before = [0], Event(), anonymous_bytes()

    def look():
        while True:
            found[0] = max(found[0], anonymous_bytes() - before)
            if stop.wait(interval):
                break

    thread = Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def page(bench, names):
    """The Markdown text of these studies."""
    load, sections = os.getloadavg()[0], []
    X, y, *vectors = random_problem(**QUICK)
    bench.model().fit(X, y, table_of(*vectors))  # loads what is loaded late
    bare.fit(X, y, vectors[0], device=bench.device)
    for name in names:
        title, _, words = inspect.getdoc(getattr(bench, name)).partition(".\n\n")
        table = pd.DataFrame.from_dict(getattr(bench, name)(), orient="index").fillna("")
        sections.append(f"## {title}\n\n{words}\n\n{markdown(table.rename_axis(''))}")
    return PAGE.format(
        threads=bench.threads, load=load, sections="\n\n".join(sections),
        clock="Processor time" if bench.clock is process_time else "Wall clock",
        machine=machine(bench.device), date=f"{datetime.now(UTC):%Y-%m-%d}", versions=versions(),
        code=code(), command=command(),
    )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    studies = ["fit", "predict", "small", "gate", "memory"]
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=f"of {', '.join(studies)}")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--quick", action="store_true", help="tiny sizes: no figures to quote")
    parser.add_argument("--disk", type=int, nargs="*", default=[100_000], help="samples in files")
    args = parser.parse_args()
    if unknown := set(args.studies) - set(studies):
        parser.error(f"Unknown study {', '.join(unknown)}; there are {', '.join(studies)}.")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("There is no CUDA device here.")
    bench = Bench(args.device, args.threads, args.quick, args.disk)
    before = torch.get_num_threads()
    torch.set_num_threads(args.threads)
    with threadpool_limits(args.threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of clusters that random data leave
        text = page(bench, args.studies or studies)
    torch.set_num_threads(before)
    print(text)
    if not (args.studies or args.quick):
        (ROOT / "docs" / "results" / "speed.md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
