"""The scoring core as an ONNX graph: features and class vectors in, scores out."""

from __future__ import annotations

import copy
import io
import json
import os
import warnings
from inspect import signature
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional as F

from .._claster import ClasterZSL
from .._core.equations import compatibility
from .._core.inference import ScoringRule, make_candidates, scores, seen_scores
from .._core.model import ClasterModel
from .._gate.gate import Gate
from .._utils.torch import autocast
from ._writing import write_whole

_OPSET = 18  # of 2022: old runtimes read it too
_MOST_BYTES = 2**31 - 2**20  # of one protocol buffer
# The tracer takes 0.2 s; the one that torch prefers since 2.9 takes 8 s and another package.
_EXPORTER: Any = {"dynamo": False} if "dynamo" in signature(torch.onnx.export).parameters else {}


def to_onnx(model: ClasterZSL, path: str | os.PathLike[str]) -> None:
    """Write the scoring of a fitted `ClasterZSL` as an ONNX file, for runtimes without Python.

    The graph holds centring, whitening, the networks, Eq. 1 and the rectification of candidates
    (Eq. 6). The model's `space`, `inference`, `n_neighbors`, `temperature`, `visual_weight` and
    `feature_weight` are fixed in it. Column k of the scores belongs to row k of the class
    vectors; the caller keeps their labels.

    ===================  ==============================  ======================================
    input, output        type and shape                  meaning
    ===================  ==============================  ======================================
    `X`                  float32 (n, n_features)         samples, as for `predict`
    `class_embeddings`   float32 (C, s)                  vectors of any candidates, as in tables;
                                                         not an input where seen classes have an
                                                         expert of their own: the candidates are
                                                         then `classes_`
    `is_seen`            bool (C,)                       with ``space="gzsl"`` only: which of the
                                                         candidates are classes of `fit`
    `scores`             float32 (n, C)                  the results of `decision_function` for
                                                         more than two candidates
    ===================  ==============================  ======================================

    Parameters
    ----------
    model : ClasterZSL
        A fitted model.
    path : str or path-like
        The file to write; its name usually ends in ``.onnx``.

    Raises
    ------
    TypeError
        If the model is no `ClasterZSL`.
    ValueError
        If a gate decides between seen and unseen classes, or if `adapt` was called: the graph
        holds neither. Also if the weights take 2 GB or more.
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
    if isinstance(model._gate_in_use(), Gate):
        raise ValueError(
            f"to_onnx writes scores without a gate; got bias_detector={model.bias_detector!r} with "
            "space='gzsl'. Set bias_detector=None for the raw scores, or space='zsl' or 'seen'."
        )
    if model._learnt is not None:
        raise ValueError(
            "to_onnx writes scores without what adapt has learnt; got a model after adapt. Use "
            "save_model, or write the model before adapt."
        )
    space = model.space if model._has_table else "seen"
    rule = ScoringRule.of(model)
    module = _Scoring(model._model, rule, all_seen=space == "seen")
    n_bytes = sum(array.nbytes for array in module.state_dict().values())
    if n_bytes > _MOST_BYTES:
        raise ValueError(
            f"An ONNX file holds less than 2 GB; the weights take {n_bytes / 1e9:.1f} GB. Fit "
            "with smaller hidden_layer_sizes, or use save_model."
        )
    cpu: Any = {"dtype": torch.float32, "device": "cpu"}
    inputs = {
        "X": torch.zeros((2, len(module.feature_mean)), **cpu),
        "class_embeddings": torch.zeros((3, len(module.embedding_mean)), **cpu),
    }
    if space == "gzsl":
        inputs["is_seen"] = torch.ones(3, dtype=torch.bool, device="cpu")
    graph = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode(), autocast(torch.device("cpu")):
        warnings.simplefilter("ignore")  # of the tracer: what it takes for constant is constant
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            graph,  # type: ignore[arg-type]
            input_names=list(inputs),
            output_names=["scores"],
            dynamic_axes={
                **{name: {0: "C"} for name in inputs},
                "X": {0: "n"},
                "scores": {0: "n", 1: "C"},
            },
            opset_version=_OPSET,
            **_EXPORTER,
        )
    proto = onnx.load_model_from_string(graph.getvalue())
    proto.producer_name = "sklearn_claster"
    seen_classes = json.dumps(model.classes_.tolist())
    onnx.helper.set_model_props(proto, {"inference": rule.inference, "seen_classes": seen_classes})
    onnx.checker.check_model(proto, full_check=True)
    write_whole(path, proto.SerializeToString())


class _Scoring(nn.Module):
    """`decision_function` without a gate as one module, for a trace.

    Parameters
    ----------
    model : ClasterModel
        The fitted model.
    rule : ScoringRule
        How to score.
    all_seen : bool
        Whether candidates count as seen where `is_seen` is not given.
    """

    feature_mean: Tensor
    whitening: Tensor | None
    whitened_mean: Tensor
    embedding_mean: Tensor
    seen: Tensor
    class_means: Tensor
    is_seen: Tensor

    def __init__(self, model: ClasterModel, rule: ScoringRule, all_seen: bool) -> None:
        super().__init__()
        self.net = copy.deepcopy(model.net).cpu()
        self.rule, self.scale, self.all_seen = rule, model.scale, all_seen
        space = model.input_space
        whitening, whitened_mean = (
            None if array is None else array.astype(np.float32)
            for array in (space.whitening, space.whitened_mean)
        )
        for name, array in {
            "feature_mean": space.mean,
            "whitening": whitening,
            "whitened_mean": whitened_mean,
            "embedding_mean": model.embedding_mean,
            "seen": model.seen,
            "class_means": model.class_means,
            "is_seen": np.array([all_seen]),
        }.items():
            self.register_buffer(name, None if array is None else torch.from_numpy(array.copy()))

    def forward(self, X: Tensor, class_embeddings: Tensor, is_seen: Tensor | None = None) -> Tensor:
        """Compute scores (n, C) of samples (n, f) for candidates (C, s)."""
        x = _unit_rows(X, self.feature_mean)
        if self.whitening is not None:
            x = F.normalize(x @ self.whitening - self.whitened_mean, dim=1)
        points = self.net.points(x)
        semantic = self.net.semantic(points)
        alone = self.all_seen and self.rule.inference == "combined"
        to = make_candidates(
            self.net,
            self.seen if alone else _unit_rows(class_embeddings, self.embedding_mean),
            self.is_seen if is_seen is None else is_seen,
            self.seen,
            self.rule.n_neighbors,
        )
        if alone:
            means, rule, scale = self.class_means, self.rule, self.scale
            return seen_scores(self.net, x, points, semantic, means, to, rule, scale)
        plain = None
        if self.scale.prior:
            zero = torch.zeros((), dtype=torch.float64)
            centred = _unit_rows(X, self.scale.choice.centring * self.feature_mean)
            plain = compatibility(centred, _unit_rows(class_embeddings, zero))
        return scores(self.net, points, semantic, plain, to, self.rule, self.scale)


def _unit_rows(rows: Tensor, mean: Tensor) -> Tensor:
    """Centre rows of any size and scale them to unit length, (n, f) -> (n, f)."""
    centred = 0.5 * rows.double() - 0.5 * mean
    largest = centred.abs().amax(dim=1, keepdim=True)
    centred = centred / largest.where(largest > 0.0, 1.0)
    return F.normalize(centred, dim=1).float()


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ImportError("to_onnx needs onnx: pip install 'sklearn_claster[onnx]'.") from error
    return onnx
