"""Folds that hold out whole classes, and the scorers of zero-shot learning."""

from ._scorers import (
    ausuc_scorer,
    class_purity_scorer,
    cluster_purity_scorer,
    gzsl_scorer,
    mean_per_class_scorer,
    top_k_scorer,
)
from ._split import ZeroShotKFold, ZeroShotShuffleSplit

__all__ = [
    "ZeroShotKFold",
    "ZeroShotShuffleSplit",
    "ausuc_scorer",
    "class_purity_scorer",
    "cluster_purity_scorer",
    "gzsl_scorer",
    "mean_per_class_scorer",
    "top_k_scorer",
]
