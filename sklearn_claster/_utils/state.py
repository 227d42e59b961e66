"""The state of an estimator: what of it is saved, and how `fit` replaces it all at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import torch
from sklearn import config_context
from sklearn.base import BaseEstimator

from .torch import asked_device

# Raised whenever saved attributes change in a way that older code, or newer, would misread.
STATE_FORMAT = 2
_KEY = "_state_format"
_REQUESTS = "_metadata_request"  # where scikit-learn keeps what set_{method}_request was told
_METHODS = ("fit", "predict", "predict_proba", "predict_log_proba", "decision_function", "score")


def _floats_never_raise() -> np.errstate:
    """NumPy's settings of the caller, but what raises there warns, and what vanishes is zero."""
    settings: Any = {k: "warn" if v == "raise" else v for k, v in np.geterr().items()}
    return np.errstate(**{**settings, "under": "ignore"})


class WholeState(BaseEstimator):
    """Mixin: saved states are plain, and `fit` changes all of the state or nothing."""

    @contextmanager
    def _twin(self) -> Iterator[Self]:
        """Yield a twin to fit, whose state is taken over when that is done.

        Whatever happens in between, an error, an interrupt, a question or a copy from another
        thread, meets the state from before.
        """
        twin = object.__new__(type(self))
        twin.__dict__ = dict(vars(self))
        with _floats_never_raise():
            yield twin
        self.__dict__ = twin.__dict__

    @contextmanager
    def _question(self) -> Iterator[Self]:
        """Yield the estimator as it is now, for one question.

        Neither a fit that ends meanwhile in another thread nor the caller's NumPy settings change
        what the question meets.
        """
        view = object.__new__(type(self))
        view.__dict__ = self.__dict__  # a fit puts another one in its place
        with _floats_never_raise():
            yield view

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        plain = {k: str(v) if isinstance(v, torch.device) else v for k, v in state.items()}
        if _REQUESTS in plain:
            routing = self.get_metadata_routing()
            plain[_REQUESTS] = {
                method: dict(getattr(routing, method).requests) for method in _METHODS
            }
        return {**plain, _KEY: STATE_FORMAT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        found, requests = state.pop(_KEY, None), state.pop(_REQUESTS, {})
        if found != STATE_FORMAT:
            raise ValueError(
                f"This saved {type(self).__name__} cannot be read: expected format {STATE_FORMAT}, "
                f"got {found!r}. Load it with the version of sklearn_claster that wrote it, or fit "
                "again."
            )
        if "device" in state and (asked := asked_device.get()) is not None:
            state["device"] = asked
        super().__setstate__(state)
        with config_context(enable_metadata_routing=True):
            for method, told in requests.items():
                if told:
                    getattr(self, f"set_{method}_request")(**told)
