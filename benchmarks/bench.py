"""How fast ClasterZSL is, beside plain torch loops of the same arithmetic.

python benchmarks/bench.py                 all of it, into docs/results/speed.md
python benchmarks/bench.py fit predict     some of it, printed
python benchmarks/bench.py --threads 1     by the processor's own time: on a machine in use
python benchmarks/bench.py memory --disk 10000 100000 1000000
python benchmarks/bench.py --quick         tiny sizes: does it run?
"""

import argparse
import cProfile
import inspect
import os
import tempfile
import warnings
from datetime import UTC, datetime
from functools import partial
from time import perf_counter, process_time

import bare
import numpy as np
import pandas as pd
import torch
from pages import markdown
from peak import in_own_process, in_turns, peak_bytes
from pictures import draw_speed
from rows import ROOT, code, machine, versions
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from sklearn_claster import ClassEmbeddings, ClasterZSL
from sklearn_claster._core import centroids, input_space, training

STAGES = {
    "input space": input_space.InputSpace.fit, "a'": training.fit_projector,
    "phi": training.fit_estimator, "clusters": centroids.make_aggregation,
    "V": training.train_classifier,
}  # fmt: skip
TINY = (240, 16, 16, 6, 4)  # samples, features, width of class vectors, seen and unseen classes
BLOCK = 10_000  # samples that are made at a time
PAGE = """\
# Results: speed

![Ratios to plain torch loops and to a fit without a gate, and the stages of a fit](speed.svg)

How fast is `ClasterZSL`, compared with plain torch loops that compute the same
(`benchmarks/bare.py`)? Both run alternately in one process. Seconds are the median of three runs,
with the least and the most in brackets. Dotted lines in the picture are aims: at most so much.
[Performance](../performance.md) says how to measure, and how to make it fast.

{sections}

## How it was measured

* {clock}, {threads} threads on {machine}, load {load:.1f} at the start, {date}.
* Versions: {versions}; state of the code: {code}.
* Made by `python benchmarks/bench.py`.
"""


class Bench:
    """What the command line asks for; each study has its page's words, and returns its lines."""

    def __init__(self, threads, device="cpu", quick=True, disk=()):
        self.threads, self.device, self.quick, self.disk = threads, device, quick, disk
        # one thread on the CPU does all the work: its own time, which others disturb less
        clock = process_time if (threads, device) == (1, "cpu") else perf_counter
        self.clock, self.in_turns = clock, partial(in_turns, clock)

    def problem(self, n, f, s, classes=50, candidates=50, seed=0):
        sizes = TINY if self.quick else (n, f, s, classes, candidates)
        return random_problem(*sizes, seed=seed)

    def model(self, **parameters):
        return ClasterZSL(device=self.device, random_state=0, **parameters)

    def beside(self, ours, plain, where=""):
        """A line for each, with its ratio to the plain loops."""
        taken = self.in_turns(ours, plain)
        lines = zip((f"ClasterZSL{where}", f"plain torch loops{where}"), taken, strict=True)
        return {k: {"seconds": shown(t), "times the loops": shown(t / taken[1])} for k, t in lines}

    def fit(self):
        """A fit, stage by stage.

        7,000 samples of 2,048 features, 50 classes, a hidden layer of 1,024, batches of 256. The
        stages come from one further run: a' is the semantic projector, phi the semantic estimator,
        V the classifier.
        """
        X, y, table, seen, _ = self.problem(7000, 2048, 300)
        model = self.model(hidden_layer_sizes=(1024,), batch_size=256)
        ours = partial(model.fit, X, y, table)
        lines = self.beside(ours, partial(bare.fit, X, y, seen, (1024,), device=self.device))
        profile = cProfile.Profile(self.clock, builtins=False)
        rest = self.in_turns(partial(profile.runcall, ours), runs=1).item()
        by_code = {entry.code: entry.totaltime for entry in profile.getstats()}
        stages = {k: by_code[inspect.unwrap(stage).__code__] for k, stage in STAGES.items()}
        stages["the rest"] = rest - sum(stages.values())
        return lines | {name: {"seconds": shown([taken])} for name, taken in stages.items()}

    def predict(self):
        """Predict.

        100,000 samples of 512 features, 50 candidates. The aims are at most 1.15 times the plain
        loops, and one sample in 2 ms. Where class vectors lie in the space of the features, the
        plain cosine is part of the scores.
        """
        lines = {}
        for where, s, prior in (("", 300, None), (", one space", 512, "cosine")):
            X, y, table, seen, unseen = self.problem(6000, 512, s)
            many = self.problem(100_000, 512, s, seed=1)[0]
            model = self.model(hidden_layer_sizes=(512, 512), max_epochs=1, prior=prior)
            model.fit(X, y, table)
            plain = bare.fit(X, y, seen, (512, 512), epochs=1, device=self.device)
            loops = partial(bare.predict, plain, many, unseen, prior)
            lines |= self.beside(partial(model.predict, many), loops, where)
        one = np.median(self.in_turns(partial(model.predict, many[:1]), runs=50))
        return lines | {"ClasterZSL, one sample": {"seconds": shown([one])}}

    def small(self):
        """A small fit.

        It consists of many small steps, so its time is overhead. 300 samples, 20 features, 10
        classes. The aim is at most 0.32 s for the fastest of five runs.
        """
        fit = partial(self.model().fit, *self.problem(300, 20, 15, 10, 5)[:3])
        return {"ClasterZSL": {"fastest of 5 (s)": shown([self.in_turns(fit, runs=5).min()])}}

    def gate(self):
        """A fit with a gate.

        A fit with `BiasDetector("learned")` for several numbers of features, with 2,000 samples of
        40 classes. The aim is at most 3.5 times the fit without a gate.
        """
        lines = {}
        for f in (16,) if self.quick else (256, 512, 1024, 2048):
            given = self.problem(2000, f, 64, 40, 10)[:3]
            models = [self.model(space="gzsl", bias_detector=d) for d in (None, "learned")]
            taken, more = self.in_turns(*(partial(model.fit, *given) for model in models))
            seconds = {"without (s)": shown(taken), "with (s)": shown(more)}
            lines[f"{f:,}"] = seconds | {"ratio": shown(more / taken)}
        return lines

    def memory(self):
        """Memory.

        The peak of the process's own memory, without pages of mapped files, less what it held
        before. Each line is one run in a separate process on the CPU: one hidden layer of 64, one
        epoch of V, 50 classes. Seconds are wall-clock time.
        """
        lines, cases = {}, [(n, 1024, "on disk") for n in self.disk]
        for n, f, kind in cases if self.quick else [(40_000, 512, "in memory"), *cases]:
            sizes = TINY if self.quick else (n, f, 64, 50, 10)
            lines[f"{n:,} x {f:,}, {kind}"] = in_own_process(held_by, sizes, kind, self.threads)
        return lines


