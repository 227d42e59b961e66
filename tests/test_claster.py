"""ClasterZSL, the method: the forward pass, what each parameter does, and how it is learnt."""

import dataclasses
import math
import pickle
import re
from contextlib import nullcontext

import numpy as np
import paper_twin
import pytest
import torch
from sklearn import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import balanced_accuracy_score
from sklearn.utils import check_random_state

from sklearn_claster import PAPER_PARAMETERS, BiasDetector, ClassEmbeddings, ClasterZSL, _claster
from sklearn_claster._core import adam as adam_module
from sklearn_claster._core import learning
from sklearn_claster._core import model as model_module
from sklearn_claster._core.centroids import Reinforcement, random_centroids, step_size
from sklearn_claster._core.inference import TEST_RULES
from sklearn_claster._core.learning import Plan, hidden_widths
from sklearn_claster._core.networks import MLP, CentroidSum, NetVLAD, ShortcutMLP
from sklearn_claster._core.training import _between_neighbors
from sklearn_claster._data.rows import RowsInMemory
from sklearn_claster.baselines import DEM, ESZSL, FCLSWGAN
from sklearn_claster.datasets import make_zero_shot_classification

# Tiny data: it happens, and a test of its own asks for it.
pytestmark = pytest.mark.filterwarnings("ignore:.*clusters hold no training sample")

CENTROIDS = ["reinforce", "kmeans", "gradient", "netvlad", "random", None]
FIXED = ["kmeans", "random", None]  # nothing moves these
RULES = list(TEST_RULES)
CHEAP = {
    "n_clusters": 4,
    "hidden_layer_sizes": (16,),
    "max_epochs": 2,
    "device": "cpu",
    "random_state": 0,
}

DATA = make_zero_shot_classification(
    108, 6, n_seen=6, n_unseen=3, n_embedding_features=4, random_state=0
)
IS_SEEN = np.isin(DATA.target, DATA.seen_classes)
X, Y = DATA.data[IS_SEEN], DATA.target[IS_SEEN]
X_UNSEEN, Y_UNSEEN = DATA.data[~IS_SEEN], DATA.target[~IS_SEEN]
TABLE = DATA.class_embeddings


@pytest.fixture(autouse=True)
def shortened(monkeypatch):
    """Fewer steps for a', which have nothing to do with max_epochs: hundreds of models follow."""
    monkeypatch.setattr(learning, "PROJECTOR_STEPS", 50)


def make(**parameters):
    return ClasterZSL(**{**CHEAP, **parameters})


def fitted(**parameters):
    return make(**parameters).fit(X, Y, TABLE)


def weights(zsl):
    """Every learnt array."""
    return {name: tensor.numpy() for name, tensor in zsl._model.net.state_dict().items()}


def identical(one, other, rows=DATA.data):
    """Whether two models agree bit for bit, in what they learnt and in what they answer."""
    ours, theirs = weights(one), weights(other)
    return (
        ours.keys() == theirs.keys()
        and all(np.array_equal(ours[name], theirs[name]) for name in ours)
        and np.array_equal(one.decision_function(rows), other.decision_function(rows))
        and np.array_equal(one.transform(rows), other.transform(rows))
    )


class Twin:
    """The whole forward pass in NumPy float64, from fitted weights, the data and the paper."""

    def __init__(self, zsl, X=X, y=Y, table=TABLE):
        self.zsl = zsl
        self.state = {name: array.astype(float) for name, array in weights(zsl).items()}
        seen = np.isin(table.labels, y)
        self.feature_mean = X.mean(axis=0)
        self.whitening = None
        if zsl.whiten:
            x = self.unit(X - self.feature_mean)
            share = zsl.shrinkage_ if zsl.whiten == "auto" else None
            self.whitening = paper_twin.within_class_whitening(x, y, share)
            self.whitened_mean = (x @ self.whitening).mean(axis=0)
        self.embedding_mean = table.vectors[seen].mean(axis=0)
        self.seen = self.unit(table.vectors[seen] - self.embedding_mean)

    @staticmethod
    def unit(rows):
        return np.stack([paper_twin._unit(row) for row in rows])

    def mlp(self, name, rows):
        shortcut = self.state.get(f"{name}.shortcut")
        straight = 0 if shortcut is None else rows @ shortcut.T
        n_layers = sum(key.startswith(f"{name}.layers") and "bias" in key for key in self.state)
        for i in range(n_layers):
            layer = f"{name}.layers.{i}"
            rows = rows @ self.state[f"{layer}.weight"].T + self.state[f"{layer}.bias"]
            if i < n_layers - 1:
                rows = np.maximum(rows, 0)
        return rows + straight

    def project(self, embeddings):
        return self.mlp("projector", embeddings) / self.state["projection_scale"]

    def input(self, X):
        x = self.unit(X - self.feature_mean)
        return x if self.whitening is None else self.unit(x @ self.whitening - self.whitened_mean)

    def points(self, X):
        x = self.input(X)
        if self.zsl.use_semantics and self.zsl.fusion != "concatenate":
            phi = self.mlp("estimator", x)
            return x + phi if self.zsl.fusion == "sum" else x * phi
        return np.hstack([x, self.mlp("estimator", x)]) if self.zsl.use_semantics else x

    def represent(self, X):
        points, n_clusters = self.points(X), self.zsl.n_clusters_
        weight = self.zsl.centroid_weight
        if self.zsl.centroids is None:
            return points
        centroids = self.state["aggregation.centroids"]
        if self.zsl.centroids == "netvlad":
            logits = points @ self.state["aggregation.assignment_weight"].T
            soft = np.exp(logits + self.state["aggregation.assignment_bias"])
            soft /= soft.sum(axis=1, keepdims=True)
            return points + (1 if weight == "mean" else weight) * soft @ centroids
        weight = 1 / n_clusters if weight == "mean" else weight
        return paper_twin.claster_representation(points, centroids, weight)

    def semantic(self, X):
        return self.unit(self.mlp("classifier", self.represent(X)))

    def candidates(self, labels, table=TABLE):
        """Semantic and visual vectors of candidates, the unseen ones rectified."""
        zsl = self.zsl
        vectors = table.vectors[np.searchsorted(table.labels, labels)]
        unseen = ~np.isin(labels, zsl.classes_)
        spaces = []
        for space in (lambda a: a, self.project) if zsl.use_semantics else (lambda a: a,):
            rows = space(self.unit(vectors - self.embedding_mean))
            result = self.unit(rows)
            if unseen.any():
                result[unseen] = paper_twin.rectify(rows[unseen], space(self.seen), zsl.n_neighbors)
            spaces.append(result)
        return spaces

    def scores(self, X, labels, table=TABLE):
        zsl = self.zsl
        semantic, *visual = self.candidates(labels, table)
        v = self.semantic(X)
        compatibility = v @ semantic.T
        if zsl.use_semantics:
            own = visual[0]  # a' of every candidate, unit rows; its own point has it as both halves
            own = {"concatenate": np.hstack([own, own]), "sum": 2 * own, "product": own**2}[
                zsl.fusion
            ]
            points = self.points(X)
            if zsl.fusion == "concatenate":
                points[:, : points.shape[1] // 2] *= zsl.feature_weight
            likeness = self.unit(points) @ self.unit(own).T
        if zsl.inference == "compatibility" or (zsl.inference, zsl.use_semantics) == (
            "combined",
            False,
        ):
            cosines = compatibility
        elif zsl.inference == "visual":
            cosines = likeness
        elif zsl.inference == "combined":
            w = zsl.visual_weight
            cosines = w * likeness + (1 - w) * compatibility
        elif zsl.inference == "seen_class":
            cosines = self.seen[(v @ self.seen.T).argmax(axis=1)] @ semantic.T
        else:  # conse
            z = paper_twin.semantic_softmax(v, self.seen, zsl.temperature)
            cosines = self.unit(z @ self.seen) @ semantic.T
        return cosines / zsl.temperature


def agree(result, expected, tolerance=3e-5):
    np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)


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


