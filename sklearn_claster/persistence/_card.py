"""The model card: what a fitted model is, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from sklearn.utils.validation import check_is_fitted

from .._base import BaseZeroShotClassifier
from .._class_embeddings import preview
from ._files import PACKAGES

_HEADER = """---
library_name: sklearn_claster
tags: [zero-shot-classification, scikit-learn]
---
"""


def model_card(
    model: Any,
    *,
    title: str = "",
    description: str = "",
    scores: Mapping[str, float | str] | None = None,
    data: str = "",
) -> str:
    """A page about a fitted model: classes, data, parameters, scores and versions.

    Parameters
    ----------
    model : estimator
        A fitted `ClasterZSL` or baseline.
    title : str, default=""
        The heading; by default the name of the estimator.
    description : str, default=""
        Markdown on what the model is for, and on what it is not for.
    scores : mapping of str to float or str, default=None
        What you have measured, for example ``{"harmonic mean": 0.31}`` or ``"0.31 ± 0.02"``.
    data : str, default=""
        Markdown on the data: what they are, which split, what the scores were measured on.

    Returns
    -------
    str
        Markdown, with the header that model hubs read. What was not given is named as missing.

    Raises
    ------
    TypeError
        If the model is no zero-shot classifier of this package.
    NotFittedError
        If it is not fitted.

    Examples
    --------
    >>> from sklearn_claster.baselines import ESZSL
    >>> from sklearn_claster.persistence import model_card
    >>> X, y = [[0.0, 0.1], [0.1, 0.0], [1.0, 1.1], [1.1, 1.0]], ["low", "low", "high", "high"]
    >>> model = ESZSL().fit(X, y, {"low": [0.0, 1.0], "high": [1.0, 0.0], "higher": [3.0, 0.0]})
    >>> card = model_card(model, scores={"accuracy, unseen classes": 0.5})
    >>> print(card.partition("## Scores")[2].partition("##")[0].strip())
    | measure | value |
    |---|---|
    | accuracy, unseen classes | 0.5000 |
    """
    if not isinstance(model, BaseZeroShotClassifier):
        raise TypeError(
            f"model_card describes zero-shot classifiers of sklearn_claster; got "
            f"{type(model).__name__}. Of a pipeline, pass the last step."
        )
    check_is_fitted(model)
    name = type(model).__name__
    parts = [
        _HEADER + f"# {title or name}",
        description or f"A zero-shot classifier, `{name}` of sklearn_claster.",
        "## Classes\n\n" + _table(_classes(model), "what", "value"),
        "## Data\n\n" + (data or "Not described."),
        "## Scores\n\n"
        + (
            _table({k: _shown(v) for k, v in scores.items()}, "measure", "value")
            if scores
            else "None given."
        ),
        "## Parameters\n\n" + _table(_parameters(model), "parameter", "value"),
        "## Versions\n\n" + _table({p: version(p) for p in PACKAGES}, "package", "version"),
    ]
    return "\n\n".join(parts) + "\n"


def _shown(score: float | str) -> str:
    return score if isinstance(score, str) else f"{score:.4f}"


def _classes(model: BaseZeroShotClassifier) -> dict[str, str]:
    seen, unseen = model.classes_, model.unseen_classes_
    facts = {
        "features of a sample": f"{model.n_features_in_}",
        "features of a class vector": f"{model.class_embeddings_.vectors.shape[1]}"
        + ("" if model._has_table else " (one-hot: no class table was given)"),
        "seen classes": f"{len(seen)}: {preview(seen, 20)}",
        "unseen classes in the table": f"{len(unseen)}"
        + (f": {preview(unseen, 20)}" if len(unseen) else ""),
        "candidates": f'`space="{model.space}"`',
    }
    if model.gate_threshold_ is not None:
        facts["gate threshold"] = f"{model.gate_threshold_:.4g}"
    return facts


def _parameters(model: BaseZeroShotClassifier) -> dict[str, str]:
    return {name: f"`{value!r}`" for name, value in sorted(model.get_params(deep=False).items())}


def _table(rows: Mapping[str, str], left: str, right: str) -> str:
    def cell(text: str) -> str:
        return " ".join(str(text).split()).replace("|", r"\|")

    lines = [f"| {left} | {right} |", "|---|---|"]
    return "\n".join(lines + [f"| {cell(k)} | {cell(v)} |" for k, v in rows.items()])
