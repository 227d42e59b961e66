"""One space for features and class vectors, the temperature, and the expert for seen classes."""

import copy
import dataclasses
import itertools
import pickle
import re

import numpy as np
import paper_twin
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from scipy.stats import hmean
from sklearn import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_models import CHEAP, Twin, agree, identical, weights

import sklearn_claster
from sklearn_claster import BiasDetector, ClassEmbeddings, ClasterZSL, _claster
from sklearn_claster._core import held_out
from sklearn_claster._core.held_out import Choice
from sklearn_claster._core.inference import TEST_RULES
from sklearn_claster._core.projection import linear_projection
from sklearn_claster._core.shared_space import (
    agreement,
    by_classes,
    by_signs,
    common_share,
    is_shared,
)
from sklearn_claster._data import on_disk as on_disk_module
from sklearn_claster.baselines import CosineZSL
from sklearn_claster.datasets import load_digit_pairs, make_zero_shot_classification
from sklearn_claster.metrics import mean_per_class_accuracy
from sklearn_claster.persistence import load_model, save_model, to_onnx

pytestmark = [
    pytest.mark.usefixtures("short_training"),
    pytest.mark.filterwarnings("ignore:.*clusters hold no training sample"),
]


# ------------------------------------------------------------------ is the space shared?


def classes_and_samples(n_classes, f, seed, n=5):
    rng = np.random.default_rng(seed)
    means, y = rng.normal(size=(n_classes, f)), np.repeat(np.arange(n_classes), n)
    return means, means[y] + rng.normal(size=(len(y), f)), y


def centred(n_classes, f, seed):
    means, X, _ = classes_and_samples(n_classes, f, seed)
    return means - means.mean(axis=0), X[::5] - X[::5].mean(axis=0)


def test_agreement_by_classes_is_the_distance_from_all_ways_to_deal_out_the_vectors():
    M, T = centred(6, 5, seed=0)
    dealt = [(M * T[list(order)]).sum() for order in itertools.permutations(range(6))]
    expected = ((M * T).sum() - np.mean(dealt)) / np.std(dealt)
    assert by_classes(M, T) == pytest.approx(expected)


def test_agreement_by_signs_is_the_distance_from_all_signs():
    M, T = centred(3, 8, seed=1)
    columns = zip(M.T, T.T, strict=True)
    a = [m @ t / np.sqrt(np.linalg.norm(m) * np.linalg.norm(t)) for m, t in columns]
    signed = [np.dot(a, signs) for signs in itertools.product([-1, 1], repeat=8)]
    assert by_signs(M, T) == pytest.approx((sum(a) - np.mean(signed)) / np.std(signed))


def test_agreement_is_that_of_class_means_of_unit_samples():
    means, X, y = classes_and_samples(6, 5, seed=0, n=4)
    X, y = X[3:-1], y[3:-1]  # not all classes alike
    M = np.array([np.mean([x / np.linalg.norm(x) for x in X[y == c]], axis=0) for c in range(6)])
    T = np.array([t / np.linalg.norm(t) for t in means])
    both = M - M.mean(axis=0), T - T.mean(axis=0)
    assert agreement(X, y, means) == pytest.approx(
        max(by_classes(*both), by_signs(*both)), rel=1e-5
    )


def test_where_all_is_one_nothing_is_shared():
    X, y = np.random.default_rng(0).normal(size=(30, 3)), np.repeat(np.arange(10), 3)
    assert agreement(np.zeros((30, 3)), y, np.ones((10, 3))) == 0.0
    assert not is_shared(np.zeros((30, 3)), y, np.ones((10, 3)))
    assert not is_shared(X, y, np.ones((10, 3)))


@pytest.mark.filterwarnings("ignore:X and class_embeddings are equally wide")
@pytest.mark.parametrize("n_classes", [2, 3, 4, 6, 10, 20, 50, 100])
@pytest.mark.parametrize("f", [4, 16, 64, 384])
def test_random_vectors_of_the_same_width_are_not_taken_for_it(n_classes, f):
    found = []
    for seed in range(40):
        _, X, y = classes_and_samples(n_classes, f, seed)
        vectors = np.random.default_rng(1000 + seed).normal(size=(n_classes, f))
        M, T = X[::5] - X[::5].mean(axis=0), vectors - vectors.mean(axis=0)
        found.append([by_classes(M, T), by_signs(M, T)])
        assert not is_shared(X, y, vectors)
        assert not is_shared(X, y, np.abs(vectors) + 3.0)
    assert np.std(found, axis=0) == pytest.approx(1.0, abs=0.4)  # the deviations are of this size
    assert (abs(np.mean(found, axis=0)) < 0.6).all()


@pytest.mark.parametrize("f", [10, 30, 100])
def test_one_hot_vectors_are_not(f):
    for seed in range(20):
        _, X, y = classes_and_samples(f, f, seed)
        assert not is_shared(X, y, np.eye(f))
        assert not is_shared(np.abs(X), y, np.eye(f))


@pytest.mark.parametrize(
    ("n_classes", "f"),
    [(2, 384), (3, 128), (5, 64), (8, 16), (10, 16), (20, 16), (50, 64), (100, 8)],
)
def test_class_means_with_noise_are(n_classes, f):
    for seed in range(10):
        means, X, y = classes_and_samples(n_classes, f, seed)
        vectors = means + 0.5 * np.random.default_rng(1000 + seed).normal(size=means.shape)
        assert is_shared(X, y, vectors)
        assert is_shared(1000.0 * X, y, vectors)  # only directions count
        assert is_shared(X, y, 1e-3 * vectors)
        assert not is_shared(X, y, np.roll(vectors, 1, axis=0))  # another class' vectors
        assert not is_shared(X, y, -vectors)
        assert not is_shared(X, y, vectors[:, :-1])