@pytest.mark.parametrize("use_semantics", [True, False])
@pytest.mark.parametrize("centroids", CENTROIDS)
@pytest.mark.parametrize("centroid_weight", ["mean", 1.0, 0.3])
def test_every_row_of_table_1_is_the_twin(centroids, use_semantics, centroid_weight):
    zsl = fitted(
        centroids=centroids, use_semantics=use_semantics, centroid_weight=centroid_weight, alpha=1.0
    )
    twin = Twin(zsl)
    omega = zsl.transform(DATA.data)
    assert omega.dtype == np.float32
    assert omega.shape == (len(DATA.data), 12 if use_semantics else 6)
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
    zsl = fitted(use_semantics=False, inference=inference)
    agree(zsl.decision_function(X_UNSEEN), Twin(zsl).scores(X_UNSEEN, DATA.unseen_classes), 3e-4)
    assert np.array_equal(
        zsl.decision_function(X_UNSEEN),
        zsl.set_params(inference="compatibility").decision_function(X_UNSEEN),
    )


def test_without_semantics_visual_is_refused():
    with pytest.raises(ValueError, match="inference='compatibility'"):
        fitted(use_semantics=False, inference="visual")
    zsl = fitted(use_semantics=False)
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


def test_a_linear_problem_is_learnt_with_the_shortcut(monkeypatch):
    monkeypatch.undo()  # the full budgets
    accuracy = dict.fromkeys((True, False, "ESZSL"), 0.0)
    for seed in range(3):
        data = make_zero_shot_classification(
            1500, 100, n_seen=30, n_unseen=10, n_embedding_features=25, random_state=seed
        )
        seen = np.isin(data.target, data.seen_classes)
        for name in accuracy:
            zsl = ESZSL() if name == "ESZSL" else ClasterZSL(linear_shortcut=name, random_state=0)
            zsl.fit(data.data[seen], data.target[seen], data.class_embeddings)
            accuracy[name] += zsl.score(data.data[~seen], data.target[~seen]) / 3
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


def test_it_learns_what_can_be_learnt(monkeypatch):
    monkeypatch.undo()  # the full budgets
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


def clustered_points(zsl):
    """What the first centroids are made of: [x_i, a'(y_i)], or x_i without semantics."""
    twin = Twin(zsl)
    x = twin.input(X)
    if not zsl.use_semantics:
        return x
    return np.hstack([x, twin.project(twin.seen)[np.searchsorted(zsl.classes_, Y)]])


@pytest.mark.parametrize("use_semantics", [True, False])
def test_kmeans_centroids_are_the_means_of_their_points(use_semantics):
    zsl = fitted(centroids="kmeans", use_semantics=use_semantics)
    points = clustered_points(zsl)
    nearest = paper_twin.distances(points, zsl.cluster_centers_).argmin(axis=1)
    assert set(nearest) == set(range(4))
    agree(zsl.cluster_centers_, [points[nearest == j].mean(axis=0) for j in range(4)])


@pytest.mark.parametrize("use_semantics", [True, False])
def test_random_centroids_are_the_means_of_a_partition(use_semantics):
    zsl = fitted(centroids="random", use_semantics=use_semantics)
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


