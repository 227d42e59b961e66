"""What is measured: one function a study, from a `Setup` to its rows of figures."""

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace

import bare
import joblib
import memory
import numpy as np
import torch
from floor import Sizes, Work, fit_work, predict_work, training_flop
from problems import random_problem
from rates import measure_rates
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from stages import watched
from timing import Timer

from sklearn_claster import PAPER_PARAMETERS, ClasterZSL
from sklearn_claster.baselines import ESZSL

STANDARD = {
    "rates": Sizes(7000, 2048, 300, 50, hidden=(1024,)),
    "fit": Sizes(7000, 2048, 300, 50, hidden=(1024,)),
    "paper": Sizes(
        13_320, 8192, 300, 101, hidden=(8192, 8192), whiten=False, reinforce_steps=10_000
    ),
    "precision": Sizes(13_320, 8192, 300, 101, hidden=(8192, 8192), whiten=False),
    "small": Sizes(300, 20, 15, 10, hidden=(256, 256), batch=30, candidates=5),  # as "auto" does
    "predict": Sizes(6000, 512, 300, 50, epochs=1),
    "threads": Sizes(4000, 256, 100, 40, batch=125),
    "others": Sizes(7000, 2048, 300, 50, hidden=(1024,)),
    "memory": Sizes(40_000, 512, 300, 50, hidden=(64,), batch=1024, epochs=1),
}
TINY = {
    name: replace(
        sizes, n=240, f=16, s=8, classes=6, hidden=tuple(12 for _ in sizes.hidden), batch=24,
        epochs=2, candidates=4, clusters=2, reinforce_steps=sizes.reinforce_steps and 10,
    )
    for name, sizes in STANDARD.items()
}  # fmt: skip
DTYPES = ("float32", "float16", "float64")
BATCHES = 256, 2048  # of the study of precisions
# name -> `precision` of ClasterZSL, torch's setting for float32 products, type of the products
PRECISIONS = {
    "float32": ("float32", "highest", torch.float32),
    "TF32": ("float32", "high", torch.float32),
    "bfloat16": ("bfloat16", "highest", torch.bfloat16),
}


@dataclass(frozen=True)
class Setup:
    """What the command line asks for."""

    timer: Timer
    runs: int = 5
    quick: bool = False

    def sizes(self, study):
        return (TINY if self.quick else STANDARD)[study]

    @property
    def predicted_rows(self):
        return 500 if self.quick else 100_000

    @property
    def on_cpu(self):
        return self.timer.device == "cpu"

    def rates(self, sizes, dtype=torch.float32):
        square = 64 if self.quick else 2048 if self.on_cpu else 8192
        beyond_cache = 2**14 if self.quick else 2**26
        return measure_rates(self.timer, sizes, square, beyond_cache, dtype)


def estimator(sizes, device, **others):
    """ClasterZSL whose cost is that of the sizes."""
    reinforce_steps = "auto" if sizes.reinforce_steps is None else sizes.reinforce_steps
    parameters = {
        "hidden_layer_sizes": sizes.hidden, "batch_size": sizes.batch, "max_epochs": sizes.epochs,
        "n_clusters": sizes.clusters, "reinforce_steps": reinforce_steps, "whiten": sizes.whiten,
        "device": device, "random_state": 0,
    }  # fmt: skip
    return ClasterZSL(**{**others, **parameters})


def machine_rates(setup):
    """What the floor is made of, one row a rate."""
    sizes = setup.sizes("rates")
    samples = [setup.rates(sizes).by_name for _ in range(setup.runs)]
    return [
        {"label": name, "unit": unit, "rate": [sample[name][0] / 1e9 for sample in samples]}
        for name, (_, unit) in samples[0].items()
    ]


