"""Folds that hold out whole classes, scorers, and adaptation to each call's samples."""

from ._scorers import (
    ausuc_scorer,
    class_purity_scorer,
    cluster_purity_scorer,
    gzsl_scorer,
    mean_per_class_scorer,
    top_k_scorer,
)
from ._split import ZeroShotKFold, ZeroShotShuffleSplit
from ._transductive import Transductive

__all__ = [
    "Transductive",
    "ZeroShotKFold",
    "ZeroShotShuffleSplit",
    "ausuc_scorer",
    "class_purity_scorer",
    "cluster_purity_scorer",
    "gzsl_scorer",
    "mean_per_class_scorer",
    "top_k_scorer",
]