@pytest.mark.parametrize("use_semantics", [True, False])
@pytest.mark.parametrize("centroids", CENTROIDS)
def test_who_moves_the_centroids_and_when(centroids, use_semantics):
    zsl = fitted(centroids=centroids, use_semantics=use_semantics, max_epochs=6, alpha=1.0)
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
        assert zsl.cluster_centers_.shape == (4, 12 if use_semantics else 6)
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
    assert not [name for name in weights(fitted(use_semantics=False)) if "classifier" not in name
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


# ------------------------------------------------------------------ REINFORCE


@pytest.mark.parametrize("use_semantics", [True, False])
def test_alpha_zero_is_kmeans_bit_for_bit(use_semantics):
    parameters = {"use_semantics": use_semantics, "max_epochs": 4, "dropout": 0.2}
    zsl = fitted(alpha=0.0, **parameters)
    assert identical(zsl, fitted(centroids="kmeans", **parameters))
    assert not identical(zsl, fitted(alpha=0.1, **parameters))


@pytest.mark.parametrize("n_steps", [1, 7, 10, 40, 101])
def test_the_schedule_is_10_10_80_percent(n_steps):
    steps = [step_size(0.5, i, n_steps) for i in range(n_steps)]
    expected = [0.5 if i < n_steps / 10 else 0.05 if i < n_steps / 5 else 0.005
                for i in range(n_steps)]  # fmt: skip
    assert steps == expected


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("n_clusters", [1, 2, 5])
def test_batches_of_one_are_the_sequential_rule_over_a_whole_schedule(n_clusters, alpha):
    rng = np.random.RandomState(n_clusters)
    n_steps, width, n_classes = 60, 4, 3
    start = rng.standard_normal((n_clusters, width))
    points = rng.standard_normal((n_steps, width))
    y = rng.randint(n_classes, size=n_steps)
    logits = torch.from_numpy(rng.standard_normal((n_steps, n_classes)))
    z = torch.softmax(3 * logits, dim=1)
    clusters = CentroidSum(torch.from_numpy(start), 1.0)
    update = Reinforcement(clusters, RowsInMemory(torch.from_numpy(points)), alpha, n_steps)
    for i in range(n_steps):
        update(torch.from_numpy(points[i : i + 1]), z[i : i + 1], torch.tensor([y[i]]))

    scale = paper_twin.selection_scale(paper_twin.distances(points, start).min(axis=1))
    true_z, rewards = z.numpy()[np.arange(n_steps), y], paper_twin.reward(z.numpy(), y)
    assert set(rewards) == {-1.0, 1.0}
    expected = start
    for part, share in [(slice(0, 6), 1), (slice(6, 12), 10), (slice(12, 60), 100)]:
        expected = paper_twin.reinforce_sequential(
            expected, points[part], true_z[part], rewards[part], alpha / share, scale
        )
    agree(clusters.centroids.numpy(), expected, tolerance=1e-10)
    assert np.array_equal(clusters.centroids.numpy(), start) == (alpha == 0)


@pytest.fixture
def updates(monkeypatch):
    """The batches that REINFORCE sees during fits: (points, probabilities, y) in turn."""
    seen = []

    class Recorded(Reinforcement):
        def __call__(self, *batch):
            seen.append(tuple(tensor.numpy().copy() for tensor in batch))
            super().__call__(*batch)

    monkeypatch.setattr(learning, "Reinforcement", Recorded)
    return seen


def test_a_whole_fit_in_batches_of_one_is_the_sequential_rule(updates):
    zsl = fitted(batch_size=1, alpha=0.5, reinforce_steps=50)
    assert len(updates) == 50
    points, z, y = map(np.concatenate, zip(*updates, strict=True))
    rewards = paper_twin.reward(z, y)
    assert set(rewards) == {-1.0, 1.0}
    z = z[np.arange(50), y]
    centroids = fitted(centroids="kmeans").cluster_centers_
    all_points = Twin(zsl).points(X)
    scale = paper_twin.selection_scale(paper_twin.distances(all_points, centroids).min(axis=1))
    for part, share in [(slice(0, 5), 1), (slice(5, 10), 10), (slice(10, 50), 100)]:
        centroids = paper_twin.reinforce_sequential(
            centroids, points[part], z[part], rewards[part], 0.5 / share, scale
        )
    assert np.abs(zsl.cluster_centers_ - fitted(centroids="kmeans").cluster_centers_).max() > 0.05
    agree(zsl.cluster_centers_, centroids)


def test_rewards_see_training_points_with_their_own_labels(updates):
    zsl = fitted(alpha=0.5, max_epochs=4)
    points, z, y = map(np.concatenate, zip(*updates, strict=True))
    assert z.shape == (2 * len(X), 6)
    agree(z.sum(axis=1), 1.0)
    every = Twin(zsl).points(X)
    rows = paper_twin.distances(points, every).argmin(axis=1)
    agree(points, every[rows])
    assert np.array_equal(zsl.classes_[y], Y[rows])
    for epoch in (rows[: len(X)], rows[len(X) :]):
        assert sorted(epoch) == list(range(len(X)))


# ------------------------------------------------------------------ budgets


@pytest.mark.parametrize(("n_classes", "n_steps"), [(2, 100), (10, 100), (20, 200), (50, 300)])
def test_the_other_networks_have_the_budgets_that_are_documented(monkeypatch, n_classes, n_steps):
    monkeypatch.undo()
    budgets = []
    for name in ("fit_projector", "fit_estimator"):
        monkeypatch.setattr(learning, name, lambda *args: budgets.append(args[5]))
    table = {label: np.random.RandomState(label).normal(size=4) for label in range(n_classes)}
    labels = np.arange(100) % n_classes
    for use_semantics in (True, False):
        zsl = make(max_epochs=1, centroids=None, use_semantics=use_semantics)
        zsl.fit(np.random.RandomState(0).normal(size=(100, 3)), labels, table)
    assert budgets == [n_steps, 10]
    documented = " ".join(ClasterZSL.__doc__.split())
    assert "100 to 300 steps over all classes for a' (ten a class, larger" in documented
    assert "10 epochs for phi" in documented


@pytest.mark.parametrize(
    ("batch_size", "n_samples", "rows"),
    [
        ("auto", 1, 8),
        ("auto", 80, 8),
        ("auto", 90, 9),
        ("auto", 320, 32),
        ("auto", 1024, 32),
        ("auto", 1056, 33),
        ("auto", 8192, 256),
        ("auto", 10**7, 256),
        (1, 100, 1),
        (64, 100, 64),
        (1000, 100, 1000),
    ],
)
def test_batch_size(batch_size, n_samples, rows):
    plan = Plan.of(make(batch_size=batch_size, max_epochs=5), n_samples)
    per_epoch = math.ceil(n_samples / rows)
    assert dataclasses.astuple(plan) == (rows, math.ceil(2.5 * per_epoch), 5 * per_epoch, 5)


@pytest.mark.parametrize(
    ("shape", "width"),
    [
        *[(shape, 256) for shape in ((300, 20, 15), (999, 32, 32), (1, 1, 1))],
        *[(shape, 512) for shape in ((1000, 20, 15), (300, 33, 15), (300, 20, 33), (10**6, 9, 9))],
    ],
)
def test_widths_of_layers(shape, width):
    assert hidden_widths("auto", *shape) == (width, width)
    for given in ((), [7], (4, 3, 2)):
        assert hidden_widths(given, *shape) is given


@pytest.mark.parametrize(("repeats", "width"), [(1, 256), (10, 512)])
def test_widths_of_a_fit(repeats, width):
    """By default, with vectors of 4 and of 40; the same ones as if they were named."""
    table = ClassEmbeddings(TABLE.labels, np.tile(TABLE.vectors, repeats))
    default = ClasterZSL(4, max_epochs=1, random_state=0, device="cpu")
    named = clone(default).set_params(hidden_layer_sizes=(width, width))
    assert default.hidden_layer_sizes == "auto"
    assert identical(default.fit(X, Y, table), named.fit(X, Y, table))


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [("auto", [8] * 9), (72, [72]), (500, [72]), (70, [36, 36])]
)
def test_batches_of_a_fit(updates, batch_size, sizes):
    fitted(batch_size=batch_size)
    assert [len(points) for points, _, _ in updates] == sizes


@pytest.mark.parametrize("centroids", ["reinforce", "gradient", None])
@pytest.mark.parametrize(
    ("reinforce_steps", "n_iter"), [(0, 2), (1, 3), (9, 3), (10, 4), (18, 4), ("auto", 4)]
)
def test_reinforce_steps_follow_the_warm_up(updates, reinforce_steps, n_iter, centroids):
    """Nine steps an epoch; two of the four epochs are the warm-up."""
    zsl = fitted(centroids=centroids, reinforce_steps=reinforce_steps, max_epochs=4)
    assert zsl.n_iter_ == n_iter
    expected = 18 if reinforce_steps == "auto" else reinforce_steps
    assert len(updates) == (expected if centroids == "reinforce" else 0)


def test_as_many_reinforce_steps_as_auto_takes_change_nothing():
    assert identical(fitted(max_epochs=4), fitted(max_epochs=4, reinforce_steps=18))
    assert not identical(fitted(max_epochs=4), fitted(max_epochs=4, reinforce_steps=17))