def test_an_offset_of_both_is_the_space_and_a_long_one_of_the_features_hides_it():
    """Nothing is centred: shifted far, every sample names the same class. They still agree."""
    means, X, y = classes_and_samples(20, 16, seed=0)
    offset = np.random.default_rng(1).normal(size=16)
    assert is_shared(X + offset, y, means)
    assert is_shared(X + 3.0 * offset, y, means + 3.0 * offset)
    assert not is_shared(X + 100.0 * offset, y, means)
    assert agreement(X + 100.0 * offset, y, means) > 10.0


def test_few_classes_of_few_features_cannot_tell():
    """Even the vectors themselves reach S - 1 and sqrt(f) deviations at most."""
    vectors = np.random.default_rng(0).normal(size=(5, 16))
    X, y = np.repeat(vectors, 3, axis=0), np.repeat(range(5), 3)
    assert agreement(X, y, vectors) <= 4.0 + 1e-6
    means, X, y = classes_and_samples(5, 16, seed=0)
    assert not is_shared(X, y, means)


def test_a_warning_says_where_few_classes_leave_it_open():
    means, X, y = classes_and_samples(3, 64, seed=1)
    means = means + 3.0 * np.random.default_rng(11).normal(size=means.shape)
    assert 2.0 < agreement(X, y, means) < 4.0
    with pytest.warns(UserWarning, match=r"3 seen classes are too few to be sure.*prior='cosine'"):
        assert make(prior="auto").fit(X, y, dict(enumerate(means))).prior_ is None
    assert make(prior="cosine").fit(X, y, dict(enumerate(means))).prior_ == "cosine"


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_few_seen_classes_of_a_shared_space_are_no_worse_than_the_cosine(n_classes):
    """Without the prior so few classes teach next to nothing of others: 0.1 of twenty are right."""
    means, X, y = classes_and_samples(n_classes + 20, 384, seed=n_classes)
    table = ClassEmbeddings(np.arange(len(means)), means)
    seen = y < n_classes
    zsl = ClasterZSL(random_state=0).fit(X[seen], y[seen], table)
    assert zsl.prior_ == "cosine"
    cosine = CosineZSL.from_table(table.without(np.arange(n_classes)))
    assert zsl.score(X[~seen], y[~seen]) >= cosine.score(X[~seen], y[~seen]) - 0.02


@pytest.mark.parametrize("split", range(3))
def test_real_tables_of_the_same_width(claster_data, split):
    shared = {}
    for name in ("ucf101_captions", "ucf101_minilm"):
        data = np.load(claster_data / f"{name}.npz")
        seen = np.sort(data["split_train"][split])
        some = np.isin(data["y"], seen)
        X, y = data["X"][some].astype(np.float32), np.searchsorted(seen, data["y"][some])
        for table in data.files:
            if data[table].shape == (101, X.shape[1]):
                shared[table] = is_shared(X, y, data[table][seen].astype(float))
    assert shared == {
        "word2vec": False,
        "lsa_description": True,
        "minilm_name": True,
        "minilm_description": True,
    }


# ------------------------------------------------------------------ small problems


def in_one_space(seed, n_seen=20, n_unseen=10, f=40, n=20, noise=2.0):
    """Classes around their vectors, in a space turned a little, and noise along some axes."""
    rng, n_classes = np.random.default_rng(seed), n_seen + n_unseen
    vectors = rng.normal(size=(n_classes, f)) / np.sqrt(f)
    turned = vectors @ (np.eye(f) + 0.5 * rng.normal(size=(f, f)) / np.sqrt(f))
    turned += 0.5 * rng.normal(size=(n_classes, f)) / np.sqrt(f)
    axes = np.exp(rng.normal(size=f))
    axes *= noise / np.sqrt((axes**2).sum())
    y = np.repeat(np.arange(n_classes), n)
    X = turned[y] + axes * rng.normal(size=(len(y), f)) + 0.3 * rng.normal(size=f) / np.sqrt(f)
    return X, y, ClassEmbeddings(np.arange(n_classes), vectors)


ALL_X, ALL_Y, TABLE = in_one_space(0, n_seen=12, n_unseen=5, f=10, n=8, noise=1.0)
SEEN, UNSEEN = np.arange(12), np.arange(12, 17)
X, Y = ALL_X[ALL_Y < 12], ALL_Y[ALL_Y < 12]
NEW_X, NEW_Y = ALL_X[ALL_Y >= 12], ALL_Y[ALL_Y >= 12]


def make(**parameters):
    return ClasterZSL(**{**CHEAP, **parameters})


def fitted(table=TABLE, **parameters):
    return make(**parameters).fit(X, Y, table)


def cosines(rows, vectors):
    lengths = np.outer(np.linalg.norm(rows, axis=1), np.linalg.norm(vectors, axis=1))
    return rows @ vectors.T / lengths


def rescaled(model, **numbers):
    """A copy with other numbers of its scale."""
    other = copy.deepcopy(model)
    other._model.scale = dataclasses.replace(model._model.scale, **numbers)
    return other


def log_loss(model, X, y):
    found = model.predict_log_proba(X)
    return -np.mean(found[np.arange(len(y)), np.searchsorted(model.candidates()[0], y)])


# ------------------------------------------------------------------ what a model finds out


def test_a_model_says_whether_it_has_a_prior():
    assert fitted().prior_ == fitted(prior="cosine").prior_ == "cosine"
    assert fitted(prior=None).prior_ is None
    assert fitted(inference="conse").prior_ is None  # which has no place for it
    assert make().fit(X, Y).prior_ is make(prior="cosine").fit(X, Y).prior_ is None  # no table
    others = np.random.default_rng(5).normal(size=(17, 10))
    for vectors in (others, TABLE.vectors[:, :9], TABLE.vectors[::-1]):
        assert fitted(ClassEmbeddings(TABLE.labels, vectors)).prior_ is None


