"""Model files of skops, which hold data and names of types, but no code."""

from __future__ import annotations

import io
import json
import math
import os
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from .. import baselines
from .._adaptation.labelled import Labelled
from .._adaptation.prototypes import Learnt
from .._bias_detector import BiasDetector
from .._class_embeddings import ClassEmbeddings
from .._claster import ClasterZSL
from .._core.model import ClasterModel
from .._gate.gate import Gate
from .._gate.rules import Confidence, Learned, Mahalanobis, Neighbors, OutlierRule, Stacking
from .._utils.torch import asked_device, resolve_device
from ..baselines._fvaegan import LearntGenerator
from ..baselines._out_of_distribution import OutOfDistribution
from ..model_selection import Transductive, ZeroShotKFold, ZeroShotShuffleSplit
from ._writing import write_whole

PACKAGES = ("sklearn_claster", "scikit-learn", "torch", "numpy", "scipy", "skops")
_BASELINES = (getattr(baselines, name) for name in baselines.__all__)
_ESTIMATORS = (ClasterZSL, BiasDetector, Transductive, *_BASELINES)
_PARTS = (ClassEmbeddings, ClasterModel, Gate, Labelled, Learnt, LearntGenerator)
_RULES = (Confidence, Learned, Mahalanobis, Neighbors, OutOfDistribution, OutlierRule, Stacking)
_SPLITTERS = (ZeroShotKFold, ZeroShotShuffleSplit)

#: Types that `load_model` makes besides those that skops trusts: NumPy's and scikit-learn's own.
TRUSTED_TYPES: tuple[str, ...] = (
    *(f"{c.__module__}.{c.__name__}" for c in (*_ESTIMATORS, *_PARTS, *_RULES, *_SPLITTERS)),
    "sklearn.metrics._scorer._PassthroughScorer",  # of a search without `scoring`
)

# Of skops' kinds of nodes those that hold data. Others look up methods, or open further archives.
_NODES = {"JsonNode", "DictNode", "ListNode", "TupleNode", "SetNode", "SliceNode", "TypeNode"}
_NODES |= {"NdArrayNode", "MaskedArrayNode", "DTypeNode", "RandomStateNode", "ObjectNode"}
_NODES |= {"ConstructorFromReduceNode", "FunctionNode"}
_SCHEMA = "schema.json"
_LONGEST_SCHEMA, _SHORTEST_NODE = 2**24, 50  # bytes


