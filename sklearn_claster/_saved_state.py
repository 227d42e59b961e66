"""What a saved estimator says of itself: the number of its format, and no object of torch."""

from __future__ import annotations

from typing import Any

import torch

# Raised whenever saved attributes change in a way that older code, or newer, would misread.
STATE_FORMAT = 1
_KEY = "_state_format"


class SavedState:
    """Mixin: the state of an estimator carries `STATE_FORMAT`, and is read only if it matches."""

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        plain = {k: str(v) if isinstance(v, torch.device) else v for k, v in state.items()}
        return {**plain, _KEY: STATE_FORMAT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        check_format(state.pop(_KEY, None), type(self).__name__)
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
