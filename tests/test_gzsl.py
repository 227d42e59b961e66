"""Gates between seen and unseen classes: their decisions, and that no unseen class chose them."""

import math
import pickle
import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import hmean
from sklearn import clone
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.utils.estimator_checks import check_estimator

from sklearn_claster import BiasDetector, ClassEmbeddings, ClasterZSL, _claster
from sklearn_claster._core import learning
from sklearn_claster._gate import fitting
from sklearn_claster._gate.fitting import N_CLASS_FOLDS, Judged
from sklearn_claster._gate.gate import (
    Gate,
    best_allowed,
    explain,
    gated_scores,
    hard_log_proba,
    look,
    soft_log_proba,
)
from sklearn_claster._gate.rules import RULES, Stacking
from sklearn_claster._utils.callbacks import Task
from sklearn_claster._utils.progress import Progress
from sklearn_claster.baselines import DAP, ESZSL, IAP, SAE, ConSE
from sklearn_claster.datasets import load_digit_pairs, make_zero_shot_classification
from sklearn_claster.metrics import gzsl_report
from sklearn_claster.model_selection import ZeroShotKFold, gzsl_scorer

pytestmark = [
    pytest.mark.usefixtures("short_training"),
    pytest.mark.filterwarnings("ignore:.*clusters hold no training sample"),
]

DATA = make_zero_shot_classification(480, 12, n_seen=12, n_unseen=4, random_state=0)
IS_SEEN = np.isin(DATA.target, DATA.seen_classes)
TRAIN = np.flatnonzero(IS_SEEN)[::2]
TEST = np.setdiff1d(np.arange(len(IS_SEEN)), TRAIN)
X, Y = DATA.data[TRAIN], DATA.target[TRAIN]
NEW_X, NEW_Y = DATA.data[TEST], DATA.target[TEST]
TABLE = DATA.class_embeddings
SEEN_COLUMNS = np.isin(TABLE.labels, DATA.seen_classes)

DROP_INS = [
    IsolationForest(n_estimators=5, random_state=0),
    LocalOutlierFactor(novelty=True),
    OneClassSVM(),
    EllipticEnvelope(random_state=0),
]
DETECTORS = [*map(BiasDetector, RULES), *DROP_INS]
every_detector = pytest.mark.parametrize("detector", DETECTORS, ids=repr)
every_gate = pytest.mark.parametrize("detector", ["stacking", *DETECTORS], ids=repr)
both_modes = pytest.mark.parametrize("gate", ["hard", "soft"])


def eszsl(detector=None, gate="hard", **parameters):
    return ESZSL(space="gzsl", bias_detector=detector, gate=gate, **parameters)


def claster(detector=None, gate="hard", **parameters):
    small = {"n_clusters": 2, "hidden_layer_sizes": (16,), "max_epochs": 2, "random_state": 0}
    return ClasterZSL(**small, space="gzsl", bias_detector=detector, gate=gate, **parameters)


both_hosts = pytest.mark.parametrize("make", [eszsl, claster])
every_gate_of_both_hosts = pytest.mark.parametrize(  # the slower host needs no more than two
    ("make", "detector"),
    [
        *((eszsl, detector) for detector in ["stacking", *DETECTORS]),
        *((claster, detector) for detector in ["stacking", BiasDetector()]),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value)),
)


# decisions, each written once more as a loop


@both_hosts
def test_stacking_takes_one_constant_from_the_seen_scores(make):
    raw = make().fit(X, Y, TABLE).decision_function(NEW_X)
    zsl = make("stacking").fit(X, Y, TABLE)
    expected = []
    for row in raw:
        calibrated = {
            label: score - zsl.gate_threshold_ * (label in DATA.seen_classes)
            for label, score in zip(TABLE.labels, row.astype(float), strict=True)
        }
        expected.append(max(calibrated, key=calibrated.get))
    told = zsl.explain_gate(NEW_X)
    is_unseen = ~np.isin(expected, DATA.seen_classes)
    assert_array_equal(told.is_seen, ~is_unseen)
    assert_array_equal(zsl.predict(NEW_X), np.where(is_unseen, expected, told.seen_class))
    if make is eszsl:  # the other one has an expert of its own for seen classes
        assert zsl.predict(NEW_X).tolist() == expected
    assert zsl.gate_threshold_ > 0.0  # the bias is towards the seen classes
    assert zsl.bias_detector_ is None


