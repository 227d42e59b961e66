"""What this machine can do: rates of matrix products, of copying and of optimiser steps."""

from dataclasses import dataclass

import torch
from floor import ADAM_BYTES


@dataclass(frozen=True)
class Rates:
    """Operations and bytes a second."""

    products: dict  # of the training's precision, by shape
    flop64: float
    copy: float
    steps: dict  # number of parameters -> bytes a second of a fused Adam step

    @property
    def flop(self):
        """The best rate of a product."""
        return max(self.products.values())

    def adam(self, size):
        return self.steps[size]

    @property
    def by_name(self):
        """All of them, for a table: name -> (rate, unit)."""
        return {
            **{f"product {shape}, float32": (r, "GFLOP/s") for shape, r in self.products.items()},
            "product of the large square, float64": (self.flop64, "GFLOP/s"),
            "copy": (self.copy, "GB/s"),
            **{f"Adam step, {size:,} parameters": (r, "GB/s") for size, r in self.steps.items()},
        }

    def mean(self, other):
        """The mean with another sample: before and after what they are compared with."""
        return Rates(
            {shape: (rate + other.products[shape]) / 2 for shape, rate in self.products.items()},
            (self.flop64 + other.flop64) / 2,
            (self.copy + other.copy) / 2,
            {size: (rate + other.steps[size]) / 2 for size, rate in self.steps.items()},
        )


def product_rate(timer, shape, dtype=torch.float32):
    a, b, c = shape  # of random numbers: a GPU multiplies equal ones faster, with less power
    noise = torch.Generator(timer.device).manual_seed(0)
    left = torch.randn(a, b, generator=noise, device=timer.device).to(dtype)
    right = torch.randn(b, c, generator=noise, device=timer.device).to(dtype)
    out = torch.empty(a, c, dtype=dtype, device=timer.device)
    return 2.0 * a * b * c / timer.typical(lambda: torch.mm(left, right, out=out))


def copy_rate(timer, n_numbers):
    source = torch.ones(n_numbers, device=timer.device)
    target = torch.empty_like(source)
    return 8.0 * n_numbers / timer.typical(lambda: target.copy_(source))


def step_rate(timer, n_parameters):
    """Bytes a second of a fused Adam step over parameters in one piece."""
    parameter = torch.nn.Parameter(torch.zeros(n_parameters, device=timer.device))
    parameter.grad = torch.ones_like(parameter)
    adam = torch.optim.Adam([parameter], fused=True)
    return ADAM_BYTES * n_parameters / timer.typical(adam.step)


def measure_rates(timer, sizes, square, beyond_cache, dtype=torch.float32):
    """The rates that the floor of a problem is made of, with products of one type.

    Products have the shapes of phi's first layer in a training step, forward and for its gradient,
    and of a large square matrix; the floor takes the fastest. Copied are so many numbers beyond
    the cache. Adam has the networks' numbers of parameters.
    """
    width = sizes.hidden[0] if sizes.hidden else sizes.f
    shapes = [(sizes.batch, sizes.f, width), (width, sizes.batch, sizes.f), (square,) * 3]
    return Rates(
        {" x ".join(map(str, shape)): product_rate(timer, shape, dtype) for shape in shapes},
        product_rate(timer, (square,) * 3, torch.float64),
        copy_rate(timer, beyond_cache),
        {n: step_rate(timer, n) for n in sorted(set(sizes.n_parameters.values()))},
    )
