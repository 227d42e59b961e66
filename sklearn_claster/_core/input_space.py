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
from .._data.unit_rows import row_mean, unit_rows
from .._utils.processes import current
from .._utils.torch import exact_device, to_numpy
from .whitening import (
    N_FOLDS,
    WEAKER,
    Scatter,
    class_folds,
    clear_choice,
    held_out_accuracies,
    times_upper_triangle,
    whitening_matrix,
)

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
    shrinkage : float or None
        Share of the identity in the covariance that `whitening` is made of, 1 for none of it.
    """

    mean: NDArray[np.float64]
    whitening: NDArray[np.float64] | None = None
    whitened_mean: NDArray[np.float64] | None = None
    shrinkage: float | None = None

    @classmethod
    def fit(
        cls,
        X: Any,
        y: Any = None,
        device: torch.device = _CPU,
        embeddings: NDArray[Any] | None = None,
        seed: int = 0,
    ) -> tuple[InputSpace, Rows]:
        """Learn it from feature rows (n, f), and bring them there.

        With class codes y (n,) it whitens; with class embeddings (S, s) as well as strongly as
        held-out classes bear. Rows on disk stay there.
        """
        processes = current.get()
        centred = cls(row_mean(X))
        processes.check_same({}, centred.mean)
        to_unit_rows = centred.on(device)
        x: Rows
        if isinstance(X, ArrayOnDisk):
            x = RowsOnDisk(X, to_unit_rows)
        else:
            x = RowsInMemory(to_unit_rows(X))
        if y is None:
            return centred, x
        y = torch.as_tensor(y, device=device)
        n_classes = int(y.max()) + 1
        means, shares = class_means(x, y, n_classes)
        choose = embeddings is not None and n_classes >= 2 * N_FOLDS
        folds = class_folds(n_classes, seed) if choose else np.zeros(n_classes, dtype=np.intp)
        scatter = Scatter.of(x, y, means, folds)
        shrinkage = scatter.shrinkage()
        shrinkages = [shrinkage, *(larger for larger in WEAKER if larger > shrinkage)]
        if embeddings is not None and choose and len(shrinkages) > 1:
            accuracies = held_out_accuracies(shrinkages, scatter, x, y, means, embeddings, seed)
            shrinkage = shrinkages[clear_choice(accuracies)]
        shrinkage = processes.agree(shrinkage)  # rounding may differ between GPUs
        whitening = whitening_matrix(scatter.covariance(), shrinkage)
        whitened_mean = to_numpy(shares @ means @ whitening)
        space = cls(centred.mean, to_numpy(whitening), whitened_mean, shrinkage)
        whiten = space._whitener(device, np.float32)
        return space, x.map(lambda values, _: whiten(values))

    def on(self, device: torch.device, dtype: type = np.float32) -> Callable[[Any], Tensor]:
        """What brings feature rows there, (n, f) -> (n, f), with constants on the device."""
        whiten = self._whitener(device, dtype)

        def to_unit_rows(X: NDArray[Any]) -> Tensor:
            return whiten(torch.from_numpy(unit_rows(X, self.mean, dtype)).to(device))

        return to_unit_rows

    def __call__(self, X: NDArray[Any], dtype: type = np.float32) -> NDArray[Any]:
        """Unit rows of feature rows, (n, f) -> (n, f), on the CPU."""
        return to_numpy(self.on(_CPU, dtype)(X))

    def _whitener(self, device: torch.device, dtype: type) -> Callable[[Tensor], Tensor]:
        if self.whitening is None or self.whitened_mean is None:
            return lambda x: x
        whitening, mean = (
            torch.from_numpy(array.astype(dtype)).to(device)
            for array in (self.whitening, self.whitened_mean)
        )

        def whiten(x: Tensor) -> Tensor:
            rows = times_upper_triangle(x, whitening).sub_(mean)
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
