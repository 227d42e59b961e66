"""Zero-shot baselines with the interface of ClasterZSL."""

from ._attributes import DAP, IAP
from ._conse import ConSE
from ._dem import DEM
from ._eszsl import ESZSL
from ._fclswgan import FCLSWGAN
from ._prototypes import PrototypeRegression
from ._ranking import ALE, SJE, DeViSE
from ._sae import SAE

__all__ = [
    "ALE",
    "DAP",
    "DEM",
    "ESZSL",
    "FCLSWGAN",
    "IAP",
    "SAE",
    "SJE",
    "ConSE",
    "DeViSE",
    "PrototypeRegression",
]
