"""The scoring core as an ONNX graph: feature rows and class vectors in, scores out.

The graph is written node by node. It follows `unit_rows`, `networks`, `equations` and
`inference`, function by function; tests hold it against `decision_function`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional as F

from .._claster import ClasterZSL
from .._core.equations import _TIE_DEFAULT
from .._core.inference import ScoringRule
from .._core.networks import MLP, CentroidSum, ClasterNet, NetVLAD, ShortcutMLP
from .._utils.torch import to_numpy

_OPSET, _IR_VERSION = 18, 8  # of 2022: old runtimes read them too
_MOST_BYTES = 2**31 - 2**20  # of one protocol buffer
_TINY = 1e-12  # as in torch's normalize


def to_onnx(model: ClasterZSL, path: str | os.PathLike[str]) -> None:
    """Write the scoring of a fitted `ClasterZSL` as an ONNX file, for runtimes without Python.

    Centring, whitening, the networks, Eq. 1 and the rectification of candidates (Eq. 6) are in
    the graph; `space`, `inference`, `n_neighbors`, `temperature`, `visual_weight` and
    `feature_weight` are written as the model has them. Which class a column stands for is up to
    the caller.

    ===================  ==============================  ======================================
    input, output        type and shape                  what it is
    ===================  ==============================  ======================================
    `X`                  float32 (n, n_features)         feature rows, as for `predict`
    `class_embeddings`   float32 (C, s)                  vectors of any candidates, as in tables
    `is_seen`            bool (C,)                       with ``space="gzsl"`` only: which of the
                                                         candidates are classes of `fit`
    `scores`             float32 (n, C)                  what `decision_function` gives for more
                                                         than two candidates
    ===================  ==============================  ======================================

    Parameters
    ----------
    model : ClasterZSL
        A fitted model.
    path : str or path-like
        Where to; by custom it ends in ``.onnx``.

    Raises
    ------
    TypeError
        If the model is no `ClasterZSL`.
    ValueError
        If a gate decides between seen and unseen classes, which the graph does not hold, or if
        the weights take 2 GB or more.
    NotFittedError
        If it is not fitted.
    ImportError
        If onnx is not installed.
    """
    onnx = _onnx()
    if not isinstance(model, ClasterZSL):
        raise TypeError(
            f"to_onnx writes a fitted ClasterZSL; got {type(model).__name__}. Keep other models "
            "with save_model."
        )
    check_is_fitted(model)
    model._check_test_rule()
    if model._active_gate() is not None:
        raise ValueError(
            f"to_onnx writes scores without a gate; got bias_detector={model.bias_detector!r} with "
            "space='gzsl'. Set bias_detector=None for the raw scores, or space='zsl' or 'seen'."
        )
    fitted, rule = model._model, ScoringRule.of(model)
    g = _Graph(onnx)
    space = model.space if model._has_table else "seen"
    is_seen = "is_seen" if space == "gzsl" else space == "seen"
    x = g.unit_rows("X", fitted.input_space.mean)
    if fitted.input_space.whitening is not None and fitted.input_space.whitened_mean is not None:
        whitened = g("MatMul", x, g.single(fitted.input_space.whitening))
        x = g.unit_rows(whitened, fitted.input_space.whitened_mean)
    embeddings = g.unit_rows("class_embeddings", fitted.embedding_mean)
    scores = _Core(g, fitted.net, fitted.seen, rule).scores(x, embeddings, is_seen)
    g("Div", scores, g.single(rule.temperature), output="scores")

    f, s = fitted.net.sizes["n_features"], fitted.net.sizes["n_embedding_features"]
    number, boolean = onnx.TensorProto.FLOAT, onnx.TensorProto.BOOL
    info = onnx.helper.make_tensor_value_info
    inputs = [info("X", number, ["n", f]), info("class_embeddings", number, ["C", s])]
    if space == "gzsl":
        inputs.append(info("is_seen", boolean, ["C"]))
    outputs = [info("scores", number, ["n", "C"])]
    graph = onnx.helper.make_graph(
        g.nodes, "sklearn_claster", inputs, outputs, initializer=g.initializers
    )
    proto = onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="sklearn_claster",
    )
    seen_classes = json.dumps(model.classes_.tolist())
    onnx.helper.set_model_props(proto, {"inference": rule.inference, "seen_classes": seen_classes})
    if g.n_bytes > _MOST_BYTES:
        raise ValueError(
            f"An ONNX file holds less than 2 GB; the weights take {g.n_bytes / 1e9:.1f} GB. Fit "
            "with smaller hidden_layer_sizes, or use save_model."
        )
    onnx.checker.check_model(proto, full_check=True)
    onnx.save_model(proto, os.fspath(path))


class _Graph:
    """Nodes and constants, and the small functions that all parts of the graph share.

    Calling it adds a node and gives the name of its output.
    """

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.n_bytes = 0

    def __call__(self, kind: str, *inputs: str, output: str = "", **options: Any) -> str:
        output = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [output], **options))
        return output

    def constant(self, array: Any) -> str:
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(self.onnx.numpy_helper.from_array(np.asarray(array), name))
        self.n_bytes += np.asarray(array).nbytes
        return name

    def single(self, value: Any) -> str:
        """A float32 constant."""
        array = to_numpy(value) if isinstance(value, torch.Tensor) else value
        return self.constant(np.ascontiguousarray(array, dtype=np.float32).reshape(np.shape(array)))

    def axes(self, *axes: int) -> str:
        return self.constant(np.array(axes, dtype=np.int64))

    def total(self, rows: str) -> str:
        """Sums over the last axis, which is kept."""
        return self("ReduceSum", rows, self.axes(-1), keepdims=1)

    def unit_rows(self, rows: str, mean: NDArray[np.float64]) -> str:
        """`unit_rows`, in float64 inside: (n, f) -> (n, f)."""
        one = self.constant(np.float64(1.0))

        def positive(values: str) -> str:
            above = self("Greater", values, self.constant(np.float64(0.0)))
            return self("Where", above, values, one)

        double = self("Cast", rows, to=self.onnx.TensorProto.DOUBLE)
        half = self("Mul", double, self.constant(np.float64(0.5)))
        centred = self("Sub", half, self.constant(mean / 2.0))
        largest = self("ReduceMax", self("Abs", centred), self.axes(-1), keepdims=1)
        centred = self("Div", centred, positive(largest))
        length = self("Sqrt", self.total(self("Mul", centred, centred)))
        unit = self("Div", centred, positive(length))
        return self("Cast", unit, to=self.onnx.TensorProto.FLOAT)

    def normalize(self, rows: str) -> str:
        """Torch's normalize, (n, f) -> (n, f)."""
        length = self("Sqrt", self.total(self("Mul", rows, rows)))
        return self("Div", rows, self("Max", length, self.single(_TINY)))

    def cosines(self, rows: str, others: str) -> str:
        """`equations.compatibility`, (n, s), (C, s) -> (n, C)."""
        columns = self("Transpose", self.normalize(others), perm=[1, 0])
        return self("MatMul", self.normalize(rows), columns)

    def largest(self, rows: str, k: int) -> tuple[str, str]:
        """The k largest of every row and where they are, (C, S) -> (C, k), (C, k)."""
        both = f"TopK_{len(self.nodes)}", f"TopK_{len(self.nodes)}_where"
        self.nodes.append(self.onnx.helper.make_node("TopK", [rows, self.axes(k)], both, axis=1))
        return both

    def mlp(self, net: MLP, rows: str) -> str:
        """`MLP.forward`, and that of `ShortcutMLP`."""
        start = rows
        for depth, layer in enumerate(net.layers):
            rows = self("Relu", rows) if depth else rows
            weight, bias = layer.parameters()
            rows = self("Add", self("MatMul", rows, self.single(weight.T)), self.single(bias))
        if isinstance(net, ShortcutMLP):
            rows = self("Add", rows, self("MatMul", start, self.single(net.shortcut.T)))
        return rows