@pytest.mark.parametrize("max_epochs", [1, 2, 3])
def test_history_has_an_entry_an_epoch(max_epochs):
    zsl = fitted(max_epochs=max_epochs)
    assert set(zsl.history_) == {
        "loss",
        "seen_accuracy",
        "reward",
        "centroid_movement",
        "cluster_counts",
    }
    assert {len(values) for values in zsl.history_.values()} == {max_epochs} == {zsl.n_iter_}
    for name in ("loss", "seen_accuracy", "reward", "centroid_movement"):
        assert {type(value) for value in zsl.history_[name]} == {float}
    agree(zsl.history_["reward"], 2 * np.array(zsl.history_["seen_accuracy"]) - 1)
    assert [sum(counts) for counts in zsl.history_["cluster_counts"]] == [len(X)] * max_epochs


def test_loss_and_accuracy_are_those_of_the_training_batches(updates):
    """In the REINFORCE epochs the batches are on record."""
    zsl = fitted(max_epochs=4)
    for epoch in (2, 3):
        part = updates[9 * (epoch - 2) : 9 * (epoch - 1)]
        _, z, y = map(np.concatenate, zip(*part, strict=True))
        loss = -np.log(z[np.arange(len(y)), y]).mean()
        assert zsl.history_["loss"][epoch] == pytest.approx(loss, rel=1e-5)
        accuracy = (z.argmax(axis=1) == y).mean()
        assert zsl.history_["seen_accuracy"][epoch] == pytest.approx(accuracy, rel=1e-6)


def test_verbose_tells_the_search_for_epochs_from_the_fit(capsys):
    fitted(verbose=1, max_epochs=2, early_stopping=True)
    search, fit = [], []
    for line in capsys.readouterr().out.splitlines():
        (search if "search" in line else fit).append(line)
    assert len(search) == 2 and all("held-out accuracy 0." in line for line in search)
    assert 1 <= len(fit) <= 2 and not any("held-out" in line for line in fit)


@pytest.mark.parametrize("switch", ["no_grad", "inference_mode", "float64", "bfloat16", "meta"])
@pytest.mark.parametrize("model", [make(), DEM(n_steps=5), FCLSWGAN(n_steps=5)], ids=repr)
def test_settings_of_torch_around_a_fit_do_not_matter(model, switch):
    expected = clone(model).set_params(random_state=0).fit(X, Y, TABLE)
    before = torch.get_default_dtype()
    contexts = {
        "no_grad": torch.no_grad, "inference_mode": torch.inference_mode,
        "meta": lambda: torch.device("meta"),  # a default device, as "cuda" would be
    }  # fmt: skip
    try:
        if "float" in switch:
            torch.set_default_dtype(getattr(torch, switch))
        with contexts[switch]() if switch in contexts else nullcontext():
            found = clone(model).set_params(random_state=0).fit(X, Y, TABLE)
            scores = found.decision_function(X_UNSEEN)
    finally:
        torch.set_default_dtype(before)
    agree(scores, expected.decision_function(X_UNSEEN), 1e-4)
    if isinstance(model, ClasterZSL):
        assert found.history_["cluster_counts"] == expected.history_["cluster_counts"]
        agree(found.cluster_centers_, expected.cluster_centers_, 1e-4)


def test_centroids_that_are_changed_outside_change_no_model():
    zsl = fitted()
    expected = zsl.transform(X_UNSEEN)
    centroids = zsl.cluster_centers_
    centroids -= 1.0
    np.testing.assert_array_equal(zsl.transform(X_UNSEEN), expected)


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_verbose_prints_a_line_an_epoch(verbose, capsys):
    zsl = fitted(verbose=verbose, max_epochs=3)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == (3 if verbose else 0)
    for i, line in enumerate(lines):
        assert line.startswith(f"[ClasterZSL] epoch {i + 1}: loss {zsl.history_['loss'][i]:.4f}, ")


# ------------------------------------------------------------------ warnings and errors of training


@pytest.mark.parametrize("centroids", [c for c in CENTROIDS if c is not None])
def test_more_clusters_than_samples_are_cut_with_a_warning(centroids):
    rows = np.r_[0:3, 10:13, 20:22]
    with pytest.warns(UserWarning, match="n_clusters=9 is more than the 8 training samples; 8"):
        zsl = make(n_clusters=9, centroids=centroids).fit(X[rows], Y[rows], TABLE)
    assert zsl.n_clusters_ == len(zsl.cluster_centers_) == 8
    assert zsl.n_clusters == 9


def test_without_clusters_their_number_does_not_matter():
    rows = np.r_[0:3, 10:13, 20:22]
    make(n_clusters=9, centroids=None).fit(X[rows], Y[rows], TABLE)


def test_an_empty_cluster_is_reported():
    """Twelve rows share three places; whatever K-means makes of it, one cluster has none."""
    places = np.repeat(np.eye(3), 4, axis=0)
    with pytest.warns(ConvergenceWarning, match=r"\d of 4 clusters hold no.*Lower n_clusters\."):
        zsl = make(use_semantics=False).fit(places, np.repeat(["a", "b", "c"], 4))
    assert zsl.history_["cluster_counts"][-1].count(0) >= 1
    assert zsl.score(places, np.repeat(["a", "b", "c"], 4)) >= 0
    assert np.isfinite(zsl.decision_function(places)).all()


@pytest.mark.parametrize("centroids", CENTROIDS)
def test_divergence_is_an_error_that_names_the_cure(centroids):
    zsl = make(learning_rate=1e30, centroids=centroids)
    message = r"Training diverged.*Lower learning_rate=1e\+30 or raise temperature=0\.1"
    with pytest.raises(ValueError, match=message):
        zsl.fit(X, Y, TABLE)
    with pytest.raises(NotFittedError):
        zsl.predict(X)


# ------------------------------------------------------------------ what may touch training


def other_tables():
    seen = np.isin(TABLE.labels, Y)
    shuffled = np.random.RandomState(0).permutation(len(TABLE.labels))
    labels, vectors = TABLE.labels, TABLE.vectors
    yield "changed", ClassEmbeddings(labels, np.where(seen[:, None], vectors, 1e6 * vectors + 3))
    yield "none", ClassEmbeddings(labels[seen], vectors[seen])
    yield (
        "more",
        (
            [*labels, "!first", "~the last and by far the longest label"],
            [*vectors, *np.ones((2, 4))],
        ),
    )
    yield "another order", (labels[shuffled], vectors[shuffled])
    yield "a mapping", {labels[i]: vectors[i] for i in shuffled}


@pytest.mark.parametrize("centroids", ["reinforce", "random"])
@pytest.mark.parametrize("table", [pytest.param(t, id=name) for name, t in other_tables()])
def test_classes_without_samples_never_touch_training(table, centroids):
    parameters = {"space": "seen", "centroids": centroids, "alpha": 1.0, "max_epochs": 4}
    assert identical(fitted(**parameters), make(**parameters).fit(X, Y, table))


