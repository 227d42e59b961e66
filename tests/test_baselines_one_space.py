"""CosineZSL, IdentityRidge, GDA and RLA against loops and closed forms."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_claster import ClassEmbeddings
from sklearn_claster.baselines import GDA, RLA, CosineZSL, IdentityRidge
from sklearn_claster.baselines._shared_space import choose_on_held_out_classes
from sklearn_claster.persistence import load_model, model_card, save_model

BASELINES = [CosineZSL(), IdentityRidge(), GDA(), RLA(n_steps=20)]
every_baseline = pytest.mark.parametrize("baseline", BASELINES, ids=lambda b: type(b).__name__)


def make_data(n=60, f=8, n_classes=6, n_unseen=3, noise=0.4, turn=0.0, seed=0):
    """Samples around class vectors, which a map away from the identity may have turned."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n_classes + n_unseen, f))
    mapping = np.eye(f) + turn * rng.normal(size=(f, f)) / np.sqrt(f)
    y = np.r_[np.arange(n_classes), rng.integers(n_classes, size=n - n_classes)]
    X = vectors[y] @ mapping + noise * rng.normal(size=(n, f))
    new_y = np.repeat(np.arange(n_classes, n_classes + n_unseen), 20)
    new_X = vectors[new_y] @ mapping + noise * rng.normal(size=(len(new_y), f))
    return X, y, dict(enumerate(vectors)), new_X, new_y


def unit(rows):
    return np.array([row / np.sqrt(sum(v * v for v in row)) for row in rows])


def cosines(rows, vectors):
    return np.array([[row @ v / np.sqrt((row @ row) * (v @ v)) for v in vectors] for row in rows])


UNSEEN = [6, 7, 8]


# the plain cosine


@pytest.mark.parametrize("space", ["zsl", "gzsl", "seen"])
@pytest.mark.parametrize("temperature", [0.01, 0.2])
def test_the_plain_cosine(space, temperature):
    X, y, table, new_X, _ = make_data()
    model = CosineZSL(temperature=temperature, space=space).fit(X, y, table)
    names = {"zsl": UNSEEN, "gzsl": range(9), "seen": range(6)}[space]
    expected = cosines(new_X, [table[name] for name in names])
    assert_allclose(model.decision_function(new_X), expected / temperature, atol=1e-10)
    assert_array_equal(model.predict(new_X), np.array(names)[expected.argmax(axis=1)])


def test_the_temperature_makes_the_labels_of_seen_samples_likeliest():
    X, y, table, *_ = make_data(noise=1.5)
    model = CosineZSL(space="seen").fit(X, y, table)

    def loss(temperature):
        z = cosines(X, [table[c] for c in range(6)]) / temperature
        return np.mean([np.log(np.exp(row).sum()) - row[c] for row, c in zip(z, y, strict=True)])

    best = model.temperature_
    assert 0.01 < best < 1.0
    assert loss(best) < min(loss(0.98 * best), loss(1.02 * best))
    assert model.set_params(temperature=0.5)._temperature() == 0.5
    easy = make_data(noise=0.01)
    assert CosineZSL().fit(*easy[:3]).temperature_ == pytest.approx(0.01, rel=1e-3)


@every_baseline
def test_without_a_table_mean_unit_samples_stand_for_class_vectors(baseline):
    X, y, _, *_ = make_data()
    model = baseline.fit(X, y)
    means = np.array([unit(X)[y == c].mean(axis=0) for c in range(6)])
    assert_allclose(model.class_means_, means, rtol=1e-10)
    assert model.score(X, y) > 0.9
    if isinstance(baseline, CosineZSL):
        assert_array_equal(model.predict(X), cosines(X, means).argmax(axis=1))


@every_baseline
def test_features_and_class_vectors_have_to_be_of_one_width(baseline):
    X, y, table, *_ = make_data()
    short = {label: vector[:5] for label, vector in table.items()}
    message = "one space: expected class vectors of 8 features.*got 5. Embed both.*ClasterZSL"
    with pytest.raises(ValueError, match=message):
        baseline.fit(X, y, short)


# ridge towards the identity


