"""Zero-shot baselines with the interface of ClasterZSL."""

from ._conse import ConSE
from ._eszsl import ESZSL
from ._prototypes import PrototypeRegression
from ._ranking import ALE, SJE, DeViSE
from ._sae import SAE

__all__ = [
    "ALE",
    "ESZSL",
    "SAE",
    "SJE",
    "ConSE",
    "DeViSE",
    "PrototypeRegression",
]
