"""Fitted models as files: safe to load from strangers, for other runtimes, and for readers.

| what for | function | extra |
|---|---|---|
| keep a model, or pass it on | `save_model`, `load_model` | files |
| say what a model is | `model_card` | files |
| score in another runtime | `to_onnx` | onnx |

`TRUSTED_TYPES` are the types that a model file may name, beside those that skops trusts by itself:
``skops.io.load(path, trusted=[*TRUSTED_TYPES, ...])``. ``pickle`` and ``joblib`` work too; a pickle
runs code when it is loaded, so load only your own.
"""

from ._card import model_card
from ._files import TRUSTED_TYPES, load_model, save_model
from ._onnx import to_onnx

__all__ = ["TRUSTED_TYPES", "load_model", "model_card", "save_model", "to_onnx"]