def test_a_seen_vector_does_touch_training():
    vectors = TABLE.vectors.copy()
    vectors[np.isin(TABLE.labels, Y).argmax()] += 0.1
    changed = make(space="seen").fit(X, Y, (TABLE.labels, vectors))
    assert not identical(fitted(space="seen"), changed)


def test_unseen_embeddings_replace_the_candidates_of_the_table():
    zsl = fitted()
    later = ClassEmbeddings(["z1", "z2", "z3"], TABLE.vectors[~np.isin(TABLE.labels, Y)])
    seen_only = make().fit(X, Y, TABLE.select(DATA.seen_classes))
    assert np.array_equal(
        zsl.decision_function(X_UNSEEN), seen_only.decision_function(X_UNSEEN, later)
    )


def test_labels_are_names_only():
    """The order of the classes is the order of the sorted labels, and that is all."""
    codes = np.searchsorted(TABLE.labels, Y)
    numbered = make().fit(X, codes, dict(enumerate(TABLE.vectors)))
    assert identical(fitted(), numbered)
    expected = TABLE.labels[numbered.predict(X_UNSEEN)]
    assert np.array_equal(fitted().predict(X_UNSEEN), expected)


# ------------------------------------------------------------------ random_state


@pytest.mark.parametrize(
    ("centroids", "dropout"), [*((c, 0.3) for c in CENTROIDS), ("reinforce", 0.0)]
)
def test_an_int_gives_the_same_model_and_another_int_another(centroids, dropout):
    parameters = {"centroids": centroids, "dropout": dropout}
    zsl = fitted(**parameters)
    assert identical(zsl, fitted(**parameters))
    assert identical(zsl, clone(zsl).fit(X, Y, TABLE))
    assert not identical(zsl, fitted(**parameters, random_state=1))


@pytest.mark.parametrize("seed", [0, 2**31 - 1, 2**32 - 1])
def test_every_seed_of_numpy_is_a_seed(seed):
    assert identical(fitted(random_state=seed), fitted(random_state=seed))
    assert identical(fitted(random_state=seed), fitted(random_state=np.random.RandomState(seed)))


def test_a_generator_moves_on():
    rng = np.random.RandomState(3)
    first, second = fitted(random_state=rng), fitted(random_state=rng)
    assert not identical(first, second)
    assert identical(first, fitted(random_state=np.random.RandomState(3)))
    again = np.random.RandomState(3)
    zsl = make(random_state=again).fit(X, Y, TABLE)
    assert zsl.random_state is again
    assert identical(zsl.fit(X, Y, TABLE), second)


def test_refitting_forgets_the_first_fit():
    zsl = make().fit(X_UNSEEN[:, ::-1], Y_UNSEEN, TABLE)
    assert identical(zsl.fit(X, Y, TABLE), fitted())


def global_state():
    kind, keys, *rest = check_random_state(None).get_state()
    return kind, keys.tobytes(), *rest


def test_none_moves_the_global_generator_of_numpy_and_an_int_does_not():
    before = global_state()
    fitted(random_state=0).predict(X)
    assert global_state() == before
    first = fitted(random_state=None)
    assert global_state() != before
    assert not identical(first, fitted(random_state=None))
    after = global_state()
    first.predict_proba(X)
    first.transform(X)
    assert global_state() == after


@pytest.mark.parametrize("random_state", [None, 0])
@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("centroids", ["reinforce", "gradient", "netvlad", "random"])
@pytest.mark.filterwarnings("ignore:early_stopping found the best")
def test_the_global_generator_of_torch_never_moves(centroids, early_stopping, random_state):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    zsl = fitted(
        centroids=centroids,
        dropout=0.5,
        early_stopping=early_stopping,
        random_state=random_state,
    )
    zsl.predict(X)
    zsl.transform(X)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    if random_state is not None:
        assert identical(zsl, clone(zsl).fit(X, Y, TABLE))


def test_dropout_changes_training_and_never_prediction():
    zsl = fitted(dropout=0.5)
    assert not identical(zsl, fitted())
    assert np.array_equal(zsl.decision_function(X), zsl.decision_function(X))
    agree(zsl.transform(X), Twin(zsl).represent(X))


# ------------------------------------------------------------------ early stopping


@pytest.fixture
def accuracies(monkeypatch):
    """Sets what the search for the number of epochs finds in each epoch."""

    def pretend(*values):
        found = iter(values)
        monkeypatch.setattr(learning, "balanced_accuracy_score", lambda *_: next(found))

    return pretend


@pytest.fixture
def stopped(monkeypatch):
    """Fits a model that stops after so many epochs of its plan."""
    resolve = Plan.of

    def fit(n_epochs, **parameters):
        with monkeypatch.context() as patch:
            plan = staticmethod(lambda *a: dataclasses.replace(resolve(*a), n_epochs=n_epochs))
            patch.setattr(_claster.Plan, "of", plan)
            return fitted(**parameters)

    return fit


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ([0.2, 0.7, 0.3, 0.5, 0.6, 0.1], 2),
        ([0.2, 0.3, 0.5, 0.9, 0.8, 0.1], 4),
        ([0.5, 0.5, 0.5, 0.1, 0.1, 0.1], 3),
    ],
)
@pytest.mark.parametrize("centroids", ["reinforce", "netvlad"])
def test_early_stopping_takes_the_best_epoch(accuracies, centroids, values, best):
    parameters = {"max_epochs": 6, "centroids": centroids, "alpha": 1.0}
    accuracies(*values)
    zsl = fitted(early_stopping=True, **parameters)
    assert zsl.n_iter_ == best
    assert zsl.history_.pop("validation_accuracy") == values
    assert {len(history) for history in zsl.history_.values()} == {best}
    assert identical(zsl, fitted(**{**parameters, "max_epochs": best}))
    assert not identical(zsl, fitted(**parameters))


@pytest.mark.parametrize("reinforce_steps", ["auto", 7])
@pytest.mark.parametrize("n_epochs", [1, 2, 3])
def test_a_shortened_plan_keeps_both_phases(n_epochs, reinforce_steps):
    plan = Plan.of(make(max_epochs=5, reinforce_steps=reinforce_steps), 300)
    short = plan.shortened(n_epochs)
    assert short.n_epochs == n_epochs
    assert 0 < short.n_warm_up_steps < short.n_steps
    share = n_epochs / plan.n_epochs
    assert short.n_steps == pytest.approx(plan.n_steps * share, abs=1)
    assert short.n_warm_up_steps == pytest.approx(plan.n_warm_up_steps * share, abs=1)


