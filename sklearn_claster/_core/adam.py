"""The only place that makes an optimiser, and one step of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam


class Adam:
    """`torch.optim.Adam`, bit for bit, by the function that it calls.

    The first optimiser object of a process makes torch import its compiler, which takes longer
    than a small fit, and what such an object does in every step takes a quarter of a small step.

    Parameters
    ----------
    network : nn.Module
        What is trained; all its parameters get a gradient in each step.
    learning_rate, weight_decay : float
        Step size, which may change between steps, and penalty of the network's parameters.
    free : iterable of nn.Parameter
        More of them, without a penalty.
    betas : tuple of float
        Decay of the means of gradients and of their squares.
    """

    def __init__(
        self,
        network: nn.Module,
        learning_rate: float,
        weight_decay: float,
        free: Iterable[nn.Parameter] = (),
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        penalised: list[Tensor] = list(network.parameters())
        unpenalised: list[Tensor] = list(free)
        device = penalised[0].device
        fused = device.type != "mps"  # not there with every torch release
        counted = device if fused else torch.device("cpu")
        self._groups = [
            (
                parameters,
                list(map(torch.zeros_like, parameters)),  # means
                list(map(torch.zeros_like, parameters)),  # squares
                [torch.zeros((), dtype=torch.float32, device=counted) for _ in parameters],  # steps
                decay,
            )
            for parameters, decay in ((penalised, weight_decay), (unpenalised, 0.0))
            if parameters
        ]
        self.learning_rate = learning_rate
        self._options: dict[str, Any] = {
            "fused": fused or None,
            "amsgrad": False,
            "maximize": False,
            "beta1": betas[0],
            "beta2": betas[1],
            "eps": 1e-8,
        }

    def descend(self, output: Tensor, gradient: Tensor | None = None) -> None:
        """One step down a loss: `output` itself, or one with such a `gradient` towards `output`."""
        for parameters, *_ in self._groups:
            for parameter in parameters:
                parameter.grad = None
        output.backward(gradient)
        with torch.no_grad():
            for parameters, means, squares, steps, decay in self._groups:
                gradients: list[Any] = [parameter.grad for parameter in parameters]
                rates: dict[str, Any] = {"lr": self.learning_rate, "weight_decay": decay}
                adam(parameters, gradients, means, squares, [], steps, **self._options, **rates)
