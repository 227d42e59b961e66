"""One fit on several processes: who takes which rows of a batch, and what they tell each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from inspect import signature
from itertools import compress
from typing import Any, TypeVar

import joblib
from numpy.typing import NDArray
from torch import Tensor, distributed, nn

Found = TypeVar("Found")


class Processes:
    """The processes that share a fit; this one alone, if there is no group.

    All have the same data and draw the same batches. Each computes with every `size`-th row of a
    batch, and gradients are summed, so that a step is the step that one process would take.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup or None
        Who they are.
    """

    def __init__(self, group: Any = None) -> None:
        self.group = group
        self.rank = 0 if group is None else distributed.get_rank(group)
        self.size = 1 if group is None else distributed.get_world_size(group)

    def part(self, rows: Tensor) -> Tensor:
        """Return the rows of a batch that are this process' own, (b, .) -> (about b / size, .)."""
        return rows if self.group is None else rows[self.rank :: self.size]

    def whole(self, part: Tensor, n_rows: int) -> Tensor:
        """Return the rows of a batch from the parts of all, (about b / size, .) -> (b, .)."""
        if self.group is None:
            return part
        rows = part.new_zeros((n_rows, *part.shape[1:]))
        rows[self.rank :: self.size] = part
        distributed.all_reduce(rows, group=self.group)
        return rows

    def weight(self, n_rows: int) -> float:
        """How much each loss of this part counts in the mean over a batch, for a backward pass.

        Gradients of a `joined` module are averaged over processes, so that each one's share of
        the mean counts `size` times.
        """
        return self.size / n_rows

    def joined(self, module: nn.Module) -> nn.Module:
        """Return the module, with gradients that are averaged over all processes as they come."""
        if self.group is None:
            return module
        make: Any = nn.parallel.DistributedDataParallel
        options = signature(make).parameters
        # the newer name, from torch 2.13 on
        name = "forward_sync_buffers" if "forward_sync_buffers" in options else "broadcast_buffers"
        joined: nn.Module = make(module, process_group=self.group, **{name: False})
        return joined

    def agree(self, found: Found) -> Found:
        """Return what the first process has found."""
        first: Found = found if self.group is None else self._gathered(found)[0]
        return first

    def any_has(self, found: bool) -> bool:
        """Whether one of the processes has found it."""
        return found if self.group is None else any(self._gathered(found))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Around a step without a word between the processes: if one fails in it, all do.

        Otherwise they would wait for the failed one until the group's time is up.

        Raises
        ------
        RuntimeError
            If another process has failed; that one raises its own error.
        """
        if self.group is None:
            yield
            return
        try:
            yield
        except Exception as error:
            self._gathered(f"{type(error).__name__}: {error}")
            raise
        for rank, failure in enumerate(self._gathered(None)):
            if failure is not None:
                raise RuntimeError(
                    f"Process {rank} of the {self.size} of this fit has failed, and no other can "
                    f"go on without it: {failure}"
                )

    def check_same(self, parameters: dict[str, Any], *arrays: NDArray[Any]) -> None:
        """Raise if the processes have different data or parameters."""
        if self.group is None:
            return
        names = sorted(parameters)
        found = self._gathered([joblib.hash(arrays), *(joblib.hash(parameters[k]) for k in names)])
        different = [len(set(values)) > 1 for values in zip(*found, strict=True)]
        if different[0]:
            raise ValueError(
                f"The {self.size} processes of this fit have different data; expected the same X, "
                "y and class table in each. The rows of every batch are shared out inside fit: do "
                "not cut X into parts before."
            )
        if any(different):
            raise ValueError(
                f"The {self.size} processes of this fit have different parameters: "
                f"{', '.join(compress(names, different[1:]))}. Give each the same."
            )

    def _gathered(self, found: Any) -> list[Any]:
        everyone = [None] * self.size
        distributed.all_gather_object(everyone, found, group=self.group)
        return everyone


ALONE = Processes()
current: ContextVar[Processes] = ContextVar("processes", default=ALONE)
