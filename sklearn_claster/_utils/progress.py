"""What `verbose` prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .processes import current

Tell = Callable[[str], None]


def tell(estimator: Any, message: str) -> None:
    """Print a line, if the estimator is verbose and this is the first process of its fit."""
    if getattr(estimator, "verbose", 0) and current.get().rank == 0:
        print(f"[{type(estimator).__name__}] {message}", flush=True)  # noqa: T201
