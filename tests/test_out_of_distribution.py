"""BiasDetector("generated"): its network against plain torch, its choice, its needs."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import clone
from sklearn.metrics import roc_auc_score

from sklearn_claster import BiasDetector, ClassEmbeddings
from sklearn_claster._core.networks import MLP
from sklearn_claster._gate import fitting
from sklearn_claster._gate.rules import Evidence
from sklearn_claster._utils.progress import Progress
from sklearn_claster._utils.torch import seeded_generator, shuffled_batches
from sklearn_claster.baselines import ESZSL, FCLSWGAN, _out_of_distribution
from sklearn_claster.baselines._out_of_distribution import OutOfDistribution, entropy_loss
from sklearn_claster.datasets import make_zero_shot_classification

RNG = np.random.default_rng(0)
DATA = make_zero_shot_classification(
    240, 10, n_seen=8, n_unseen=4, n_embedding_features=5, random_state=0
)
SEEN = np.isin(DATA.target, DATA.seen_classes)
X, Y, TABLE = DATA.data[SEEN], DATA.target[SEEN], DATA.class_embeddings
GAN = FCLSWGAN(10, hidden_layer_sizes=(32,), n_steps=60, n_critic_steps=2, random_state=0)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def evidence(n=40, m=30, f=6):
    rows = unit(RNG.normal(size=(n, f))), unit(RNG.normal(size=(m, f)) + 1.0)
    return Evidence(rows[0], generated=rows[1]), RNG.integers(3, size=n)


def entropy(p):
    return -sum(q * np.log(q) for q in p)


def test_the_loss_is_entropies_and_the_likelihood_of_the_seen_half():
    logits, y = RNG.normal(size=(8, 3)), np.array([0, 2, 1, 1])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = 0.0
    for n in range(4):
        expected += (entropy(p[n]) - np.log(p[n, y[n]]) - entropy(p[4 + n])) / 4
    loss = entropy_loss(torch.from_numpy(logits), torch.from_numpy(y))
    assert loss.item() == pytest.approx(expected)


def test_training_is_a_plain_loop(monkeypatch):
    monkeypatch.setattr(_out_of_distribution, "PASSES", (1, 2))
    monkeypatch.setattr(_out_of_distribution, "WIDTHS", (7,))
    monkeypatch.setattr(_out_of_distribution, "BATCH_SIZE", 16)
    rows, codes = evidence()
    rule = OutOfDistribution()
    rule.fit(rows, codes)
    draws, cpu = seeded_generator(0), torch.device("cpu")
    x, generated = (torch.tensor(r, dtype=torch.float32) for r in (rows.x, rows.generated))
    net = MLP(6, (7,), 3, draws)
    adam = torch.optim.Adam(net.parameters(), 1e-3, betas=(0.5, 0.999))
    for n in range(2):
        for batch in shuffled_batches(40, 16, draws, cpu):
            drawn = torch.randint(30, (len(batch),), generator=draws)
            p, q = net(x[batch]).softmax(dim=1), net(generated[drawn]).softmax(dim=1)
            loss = -(p * p.log()).sum(dim=1) - p[range(len(batch)), codes[batch]].log()
            loss = (loss + (q * q.log()).sum(dim=1)).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
        coefs, _ = rule.networks[n]
        assert_allclose(coefs[0].T, net.layers[0].weight.detach(), atol=1e-5)
    with torch.no_grad():
        p = net(x).softmax(dim=1).numpy()
    assert_allclose(rule.columns(rows)[:, 0], [-entropy(row) for row in p], atol=1e-4)


class Rule(OutOfDistribution):
    """Networks that are known: the score of each is the first feature, times a factor."""

    def __init__(self, factors):
        scale = [np.array([[factor, 0.0], [0.0, 0.0]]) for factor in factors]
        self.networks = [([coef], [np.zeros(2)]) for coef in scale]


def test_held_out_classes_choose_the_number_of_passes():
    """The entropy falls with |x|: of three networks the one that looks at it most is best."""
    rows = Evidence(np.array([[0.1, 0.0], [0.2, 0.0], [3.0, 0.0], [4.0, 0.0]]))
    is_seen = np.array([False, False, True, True])
    rule, other = Rule([0.0, 1.0, 0.0]), Rule([0.0, 2.0, 0.0])
    rule.choose([(other, rows, is_seen), (Rule([0.0, 3.0, 0.0]), rows, is_seen)])
    assert len(rule.networks) == len(other.networks) == 1
    assert rule.networks[0][0][0][0, 0] == 1.0 and other.networks[0][0][0][0, 0] == 2.0
    alone = Rule([1.0, 2.0, 3.0])
    alone.choose([])
    assert alone.networks[0][0][0][0, 0] == 2.0


def gated():
    return ESZSL(space="gzsl", bias_detector=BiasDetector("generated", estimator=GAN))


@pytest.mark.parametrize(
    "model", [gated(), clone(GAN).set_params(space="gzsl", bias_detector=BiasDetector("generated"))]
)
def test_it_tells_samples_of_unseen_classes(model):
    gate = clone(model).fit(X, Y, TABLE).explain_gate(DATA.data)
    assert roc_auc_score(SEEN, gate.score) > 0.75
    assert gate.is_seen[SEEN].mean() > gate.is_seen[~SEEN].mean() + 0.2


def test_alone_it_is_an_outlier_detector():
    detector = BiasDetector("generated", estimator=GAN).fit(X, Y, TABLE)
    assert detector.method_ == "generated"
    assert roc_auc_score(SEEN, detector.decision_function(DATA.data)) > 0.75


def test_a_generator_of_the_models_own_is_taken(monkeypatch):
    def fail(*_):
        raise AssertionError("a second generator was trained")

    model = clone(GAN).set_params(space="gzsl")
    detector = BiasDetector("generated", contamination=0.1)
    experts = model.fit(X, Y, TABLE)
    monkeypatch.setattr(FCLSWGAN, "fit", fail)
    codes = np.unique(Y, return_inverse=True)[1]
    generated = detector._generate(experts, X, codes)
    a = experts._semantic(TABLE.select(DATA.unseen_classes).vectors)
    assert_array_equal(generated, experts._generate(a))


@pytest.mark.parametrize("detector", [BiasDetector("generated"), gated()], ids=["alone", "gate"])
def test_it_has_to_know_the_unseen_classes(detector, monkeypatch):
    if isinstance(detector, ESZSL):
        monkeypatch.setattr(ESZSL, "_fit_seen", lambda *_: pytest.fail("trained before the check"))
    detector = clone(detector)
    with pytest.raises(ValueError, match=r"got none.*Give their vectors to fit"):
        detector.fit(X, Y, TABLE.select(DATA.seen_classes))
    assert not hasattr(detector, "classes_")


def test_without_labels_there_is_nothing_to_generate_from():
    with pytest.raises(ValueError, match="got none"):
        BiasDetector("generated").fit(X)


def test_a_model_without_a_table_has_no_gate():
    assert gated().fit(X, Y).gate_threshold_ is None


def test_vectors_of_unseen_classes_count_and_later_candidates_do_not():
    is_seen = np.isin(TABLE.labels, DATA.seen_classes)[:, None]
    other = ClassEmbeddings(TABLE.labels, np.where(is_seen, TABLE.vectors, -TABLE.vectors))
    one, two = (gated().fit(X, Y, table) for table in (TABLE, other))
    assert not np.allclose(one.explain_gate(X).score, two.explain_gate(X).score)
    new = other.select(DATA.unseen_classes)
    assert_array_equal(one.explain_gate(X, new).score, one.explain_gate(X).score)


def test_classes_that_are_held_out_are_generated_without_them():
    """The folds know the seen classes only, and generate those that they hold out."""
    asked = []

    def generate(experts, X, codes):
        asked.append((set(experts.classes_), set(experts.unseen_classes_)))
        return unit(RNG.normal(size=(20, X.shape[1])))

    experts = ESZSL(space="gzsl").fit(X, Y, TABLE)
    codes = np.unique(Y, return_inverse=True)[1]
    seen = TABLE.select(DATA.seen_classes)
    options = "auto", "hard", np.float32, generate, Progress()
    fitting.fit_gate(experts, OutOfDistribution, X, codes, seen, None, *options)
    assert asked[0] == (set(DATA.seen_classes), set(DATA.unseen_classes))
    for known, held_out in asked[1:]:
        assert known | held_out == set(DATA.seen_classes) and not known & held_out
    assert len(asked) == 4


def test_the_same_seed_gives_the_same_gate_and_pickles_hold_no_tensor():
    one, two = (gated().fit(X, Y, TABLE) for _ in range(2))
    assert_array_equal(one.explain_gate(X).score, two.explain_gate(X).score)
    pickled = pickle.dumps(one)
    assert b"torch" not in pickled
    assert_array_equal(pickle.loads(pickled).predict(DATA.data), one.predict(DATA.data))