@pytest.mark.parametrize("lam", [1e-3, 0.1, 10.0])
@pytest.mark.parametrize("f", [8, 80])
def test_the_ridge_is_the_closed_form(lam, f):
    X, y, table, new_X, _ = make_data(f=f, turn=0.5)
    model = IdentityRidge(lam, temperature=1.0).fit(X, y, table)
    x, t, identity = unit(X), unit([table[c] for c in y]), np.eye(f)
    left = np.linalg.inv(x.T @ x / len(x) + lam * identity)
    W = left @ (x.T @ t / len(x) + lam * identity)
    assert_allclose(model.coef_.T, W, rtol=1e-8, atol=1e-9)
    expected = cosines(unit(new_X) @ W, [table[c] for c in UNSEEN])
    assert_allclose(model.decision_function(new_X), expected, atol=1e-8)


@pytest.mark.parametrize("lam", [1e12, np.float64(1e300)])
def test_a_heavy_ridge_is_the_plain_cosine(lam):
    X, y, table, new_X, _ = make_data(turn=0.5)
    cosine = CosineZSL().fit(X, y, table).decision_function(new_X)
    assert_allclose(IdentityRidge(lam).fit(X, y, table).decision_function(new_X), cosine, rtol=1e-8)


def test_the_ridge_leaves_the_cosine_where_seen_classes_say_so():
    plain, turned = (make_data(240, n_classes=12, turn=turn, noise=0.2) for turn in (0.0, 2.0))
    assert IdentityRidge().fit(*plain[:3]).lam_ == np.inf
    model = IdentityRidge().fit(*turned[:3])
    assert model.lam_ < 10.0
    few = turned[1] < 3
    assert IdentityRidge().fit(turned[0][few], turned[1][few], turned[2]).lam_ == np.inf


def test_a_value_is_chosen_by_classes_that_take_no_part_in_its_training():
    x, y = np.eye(6)[np.arange(24) % 6], np.arange(24) % 6
    asked = []

    def trial(x, y, t, new_t, new_x):
        assert not set(map(tuple, t)) & set(map(tuple, new_t))
        assert set(map(tuple, new_x)) == set(map(tuple, new_t))
        assert_array_equal(x, t[y])
        asked.append(len(new_t))
        right = new_x @ new_t.T
        return [-right, right, right]

    chosen = choose_on_held_out_classes(x, y, np.eye(6), None, (7.0, 8.0, 9.0), trial)
    assert (chosen, sum(asked), len(asked)) == (8.0, 6, 3)
    one_video = np.arange(24) // 6  # in each a sample of every class
    assert choose_on_held_out_classes(x, y, np.eye(6), one_video, (7.0, 8.0), trial) == 7.0


def test_a_lead_within_a_standard_error_is_none():
    x, y = np.eye(20)[np.arange(40) % 20], np.arange(40) % 20

    def trial(x, y, t, new_t, new_x):
        right = new_x @ new_t.T
        first, second = (
            right * np.where(new_t[:, wrong].any(axis=1), -1.0, 1.0) for wrong in ([0, 1], [2])
        )
        return [first, second]

    assert choose_on_held_out_classes(x, y, np.eye(20), None, (7.0, 8.0), trial) == 7.0


# Gaussian discriminant analysis


def gda_twin(X, y, table, new_X, names, alpha, k, temperature):
    """As in the published code, with loops and full inverses."""
    x, f = unit(X), X.shape[1]
    scores = cosines(new_X, [table[name] for name in names]) / temperature
    rows = unit(new_X)
    seen = sorted(set(y))
    covariance = np.mean([np.cov(x[y == c].T) for c in seen], axis=0)
    P_seen = np.linalg.pinv(covariance, rcond=1e-6)
    borrowed, precisions = {}, []
    for name in set(names) - set(seen):
        t = unit([table[name]])[0]
        nearest = x[np.argsort(-(x @ t))[:k]]
        C = (nearest - t).T @ (nearest - t) / (k - 1)
        precisions.append(f * np.linalg.inv((k - 1) * C + np.trace(C) * np.eye(f)))
        borrowed[name] = np.r_[nearest, np.tile(t, (16, 1))].mean(axis=0)
    for column, name in enumerate(names):
        is_seen = name in seen
        mu = x[y == name].mean(axis=0) if is_seen else borrowed[name]
        P = P_seen if is_seen else np.mean(precisions, axis=0)
        gaussian = rows @ P @ mu - mu @ P @ mu / 2
        scores[:, column] += alpha * gaussian * 0.01 / temperature
    return scores


