"""BiasDetector: its scores against their formulas, its threshold, and scikit-learn's contract."""

import math
import pickle
from inspect import getdoc

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import clone
from sklearn.base import is_outlier_detector
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_claster import BiasDetector, ClassEmbeddings
from sklearn_claster._gate.rules import N_BANK_ROWS, RULES
from sklearn_claster.baselines import ESZSL
from sklearn_claster.datasets import make_zero_shot_classification

CONFIDENCES = ["max_softmax", "entropy", "energy"]
DATA = make_zero_shot_classification(600, 12, n_seen=12, n_unseen=4, random_state=0)
IS_SEEN = np.isin(DATA.target, DATA.seen_classes)
X, Y = DATA.data[IS_SEEN], DATA.target[IS_SEEN]
NEW = DATA.data[~IS_SEEN]
TABLE = DATA.class_embeddings
every_method = pytest.mark.parametrize("method", list(RULES))


@parametrize_with_checks([BiasDetector(method) for method in RULES])
def test_every_check_of_scikit_learn(estimator, check):
    check(estimator)


def test_it_is_an_outlier_detector_that_clones():
    detector = BiasDetector("knn", contamination=0.2, n_neighbors=3, estimator=ESZSL(gamma=2.0))
    assert is_outlier_detector(detector)
    copy = clone(detector.fit(X, Y, TABLE))
    assert not hasattr(copy, "offset_")
    assert copy.get_params()["estimator__gamma"] == 2.0


# scores against their formulas


def unit(rows, mean):
    centred = rows - mean
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


@pytest.mark.parametrize("method", CONFIDENCES)
def test_confidence_of_each_row(method):
    detector = BiasDetector(method).fit(X, Y, TABLE)
    scores = ESZSL(space="seen").fit(X, Y, TABLE).decision_function(DATA.data)
    expected = []
    for row in scores:
        p = [math.exp(score) for score in row]
        total = sum(p)
        p = [value / total for value in p]
        entropy = -sum(value * math.log(value) for value in p)
        expected.append(
            {"max_softmax": max(p), "entropy": -entropy, "energy": math.log(total)}[method]
        )
    assert_allclose(detector.score_samples(DATA.data), expected, rtol=1e-9)


def test_distance_to_the_kth_neighbour():
    x, new = unit(X, X.mean(axis=0)), unit(NEW, X.mean(axis=0))
    assert len(X) <= N_BANK_ROWS  # all rows are kept
    expected = [-np.sort(np.linalg.norm(x - row, axis=1))[4] for row in new]
    detector = BiasDetector("knn", n_neighbors=5).fit(X, Y, TABLE)
    assert_allclose(detector.score_samples(NEW), expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("k", [1, 3])
def test_a_training_row_is_no_neighbour_of_itself(k, dtype):
    rows = X.astype(dtype)
    x = unit(rows.astype(float), rows.astype(float).mean(axis=0))
    distances = np.sort(np.linalg.norm(x[:, None] - x, axis=2), axis=1)  # the first is to itself
    detector = BiasDetector("knn", n_neighbors=k, contamination=0.1).fit(rows, Y, TABLE)
    assert_allclose(detector.score_samples(rows), -distances[:, k], rtol=1e-5)
    assert_allclose(detector.offset_, np.quantile(-distances[:, k], 0.1), rtol=1e-5)


@pytest.mark.parametrize("n", [2, 3])
def test_neighbours_among_very_few_rows(n):
    rows = np.array([[0.0, 1.0], [1.0, 0.0], [3.0, 3.0]])[:n]
    detector = BiasDetector("knn", contamination=0.0).fit(rows)  # k is cut to the n - 1 others
    x = unit(rows, rows.mean(axis=0))
    assert_allclose(
        detector.score_samples(rows), -np.linalg.norm(x[:, None] - x, axis=2).max(axis=1)
    )
    assert_array_equal(detector.predict(rows), np.ones(n))


def test_a_learned_score_is_linear_in_its_three_columns():
    detector = BiasDetector().fit(X, Y, TABLE)
    scores, _ = detector.estimator_._raw_scores(DATA.data)
    seen = np.isin(TABLE.labels, DATA.seen_classes)
    distance = BiasDetector("relative_mahalanobis").fit(X, Y, TABLE).score_samples(DATA.data)
    columns = np.c_[scores[:, seen].max(axis=1), scores[:, ~seen].max(axis=1), distance]
    design = np.c_[columns, np.ones(len(columns))]
    found = detector.score_samples(DATA.data)
    weights, *_ = np.linalg.lstsq(design, found)
    assert_allclose(design @ weights, found, atol=1e-8)
    assert weights[0] > 0 > weights[1]  # a good seen score speaks for seen, a good unseen against


# the outputs


@every_method
def test_outputs_agree(method):
    detector = BiasDetector(method).fit(X, Y, TABLE)
    decision = detector.decision_function(DATA.data)
    assert_allclose(decision, detector.score_samples(DATA.data) - detector.offset_)
    assert_array_equal(detector.predict(DATA.data), np.where(decision >= 0, 1, -1))
    assert_array_equal(detector.transform(DATA.data), decision[:, None])
    assert detector.get_feature_names_out().tolist() == ["biasdetector0"]
    assert detector.method_ == method


@pytest.mark.parametrize("method", ["learned", "mahalanobis", "relative_mahalanobis", "knn"])
def test_rows_of_seen_classes_score_higher(method):
    """The area under the ROC curve, as the share of pairs in order."""
    detector = BiasDetector(method).fit(X[::2], Y[::2], TABLE)
    seen, unseen = detector.score_samples(X[1::2]), detector.score_samples(NEW)
    assert np.mean(seen[:, None] > unseen) > 0.7


def test_set_output_names_the_column():
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(12)])
    detector = BiasDetector().fit(frame, Y, TABLE).set_output(transform="pandas")
    out = detector.transform(frame)
    assert out.columns.tolist() == ["biasdetector0"]
    assert_array_equal(out.to_numpy()[:, 0], detector.decision_function(frame))