def test_a_prior_by_hand_is_taken_whatever_the_seen_samples_say():
    wrong = ClassEmbeddings(TABLE.labels, TABLE.vectors[::-1])
    assert fitted(wrong, prior="cosine").prior_ == "cosine"


@pytest.mark.parametrize("width", [9, 11])
def test_a_prior_needs_equal_widths(width):
    table = ClassEmbeddings(TABLE.labels, np.random.default_rng(0).normal(size=(17, width)))
    zsl = make(prior="cosine")
    with pytest.raises(ValueError, match="prior") as error:
        zsl.fit(X, Y, table)
    assert "10" in str(error.value) and str(width) in str(error.value)
    assert "None" in str(error.value)
    assert not hasattr(zsl, "classes_")


def test_a_wrong_prior_is_refused():
    with pytest.raises(ValueError, match=r"prior='euclidean'.*'auto'.*'cosine'"):
        fitted(prior="euclidean")


# ------------------------------------------------------------------ what may take part


def tables_with_other_unseen_classes():
    vectors, seen = TABLE.vectors, TABLE.labels < 12
    yield "far", ClassEmbeddings(TABLE.labels, np.where(seen[:, None], vectors, 1e6 * vectors + 3))
    yield "none", TABLE.select(SEEN)
    yield "more", ClassEmbeddings(np.arange(-2, 17), [*np.ones((2, 10)), *vectors])
    yield "seen ones again", ClassEmbeddings(np.arange(24), [*vectors[seen], *-vectors[seen]])


@pytest.mark.parametrize("prior", ["auto", "cosine", None])
@pytest.mark.parametrize(
    "table", [pytest.param(t, id=name) for name, t in tables_with_other_unseen_classes()]
)
def test_classes_without_samples_touch_neither_prior_nor_temperature(table, prior):
    one = fitted(space="seen", prior=prior)
    other = fitted(table, space="seen", prior=prior)
    assert identical(one, other, ALL_X)
    assert one.prior_ == other.prior_ == (None if prior is None else "cosine")
    assert vars(one._model.scale) == vars(other._model.scale)
    one.set_params(space="zsl"), other.set_params(space="zsl")
    expected = one.decision_function(ALL_X)
    assert_array_equal(other.decision_function(ALL_X, TABLE.select(UNSEEN)), expected)


def test_a_seen_vector_does_touch_them():
    vectors = TABLE.vectors.copy()
    vectors[3] += 0.1
    one, other = fitted(), fitted(ClassEmbeddings(TABLE.labels, vectors))
    assert vars(one._model.scale) != vars(other._model.scale)


def test_samples_do_not_touch_the_answers_to_others():
    zsl = fitted()
    expected, scale = zsl.predict_proba(NEW_X), vars(zsl._model.scale).copy()
    zsl.predict_proba(1e6 * NEW_X[::-1] + 7.0)
    assert_array_equal(zsl.predict_proba(NEW_X), expected)
    assert vars(zsl._model.scale) == scale
    one_by_one = np.concatenate([zsl.predict_proba(NEW_X[i : i + 1]) for i in range(len(NEW_X))])
    assert_allclose(one_by_one, expected, rtol=1e-4)


def test_features_in_other_units_change_nothing():
    for factor in (8.0, 2.0**-20):
        other = make().fit(factor * X, Y, TABLE)
        scores = other.decision_function(factor * NEW_X)
        assert_array_equal(scores, fitted().decision_function(NEW_X))


CPU = torch.device("cpu")


@pytest.fixture
def asked(monkeypatch):
    """Of every stand-in that chooses: the samples it was fitted to, and others it was asked."""
    found = []
    position = {row.tobytes(): i for i, row in enumerate(X)}

    class Recorded(held_out._StandIn):
        def __init__(self, rows, *rest):
            found.append([{position[row.tobytes()] for row in rows}, set()])
            self.log = found[-1]
            super().__init__(rows, *rest)

        def cosines(self, rows, vectors):
            self.log[1] |= {position[row.tobytes()] for row in rows} - self.log[0]
            return super().cosines(rows, vectors)

    monkeypatch.setattr(held_out, "_StandIn", Recorded)
    return lambda: [[np.array(sorted(part)) for part in parts] for parts in found]


@pytest.mark.parametrize("prior", [True, False])
def test_classes_are_held_out_once_each_and_samples_once_more(asked, prior):
    held_out.choose(X, Y, TABLE.select(SEEN).vectors, None, prior, True, CPU)
    *folds, (kept, others) = sorted(asked(), key=lambda parts: len(np.unique(Y[parts[0]])))
    assert np.unique(Y[kept]).tolist() == SEEN.tolist()
    assert 0 < len(others) <= 0.21 * len(Y)
    assert len(kept) + len(others) == len(Y)
    classes = [[set(Y[part]) for part in parts] for parts in folds]
    assert all(not fitted_to & new for fitted_to, new in classes)
    assert sorted(label for _, new in classes for label in new) == SEEN.tolist()


@pytest.mark.parametrize("prior", [True, False])
def test_samples_of_a_group_are_on_one_side_whatever_is_chosen(asked, prior):
    groups = np.arange(len(Y)) // 2
    last = np.arange(len(Y)) % 8 == 7  # of every class, in a group with that of another
    groups[last] = 1000 + np.arange(12) // 2
    held_out.choose(X, Y, TABLE.select(SEEN).vectors, groups, prior, True, CPU)
    assert len(asked()) == 4
    for fitted_to, new in asked():
        assert len(new) and not set(groups[fitted_to]) & set(groups[new])


