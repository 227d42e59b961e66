"""Peak additional memory of fit and predict, in processes of their own."""

import gc
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread

import torch
from problems import random_problem
from timing import threads

from sklearn_claster import ClasterZSL

STATUS = Path("/proc/self/status")
MIB = 2**20


def available():
    return sys.platform == "linux" and STATUS.exists()


def anonymous_bytes():
    """What the process holds of its own, without mapped files."""
    line = next(x for x in STATUS.read_text().splitlines() if x.startswith("RssAnon"))
    return 1024 * int(line.split()[1])


@contextmanager
def peak_bytes(interval=0.001):
    """Samples in a thread: the most above what was held before, in a list of one number."""
    gc.collect()
    found, stop = [0], Event()
    before = anonymous_bytes()

    def sample():
        while not stop.wait(interval):
            found[0] = max(found[0], anonymous_bytes() - before)

    thread = Thread(target=sample)
    thread.start()
    try:
        yield found
    finally:
        found[0] = max(found[0], anonymous_bytes() - before)
        stop.set()
        thread.join()


def measure(sizes, dtype, device, watch):
    """MiB of the data, and of fit and of predict on top of them, for `watch` of a block."""
    small = random_problem(sizes, n=10 * sizes.classes)
    model = ClasterZSL(
        sizes.clusters, max_epochs=sizes.epochs, hidden_layer_sizes=sizes.hidden,
        batch_size=sizes.batch, device=device, random_state=0,
    )  # fmt: skip
    model.fit(small.X, small.y, small.table).predict(small.X)  # loads what is loaded late
    problem = random_problem(sizes, dtype=dtype)
    with watch() as fit:
        model.fit(problem.X, problem.y, problem.table)
    with watch() as predict:
        model.predict(problem.X)
    return problem.X.nbytes / MIB, fit[0] / MIB, predict[0] / MIB


def in_fresh_process(sizes, dtype):
    """Of the process, which earlier work would have left memory to take again."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure_here, sizes, dtype, torch.get_num_threads()).result()


def measure_here(sizes, dtype, n_threads):
    with threads(n_threads):
        return measure(sizes, dtype, "cpu", peak_bytes)


@contextmanager
def peak_gpu_bytes():
    """The most that torch allocates on the GPU above what was held before."""
    before, found = torch.cuda.memory_allocated(), [0]
    torch.cuda.reset_peak_memory_stats()
    yield found
    found[0] = torch.cuda.max_memory_allocated() - before


def on_gpu(sizes, dtype):
    return measure(sizes, dtype, "cuda", peak_gpu_bytes)