def test_the_search_trains_on_other_seen_classes_than_it_validates_on(monkeypatch):
    fits = []
    learn = learning.learn

    def recorded(parameters, X, y, embeddings, *rest):
        fits.append((X, y, embeddings))
        return learn(parameters, X, y, embeddings, *rest)

    monkeypatch.setattr(learning, "learn", recorded)  # as the search knows it
    zsl = fitted(early_stopping=True, max_epochs=8)
    found = zsl.history_["validation_accuracy"]
    assert len(found) == 8
    assert zsl.n_iter_ == 8 - np.argmax(found[::-1])  # the last of equals

    [(X_kept, y_kept, embeddings)] = fits
    seen = TABLE.select(DATA.seen_classes).vectors
    kept = DATA.seen_classes[[(seen == row).all(axis=1).argmax() for row in embeddings]]
    assert len(set(kept)) == len(embeddings) == 4  # of six: at least two are held out
    inside = np.isin(Y, kept)
    assert np.array_equal(X_kept, X[inside])
    assert np.array_equal(kept[y_kept], Y[inside])

    inner = make(max_epochs=8).fit(X[inside], Y[inside], TABLE.select(DATA.seen_classes))
    assert found[-1] == balanced_accuracy_score(Y[~inside], inner.predict(X[~inside]))


@pytest.mark.parametrize("early_stopping", [True, False])
def test_unseen_classes_never_touch_the_search(early_stopping, accuracies):
    changed = dict(other_tables())["changed"]
    parameters = {"early_stopping": early_stopping, "max_epochs": 8, "space": "seen"}
    one, other = fitted(**parameters), make(**parameters).fit(X, Y, changed)
    assert identical(one, other)
    assert one.history_ == other.history_


def test_a_best_last_epoch_is_reported(accuracies):
    accuracies(0.1, 0.2, 0.3)
    with pytest.warns(ConvergenceWarning, match="last of 3 epochs.*increase max_epochs"):
        zsl = fitted(early_stopping=True, max_epochs=3)
    assert zsl.n_iter_ == 3
    assert identical(zsl, fitted(max_epochs=3))


@pytest.mark.parametrize(
    ("n_classes", "with_table", "reason"),
    [(3, True, "only 3 seen classes, and it needs 4"), (6, False, "without class_embeddings")],
)
def test_early_stopping_is_skipped_where_it_cannot_work(n_classes, with_table, reason):
    rows = np.isin(Y, DATA.seen_classes[:n_classes])
    table = TABLE if with_table else None
    with pytest.warns(UserWarning, match=rf"early_stopping is skipped: .*{reason}.*max_epochs=2"):
        zsl = make(early_stopping=True).fit(X[rows], Y[rows], table)
    assert "validation_accuracy" not in zsl.history_
    assert zsl.n_iter_ == 2
    assert identical(zsl, make().fit(X[rows], Y[rows], table))


def test_early_stopping_works_from_four_classes_on(accuracies):
    accuracies(0.9, 0.1)
    rows = np.isin(Y, DATA.seen_classes[:4])
    zsl = make(early_stopping=True).fit(X[rows], Y[rows], TABLE)
    assert zsl.history_["validation_accuracy"] == [0.9, 0.1]
    assert zsl.n_iter_ == 1


@pytest.mark.filterwarnings("error:n_clusters=", "ignore:early_stopping found the best")
@pytest.mark.filterwarnings("ignore:.*clusters hold no training sample")
def test_early_stopping_does_not_warn_of_clusters_that_all_samples_suffice_for():
    zsl = fitted(early_stopping=True, n_clusters=len(X))
    assert zsl.n_clusters_ == len(X)
    with pytest.raises(UserWarning, match="is more than the"):
        fitted(early_stopping=True, n_clusters=len(X) + 1)


@pytest.mark.parametrize("dtype", [">f4", ">f8", np.longdouble, np.int32, np.float16])
def test_given_centroids_may_be_of_any_type_of_number(dtype):
    given = fitted().cluster_centers_.astype(np.float16)
    given = given.astype(dtype)
    assert identical(fitted(centroids=given), fitted(centroids=given.astype(np.float32)))


# ------------------------------------------------------------------ scikit-learn's callbacks


@pytest.fixture
def callback():
    pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")

    class Recorder:
        """Notes what it is told; `answer` decides what the end of an epoch returns."""

        def __init__(self, answer=lambda epoch: None):
            self.answer = answer
            self.events = []
            self.models = []

        def setup(self, estimator, context):
            self.events.append("setup")
            self.max_subtasks = context.max_subtasks

        def teardown(self, estimator, context):
            self.events.append("teardown")

        def on_fit_task_begin(self, estimator, context, *, X, y):
            self.events.append(f"begin {context.task_name}")
            self.data = X, y

        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            self.events.append(f"end {context.task_name}")
            if context.task_name == "epoch":
                self.models.append(fitted_estimator)
                return self.answer(len(self.models))
            self.last = fitted_estimator

    return Recorder


def test_callbacks_are_told_of_fit_and_of_every_epoch(callback):
    recorder = callback()
    zsl = make(max_epochs=3).set_callbacks(recorder).fit(X, Y, TABLE)
    epoch = ["begin epoch", "end epoch"]
    assert recorder.events == ["setup", "begin fit", *epoch * 3, "end fit", "teardown"]
    assert recorder.max_subtasks == 3
    assert np.array_equal(recorder.data[0], X)
    assert np.array_equal(recorder.data[1], Y)
    assert identical(zsl, fitted(max_epochs=3))
    assert zsl.fit(X, Y, TABLE) is zsl
    assert len(recorder.events) == 20
    assert not [name for name in vars(zsl) if "context" in name or "ctx" in name]


def test_callbacks_get_a_fitted_estimator_that_stays_as_it_is(callback, stopped):
    recorder = callback()
    zsl = make(max_epochs=4, alpha=1.0).set_callbacks(recorder).fit(X, Y, TABLE)
    for i, model in enumerate(recorder.models):
        expected = stopped(i + 1, max_epochs=4, alpha=1.0)
        assert identical(model, expected)
        assert model.history_ == expected.history_
        assert model.n_iter_ == i + 1
        assert model.get_params() == zsl.get_params()
        assert model.classes_.tolist() == zsl.classes_.tolist()
        assert set(model.predict(X_UNSEEN)) <= set(DATA.unseen_classes)
        assert 0 <= model.score(X_UNSEEN, Y_UNSEEN) <= 1
    assert identical(recorder.last, zsl)


def test_an_estimator_in_a_callback_knows_of_no_earlier_fit(callback):
    recorder = callback()
    zsl = make().fit(X_UNSEEN, Y_UNSEEN, TABLE)
    zsl.set_callbacks(recorder).fit(X, Y, TABLE)
    assert recorder.models[0].unseen_classes_.tolist() == DATA.unseen_classes.tolist()
    assert recorder.models[0].n_iter_ == 1