def watched_fits(setup, sizes, dtype=torch.float32, **parameters):
    """Sizes, seconds of the stages and of the whole, and rates around the fit, run by run."""
    timer, problem = setup.timer, random_problem(sizes)
    model = estimator(sizes, timer.device, **parameters)
    small = random_problem(sizes, n=2 * sizes.classes)
    first = estimator(replace(sizes, epochs=1, reinforce_steps=None), timer.device, **parameters)
    first.fit(small.X, small.y, small.table)  # loads what is loaded late
    before = setup.rates(sizes, dtype)
    for _ in range(setup.runs):
        with watched(timer) as watch:
            whole = timer.seconds(model.fit, problem.X, problem.y, problem.table)
        after = setup.rates(sizes, dtype)
        rates, before = before.mean(after), after
        if watch.kmeans_passes is not None:
            sizes = sizes.with_passes(watch.kmeans_passes)
        yield sizes, watch.seconds, whole, rates


def fit_against_floor(setup, study="fit", **parameters):
    """One row a stage of `fit`, what is left, and the whole."""
    measured, floors, with_adam_alone = {}, {}, {}
    for sizes, stages, whole, rates in watched_fits(setup, setup.sizes(study), **parameters):
        work = fit_work(sizes)
        seconds = {name: stages.get(name, np.nan) for name in work}
        seconds |= {"other": whole - np.nansum(list(seconds.values())), "whole": whole}
        work |= {"whole": sum(work.values(), Work())}
        for name, taken in seconds.items():
            measured.setdefault(name, []).append(taken)
            if name in work:
                floors.setdefault(name, []).append(work[name].seconds(rates))
                with_adam_alone.setdefault(name, []).append(work[name].seconds(rates.alone))
    return [
        {"label": name, "seconds": taken, "setting": setting(sizes)}
        | of_work(work.get(name), taken, floors.get(name), with_adam_alone.get(name))
        for name, taken in measured.items()
    ]


def of_work(work, taken, floor, with_adam_alone):
    """The floor's figures, where there is one."""
    if work is None:
        return {}
    return {
        "gflop": (work.flop + work.flop64) / 1e9, "moved_gb": work.moved / 1e9,
        "optimiser_gb": work.optimiser_bytes / 1e9, "floor": floor,
        "ratio": [a / b for a, b in zip(taken, floor, strict=True)],
        "ratio_alone": [a / b for a, b in zip(taken, with_adam_alone, strict=True)],
    }  # fmt: skip


def setting(z):
    steps = f", {z.classifier_steps:,} steps of V" if z.reinforce_steps else ""
    return (
        f"{z.n:,} rows x {z.f:,} features, {z.classes} classes, vectors of {z.s}, hidden layers "
        f"{z.hidden}, batches of {z.batch}{steps}"
    )


def paper_fit(setup):
    """The paper's configuration, once; its rows of figures take a GPU."""
    if setup.on_cpu and not setup.quick:
        return []
    rows = fit_against_floor(replace(setup, runs=1), "paper", **PAPER_PARAMETERS)
    return [row | {"runs": 1} for row in rows]


def training_by_precision(setup):
    """Fits by the size of a batch and the precision of products: V, and the whole."""
    names = [name for name in PRECISIONS if not (setup.on_cpu and name == "TF32")]
    return [training_steps(setup, batch, name) for batch in BATCHES for name in names]


def training_steps(setup, batch, name):
    """Steps of V against the floor, and against products alone, both at this precision."""
    precision, products, dtype = PRECISIONS[name]
    sizes = setup.sizes("fit" if setup.on_cpu else "precision")
    sizes = replace(sizes, batch=min(batch, sizes.n), whiten=False)
    parameters = PAPER_PARAMETERS | {"precision": precision}
    found = {
        name: [] for name in ("seconds", "floor", "of_floor", "tflops", "of_products", "whole")
    }
    with float32_products(products):
        for z, stages, whole, rates in watched_fits(setup, sizes, dtype, **parameters):
            work, seconds = fit_work(z)["V"], stages["V"]
            floor, rate = work.seconds(rates), work.flop / seconds
            found["seconds"].append(seconds)
            found["floor"].append(floor)
            found["of_floor"].append(floor / seconds)
            found["tflops"].append(rate / 1e12)
            found["of_products"].append(rate / rates.flop)
            found["whole"].append(whole)
    ms = [1e3 * seconds / sizes.classifier_steps for seconds in found["seconds"]]
    label = f"batches of {sizes.batch:,}, {name}"
    where = f"{sizes.n:,} rows x {sizes.f:,} features, hidden layers {sizes.hidden}"
    return {"label": label, "ms_a_step": ms, "setting": where} | found


