"""One fit on several processes or GPUs, by data parallelism."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import distributed

from ._utils.processes import Processes, current

if distributed.is_available():
    # DistributedDataParallel imports it, and its functions keep the group of that time as a
    # default argument. The threads of that group would outlive the group, and a thread that ends
    # while Python exits may abort the process.
    import torch.distributed.nn.functional  # noqa: F401

__all__ = ["data_parallel"]


@contextmanager
def data_parallel(group: Any = None) -> Iterator[None]:
    """Split the batches of every `ClasterZSL.fit` in the block among the processes of a group.

    All processes make the same calls with the same data, as is usual with ``torchrun``. Each
    process takes its share of every batch. `torch.nn.parallel.DistributedDataParallel` averages
    the gradients, and rewards move the same centroids in all processes. All fitted models are
    equal; up to rounding they are the model that one process would learn. Several processes are
    faster for wide layers and large batches. A callback that stops one process stops all.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup, default=None
        The processes that take part; by default all.

    Raises
    ------
    RuntimeError
        If ``torch.distributed.init_process_group`` was not called before.
    ValueError
        If this process is not in the group. `fit` raises it if the processes have different data
        or parameters; of `X` it compares the means of the features.

    Examples
    --------
    >>> import torch.distributed
    >>> from sklearn_claster import ClasterZSL
    >>> from sklearn_claster.distributed import data_parallel
    >>> def train(X, y, table, gpu):  # in a script that is started by torchrun
    ...     torch.cuda.set_device(gpu)
    ...     torch.distributed.init_process_group("nccl")
    ...     with data_parallel():
    ...         return ClasterZSL(device=f"cuda:{gpu}", random_state=0).fit(X, y, table)
    """
    if not distributed.is_available() or not distributed.is_initialized():
        raise RuntimeError(
            "data_parallel needs a process group; got none. First start the script with torchrun "
            "and call torch.distributed.init_process_group."
        )
    processes = Processes(group if group is not None else distributed.group.WORLD)
    if processes.rank < 0:
        raise ValueError(
            f"Process {distributed.get_rank()} is not in the group of this data_parallel; expected "
            "one of its members. Enter the context in the members only."
        )
    token = current.set(processes)
    try:
        yield
    finally:
        current.reset(token)
        gc.collect()  # of cycles that hold the group, for the same reason