def test_where_nothing_can_be_held_out_the_defaults_stay():
    vectors, one_a_class = TABLE.select(SEEN).vectors, np.searchsorted(Y, SEEN)
    for rows, groups in ((slice(None), Y), (one_a_class, None)):
        found = held_out.choose_seen(X[rows], Y[rows], vectors, groups, True, True, CPU)
        assert found == Choice()
    found = held_out.choose(X, Y, vectors, np.zeros(len(Y)), True, True, CPU)
    assert (found.share, found.temperature) == (1.0, Choice().temperature)
    few = Y < 3
    found = held_out.choose(X[few], Y[few], vectors[:3], None, True, True, CPU)
    assert (found.share, found.temperature) == (1.0, Choice().temperature)


@pytest.mark.parametrize("whiten", [True, False])
@pytest.mark.parametrize("prior", [True, False])
def test_the_span_of_few_samples_says_the_same_in_less_room(prior, whiten, monkeypatch):
    random = np.random.default_rng(0)
    vectors, y = random.standard_normal((12, 90)), np.arange(72) % 12
    rows = (vectors[y] + 3.0 * random.standard_normal((72, 90))).astype(np.float32)
    given = rows, y, vectors, None, prior, whiten, CPU
    widths = []

    def projection(embeddings, means, *others):
        widths.append(means.shape[1])
        return linear_projection(embeddings, means, *others)

    monkeypatch.setattr(held_out, "linear_projection", projection)
    found = held_out.choose(*given)
    assert set(widths) == {84 if prior else 72}
    monkeypatch.setattr(held_out, "in_their_span", lambda rows, vectors, prior: (rows, vectors))
    plain = held_out.choose(*given)
    assert widths[-1] == 90
    for name in ("share", "temperature", "means_share", "seen_temperature"):
        assert getattr(found, name) == getattr(plain, name), name
    np.testing.assert_allclose(found.masses, plain.masses, atol=1e-4)
    np.testing.assert_allclose(found.seen_masses, plain.seen_masses, atol=1e-4)
    assert found.plain_spread == (pytest.approx(plain.plain_spread, rel=1e-5) if prior else None)


# ------------------------------------------------------------------ scores


def rule_cosines(zsl, rows, labels):
    """What the rule has without a prior and a temperature, by the twin."""
    return Twin(zsl, X, Y, TABLE).cosines(rows, labels)


VARIANTS = [
    {},
    {"whiten": False},
    {"fusion": None},
    {"fusion": "sum", "visual_weight": 0.5},
    {"centroids": "netvlad", "centroid_weight": 1.0},
    {"n_neighbors": 3, "linear_shortcut": False},
]


@pytest.mark.parametrize("space", ["zsl", "gzsl"])
@pytest.mark.parametrize("parameters", VARIANTS, ids=str)
@pytest.mark.parametrize("temperature", ["auto", 0.3])
def test_scores_with_a_prior_are_those_of_the_twin(temperature, parameters, space):
    zsl = fitted(prior="cosine", temperature=temperature, space=space, **parameters)
    labels = UNSEEN if space == "zsl" else TABLE.labels
    scale = zsl._model.scale
    plain = cosines(ALL_X, TABLE.select(labels).vectors)
    divisor = scale.temperature if temperature == "auto" else 0.3
    assert zsl.temperature_ == divisor
    expected = (plain + scale.learnt * rule_cosines(zsl, ALL_X, labels)) / divisor
    agree(zsl.decision_function(ALL_X), expected, 3e-4)
    agree(zsl.predict_proba(ALL_X), softmax(expected, axis=1), 3e-4)


@pytest.mark.parametrize("max_epochs", [2, 20])  # of V, which is behind the rule after two
@pytest.mark.parametrize("prior", ["cosine", None])
def test_shares_and_temperatures_are_counted_in_deviations(monkeypatch, prior, max_epochs):
    plain = cosines(X, TABLE.select(SEEN).vectors).std()
    spread = plain if prior else None
    chosen = Choice(
        spread, share=2.0 if prior else 1.0, temperature=0.3, means_share=0.5, seen_temperature=0.7
    )
    monkeypatch.setattr(_claster, "choose", lambda *_: chosen)
    zsl = fitted(prior=prior, n_neighbors=3, max_epochs=max_epochs)
    scale, twin = zsl._model.scale, Twin(zsl, X, Y, TABLE)
    of_rule = np.std(twin.cosines(X, SEEN), ddof=1)
    assert scale.prior == (prior is not None)
    assert scale.learnt == pytest.approx(2.0 * plain / of_rule if prior else 1.0, rel=1e-3)
    unit = plain if prior else held_out.temperature_unit(twin.cosines(X, SEEN), Y)
    assert scale.temperature == pytest.approx(0.3 * unit, rel=1e-3)
    assert (scale.network > 0.0) == (max_epochs == 20)
    seen = twin.seen_cosines(X, means_share=0.5)
    assert scale.seen_temperature == pytest.approx(0.7 * np.std(seen, ddof=1), rel=1e-3)
    zsl.set_params(space="seen")
    agree(zsl.decision_function(X), seen / scale.seen_temperature, 1e-3)


def test_a_rule_that_learns_more_is_surer():
    rng, y = np.random.default_rng(0), np.arange(200) % 10
    noise, own = rng.normal(size=(200, 10)), np.arange(10) == y[:, None]
    units = []
    for lead in (-1.0, 0.0, 2.0, 4.0):
        cosines = noise + lead * own
        over = np.mean([row[c] - cosines.mean() for row, c in zip(cosines, y, strict=True)])
        d = cosines.std()
        units.append(held_out.temperature_unit(cosines, y) / d)
        assert units[-1] == pytest.approx(np.sqrt(d / over) if over > d else 1.0)
        shifted = held_out.temperature_unit(3.0 * cosines + 1.0, y)
        assert shifted == pytest.approx(3.0 * units[-1] * d)
    assert units[0] == units[1] == 1.0 > units[2] > units[3]
    assert held_out.temperature_unit(np.ones((200, 10)), y) == 1.0


