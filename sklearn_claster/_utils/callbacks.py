"""scikit-learn's fit callbacks where they exist (1.9 and later, experimental), nothing below."""

from __future__ import annotations

from collections.abc import Callable
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


class EpochHooks:
    """Tells the callbacks set with ``set_callbacks`` of a fit and of each epoch in it.

    Parameters
    ----------
    estimator : object
        The estimator that is being fitted.
    X, y : array-like
        Its training data.
    n_epochs : int
        Number of epochs to come, at most.
    """

    def __init__(self, estimator: Any, X: Any, y: Any, n_epochs: int) -> None:
        self.estimator = estimator
        self.data = {"X": X, "y": y}
        self.context = None
        if hasattr(estimator, "_init_callback_context"):
            self.context = estimator._init_callback_context(max_subtasks=n_epochs)
            self.context.call_on_fit_task_begin(estimator=estimator, **self.data)

    def epoch(self, snapshot: Snapshot) -> bool:
        """Report the end of an epoch; true if a callback asks to stop."""
        if self.context is None:
            return False
        epoch = self.context.subcontext(task_name="epoch")
        epoch.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        return self._report_end(epoch, snapshot)

    def end(self, snapshot: Snapshot) -> None:
        """Report the end of the fit."""
        if self.context is not None:
            self._report_end(self.context, snapshot)

    def _report_end(self, context: Any, snapshot: Snapshot) -> bool:
        return bool(
            context.call_on_fit_task_end(
                estimator=self.estimator, **self.data, reconstruction_attributes=snapshot
            )
        )
