"""What the parameter `bias_detector` may be: a name, a `BiasDetector`, an outlier detector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import clone, is_outlier_detector
from sklearn.frozen import FrozenEstimator

from .._utils.processes import current
from .._utils.responses import last_step
from .._utils.torch import draw_seed
from .rules import RULES, OutlierRule, Rule, Stacking, usable_rule

NAMES = ("stacking", *RULES)
N_NEIGHBORS = 10  # k of "knn" where nobody says it


def rule_maker(detector: Any, has_unseen: bool, random_state: Any = None) -> Callable[[], Rule]:
    """Return what makes a fresh rule from the parameter `bias_detector`.

    Detectors without a seed of their own take it from `random_state`, and processes that share a
    fit take the same.
    """
    if isinstance(detector, str):
        return Stacking if detector == "stacking" else _rule_by_name(detector, has_unseen)
    if hasattr(detector, "_make_rule"):
        return lambda: detector._make_rule(has_unseen)
    seeds = {
        name: draw_seed(random_state)
        for name, value in detector.get_params().items()
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    }
    seeds = current.get().agree(seeds)
    return lambda: OutlierRule(clone(detector).set_params(**seeds))


def _rule_by_name(name: str, has_unseen: bool) -> Callable[[], Rule]:
    return lambda: RULES[usable_rule(name, has_unseen)](N_NEIGHBORS)


def check_bias_detector(detector: Any, space: str = "gzsl") -> None:
    """Raise unless it is None, one of the names, or an outlier detector that can be fitted.

    Then raise if it has nothing to decide in this space.
    """
    _check_detector(detector)
    if detector is not None and space != "gzsl":
        raise ValueError(
            f"bias_detector={detector!r} decides between seen and unseen classes, which do not "
            f"compete with space={space!r}. Set space='gzsl', or bias_detector=None."
        )


def _check_detector(detector: Any) -> None:
    if detector is None or (isinstance(detector, str) and detector in NAMES):
        return
    if isinstance(last_step(detector), FrozenEstimator):
        raise ValueError(
            f"bias_detector={detector!r} cannot be fitted, and a gate fits its detector on the "
            "seen rows, centred and of unit length. Pass the outlier detector without "
            "FrozenEstimator around it."
        )
    usable = not isinstance(detector, (str, type)) and all(
        hasattr(detector, name) for name in ("fit", "get_params")
    )
    if not usable or not is_outlier_detector(detector):
        raise ValueError(
            f"bias_detector={detector!r} is not a valid choice; expected None, "
            f"{', '.join(map(repr, NAMES))}, or an instance of an outlier detector, for example "
            "BiasDetector() or sklearn.ensemble.IsolationForest()."
        )
    if hasattr(detector, "_check_parameters"):  # before the experts are trained
        detector._check_parameters()
    if not hasattr(detector, "predict"):
        raise ValueError(
            f"bias_detector={detector!r} cannot judge new rows: it has no predict. "
            "LocalOutlierFactor needs novelty=True."
        )


def check_unseen_classes(detector: Any, unseen_classes: Any) -> None:
    """Raise if a detector learns from unseen classes, and the table given to `fit` has none."""
    if hasattr(detector, "_check_unseen"):
        detector._check_unseen(unseen_classes)


def mode_of(detector: Any, gate: str) -> str:
    """How the gate decides: "stacking" takes a constant off, whatever `gate` says."""
    return "stacking" if isinstance(detector, str) and detector == "stacking" else gate


def contamination_of(detector: Any) -> float | str:
    """Return the level set by hand, "auto", or "own" where a foreign detector decides."""
    contamination = getattr(last_step(detector), "contamination", "auto")
    automatic = isinstance(contamination, str)
    if hasattr(detector, "_make_rule"):
        return contamination
    if isinstance(detector, str) or (automatic and hasattr(detector, "decision_function")):
        return "auto"
    return "own"


def description_of(detector: Any) -> str:
    """Describe a detector by its plain parameters."""
    if detector is None or isinstance(detector, str):
        return str(detector)
    plain = (str, int, float, bool, type(None))
    parameters = sorted(detector.get_params().items())
    shown = [f"{name}={value}" for name, value in parameters if isinstance(value, plain)]
    return f"{type(detector).__name__}({', '.join(shown)})"
