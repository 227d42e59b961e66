"""What this machine can do: rates of matrix products, of copying and of optimiser steps."""

from dataclasses import dataclass
from time import perf_counter

import torch
from floor import ADAM_BYTES

COPIED = 64 * 2**20  # numbers, more than caches hold
LARGE = 32 * 2**20  # parameters, likewise
SQUARE = 2048


def synchronise(device):
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def seconds(function, device="cpu"):
    """The time of one call."""
    synchronise(device)
    start = perf_counter()
    function()
    synchronise(device)
    return perf_counter() - start


def typical(function, device, least=3, budget=0.15):
    """The median time of a call, of at least a few and for a while, after one that warms up."""
    function()
    times, start = [], perf_counter()
    while len(times) < least or perf_counter() - start < budget:
        times.append(seconds(function, device))
    return sorted(times)[len(times) // 2]


@dataclass(frozen=True)
class Rates:
    """Operations and bytes a second."""

    products: dict  # float32, shape -> rate
    flop64: float
    copy: float
    steps: dict  # parameters -> bytes a second of a fused Adam step

    @property
    def flop(self):
        """The best rate of a float32 product."""
        return max(self.products.values())

    def adam(self, size):
        return self.steps[size]

    @property
    def plain(self):
        """All rates by name, for a table."""
        return {
            **{f"float32 product {shape}": rate for shape, rate in self.products.items()},
            "float64 product": self.flop64,
            "copy": self.copy,
            **{f"Adam step, {size:,} parameters": rate for size, rate in self.steps.items()},
        }


def product_rate(shape, device, dtype=torch.float32):
    a, b, c = shape
    left = torch.ones(a, b, dtype=dtype, device=device)
    right = torch.ones(b, c, dtype=dtype, device=device)
    out = torch.empty(a, c, dtype=dtype, device=device)
    return 2.0 * a * b * c / typical(lambda: torch.mm(left, right, out=out), device)


def copy_rate(n_numbers, device):
    source = torch.ones(n_numbers, device=device)
    target = torch.empty_like(source)
    return 8.0 * n_numbers / typical(lambda: target.copy_(source), device)


def step_rate(n_parameters, device):
    """Bytes a second of a fused Adam step over parameters in one piece."""
    parameter = torch.nn.Parameter(torch.zeros(n_parameters, device=device))
    parameter.grad = torch.ones_like(parameter)
    adam = torch.optim.Adam([parameter], fused=True)
    return ADAM_BYTES * n_parameters / typical(adam.step, device)


def measure_rates(sizes, device="cpu", square=SQUARE, copied=COPIED):
    """The rates that the floor of this problem is made of.

    Products have the shapes of a training step's widest layer, forward and for its gradient, and a
    large square; the floor takes the fastest. Adam has the networks' numbers of parameters.
    """
    widest = max((sizes.f, sizes.hidden[0] if sizes.hidden else sizes.f), (sizes.p, sizes.s))
    widest = (sizes.f, sizes.hidden[0]) if sizes.hidden else widest
    shapes = [
        (sizes.batch, *widest),
        (widest[0], sizes.batch, widest[1]),
        (square, square, square),
    ]
    return Rates(
        {"x".join(map(str, shape)): product_rate(shape, device) for shape in shapes},
        product_rate((square,) * 3, device, torch.float64),
        copy_rate(copied, device),
        {size: step_rate(size, device) for size in sorted(set(sizes.n_parameters.values()))},
    )


def mean_of(first, second):
    """The mean of two samples, before and after what they are compared with."""
    return Rates(
        {shape: (rate + second.products[shape]) / 2 for shape, rate in first.products.items()},
        (first.flop64 + second.flop64) / 2,
        (first.copy + second.copy) / 2,
        {size: (rate + second.steps[size]) / 2 for size, rate in first.steps.items()},
    )
