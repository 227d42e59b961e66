"""Fitted models as files that are safe to load, as ONNX for other runtimes, and as model cards.

| purpose | function | extra |
|---|---|---|
| keep a model, or pass it on | `save_model`, `load_model` | files |
| describe a model | `model_card` | files |
| score in another runtime | `to_onnx` | onnx |

`TRUSTED_TYPES` are the types that a model file may name, besides those that skops itself trusts:
``skops.io.load(path, trusted=[*TRUSTED_TYPES, ...])``. ``pickle`` and ``joblib`` work too, but a
pickle runs code when it is loaded: load only your own.
"""

from ._card import model_card
from ._files import TRUSTED_TYPES, load_model, save_model
from ._onnx import to_onnx

__all__ = ["TRUSTED_TYPES", "load_model", "model_card", "save_model", "to_onnx"]
