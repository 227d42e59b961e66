"""ClasterZSL, the method: the forward pass and what each parameter does to it."""

import pickle

import numpy as np
import paper_twin
import pytest
import torch
from sklearn import clone
from small_models import (
    CENTROIDS,
    DATA,
    FIXED,
    RULES,
    TABLE,
    X_UNSEEN,
    Twin,
    X,
    Y,
    agree,
    clustered_points,
    identical,
    weights,
)
from small_models import fitted_by_hand as fitted
from small_models import make_by_hand as make

from sklearn_claster import ClassEmbeddings, ClasterZSL
from sklearn_claster._core.centroids import random_centroids
from sklearn_claster._core.networks import MLP, ShortcutMLP
from sklearn_claster.baselines import ESZSL
from sklearn_claster.datasets import make_zero_shot_classification

# Tiny data: it happens, and a test of its own asks for it.
pytestmark = [
    pytest.mark.usefixtures("short_training"),
    pytest.mark.filterwarnings("ignore:.*clusters hold no training sample"),
]


# ------------------------------------------------------------------ the forward pass


@pytest.mark.parametrize("inference", RULES)
@pytest.mark.parametrize("space", ["zsl", "gzsl", "seen"])
def test_scores_are_those_of_the_twin(inference, space):
    zsl = fitted(inference=inference, space=space, temperature=0.5)
    labels = {"zsl": DATA.unseen_classes, "seen": DATA.seen_classes, "gzsl": TABLE.labels}[space]
    assert zsl.candidates()[0].tolist() == labels.tolist()
    expected = Twin(zsl).scores(DATA.data, labels)
    agree(zsl.decision_function(DATA.data), expected)
    assert zsl.predict(DATA.data).tolist() == labels[expected.argmax(axis=1)].tolist()
    exps = np.exp(expected - expected.max(axis=1, keepdims=True))
    proba = exps / exps.sum(axis=1, keepdims=True)
    agree(zsl.predict_proba(DATA.data), proba)
    agree(zsl.predict_log_proba(DATA.data), np.log(proba), tolerance=1e-4)


@pytest.mark.parametrize("fusion", ["concatenate", None])
@pytest.mark.parametrize("centroids", CENTROIDS)
@pytest.mark.parametrize("centroid_weight", ["mean", 1.0, 0.3])
def test_every_row_of_table_1_is_the_twin(centroids, fusion, centroid_weight):
    zsl = fitted(centroids=centroids, fusion=fusion, centroid_weight=centroid_weight, alpha=1.0)
    twin = Twin(zsl)
    omega = zsl.transform(DATA.data)
    assert omega.dtype == np.float32
    assert omega.shape == (len(DATA.data), 12 if fusion else 6)
    agree(omega, twin.represent(DATA.data))
    agree(zsl.decision_function(X_UNSEEN), twin.scores(X_UNSEEN, DATA.unseen_classes), 3e-4)


@pytest.mark.parametrize("sizes", [(), (5,), (12, 8), np.array([9])])
@pytest.mark.parametrize("n_neighbors", [0, 1, 3, 6, 99])
def test_rectification_by_so_many_neighbours_is_the_twin(n_neighbors, sizes):
    zsl = fitted(n_neighbors=n_neighbors, hidden_layer_sizes=sizes, temperature=0.5)
    agree(zsl.decision_function(X_UNSEEN), Twin(zsl).scores(X_UNSEEN, DATA.unseen_classes), 1e-4)


def test_n_neighbors_changes_unseen_candidates_only():
    zsl = fitted(space="gzsl")
    scores = {
        k: zsl.set_params(n_neighbors=k).decision_function(X_UNSEEN) for k in (0, 3, 6, 10**6)
    }
    seen = np.isin(TABLE.labels, zsl.classes_)
    for k in (3, 6):
        assert np.array_equal(scores[k][:, seen], scores[0][:, seen])
        assert (scores[k][:, ~seen] != scores[0][:, ~seen]).all()
    assert not np.array_equal(scores[3], scores[6])
    assert np.array_equal(scores[6], scores[10**6])


def test_temperature_divides_the_scores_of_a_fitted_model():
    zsl = fitted(temperature=0.5)
    scores = zsl.decision_function(X_UNSEEN)
    agree(zsl.set_params(temperature=2.0).decision_function(X_UNSEEN), scores / 4)


