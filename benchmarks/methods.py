"""The methods that are compared, and what each may choose from: at most nine combinations.

ClasterZSL and the baselines have the same budget: the combinations are compared by class-wise
cross-validation on seen classes. A method with fewer parameters, or with long fits, tries fewer.
"""

from sklearn_claster import ClasterZSL, baselines
from sklearn_claster._core.input_space import InputSpace

BUDGET = 9
CLASTER = "ClasterZSL"
BINARY_ONLY = ("DAP", "IAP")  # need class vectors of two values
ONE_SPACE = ("CosineZSL", "RLA", "GDA", "IdentityRidge")  # need them as wide as the features
RANKING = {"learning_rate": [0.1, 1.0, 10.0], "max_epochs": [5, 20]}
GRIDS = {
    CLASTER: {"visual_weight": [0.8, 0.95, 1.0], "hidden_layer_sizes": ["auto", []]},
    "ESZSL": {"gamma": [0.1, 3.0, 100.0], "lam": [0.1, 10.0, 1000.0]},
    "SJE": RANKING,
    "ALE": RANKING,
    "DeViSE": RANKING,
    "ConSE": {"n_top": [3, 10, 30], "C": [0.1, 1.0, 10.0]},
    "PrototypeRegression": {"alpha": [10.0**k for k in range(-4, 5)]},
    "DEM": {"learning_rate": [1e-4, 1e-3, 1e-2], "weight_decay": [1e-4, 1e-3, 1e-2]},
    "ClassGCN": {"n_neighbors": [2, 4, 8], "neighbor_share": [0.1, 0.25, 0.5]},
    "DAP": {"C": [10.0**k for k in range(-3, 6)]},
    "IAP": {"C": [10.0**k for k in range(-3, 6)]},
    "SAE": {"lam": [10.0**k for k in range(-3, 6)]},
    "FCLSWGAN": [
        {"n_steps": [300], "classification_weight": [1.0]},
        {"n_steps": [500], "classification_weight": [0.1]},
    ],
    "FVAEGAN": {"vae_weight": [1.0, 10.0]},
    "GGM": {"alpha": [0.1, 1.0, 10.0], "added_variance": [0.1, 0.5, 2.0]},
    "E2EHead": {"alpha": [10.0**k for k in range(-2, 5)]},
    "ERHead": {"learning_rate": [1e-3, 3e-3, 1e-2], "max_epochs": [3, 10, 30]},
    "CosineZSL": {"temperature": ["auto"]},
    "RLA": {"learnt_share": [0.25, 0.5, 0.75, 1.0]},
    "GDA": {"gaussian_weight": ["auto"]},  # both choose on held-out classes by themselves
    "IdentityRidge": {"lam": ["auto"]},
}
BASELINES = [name for name in GRIDS if name != CLASTER]
# What this baseline gains from the first step of ClasterZSL alone.
WHITENED = {f"{name}, whitened": GRIDS[name] for name in ("DEM",)}
# Where a class of this package is two systems.
OPTIONS = {"FCLSWGAN, OD": {"cosine_weight": [0.1], "decoder_weight": [0.01, 0.1]}}
SLOW = ("FCLSWGAN", *OPTIONS, "FVAEGAN")  # train a generator for every fit
METHODS = GRIDS | WHITENED | OPTIONS


def build(name, parameters, random_state=None):
    """An estimator of this method; one that draws random numbers gets the seed."""
    kind = ClasterZSL if name == CLASTER else getattr(baselines, name.partition(",")[0])
    estimator = (whitened(kind) if name in WHITENED else kind)()
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=random_state)
    return estimator.set_params(**parameters)


def whitened(baseline):
    """The baseline on features that are whitened within classes, as ClasterZSL's are."""

    class Whitened(baseline):
        def _fit_seen(self, X, y, embeddings):
            self._whiten = InputSpace.fit(X, y)[0]
            super()._fit_seen(self._whiten(X), y, embeddings)

        def _score_rows(self, X, candidates):
            return super()._score_rows(self._whiten(X), candidates)

    return Whitened
