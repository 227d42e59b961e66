"""The input space: unit rows around the seen data's centre, whitened within the seen classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from .._data.on_disk import ArrayOnDisk
from .._data.rows import Rows, RowsInMemory, RowsOnDisk
from .._data.unit_rows import row_mean, unit_rows, warn_of_one_direction
from .._utils.torch import exact_device, to_device, to_numpy, to_tensor
from .whitening import Scatter, room_for_whitening, whitening_matrix

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class InputSpace:
    """From feature rows to unit rows: centred, and whitened within classes if `whitening` is given.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
        Mean of the training rows.
    whitening : ndarray of shape (n_features, n_features) or None
        What centred unit rows are multiplied by; upper triangular.
    whitened_mean : ndarray of shape (n_features,) or None
        Mean of the training rows after that.
    """

    mean: NDArray[np.float64]
    whitening: NDArray[np.float64] | None = None
    whitened_mean: NDArray[np.float64] | None = None

    @classmethod
    def fit(
        cls,
        X: Any,
        y: Any = None,
        device: torch.device = _CPU,
        n_dimensions: int | None = None,
    ) -> tuple[InputSpace, Rows]:
        """Learn it from feature rows (n, f), and bring them there.

        With class codes y (n,) it whitens. Rows on disk stay there. Where X are coordinates in a
        subspace, `n_dimensions` are those of the whole space.
        """
        centred = cls(row_mean(X))
        to_unit_rows = centred.on(device)
        x: Rows
        if isinstance(X, ArrayOnDisk):
            x = RowsOnDisk(X, to_unit_rows)
        else:
            x = RowsInMemory(to_unit_rows(X))
        codes = torch.as_tensor(np.zeros(len(X), np.intp) if y is None else y, device=device)
        means, shares = class_means(x, codes, int(codes.max()) + 1)
        warn_of_one_direction(to_numpy(shares @ means))
        if y is None:
            return centred, x
        with room_for_whitening(X.shape[1]):
            scatter = Scatter.of(x, codes, means, n_dimensions)
            whitening = whitening_matrix(scatter.covariance(), scatter.shrinkage())
            whitened_mean = to_numpy(shares @ means @ whitening)
            space = cls(centred.mean, to_numpy(whitening), whitened_mean)
            whiten = space._whitener(device)
        return space, x.map(lambda values, _: whiten(values))

    def start(self) -> NDArray[np.float64]:
        """How class vectors in the space of the features get there, (f, f): as the rows do."""
        return np.eye(len(self.mean)) if self.whitening is None else self.whitening.T

    def on(self, device: torch.device) -> Callable[[Any], Tensor]:
        """Return what brings feature rows there, (n, f) -> (n, f), with constants on the device."""
        whiten = self._whitener(device)

        def to_unit_rows(X: NDArray[Any]) -> Tensor:
            return whiten(to_device(torch.from_numpy(unit_rows(X, self.mean)), device))

        return to_unit_rows

    def __call__(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Return unit rows of feature rows, (n, f) -> (n, f), on the CPU."""
        return to_numpy(self.on(_CPU)(X))

    def _whitener(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        if self.whitening is None or self.whitened_mean is None:
            return lambda x: x
        whitening, mean = to_tensor(self.whitening, device), to_tensor(self.whitened_mean, device)

        def whiten(x: Tensor) -> Tensor:
            rows = (x @ whitening).sub_(mean)
            return F.normalize(rows, dim=1, out=rows)

        return whiten


def class_means(x: Rows, y: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
    """Mean of every class, (S, f), and its share of the samples, (S,), in float64."""
    where = exact_device(y.device)
    counts = torch.bincount(y.to(where), minlength=n_classes).to(torch.float64)
    sums: Any = 0.0
    for values, rows in x.blocks():
        part = values.new_zeros(n_classes, values.shape[1]).index_add_(0, y[rows], values)
        sums = sums + part.to(where, torch.float64)
    return sums / counts[:, None], counts / counts.sum()
