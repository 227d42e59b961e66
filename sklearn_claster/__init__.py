"""Zero-shot learning by clustering with reinforcement learning (CLASTER) for scikit-learn."""

from ._bias_detector import BiasDetector
from ._class_embeddings import ClassEmbeddings
from ._claster import ClasterZSL
from ._core.paper import PAPER_PARAMETERS

__version__ = "0.1.0"

__all__ = ["PAPER_PARAMETERS", "BiasDetector", "ClassEmbeddings", "ClasterZSL", "__version__"]
