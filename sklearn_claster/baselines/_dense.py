"""Trained networks as lists of NumPy arrays: no device is needed to use, pickle or load them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .._core.networks import MLP
from .._utils.torch import to_numpy

Layers = list[NDArray[Any]]


def layers_of(network: MLP) -> tuple[Layers, Layers]:
    """Weights (n_in, n_out) and biases (n_out,) of every layer.

    Raises
    ------
    ValueError
        If they are not finite.
    """
    arrays = [to_numpy(parameter) for parameter in network.parameters()]  # weight, bias, ...
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(
            "The training has diverged: expected finite weights, got infinite ones or NaN. Lower "
            "learning_rate."
        )
    return [weight.T.copy() for weight in arrays[::2]], [bias.copy() for bias in arrays[1::2]]


def network_of(coefs: Layers, intercepts: Layers) -> MLP:
    """Build the network of these weights and biases."""
    network = MLP(len(coefs[0]), [len(bias) for bias in intercepts[:-1]], len(intercepts[-1]), None)
    arrays = [r for coef, bias in zip(coefs, intercepts, strict=True) for r in (coef.T, bias)]
    with torch.no_grad():
        for parameter, array in zip(network.parameters(), arrays, strict=True):
            parameter.copy_(torch.tensor(array))
    return network


def forward(rows: NDArray[Any], coefs: Layers, intercepts: Layers) -> NDArray[Any]:
    """Pass rows through the network, (n, n_in) -> (n, n_out): ReLU between layers."""
    for depth, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
        rows = (np.maximum(rows, 0.0) if depth else rows) @ coef + intercept
    return rows
