"""Unlabelled samples: what `adapt` learns, when it says nothing, and what is kept of it."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from sklearn_claster import BiasDetector, ClasterZSL, baselines
from sklearn_claster._adaptation import prototypes as module
from sklearn_claster._adaptation.labelled import Labelled, likeliest_temperature
from sklearn_claster._adaptation.prototypes import Learnt, Pool, learn
from sklearn_claster._core.networks import MLP
from sklearn_claster._data.unit_rows import directions
from sklearn_claster._utils.torch import seeded_generator
from sklearn_claster.baselines import ESZSL, FVAEGAN, CosineZSL, DeViSE
from sklearn_claster.baselines._adversarial import Adversary, Weights
from sklearn_claster.baselines._shared_space import SharedSpaceClassifier
from sklearn_claster.datasets import make_zero_shot_classification
from sklearn_claster.model_selection import Transductive, ZeroShotKFold

DATA = make_zero_shot_classification(
    900, 24, n_seen=12, n_unseen=5, n_embedding_features=6, class_sep=6.0, noise=1.5, random_state=0
)
SEEN = np.isin(DATA.target, DATA.seen_classes)
X, Y, TABLE = DATA.data[SEEN], DATA.target[SEEN], DATA.class_embeddings
POOL, TRUTH = DATA.data[~SEEN], DATA.target[~SEEN]
MEANS = np.array([DATA.data[DATA.target == label].mean(axis=0) for label in TABLE.labels])
SHARED = (TABLE.labels, MEANS)  # class vectors in the space of the samples
SMALL = {"n_clusters": 2, "max_epochs": 2, "hidden_layer_sizes": (16,)}
SMALL |= {"random_state": 0, "device": "cpu"}


def zsl(**parameters):
    return ClasterZSL(**{**SMALL, **parameters}).fit(X[::2], Y[::2], TABLE)


def gated(**parameters):
    return zsl(space="gzsl", bias_detector=BiasDetector(), **parameters)


ZSL = zsl()
GATED = gated()


def fresh(model=ZSL):
    return copy.deepcopy(model)


def made_up(n=40, f=6, n_candidates=4, n_seen=0, seed=0):
    """Rows, scores, logits of "seen", labelled samples and a prior."""
    random = np.random.default_rng(seed)
    x = directions(random.normal(size=(n, f)))
    scores = random.normal(size=(n, n_candidates)) * 0.1
    logits = random.normal(size=n) if n_seen else None
    sums = 30.0 * directions(random.normal(size=(max(n_seen, 2), f)))
    labelled = Labelled(np.zeros(f), sums, np.full(len(sums), 30), 0.1, 0.2)
    return x, scores, logits, labelled, directions(random.normal(size=(n_candidates - n_seen, f)))


def twin(x, scores, labelled, prior, n_iter):
    """The equations of docs/unlabelled_samples.md without seen classes, sample by sample."""
    C = len(prior)

    def spread(s):
        return np.sqrt(np.mean([(row - row.mean()) ** 2 for row in s]))

    tau_s = 0.7 * labelled.score_temperature * spread(scores) / spread(x @ prior.T)
    p, beta, doubt = prior, 0.0, None
    for _ in range(n_iter):
        q, w = [], []
        for row, s in zip(x, scores, strict=True):
            z = np.array([s[c] / tau_s + beta * (row @ p[c]) for c in range(C)])
            e = np.exp(z - z.max())
            q.append(e / e.sum())
            w.append(q[-1] * q[-1].max() ** 2)
        if doubt is None:
            doubt = min(1.0, 5.0 * (1.0 - np.mean([row.max() for row in q])))
        new = []
        for c in range(C):
            total = 3.0 * prior[c]
            for row, weights in zip(x, w, strict=True):
                total = total + weights[c] * row
            new.append(total / np.linalg.norm(total))
        p, used = np.array(new), np.sum(w)
        beta = doubt * used / (used + 3.0 * C) / labelled.temperature
    return p, beta, np.sum(q, axis=0)


# the equations


@pytest.mark.parametrize("n_iter", [1, 2, 4])
def test_learn_agrees_with_its_naive_twin(n_iter, monkeypatch):
    monkeypatch.setattr(module, "MAX_ITER", n_iter)
    monkeypatch.setattr(module, "TOLERANCE", 0.0)
    x, scores, _, labelled, prior = made_up()
    found = learn([(x, scores, None)], labelled, prior, np.zeros(4, bool))
    p, beta, counts = twin(x, scores, labelled, prior, n_iter)
    np.testing.assert_allclose(found["prototypes"], p, atol=1e-6)
    np.testing.assert_allclose(found["weight"], beta)
    np.testing.assert_allclose(found["counts"], counts)


def test_scores_and_logits_of_what_was_learnt():
    x, scores, logits, labelled, prior = made_up(n_seen=2)
    is_seen = np.array([True, False, True, False])
    learnt = Learnt(
        np.arange(4), np.eye(4), is_seen, {},
        **learn([(x, scores, logits)], labelled, prior, is_seen),
    )  # fmt: skip
    adapted, new = learnt.adapted(x, scores, logits)
    pull = learnt.weight * x @ learnt.prototypes.T
    np.testing.assert_allclose(adapted, learnt.factor * (scores + pull / learnt.logit))
    lead = pull[:, [0, 2]].max(axis=1) - pull[:, [1, 3]].max(axis=1)
    np.testing.assert_allclose(new, logits + lead - learnt.offset)
    assert abs(np.sum(new >= 0.0) - np.sum(logits >= 0.0)) <= 1  # as many as the gate calls seen


def test_it_is_as_sure_as_before():
    x, scores, _, labelled, prior = made_up(n=3000)
    nobody = np.zeros(4, bool)
    found = learn([(x, scores, None)], labelled, prior, nobody)
    learnt = Learnt(np.arange(4), np.eye(4), nobody, {}, **found)
    before, after = (
        softmax(z, axis=1).max(axis=1).mean() for z in (scores, learnt.adapted(x, scores, None)[0])
    )
    assert found["weight"] > 0 and after == pytest.approx(before, rel=0.01)
    nothing = learn([(np.zeros_like(x), scores, None)], labelled, prior, nobody)
    assert nothing["factor"] == 1.0


def test_the_temperature_is_the_likeliest():
    random = np.random.default_rng(0)
    cosines = random.uniform(-1, 1, size=(4000, 5))
    y = np.array([random.choice(5, p=p) for p in softmax(cosines / 0.2, axis=1)])
    assert likeliest_temperature([(cosines, y)]) == pytest.approx(0.2, rel=0.1)


def test_a_sample_is_left_out_of_its_own_mean():
    kept = Labelled.of(
        lambda rows, mean: directions(rows), np.random.default_rng(0).normal(size=(60, 30)),
        np.arange(60) % 6, np.random.default_rng(1).normal(size=(6, 3)),
    )  # fmt: skip
    assert kept.temperature > 0.3  # pure noise: with its own share each would look certain


# invariances


def test_order_and_blocks_of_the_pool_do_not_matter():
    x, scores, logits, labelled, prior = made_up(n_seen=2)
    is_seen = np.array([True, True, False, False])
    found = learn([(x, scores, logits)], labelled, prior, is_seen)
    order = np.random.default_rng(1).permutation(len(x))
    parts = [(x[i], scores[i], logits[i]) for i in np.array_split(order, 7)]
    again = learn(parts, labelled, prior, is_seen)
    for name in ("prototypes", "weight", "offset", "counts"):
        np.testing.assert_allclose(found[name], again[name], atol=1e-6)


def test_permuted_candidates_are_permuted_prototypes():
    x, scores, _, labelled, prior = made_up()
    order, nobody = np.array([2, 0, 3, 1]), np.zeros(4, bool)
    found = learn([(x, scores, None)], labelled, prior, nobody)
    again = learn([(x, scores[:, order], None)], labelled, prior[order], nobody)
    np.testing.assert_allclose(found["prototypes"][order], again["prototypes"], atol=1e-6)


@pytest.mark.parametrize("factor", [0.01, 7.0])
def test_the_scale_of_scores_does_not_matter(factor):
    x, scores, _, labelled, prior = made_up()
    found = learn([(x, scores, None)], labelled, prior, np.zeros(4, bool))
    again = learn([(x, factor * scores, None)], labelled, prior, np.zeros(4, bool))
    np.testing.assert_allclose(found["prototypes"], again["prototypes"], atol=1e-6)
    np.testing.assert_allclose(found["logit"], factor * again["logit"])


def test_duplicates_count_as_often_as_they_come():
    x, scores, _, labelled, prior = made_up(8)
    twice = learn([(np.r_[x, x], np.r_[scores, scores], None)], labelled, prior, np.zeros(4, bool))
    blocks = [(x, scores, None), (x, scores, None)]
    again = learn(blocks, labelled, prior, np.zeros(4, bool))
    np.testing.assert_allclose(twice["prototypes"], again["prototypes"], atol=1e-6)


def test_afterwards_answers_do_not_depend_on_the_batch():
    model = fresh().adapt(POOL)
    alone = np.concatenate([model.decision_function(row[None]) for row in POOL[:20]])
    np.testing.assert_allclose(alone, model.decision_function(POOL)[:20], atol=1e-4)


# safety


def test_a_pool_that_says_nothing_changes_nothing():
    silent = np.repeat(X.mean(axis=0)[None], 50, axis=0)  # the centre: no direction at all
    for model in (ESZSL().fit(X, Y, TABLE), DeViSE().fit(X, Y, TABLE)):
        before = model.predict(POOL)
        np.testing.assert_array_equal(model.adapt(silent).predict(POOL), before)


def test_a_single_sample_hardly_matters():
    before = ZSL.predict(POOL)
    model = fresh().adapt(POOL[:1])
    assert model.adapted_.n_samples == 1 and model.adapted_.weight < 0.5
    assert np.mean(model.predict(POOL) == before) > 0.95


def test_a_pool_of_one_class_moves_one_prototype():
    one = POOL[TRUTH[0] == TRUTH]
    adapted = fresh().adapt(one).adapted_
    assert adapted.labels[adapted.counts.argmax()] == TRUTH[0]
    assert adapted.movement[adapted.labels == TRUTH[0]] > 0.1


def test_where_the_model_is_sure_the_pool_has_no_say():
    x, _, _, labelled, prior = made_up()
    sure = 1e3 * np.eye(4)[np.arange(40) % 4]
    assert learn([(x, sure, None)], labelled, prior, np.zeros(4, bool))["weight"] < 1.0


def test_the_pool_helps_where_classes_lie_apart():
    assert fresh().adapt(POOL).score(POOL, TRUTH) >= ZSL.score(POOL, TRUTH) - 0.005


def test_nan_is_named_and_leaves_the_model_as_it_was():
    broken, model = POOL.copy(), fresh()
    broken[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.adapt(broken)
    assert not hasattr(model, "adapted_")


def test_an_unfitted_model_does_not_adapt():
    with pytest.raises(NotFittedError):
        ClasterZSL().adapt(POOL)


@pytest.mark.parametrize("parameters", [{"space": "seen"}, {}])
def test_without_unseen_candidates_there_is_nothing_to_learn(parameters):
    table = TABLE if parameters else None
    model = ESZSL(**parameters).fit(X, Y, table)
    with pytest.raises(ValueError, match="adapt learns unseen classes, and there are none"):
        model.adapt(POOL)


def test_a_model_without_samples_says_so():
    model = ESZSL().fit(X, Y, TABLE)
    model._labelled = None
    with pytest.raises(ValueError, match="no labelled sample"):
        model.adapt(POOL)


# seen and unseen together


@pytest.mark.parametrize("mode", ["hard", "soft"])
def test_gated_answers_agree_with_each_other(mode):
    model = gated(gate=mode).adapt(np.r_[X[1::2], POOL])
    labels, _ = model.candidates()
    answers = model.predict(POOL)
    np.testing.assert_array_equal(labels[model.decision_function(POOL).argmax(axis=1)], answers)
    np.testing.assert_array_equal(labels[model.predict_proba(POOL).argmax(axis=1)], answers)
    np.testing.assert_allclose(model.predict_proba(POOL).sum(axis=1), 1.0)
    if mode == "hard":
        said = model.explain_gate(POOL)
        chosen = np.where(said.is_seen, said.seen_class, said.unseen_class)
        np.testing.assert_array_equal(chosen, answers)


def test_margins_come_from_scores_and_answers_from_the_experts():
    model = fresh(GATED).adapt(np.r_[X[1::2], POOL])
    table, is_seen = model._candidates(None)
    rows, scores, answers = next(model._raw_blocks(POOL, table, is_seen))
    answers = answers + np.random.default_rng(0).normal(size=answers.shape)
    learnt, gate = model._learnt, model._gate
    pull = learnt.weight * model._to_rows(rows) @ learnt.prototypes.T
    lead = pull[:, is_seen].max(axis=1) - pull[:, ~is_seen].max(axis=1)
    adapted, margins = model._decider(table).look(rows, scores, answers, is_seen)
    logits = gate.margins(rows, scores, is_seen) / gate.scale + lead - learnt.offset
    np.testing.assert_allclose(margins, gate.scale * logits, rtol=1e-3, atol=1e-4)
    expected = learnt.factor * (answers + pull / learnt.logit)
    np.testing.assert_allclose(adapted, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("detector", [None, "stacking", BiasDetector()])
def test_sides_compete_with_any_gate_or_none(detector):
    model = zsl(space="gzsl", bias_detector=detector).adapt(np.r_[X[1::2], POOL])
    labels, _ = model.candidates()
    chosen = labels[model.decision_function(POOL).argmax(axis=1)]
    np.testing.assert_array_equal(chosen, model.predict(POOL))


@pytest.mark.parametrize("pool", [X[1::2], POOL], ids=["seen only", "unseen only"])
def test_a_pool_of_one_side_does_not_break_the_other(pool):
    model = fresh(GATED).adapt(pool)
    for rows, truth in ((X[1::2], Y[1::2]), (POOL, TRUTH)):
        assert model.score(rows, truth) > GATED.score(rows, truth) - 0.05


# state


def test_other_candidates_get_the_model_without_it():
    model, few = fresh().adapt(POOL), TABLE.select(DATA.unseen_classes[:3])
    with pytest.warns(UserWarning, match="adapted to other candidates"):
        answers = model.predict(POOL, few)
    np.testing.assert_array_equal(answers, ZSL.predict(POOL, few))
    np.testing.assert_array_equal(model.adapt(POOL, few).adapted_.labels, few.labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(POOL, few)


@pytest.mark.parametrize("name, value", [("temperature", 0.5), ("visual_weight", 0.1)])
def test_other_parameters_get_the_model_without_it(name, value):
    model = fresh().adapt(POOL).set_params(**{name: value})
    with pytest.warns(UserWarning, match="with other parameters"):
        answers = model.predict(POOL)
    np.testing.assert_array_equal(answers, fresh().set_params(**{name: value}).predict(POOL))


def test_fit_and_set_candidates_forget_it():
    model = fresh().adapt(POOL)
    before = ZSL.predict(POOL)
    assert hasattr(model, "adapted_")
    assert not hasattr(model.set_candidates(TABLE.select(DATA.unseen_classes)), "adapted_")
    np.testing.assert_array_equal(model.predict(POOL), before)
    model = fresh().adapt(POOL).fit(X[::2], Y[::2], TABLE)
    assert not hasattr(model, "adapted_")
    np.testing.assert_array_equal(model.predict(POOL), before)


def test_a_second_pool_replaces_the_first():
    both = fresh().adapt(POOL[:30]).adapt(POOL)
    np.testing.assert_array_equal(
        both.decision_function(X), fresh().adapt(POOL).decision_function(X)
    )


@pytest.mark.parametrize("model", [ZSL, GATED], ids=["zsl", "gzsl"])
def test_it_is_saved_and_copied(model, tmp_path):
    pytest.importorskip("skops")
    from sklearn_claster.persistence import load_model, save_model

    model = fresh(model).adapt(POOL)
    save_model(model, tmp_path / "model.skops")
    for again in (
        load_model(tmp_path / "model.skops"),
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model),
    ):
        np.testing.assert_array_equal(again.decision_function(POOL), model.decision_function(POOL))
        assert again.adapted_.n_samples == len(POOL)


def test_onnx_refuses_in_one_sentence(tmp_path):
    pytest.importorskip("onnx")
    from sklearn_claster.persistence import to_onnx

    with pytest.raises(ValueError, match="without what adapt has learnt"):
        to_onnx(fresh().adapt(POOL), tmp_path / "model.onnx")


def test_candidate_sets_refuse_in_one_sentence():
    with pytest.raises(ValueError, match="adapt has changed them"):
        fresh().adapt(POOL).predict_set(POOL)


@pytest.mark.parametrize(
    "parameters", [{}, {"space": "gzsl"}, {"space": "gzsl", "bias_detector": BiasDetector()}]
)
def test_the_first_of_the_best_is_the_answer(parameters):
    model = zsl(**parameters).adapt(POOL)
    labels, probabilities = model.top_k(POOL, 3)
    np.testing.assert_array_equal(labels[:, 0], model.predict(POOL))
    np.testing.assert_allclose(probabilities[:, 0], model.predict_proba(POOL).max(axis=1))


def test_adapted_shows_what_was_learnt(capsys):
    model = zsl(verbose=0).set_params(verbose=1).adapt(POOL)
    assert "adapt, iteration 1: movement" in capsys.readouterr().out
    adapted = model.adapted_
    assert adapted.counts.sum() == pytest.approx(len(POOL))
    assert adapted.found.shape == adapted.movement.shape == adapted.labels.shape
    assert adapted.n_iter <= module.MAX_ITER
    with pytest.raises(AttributeError, match="call adapt"):
        ZSL.adapted_  # noqa: B018


@pytest.mark.parametrize("name", baselines.__all__)
def test_every_baseline_adapts(name):
    model = getattr(baselines, name)()
    table = SHARED if isinstance(model, SharedSpaceClassifier) else TABLE
    if "attributes" in type(model).__module__:  # these read binary vectors
        bits = np.arange(len(TABLE.labels))[:, None] >> np.arange(5) & 1
        table = (TABLE.labels, bits)
    if hasattr(model, "random_state"):
        model.set_params(random_state=0)
    model.fit(X[::4], Y[::4], table).adapt(POOL)
    assert model.adapted_.n_samples == len(POOL)
    assert set(model.predict(POOL)) <= set(model.candidates()[0])


# one space


def cold(spread=0.0):
    noise = np.random.default_rng(0).normal(0.0, spread, size=(5, X.shape[1])) if spread else 0.0
    unseen = np.isin(TABLE.labels, DATA.unseen_classes)
    return CosineZSL.from_table((TABLE.labels[unseen], MEANS[unseen] + noise))


def test_a_model_without_any_sample_adapts():
    model = cold(spread=3.0)
    before = model.score(POOL, TRUTH)
    assert model.adapt(POOL).score(POOL, TRUTH) > before
    one = model.decision_function(POOL[:1])
    np.testing.assert_allclose(one, model.decision_function(POOL)[:1], atol=1e-4)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(POOL), model.predict(POOL))


def test_without_any_sample_an_offset_of_all_features_hardly_matters():
    answers = cold(spread=3.0).adapt(POOL).predict(POOL)
    prototypes = cold(spread=3.0).adapt(POOL)._learnt.prototypes
    moved = cold(spread=3.0).adapt(POOL + 1e-3)
    np.testing.assert_allclose(moved._learnt.prototypes, prototypes, atol=1e-2)
    assert np.mean(moved.predict(POOL + 1e-3) == answers) > 0.99


def test_without_any_sample_one_unlabelled_one_changes_nothing():
    before = cold().predict(POOL)
    np.testing.assert_array_equal(cold().adapt(POOL[:1]).predict(POOL), before)


# a generator that learns from the pool


def generating(**parameters):
    small = {"hidden_layer_sizes": (32,), "n_noise": 4, "n_steps": 100, "n_critic_steps": 2}
    small |= {"n_generated": 10, "pool_weight": 1.0, "random_state": 0, "device": "cpu"}
    return FVAEGAN(**small | parameters).fit(X[::2], Y[::2], TABLE)


GENERATING = generating()


def distance_to_pool(model):
    """Of the mean of what is generated for all candidates, in the pool's own unit rows."""
    vectors = model.candidates()[1]
    made = model._generate(model._semantic(vectors)).mean(axis=0)
    return np.linalg.norm(made - model._visual(POOL).mean(axis=0))