@both_hosts
def test_a_hard_gate_lets_one_expert_decide(make):
    zsl = make(BiasDetector("relative_mahalanobis")).fit(X, Y, TABLE)
    raw = make().fit(X, Y, TABLE).decision_function(NEW_X)
    expected = []
    for scores, side in zip(raw, zsl.bias_detector_.predict(NEW_X), strict=True):
        allowed = [i for i in range(len(scores)) if SEEN_COLUMNS[i] == (side == 1)]
        expected.append(TABLE.labels[max(allowed, key=lambda i, row=scores: row[i])])
    assert zsl.predict(NEW_X).tolist() == expected
    is_allowed = (zsl.bias_detector_.predict(NEW_X) == 1)[:, None] == SEEN_COLUMNS
    assert_array_equal(zsl.predict_proba(NEW_X) > 0.0, is_allowed)


def test_a_gate_decides_with_its_own_constants():
    rng = np.random.default_rng(0)
    scores, is_seen = rng.normal(size=(50, 5)), np.array([1, 0, 1, 0, 0], dtype=bool)
    gate = Gate(
        Stacking(), "soft", np.zeros(2), np.float64, threshold=0.2, scale=0.7, sharpness=1.8
    )
    rows = rng.normal(size=(50, 2))
    margins = scores[:, is_seen].max(axis=1) - scores[:, ~is_seen].max(axis=1) - 0.2
    assert_allclose(gate.margins(rows, scores, is_seen), margins)
    expected = soft_log_proba(scores, is_seen, margins, 0.7, 1.8)
    assert_allclose(gate.scores(rows, scores, scores, is_seen), expected)


def test_soft_gate_as_a_loop():
    """Adaptive confidence smoothing, Atzmon and Chechik 2019, one sample and class at a time."""
    rng = np.random.default_rng(0)
    scores, is_seen = rng.normal(size=(50, 7)), np.array([1, 0, 1, 1, 0, 0, 1], dtype=bool)
    margins, scale, sharpness = 3 * rng.normal(size=50), 0.7, 1.8
    expected = np.empty(scores.shape)
    for i, row in enumerate(scores):
        p_seen = 1 / (1 + math.exp(-margins[i] / scale))
        for side, belief in ((True, p_seen), (False, 1 - p_seen)):
            own = [c for c in range(7) if is_seen[c] == side]
            total = sum(math.exp(sharpness * row[c]) for c in own)
            for c in own:
                smoothed = belief * math.exp(sharpness * row[c]) / total + (1 - belief) / len(own)
                expected[i, c] = belief * smoothed
    found = np.exp(soft_log_proba(scores, is_seen, margins, scale, sharpness))
    assert_allclose(found, expected, rtol=1e-10)
    assert_allclose(found.sum(axis=1), 1.0)


def test_a_row_on_the_threshold_is_seen():
    scores, is_seen = np.array([[5.0, 1.0, 2.0]]), np.array([False, True, True])
    labels, mean = np.array(["unseen", "worse", "better"]), np.zeros(1)
    for margin, best in ((0.0, 2), (1e-300, 2), (-1e-300, 0)):
        margins = np.array([margin])
        assert gated_scores(scores, is_seen, margins).argmax() == best
        assert best_allowed(scores, is_seen, margins) == best
        assert hard_log_proba(scores, is_seen, margins).argmax() == best
    gate = Gate(Stacking(), "hard", mean, np.float64, threshold=-3.0)
    said = explain(gate, [(np.ones((1, 1)), scores, scores)], labels, is_seen)
    assert (said.score, said.is_seen, said.seen_class) == (-3.0, True, "better")


@pytest.mark.parametrize("mode", [None, (0.7, 1.8)])
def test_harmonic_means_agree_with_the_decisions(mode):
    """The quick sweep over thresholds against the full decision and the metric."""
    rng = np.random.default_rng(1)
    columns = np.array([1, 0, 1, 1, 0, 0, 1], dtype=bool)
    codes = rng.permutation(np.repeat(np.arange(7), [3, 4, 5, 6, 7, 8, 9]))
    scores = rng.normal(size=(len(codes), 7)) + 2 * np.eye(7)[codes]
    gate_scores = rng.normal(size=len(codes)) + columns[codes]
    evidence = look(scores, np.zeros(7), np.float64, scores, columns)
    judged = Judged.of(evidence, scores, columns, codes)
    thresholds = np.quantile(gate_scores, [0.1, 0.3, 0.6])
    found = judged.harmonic_means(gate_scores, thresholds, mode)
    for threshold, h in zip(thresholds, found, strict=True):
        margins = gate_scores - threshold
        decided = (
            gated_scores(scores, columns, margins)
            if mode is None
            else soft_log_proba(scores, columns, margins, *mode)
        )
        report = gzsl_report(codes, decided.argmax(axis=1), np.flatnonzero(columns))
        assert h == pytest.approx(report["harmonic_mean"])
        assert h == pytest.approx(hmean([report["seen"], report["unseen"]]))


