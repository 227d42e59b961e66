"""What this machine can do: rates of matrix products, of copying and of optimiser steps."""

from dataclasses import dataclass, replace

import torch
from floor import ADAM_BYTES


@dataclass(frozen=True)
class Rates:
    """Operations and bytes a second."""

    products: dict  # of the training's precision, by shape
    flop64: float
    copy: float
    steps: dict  # number of parameters -> bytes a second of a fused Adam step in training
    steps_alone: dict  # the same of step after step, with nothing in between

    @property
    def flop(self):
        """The best rate of a product."""
        return max(self.products.values())

    def adam(self, size):
        return self.steps[size]

    @property
    def alone(self):
        """The same with Adam's rate where nothing comes between its steps."""
        return replace(self, steps=self.steps_alone)

    @property
    def by_name(self):
        """All of them, for a table: name -> (rate, unit)."""
        return {
            **{f"product {shape}, float32": (r, "GFLOP/s") for shape, r in self.products.items()},
            "product of the large square, float64": (self.flop64, "GFLOP/s"),
            "copy": (self.copy, "GB/s"),
            **{
                f"Adam step, {size:,} parameters, {when}": (steps[size], "GB/s")
                for size in self.steps
                for when, steps in (("in training", self.steps), ("on its own", self.steps_alone))
            },
        }

    def mean(self, other):
        """The mean with another sample: before and after what they are compared with."""
        return Rates(
            _mean(self.products, other.products),
            (self.flop64 + other.flop64) / 2,
            (self.copy + other.copy) / 2,
            _mean(self.steps, other.steps),
            _mean(self.steps_alone, other.steps_alone),
        )


def _mean(a, b):
    return {name: (rate + b[name]) / 2 for name, rate in a.items()}


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


def step_rates(timer, n_parameters, width, n_rows):
    """Bytes a second of a fused Adam step over parameters in one piece, in training and alone.

    In training they are a layer of `width`: what comes between two steps is its forward pass over
    a batch of so many rows and the gradient of its weights. On a CPU a cache that is shared with
    others has lost the parameters and moments by then.
    """
    parameter = torch.nn.Parameter(torch.zeros(n_parameters, device=timer.device))
    parameter.grad = torch.ones_like(parameter)
    adam = torch.optim.Adam([parameter], fused=True)
    shape = width, n_parameters // width
    weights, gradient = (
        whole[: shape[0] * shape[1]].view(shape) for whole in (parameter.detach(), parameter.grad)
    )
    noise = torch.Generator(timer.device).manual_seed(0)
    rows = torch.randn(n_rows, shape[1], generator=noise, device=timer.device)

    def products():
        torch.mm((rows @ weights.T).T, rows, out=gradient)

    return tuple(
        ADAM_BYTES * n_parameters / timer.typical(adam.step, between=between)
        for between in (products, lambda: None)
    )


def measure_rates(timer, sizes, square, beyond_cache, dtype=torch.float32):
    """The rates that the floor of a problem is made of, with products of one type.

    Products have the shapes of phi's first layer in a training step, forward and for its gradient,
    and of a large square matrix; the floor takes the fastest. Copied are so many numbers beyond
    the cache. Adam has the networks' numbers of parameters, and steps between products of a
    batch as well as alone.
    """
    width = sizes.hidden[0] if sizes.hidden else sizes.f
    rows = {"a'": sizes.classes, "phi": sizes.batch, "V": sizes.batch}
    networks = {n: rows[name] for name, n in sizes.n_parameters.items()}
    steps = {n: step_rates(timer, n, width, networks[n]) for n in sorted(networks)}
    shapes = [(sizes.batch, sizes.f, width), (width, sizes.batch, sizes.f), (square,) * 3]
    return Rates(
        {" x ".join(map(str, shape)): product_rate(timer, shape, dtype) for shape in shapes},
        product_rate(timer, (square,) * 3, torch.float64),
        copy_rate(timer, beyond_cache),
        {n: in_training for n, (in_training, _) in steps.items()},
        {n: alone for n, (_, alone) in steps.items()},
    )
