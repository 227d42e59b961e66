"""A small problem with two classifiers that solve it, for what all zero-shot classifiers share."""

import copy
from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_claster import ClassEmbeddings, ClasterZSL
from sklearn_claster.baselines import ESZSL


def small(**parameters):
    parameters = {
        "n_clusters": 2,
        "hidden_layer_sizes": (64,),
        "max_epochs": 2,
        "centroids": "kmeans",
        "learning_rate": 1e-2,
        "random_state": 0,
    } | parameters
    return ClasterZSL(**parameters)


both = pytest.mark.parametrize("make", [small, ESZSL], ids=["ClasterZSL", "ESZSL"])

N_SEEN, N_CLASSES, N_FEATURES = 5, 8, 6
NAMES = [f"class {i}" for i in range(N_CLASSES)]
UNSEEN = NAMES[N_SEEN:]


def make_data(seed=2):
    """Classes whose features are a linear map of their embeddings, plus a little noise."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(N_CLASSES, 4))
    centers = vectors @ rng.normal(size=(4, N_FEATURES))
    X = np.repeat(centers, 10, axis=0) + 0.1 * rng.normal(size=(10 * N_CLASSES, N_FEATURES))
    return X, np.repeat(np.arange(N_CLASSES), 10), vectors


ALL_X, ALL_CODES, VECTORS = make_data()
ALL_Y = np.array(NAMES)[ALL_CODES]
IS_SEEN = ALL_CODES < N_SEEN
X, Y, CODES = ALL_X[IS_SEEN], ALL_Y[IS_SEEN], ALL_CODES[IS_SEEN]
NEW_X, NEW_Y = ALL_X[~IS_SEEN], ALL_Y[~IS_SEEN]
TABLE = ClassEmbeddings(NAMES, VECTORS)
SEEN_TABLE, UNSEEN_TABLE = TABLE.select(NAMES[:N_SEEN]), TABLE.select(UNSEEN)
OLD_AS_NEW = {"new": VECTORS[0]}
CANDIDATES = {"zsl": UNSEEN, "gzsl": NAMES, "seen": NAMES[:N_SEEN]}


@cache
def first_fitted(make, parameters):
    return make(**dict(parameters)).fit(X, Y, TABLE)


def fitted(make, **parameters):
    """A model of the test's own, fitted once per process."""
    return copy.deepcopy(first_fitted(make, tuple(parameters.items())))


def answers(model, rows=ALL_X, **keywords):
    return model.predict(rows, **keywords), model.predict_proba(rows, **keywords)


def assert_same_answers(one, other):
    for left, right in zip(one, other, strict=True):
        assert_array_equal(left, right)


def fit(make, X=X, y=Y, table=TABLE, **parameters):
    return make(**parameters).fit(X, y, table)