# the outputs


@every_gate
@both_modes
def test_outputs_agree(detector, gate):
    zsl = eszsl(detector, gate).fit(X, Y, TABLE)
    proba, decision = zsl.predict_proba(NEW_X), zsl.decision_function(NEW_X)
    predicted = zsl.predict(NEW_X)
    assert proba.shape == decision.shape == (len(NEW_X), len(TABLE.labels))
    assert_allclose(proba.sum(axis=1), 1.0)
    assert_array_equal(TABLE.labels[decision.argmax(axis=1)], predicted)
    assert_array_equal(TABLE.labels[proba.argmax(axis=1)], predicted)
    assert_allclose(np.exp(zsl.predict_log_proba(NEW_X)), proba)
    assert np.isfinite(decision).all()
    explained = zsl.explain_gate(NEW_X)
    assert explained.threshold == zsl.gate_threshold_
    assert_array_equal(explained.is_seen, explained.score - explained.threshold >= -1e-12)
    if gate == "hard" or detector == "stacking":
        expected = np.where(explained.is_seen, explained.seen_class, explained.unseen_class)
        assert_array_equal(predicted, expected)
    else:
        sides = proba[:, SEEN_COLUMNS].sum(axis=1)
        assert_allclose(sides, explained.seen_probability)


@every_gate_of_both_hosts
def test_a_gate_leaves_the_experts_alone(make, detector):
    plain, gated = make().fit(X, Y, TABLE), make(detector).fit(X, Y, TABLE)
    assert_array_equal(plain._raw_scores(NEW_X), gated._raw_scores(NEW_X))
    raw = clone(gated).set_params(bias_detector=None).fit(X, Y, TABLE)
    assert_array_equal(gated.set_params(bias_detector=None).predict(NEW_X), raw.predict(NEW_X))
    for space in ("zsl", "seen"):
        gated.set_params(space=space)
        assert_array_equal(
            gated.predict_proba(NEW_X), plain.set_params(space=space).predict_proba(NEW_X)
        )


@both_hosts
def test_the_recommended_gate_beats_raw_scores(make):
    zsl = {name: make(d).fit(X, Y, TABLE) for name, d in (("raw", None), ("bias", BiasDetector()))}
    h = {
        k: gzsl_report(NEW_Y, z.predict(NEW_X), z.classes_)["harmonic_mean"] for k, z in zsl.items()
    }
    assert h["bias"] > h["raw"]


@both_hosts
def test_the_fitted_detector_agrees_with_the_gate(make):
    for method in RULES:
        zsl = make(BiasDetector(method)).fit(X, Y, TABLE)
        detector, explained = zsl.bias_detector_, zsl.explain_gate(NEW_X)
        assert detector.method_ == method
        assert detector.offset_ == zsl.gate_threshold_
        assert_allclose(detector.score_samples(NEW_X), explained.score)
        assert_array_equal(detector.predict(NEW_X) == 1, explained.is_seen)


def test_a_foreign_detector_sees_centred_rows_only():
    class Recorder(IsolationForest):
        def fit(self, X, y=None):
            self.fitted_on_ = X
            return super().fit(X)

    zsl = eszsl(Recorder(n_estimators=5, random_state=0)).fit(X, Y, TABLE)
    centred = X - X.mean(axis=0)
    expected = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    assert_allclose(zsl.bias_detector_.fitted_on_, expected, atol=1e-6)
    assert not hasattr(zsl.bias_detector, "fitted_on_")  # the parameter is left alone


def test_a_foreign_detector_without_a_seed_takes_the_classifiers():
    forest = IsolationForest(n_estimators=5)
    for detector in (forest, make_pipeline(StandardScaler(), forest)):
        first, second = (claster(detector).fit(X, Y, TABLE) for _ in range(2))
        assert_array_equal(first.decision_function(NEW_X), second.decision_function(NEW_X))
    own = claster(clone(forest).set_params(random_state=5)).fit(X, Y, TABLE).bias_detector_
    assert own.random_state == 5