@pytest.mark.parametrize("answer", [True, np.True_])
def test_a_callback_can_stop_the_training(callback, stopped, answer):
    recorder = callback(lambda epoch: answer if epoch == 2 else None)
    zsl = make(max_epochs=5).set_callbacks(recorder).fit(X, Y, TABLE)
    assert zsl.n_iter_ == len(zsl.history_["loss"]) == len(recorder.models) == 2
    assert recorder.events[-2:] == ["end fit", "teardown"]
    assert identical(zsl, stopped(2, max_epochs=5))


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("fitted_before", [True, False])
def test_an_interruption_tears_down_and_leaves_the_estimator_as_it_was(
    callback, fitted_before, error
):
    def interrupt(epoch):
        raise error("stop")

    recorder = callback(interrupt)
    zsl = make(max_epochs=3)
    if fitted_before:
        zsl.fit(X, Y, TABLE)
    zsl.set_callbacks(recorder)
    before = {**vars(zsl)}
    with pytest.raises(error, match="stop"):
        zsl.fit(X_UNSEEN[:, :3], Y_UNSEEN, TABLE)
    assert recorder.events == ["setup", "begin fit", "begin epoch", "end epoch", "teardown"]
    assert vars(zsl).keys() == before.keys()
    assert all(vars(zsl)[name] is before[name] for name in before)
    if fitted_before:
        assert identical(zsl, fitted(max_epochs=3))
    recorder.answer = lambda epoch: None
    assert identical(zsl.fit(X, Y, TABLE), fitted(max_epochs=3))


def test_callbacks_with_early_stopping_see_the_refit_only(callback, accuracies):
    accuracies(0.1, 0.6, 0.2)
    recorder = callback()
    zsl = make(max_epochs=3, early_stopping=True).set_callbacks(recorder).fit(X, Y, TABLE)
    assert zsl.n_iter_ == len(recorder.models) == 2
    assert recorder.last.history_["validation_accuracy"] == [0.1, 0.6, 0.2]


def test_scoring_monitor():
    monitors = pytest.importorskip("sklearn.callback", reason="from scikit-learn 1.9 on")
    monitor = monitors.ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    zsl = make(max_epochs=3, space="seen", inference="compatibility")
    zsl.set_callbacks(monitor).fit(X, Y, TABLE)
    log = monitor.get_logs().data
    epochs = [row for row in log if row["task_name"] == "epoch"]
    assert [row["task_id"] for row in epochs] == [0, 1, 2]
    assert epochs[-1]["accuracy"] == zsl.score(X, Y)
    assert epochs[0]["neg_log_loss"] < epochs[-1]["neg_log_loss"] < 0


def test_callbacks_do_not_see_the_folds_of_a_gate(callback):
    recorder = callback()
    zsl = make(space="gzsl", bias_detector=BiasDetector()).set_callbacks(recorder)
    zsl.fit(X, Y, TABLE)
    assert recorder.events.count("begin fit") == recorder.events.count("setup") == 1
    assert len(recorder.models) == zsl.n_iter_


@pytest.mark.parametrize("detector", [None, "stacking", BiasDetector()], ids=str)
def test_callbacks_get_the_gate_at_the_end_of_fit(callback, detector):
    recorder = callback()
    zsl = make(space="gzsl", bias_detector=detector).set_callbacks(recorder).fit(X, Y, TABLE)
    assert recorder.events[-2:] == ["end fit", "teardown"]
    assert recorder.last.gate_threshold_ == zsl.gate_threshold_
    assert np.array_equal(recorder.last.predict(X_UNSEEN), zsl.predict(X_UNSEEN))
    assert not [name for name in vars(zsl) if "hooks" in name]


def test_a_gate_that_fails_is_no_end_of_fit(callback, monkeypatch):
    def fail(*args):
        raise RuntimeError("stop")

    monkeypatch.setattr("sklearn_claster._gate.fitting.hold_out_classes", fail)
    recorder = callback()
    with pytest.raises(RuntimeError, match="stop"):
        make(space="gzsl", bias_detector="stacking").set_callbacks(recorder).fit(X, Y, TABLE)
    assert recorder.events[-2:] == ["end epoch", "teardown"]


def test_progress_bar(capfd):
    callbacks = pytest.importorskip("sklearn.callback", reason="from scikit-learn 1.9 on")
    pytest.importorskip("rich", reason="ProgressBar needs rich")
    zsl = make().set_callbacks(callbacks.ProgressBar()).fit(X, Y, TABLE)
    assert re.search(r"ClasterZSL - fit.*100%", capfd.readouterr().out)
    assert identical(zsl, fitted())


# ------------------------------------------------------------------ small and narrow data