def test_generated_samples_come_nearer_to_the_pool():
    model = fresh(GENERATING).adapt(POOL)
    after = model._with(model._learnt.layers)
    assert distance_to_pool(after) < distance_to_pool(GENERATING)


def test_the_loss_of_the_second_critic_is_a_loop_over_samples():
    adversary = Adversary((8,), 3, 1e-3, 5, 1, 2, Weights(10.0), seeded_generator(0))
    generator, critic = MLP(5, (8,), 4, adversary.draws), MLP(4, (), 1, adversary.draws)
    x, a = (torch.randn(n, m, generator=adversary.draws) for n, m in ((9, 4), (1, 2)))
    rows, z, mix = adversary._draw(9, x.device)[0]
    w, b = critic.layers[0].weight[0].detach(), critic.layers[0].bias.item()
    fake, real = [], []
    for row, noise in zip(rows, z, strict=True):
        made = generator(torch.cat([noise, a[0]])[None])[0].detach()
        fake.append((made / made.norm() @ w).item() + b)
        real.append((x[row] @ w).item() + b)
    expected = np.mean(fake) - np.mean(real) + 10.0 * (w.norm().item() - 1.0) ** 2
    loss = adversary._pool_loss(critic, generator, (rows, z, mix), (x, a))
    assert loss.item() == pytest.approx(expected, abs=1e-5)


