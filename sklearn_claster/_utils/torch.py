"""The only border between NumPy and torch: device, dtype, seeds, batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache, wraps
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from torch import Tensor

from .containers import refuse_dates
from .warning import warn

# Where to put the models that are loaded, if not where they were made.
asked_device: ContextVar[str | torch.device | None] = ContextVar("asked_device", default=None)


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the device to compute on; "auto" picks CUDA, then MPS, then CPU.

    Raises
    ------
    ValueError
        If `device` names no device, or one that this machine does not have.
    """
    if isinstance(device, str) and device == "auto":
        return torch.device(_best_available())
    try:
        if not isinstance(device, (str, torch.device)):  # of a number torch makes what it finds
            raise TypeError("neither a string nor a torch.device")
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device={device!r} names no device; expected 'auto', 'cpu', 'mps', 'cuda' or 'cuda:0'."
        ) from error
    if not _is_available(resolved):
        raise ValueError(
            f"device={device!r} is not available here. Use device='auto' to take what there is, "
            "or device='cpu'."
        )
    return resolved


def device_or_fallback(device: str | torch.device) -> torch.device:
    """Where to put a loaded model: the device asked for, or the one that it was made on.

    If that one is not here, "auto" with a warning.
    """
    if (asked := asked_device.get()) is not None:
        return resolve_device(asked)
    try:
        return resolve_device(device)
    except ValueError:
        fallback = resolve_device("auto")
        warn(
            f"This model was made with device={device!r}, which is not available here; it runs on "
            f"{fallback}.",
        )
        return fallback


def as_host_array(X: Any, name: str = "X") -> Any:
    """Return a torch tensor (any device, any floating type) as a NumPy array; all else unchanged.

    Raises
    ------
    ValueError
        If entries of a masked array are masked: further on they would count as values.
    TypeError
        If it holds dates or durations (see `refuse_dates`).
    """
    if isinstance(X, Tensor):
        X = X.detach().cpu().resolve_conj().resolve_neg()  # views that NumPy does not know
        # bfloat16 and those of 8 bits do not exist in NumPy
        known = {torch.float16, torch.float32, torch.float64}
        return (X.float() if X.is_floating_point() and X.dtype not in known else X).numpy()
    refuse_dates(X, name)
    if not isinstance(X, np.ndarray):
        return X
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(
            f"Expected complete data in {name}; got a masked array with "
            f"{np.ma.count_masked(X)} masked entries. Fill them (X.filled) or drop their rows."
        )
    return np.array(X.tolist()) if X.dtype.kind == "T" else X  # text of variable width


def to_tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    """Make a float32 tensor that shares no memory with a read-only or foreign array."""
    return torch.tensor(np.asarray(array, dtype=np.float32), device=device)


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the host on the device, for which nobody waits where that is safe.

    CUDA stages what is not pinned itself, before it returns; MPS reads it later.
    """
    return tensor.to(device, non_blocking=device.type != "mps")


def to_numpy(tensor: Tensor) -> NDArray[Any]:
    """Return a tensor as a NumPy array."""
    return tensor.detach().cpu().numpy()


def autocast(
    device: torch.device, precision: str = "float32"
) -> AbstractContextManager[torch.autocast | None]:
    """Where matrix products have this precision, whatever the caller's own autocast says.

    It keeps no copies of weights: within a caller's context those would never be renewed.
    """
    _guard_forks()
    if device.type == "mps":  # products are in float32 there
        return nullcontext()
    enabled = precision == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled, cache_enabled=False)


@contextmanager
def for_training() -> Iterator[None]:
    """Where gradients are computed and tensors made on the CPU, unless said otherwise.

    Whatever the caller has switched off, and made torch's default device.
    """
    is_cpu = torch.get_default_device().type == "cpu"
    default = nullcontext() if is_cpu else torch.device("cpu")  # which slows small operations
    with torch.inference_mode(False), torch.enable_grad(), default:
        yield


def undisturbed(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that trains on `self.device`, as if the caller had set nothing for torch."""

    @wraps(method)
    def guarded(self: Any, *args: Any) -> Any:
        with autocast(resolve_device(self.device)), for_training():
            return method(self, *args)

    return guarded


def exact_device(device: torch.device) -> torch.device:
    """Where float64 sums of this device's numbers are kept: MPS has no float64."""
    return torch.device("cpu") if device.type == "mps" else device


def seeded_generator(seed: int) -> torch.Generator:
    """Return a private generator, on the CPU: torch's global one never moves."""
    return torch.Generator(device="cpu").manual_seed(seed)


def draw_seed(random_state: Any) -> int:
    """Return a seed from an int, a RandomState or None, as scikit-learn's estimators take them."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def batch_sizes(n_samples: int, batch_size: int) -> list[int]:
    """Sizes of ceil(n_samples / batch_size) batches, which differ by one at most."""
    n_batches = -(-n_samples // batch_size)
    size, n_larger = divmod(n_samples, n_batches)
    return [size + 1] * n_larger + [size] * (n_batches - n_larger)


def shuffled_batches(
    n_samples: int, batch_size: int, generator: torch.Generator, device: torch.device
) -> Iterator[Tensor]:
    """Random row indices of one epoch, in `batch_sizes`; the order is drawn on the CPU."""
    order = to_device(torch.randperm(n_samples, generator=generator), device)
    yield from order.split(batch_sizes(n_samples, batch_size))


@cache
def _guard_forks() -> None:
    """From now on forked processes compute with one thread.

    The threads that this one has started are not forked along, and work that is shared out among
    them would never end.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def _best_available() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _is_available(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    if device.type == "mps":
        return torch.backends.mps.is_available()
    return device.type == "cpu"