def random_problem(n, f, s, classes, candidates, rows=np.empty, seed=0):
    """Samples around a linear map of their classes' vectors, or around these if as wide.

    X (n, f), which `rows` makes; y (n,), sorted; a table; vectors of seen and unseen classes.
    """
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((classes + candidates, s), np.float32)
    means = vectors if s == f else vectors @ random.standard_normal((s, f), np.float32) / s**0.5
    y, X = np.arange(n) * classes // n, rows(shape=(n, f), dtype=np.float32)
    for at in (slice(start, start + BLOCK) for start in range(0, n, BLOCK)):
        X[at] = means[y[at]] + 2.0 * random.standard_normal((len(y[at]), f), np.float32)
    table = ClassEmbeddings(np.arange(len(vectors)), vectors)
    return X, y, table, vectors[:classes], vectors[classes:]


def shown(values):
    """Three digits; of several values the median, the least and the most."""
    figures = np.median(values), min(values), max(values)
    median, least, most = (f"{float(f'{value:.3g}'):,g}" for value in figures)
    return f"{median} ({least} to {most})" if len(values) > 1 else median


def held_by(sizes, kind, n_threads):
    """MB of the data; seconds and peak MB of fit, and of predict."""
    with threadpool_limits(n_threads), tempfile.NamedTemporaryFile(suffix=".npy") as file:
        torch.set_num_threads(n_threads)
        on_file = partial(np.lib.format.open_memmap, file.name, "w+")
        X, y, table, *_ = random_problem(*sizes, rows=on_file if kind == "on disk" else np.empty)
        few = np.linspace(0, len(X) - 1, 200, dtype=int)
        model = ClasterZSL(hidden_layer_sizes=(64,), max_epochs=1, device="cpu", random_state=0)
        model.fit(X[few], y[few], table).predict(X[:2])  # loads what is loaded late
        found = {"data, MB": X.nbytes / 1e6}
        for name, given in {"fit": (X, y, table), "predict": (X,)}.items():
            with peak_bytes() as peak:
                call = partial(getattr(model, name), *given)
                found[f"{name}, s"] = in_turns(perf_counter, call, runs=1).item()
            found[f"{name}, MB"] = peak[0] / 1e6
        return {name: shown([figure]) for name, figure in found.items()}


def main():
    studies = ["fit", "predict", "small", "gate", "memory"]
    how = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=how)
    parser.add_argument("studies", nargs="*", choices=[[], *studies])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--quick", action="store_true", help="tiny sizes: no figures to quote")
    parser.add_argument("--disk", type=int, nargs="*", default=[100_000], help="samples in files")
    args, load, sections = parser.parse_args(), os.getloadavg()[0], []
    bench = Bench(args.threads, args.device, args.quick, args.disk)
    torch.set_num_threads(args.threads)
    with threadpool_limits(args.threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of clusters that random data leave
        Bench(args.threads, args.device).predict()  # loads what is loaded late
        for study in [getattr(bench, name) for name in args.studies or studies]:
            title, _, words = inspect.getdoc(study).partition(".\n\n")
            table = pd.DataFrame.from_dict(study(), orient="index").fillna("").rename_axis("")
            sections.append(f"## {title}\n\n{words}\n\n{markdown(table)}")
    text = PAGE.format(
        threads=args.threads, load=load, sections="\n\n".join(sections),
        clock="Processor time" if bench.clock is process_time else "Wall clock",
        machine=machine(args.device), date=f"{datetime.now(UTC):%Y-%m-%d}",
        versions=versions(), code=code(),
    )  # fmt: skip
    print(text)
    if not (args.studies or args.quick):
        page = ROOT / "docs" / "results" / "speed.md"
        page.write_text(text, "utf-8")
        draw_speed(page, page.with_suffix(".svg"))


if __name__ == "__main__":
    main()