@pytest.mark.parametrize("inference", ["combined", "compatibility"])
def test_without_semantics_combined_is_compatibility(inference):
    zsl = fitted(fusion=None, inference=inference)
    agree(zsl.decision_function(X_UNSEEN), Twin(zsl).scores(X_UNSEEN, DATA.unseen_classes), 3e-4)
    assert np.array_equal(
        zsl.decision_function(X_UNSEEN),
        zsl.set_params(inference="compatibility").decision_function(X_UNSEEN),
    )


def test_without_semantics_visual_is_refused():
    with pytest.raises(ValueError, match="inference='compatibility'"):
        fitted(fusion=None, inference="visual")
    zsl = fitted(fusion=None)
    with pytest.raises(ValueError, match="inference='compatibility'"):
        zsl.set_params(inference="visual").predict(X_UNSEEN)


@pytest.mark.parametrize(("weight", "rule"), [(0.0, "compatibility"), (1.0, "visual")])
def test_visual_weight_reaches_both_ends(weight, rule):
    zsl = fitted(visual_weight=weight)
    combined = zsl.decision_function(X_UNSEEN)
    agree(combined, zsl.set_params(inference=rule).decision_function(X_UNSEEN), 1e-6)


def test_feature_weight_goes_from_phi_alone_to_x_alone():
    zsl = fitted(inference="visual", feature_weight=0)
    model, rows = zsl._model, X_UNSEEN
    halves = np.hsplit(model.points(rows).detach().numpy(), 2)
    own = Twin(zsl).candidates(DATA.unseen_classes)[1]
    for weight, half in ((0, halves[1]), (1000, halves[0])):
        cosines = Twin.unit(half) @ own.T / 2**0.5  # to [a', a'], one half of it against zeros
        scores = zsl.set_params(feature_weight=weight).decision_function(rows)
        agree(scores * zsl.temperature, cosines, 3e-3)


@pytest.mark.parametrize("fusion", ["sum", "product"])
def test_feature_weight_is_of_halves_side_by_side(fusion):
    zsl = fitted(fusion=fusion)
    scores = zsl.decision_function(X_UNSEEN)
    assert np.array_equal(scores, zsl.set_params(feature_weight=1).decision_function(X_UNSEEN))


def test_the_shortcut_is_the_ridge_that_leaves_out_classes_best():
    rank = np.array([np.sum(Y[:i] == label) for i, label in enumerate(Y)])  # within its class
    some = rank < 2 + 2 * np.searchsorted(DATA.seen_classes, Y)  # 2, 4, ... 12 rows a class
    rows, y = X[some], Y[some]
    zsl = make().fit(rows, y, TABLE)
    twin = Twin(zsl, rows, y)
    x = twin.input(rows)
    means = np.stack([x[label == y].mean(axis=0) for label in DATA.seen_classes])
    counts = np.array([(label == y).sum() for label in DATA.seen_classes])
    expected, _ = paper_twin.ridge(twin.seen, means, counts / counts.mean())
    agree(weights(zsl)["projector.shortcut"], expected, 1e-4)
    assert "projector.shortcut" not in weights(fitted(linear_shortcut=False))


def test_beside_the_shortcut_the_layers_start_small():
    alone = MLP(3, [5], 2, torch.Generator().manual_seed(0))
    beside = ShortcutMLP(3, [5], 2, torch.Generator().manual_seed(0))
    rows = torch.randn(4, 3)
    torch.testing.assert_close(beside(rows), 0.1 * alone(rows))  # the shortcut is still zero


@pytest.mark.usefixtures("full_training")
def test_a_linear_problem_is_learnt_with_the_shortcut():
    accuracy = dict.fromkeys((True, False, "ESZSL"), 0.0)
    for seed in range(2):
        data = make_zero_shot_classification(
            1500, 100, n_seen=30, n_unseen=10, n_embedding_features=25, random_state=seed
        )
        seen = np.isin(data.target, data.seen_classes)
        for name in accuracy:
            zsl = ESZSL() if name == "ESZSL" else ClasterZSL(linear_shortcut=name, random_state=0)
            zsl.fit(data.data[seen], data.target[seen], data.class_embeddings)
            accuracy[name] += zsl.score(data.data[~seen], data.target[~seen]) / 2
    assert accuracy[True] > accuracy[False] + 0.03
    assert accuracy[True] > accuracy["ESZSL"] - 0.03  # in closed form, and linear


