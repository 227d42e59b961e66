"""Few samples, few classes, few features."""

import numpy as np
import pytest
from small_models import (
    CENTROIDS,
    DATA,
    RULES,
    TABLE,
    X_UNSEEN,
    Twin,
    X,
    Y,
    agree,
    clustered_points,
)
from small_models import fitted_by_hand as fitted
from small_models import make_by_hand as make

from sklearn_claster import PAPER_PARAMETERS, ClassEmbeddings, ClasterZSL
from sklearn_claster._core import training
from sklearn_claster._core.adam import Adam
from sklearn_claster._core.centroids import step_size
from sklearn_claster._core.learning import Plan

# Tiny data: it happens, and a test of its own asks for it.
pytestmark = [
    pytest.mark.usefixtures("short_training"),
    pytest.mark.filterwarnings("ignore:.*clusters hold no training sample"),
]


# ------------------------------------------------------------------ small and narrow data


@pytest.mark.parametrize("centroids", [c for c in CENTROIDS if c is not None])
@pytest.mark.parametrize("fusion", ["concatenate", None])
@pytest.mark.parametrize("n_clusters", [1, 2])
def test_one_and_two_clusters(n_clusters, fusion, centroids):
    zsl = fitted(
        n_clusters=n_clusters,
        fusion=fusion,
        centroids=centroids,
        centroid_weight=1.0,
        alpha=1.0,
        max_epochs=4,
        random_state=1,  # with 0 a row lies between two centroids, up to rounding
    )
    assert zsl.cluster_centers_.shape[0] == zsl.n_clusters_ == n_clusters
    assert np.isfinite(zsl.cluster_centers_).all()
    agree(zsl.transform(X), Twin(zsl).represent(X))
    agree(zsl.decision_function(X_UNSEEN), Twin(zsl).scores(X_UNSEEN, DATA.unseen_classes), 3e-4)


def test_a_single_cluster_is_the_mean_and_adds_it_whole():
    zsl = fitted(n_clusters=1, centroids="kmeans")
    agree(zsl.cluster_centers_[0], clustered_points(zsl).mean(axis=0))
    agree(zsl.transform(X) - Twin(zsl).points(X), np.tile(zsl.cluster_centers_, (len(X), 1)))


@pytest.mark.parametrize("centroids", CENTROIDS)
def test_one_sample_per_class(centroids):
    rows = np.unique(Y, return_index=True)[1]
    zsl = make(centroids=centroids).fit(X[rows], Y[rows], TABLE)
    twin = Twin(zsl, X[rows], Y[rows])
    agree(zsl.decision_function(X_UNSEEN), twin.scores(X_UNSEEN, DATA.unseen_classes), 3e-4)


@pytest.mark.parametrize("inference", RULES)
def test_two_seen_classes(inference):
    rows = np.isin(Y, DATA.seen_classes[:2])
    zsl = make(inference=inference).fit(X[rows], Y[rows], TABLE)
    twin = Twin(zsl, X[rows], Y[rows])
    labels = zsl.candidates()[0]
    assert len(labels) == 7
    expected = twin.scores(X_UNSEEN, labels)
    agree(zsl.decision_function(X_UNSEEN), expected, 3e-4)
    zsl.set_params(space="seen")
    agree(
        zsl.decision_function(X_UNSEEN),
        np.diff(twin.scores(X_UNSEEN, DATA.seen_classes[:2]))[:, 0],
        3e-4,
    )


@pytest.mark.parametrize("inference", RULES)
def test_one_unseen_class(inference):
    table = TABLE.select([*DATA.seen_classes, DATA.unseen_classes[0]])
    zsl = make(inference=inference).fit(X, Y, table)
    assert set(zsl.predict(X)) == {DATA.unseen_classes[0]}
    assert zsl.predict_proba(X).tolist() == [[1.0]] * len(X)
    assert zsl.decision_function(X).shape == (len(X), 1)
    assert zsl.set_params(space="gzsl").predict_proba(X).shape == (len(X), 7)


@pytest.mark.filterwarnings("ignore:.*has one feature")
@pytest.mark.parametrize("inference", RULES)
@pytest.mark.parametrize(("n_features", "width"), [(1, 4), (6, 1), (1, 1)])
@pytest.mark.filterwarnings("ignore:Number of distinct")
def test_one_feature_or_one_embedding_feature(n_features, width, inference):
    table = ClassEmbeddings(TABLE.labels, TABLE.vectors[:, :width])
    zsl = make(inference=inference).fit(X[:, :n_features], Y, table)
    twin = Twin(zsl, X[:, :n_features], Y, table)
    rows = X_UNSEEN[:, :n_features]
    agree(zsl.transform(rows), twin.represent(rows))
    scores = zsl.decision_function(rows)
    assert scores.shape == (len(rows), 3)
    agree(scores, twin.scores(rows, DATA.unseen_classes), 3e-4)


def test_a_row_at_the_mean_and_rows_far_away_are_answered():
    zsl = fitted()
    rows = np.stack([X.mean(axis=0), X.mean(axis=0) + 1e200, np.full(6, -1e308), np.zeros(6)])
    assert np.isfinite(zsl.predict_proba(rows)).all()
    assert np.isfinite(zsl.transform(rows)).all()


def test_the_paper_parameters_plan_its_steps_and_fit():
    """Its 10,000 REINFORCE steps, 8192-wide layers and rates; a fit with narrow ones runs."""
    paper = ClasterZSL(**PAPER_PARAMETERS)
    plan = Plan.of(paper, 6700)
    assert plan.n_steps - plan.n_warm_up_steps == 10_000
    steps = [step_size(paper.alpha, step, 10_000) for step in (0, 999, 1000, 1999, 2000, 9999)]
    assert steps == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert (paper.n_clusters, paper.centroid_weight) == (6, 1.0)
    assert (paper.learning_rate, paper.weight_decay) == (1e-4, 5e-4)
    assert set(paper.hidden_layer_sizes) == {8192}
    small = {"hidden_layer_sizes": (16, 16), "reinforce_steps": 100, "random_state": 0}
    zsl = ClasterZSL(**{**PAPER_PARAMETERS, **small}).fit(X, Y, TABLE)
    assert zsl.history_["centroid_movement"][-1] > 0.0
    assert np.isin(zsl.predict(X), zsl.unseen_classes_).all()


@pytest.mark.parametrize("centroids", ["gradient", "netvlad"])
def test_no_penalty_shrinks_learnt_centroids(centroids, monkeypatch):
    calls = []

    class Recorded(Adam):
        def __init__(self, network, learning_rate, weight_decay, free=()):
            calls.append((network, weight_decay, list(free)))
            super().__init__(network, learning_rate, weight_decay, calls[-1][2])

    monkeypatch.setattr(training, "Adam", Recorded)
    net = fitted(centroids=centroids, weight_decay=0.25)._model.net
    network, weight_decay, free = calls[-1]  # of V, the last to be trained
    assert (network, weight_decay) == (net.classifier, 0.25)
    assert {id(p) for p in free} == {id(p) for p in net.aggregation.parameters()}
