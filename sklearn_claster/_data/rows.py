"""Rows of a matrix in blocks and in shuffled batches, from memory or from disk.

Training loops see one interface. Rows in memory lie on the device as a whole; rows on disk are
read, brought to the device and mapped batch by batch, so that memory does not grow with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .._utils.torch import batch_sizes, seeded_generator, shuffled_batches, to_device
from .on_disk import ArrayOnDisk

_BLOCK = 8192  # rows that a function is applied to at once
_READ_AT_ONCE = 64  # neighbouring rows on disk that stay together in a shuffle, at most
_WINDOW_BYTES = 64 * 2**20  # of rows that are shuffled together
_RUNS_A_WINDOW = 256  # at least: of as many places of the file, so of many classes

# From values (b, p) and their positions (b,) to new values.
Function = Callable[[Tensor, Tensor], Tensor]


class Rows(Protocol):
    """n rows; every part comes with its positions, (b, p) and (b,)."""

    def __len__(self) -> int:
        """N."""

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """All rows in order."""

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """All rows in a random order, in ceil(n / batch_size) batches of nearly equal size."""

    def map(self, function: Function) -> Rows:
        """Return the rows that a function makes of these, without gradient."""

    def sample(self, n_numbers: int) -> tuple[Tensor, Tensor]:
        """All rows if they hold no more numbers than these, otherwise as many random rows."""


class RowsInMemory:
    """Rows that lie on the device; what is made of them is computed at once."""

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self.positions = torch.arange(len(values), device=values.device)

    def __len__(self) -> int:
        return len(self.values)

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield from zip(self.values.split(_BLOCK), self.positions.split(_BLOCK), strict=True)

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in shuffled_batches(len(self), batch_size, order, self.values.device):
            yield self.values.index_select(0, rows), rows

    def map(self, function: Function) -> RowsInMemory:
        out, start = None, 0  # filled block by block: a list of blocks would take twice the memory
        with torch.no_grad():
            if len(self) <= _BLOCK:
                return RowsInMemory(function(self.values, self.positions))
            for values, rows in self.blocks():
                made = function(values, rows)
                if out is None:
                    out = made.new_empty((len(self), *made.shape[1:]))
                out[start : start + len(made)] = made
                start += len(made)
        assert out is not None  # there is a row at least
        return RowsInMemory(out)

    def sample(self, n_numbers: int) -> tuple[Tensor, Tensor]:
        n_rows = max(1, n_numbers // self.values.shape[1])
        if len(self) <= n_rows:
            return self.values, self.positions
        chosen = torch.randperm(len(self), generator=seeded_generator(0))[:n_rows]
        chosen = chosen.to(self.values.device)
        return self.values[chosen], chosen


class RowsOnDisk:
    """Rows that are read when they are needed; what is made of them is computed then.

    A shuffle moves runs of neighbouring rows, then shuffles a window of many runs: every row
    comes once, in random company.
    """

    def __init__(
        self,
        array: ArrayOnDisk,
        to_values: Callable[[NDArray[np.generic]], Tensor],
        functions: tuple[Function, ...] = (),
    ) -> None:
        self.array = array
        self.to_values = to_values
        self.functions = functions
        self._row_bytes = array.shape[1] * array.dtype.itemsize
        most = _WINDOW_BYTES // (_RUNS_A_WINDOW * self._row_bytes)
        self._run = min(max(1, most), _READ_AT_ONCE)  # rows

    def __len__(self) -> int:
        return len(self.array)

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(self), _BLOCK):
            rows = self.array[start : start + _BLOCK]
            yield self._values(rows, torch.arange(start, start + len(rows)))

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        sizes = iter(batch_sizes(len(self), batch_size))
        size = next(sizes)
        rows, positions = self.array[:0], torch.arange(0)
        for window in self._windows(order):
            read = [self.array[start : start + self._run] for start in window.tolist()]
            found = [
                torch.arange(start, start + len(part))
                for start, part in zip(window.tolist(), read, strict=True)
            ]
            mixed = torch.randperm(sum(map(len, read)), generator=order)
            rows = np.concatenate([rows, np.concatenate(read)[mixed.numpy()]])
            positions = torch.cat([positions, torch.cat(found)[mixed]])
            while size <= len(rows):
                yield self._values(rows[:size], positions[:size])
                rows, positions = rows[size:], positions[size:]
                if not (size := next(sizes, 0)):
                    return

    def map(self, function: Function) -> RowsOnDisk:
        return RowsOnDisk(self.array, self.to_values, (*self.functions, function))

    def sample(self, n_numbers: int) -> tuple[Tensor, Tensor]:
        width = self._values(self.array[:1], torch.arange(1))[0].shape[1]
        n_rows = min(max(1, n_numbers // width), len(self))
        found, n_missing = [], n_rows
        for values, rows in self.batches(min(n_rows, _BLOCK), seeded_generator(0)):
            found.append((values[:n_missing], rows[:n_missing]))
            n_missing -= len(found[-1][0])
            if not n_missing:
                break
        values, rows = (torch.cat(parts) for parts in zip(*found, strict=True))
        return values, rows

    def _windows(self, order: torch.Generator) -> tuple[Tensor, ...]:
        """First rows of runs, shuffled, in groups that fill a window."""
        starts = torch.arange(0, len(self), self._run)
        starts = starts[torch.randperm(len(starts), generator=order)]
        return starts.split(max(1, _WINDOW_BYTES // (self._run * self._row_bytes)))

    @torch.no_grad()
    def _values(self, rows: NDArray[np.generic], positions: Tensor) -> tuple[Tensor, Tensor]:
        values = self.to_values(rows)
        positions = to_device(positions, values.device)
        for function in self.functions:
            values = function(values, positions)
        return values, positions