def test_the_plain_cosine_is_of_samples_less_most_of_their_mean():
    offset = 3.0 * np.random.default_rng(0).normal(size=X.shape[1])
    zsl = rescaled(make(prior="cosine", space="zsl").fit(X + offset, Y, TABLE), learnt=0.0)
    means = [(X[c == Y] + offset).mean(axis=0) for c in SEEN]
    m = np.mean(means, axis=0)
    e = sum((own - m) @ (own - m) for own in means) / (len(SEEN) * (len(SEEN) - 1))
    share = 1.0 - 2.0 * e / (m @ m)
    assert 0.5 < share < 1.0
    center = share * (X + offset).mean(axis=0)
    expected = cosines(ALL_X + offset - center, TABLE.select(UNSEEN).vectors)
    agree(zsl.decision_function(ALL_X + offset) * zsl.temperature_, expected, 1e-5)


def test_shares_are_chosen_by_cosines_less_most_of_the_mean():
    """Of all samples for the spread, and in a fold of those of its own classes."""
    rows = X + 3.0 * np.random.default_rng(0).normal(size=X.shape[1])
    vectors, n_features = TABLE.select(SEEN).vectors, X.shape[1]

    def centred(some, inside, codes):
        return some - common_share(inside, codes) * inside.mean(axis=0)

    spread = cosines(centred(rows, rows, Y), vectors).std()
    choice = held_out.choose(rows, Y, vectors, None, True, True, CPU)
    assert choice.plain_spread == pytest.approx(spread, rel=1e-4)
    assert choice.centring == common_share(rows, Y) > 0.5
    folds = held_out._folds(rows, Y, vectors, None, True, True, CPU, n_features)
    parts = np.array_split(np.random.RandomState(0).permutation(12), 3)
    for (plain, *_), out in zip(folds, map(np.sort, parts), strict=True):
        kept, outside = np.setdiff1d(np.arange(12), out), np.isin(Y, out)
        inside = rows[~outside], np.searchsorted(kept, Y[~outside])
        own = cosines(centred(inside[0], *inside), vectors[kept]).std()
        expected = cosines(centred(rows[outside], *inside), vectors[out]) / own
        assert_allclose(plain, expected, rtol=1e-3, atol=1e-4)


def test_of_a_mean_that_may_be_an_accident_nothing_is_shared():
    y = np.repeat(np.arange(2), 3)
    alike = np.tile([1.0, 2.0], (6, 1))
    assert common_share(alike, y) == 1.0
    assert common_share(np.eye(2)[y], y) == 0.0  # |m|^2 = e = 1/2
    assert np.isfinite(common_share(np.zeros((6, 2)), y))


def test_a_common_offset_of_the_samples_does_not_favour_candidates():
    """As between images and texts: some candidates lie in the direction of the offset."""
    rng = np.random.default_rng(0)
    means, y = rng.normal(size=(40, 64)), np.repeat(np.arange(40), 8)
    rows = means[y] + 2.0 * rng.normal(size=(len(y), 64)) + 3.0 * rng.normal(size=64)
    table, unseen = ClassEmbeddings(np.arange(40), means), np.arange(20, 40)
    zsl = make(prior="cosine", space="zsl").fit(rows[y < 20], y[y < 20], table)
    cosine = CosineZSL.from_table(table.select(unseen))
    gain = zsl.score(rows[y >= 20], y[y >= 20]) - cosine.score(rows[y >= 20], y[y >= 20])
    assert gain > 0.15


def test_without_a_share_it_is_the_plain_cosine():
    zsl = rescaled(fitted(), learnt=0.0)
    plain = CosineZSL().fit(X, Y, TABLE)
    assert_array_equal(zsl.predict(ALL_X), plain.predict(ALL_X))
    expected = cosines(ALL_X, TABLE.select(UNSEEN).vectors)
    agree(zsl.decision_function(ALL_X) * zsl.temperature_, expected, 1e-5)
    zsl.set_params(space="gzsl"), plain.set_params(space="gzsl")
    assert_array_equal(zsl.predict(ALL_X), plain.predict(ALL_X))


def test_with_a_large_share_it_is_the_rule():
    zsl = rescaled(fitted(), learnt=1e6)
    expected = rule_cosines(zsl, NEW_X, UNSEEN)
    assert_array_equal(zsl.predict(NEW_X), UNSEEN[expected.argmax(axis=1)])


@pytest.mark.parametrize("inference", [rule for rule in TEST_RULES if rule != "combined"])
def test_a_prior_has_no_part_in_other_rules(inference):
    zsl = fitted().set_params(inference=inference)
    assert zsl.temperature_ == 0.1
    other = copy.copy(zsl).set_params(temperature=0.1)
    agree(zsl.decision_function(NEW_X), Twin(other, X, Y, TABLE).scores(NEW_X, UNSEEN), 3e-4)


@pytest.mark.parametrize("seed", range(5))
def test_with_a_prior_the_projection_departs_from_the_way_of_the_samples(seed):
    rng = np.random.default_rng(seed)
    a, start = rng.normal(size=(15, 6)), rng.normal(size=(6, 6))
    weights = rng.uniform(0.5, 1.5, size=15)
    weights /= weights.sum()
    means = 0.7 * a @ start.T + 0.2 * rng.normal(size=(15, 6))
    guess = a @ start.T
    scale = np.average((means * guess).sum(axis=1), weights=weights)
    scale /= np.average((guess**2).sum(axis=1), weights=weights)
    rest, _ = paper_twin.ridge(a, means - scale * guess, 15 * weights, largest=4)
    assert_allclose(linear_projection(a, means, weights, start), scale * start + rest, atol=1e-8)