@pytest.mark.parametrize(("space", "names"), [("zsl", UNSEEN), ("gzsl", range(9))])
@pytest.mark.parametrize("k", [5, 20])
def test_gda_is_a_loop_over_classes(space, names, k):
    X, y, table, new_X, _ = make_data(120)
    model = GDA(0.3, n_neighbors=k, temperature=0.1, space=space).fit(X, y, table)
    expected = gda_twin(X, y, table, new_X, list(names), 0.3, k, 0.1)
    assert_allclose(model.decision_function(new_X), expected, rtol=1e-7, atol=1e-8)


def test_gda_without_weight_is_the_plain_cosine():
    X, y, table, new_X, _ = make_data()
    model = GDA(0.0, space="gzsl").fit(X, y, table)
    cosine = CosineZSL(space="gzsl").fit(X, y, table)
    assert_array_equal(model.decision_function(new_X), cosine.decision_function(new_X))


def test_gda_borrows_all_samples_if_there_are_few():
    X, y, table, new_X, _ = make_data(20)
    expected = gda_twin(X, y, table, new_X, UNSEEN, 0.3, 20, 0.1)
    model = GDA(0.3, temperature=0.1).fit(X, y, table)
    assert_allclose(model.decision_function(new_X), expected, rtol=1e-7, atol=1e-8)


def test_gda_with_one_sample_per_class_has_no_covariance():
    X, y, table, new_X, _ = make_data(6)
    model = GDA(1.0, space="seen").fit(X, y, table)
    assert_array_equal(model.precision_, 0.0)
    cosine = CosineZSL(space="seen").fit(X, y, table)
    assert_allclose(model.decision_function(new_X), cosine.decision_function(new_X))


# the regularised linear adapter


def rla_twin(X, y, table, lam, rate, n_steps, temperature):
    """W by Adam with a hand-made gradient of the stated objective."""
    x, t = unit(X), unit([table[c] for c in sorted(set(y))])
    Y = np.eye(len(t))[y]
    W, mean, square = np.eye(X.shape[1]), 0.0, 0.0
    for step in range(n_steps):
        z = x @ W
        length = np.linalg.norm(z, axis=1, keepdims=True)
        u = z / length
        p = np.exp(u @ t.T / temperature)
        p /= p.sum(axis=1, keepdims=True)
        du = (p - Y) @ t / temperature / len(x)
        dz = (du - u * np.sum(u * du, axis=1, keepdims=True)) / length
        gradient = x.T @ dz + 2.0 * lam * (W - np.eye(len(W)))
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        corrected = mean / (1 - 0.9 ** (step + 1)), square / (1 - 0.999 ** (step + 1))
        falling = rate * (1 + np.cos(np.pi * step / n_steps)) / 2
        W = W - falling * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)
    return W, np.abs(gradient).max()


@pytest.mark.parametrize("lam", [0.01, 1.0, "auto"])
def test_rla_is_adam_on_the_stated_objective(lam):
    X, y, table, new_X, _ = make_data(noise=1.0)
    model = RLA(lam, n_steps=25, learning_rate=0.01, temperature=0.2).fit(X, y, table)
    assert model.lam_ == (0.1 if lam == "auto" else lam)  # 60 samples of 6 classes
    W, _ = rla_twin(X, y, table, model.lam_, 0.01, 25, 0.2)
    assert_allclose(model.coef_.T, W, atol=2e-4)
    for share in (1.0, 0.3):
        blend = (1 - share) * np.eye(8) + share * model.coef_.T
        expected = cosines(unit(new_X) @ blend, [table[c] for c in UNSEEN]) / 0.2
        model.set_params(learnt_share=share)
        assert_allclose(model.decision_function(new_X), expected, atol=1e-8)


def test_rla_reaches_the_minimum():
    X, y, table, *_ = make_data(noise=1.0)
    model = RLA(0.1, n_steps=1500, learning_rate=0.02, temperature=0.2).fit(X, y, table)
    W, gradient = rla_twin(X, y, table, 0.1, 0.02, 1500, 0.2)
    assert gradient < 1e-4
    assert_allclose(model.coef_.T, W, atol=1e-3)


