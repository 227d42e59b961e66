"""Small ClasterZSL models on small data, and a NumPy twin of their forward pass."""

import numpy as np
import paper_twin
import torch

from sklearn_claster import ClassEmbeddings, ClasterZSL
from sklearn_claster._core.held_out import choose_seen
from sklearn_claster._core.inference import TEST_RULES
from sklearn_claster.datasets import make_zero_shot_classification

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
BY_HAND = {"prior": None, "temperature": 0.1}  # nothing is chosen: the paper's arithmetic alone

SHORT = {"PROJECTOR_STEPS": 10, "ESTIMATOR_EPOCHS": 1}  # of a' and phi, see `short_training`

DATA = make_zero_shot_classification(
    108, 6, n_seen=6, n_unseen=3, n_embedding_features=4, random_state=0
)
IS_SEEN = np.isin(DATA.target, DATA.seen_classes)
X, Y = DATA.data[IS_SEEN], DATA.target[IS_SEEN]
X_UNSEEN, Y_UNSEEN = DATA.data[~IS_SEEN], DATA.target[~IS_SEEN]
TABLE = DATA.class_embeddings


def make(**parameters):
    return ClasterZSL(**{**CHEAP, **parameters})


def fitted(**parameters):
    return make(**parameters).fit(X, Y, TABLE)


def make_by_hand(**parameters):
    return make(**{**BY_HAND, **parameters})


def fitted_by_hand(**parameters):
    return make_by_hand(**parameters).fit(X, Y, TABLE)


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
            self.whitening = paper_twin.within_class_whitening(x, y)
            self.whitened_mean = (x @ self.whitening).mean(axis=0)
        self.embedding_mean = table.vectors[seen].mean(axis=0)
        self.seen = self.unit(table.vectors[seen] - self.embedding_mean)
        self.X, self.y, self.table, self.seen_labels = X, y, table, table.labels[seen]

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
        if self.zsl.fusion is None:
            return x
        phi = self.mlp("estimator", x)
        return {"concatenate": np.hstack([x, phi]), "sum": x + phi, "product": x * phi}[
            self.zsl.fusion
        ]

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

    def candidates(self, labels):
        """Semantic and visual vectors of candidates, the unseen ones rectified."""
        zsl, table = self.zsl, self.table
        vectors = table.vectors[np.searchsorted(table.labels, labels)]
        unseen = ~np.isin(labels, zsl.classes_)
        spaces = []
        for space in (lambda a: a, self.project) if zsl.fusion else (lambda a: a,):
            rows = space(self.unit(vectors - self.embedding_mean))
            result = self.unit(rows)
            if unseen.any():
                result[unseen] = paper_twin.rectify(rows[unseen], space(self.seen), zsl.n_neighbors)
            spaces.append(result)
        return spaces

    def seen_cosines(self, X, means_share=None):
        """The expert for seen classes: the rule, V and the class means, brought to one spread.

        V takes part if it names the training samples as well as the rule does. The share of the
        means is what held-out samples say.
        """
        if means_share is None:
            codes = np.searchsorted(self.seen_labels, self.y)
            vectors = self.table.select(self.seen_labels).vectors
            whiten, cpu = self.whitening is not None, torch.device("cpu")
            chosen = choose_seen(self.X, codes, vectors, None, False, whiten, cpu)
            means_share = chosen.means_share
        x = self.input(self.X)
        means = self.unit([x[self.y == label].mean(axis=0) for label in self.seen_labels])

        def parts(X):
            rule = self.cosines(X, self.seen_labels)
            return rule, self.semantic(X) @ self.seen.T, self.input(X) @ means.T

        fitted = parts(self.X)
        of_rule, of_v, of_means = (np.std(cosines, ddof=1) for cosines in fitted)
        by_rule, by_v, _ = (
            np.sum(self.seen_labels[cosines.argmax(axis=1)] == self.y) for cosines in fitted
        )
        rule, v, near = parts(X)
        v_share = 1.0 if by_v >= by_rule else 0.0
        return rule + v_share * of_rule / of_v * v + means_share * of_rule / of_means * near

    def scores(self, X, labels):
        if self.zsl.inference == "combined" and set(labels) <= set(self.seen_labels):
            return self.seen_cosines(X) / self.zsl.temperature
        return self.cosines(X, labels) / self.zsl.temperature

    def cosines(self, X, labels):
        zsl = self.zsl
        semantic, *visual = self.candidates(labels)
        v = self.semantic(X)
        compatibility = v @ semantic.T
        if zsl.fusion:
            own = visual[0]  # a' of every candidate, unit rows; its own point has it as both halves
            own = {"concatenate": np.hstack([own, own]), "sum": 2 * own, "product": own**2}[
                zsl.fusion
            ]
            points = self.points(X)
            if zsl.fusion == "concatenate":
                points[:, : points.shape[1] // 2] *= zsl.feature_weight
            likeness = self.unit(points) @ self.unit(own).T
        if zsl.inference == "compatibility" or (zsl.inference, zsl.fusion) == ("combined", None):
            return compatibility
        if zsl.inference == "visual":
            return likeness
        if zsl.inference == "combined":
            w = zsl.visual_weight
            return w * likeness + (1 - w) * compatibility
        if zsl.inference == "seen_class":
            return self.seen[(v @ self.seen.T).argmax(axis=1)] @ semantic.T
        z = paper_twin.semantic_softmax(v, self.seen, zsl.temperature)  # conse
        return self.unit(z @ self.seen) @ semantic.T


def agree(result, expected, tolerance=3e-5):
    np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)


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


def clustered_points(zsl):
    """What the first centroids are made of: [x_i, a'(y_i)], or x_i without semantics."""
    twin = Twin(zsl)
    x = twin.input(X)
    if zsl.fusion is None:
        return x
    return np.hstack([x, twin.project(twin.seen)[np.searchsorted(zsl.classes_, Y)]])