def test_the_scale_of_features_and_embeddings_does_not_matter():
    """Centring and unit rows inside fit: shifts and powers of two change rounding at most."""
    zsl = fitted()
    scaled = make().fit(8 * X, Y, ClassEmbeddings(TABLE.labels, TABLE.vectors / 4))
    assert np.array_equal(scaled.decision_function(8 * X_UNSEEN), zsl.decision_function(X_UNSEEN))
    for factor, shift in [(1e-30, 0.0), (1e100, 0.0), (1.0, 1e4)]:
        moved = make().fit(factor * X + shift, Y, TABLE)
        agree(
            moved.decision_function(factor * X_UNSEEN + shift),
            zsl.decision_function(X_UNSEEN),
            tolerance=2e-3,
        )


@pytest.mark.usefixtures("full_training")
def test_it_learns_what_can_be_learnt():
    data = make_zero_shot_classification(
        600, 64, n_unseen=4, n_embedding_features=8, class_sep=10.0, random_state=0
    )
    seen = np.isin(data.target, data.seen_classes)
    zsl = ClasterZSL(device="cpu", random_state=0)
    zsl.fit(data.data[seen], data.target[seen], data.class_embeddings)
    assert zsl.score(data.data[~seen], data.target[~seen]) > 0.8
    assert zsl.history_["loss"][-1] < zsl.history_["loss"][0]
    zsl.set_params(space="seen")
    assert zsl.score(data.data[seen], data.target[seen]) > 0.9


# ------------------------------------------------------------------ Table 1: what each kind does


@pytest.mark.parametrize("fusion", ["concatenate", None])
def test_kmeans_centroids_are_the_means_of_their_points(fusion):
    zsl = fitted(centroids="kmeans", fusion=fusion)
    points = clustered_points(zsl)
    nearest = paper_twin.distances(points, zsl.cluster_centers_).argmin(axis=1)
    assert set(nearest) == set(range(4))
    agree(zsl.cluster_centers_, [points[nearest == j].mean(axis=0) for j in range(4)])


@pytest.mark.parametrize("fusion", ["concatenate", None])
def test_random_centroids_are_the_means_of_a_partition(fusion):
    zsl = fitted(centroids="random", fusion=fusion)
    points = clustered_points(zsl)  # 72 rows, 18 a cluster
    agree(zsl.cluster_centers_.mean(axis=0), points.mean(axis=0))
    spread = np.linalg.norm(zsl.cluster_centers_ - points.mean(axis=0), axis=1)
    assert 0 < spread.max() < 0.6  # of 18 unit rows taken at random
    apart = np.linalg.norm(fitted(centroids="kmeans").cluster_centers_, axis=1)
    assert apart.min() > spread.max()


