"""Clocks: the one on the wall, or the processor's time, which other processes disturb less."""

from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, process_time

import torch
from threadpoolctl import threadpool_limits

CLOCKS = {"wall": perf_counter, "processor": process_time}


@dataclass(frozen=True)
class Timer:
    """Seconds of calls on a device, whose queue is empty before and after."""

    device: str = "cpu"
    clock: str = "wall"
    budget: float = 0.15  # seconds to repeat a short call

    def now(self):
        if self.device.startswith("cuda"):
            torch.cuda.synchronize(self.device)
        return CLOCKS[self.clock]()

    def seconds(self, function, *args):
        return self.result(function, *args)[0]

    def result(self, function, *args):
        """Seconds and what the call returned."""
        start = self.now()
        result = function(*args)
        return self.now() - start, result

    def typical(self, function, least=3, between=lambda: None):
        """The median of a few calls and for a while, after one that warms up.

        `between` is called before each, and does not count.
        """
        function()
        times, start = [], perf_counter()
        while len(times) < least or perf_counter() - start < self.budget:
            between()
            times.append(self.seconds(function))
        return sorted(times)[len(times) // 2]


@contextmanager
def threads(n_threads):
    """That many threads in torch and in the libraries of NumPy and SciPy."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        with threadpool_limits(n_threads):
            yield
    finally:
        torch.set_num_threads(before)