@pytest.mark.parametrize(
    "other", [BiasDetector(contamination=0.9), BiasDetector("knn"), IsolationForest(), None]
)
def test_another_detector_after_fit_is_told(other):
    zsl = eszsl(BiasDetector()).fit(X, Y, TABLE).set_params(bias_detector=other)
    if other is None:
        zsl.predict(NEW_X)  # the raw scores
        return
    with pytest.raises(ValueError, match="was not fitted"):
        zsl.predict(NEW_X)
    zsl.set_params(bias_detector=BiasDetector()).predict(NEW_X)


def test_a_foreign_threshold_set_by_hand_is_kept():
    detector = IsolationForest(n_estimators=10, contamination=0.2, random_state=0)
    zsl = eszsl(detector).fit(X, Y, TABLE)
    assert zsl.gate_threshold_ == 0.0
    explained = zsl.explain_gate(X)
    assert np.mean(~explained.is_seen) == pytest.approx(0.2, abs=0.02)


# the threshold


@every_gate_of_both_hosts
@both_modes
def test_no_unseen_row_or_vector_changes_the_gate(make, detector, gate):
    """Bit for bit: other unseen vectors, fewer unseen classes, and none at all."""
    seen = TABLE.select(DATA.seen_classes)
    vectors = TABLE.vectors.copy()
    vectors[~SEEN_COLUMNS] = 1e3 * np.random.default_rng(0).normal(
        size=vectors[~SEEN_COLUMNS].shape
    )
    tables = [TABLE, ClassEmbeddings(TABLE.labels, vectors), seen]
    gates = [make(detector, gate).fit(X, Y, table) for table in tables]
    states = [
        {k: v for k, v in vars(zsl._gate).items() if k not in ("rule", "weights", "feature_mean")}
        | {"weights": zsl._gate.weights.tolist()}
        for zsl in gates
    ]
    assert "threshold" in states[0]
    assert states[1:] == [states[0]] * 2
    # Nor do the candidates that are passed later, which the rule reads like those of the table.
    unseen = TABLE.select(DATA.unseen_classes)
    assert_array_equal(gates[2].predict(NEW_X, unseen_embeddings=unseen), gates[0].predict(NEW_X))
    assert gates[2].gate_threshold_ == states[0]["threshold"]


def test_the_threshold_is_the_best_of_the_folds():
    """The choice once more: folds, sweep and quantile, from public parts."""
    found = eszsl("stacking").fit(X, Y, TABLE)
    seen = TABLE.select(DATA.seen_classes)
    levels = np.linspace(0, 1, 201)
    curves, pool = [], []
    for train, test in ZeroShotKFold(3, seen_fraction=0.2, random_state=0).split(X, Y):
        model = eszsl().fit(X[train], Y[train], seen)
        scores, y = model.decision_function(X[test]), Y[test]
        known = np.isin(seen.labels, model.classes_)
        gap = scores[:, known].max(axis=1) - scores[:, ~known].max(axis=1)
        of_seen = gap[np.isin(y, model.classes_)]
        pool.append(of_seen)
        curve = []
        for constant in np.quantile(of_seen, levels):
            called_seen = gap >= constant
            predicted = np.where(
                called_seen,
                seen.labels[known][scores[:, known].argmax(axis=1)],
                seen.labels[~known][scores[:, ~known].argmax(axis=1)],
            )
            curve.append(gzsl_report(y, predicted, model.classes_)["harmonic_mean"])
        curves.append(curve)
    best = np.mean(curves, axis=0).argmax()
    assert found._gate.level == levels[best]
    assert found.gate_threshold_ == pytest.approx(np.quantile(np.concatenate(pool), levels[best]))
    assert found._gate.harmonic_mean == pytest.approx(np.mean(curves, axis=0)[best])


@every_gate
def test_a_fit_trains_the_experts_once_and_once_a_fold(detector, monkeypatch):
    fits = []
    plain = ESZSL._fit_seen
    monkeypatch.setattr(ESZSL, "_fit_seen", lambda *args: (fits.append(1), plain(*args))[1])
    eszsl(detector).fit(X, Y, TABLE)
    automatic = getattr(detector, "contamination", "auto") == "auto"
    assert len(fits) == 1 + (N_CLASS_FOLDS if automatic else 0)