# the threshold


@pytest.mark.parametrize("method", ["max_softmax", "mahalanobis", "knn"])
@pytest.mark.parametrize("contamination", [0.0, 0.1, 0.5, 1.0])
def test_contamination_is_the_share_of_training_rows_called_unseen(method, contamination):
    detector = BiasDetector(method, contamination=contamination).fit(X, Y, TABLE)
    share = np.mean(detector.predict(X) == -1)
    assert abs(share - contamination) <= 1.5 / len(X)
    assert detector.contamination_ == contamination


@pytest.mark.parametrize("method", ["max_softmax", "mahalanobis", "relative_mahalanobis", "knn"])
def test_the_choice_can_be_set_by_hand(method):
    chosen = BiasDetector(method).fit(X, Y, TABLE)
    by_hand = BiasDetector(method, contamination=chosen.contamination_).fit(X, Y, TABLE)
    assert by_hand.offset_ == pytest.approx(chosen.offset_, rel=1e-12)


@every_method
def test_fall_backs_without_labels_or_a_table_or_classes(method):
    alone = BiasDetector(method).fit(X)
    assert alone.method_ == ("knn" if method == "knn" else "mahalanobis")
    assert alone.contamination_ == 0.05
    unlabelled = BiasDetector(method).fit(X, np.zeros(len(X), dtype=int))  # one class
    assert_array_equal(alone.predict(DATA.data), unlabelled.predict(DATA.data))
    without_table = BiasDetector(method).fit(X, Y)
    assert without_table.method_ == ("relative_mahalanobis" if method == "learned" else method)
    assert without_table.contamination_ == 0.05
    few = np.isin(Y, DATA.seen_classes[:3])
    of_three = BiasDetector(method).fit(X[few], Y[few], TABLE)
    assert of_three.contamination_ == 0.05


def test_learned_needs_unseen_classes_to_ask_about():
    detector = BiasDetector().fit(X, Y, TABLE.select(DATA.seen_classes))
    assert detector.method_ == "relative_mahalanobis"
    assert detector.contamination_ != 0.05  # the threshold is chosen all the same


@every_method
def test_no_unseen_vector_changes_the_threshold(method):
    vectors = TABLE.vectors.copy()
    vectors[np.isin(TABLE.labels, DATA.unseen_classes)] *= 1e3
    one = BiasDetector(method).fit(X, Y, TABLE)
    other = BiasDetector(method).fit(X, Y, ClassEmbeddings(TABLE.labels, vectors))
    assert one.offset_ == other.offset_
    assert one.contamination_ == other.contamination_


# as a transformer


def test_in_a_union_and_before_a_classifier():
    union = FeatureUnion([("x", "passthrough"), ("bias", BiasDetector())]).fit(X, Y)
    out = union.transform(X)
    assert_array_equal(out[:, :-1], X)
    assert_array_equal(out[:, -1:], BiasDetector().fit(X, Y).transform(X))
    is_first = np.isin(Y, DATA.seen_classes[:6])
    pipe = make_pipeline(BiasDetector("knn"), LogisticRegression()).fit(X, is_first)
    assert set(pipe.predict(NEW)) <= {True, False}


def test_a_pickle_gives_the_same_answers_and_holds_no_tensor():
    for method in RULES:
        detector = BiasDetector(method).fit(X, Y, TABLE)
        data = pickle.dumps(detector)
        assert b"torch" not in data
        assert_array_equal(pickle.loads(data).score_samples(NEW), detector.score_samples(NEW))


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"method": "odin"}, ValueError, "method='odin' is not a valid choice; expected one of"),
        ({"contamination": 1.5}, ValueError, r"expected a number in \[0, 1\], or 'auto'"),
        ({"contamination": "some"}, TypeError, "contamination='some'"),
        ({"n_neighbors": 0}, ValueError, "n_neighbors=0"),
        ({"estimator": LogisticRegression()}, TypeError, "expected None or a zero-shot"),
    ],
)
def test_wrong_parameters(parameters, error, message):
    with pytest.raises(error, match=message):
        BiasDetector(**parameters).fit(X, Y, TABLE)


def test_every_parameter_is_documented_with_its_default():
    documented = getdoc(BiasDetector).split("\nParameters\n")[1].split("\nAttributes\n")[0]
    for name, default in BiasDetector().get_params(deep=False).items():
        shown = f'"{default}"' if isinstance(default, str) else repr(default)
        block = documented.split(f"\n{name} : ")[1]
        assert f"default={shown}" in block.split("\n    ")[0].replace("\\\n", "") + block


def test_fit_predict_uses_labels_and_table():
    expected = BiasDetector().fit(X, Y, TABLE).predict(X)
    assert_array_equal(BiasDetector().fit_predict(X, Y, TABLE), expected)
    pipeline = make_pipeline("passthrough", BiasDetector())
    found = pipeline.fit_predict(X, Y, biasdetector__class_embeddings=TABLE)
    assert_array_equal(found, expected)


@pytest.mark.parametrize("contamination", [0.01, 0.2, 0.4])
def test_a_level_set_by_hand_counts_in_a_pipeline_too(contamination):
    forest = IsolationForest(n_estimators=10, contamination=contamination, random_state=0)
    host = ESZSL(space="gzsl", bias_detector=make_pipeline(StandardScaler(), forest))
    is_seen = host.fit(X, Y, TABLE).explain_gate(X).is_seen
    assert_allclose(np.mean(~is_seen), contamination, atol=0.01)