def test_a_random_partition_is_fair_and_random():
    points = 2.0 ** torch.arange(10)[:, None]  # every sum says which rows are in it
    parts = random_centroids(points, 3, 0)[:, 0] * torch.tensor([4, 3, 3])
    rows = [[i for i in range(10) if round(part) >> i & 1] for part in parts.tolist()]
    assert sorted(i for part in rows for i in part) == list(range(10))
    assert list(map(len, rows)) == [4, 3, 3]
    assert rows != [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert not torch.equal(random_centroids(points, 3, 1), random_centroids(points, 3, 0))
    assert sorted(random_centroids(points, 10, 0)[:, 0].tolist()) == points[:, 0].tolist()


@pytest.mark.parametrize("fusion", ["concatenate", None])
@pytest.mark.parametrize("centroids", CENTROIDS)
def test_who_moves_the_centroids_and_when(centroids, fusion):
    zsl = fitted(centroids=centroids, fusion=fusion, max_epochs=6, alpha=1.0)
    movement = zsl.history_["centroid_movement"]
    if centroids in FIXED:
        assert movement == [0.0] * 6
    elif centroids == "reinforce":  # a warm-up of three epochs
        assert movement[:3] == [0.0] * 3
        assert min(movement[3:]) > 0
    else:
        assert min(movement) > 0
    if centroids is None:
        assert (zsl.cluster_centers_, zsl.n_clusters_) == (None, 0)
        assert zsl.history_["cluster_counts"] == [[]] * 6
    else:
        assert zsl.cluster_centers_.shape == (4, 12 if fusion else 6)
        assert zsl.n_clusters_ == 4


def test_the_movement_is_relative_to_the_first_centroids():
    start = fitted(centroids="kmeans").cluster_centers_
    zsl = fitted(alpha=1.0)
    moved = np.linalg.norm(zsl.cluster_centers_ - start) / np.linalg.norm(start)
    assert zsl.history_["centroid_movement"][-1] == pytest.approx(moved, rel=1e-5)


def test_cluster_counts_are_nearest_points():
    zsl = fitted(alpha=1.0)
    nearest = paper_twin.distances(Twin(zsl).points(X), zsl.cluster_centers_).argmin(axis=1)
    assert zsl.history_["cluster_counts"][-1] == np.bincount(nearest, minlength=4).tolist()


def test_without_semantics_there_are_neither_projector_nor_estimator():
    assert not [name for name in weights(fitted(fusion=None)) if "classifier" not in name
                and "aggregation" not in name]  # fmt: skip


@pytest.mark.parametrize("centroid_weight", ["mean", 1 / 4])
def test_the_mean_is_a_weight_of_one_over_k(centroid_weight):
    assert identical(fitted(), fitted(centroid_weight=centroid_weight))


def test_with_no_weight_the_clusters_are_not_seen():
    without = fitted(centroids=None)
    zsl = fitted(centroid_weight=0.0)
    assert np.array_equal(zsl.decision_function(X_UNSEEN), without.decision_function(X_UNSEEN))
    assert np.array_equal(zsl.transform(X), without.transform(X))


@pytest.mark.parametrize("change", [{"n_clusters": 7}, {"alpha": 0.9}, {"centroids": "gradient"}])
def test_clusters_change_compatibility_and_never_the_visual_scores(change):
    one, other = fitted(), fitted(**change)
    for rule, same in [("visual", True), ("compatibility", False)]:
        scores = [
            zsl.set_params(inference=rule).decision_function(X_UNSEEN) for zsl in (one, other)
        ]
        assert np.array_equal(*scores) == same


# ------------------------------------------------------------------ other readings


@pytest.mark.parametrize("inference", ["combined", "visual", "compatibility"])
@pytest.mark.parametrize("fusion", ["concatenate", "sum", "product"])
def test_every_fusion_is_the_twin(fusion, inference):
    zsl = fitted(fusion=fusion, inference=inference)
    width = 12 if fusion == "concatenate" else 6
    assert zsl.transform(X).shape == (len(X), width) == (len(X), len(zsl.get_feature_names_out()))
    assert zsl.cluster_centers_.shape == (4, width)
    agree(zsl.transform(X), Twin(zsl).represent(X))
    agree(zsl.decision_function(X_UNSEEN), Twin(zsl).scores(X_UNSEEN, DATA.unseen_classes), 1e-4)


@pytest.mark.parametrize("whiten", [True, False])
def test_whitening_is_the_twin(whiten):
    zsl = fitted(whiten=whiten)
    agree(zsl.decision_function(X_UNSEEN), Twin(zsl).scores(X_UNSEEN, DATA.unseen_classes), 1e-4)
    assert (zsl._model.input_space.whitening is not None) == whiten


def test_given_centroids_are_taken_as_they_are():
    first = fitted(centroids="kmeans")
    given = fitted(centroids=first.cluster_centers_, n_clusters=99)
    assert identical(first, given)
    assert given.n_clusters_ == 4
    assert given.history_["centroid_movement"] == [0.0, 0.0]
    loaded = pickle.loads(pickle.dumps(given))
    np.testing.assert_array_equal(loaded.decision_function(X), given.decision_function(X))
    again = clone(given).fit(X, Y, TABLE)
    assert identical(again, given)


@pytest.mark.parametrize(
    ("centroids", "fusion", "message"),
    [
        (np.ones((3, 5)), "concatenate", r"shape \(3, 5\).*expected finite numbers.*12\)"),
        (np.ones((3, 12)), None, r"expected finite numbers of shape \(n_clusters, 6\)"),
        (np.ones(12), "concatenate", r"shape \(12,\)"),
        (np.ones((0, 12)), "concatenate", r"shape \(0, 12\)"),
        (np.full((3, 12), np.nan), "concatenate", "finite numbers"),
        (np.full((3, 12), "a"), "concatenate", "type <U1"),
        (np.array(["kmeans"]), "concatenate", "name the centroids, one of 'reinforce'"),
    ],
)
def test_given_centroids_that_do_not_fit(centroids, fusion, message):
    with pytest.raises(ValueError, match=message):
        fitted(centroids=centroids, fusion=fusion)