def test_the_fits_of_a_gate_score_in_one_unit(monkeypatch):
    """Four classes of six would choose a temperature 33 times as large, and all becomes seen."""
    choices, models = [], []
    learn, fit = _claster.learn, ClasterZSL.fit
    monkeypatch.setattr(_claster, "learn", lambda *given: choices.append(given[6]) or learn(*given))
    monkeypatch.setattr(ClasterZSL, "fit", lambda *given: models.append(fit(*given)) or given[0])
    few = make_zero_shot_classification(
        900, 64, n_seen=6, n_unseen=3, n_embedding_features=16, random_state=3
    )
    seen = np.isin(few.target, few.seen_classes)
    train = np.flatnonzero(seen)[::2]
    zsl = claster(BiasDetector())
    zsl.fit(few.data[train], few.target[train], few.class_embeddings)
    scales = [model._model.scale for model in models]
    assert scales == (1 + N_CLASS_FOLDS) * [zsl._model.scale]
    assert choices == [scale.choice for scale in scales]
    assert zsl.score(few.data[~seen], few.target[~seen]) > 0.5  # 0.0 with temperatures of their own


def test_a_gate_works_with_two_samples_per_class():
    """Distances to means of so few would call nearly every new sample unseen: H was 0.1."""
    digits = load_digit_pairs(random_state=0)
    found = []
    for seed in range(3):
        random = np.random.default_rng(seed)
        seen, unseen = random.choice(digits.seen_classes, 8, replace=False), digits.unseen_classes
        of_class = [random.permutation(np.flatnonzero(digits.target == c)) for c in seen]
        train = np.concatenate([rows[:2] for rows in of_class])
        test = np.concatenate([rows[2:] for rows in of_class])
        test = np.r_[test, np.flatnonzero(np.isin(digits.target, unseen[:8]))]
        table = digits.class_embeddings.select([*seen, *unseen[:8]])
        zsl = ClasterZSL(space="gzsl", bias_detector=BiasDetector(), random_state=0)
        zsl.fit(digits.data[train], digits.target[train], table)
        report = gzsl_report(digits.target[test], zsl.predict(digits.data[test]), seen)
        found.append(report["harmonic_mean"])
    assert np.mean(found) > 0.3


@pytest.mark.parametrize("n_per_class, reads_distance", [(2, False), (3, False), (4, True)])
def test_a_gate_reads_distances_if_means_have_enough_samples(n_per_class, reads_distance):
    rows = np.concatenate([np.flatnonzero(c == Y)[:n_per_class] for c in DATA.seen_classes])
    zsl = eszsl(BiasDetector()).fit(X[rows], Y[rows], TABLE)
    assert zsl._gate.rule.reads_distance == reads_distance
    assert len(zsl._gate.weights) == 2 + reads_distance


def test_fits_of_a_gate_do_not_say_that_they_choose(capsys):
    BiasDetector(estimator=claster(verbose=1)).fit(X, Y, TABLE)
    said = capsys.readouterr().out
    assert said.count("] prior and temperature") == 1
    assert said.count("] input space") == 1 + N_CLASS_FOLDS


def test_contamination_moves_the_gate_and_can_be_searched():
    shares = []
    for contamination in (0.1, 0.4, 0.8):
        zsl = eszsl(BiasDetector("knn", contamination=contamination)).fit(X, Y, TABLE)
        shares.append(np.mean(zsl.explain_gate(NEW_X).is_seen))
    assert shares[0] > shares[1] > shares[2]
    search = GridSearchCV(
        eszsl(BiasDetector()),
        {"bias_detector__contamination": [0.02, 0.3, "auto"]},
        scoring=gzsl_scorer,
        refit="harmonic_mean",
        cv=ZeroShotKFold(3, seen_fraction=0.2, random_state=1),
        error_score="raise",
    ).fit(X, Y, class_embeddings=TABLE)
    assert len(search.cv_results_["mean_test_harmonic_mean"]) == 3
    assert search.best_estimator_.bias_detector_.offset_ is not None


# scikit-learn's contract


def test_every_check_of_scikit_learn_passes_with_a_gate():
    for detector, gate in ((BiasDetector(), "hard"), ("stacking", "soft")):
        results = check_estimator(eszsl(detector, gate), on_skip=None)
        skipped = {r["check_name"] for r in results if r["status"] != "passed"}
        assert skipped <= {"check_array_api_input"}


