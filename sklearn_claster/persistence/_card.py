"""The model card: a description of a fitted model in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from sklearn.utils.validation import check_is_fitted

from .._base import BaseZeroShotClassifier
from .._utils.labels import preview
from ._files import PACKAGES, import_skops


def model_card(model: Any, scores: Mapping[str, float | str] | None = None) -> Any:
    """Make a model card of skops with classes, parameters, scores and versions.

    Parameters
    ----------
    model : estimator
        A fitted `ClasterZSL` or baseline.
    scores : mapping of str to float or str, default=None
        Your results, as in ``{"harmonic mean": 0.31}`` or ``{"harmonic mean": "0.31 ± 0.02"}``.

    Returns
    -------
    skops.card.Card
        ``card.add(**{"Data": "..."})`` adds a section, ``card.save("README.md")`` writes Markdown.
        Sections that are not filled say so.

    Raises
    ------
    TypeError
        If the model is no zero-shot classifier of this package.
    NotFittedError
        If it is not fitted.
    ImportError
        If skops is not installed.

    Examples
    --------
    >>> from sklearn_claster.baselines import ESZSL
    >>> from sklearn_claster.persistence import model_card
    >>> X, y = [[0.0, 0.1], [0.1, 0.0], [1.0, 1.1], [1.1, 1.0]], ["low", "low", "high", "high"]
    >>> model = ESZSL().fit(X, y, {"low": [0.0, 1.0], "high": [1.0, 0.0], "higher": [3.0, 0.0]})
    >>> card = model_card(model, {"accuracy, unseen classes": 0.5})
    >>> "accuracy, unseen classes" in card.render()
    True
    """
    if not isinstance(model, BaseZeroShotClassifier):
        raise TypeError(
            f"model_card describes zero-shot classifiers of sklearn_claster; got "
            f"{type(model).__name__}. For a pipeline, pass its last step."
        )
    check_is_fitted(model)
    card = import_skops().card.Card(model, model_diagram=False)
    tables = {"Classes": _classes(model), "Versions": {name: version(name) for name in PACKAGES}}
    for title, rows in tables.items():
        card.add_table(**{title: {"What": list(rows), "Value": list(rows.values())}})
    return card.add_metrics(**scores) if scores else card


def _classes(model: BaseZeroShotClassifier) -> dict[str, str]:
    seen, unseen = model.classes_, model.unseen_classes_
    one_hot = "" if model._has_table else " (one-hot: no class table was given)"
    facts = {
        "features of a sample": f"{model.n_features_in_}",
        "features of a class vector": f"{model.class_embeddings_.vectors.shape[1]}{one_hot}",
        "seen classes": f"{len(seen)}: {preview(seen, 20)}",
        "unseen classes in the table": f"{len(unseen)}: {preview(unseen, 20) or 'none'}",
        "candidates": f'`space="{model.space}"`',
    }
    if model.gate_threshold_ is not None:
        facts["gate threshold"] = f"{model.gate_threshold_:.4g}"
    return facts