@pytest.mark.parametrize("whiten", [True, False])
def test_the_shortcut_of_a_model_with_a_prior_starts_with_the_way_of_its_samples(whiten):
    zsl = fitted(prior="cosine", whiten=whiten)
    twin = Twin(zsl, X, Y, TABLE)
    x = twin.input(X)
    means = np.stack([x[label == Y].mean(axis=0) for label in SEEN])  # of eight samples each
    start = twin.whitening.T if whiten else np.eye(10)
    guess = twin.seen @ start.T
    scale = (means * guess).sum() / (guess**2).sum()
    rest, _ = paper_twin.ridge(twin.seen, means - scale * guess, np.ones(12), largest=4)
    assert scale > 0.1
    agree(weights(zsl)["projector.shortcut"], scale * start + rest, 1e-3)


def test_a_projection_that_starts_right_stays_and_one_that_starts_backwards_starts_anew():
    rng = np.random.default_rng(0)
    a, start, weights = rng.normal(size=(5, 8)), rng.normal(size=(8, 8)), np.full(5, 0.2)
    exact = 3.0 * a @ start.T
    assert_allclose(linear_projection(a, exact, weights, start), 3.0 * start, atol=1e-8)
    backwards = linear_projection(a, -exact, weights, start)
    anew, _ = paper_twin.ridge(a, -exact, np.ones(5), largest=4)
    assert_allclose(backwards, anew, atol=1e-8)


# ------------------------------------------------------------------ how well it does


@pytest.mark.usefixtures("full_training")
def test_it_is_never_behind_the_plain_cosine_and_names_all_classes_better():
    ahead = []
    for seed in range(5):
        rows, y, table = in_one_space(seed)
        unseen, test = y >= 20, np.arange(len(y)) % 4 == 0
        train, found = ~unseen & ~test, []
        for zsl in (ClasterZSL(device="cpu", random_state=0), CosineZSL()):
            zsl.fit(rows[train], y[train], table)
            alone = zsl.score(rows[unseen], y[unseen])
            zsl.set_params(space="gzsl")
            of_all = [zsl.score(rows[part], y[part]) for part in (~unseen & test, unseen)]
            found.append((alone, hmean(of_all)))
        ahead.append(np.subtract(*found))
        assert ahead[-1][0] >= 0.0
    assert np.mean(ahead, axis=0)[1] > 0.05


# ------------------------------------------------------------------ temperature


@pytest.mark.parametrize("prior", ["cosine", None])
def test_a_temperature_by_hand_is_used_as_it_is(prior):
    for space in ("zsl", "gzsl", "seen"):
        scores = {}
        for temperature in (0.1, 0.4):
            zsl = fitted(prior=prior, space=space, inference="combined", temperature=temperature)
            assert zsl.temperature_ == temperature
            scores[temperature] = zsl.set_params(temperature=0.1).decision_function(ALL_X)
            assert zsl.temperature_ == 0.1
            again = zsl.set_params(temperature=0.2).decision_function(ALL_X)
            agree(scores[temperature], 2.0 * again, 1e-5)
        assert not np.array_equal(scores[0.1], scores[0.4])  # V is trained with it


@pytest.mark.parametrize("prior", ["cosine", None])
def test_a_temperature_set_after_fit_counts_without_a_gate(prior):
    zsl = fitted(prior=prior, space="gzsl")
    scores, chosen = zsl.decision_function(ALL_X), zsl.temperature_
    assert chosen == zsl._model.scale.temperature
    by_hand = zsl.set_params(temperature=2.0 * chosen).decision_function(ALL_X)
    agree(by_hand, scores / 2.0, 1e-6)
    assert_array_equal(zsl.set_params(temperature="auto").decision_function(ALL_X), scores)


def test_with_a_gate_a_temperature_set_after_fit_is_refused():
    zsl = fitted(space="gzsl", bias_detector=BiasDetector()).set_params(temperature=0.5)
    with pytest.raises(ValueError, match=r"gate was not fitted for temperature=0\.5"):
        zsl.predict(ALL_X)


@pytest.mark.usefixtures("full_training")
@pytest.mark.parametrize("problem", ["synthetic", "digit pairs", "one space"])
def test_the_chosen_temperature_is_likelier_than_a_tenth(problem):
    if problem == "one space":
        rows, y, table = in_one_space(0)
    else:
        data = (
            load_digit_pairs(random_state=0)
            if problem == "digit pairs"
            else make_zero_shot_classification(
                900, 32, n_seen=20, n_unseen=10, n_embedding_features=12, random_state=0
            )
        )
        rows, y, table = data.data, data.target, data.class_embeddings
    unseen = np.isin(y, table.labels[20:] if problem == "one space" else data.unseen_classes)
    zsl = ClasterZSL(device="cpu", random_state=0).fit(rows[~unseen], y[~unseen], table)
    chosen = log_loss(zsl, rows[unseen], y[unseen])
    predicted = zsl.predict(rows[unseen])
    assert chosen < log_loss(zsl.set_params(temperature=0.1), rows[unseen], y[unseen])
    assert_array_equal(zsl.predict(rows[unseen]), predicted)


def flat(scale):
    chosen = {f"chosen {name}": value for name, value in vars(scale.choice).items()}
    return {**vars(scale), **chosen, "choice": None}