def test_without_its_weight_it_adapts_as_all_others():
    model = fresh(GENERATING).set_params(pool_weight=0.0).adapt(POOL)
    assert type(model._learnt) is Learnt
    np.testing.assert_array_equal(
        model._generate(model.candidates()[1]), GENERATING._generate(model.candidates()[1])
    )


@pytest.mark.parametrize("detector", [None, "stacking", BiasDetector()])
def test_what_the_generator_has_learnt_is_for_its_candidates_alone(detector):
    model = generating(space="gzsl", bias_detector=detector)
    before, few = model.predict(POOL), TABLE.select(DATA.unseen_classes[:3])
    expected = model.predict(POOL, few)
    model.adapt(np.r_[X[1::2], POOL])
    labels, _ = model.candidates()
    chosen = labels[model.decision_function(POOL).argmax(axis=1)]
    np.testing.assert_array_equal(chosen, model.predict(POOL))
    with pytest.warns(UserWarning, match="adapted to other candidates"):
        np.testing.assert_array_equal(model.predict(POOL, few), expected)
    model.set_candidates(TABLE.select(DATA.unseen_classes))
    np.testing.assert_array_equal(model.predict(POOL), before)


def test_a_generator_that_has_learnt_is_kept_and_forgotten(tmp_path):
    pytest.importorskip("skops")
    from sklearn_claster.persistence import load_model, save_model

    model = fresh(GENERATING).adapt(POOL)
    scores = model.decision_function(POOL)
    np.testing.assert_allclose(model.decision_function(POOL[:1]), scores[:1], atol=1e-4)
    save_model(model, tmp_path / "model.skops")
    loaded, again = load_model(tmp_path / "model.skops"), pickle.loads(pickle.dumps(model))
    for other in (loaded, again, copy.deepcopy(model), fresh(GENERATING).adapt(POOL)):
        np.testing.assert_array_equal(other.decision_function(POOL), scores)
    before = GENERATING.decision_function(POOL)
    np.testing.assert_array_equal(model.fit(X[::2], Y[::2], TABLE).decision_function(POOL), before)


