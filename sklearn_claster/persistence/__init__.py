"""Fitted models as files: safe to load from strangers, for other runtimes, and for readers.

| what for | function | extra |
|---|---|---|
| keep a model, or pass it on | `save_model`, `load_model` | safetensors |
| score in another runtime | `to_onnx` | onnx |
| say what a model is | `model_card` | |

``pickle``, ``joblib`` and ``skops`` work too; a pickle runs code when it is loaded, so load
only your own.
"""

from ._card import model_card
from ._files import load_model, save_model
from ._onnx import to_onnx

__all__ = ["load_model", "model_card", "save_model", "to_onnx"]
