"""Checks of parameter values; an error says what was expected and what came."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np


def check_choice(estimator: Any, name: str, choices: tuple[Any, ...]) -> None:
    """Raise unless the parameter is one of `choices`."""
    value = getattr(estimator, name)
    plain = bool(value) if isinstance(value, np.bool_) else value
    if not any(
        plain is choice or (isinstance(plain, str) and plain == choice) for choice in choices
    ):
        raise ValueError(
            f"{name}={value!r} is not a valid choice; expected one of "
            f"{', '.join(repr(choice) for choice in choices)}."
        )


def check_number(
    estimator: Any,
    name: str,
    kind: type[Integral] | type[Real],
    low: float,
    high: float = np.inf,
    **options: Any,
) -> None:
    """Raise unless the parameter is such a number; the options are those of `check_value`."""
    check_value(getattr(estimator, name), name, kind, low, high, **options)


def check_value(
    value: Any,
    name: str,
    kind: type[Integral] | type[Real],
    low: float,
    high: float = np.inf,
    *,
    low_allowed: bool = True,
    also: tuple[Any, ...] = (),
    cure: str = "",
) -> None:
    """Raise unless the value is such a number between `low` and `high`, or in `also`."""
    if _is_among(value, also):
        return
    word = "an integer" if kind is Integral else "a number"
    opening = "[" if low_allowed else "("
    closing = "]" if np.isfinite(high) else ")"
    expected = f"expected {word} in {opening}{low}, {high}{closing}{_or(also)}. {cure}".strip()
    if not is_number(value, kind):
        raise TypeError(f"{name}={value!r} has the wrong type; {expected}")
    if not low <= value <= high or (value == low and not low_allowed) or value == np.inf:
        raise ValueError(f"{name}={value!r} is out of range; {expected}")


def is_number(value: Any, kind: type) -> bool:
    """Whether a value is such a number; True and False are none."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_among(value: Any, also: tuple[Any, ...]) -> bool:
    """Whether it is one of these; an array is compared with no string."""
    return any(value is choice or (isinstance(value, str) and value == choice) for choice in also)


def _or(also: tuple[Any, ...]) -> str:
    """Word the further values that are allowed, for the end of a message."""
    return "".join(f", or {choice!r}" for choice in also)


def check_widths(estimator: Any, name: str, also: tuple[str, ...] = ()) -> None:
    """Raise unless the parameter is a sequence of layer widths, or in `also`; () will do."""
    widths = getattr(estimator, name)
    if _is_among(widths, also):
        return
    if isinstance(widths, (str, bytes)) or not (
        isinstance(widths, Sequence) or (isinstance(widths, np.ndarray) and widths.ndim == 1)
    ):
        raise TypeError(
            f"{name}={widths!r} has the wrong type; expected a sequence of widths, "
            f"for example (512,){_or(also)}."
        )
    if any(not is_number(n, Integral) or n < 1 for n in widths):
        raise ValueError(
            f"{name}={widths!r} holds something else than positive integers; "
            "expected for example (512,), or () for linear maps."
        )