@every_gate_of_both_hosts
def test_pickles_hold_arrays_and_clones_start_anew(make, detector):
    zsl = make(detector, "soft").fit(X, Y, TABLE)
    data = pickle.dumps(zsl)
    assert b"torch.storage" not in data and b"_rebuild_tensor" not in data
    assert_array_equal(pickle.loads(data).predict_proba(NEW_X), zsl.predict_proba(NEW_X))
    fresh = clone(zsl)
    assert not hasattr(fresh, "bias_detector_")
    assert_array_equal(fresh.fit(X, Y, TABLE).predict_proba(NEW_X), zsl.predict_proba(NEW_X))


def test_in_a_pipeline():
    pipe = make_pipeline(StandardScaler(), claster(BiasDetector()))
    pipe.fit(X, Y, clasterzsl__class_embeddings=TABLE)
    assert gzsl_report(NEW_Y, pipe.predict(NEW_X), pipe.classes_)["harmonic_mean"] > 0


def test_without_a_table_there_is_nothing_to_gate():
    zsl = eszsl(BiasDetector()).fit(X, Y)
    assert zsl.bias_detector_ is None and zsl.gate_threshold_ is None
    assert_array_equal(zsl.predict(X), ESZSL().fit(X, Y).predict(X))


@every_gate
def test_below_four_classes_it_falls_back_and_says_so(detector):
    few = np.isin(Y, DATA.seen_classes[:3])
    with pytest.warns(UserWarning, match="takes 4 seen classes"):
        zsl = eszsl(detector).fit(X[few], Y[few], TABLE)
    if detector == "stacking":
        assert zsl.gate_threshold_ == 0.0
        raw = eszsl().fit(X[few], Y[few], TABLE)
        assert_array_equal(zsl.predict(NEW_X), raw.predict(NEW_X))
    elif isinstance(detector, BiasDetector):
        assert zsl.bias_detector_.contamination_ == 0.05
        assert_allclose(zsl.predict_proba(NEW_X).sum(axis=1), 1.0)


@pytest.mark.parametrize("n_per_class, few", [(9, True), (10, False)])
def test_below_four_classes_few_samples_are_told(n_per_class, few):
    rows = np.concatenate([np.flatnonzero(c == Y)[:n_per_class] for c in DATA.seen_classes[:3]])
    with pytest.warns(UserWarning, match="takes 4 seen classes") as told:
        eszsl(BiasDetector()).fit(X[rows], Y[rows], TABLE)
    assert ("bias_detector=None" in str(told[0].message)) == few


@both_hosts
def test_four_classes_are_enough(make):
    few = np.isin(Y, DATA.seen_classes[:4])
    zsl = make(BiasDetector()).fit(X[few], Y[few], TABLE)
    assert zsl.bias_detector_.method_ == "learned"


def alike_after_a_split(y, labels):
    """Binary codes of which all classes that one of the gate's folds trains on share one."""
    train, _ = next(ZeroShotKFold(N_CLASS_FOLDS, seen_fraction=0.2, random_state=0).split(y, y))
    return ClassEmbeddings(labels, [[1.0, float(label in y[train])] for label in labels])


class Counting(Task):
    """Counts the parts that have begun and not ended."""

    n_open = 0

    def begin(self, name, n_parts=0):
        self.n_open += 1
        return self

    def end(self, snapshot=None):
        self.n_open -= 1
        return False


@pytest.mark.parametrize("host", [ESZSL(), DAP(), IAP(), claster()], ids=lambda h: type(h).__name__)
@pytest.mark.parametrize("detector", ["stacking", BiasDetector(), BiasDetector("knn")], ids=repr)
@pytest.mark.filterwarnings("ignore:Only . of the . seen classes", "ignore:Some candidate classes")
def test_a_fold_whose_classes_share_a_vector_is_left_out(host, detector):
    few = np.isin(Y, DATA.seen_classes[:4])
    labels = [*DATA.seen_classes[:4], *DATA.unseen_classes]
    table = alike_after_a_split(Y[few], labels)
    zsl = clone(host).set_params(space="gzsl", bias_detector=detector)
    zsl.fit(X[few], Y[few], table)
    task = Counting()
    folds = fitting.hold_out_classes(
        zsl._experts(),
        X[few],
        np.unique(Y[few], return_inverse=True)[1],
        zsl._seen_table(),
        None,
        np.float32,
        None,
        Progress(task=task),
        True,
    )
    assert len(folds) == N_CLASS_FOLDS - 1 and task.n_open == 0
    assert 0.0 <= zsl._gate.level <= 1.0 and np.isfinite(zsl._gate.harmonic_mean)
    alone = BiasDetector("knn", estimator=clone(host)).fit(X[few], Y[few], table)
    assert np.isfinite(alone.offset_)