# blocks


def test_a_large_pool_is_read_anew(monkeypatch):
    monkeypatch.setattr("sklearn_claster._base._ROWS_AT_ONCE", 16)
    whole = fresh().adapt(POOL)
    monkeypatch.setattr(module, "_KEPT_NUMBERS", 0)
    anew = fresh().adapt(POOL)
    np.testing.assert_allclose(anew._learnt.prototypes, whole._learnt.prototypes, atol=1e-6)


def test_a_small_pool_is_read_once():
    reads = []

    def read():
        reads.append(1)
        yield np.ones((2, 3)), np.ones((2, 2)), None

    pool = Pool(read)
    assert [len(list(pool)) for _ in range(3)] == [1, 1, 1]
    assert len(reads) == 1


def test_an_array_on_disk_is_read_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_claster._data.on_disk.READ_WHOLE_BYTES", 0)
    np.save(tmp_path / "pool.npy", POOL)
    pool = np.load(tmp_path / "pool.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        fresh().adapt(pool).predict(POOL), fresh().adapt(POOL).predict(POOL)
    )


# the meta-estimator


def test_transductive_adapts_to_what_it_is_asked():
    meta = Transductive(ESZSL()).fit(X, Y, TABLE)
    np.testing.assert_array_equal(
        meta.predict(POOL), ESZSL().fit(X, Y, TABLE).adapt(POOL).predict(POOL)
    )
    assert not hasattr(meta.estimator_, "adapted_")
    assert meta.score(POOL, TRUTH) == np.mean(meta.predict(POOL) == TRUTH)
    assert meta.predict_proba(POOL).shape == (len(POOL), 5)
    assert meta.decision_function(POOL).shape == (len(POOL), 5)


def test_transductive_without_unseen_candidates_is_the_classifier():
    meta = Transductive(ESZSL(space="seen")).fit(X, Y, TABLE)
    np.testing.assert_array_equal(meta.predict(X), meta.estimator_.predict(X))


def test_transductive_in_cross_validation():
    scores = cross_val_score(
        Transductive(ESZSL()), X, Y, cv=ZeroShotKFold(3), params={"class_embeddings": TABLE}
    )
    assert np.isfinite(scores).all()


def test_transductive_needs_a_classifier_that_adapts():
    from sklearn.linear_model import LogisticRegression

    with pytest.raises(TypeError, match="method `adapt`"):
        Transductive(LogisticRegression()).fit(X, Y)
