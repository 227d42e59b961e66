"""The state of an estimator: what of it is saved, and how `fit` replaces it all at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from inspect import signature
from types import MappingProxyType
from typing import Any, Self

import torch

# Raised whenever saved attributes change in a way that older code, or newer, would misread.
STATE_FORMAT = 1
_KEY = "_state_format"


class WholeState:
    """Mixin: saved states carry `STATE_FORMAT`, and `fit` changes all of the state or nothing."""

    # What an estimator did before it had these parameters, where their defaults do something else.
    _defaults_before: Mapping[str, Any] = MappingProxyType({})

    @contextmanager
    def _twin(self) -> Iterator[Self]:
        """A twin to fit, whose state is taken over when that is done.

        Whatever happens in between, an error, an interrupt, a question or a copy from another
        thread, meets the state from before.
        """
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        yield twin
        self.__dict__ = vars(twin)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        plain = {k: str(v) if isinstance(v, torch.device) else v for k, v in state.items()}
        return {**plain, _KEY: STATE_FORMAT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        check_format(state.pop(_KEY, None), type(self).__name__)
        defaults = {n: p.default for n, p in signature(type(self)).parameters.items()}
        for name, value in {**defaults, **self._defaults_before}.items():
            state.setdefault(name, value)  # added since the state was saved
        super().__setstate__(state)  # type: ignore[misc]


def check_format(found: Any, name: str) -> None:
    """Raise unless `found` is the format that this version reads.

    Raises
    ------
    ValueError
        If it is another one.
    """
    if found == STATE_FORMAT:
        return
    got = "none" if found is None else repr(found)
    raise ValueError(
        f"This saved {name} cannot be read: expected format {STATE_FORMAT}, got {got}. Load it "
        "with the version of sklearn_claster that wrote it, or fit again."
    )
