"""Where a fit is: the lines that `verbose` prints, and the tasks that callbacks are told of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .callbacks import Task
from .processes import current

Tell = Callable[[str], None]


def tell(estimator: Any, message: str) -> None:
    """Print a line, if the estimator is verbose and this is the first process of its fit."""
    if getattr(estimator, "verbose", 0) and current.get().rank == 0:
        print(f"[{type(estimator).__name__}] {message}", flush=True)  # noqa: T201


class Progress:
    """A part of a fit, whose own parts are stages.

    Parameters
    ----------
    tell : callable
        Prints a line, or does not.
    task : Task
        What callbacks are told of the part.
    """

    def __init__(self, tell: Tell = lambda line: None, task: Task | None = None) -> None:
        self.tell = tell
        self.task = Task() if task is None else task

    @contextmanager
    def stage(
        self, name: str, line: str | None = None, n_parts: int = 0, prefix: str = ""
    ) -> Iterator[Progress]:
        """Begin a part, and end it with the block unless an error does.

        Lines that are told inside begin with `prefix`.
        """
        if line is not None:
            self.tell(line)
        task = self.task.begin(name, n_parts)
        yield Progress(lambda line: self.tell(f"{prefix}{line}"), task)
        task.end()