@pytest.mark.parametrize("centroids", [c for c in CENTROIDS if c is not None])
@pytest.mark.parametrize("use_semantics", [True, False])
@pytest.mark.parametrize("n_clusters", [1, 2])
def test_one_and_two_clusters(n_clusters, use_semantics, centroids):
    zsl = fitted(
        n_clusters=n_clusters,
        use_semantics=use_semantics,
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
    agree(scores, twin.scores(rows, DATA.unseen_classes, table), 3e-4)


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
    groups = []
    adam = adam_module.FusedAdam

    def recorded(parameters, **options):
        groups.append(parameters)
        return adam(parameters, **options)

    monkeypatch.setattr(adam_module, "FusedAdam", recorded)
    zsl = fitted(centroids=centroids, weight_decay=0.25)
    network, clusters = groups[-1]  # of V, the last to be trained
    assert (network["weight_decay"], clusters["weight_decay"]) == (0.25, 0.0)
    learnt = {id(parameter) for parameter in zsl._model.net.aggregation.parameters()}
    assert learnt == {id(parameter) for parameter in clusters["params"]}


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


def test_without_semantics_there_is_nothing_to_fuse():
    plain, summed = (fitted(use_semantics=False, fusion=f) for f in ("concatenate", "sum"))
    assert identical(plain, summed)


@pytest.mark.parametrize("whiten", ["auto", True, False])
def test_whitening_is_the_twin(whiten):
    zsl = fitted(whiten=whiten)
    assert (zsl.shrinkage_ is not None) == bool(whiten)
    agree(zsl.decision_function(X_UNSEEN), Twin(zsl).scores(X_UNSEEN, DATA.unseen_classes), 1e-4)
    assert (zsl._model.input_space.whitening is not None) == bool(whiten)


def test_mixup_changes_phi_and_nothing_before_it():
    one, other = (weights(fitted(centroids=None, mixup=mixup)) for mixup in (True, False))
    same = {name: np.array_equal(one[name], other[name]) for name in one}
    assert all(same[name] for name in same if name.startswith("projector"))
    assert not any(same[name] for name in same if name.startswith("estimator"))


def test_mixup_trains_on_points_between_samples(monkeypatch):
    """Without mixup the network x -> phi is given unit rows; points of a chord are shorter."""
    seen = []
    real = MLP.forward

    def forward(self, x, noise=None):
        if noise is not None and x.requires_grad is False and x.shape[1] == 6:
            seen.append(x.clone())
        return real(self, x, noise)

    monkeypatch.setattr(MLP, "forward", forward)
    lengths = {}
    for mixup in (True, False):
        seen.clear()
        fitted(centroids=None, mixup=mixup)
        lengths[mixup] = torch.cat(seen).norm(dim=1)
    assert torch.allclose(lengths[False], torch.ones(()), atol=1e-5)  # the samples: unit rows
    assert (lengths[True] < 0.99).float().mean() > 0.8  # chords lie inside the sphere
    assert lengths[True].max() < 1.0 + 1e-5


@pytest.mark.parametrize("n_samples", [1, 2, 5])
def test_mixup_is_of_every_row_and_the_one_before(n_samples):
    rows, targets = torch.randn(n_samples, 3), torch.randn(n_samples, 2)
    noise = torch.Generator().manual_seed(0)
    share = torch.rand((n_samples, 1), generator=noise).numpy()
    mixed = _between_neighbors(rows, targets, noise.manual_seed(0))
    for given, found in zip((rows.numpy(), targets.numpy()), mixed, strict=True):
        for i in range(n_samples):  # before the first comes the last
            expected = share[i] * given[i] + (1.0 - share[i]) * given[i - 1]
            np.testing.assert_allclose(found[i], expected, atol=1e-6)


@pytest.mark.parametrize("name", ["likas", "zero"])
def test_selection_probability_is_the_twin(updates, name):
    zsl = fitted(selection_probability=name, alpha=1.0)
    assert updates
    refinement = Reinforcement(
        CentroidSum(torch.zeros(2, 12), 1.0), RowsInMemory(torch.rand(5, 12)), 0.5, 10, name
    )
    assert (refinement.scale, refinement.clip) == {"likas": (1.0, False), "zero": (0.0, True)}[name]
    assert not np.array_equal(zsl.cluster_centers_, fitted(alpha=1.0).cluster_centers_)


def test_selection_probability_plays_no_part_without_rewards():
    assert identical(
        fitted(centroids="kmeans", selection_probability="likas"), fitted(centroids="kmeans")
    )


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
    ("centroids", "use_semantics", "message"),
    [
        (np.ones((3, 5)), True, r"shape \(3, 5\).*expected finite numbers.*12\)"),
        (np.ones((3, 12)), False, r"expected finite numbers of shape \(n_clusters, 6\)"),
        (np.ones(12), True, r"shape \(12,\)"),
        (np.ones((0, 12)), True, r"shape \(0, 12\)"),
        (np.full((3, 12), np.nan), True, "finite numbers"),
        (np.full((3, 12), "a"), True, "type <U1"),
        (np.array(["kmeans"]), True, "name the centroids, one of 'reinforce'"),
    ],
)
def test_given_centroids_that_do_not_fit(centroids, use_semantics, message):
    with pytest.raises(ValueError, match=message):
        fitted(centroids=centroids, use_semantics=use_semantics)


# ------------------------------------------------------------------------------------ precision


def test_half_precision_learns_nearly_the_same_and_predicts_in_full():
    full, half = fitted(max_epochs=4), fitted(max_epochs=4, precision="bfloat16")
    assert not identical(full, half)
    scores = [zsl.decision_function(X_UNSEEN) for zsl in (full, half)]
    assert scores[1].dtype == scores[0].dtype
    assert np.abs(scores[1] - scores[0]).max() < 0.1 * np.ptp(scores[0])
    assert all(array.dtype == np.float32 for array in weights(half).values())


def test_half_precision_is_used_where_it_is_asked_for(monkeypatch):
    seen = set()
    real = torch.nn.Linear.forward

    def forward(self, x):
        out = real(self, x)
        seen.add(out.dtype)
        return out

    monkeypatch.setattr(torch.nn.Linear, "forward", forward)
    fitted()
    assert seen == {torch.float32}
    zsl = fitted(precision="bfloat16")
    assert torch.bfloat16 in seen
    seen.clear()
    zsl.predict(X_UNSEEN.astype(np.float32))
    assert seen == {torch.float32}


@pytest.mark.parametrize("centroids", ["reinforce", "netvlad"])
def test_half_precision_leaves_the_clusters_in_full(monkeypatch, centroids):
    kind = {"reinforce": CentroidSum, "netvlad": NetVLAD}[centroids]
    found, in_full, real = [], [], kind.forward

    def forward(self, points):
        omega = real(self, points)
        found.append(omega.detach())
        with torch.autocast("cpu", enabled=False), torch.no_grad():
            in_full.append(real(self, points))
        return omega

    monkeypatch.setattr(kind, "forward", forward)
    fitted(precision="bfloat16", centroids=centroids)
    assert found
    for omega, expected in zip(found, in_full, strict=True):
        torch.testing.assert_close(omega, expected, rtol=0.0, atol=0.0)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_callers_autocast_changes_nothing(precision):
    """It would keep copies of the weights for as long as it lasts: nothing would be learnt."""
    expected = fitted(precision=precision)
    with torch.autocast("cpu", torch.bfloat16):
        inside = fitted(precision=precision)
        scores = inside.decision_function(X_UNSEEN)
    assert identical(inside, expected)
    np.testing.assert_array_equal(scores, expected.decision_function(X_UNSEEN))


def test_half_precision_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(
        "sklearn_claster._claster.resolve_device", lambda device: torch.device("mps")
    )
    with pytest.raises(ValueError, match=r"'bfloat16' is not available on MPS; expected 'float32'"):
        fitted(precision="bfloat16")


# ------------------------------------------------------------------------------ prepared once


def test_candidates_are_prepared_once_for_all_calls(monkeypatch):
    zsl, calls = fitted(), []
    real = model_module.make_candidates
    monkeypatch.setattr(
        model_module, "make_candidates", lambda *args: calls.append(len(args[1])) or real(*args)
    )
    rows = X_UNSEEN.astype(np.float32)
    expected = zsl.predict(rows)
    for start in range(0, len(rows), 5):
        np.testing.assert_array_equal(
            zsl.predict(rows[start : start + 5]), expected[start : start + 5]
        )
    assert calls == [3]
    zsl.set_params(n_neighbors=1).predict(rows)  # another rule
    zsl.set_params(space="gzsl").predict(rows)  # other candidates
    assert calls == [3, 3, 9]
    other = {"new": np.ones(4), "newer": -np.ones(4)}
    first = zsl.set_params(space="zsl").predict(rows, other)
    other["new"], other["newer"] = other["newer"], other["new"]  # the same classes, other vectors
    assert not np.array_equal(zsl.predict(rows, other), first)
    assert calls == [3, 3, 9, 2, 2]