@pytest.mark.parametrize("prior", ["cosine", None])
def test_another_form_of_the_data_is_chosen_for_alike(prior, tmp_path):
    wide = X.astype(np.float32)
    scale = flat(make(prior=prior).fit(wide.astype(np.float64), Y, TABLE)._model.scale)
    np.save(tmp_path / "X.npy", wide)
    stored = np.load(tmp_path / "X.npy", mmap_mode="r")
    for rows in (wide, wide.tolist(), np.asfortranarray(wide), stored):
        found = flat(make(prior=prior).fit(rows, Y, TABLE)._model.scale)
        assert found.keys() == scale.keys()
        for name, value in scale.items():
            assert_allclose(found[name] or 0, value or 0, rtol=1e-4, atol=1e-5)


def test_of_a_large_array_on_disk_as_many_samples_choose_as_are_read_at_once(tmp_path, monkeypatch):
    wide, told = X.astype(np.float32), []
    np.save(tmp_path / "X.npy", wide)
    stored = np.load(tmp_path / "X.npy", mmap_mode="r")
    choose = _claster.choose
    monkeypatch.setattr(_claster, "choose", lambda *given: told.append(given) or choose(*given))
    monkeypatch.setattr(on_disk_module, "READ_WHOLE_BYTES", wide.nbytes * 3 // 4)
    zsl = make().fit(stored, Y, TABLE, groups=np.arange(len(Y)))
    ((rows, codes, vectors, groups, *_),) = told
    assert len(rows) == len(codes) == 72  # of 96
    assert_array_equal(rows, wide[groups])
    assert_array_equal(codes, Y[groups])
    assert_array_equal(vectors, TABLE.select(SEEN).vectors)
    assert zsl.prior_ == "cosine"


# ------------------------------------------------------------------ everywhere else


@pytest.fixture(scope="module")
def with_prior():
    return fitted(space="gzsl")


def test_a_clone_has_no_prior_until_it_is_fitted(with_prior):
    copied = clone(with_prior)
    assert not hasattr(copied, "classes_")
    assert copied.prior == "auto" and copied.temperature == "auto"
    assert identical(copied.fit(X, Y, TABLE), with_prior, ALL_X)


def test_pickles_and_model_files_score_the_same(with_prior, tmp_path):
    pytest.importorskip("skops", reason="model files need skops")
    save_model(with_prior, tmp_path / "model.skops")
    for again in (pickle.loads(pickle.dumps(with_prior)), load_model(tmp_path / "model.skops")):
        assert (again.prior_, again.temperature_) == ("cosine", with_prior.temperature_)
        for space in ("gzsl", "zsl", "seen"):
            ours, theirs = copy.copy(with_prior), copy.copy(again)
            ours.set_params(space=space), theirs.set_params(space=space)
            assert_array_equal(ours.predict_proba(ALL_X), theirs.predict_proba(ALL_X))


@pytest.mark.parametrize("space", ["zsl", "gzsl", "seen"])
@pytest.mark.parametrize("temperature", ["auto", 0.3])
def test_the_graph_scores_the_same(with_prior, space, temperature, tmp_path):
    pytest.importorskip("onnx", reason="the export needs onnx")
    runtime = pytest.importorskip("onnxruntime", reason="running a graph needs onnxruntime")
    zsl = copy.copy(with_prior).set_params(space=space, temperature=temperature)
    to_onnx(zsl, tmp_path / "model.onnx")
    session = runtime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    labels, vectors = zsl.candidates()
    rows = np.vstack([ALL_X, 1e15 * ALL_X[:3], 1e-15 * ALL_X[:3]]).astype(np.float32)
    feed = {"X": rows}
    if space != "seen":
        feed["class_embeddings"] = vectors.astype(np.float32)
    if space == "gzsl":
        feed["is_seen"] = labels < 12
    scores = session.run(["scores"], feed)[0]
    assert_allclose(scores, zsl.decision_function(rows), rtol=1e-4, atol=1e-3)


def test_the_graph_takes_samples_less_most_of_their_mean(tmp_path):
    pytest.importorskip("onnx", reason="the export needs onnx")
    runtime = pytest.importorskip("onnxruntime", reason="running a graph needs onnxruntime")
    offset = 3.0 * np.random.default_rng(0).normal(size=X.shape[1])
    zsl = make(prior="cosine", space="zsl").fit(X + offset, Y, TABLE)
    assert zsl._model.scale.choice.centring > 0.5
    to_onnx(zsl, tmp_path / "model.onnx")
    session = runtime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    rows = (ALL_X + offset).astype(np.float32)
    vectors = zsl.candidates()[1].astype(np.float32)
    scores = session.run(["scores"], {"X": rows, "class_embeddings": vectors})[0]
    assert_allclose(scores, zsl.decision_function(rows), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "parameters",
    [
        {"early_stopping": True, "max_epochs": 3},
        {"centroids": None},
        {"centroids": "gradient", "fusion": None},
        {"precision": "bfloat16"},
        {"space": "gzsl", "bias_detector": "stacking"},
        {"space": "gzsl", "bias_detector": BiasDetector("energy"), "gate": "soft"},
    ],
    ids=str,
)
def test_the_rest_of_the_method_goes_with_a_prior(parameters):
    zsl = fitted(**parameters)
    assert zsl.prior_ == "cosine"
    proba = zsl.predict_proba(ALL_X)
    assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-3)
    zsl.set_params(space="zsl", bias_detector=None)
    assert zsl.score(NEW_X, NEW_Y) > 0.3
    assert np.isfinite(zsl.transform(ALL_X)).all()