@pytest.mark.parametrize("parameters", [{"lam": 1e6, "learning_rate": 1e-6}, {"learnt_share": 0}])
def test_rla_without_freedom_is_the_plain_cosine(parameters):
    X, y, table, new_X, _ = make_data(noise=1.0)
    model = RLA(**parameters).fit(X, y, table)
    cosine = CosineZSL().fit(X, y, table).decision_function(new_X)
    assert_allclose(model.decision_function(new_X), cosine, atol=1e-4)


# no labelled sample


def test_a_table_alone_makes_a_classifier():
    _, _, table, new_X, new_y = make_data()
    model = CosineZSL.from_table(ClassEmbeddings(list(table), list(table.values())))
    expected = cosines(new_X, list(table.values()))
    assert_array_equal(model.predict(new_X), expected.argmax(axis=1))
    assert_allclose(model.decision_function(new_X), expected / 0.01, atol=1e-9)
    assert_allclose(model.predict_proba(new_X).sum(axis=1), 1.0)
    assert model.score(new_X, new_y) == np.mean(expected.argmax(axis=1) == new_y)
    assert_array_equal(model.candidates()[0], range(9))
    assert (len(model.classes_), model.unseen_classes_.tolist()) == (0, list(range(9)))


@pytest.mark.parametrize("space", ["zsl", "gzsl"])
def test_its_candidates_are_those_of_any_table(space):
    _, _, table, new_X, _ = make_data()
    model = CosineZSL.from_table(table).set_params(space=space)
    other = {"a": table[7], "b": table[8]}
    expected = np.array(["a", "b"])[cosines(new_X, list(other.values())).argmax(axis=1)]
    assert_array_equal(model.predict(new_X, unseen_embeddings=other), expected)
    assert_array_equal(model.candidates()[0], range(9))
    assert model.set_candidates(other) is model
    assert_array_equal(model.predict(new_X), expected)
    assert (model.candidates()[0].tolist(), model.unseen_classes_.tolist()) == (["a", "b"],) * 2


def test_its_state_is_that_of_any_fitted_model(tmp_path):
    X, y, table, new_X, _ = make_data()
    model = CosineZSL.from_table(table, temperature=0.1)
    assert (model.temperature, model.n_features_in_, model.gate_threshold_) == (0.1, 8, None)
    with pytest.raises(NotFittedError):
        clone(model).predict(new_X)
    expected = model.predict_proba(new_X)
    save_model(model, tmp_path / "model.skops")
    for other in (pickle.loads(pickle.dumps(model)), load_model(tmp_path / "model.skops")):
        assert_array_equal(other.predict_proba(new_X), expected)
        assert len(other.classes_) == 0
    assert "| seen classes | 0: " in " ".join(model_card(model).render().split())
    assert "CosineZSL" in repr(model) and "CosineZSL" in model._repr_html_()
    fitted = CosineZSL(temperature=0.1).fit(X, y, table)
    assert_array_equal(model.fit(X, y, table).predict_proba(new_X), fitted.predict_proba(new_X))
    assert model.classes_.tolist() == list(range(6))


def test_what_a_table_alone_cannot_do_is_refused():
    _, _, table, new_X, _ = make_data()
    model = CosineZSL.from_table(table)
    with pytest.raises(ValueError, match=r"no seen class.*space='seen'.*from_table.*call fit"):
        model.set_params(space="seen").predict(new_X)
    model.set_params(space="gzsl", bias_detector="stacking")
    with pytest.raises(ValueError, match="gate was not fitted"):
        model.predict(new_X)
    with pytest.raises(ValueError, match="X has 5 features, but CosineZSL is expecting 8"):
        CosineZSL.from_table(table).predict(new_X[:, :5])
    with pytest.raises(TypeError, match="temperature='warm'"):
        CosineZSL.from_table(table, temperature="warm")
    with pytest.raises(TypeError, match="table has to say which vector belongs to which class"):
        CosineZSL.from_table(np.eye(3))
    with pytest.warns(UserWarning, match="equal vectors in table"):
        CosineZSL.from_table({"a": [1.0, 2.0], "b": [1.0, 2.0], "c": [0.0, 1.0]})


def test_a_table_alone_names_videos_by_their_captions(claster_data):
    """Chance is 1 in 101."""
    data = np.load(claster_data / "ucf101_minilm.npz")
    model = CosineZSL.from_table((data["class_names"], data["minilm_description"]))
    assert model.score(data["X"], data["class_names"][data["y"]]) > 0.3
