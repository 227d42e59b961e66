"""Model files: one .safetensors file with every array, and the rest as JSON in its header."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sklearn.utils.validation import check_is_fitted

from .._utils.state import STATE_FORMAT, check_format
from ._codec import ESTIMATORS, Arrays, Decoder, Encoder

PACKAGES = ("sklearn_claster", "scikit-learn", "torch", "numpy", "scipy")
_WRITER = "sklearn_claster"


def save_model(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator into one file that is safe to load from strangers.

    The file is a .safetensors file. It holds NumPy arrays, and as JSON the parameters, labels and
    everything else that is no array: nothing in it is code.

    Parameters
    ----------
    model : estimator
        A fitted `ClasterZSL`, `BiasDetector` or baseline of this package.
    path : str or path-like
        Where to; by custom it ends in ``.safetensors``. A file that is there is replaced, in one
        step, when the new one is complete.

    Raises
    ------
    TypeError
        If the model, or something in it, is of another package: a foreign `bias_detector`, a
        callback. Use joblib or skops for it.
    NotFittedError
        If it is not fitted.
    FileNotFoundError
        If the folder does not exist.
    ImportError
        If safetensors is not installed.

    See Also
    --------
    load_model : Reads it.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from sklearn_claster.baselines import ESZSL
    >>> from sklearn_claster.persistence import load_model, save_model
    >>> X, y = [[0.0, 0.1], [0.1, 0.0], [1.0, 1.1], [1.1, 1.0]], ["low", "low", "high", "high"]
    >>> table = {"low": [0.0, 1.0], "high": [1.0, 0.0], "higher": [3.0, 0.0]}
    >>> model = ESZSL().fit(X, y, table)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     save_model(model, path)
    ...     loaded = load_model(path)
    >>> np.array_equal(loaded.decision_function(X), model.decision_function(X))
    True
    """
    safetensors = _safetensors()
    if ESTIMATORS.get(type(model).__name__) is not type(model):
        raise TypeError(
            f"save_model stores estimators of sklearn_claster; got {type(model).__module__}."
            f"{type(model).__qualname__}. Pass one of {', '.join(sorted(ESTIMATORS))}; store a "
            "pipeline, a search or a class of your own with joblib.dump or skops.io.dump."
        )
    check_is_fitted(model)
    encoder = Encoder()
    tree = encoder.tree(model, type(model).__name__)
    header = {
        "format": _WRITER,
        "format_version": str(STATE_FORMAT),
        "model": json.dumps(tree),
        "objects": json.dumps(encoder.objects, allow_nan=False),
        "versions": json.dumps({name: version(name) for name in PACKAGES}),
    }
    header["sha256"] = _digest(header, encoder.arrays)
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} to write {path.name} into.")
    part = path.with_name(f".{os.getpid()}.{threading.get_ident()}.part")  # each writes its own
    try:
        part.write_bytes(safetensors.numpy.save(encoder.arrays, metadata=header))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def load_model(path: str | os.PathLike[str]) -> Any:
    """Read a file that `save_model` wrote; whatever the file says, no code in it runs.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    estimator
        The fitted estimator, whose predictions are those of the one that was saved. A model that
        was made on a device that is not here runs on what there is, with a warning.

    Raises
    ------
    ValueError
        If the file is none of this kind, damaged, or of a format that this version does not read.
    FileNotFoundError
        If there is no file.
    ImportError
        If safetensors is not installed.

    See Also
    --------
    save_model : Writes it.
    """
    safetensors = _safetensors()
    path = Path(path)
    with path.open("rb") as file:
        start = file.read(8)
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise ValueError(_foreign(path, _guess(start, error))) from error
    if header.get("format") != _WRITER:
        raise ValueError(_foreign(path, "a safetensors file of another program"))
    found = header.get("format_version")
    check_format(int(found) if found and found.isdecimal() else found, f"model ({path.name})")
    if "sha256" in header and header["sha256"] != _digest(header, arrays):
        raise ValueError(_foreign(path, "a damaged or altered one (its checksum differs)"))
    try:
        model = Decoder(json.loads(header["objects"]), arrays).value(json.loads(header["model"]))
        check_is_fitted(model)
    except MemoryError:
        raise
    except Exception as error:  # what an altered file raises depends on what was altered
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(_foreign(path, f"a damaged or altered one ({reason})")) from error
    return model


def _digest(header: dict[str, str], arrays: Arrays) -> str:
    """A checksum of everything that makes the model; it tells accidents, not forgeries."""
    digest = hashlib.sha256(json.dumps([header.get(k) for k in ("model", "objects")]).encode())
    for name, array in sorted(arrays.items()):
        digest.update(json.dumps([name, array.dtype.name, array.shape]).encode())
        digest.update(array.data)
    return digest.hexdigest()


def _foreign(path: Path, got: str) -> str:
    return (
        f"{path} cannot be loaded: expected a model file written by "
        f"sklearn_claster.persistence.save_model, got {got}. Copy the file again, or save the "
        "model again."
    )


def _guess(start: bytes, error: Exception) -> str:
    """What a file that is not in the safetensors format is, from its first bytes."""
    if not start:
        return "an empty file"
    if start[:1] == b"\x80":
        return "a pickle (which joblib.load reads; only load your own, for a pickle may run code)"
    if start[:2] == b"PK":
        return "a zip archive (which skops.io.load or torch.load may read)"
    return f"a truncated or foreign one ({error})"


def _safetensors() -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "Model files need safetensors: pip install 'sklearn_claster[safetensors]'."
        ) from error
    return safetensors
