"""`coef_` has scikit-learn's shape, so that its feature selection reads it."""

import numpy as np
import pytest
from sklearn.feature_selection import RFE, SelectFromModel

from sklearn_claster import ClassEmbeddings
from sklearn_claster.baselines import ALE, DAP, ESZSL, SAE, SJE, DeViSE, PrototypeRegression

LINEAR = [
    ESZSL(),
    SJE(random_state=0),
    ALE(random_state=0),
    DeViSE(random_state=0),
    PrototypeRegression(),
    SAE(),
    DAP(threshold="mean"),
]
every_linear_baseline = pytest.mark.parametrize("method", LINEAR, ids=lambda m: type(m).__name__)
N_CLASSES, N_FEATURES = 12, 8
INFORMATIVE = [1, 2, 5, 6]


def problem(n_attributes):
    """Four features that the class vectors make, and four of small noise."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(N_CLASSES, 4))
    y = np.repeat(np.arange(N_CLASSES), 20)
    X = 0.01 * rng.normal(size=(len(y), N_FEATURES))
    X[:, INFORMATIVE] = vectors[y] @ rng.normal(size=(4, 4)) + 0.1 * rng.normal(size=(len(y), 4))
    wide = np.zeros((N_CLASSES, n_attributes))
    wide[:, :4] = vectors
    return X, y, ClassEmbeddings(np.arange(N_CLASSES), wide)


@every_linear_baseline
@pytest.mark.parametrize("n_attributes", [5, N_FEATURES])  # as many: a transposed one fits too
def test_feature_selection_keeps_the_features_that_say_something(method, n_attributes):
    X, y, table = problem(n_attributes)
    picked = SelectFromModel(method, max_features=4, threshold=-np.inf)
    picked.fit(X, y, class_embeddings=table)
    assert picked.estimator_.coef_.shape == (n_attributes, N_FEATURES)
    assert np.flatnonzero(picked.get_support()).tolist() == INFORMATIVE
    eliminated = RFE(method, n_features_to_select=4).fit(X, y, class_embeddings=table)
    assert np.flatnonzero(eliminated.support_).tolist() == INFORMATIVE
