"""Zero-shot baselines with the interface of ClasterZSL.

| what is learnt | methods |
|---|---|
| a compatibility x W a^T, in closed form | `ESZSL` |
| a compatibility x W a^T, by ranking the own class first | `SJE`, `ALE`, `DeViSE` |
| visual prototypes from class vectors | `PrototypeRegression`, `DEM`, `ClassGCN` |
| class vectors from samples | `E2EHead` |
| a third space for both | `ERHead` |
| both directions at once | `SAE` |
| a classifier of the seen classes, or of their attributes | `ConSE`, `DAP`, `IAP` |
| features of the unseen classes | `FCLSWGAN`, `FVAEGAN` |
| Gaussians of the classes | `GGM` |

For features and class vectors of one space, as of CLIP, SigLIP or a sentence model:

| what is learnt | methods |
|---|---|
| nothing | `CosineZSL` |
| a linear map near the identity | `RLA`, `IdentityRidge` |
| Gaussians beside the cosine | `GDA` |
"""

from ._attributes import DAP, IAP
from ._class_gcn import ClassGCN
from ._conse import ConSE
from ._cosine import CosineZSL
from ._dem import DEM
from ._eszsl import ESZSL
from ._fclswgan import FCLSWGAN
from ._fvaegan import FVAEGAN
from ._gda import GDA
from ._ggm import GGM
from ._identity_ridge import IdentityRidge
from ._prototypes import PrototypeRegression
from ._ranking import ALE, SJE, DeViSE
from ._rla import RLA
from ._sae import SAE
from ._vse_heads import E2EHead, ERHead

__all__ = [
    "ALE",
    "DAP",
    "DEM",
    "ESZSL",
    "FCLSWGAN",
    "FVAEGAN",
    "GDA",
    "GGM",
    "IAP",
    "RLA",
    "SAE",
    "SJE",
    "ClassGCN",
    "ConSE",
    "CosineZSL",
    "DeViSE",
    "E2EHead",
    "ERHead",
    "IdentityRidge",
    "PrototypeRegression",
]
