"""Fitted estimators as a tree of JSON beside a list of plain arrays, and back.

Only the classes named here are made when a tree is read, and nothing is called by a name from the
tree: whatever a file says, no code of its author runs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.linear_model import LogisticRegression

from .. import baselines
from .._bias_detector import BiasDetector
from .._class_embeddings import ClassEmbeddings
from .._claster import ClasterZSL
from .._core.model import ClasterModel
from .._gate.gate import Gate
from .._gate.rules import Confidence, Learned, Mahalanobis, Neighbors, Stacking

ESTIMATORS: dict[str, type] = {
    cls.__name__: cls
    for cls in (ClasterZSL, BiasDetector, *(getattr(baselines, n) for n in baselines.__all__))
}
_PARTS = (ClasterModel, Gate, Confidence, Learned, Mahalanobis, Neighbors, Stacking)
CLASSES: dict[str, type] = {
    **ESTIMATORS,
    **{cls.__name__: cls for cls in (*_PARTS, LogisticRegression)},
}
_REQUESTS = "_metadata_request"  # where scikit-learn keeps what set_{method}_request was told
_METHODS = ("fit", "predict", "predict_proba", "predict_log_proba", "decision_function", "score")
_DTYPES = {"bool", *(f"{kind}int{8 * n}" for kind in ("", "u") for n in (1, 2, 4, 8))}
_DTYPES |= {"float16", "float32", "float64"}

Arrays = dict[str, NDArray[Any]]


class Encoder:
    """Takes estimators apart; `tree` gives the JSON, `objects` and `arrays` what it refers to.

    An object or array that is met twice is stored once.
    """

    def __init__(self) -> None:
        self.objects: list[Any] = []
        self.arrays: Arrays = {}
        self._known: dict[int, Any] = {}
        self._alive: list[Any] = []  # so that no id is given twice

    def tree(self, value: Any, where: str) -> Any:
        """A value as JSON.

        Raises
        ------
        TypeError
            If it cannot be stored; `where` is what the message calls it.
        """
        if value is None or type(value) in (bool, int, str):
            return value
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"float": repr(float(value))}
        if isinstance(value, str):
            return str(value)
        if isinstance(value, list):
            return [self.tree(item, f"{where}[{i}]") for i, item in enumerate(value)]
        if isinstance(value, (tuple, range)):
            return {"tuple": self.tree(list(value), where)}
        if isinstance(value, dict) and all(type(key) is str for key in value):
            return {"dict": self._items(value, where)}
        if isinstance(value, type) and issubclass(value, np.generic):
            return {"dtype": np.dtype(value).name}
        if isinstance(value, np.random.RandomState):
            return {"random_state": self.tree(value.get_state(legacy=False), where)}
        if isinstance(value, np.generic):
            return {"scalar": self._array(np.asarray(value), where)}
        return self._shared(value, where)

    def _items(self, items: dict[str, Any], where: str) -> dict[str, Any]:
        return {name: self.tree(value, f"{where}.{name}") for name, value in items.items()}

    def _shared(self, value: Any, where: str) -> Any:
        """What may be met more than once."""
        if id(value) not in self._known:
            self._alive.append(value)
            self._known[id(value)] = (
                self._array(value, where)
                if isinstance(value, np.ndarray)
                else {"object": self._object(value, where)}
            )
        return self._known[id(value)]

    def _array(self, array: NDArray[Any], where: str) -> dict[str, Any]:
        if array.dtype.kind in "UO":
            items = self.tree(array.tolist(), where)
            return {"strings" if array.dtype.kind == "U" else "labels": items}
        if array.dtype.name not in _DTYPES:
            raise TypeError(_unknown(where, f"an array of {array.dtype}"))
        name = f"{len(self.arrays):04d} {where}"
        # NumPy's products may differ in the last digit between the two memory orders.
        order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        self.arrays[name] = np.ascontiguousarray(native.T if order == "F" else native)
        if array.ndim == 0:  # ascontiguousarray makes these one-dimensional
            self.arrays[name] = self.arrays[name].reshape(())
        return {"array": name, "order": order}

    def _object(self, value: Any, where: str) -> int:
        if isinstance(value, ClassEmbeddings):
            name = "ClassEmbeddings"
            state: Any = {"labels": value.labels, "vectors": value.vectors}
            if value.feature_names is not None:
                state["feature_names"] = value.feature_names
        elif CLASSES.get(type(value).__name__) is type(value):
            name, state = type(value).__name__, dict(_state_of(value))
            if state.pop(_REQUESTS, None) is not None:
                state[_REQUESTS] = _metadata_requests(value)
        else:
            raise TypeError(_unknown(where, f"{type(value).__module__}.{type(value).__qualname__}"))
        self.objects.append({"class": name, "state": self._items(state, where)})
        return len(self.objects) - 1


class Decoder:
    """Puts together what `Encoder` took apart.

    Parameters
    ----------
    objects : list
        `Encoder.objects`.
    arrays : dict of str to ndarray
        `Encoder.arrays`.
    """

    def __init__(self, objects: list[Any], arrays: Arrays) -> None:
        self.objects = objects
        self.arrays = arrays
        self._made: dict[int, Any] = {}

    def value(self, tree: Any) -> Any:
        """What a tree stands for.

        Raises
        ------
        ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError
            If it is no tree that `Encoder` makes.
        """
        if isinstance(tree, list):
            return [self.value(item) for item in tree]
        if not isinstance(tree, dict):
            return tree
        kind = next(iter(tree))
        content = tree[kind]
        if kind == "object":
            return self._object(content)
        if kind in ("array", "scalar"):
            return self._array(tree) if kind == "array" else self._array(content)[()]
        if kind == "dict":
            return self._items(content)
        if kind == "dtype":
            return np.dtype(content).type
        if kind == "float":
            return float(content)
        inside = self.value(content)
        if kind == "tuple":
            return tuple(inside)
        if kind == "strings":
            return np.array(inside, dtype=np.str_)
        if kind == "labels":
            return np.array(inside, dtype=object)
        if kind == "random_state":
            random_state = np.random.RandomState(0)
            random_state.set_state(inside)
            return random_state
        raise ValueError(f"unknown kind {kind!r}")

    def _items(self, items: dict[str, Any]) -> dict[str, Any]:
        return {name: self.value(tree) for name, tree in items.items()}

    def _array(self, tree: dict[str, Any]) -> NDArray[Any]:
        array = self.arrays[tree["array"]]
        return array.T if tree["order"] == "F" else array

    def _object(self, i: int) -> Any:
        if i not in self._made:
            name, items = self.objects[i]["class"], self.objects[i]["state"]
            state = self._items(items)
            if name == "ClassEmbeddings":
                made: Any = ClassEmbeddings(**state)
            else:
                made = object.__new__(CLASSES[name])
                requests = state.pop(_REQUESTS, {})
                if hasattr(made, "__setstate__"):
                    made.__setstate__(state)
                else:
                    vars(made).update(state)
                _set_metadata_requests(made, requests)
            self._made[i] = made
        return self._made[i]


def _state_of(value: Any) -> dict[str, Any]:
    state: dict[str, Any] | None = value.__getstate__()
    return state or {}


def _metadata_requests(estimator: Any) -> dict[str, dict[str, Any]]:
    """Method -> parameter -> what `set_{method}_request` was told, where it was told anything."""
    routing = estimator.get_metadata_routing()
    found = {method: getattr(routing, method).requests for method in _METHODS}
    return {method: dict(requests) for method, requests in found.items() if requests}


def _set_metadata_requests(estimator: Any, requests: dict[str, dict[str, Any]]) -> None:
    with config_context(enable_metadata_routing=True):
        for method in _METHODS:
            if method in requests:
                getattr(estimator, f"set_{method}_request")(**requests[method])


def _unknown(where: str, kind: str) -> str:
    return (
        f"{where} is {kind}, which a model file cannot hold: expected plain values, arrays of "
        "numbers or strings, and estimators of sklearn_claster. Use joblib.dump or skops.io.dump, "
        "which take any estimator."
    )