@pytest.mark.parametrize(("detector", "n_scored"), [("learned", 1), ("knn", 1), ("energy", 2)])
def test_a_fold_makes_nothing_that_nobody_reads(detector, n_scored, monkeypatch):
    """What `adapt` needs is kept once; training rows are scored for rules that read scores."""
    kept, scored = [], []

    class Counted(ESZSL):
        def _input_rows(self, X, mean):
            kept.append(len(X))
            return super()._input_rows(X, mean)

        def _score_rows(self, X, candidates):
            scored.append(len(X))
            return super()._score_rows(X, candidates)

    counted = Counted(space="gzsl", bias_detector=detector).fit(X, Y, TABLE)
    assert sum(kept) == 2 * len(X)  # their sums, and the temperatures
    assert len(scored) == N_CLASS_FOLDS * n_scored + (detector == "energy")
    plain = ESZSL(space="gzsl", bias_detector=detector).fit(X, Y, TABLE)
    np.testing.assert_array_equal(plain.explain_gate(X).score, counted.explain_gate(X).score)


# errors


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"bias_detector": "gate"}, "expected None, 'stacking', 'learned', "),
        ({"bias_detector": BiasDetector}, "'knn', or an instance of an outlier detector"),
        ({"bias_detector": LogisticRegression()}, "'knn', or an instance of an outlier detector"),
        ({"bias_detector": LocalOutlierFactor()}, "LocalOutlierFactor needs novelty=True"),
        ({"bias_detector": FrozenEstimator(OneClassSVM())}, "cannot be fitted, and a gate fits"),
        (
            {"bias_detector": make_pipeline(StandardScaler(), FrozenEstimator(OneClassSVM()))},
            "cannot be fitted, and a gate fits",
        ),
        ({"gate": "both"}, "gate='both' is not a valid choice; expected one of 'hard', 'soft'"),
        ({"bias_detector": BiasDetector("odin")}, "method='odin' is not a valid choice"),
        ({"bias_detector": BiasDetector(contamination=2.0)}, "contamination=2.0 is out of range"),
    ],
)
def test_wrong_parameters(parameters, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        eszsl().set_params(**parameters).fit(X, Y, TABLE)


def test_a_gate_that_was_not_fitted_says_what_to_do():
    zsl = ESZSL().fit(X, Y, TABLE).set_params(space="gzsl", bias_detector="stacking")
    with pytest.raises(ValueError, match=r"bias_detector='stacking'.*fit again with space='gzsl'"):
        zsl.predict(NEW_X)
    with pytest.raises(ValueError, match="explain_gate needs a gate"):
        eszsl().fit(X, Y, TABLE).explain_gate(NEW_X)


def test_a_failed_fit_leaves_the_gate_as_it_was(monkeypatch):
    zsl = eszsl(BiasDetector()).fit(X, Y, TABLE)
    before = zsl.predict(NEW_X)

    def fail(*args):
        raise RuntimeError("stop")

    monkeypatch.setattr(fitting, "hold_out_classes", fail)
    with pytest.raises(RuntimeError, match="stop"):
        zsl.fit(X[:-5], Y[:-5], TABLE)
    assert_array_equal(zsl.predict(NEW_X), before)


# names in place of detectors, and gates that no longer fit


@pytest.mark.parametrize("name", RULES)
def test_a_name_is_the_detector_of_that_method(name):
    one, other = (eszsl(detector).fit(X, Y, TABLE) for detector in (name, BiasDetector(name)))
    assert_array_equal(one.decision_function(NEW_X), other.decision_function(NEW_X))
    assert one.gate_threshold_ == other.gate_threshold_
    assert one.bias_detector_ is None and other.bias_detector_.method_ == name


@both_hosts
@pytest.mark.parametrize("space", ["zsl", "seen"])
def test_a_detector_where_nothing_competes_is_an_error_before_training(make, space, monkeypatch):
    host = make(BiasDetector()).set_params(space=space)
    monkeypatch.setattr(learning, "fit_projector", None)
    with pytest.raises(ValueError, match="Set space='gzsl', or bias_detector=None"):
        host.fit(X, Y, TABLE)


@pytest.mark.parametrize(
    ("host", "changes"),
    [
        (claster(BiasDetector()), {"temperature": 1.0, "inference": "compatibility"}),
        (claster("stacking"), {"visual_weight": 0.5, "feature_weight": 1.0, "n_neighbors": 2}),
        (SAE(space="gzsl", bias_detector="learned"), {"inference": "semantic"}),
        (ConSE(space="gzsl", bias_detector="energy"), {"n_top": 1}),
        (eszsl(BiasDetector()), {"bias_detector": "stacking", "gate": "soft"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_gate_refuses_what_it_was_not_fitted_for(host, changes):
    before, detector = host.fit(X, Y, TABLE).predict(NEW_X), host.bias_detector
    for name, value in changes.items():
        was = getattr(host, name)
        with pytest.raises(ValueError, match=f"not fitted for {name}="):
            host.set_params(**{name: value}).predict(NEW_X)
        host.set_params(bias_detector=None).predict(NEW_X)  # the raw scores need no gate
        host.set_params(bias_detector=detector, **{name: was} if name != "bias_detector" else {})
    assert_array_equal(host.predict(NEW_X), before)


@both_modes
@pytest.mark.parametrize("detector", ["learned", "energy", "stacking"])
def test_the_callers_numpy_settings_do_not_matter(detector, gate):
    expected = claster(detector, gate, temperature=1e-3).fit(X, Y, TABLE).predict_proba(NEW_X)
    with np.errstate(all="raise"):
        zsl = claster(detector, gate, temperature=1e-3).fit(X, Y, TABLE)
        assert_array_equal(zsl.predict_proba(NEW_X), expected)
        BiasDetector("learned").fit(X, Y, TABLE).predict(NEW_X)


@pytest.mark.parametrize("detector", ["entropy", "learned"])
def test_frames_bring_no_foreign_warning(detector):
    names = [f"f{i}" for i in range(X.shape[1])]
    frame, new = (pd.DataFrame(rows, columns=names) for rows in (X, NEW_X))
    zsl = eszsl(BiasDetector(detector)).fit(frame, Y, TABLE)  # warnings are errors
    assert_array_equal(zsl.predict(new), eszsl(detector).fit(X, Y, TABLE).predict(NEW_X))
    assert_array_equal(zsl.bias_detector_.predict(new), 2 * zsl.explain_gate(new).is_seen - 1)
    BiasDetector(detector).fit(frame, Y, TABLE).predict(new)


# groups: clips of one video lie on one side of every fold


@both_hosts
def test_folds_of_a_gate_keep_groups_apart(make, monkeypatch):
    groups, folds = np.arange(len(Y)) // 3, []
    split = fitting._split

    def recorded(codes, groups):
        folds.extend(split(codes, groups))
        return split(codes, groups)

    monkeypatch.setattr(fitting, "_split", recorded)
    order = np.argsort(Y, kind="stable")
    make("energy").fit(X[order], Y[order], TABLE, groups=groups)
    assert folds
    for train, test in folds:
        assert not np.intersect1d(groups[train], groups[test]).size


def test_near_copies_of_training_rows_do_not_make_a_gate_overconfident():
    rng = np.random.default_rng(0)
    copies, y = np.repeat(X, 4, axis=0), np.repeat(Y, 4)
    copies = copies + 0.01 * copies.std() * rng.normal(size=copies.shape)
    groups, held = np.repeat(np.arange(len(Y)), 4), np.isin(NEW_Y, DATA.seen_classes)
    called_seen = [
        eszsl(BiasDetector("knn", n_neighbors=1)).fit(copies, y, TABLE, groups=given)
        .explain_gate(NEW_X[held]).is_seen.mean()
        for given in (None, groups)
    ]  # fmt: skip
    assert called_seen[1] > called_seen[0]


def test_groups_that_cannot_be_kept_apart_leave_the_threshold_to_a_quantile():
    with pytest.warns(UserWarning, match="groups that can be kept apart"):
        zsl = eszsl(BiasDetector()).fit(X, Y, TABLE, groups=np.zeros(len(Y)))
    assert zsl.bias_detector_.contamination_ == 0.05
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        eszsl(BiasDetector()).fit(X, Y, TABLE, groups=np.zeros(3))
