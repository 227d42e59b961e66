"""The methods that are compared, and what each may choose from: at most nine combinations.

ClasterZSL and the baselines have the same budget: the combinations are compared by class-wise
cross-validation on seen classes. A method with fewer parameters, or with long fits, tries fewer.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from sklearn.model_selection import ParameterGrid

from sklearn_claster import ClasterZSL, baselines
from sklearn_claster._core.equations import claster_representation
from sklearn_claster._core.input_space import InputSpace

BUDGET = 9
CLASTER = "ClasterZSL"


@dataclass(frozen=True)
class Method:
    """The values that tuning combines.

    Also whether class vectors have to hold zeros and ones only, and which of the parameters
    `predict` alone reads, so that combinations of them have a fit in common.
    """

    grid: dict | list = field(default_factory=dict)
    binary_only: bool = False
    when_predicting: tuple = ()

    def combinations(self):
        return list(ParameterGrid(self.grid))


RANKING = {"learning_rate": [0.1, 1.0, 10.0], "max_epochs": [5, 20]}
METHODS = {
    CLASTER: Method(
        {"visual_weight": [0.8, 0.95, 1.0], "hidden_layer_sizes": ["auto", ()]},
        when_predicting=("visual_weight",),
    ),
    "ESZSL": Method({"gamma": [0.1, 3.0, 100.0], "lam": [0.1, 10.0, 1000.0]}),
    "SJE": Method(RANKING),
    "ALE": Method(RANKING),
    "DeViSE": Method(RANKING),
    "ConSE": Method({"n_top": [3, 10, 30], "C": [0.1, 1.0, 10.0]}),
    "PrototypeRegression": Method({"alpha": [10.0**k for k in range(-4, 5)]}),
    "DEM": Method({"learning_rate": [1e-4, 1e-3, 1e-2], "weight_decay": [1e-4, 1e-3, 1e-2]}),
    "DAP": Method({"C": [10.0**k for k in range(-3, 6)]}, binary_only=True),
    "IAP": Method({"C": [10.0**k for k in range(-3, 6)]}, binary_only=True),
    "SAE": Method({"lam": [10.0**k for k in range(-3, 6)]}),
    "FCLSWGAN": Method(
        [
            {"n_steps": [300], "classification_weight": [1.0]},
            {"n_steps": [500], "classification_weight": [0.1]},
        ]
    ),
}
BASELINES = [name for name in METHODS if name != CLASTER]
# What these baselines gain from the first step of ClasterZSL alone.
WHITENED = {f"{name}, whitened": METHODS[name] for name in ("ESZSL", "SAE", "DEM")}
METHODS |= WHITENED


def check_available(names):
    """Raise for a method that is not registered, or not in the package."""
    for name in names:
        if name not in METHODS:
            raise ValueError(f"Unknown method {name!r}; there are {', '.join(METHODS)}.")
        _class_of(name)


def build(name, parameters, random_state):
    """An estimator of this method; one that draws random numbers gets the seed."""
    estimator = _class_of(name)()
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=random_state)
    return estimator.set_params(**parameters)


def fit(name, parameters, random_state, X, y, table):
    """A fitted estimator.

    `centroids` of ClasterZSL may be given as {"from": ..., "rotated": ...}: the centroids that a
    first fit with the same seed ends with, as they are or turned at random, then stay fixed.
    """
    source = parameters.get("centroids")
    if isinstance(source, dict):
        first = parameters | {"centroids": source["from"]}
        model = fit(name, first, random_state, X, y, table)
        centroids = model.cluster_centers_
        parameters = parameters | {"n_clusters": len(centroids)}
        if source.get("rotated"):
            centroids, weight = control(model, X, random_state)
            parameters |= {"centroid_weight": weight}
        parameters |= {"centroids": centroids}
    return build(name, parameters, random_state).fit(X, y, table)


def control(model, X, seed):
    """Centroids turned at random, and the weight with which their term is as large as before.

    Distances to turned centroids differ, and with them the weights of Eq. 1; so the lengths alone
    do not make the term as large. The size is the root mean square of omega - psi over these rows.
    """
    net = model._model.net
    turned = rotated(model.cluster_centers_, seed)
    with torch.inference_mode():
        psi = model._model.points(X)
        own = (net.represent(psi) - psi).square().mean().sqrt()
        term = claster_representation(psi, torch.as_tensor(turned).to(psi), 1.0) - psi
        return turned, float(own / term.square().mean().sqrt())


def rotated(centroids, seed):
    """The same lengths and angles between each other in random directions."""
    width = centroids.shape[1]
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))
    return (centroids @ (q * np.sign(np.diag(r)))).astype(centroids.dtype)


def is_applicable(name, binary):
    """Whether a method can use class vectors that are, or are not, binary."""
    return binary or not METHODS[name].binary_only


def whitened(baseline):
    """The baseline on features that are whitened within classes, as ClasterZSL's are."""

    class Whitened(baseline):
        def _fit_seen(self, X, y, embeddings):
            self._whiten = InputSpace.fit(X, y)[0]
            super()._fit_seen(self._whiten(X), y, embeddings)

        def _score_rows(self, X, candidates):
            return super()._score_rows(self._whiten(X, X.dtype.type), candidates)

    return Whitened


def _class_of(name):
    if name == CLASTER:
        return ClasterZSL
    if name in WHITENED:
        return whitened(_class_of(name.partition(",")[0]))
    if name not in baselines.__all__:
        raise ValueError(
            f"sklearn_claster.baselines has no {name}; it has {', '.join(baselines.__all__)}. "
            "Choose among these with --methods."
        )
    return getattr(baselines, name)