@contextmanager
def float32_products(precision):
    """torch's precision of float32 products: "high" is TensorFloat-32 where there is any."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def small_fit(setup):
    """A fit whose time is overhead: many small steps."""
    sizes, timer = setup.sizes("small"), setup.timer
    problem = random_problem(sizes)
    model = estimator(sizes, timer.device)  # with the batches that "auto" would take
    model.fit(problem.X, problem.y, problem.table)
    whole = []
    for _ in range(setup.runs):
        whole.append(timer.seconds(model.fit, problem.X, problem.y, problem.table))
    with watched(timer) as watch:
        model.fit(problem.X, problem.y, problem.table)
    stages = {name: [taken] for name, taken in watch.seconds.items()}
    one = one_row(setup, model, problem.X[:1])
    n_steps = sizes.projector_steps + 10 * sizes.steps_an_epoch + sizes.classifier_steps
    rows = [
        {
            "label": "whole", "seconds": whole, "least": min(whole), "setting": setting(sizes),
            "ms_a_step": 1e3 * min(whole) / n_steps,
        }
    ]  # fmt: skip
    rows += [{"label": name, "seconds": taken} for name, taken in stages.items()]
    return [*rows, {"label": "predict, one row", "seconds": one}]


def one_row(setup, model, x):
    """Typical times of `predict` after many others."""
    return [
        float(np.median([setup.timer.seconds(model.predict, x) for _ in range(50)]))
        for _ in range(setup.runs)
    ]


def predict_against_bare(setup):
    """`predict` and a plain torch loop of the same arithmetic in turns; then one row."""
    sizes, timer = setup.sizes("predict"), setup.timer
    problem = random_problem(sizes)
    model = estimator(sizes, timer.device).fit(problem.X, problem.y, problem.table)
    constants = bare.constants(model, timer.device)
    X = random_problem(sizes, n=setup.predicted_rows, seed=1).X
    work, samples = predict_work(sizes, len(X)), {"ClasterZSL": [], "plain torch loop": []}
    labels = len(problem.seen) + bare.predict(constants, X[:5000], problem.unseen)
    share = float(np.mean(model.predict(X[:5000]) == labels))
    floor, before = [], setup.rates(sizes)
    for _ in range(setup.runs):
        taken, own = timer.result(model.predict, X)
        samples["ClasterZSL"].append(taken)
        taken, plain = timer.result(bare.predict, constants, X, problem.unseen)
        samples["plain torch loop"].append(taken)
        share = min(share, float(np.mean(own == plain + len(problem.seen))))
        after = setup.rates(sizes)
        floor.append(work.seconds(before.mean(after)))
        before = after
    if share < 0.999:  # rounding may decide between two that are equal
        raise AssertionError(f"Only {share:.2%} of the labels agree.")
    own, plain = samples.values()
    one = one_row(setup, model, X[:1])
    rows = [
        {
            "label": name, "seconds": taken, "agree": share,
            "ratio": [a / b for a, b in zip(taken, plain, strict=True)],
            "to_floor": [a / b for a, b in zip(taken, floor, strict=True)],
            "setting": f"{len(X):,} rows x {sizes.f} features, {sizes.candidates} candidates",
        }
        for name, taken in samples.items()
    ]  # fmt: skip
    return [*rows, {"label": "ClasterZSL, one row", "seconds": one}]


def side_by_side(setup):
    """Two fits at once against the same two one after the other."""
    if not setup.on_cpu or setup.timer.clock != "wall":
        return []
    sizes, timer = setup.sizes("threads"), setup.timer
    problem = random_problem(sizes)
    arguments = problem.X, problem.y, problem.table
    models = [estimator(sizes, "cpu").set_params(random_state=seed) for seed in range(2)]

    def both(backend):
        with joblib.parallel_config(backend, n_jobs=1 if backend == "sequential" else 2):
            joblib.Parallel()(joblib.delayed(model.fit)(*arguments) for model in models)

    backends = {"sequential": [], "loky": [], "threading": []}
    for backend in backends:
        both(backend)  # starts processes
    for _ in range(setup.runs):
        for backend, taken in backends.items():
            taken.append(timer.seconds(both, backend))
    alone = backends["sequential"]
    names = {"sequential": "one after the other", "loky": "two processes", "threading": "threads"}
    return [
        {
            "label": names[backend], "seconds": taken, "setting": setting(sizes),
            "ratio": [a / b for a, b in zip(taken, alone, strict=True)],
        }
        for backend, taken in backends.items()
    ]  # fmt: skip


def other_methods(setup):
    """What else one would run on the same data, in turns."""
    sizes, timer = setup.sizes("others"), setup.timer
    problem, n_epochs = random_problem(sizes), 2  # of MLPClassifier, and so many are counted
    own = estimator(sizes, timer.device)
    plain = {
        "hidden": sizes.hidden, "batch": sizes.batch, "epochs": sizes.epochs,
        "device": timer.device, "whiten": sizes.whiten,
    }  # fmt: skip
    mlp = MLPClassifier(sizes.hidden, batch_size=sizes.batch, max_iter=n_epochs, random_state=0)
    widths = (sizes.f, *sizes.hidden, sizes.classes)
    mlp_flop = sizes.epochs * training_flop(sizes.n, widths)
    whole = sum(fit_work(sizes).values(), Work())
    where = "" if setup.on_cpu else ", on the CPU"
    candidates = {
        "ClasterZSL": (lambda: own.fit(problem.X, problem.y, problem.table), 1.0, whole.flop),
        "plain torch loops, same arithmetic": (
            lambda: bare.fit(problem.X, problem.y, problem.seen, **plain), 1.0, whole.flop,
        ),
        f"MLPClassifier, {sizes.epochs} epochs{where}": (
            lambda: mlp.fit(problem.X, problem.y), sizes.epochs / n_epochs, mlp_flop,
        ),
        f"ESZSL{where}": (lambda: ESZSL().fit(problem.X, problem.y, problem.table), 1.0, None),
    }  # fmt: skip
    taken = {name: [] for name in candidates}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(setup.runs):
            for name, (function, share, _) in candidates.items():
                taken[name].append(share * timer.seconds(function))
    first = taken["ClasterZSL"]
    rows = []
    for name, (_, _, flop) in candidates.items():
        row = {"label": name, "seconds": taken[name], "setting": setting(sizes)}
        row["ratio"] = [a / b for a, b in zip(first, taken[name], strict=True)]
        if flop is not None:
            row |= {"gflop": flop / 1e9, "rate": [flop / 1e9 / seconds for seconds in taken[name]]}
        rows.append(row)
    return rows


def peak_memory(setup):
    """Memory of fit and predict on top of the data, by type of the data."""
    if setup.on_cpu and not memory.available():
        return []
    sizes, rows = setup.sizes("memory"), []
    measure = memory.in_fresh_process if setup.on_cpu else memory.on_gpu
    in_float32 = 4 * sizes.n * sizes.f / memory.MIB
    for dtype in DTYPES:
        found = [measure(sizes, dtype) for _ in range(setup.runs)]
        data, fit, predict = map(list, zip(*found, strict=True))
        rows.append(
            {
                "label": dtype, "setting": setting(sizes), "data_mib": data[0], "fit_mib": fit,
                "predict_mib": predict, "fit_ratio": [mib / in_float32 for mib in fit],
                "predict_ratio": [mib / in_float32 for mib in predict],
            }
        )  # fmt: skip
    return rows


STUDIES = {
    "rates": machine_rates,
    "fit": fit_against_floor,
    "paper": paper_fit,
    "precision": training_by_precision,
    "small": small_fit,
    "predict": predict_against_bare,
    "threads": side_by_side,
    "others": other_methods,
    "memory": peak_memory,
}
