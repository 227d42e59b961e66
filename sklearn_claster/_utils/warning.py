"""Warnings that point at the line of whoever called the package."""

from __future__ import annotations

import sys
import warnings

# Between a user's line and ours: this package, and what calls it on the user's behalf.
_BETWEEN = {__name__.partition(".")[0], "joblib", "sklearn", "torch"}


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the nearest line that is neither of this package nor of one that called it.

    Parameters
    ----------
    message : str
        What to say.
    category : type, default=UserWarning
        The warning's class.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