def test_other_candidates_have_plain_cosines_of_their_own(with_prior):
    zsl = copy.copy(with_prior).set_params(space="zsl")
    new = ClassEmbeddings([100, 101, 102], TABLE.vectors[[15, 13, 14]])
    expected = zsl.decision_function(NEW_X)[:, [3, 1, 2]]
    agree(zsl.decision_function(NEW_X, unseen_embeddings=new), expected, 1e-5)


# ------------------------------------------------------------------ seen classes


def best_of_logistic_regressions(X, y, test):
    models = (
        make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=300))
        for C in (0.01, 0.1, 1.0)
    )
    return max(
        mean_per_class_accuracy(y[test], model.fit(X[~test], y[~test]).predict(X[test]))
        for model in models
    )


def seen_accuracy(X, y, table, test, **parameters):
    zsl = ClasterZSL(space="seen", device="cpu", random_state=0, **parameters)
    zsl.fit(X[~test], y[~test], table)
    return mean_per_class_accuracy(y[test], zsl.predict(X[test]))


@pytest.mark.usefixtures("full_training")
@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_seen_classes_are_named_as_well_as_by_logistic_regression():
    data = load_digit_pairs(random_state=0)
    seen = np.isin(data.target, data.seen_classes)
    X, y = data.data[seen], data.target[seen]
    test = np.arange(len(y)) % 4 == 0
    found = seen_accuracy(X, y, data.class_embeddings, test)
    assert found > best_of_logistic_regressions(X, y, test) - 0.02


@pytest.mark.usefixtures("full_training")
@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize("name", ["snu_b36ex", "ucf101_minilm"])
def test_real_seen_classes_are_named_as_well_as_by_logistic_regression(claster_data, name):
    data = np.load(claster_data / f"{name}.npz")
    if name == "snu_b36ex":
        table, part = data["attributes"], np.r_[data["trainval_idx"], data["test_seen_idx"]]
        test = np.isin(part, data["test_seen_idx"])
    else:  # a video's recording is in its name
        table, part = data["minilm_description"], np.isin(data["y"], data["split_train"][0])
        recordings = (re.search(r"_g(\d+)_", video)[1] for video in data["video"][part])
        test = np.array([int(recording) % 4 == 0 for recording in recordings])
    X, y = data["X"][part].astype(np.float32), data["y"][part]
    found = seen_accuracy(X, y, dict(enumerate(table.astype(float))), test)
    assert found > best_of_logistic_regressions(X, y, test) - 0.02


def test_the_expert_for_seen_classes_has_no_part_of_the_prior_and_a_gate_asks_it_too():
    zsl = fitted(space="seen")
    scores = zsl.decision_function(X)
    assert_array_equal(rescaled(zsl, learnt=5.0, temperature=9.0).decision_function(X), scores)
    gated = fitted(space="gzsl", bias_detector="stacking")
    raw, answers = gated._experts()._raw_scores(X)
    assert_allclose(answers[:, :12], scores, rtol=1e-5)
    assert_array_equal(answers[:, 12:], raw[:, 12:])
    assert_array_equal(gated.explain_gate(X).seen_class, scores.argmax(axis=1))


def test_a_network_that_is_as_good_as_the_rule_joins_it():
    """Without semantics it is the rule."""
    zsl = fitted(fusion=None, prior=None, temperature=0.1, space="seen")
    assert zsl._model.scale.network == pytest.approx(1.0)
    agree(zsl.decision_function(X), Twin(zsl, X, Y, TABLE).scores(X, SEEN), 3e-4)


def test_without_a_table_the_expert_for_seen_classes_answers_in_every_space():
    one_hot = ClassEmbeddings(np.arange(12), np.eye(12))
    for temperature in ("auto", 0.1):
        zsl = make(temperature=temperature).fit(X, Y)
        other = make(temperature=temperature, space="seen").fit(X, Y, one_hot)
        assert zsl.temperature_ == other.temperature_
        assert_array_equal(zsl.decision_function(X), other.decision_function(X))
    agree(zsl.decision_function(X), Twin(zsl, X, Y, one_hot).seen_cosines(X) / 0.1, 3e-4)


@pytest.mark.filterwarnings("ignore:.*has one feature")
def test_plain_cosines_that_are_all_one_leave_all_to_what_is_learnt():
    """One positive feature: nothing divides by their deviation, which is zero."""
    y = np.repeat(np.arange(8), 6)
    rows = (1.0 + y + 0.1 * np.random.default_rng(0).normal(size=48))[:, None]
    zsl = make(prior="cosine", space="gzsl").fit(rows, y, {c: [1.0 + c] for c in range(10)})
    assert zsl.temperature_ > 0.0 and np.isfinite(zsl._model.scale.learnt)
    assert_allclose(zsl.predict_proba(rows).sum(axis=1), 1.0, rtol=1e-5)


def test_of_equally_likely_temperatures_the_least_sure_is_taken():
    curve = np.full(len(held_out.TEMPERATURES), -2.0)
    curve[3], curve[7], curve[9] = -1.0, -1.0 - 0.09 / 50, -1.0 - 0.11 / 50
    assert held_out._likeliest(curve, 50) == 7
    assert held_out._likeliest(curve, 10**6) == 3


def test_a_few_samples_of_each_class_choose(monkeypatch):
    counts = []

    def choose(X, y, *others):
        counts.append(np.bincount(y))
        return held_out.choose(X, y, *others)

    monkeypatch.setattr(sklearn_claster._claster, "choose", choose)
    X = np.random.default_rng(0).normal(size=(180, 5))
    y = np.repeat([0, 1, 2, 3], [100, 50, 20, 10])
    ClasterZSL(hidden_layer_sizes=(4,), max_epochs=1).fit(X, y, dict(enumerate(np.eye(4))))
    assert counts[0].tolist() == [32, 32, 20, 10]
