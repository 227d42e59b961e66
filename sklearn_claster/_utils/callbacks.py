"""scikit-learn's fit callbacks where they exist (1.9 and later, experimental), nothing below."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's mixin where there is none."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method as it is."""
        return method


# Returns the fitted attributes as they are now, for callbacks that score.
Snapshot = Callable[[], dict[str, Any]]


class Task:
    """A part of a fit that callbacks are told of, or of which nobody is.

    Parameters
    ----------
    context : CallbackContext of scikit-learn or None
        What stands for the part there; None where there are no callbacks.
    estimator : object
        The estimator that is being fitted.
    X, y : array-like
        Its training data.
    """

    def __init__(
        self, context: Any = None, estimator: Any = None, X: Any = None, y: Any = None
    ) -> None:
        self.context = context
        self.told = {"estimator": estimator, "X": X, "y": y}

    @classmethod
    def of_fit(cls, estimator: Any, X: Any, y: Any, n_parts: int) -> Task:
        """Begin a fit of so many parts."""
        begin = getattr(estimator, "_init_callback_context", None)
        task = cls(begin(max_subtasks=n_parts) if begin else None, estimator, X, y)
        return task._begun()

    def begin(self, name: str, n_parts: int = 0) -> Task:
        """Begin the next part of this one, which may have parts itself."""
        if self.context is None:
            return self
        context = self.context.subcontext(task_name=name, max_subtasks=n_parts)
        return Task(context, **self.told)._begun()

    def end(self, snapshot: Snapshot | None = None) -> bool:
        """End it; true if a callback asks to stop."""
        if self.context is None:
            return False
        told = {**self.told, "reconstruction_attributes": snapshot}
        return bool(self.context.call_on_fit_task_end(**told))

    def handed_to(self, estimator: Any) -> AbstractContextManager[None]:
        """Let callbacks that follow nested fits, such as progress bars, follow this one."""
        if self.context is None:
            return nullcontext()
        found: AbstractContextManager[None] = self.context.propagate_callback_context(estimator)
        return found

    def _begun(self) -> Task:
        if self.context is not None:
            self.context.call_on_fit_task_begin(**self.told)
        return self