def save_model(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator into one file that is safe to load, whoever made it.

    The file has the format of skops: a zip archive with the arrays, and with parameters, labels and
    everything else as JSON. It holds no code.

    Parameters
    ----------
    model : estimator
        A fitted `ClasterZSL`, `BiasDetector` or baseline, or a pipeline or search that holds one.
    path : str or path-like
        The file to write; its name usually ends in ``.skops``. An existing file is replaced in one
        step when the new one is complete. Links are followed; pipes and devices are written into.

    Raises
    ------
    TypeError
        If the model holds something that `load_model` refuses: a class or function of your own, a
        callback, a forest. Use joblib or skops for such models.
    NotFittedError
        If it is not fitted.
    FileNotFoundError
        If the folder does not exist.
    ImportError
        If skops is not installed.

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
    ...     path = os.path.join(folder, "model.skops")
    ...     save_model(model, path)
    ...     loaded = load_model(path)
    >>> np.array_equal(loaded.decision_function(X), model.decision_function(X))
    True
    """
    skops = import_skops()
    check_is_fitted(model)
    try:
        content = _each_once(skops.io.dumps(model))
        _check(content)
        unknown = {*skops.io.get_untrusted_types(data=content)} - {*TRUSTED_TYPES}
        if unknown:
            raise TypeError(f"it holds {', '.join(sorted(unknown))}")
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(
            f"This {type(model).__name__} cannot go into a model file: {error}. Expected "
            "estimators of sklearn_claster, and those of scikit-learn that skops trusts. Use "
            "joblib.dump or skops.io.dump, which take any estimator. From a search, save "
            "best_estimator_."
        ) from error
    write_whole(path, content)


def load_model(path: str | os.PathLike[str], device: str | torch.device | None = None) -> Any:
    """Read a file of `save_model`, without running any code from the file.

    Parameters
    ----------
    path : str or path-like
        The file.
    device : str or torch.device, default=None
        The device of every model in the file, which becomes their parameter `device`. By default a
        model goes to the device on which it was made.

    Returns
    -------
    estimator
        The fitted estimator. Its predictions are those of the saved one. If its device is not
        available here, it runs on one that is, with a warning.

    Raises
    ------
    ValueError
        If the file is no model file, is damaged, or has a format that this version does not read;
        if it names a type that is neither in `TRUSTED_TYPES` nor trusted by skops; or if `device`
        is not available here.
    FileNotFoundError
        If the file does not exist.
    ImportError
        If skops is not installed.

    See Also
    --------
    save_model : Writes it.
    """
    skops = import_skops()
    if device is not None:
        resolve_device(device)
    content = Path(path).read_bytes()
    asked = asked_device.set(device)
    try:
        _check(content)
        model = skops.io.loads(content, trusted=TRUSTED_TYPES)
        check_is_fitted(model)
    except MemoryError:
        raise
    except Exception as error:  # what a damaged file raises depends on what was damaged
        raise ValueError(
            f"{path} cannot be loaded: expected a model file written by "
            "sklearn_claster.persistence.save_model, got a damaged or foreign one "
            f"({type(error).__name__}: {error}). Copy the file again, or save the model again. "
            "To load types that you trust yourself, pass them to skops.io.load with TRUSTED_TYPES."
        ) from error
    finally:
        asked_device.reset(asked)
    return model


def _each_once(content: bytes) -> bytes:
    """Store shared objects of the file once, and add the versions of the packages.

    skops writes the state of an object at each place that refers to it, but reads only the first.
    """
    first: dict[Any, Any] = {}
    slim = io.BytesIO()
    with ZipFile(io.BytesIO(content)) as full, ZipFile(slim, "w") as archive:
        schema = json.loads(
            full.read(_SCHEMA), object_hook=lambda node: first.setdefault(_id(node), node)
        )
        schema["versions"] = {name: version(name) for name in PACKAGES}
        text = json.dumps(schema)
        archive.writestr(_SCHEMA, text)
        for name in sorted(set(re.findall('"file": "([^"]+)"', text))):
            archive.writestr(name, full.read(name))
    return slim.getvalue()


def _id(node: dict[str, Any]) -> Any:
    """Return the id that skops gives an object, or the object itself without one."""
    known_by = node.get("__id__")
    return ("", id(node)) if known_by is None or isinstance(known_by, (dict, list)) else known_by


def _check(content: bytes) -> None:
    """Raise unless all sizes are true, and reading takes no more memory than the file is long.

    Every array is read once, and what occurs twice is written out twice.

    Raises
    ------
    ValueError, KeyError, TypeError, and others
        If the content is not that of a model file.
    """
    first: dict[Any, Any] = {}
    readers: dict[str, Any] = {}

    def check_node(node: dict[str, Any]) -> dict[str, Any]:
        kind = node.get("__loader__", "JsonNode")
        if isinstance(kind, str) and kind not in _NODES:
            raise ValueError(f"{node.get('__module__')}.{node.get('__class__')} is a {kind}")
        known: dict[str, Any] = first.setdefault(_id(node), node)
        if len(first) * _SHORTEST_NODE > len(schema):
            raise ValueError(f"{_SCHEMA} holds more than skops writes")
        file = node.get("file")
        read_twice = isinstance(file, str) and readers.setdefault(file, known) is not known
        if known != node or read_twice:
            raise ValueError("its parts refer to each other in a circle, or without end")
        return known

    with ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > len(content) or any(
            (member.compress_type, member.compress_size) != (ZIP_STORED, member.file_size)
            for member in members
        ):
            raise ValueError("its members are compressed or overlap")
        if archive.getinfo(_SCHEMA).file_size > _LONGEST_SCHEMA:
            raise ValueError(f"{_SCHEMA} is too long")
        schema = archive.read(_SCHEMA)
        json.loads(schema, object_hook=check_node)
        for name in readers:
            with archive.open(name) as file:
                _check_array(file, archive.getinfo(name).file_size)


def _check_array(file: Any, size: int) -> None:
    """Raise unless a .npy file is as long as its header says."""
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[np.lib.format.read_magic(file)]
    shape, _, dtype = read_header(file, max_header_size=1000)
    if math.prod(shape) * max(dtype.itemsize, 1) != size - file.tell():
        raise ValueError(f"an array of shape {shape} in {size} bytes")


def import_skops() -> Any:
    """Import skops with its modules, or say how to get it."""
    try:
        import skops.card
        import skops.io
    except ImportError as error:
        raise ImportError(
            "Model files and cards need skops: pip install 'sklearn_claster[files]'."
        ) from error
    return skops
