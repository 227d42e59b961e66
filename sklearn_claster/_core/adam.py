"""The only place that makes an optimiser, and one step of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class FusedAdam:
    """`torch.optim.Adam(fused=True)`, bit for bit, by a direct call of its kernel.

    What `torch.optim` does around the kernel takes as long as the kernel where networks are small,
    and an eighth of the whole fit.

    Parameters
    ----------
    groups : list of dict
        Parameters ("params"), and the weight decay of each group.
    lr : float
        Step size.
    betas : tuple of float
        Decay of the means of gradients and of their squares.
    """

    def __init__(
        self, groups: list[dict[str, Any]], lr: float, betas: tuple[float, float] = (0.9, 0.999)
    ) -> None:
        self.param_groups = [{"lr": lr, "betas": betas, **group} for group in groups]
        self._means = [list(map(torch.zeros_like, group["params"])) for group in groups]
        self._squares = [list(map(torch.zeros_like, group["params"])) for group in groups]
        self._n_steps = torch.zeros((), dtype=torch.float32, device=groups[0]["params"][0].device)

    @torch.no_grad()
    def step(self) -> None:
        """Move all parameters, each of which has a gradient."""
        self._n_steps += 1
        for group, means, squares in zip(
            self.param_groups, self._means, self._squares, strict=True
        ):
            parameters = group["params"]
            torch._fused_adam_(
                parameters,
                [parameter.grad for parameter in parameters],
                means,
                squares,
                [],
                [self._n_steps] * len(parameters),
                lr=group["lr"],
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                weight_decay=group["weight_decay"],
                eps=1e-8,
                amsgrad=False,
                maximize=False,
            )


Adam = FusedAdam | torch.optim.Adam


def make_adam(
    network: nn.Module,
    learning_rate: float,
    weight_decay: float,
    free: Iterable[nn.Parameter] = (),
    betas: tuple[float, float] = (0.9, 0.999),
) -> Adam:
    """Adam for a network, and for `free` parameters that no penalty shrinks."""
    penalised = list(network.parameters())
    groups = [{"params": penalised, "weight_decay": weight_decay}]
    if free := list(free):
        groups.append({"params": free, "weight_decay": 0.0})
    fused = penalised[0].device.type in {"cpu", "cuda"}
    return (FusedAdam if fused else torch.optim.Adam)(groups, lr=learning_rate, betas=betas)


def descend(adam: Adam, output: Tensor, gradient: Tensor | None = None) -> None:
    """One step down a loss: `output` itself, or one with such a `gradient` towards `output`."""
    for group in adam.param_groups:  # zero_grad, without its profiler: it is a tenth of small steps
        for parameter in group["params"]:
            parameter.grad = None
    output.backward(gradient)
    adam.step()