class _Core:
    """`networks` and `inference` in terms of a graph.

    Parameters
    ----------
    g : _Graph
        Where the nodes go.
    net : ClasterNet
        The fitted network.
    seen : ndarray of shape (n_classes, n_embedding_features)
        The seen classes' embeddings, unit rows.
    rule : ScoringRule
        How to score.
    """

    def __init__(self, g: _Graph, net: ClasterNet, seen: NDArray[np.float32], rule: ScoringRule):
        self.g, self.net, self.seen, self.rule = g, net, seen, rule

    def scores(self, x: str, embeddings: str, is_seen: str | bool) -> str:
        """Cosines of rows (n, f) with candidates (C, s), by the test rule, -> (n, C).

        `is_seen` names an input (C,), or says the same of all candidates.
        """
        g, net, rule = self.g, self.net, self.rule
        points, phi = x, ""
        if net.use_semantics:
            phi = g.mlp(net.estimator, x)
            points = self._fuse(x, phi)

        def semantic_candidates() -> str:
            return self._rectify_unseen(embeddings, torch.tensor(self.seen, device="cpu"), is_seen)

        def semantic(candidates: str) -> str:
            return g.cosines(g.mlp(net.classifier, self._represent(points)), candidates)

        def visual() -> str:
            with torch.inference_mode():
                seen = net.project(torch.tensor(self.seen, device=net.projection_scale.device))
            projected = g.mlp(net.projector, embeddings)
            projected = g("Div", projected, g.single(net.projection_scale))
            projected = self._rectify_unseen(projected, seen, is_seen)
            emphasised = points
            if net.fusion == "concatenate":
                emphasised = self._fuse(g("Mul", x, g.single(rule.feature_weight)), phi)
            return g.cosines(emphasised, self._fuse(projected, projected))

        def combined() -> str:
            if not net.use_semantics:
                return semantic(semantic_candidates())
            w = rule.visual_weight
            semantic_part = g("Mul", semantic(semantic_candidates()), g.single(1.0 - w))
            return g("Add", semantic_part, g("Mul", visual(), g.single(w)))

        def seen_class() -> str:
            best = g("ArgMax", semantic(g.single(self.seen)), axis=1, keepdims=0)
            return g.cosines(g("Gather", g.single(self.seen), best), semantic_candidates())

        def conse() -> str:
            scores = g("Div", semantic(g.single(self.seen)), g.single(rule.temperature))
            z = g("Softmax", scores, axis=1)
            mixed = g("MatMul", z, g.normalize(g.single(self.seen)))
            return g.cosines(mixed, semantic_candidates())

        rules: dict[str, Callable[[], str]] = {
            "combined": combined,
            "compatibility": lambda: semantic(semantic_candidates()),
            "visual": visual,
            "seen_class": seen_class,
            "conse": conse,
        }
        return rules[rule.inference]()

    def _fuse(self, visual: str, semantic: str) -> str:
        if self.net.fusion == "concatenate":
            return self.g("Concat", visual, semantic, axis=1)
        return self.g({"sum": "Add", "product": "Mul"}[str(self.net.fusion)], visual, semantic)

    def _represent(self, points: str) -> str:
        """Omega of points, (n, p) -> (n, p)."""
        g, aggregation = self.g, self.net.aggregation
        if isinstance(aggregation, CentroidSum):
            eta = self._distance_weights(points, aggregation.centroids)
        elif isinstance(aggregation, NetVLAD):
            logits = g("MatMul", points, g.single(aggregation.assignment_weight.T))
            logits = g("Add", logits, g.single(aggregation.assignment_bias))
            eta = g("Softmax", logits, axis=1)
        else:
            return points
        pull = g("MatMul", eta, g.single(aggregation.centroids))
        return g("Add", points, g("Mul", pull, g.single(aggregation.weight)))

    def _distance_weights(self, points: str, centroids: torch.Tensor) -> str:
        """Eq. 1, `equations.distance_weights`, (n, p) -> (n, K)."""
        g, one = self.g, self.g.single(1.0)
        differences = g("Sub", g("Unsqueeze", points, g.axes(1)), g.single(centroids[None]))
        squares = g.total(g("Mul", differences, differences))  # (n, K, 1)
        distances = g("Sqrt", g("Squeeze", squares, g.axes(-1)))
        nearest = g("ReduceMin", distances, g.axes(1), keepdims=1)
        farthest = g("ReduceMax", distances, g.axes(1), keepdims=1)
        spread = g("Sub", farthest, nearest)
        tied = g("LessOrEqual", spread, g("Mul", farthest, g.single(_TIE_DEFAULT)))
        is_one = g("Or", g("LessOrEqual", distances, nearest), tied)
        near = g("Div", nearest, g("Where", is_one, one, distances))
        far = g("Div", g("Sub", farthest, distances), g("Where", tied, one, spread))
        return g("Where", is_one, one, g("Mul", near, far))

    def _rectify_unseen(self, rows: str, seen: torch.Tensor, is_seen: str | bool) -> str:
        """Eq. 6 for the unseen candidates, (C, s) -> (C, s)."""
        g = self.g
        unit, seen = g.normalize(rows), F.normalize(seen, dim=1)
        k = min(self.rule.n_neighbors, len(seen))
        if k == 0 or is_seen is True:
            return unit
        cosines = g("MatMul", unit, g.single(seen.T))
        similarity, neighbors = g.largest(cosines, k)
        nearest = g("Gather", g.single(seen), neighbors)  # (C, k, s)
        weighted = g("Mul", g("Unsqueeze", similarity, g.axes(2)), nearest)
        pull = g("ReduceMean", weighted, g.axes(1), keepdims=0)
        rectified = g.normalize(g("Add", unit, pull))
        if is_seen is False:
            return rectified
        return g("Where", g("Unsqueeze", str(is_seen), g.axes(1)), unit, rectified)


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ImportError("to_onnx needs onnx: pip install 'sklearn_claster[onnx]'.") from error
    return onnx
