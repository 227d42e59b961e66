import pickle
import unicodedata
import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import paper_twin
import pytest
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import balanced_accuracy_score

from sklearn_claster import ClassEmbeddings
from sklearn_claster.metrics import (
    ausuc,
    class_purity,
    cluster_purity,
    expected_calibration_error,
    gzsl_report,
    mean_per_class_accuracy,
    seen_unseen_curve,
)

LABEL_KINDS = {
    "int": np.array([0, 1, 2, 3, 4]),
    "negative float": np.array([-2.0, -1.0, 0.0, 1.0, 2.0]),
    "str": np.array(["archery", "bowling", "fencing", "surfing", "yoyo"]),
    "object str": np.array(["archery", "bowling", "fencing", "surfing", "yoyo"], dtype=object),
    "object int": np.array([3, 5, 7, 9, 11], dtype=object),
}


@pytest.fixture(params=LABEL_KINDS, scope="module")
def names(request):
    return LABEL_KINDS[request.param]


def draw(seed, n_classes, n_samples=60):
    return np.random.default_rng(seed).integers(0, n_classes, n_samples)


# purity


@pytest.mark.parametrize("purity", ["cluster_purity", "class_purity"])
@pytest.mark.parametrize("seed", range(5))
def test_purity_is_that_of_the_paper_twin(purity, seed, names):
    clusters, y = draw(seed, 3), draw(seed + 100, 5)
    expected = getattr(paper_twin, purity)(clusters.tolist(), y.tolist())
    assert globals()[purity](clusters, names[y]) == pytest.approx(expected, abs=1e-15)


def test_purities_of_a_case_counted_by_hand():
    clusters = [0, 0, 0, 1, 1, 1, 1]
    y = ["a", "a", "b", "b", "b", "c", "d"]  # a: 2 + 0, b: 1 + 2, c: 0 + 1, d: 0 + 1
    assert cluster_purity(clusters, y) == pytest.approx((2 + 2) / 7)
    assert class_purity(clusters, y) == pytest.approx((2 + 2 + 1 + 1) / 7)


def test_purities_exchange_when_clusters_and_classes_do():
    clusters, y = draw(0, 4), draw(1, 7)
    assert class_purity(clusters, y) == cluster_purity(y, clusters)
    assert class_purity(clusters, y) != cluster_purity(clusters, y)


def test_fewer_clusters_than_classes_bound_cluster_purity_only():
    y = np.repeat(np.arange(51), 2)
    clusters = y % 6  # every class lies in one cluster
    assert class_purity(clusters, y) == 1.0
    assert cluster_purity(clusters, y) == pytest.approx(6 / 51)


def test_a_perfect_clustering_has_purity_one():
    y = draw(0, 5)
    assert cluster_purity(4 - y, y) == class_purity(4 - y, y) == 1.0


@pytest.mark.parametrize("purity", [cluster_purity, class_purity])
def test_purity_refuses_what_it_cannot_count(purity):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        purity([0, 1, 1], ["a", "b"])
    with pytest.raises(ValueError, match="clusters has to hold at least one"):
        purity([], [])
    with pytest.raises(ValueError, match=r"clusters has to hold class labels.*'continuous'"):
        purity([0.3, 0.1], ["a", "b"])


# mean per-class accuracy


def plain_mean_per_class_accuracy(y_true, y_pred, labels, weights):
    recalls = []
    for label in labels:
        rows = [i for i, true in enumerate(y_true) if true == label]
        total = sum(weights[i] for i in rows)
        if total:
            recalls.append(sum(weights[i] for i in rows if y_pred[i] == label) / total)
    return sum(recalls) / len(recalls)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("labels", [None, [1, 3], [4, 0, 2], [2]])
def test_mean_per_class_accuracy_is_the_plain_mean(labels, weighted, names):
    y_true, y_pred = draw(0, 4), draw(1, 5)  # class 4 is predicted but has no row
    weights = np.random.default_rng(2).uniform(0.1, 3, 60) if weighted else None
    expected = plain_mean_per_class_accuracy(
        y_true, y_pred, labels or range(4), np.ones(60) if weights is None else weights
    )
    actual = mean_per_class_accuracy(
        names[y_true],
        names[y_pred],
        labels=None if labels is None else names[labels],
        sample_weight=weights,
    )
    assert actual == pytest.approx(expected, abs=1e-12)


def test_it_is_balanced_accuracy_where_that_is_defined():
    y_true, y_pred = draw(0, 5), draw(1, 5)
    expected = balanced_accuracy_score(y_true, y_pred)
    assert mean_per_class_accuracy(y_true, y_pred) == pytest.approx(expected)


def test_large_classes_count_no_more_than_small_ones():
    y_true = ["big"] * 99 + ["small"]
    assert mean_per_class_accuracy(y_true, ["big"] * 100) == 0.5


def test_a_prediction_outside_of_labels_is_wrong():
    assert mean_per_class_accuracy(["a", "a", "b"], ["a", "z", "b"], labels=["a"]) == 0.5


def test_a_label_without_rows_is_left_out():
    assert mean_per_class_accuracy(["a", "b"], ["a", "b"], labels=["a", "b", "z"]) == 1.0


def test_a_class_of_weight_zero_is_left_out():
    assert mean_per_class_accuracy(["a", "b"], ["a", "a"], sample_weight=[1.0, 0.0]) == 1.0


def test_no_warning_for_many_classes_of_few_rows():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = np.arange(60)
        assert mean_per_class_accuracy(y, y) == 1.0
        assert gzsl_report(y, y, np.arange(30))["harmonic_mean"] == 1.0
        assert class_purity(y, y) == 1.0


@pytest.mark.parametrize(
    ("arguments", "options", "error", "match"),
    [
        ((["a"], ["a"]), {"labels": ["z"]}, ValueError, r"\['a'\].*\['z'\].*Leave labels=None"),
        ((["a"], ["a"]), {"labels": []}, ValueError, "at least one of the classes"),
        ((["a"], ["a"]), {"sample_weight": [0.0]}, ValueError, "weight above 0"),
        (([], []), {}, ValueError, "y_true has to hold at least one"),
        ((["a", "b"], ["a"]), {}, ValueError, "inconsistent numbers of samples"),
        ((["a"], ["a"]), {"sample_weight": [1, 2]}, ValueError, "inconsistent numbers of samples"),
        (([0.5, 1.0], [1.0, 1.0]), {}, ValueError, "y_true has to hold class labels.*continuous"),
        (([1, 2], ["1", "2"]), {}, TypeError, "y_pred are strings .* y_true is keyed by numbers"),
        (([1, 2], [1, 2]), {"labels": ["1"]}, TypeError, "labels are strings"),
        ((np.array(["a", None]), ["a", "a"]), {}, ValueError, "missing in y_true.* 1, counted"),
    ],
)
def test_mean_per_class_accuracy_says_what_is_wrong(arguments, options, error, match):
    with pytest.raises(error, match=match):
        mean_per_class_accuracy(*arguments, **options)


# generalized zero-shot report


def test_gzsl_report_joins_the_two_sides(names):
    y_true, y_pred = draw(0, 5), draw(1, 5)
    report = gzsl_report(names[y_true], names[y_pred], names[[3, 0]])
    seen = plain_mean_per_class_accuracy(y_true, y_pred, [0, 3], np.ones(60))
    unseen = plain_mean_per_class_accuracy(y_true, y_pred, [1, 2, 4], np.ones(60))
    assert list(report) == ["seen", "unseen", "harmonic_mean"]
    assert report["seen"] == pytest.approx(seen)
    assert report["unseen"] == pytest.approx(unseen)
    assert report["harmonic_mean"] == pytest.approx(2 * seen * unseen / (seen + unseen))
    assert seen != pytest.approx(unseen)
    assert {type(value) for value in report.values()} == {float}


@pytest.mark.parametrize(
    ("y_pred", "expected"),
    [("ssss", [1.0, 0.0, 0.0]), ("uuuu", [0.0, 1.0, 0.0]), ("uuss", [0.0, 0.0, 0.0])],
)
def test_harmonic_mean_is_zero_when_a_side_is(y_pred, expected):
    assert list(gzsl_report(list("ssuu"), list(y_pred), ["s"]).values()) == expected


@pytest.mark.parametrize(
    ("seen_classes", "missing"),
    [(["a", "b"], "unseen"), (["z"], "seen"), (["of another model"], "seen")],
)
def test_a_missing_side_is_nan_and_told(seen_classes, missing):
    with pytest.warns(UndefinedMetricWarning, match=f"no sample of {missing} classes, so"):
        report = gzsl_report(["a", "b"], ["a", "b"], seen_classes)
    present = {"seen": "unseen", "unseen": "seen"}[missing]
    assert np.isnan([report[missing], report["harmonic_mean"]]).all()
    assert report[present] == 1.0


@pytest.mark.parametrize(
    "table",
    [ClassEmbeddings(["a"], [[1.0]]), {"a": [1.0]}, (["a"], [[1.0]])],
    ids=lambda t: type(t).__name__,
)
def test_a_class_table_names_no_seen_classes(table):
    with pytest.raises(TypeError, match=r"^seen_classes is a class table .*\. Pass.*\.classes_"):
        gzsl_report(["a", "b"], ["a", "b"], table)
    with pytest.raises(TypeError, match=r"^unseen_classes is a class table .*\.unseen_classes_"):
        gzsl_report(["a", "b"], ["a", "b"], unseen_classes=table)


def test_without_seen_classes_all_are_unseen():
    with pytest.warns(UndefinedMetricWarning, match="no sample of seen classes"):
        assert gzsl_report(["a", "b"], ["a", "a"], [])["unseen"] == 0.5


def test_gzsl_report_refuses_labels_that_cannot_match():
    with pytest.raises(TypeError, match="seen_classes are strings"):
        gzsl_report([1, 2], [1, 2], ["1"])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        gzsl_report(["a", "b"], ["a"], ["a"])


# the seen-unseen curve


def plain_accuracies(y_true, scores, labels, seen_classes, constant):
    """Calibrated stacking, row by row; a tie goes to the unseen class."""
    sides = {"seen": {}, "unseen": {}}
    for true, row in zip(y_true, scores, strict=True):
        best = {"seen": (-np.inf, None), "unseen": (-np.inf, None)}
        for label, score in zip(labels, row, strict=True):
            side = "seen" if label in seen_classes else "unseen"
            if score > best[side][0]:
                best[side] = score, label
        named = "seen" if best["seen"][0] - best["unseen"][0] > constant else "unseen"
        side = "seen" if true in seen_classes else "unseen"
        sides[side].setdefault(true, []).append(best[named][1] == true)
    return [np.mean([np.mean(hits) for hits in side.values()]) for side in sides.values()]


def plain_curve(y_true, scores, labels, seen_classes):
    """All accuracies that differ, by trying a constant between any two margins."""
    seen = np.isin(labels, seen_classes)
    margins = np.unique(scores[:, seen].max(axis=1) - scores[:, ~seen].max(axis=1))
    constants = [-np.inf, *(margins[:-1] + np.diff(margins) / 2), np.inf]
    curve = [plain_accuracies(y_true, scores, labels, seen_classes, c) for c in constants]
    return [point for i, point in enumerate(curve) if i == 0 or point != curve[i - 1]]


def draw_scores(seed, tied, n_samples=40):
    """Scores for 6 candidates, of which 3 are seen; rows of one more class of either side."""
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 8, n_samples)
    scores = rng.normal(size=(n_samples, 6)) + 1.5 * (y_true[:, None] == np.arange(6))
    return y_true, np.round(scores) if tied else scores, np.array([0, 2, 4, 6])


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_curve_is_that_of_all_constants(seed, tied):
    y_true, scores, seen_classes = draw_scores(seed, tied)
    seen, unseen, _ = seen_unseen_curve(y_true, scores, np.arange(6), seen_classes)
    expected = plain_curve(y_true, scores, np.arange(6), seen_classes)
    np.testing.assert_allclose(np.column_stack([seen, unseen]), expected, atol=1e-12)
    area = sum((b[1] - a[1]) * (a[0] + b[0]) / 2 for a, b in pairwise(expected))
    assert ausuc(y_true, scores, np.arange(6), seen_classes) == pytest.approx(area)
    assert area <= seen[0] * unseen[-1] + 1e-12


@pytest.mark.parametrize("tied", [False, True])
def test_accuracies_hold_from_one_constant_up_to_the_next(tied):
    y_true, scores, seen_classes = draw_scores(0, tied)
    curve = seen_unseen_curve(y_true, scores, np.arange(6), seen_classes)
    ends = [*curve[2][1:], np.inf]
    for seen, unseen, start, end in zip(*curve, ends, strict=True):
        for constant in (start, min(max(start, -99) + 1e-9, end - 1e-9), end - 1e-9):
            expected = plain_accuracies(y_true, scores, np.arange(6), seen_classes, constant)
            assert [seen, unseen] == pytest.approx(expected, abs=1e-12)


def test_curve_is_the_report_of_stacked_predictions(names):
    y_true, scores, _ = draw_scores(3, False)
    kept = y_true < 5
    y_true, scores = names[y_true[kept]], scores[kept][:, :5]
    seen_classes = names[[0, 3]]
    seen, unseen, constants = seen_unseen_curve(y_true, scores, names, seen_classes)
    for i in range(1, len(constants) - 1):
        middle = (constants[i] + constants[i + 1]) / 2
        stacked = scores - middle * np.isin(names, seen_classes)
        report = gzsl_report(y_true, names[stacked.argmax(axis=1)], seen_classes)
        assert report["seen"] == pytest.approx(seen[i])
        assert report["unseen"] == pytest.approx(unseen[i])


def test_curve_starts_and_ends_at_the_sides_alone():
    y_true, scores, seen_classes = draw_scores(1, False)
    seen, unseen, constants = seen_unseen_curve(y_true, scores, np.arange(6), seen_classes)
    is_seen = np.isin(y_true, seen_classes)
    alone = {
        kind: mean_per_class_accuracy(
            y_true[rows], columns[scores[rows][:, columns].argmax(axis=1)]
        )
        for kind, rows, columns in (
            ("seen", is_seen, np.array([0, 2, 4])),
            ("unseen", ~is_seen, np.array([1, 3, 5])),
        )
    }
    assert [seen[0], unseen[0]] == pytest.approx([alone["seen"], 0.0])
    assert [seen[-1], unseen[-1]] == pytest.approx([0.0, alone["unseen"]])
    assert constants[0] == -np.inf
    assert np.all(np.diff(constants) > 0)
    assert np.all(np.diff(seen) <= 0)
    assert np.all(np.diff(unseen) >= 0)


def test_area_does_not_know_a_constant_or_a_scale():
    y_true, scores, seen_classes = draw_scores(2, False)
    expected = ausuc(y_true, scores, np.arange(6), seen_classes)
    shifted = 4.0 * (scores + 8.0 * np.isin(np.arange(6), seen_classes))
    assert ausuc(y_true, shifted, np.arange(6), seen_classes) == pytest.approx(expected)
    order = np.random.default_rng(0).permutation(6)
    assert ausuc(y_true, scores[:, order], order, seen_classes) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([[2, 0, 1, 0], [0, 0, 1, 0]], 1.0),  # some constant gets both right
        ([[1, 0, 1, 0], [1, 0, 1, 0]], 0.5),  # they change sides together
        ([[0, 0, 1, 0], [2, 0, 1, 0]], 0.0),  # one of them at a time
        ([[0, 1, 0, 0], [0, 0, 0, 1]], 0.0),  # never right
        ([[0, 1, 0, 0], [0, 0, 1, 0]], 0.0),  # the seen one never
    ],
)
def test_area_of_two_rows(scores, expected):
    assert ausuc(["s", "u"], scores, list("stuv"), ["s", "t"]) == expected


def test_a_tie_within_a_side_goes_to_the_first_label():
    assert ausuc(["s", "u"], [[2, 2, 1], [0, 0, 1]], ["s", "t", "u"], ["s", "t"]) == 1.0
    assert ausuc(["s", "u"], [[2, 2, 1], [0, 0, 1]], ["t", "s", "u"], ["s", "t"]) == 0.0


def test_candidates_without_rows_are_left_out_and_classes_without_candidates_missed():
    scores = [[2.0, 0.0, 1.0], [0.0, 0.0, 1.0]]
    assert ausuc(["s", "u"], scores, ["s", "t", "u"], ["s", "t"]) == 1.0
    scores += [[0.0, 0.0, 1.0]]
    assert ausuc(["s", "u", "z"], scores, ["s", "t", "u"], ["s", "t"]) == 0.5


def test_accuracies_stay_below_one_whatever_rounding_adds():
    share = 1.0 / (3 * 3)  # of 3 samples in each of 3 classes
    assert sum([share] * 9) > 1.0
    codes = np.repeat(np.arange(6), 3)
    scores = np.eye(6)[codes] * (1.0 + np.arange(18)[:, None])  # every sample has its own constant
    seen, unseen, _ = seen_unseen_curve(codes, scores, np.arange(6), np.arange(3))
    assert seen[0] == unseen[-1] == 1.0


@pytest.mark.parametrize(("y_true", "missing"), [("ss", 1), ("uu", 0)])
def test_a_missing_side_of_the_curve_is_nan(y_true, missing):
    curve = seen_unseen_curve(list(y_true), np.eye(2), ["s", "u"], ["s"])
    assert np.isnan(curve[missing]).all()
    assert np.isfinite(curve[1 - missing]).all()
    assert np.isnan(ausuc(list(y_true), np.eye(2), ["s", "u"], ["s"]))


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((["s", "u"], np.eye(2), ["s", "u"], ["s", "u"]), ValueError, 'space="gzsl"'),
        ((["s", "u"], np.eye(2), ["s", "u"], []), ValueError, "0 seen and 2 unseen"),
        ((["s", "u"], np.eye(2), ["s"], ["s"]), ValueError, "2 columns and 1 labels"),
        ((["s", "u"], np.eye(2), ["s", "s"], ["s"]), ValueError, "each class once"),
        ((["s", "u"], [[0, np.inf], [0, 0]], ["s", "u"], ["s"]), ValueError, "infinity"),
        ((["s"], np.eye(2), ["s", "u"], ["s"]), ValueError, "inconsistent numbers"),
        ((["s", "u"], np.eye(2), [0, 1], [0]), TypeError, "labels are numbers"),
    ],
)
def test_seen_unseen_curve_says_what_is_wrong(arguments, error, match):
    for metric in (seen_unseen_curve, ausuc):
        with pytest.raises(error, match=match):
            metric(*arguments)


def test_masked_labels_and_scores_do_not_count_as_values():
    masked = np.ma.masked_array([0, 0, 1, 9], mask=[0, 0, 0, 1])
    for wrong in ((masked, [0, 0, 1, 1]), ([0, 0, 1, 1], masked)):
        with pytest.raises(ValueError, match="got a masked array with 1 masked"):
            mean_per_class_accuracy(*wrong)
    scores = np.ma.masked_array(np.eye(2), mask=[[0, 1], [0, 0]])
    with pytest.raises(ValueError, match="got a masked array with 1 masked"):
        ausuc([0, 1], scores, [0, 1], [0])


def test_weights_may_be_a_column():
    y, found = [0, 0, 1, 1], [0, 1, 1, 1]
    weights = [1.0, 3.0, 0.0, 1.0]
    expected = mean_per_class_accuracy(y, found, sample_weight=weights)
    assert mean_per_class_accuracy(y, found, sample_weight=np.c_[weights]) == expected == 0.625


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="NumPy has it from 2.0 on")
def test_text_of_variable_width():
    y = np.array(["a", "a", "bird"], np.dtypes.StringDType())
    assert mean_per_class_accuracy(y, ["a", "bird", "bird"]) == 0.75


# forms of the arguments


def test_sets_of_classes_are_taken():
    y_true, y_pred = ["a", "a", "b", "c"], ["a", "b", "b", "c"]
    expected = gzsl_report(y_true, y_pred, ["a", "b"])
    for seen in ({"a", "b"}, frozenset("ab"), dict.fromkeys("ab").keys(), np.array(["b", "a"])):
        assert gzsl_report(y_true, y_pred, seen) == expected
    assert mean_per_class_accuracy(y_true, y_pred, labels={"a"}) == 0.5
    assert ausuc(["s", "u"], np.eye(2), ["s", "u"], {"s"}) == 1.0
    with pytest.raises(TypeError, match=r"labels in y_pred have to come in an order.*got set"):
        gzsl_report(y_true, set(y_pred), ["a"])
    with pytest.raises(TypeError, match=r"labels in labels have to come in an order.*got set"):
        ausuc(["s", "u"], np.eye(2), {"s", "u"}, ["s"])


def test_the_unseen_classes_serve_as_well():
    y_true, y_pred = draw(0, 5), draw(1, 5)
    expected = gzsl_report(y_true, y_pred, [0, 3])
    assert gzsl_report(y_true, y_pred, unseen_classes={1, 2, 4}) == expected
    with pytest.warns(UndefinedMetricWarning, match="no sample of unseen classes"):
        assert np.isnan(gzsl_report(y_true, y_pred, unseen_classes=[])["unseen"])
    with pytest.raises(ValueError, match=r"got neither\. Pass seen_classes, for example model\.cl"):
        gzsl_report(y_true, y_pred)
    with pytest.raises(ValueError, match="got both"):
        gzsl_report(y_true, y_pred, [0, 3], unseen_classes=[1, 2, 4])
    with pytest.raises(TypeError, match="unseen_classes are strings"):
        gzsl_report(y_true, y_pred, unseen_classes=["1"])


def test_a_report_prints_as_a_table():
    report = gzsl_report(["a"] * 4 + ["b", "c"], ["a", "b"] * 2 + ["b", "b"], {"a"})
    lines = str(report).split("\n")
    assert lines[0].split() == ["accuracy", "classes", "support"]
    assert lines[2].split() == ["seen", "0.50", "1", "4"]
    assert lines[3].split() == ["unseen", "0.50", "2", "2"]
    assert lines[5].split() == ["harmonic", "mean", "0.50", "3", "6"]
    assert len({len(line) for line in lines if line.strip()}) == 1
    with pytest.warns(UndefinedMetricWarning):
        assert "nan" in str(gzsl_report(["a"], ["a"], ["a"]))


def test_a_report_stays_a_mapping():
    report = gzsl_report(["a", "b"], ["a", "a"], ["a"])
    assert dict(report) == report == {"seen": 1.0, "unseen": 0.0, "harmonic_mean": 0.0}
    assert f"{report!r}" == "{'seen': 1.0, 'unseen': 0.0, 'harmonic_mean': 0.0}"
    again = pickle.loads(pickle.dumps(report))
    assert (again, str(again)) == (report, str(report))


BIG = 2**53 + np.arange(3)  # float64 does not hold them all


def test_integers_of_two_types_are_told_apart():
    other = BIG.astype(np.uint64)
    assert mean_per_class_accuracy(BIG, other) == 1.0
    assert mean_per_class_accuracy(BIG, other[[1, 1, 2]]) == pytest.approx(2 / 3)
    assert mean_per_class_accuracy(BIG, BIG[[1, 1, 2]], labels=other[:1]) == 0.0
    assert gzsl_report(BIG, other, other[:1])["seen"] == 1.0
    assert ausuc(BIG[:2], np.eye(2), other[:2], other[:1]) == 1.0
    with pytest.raises(TypeError, match=r"y_pred are of the type int64 .* y_true are float64"):
        mean_per_class_accuracy(BIG.astype(float), BIG)


def test_spellings_of_unicode_are_one_class():
    one, other = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))
    assert mean_per_class_accuracy([one, "tea"], [other, "tea"]) == 1.0
    assert gzsl_report([one, "tea"], [one, "tea"], {other}) == gzsl_report(
        [one, "tea"], [one, "tea"], {one}
    )


@pytest.mark.parametrize("lost", [None, np.nan, pd.NA], ids=str)
def test_missing_labels_are_named(lost):
    y = pd.Series(["a", "b", lost], dtype=object)
    for metric in (mean_per_class_accuracy, class_purity, lambda *both: gzsl_report(*both, ["a"])):
        with pytest.raises(ValueError, match=r"missing in \w+: got .* 2, counted from 0"):
            metric(y, ["a", "b", "b"])
        with pytest.raises(ValueError, match=r"missing in \w+: got .* 2, counted from 0"):
            metric(["a", "b", "b"], y)


# the expected calibration error


def drawn_probabilities(seed, n_samples=200, n_labels=5):
    scores = 2.0 * np.random.default_rng(seed).normal(size=(n_samples, n_labels))
    proba = np.exp(scores)
    return proba / proba.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("n_bins", [1, 7, 15])
@pytest.mark.parametrize("seed", range(3))
def test_the_calibration_error_is_a_loop_over_bins(seed, n_bins, names):
    proba, y = drawn_probabilities(seed), draw(seed + 9, 5, 200)
    error = 0.0
    for m in range(n_bins):
        inside = [
            p for p in zip(proba, y, strict=True) if m / n_bins < max(p[0]) <= (m + 1) / n_bins
        ]
        if inside:
            hits = np.mean([row.argmax() == c for row, c in inside])
            confidence = np.mean([max(row) for row, _ in inside])
            error += len(inside) / len(y) * abs(hits - confidence)
    assert expected_calibration_error(names[y], proba, names, n_bins) == pytest.approx(error)
    shuffled = [3, 1, 4, 0, 2]
    again = expected_calibration_error(names[y], proba[:, shuffled], names[shuffled], n_bins)
    assert again == pytest.approx(error)
    assert expected_calibration_error(names[y], proba, n_bins=n_bins) == pytest.approx(error)


def test_the_calibration_error_of_cases_counted_by_hand():
    sure = np.eye(2)[[0, 0, 1, 1]]
    assert expected_calibration_error([0, 0, 1, 1], sure) == 0.0
    assert expected_calibration_error([1, 1, 0, 0], sure) == 1.0
    assert expected_calibration_error([0, 1, 0, 1], sure) == 0.5
    assert expected_calibration_error([0, 1], np.full((2, 2), 0.5)) == 0.0
    # a class that is no candidate is always missed
    assert expected_calibration_error(["c", "c"], np.eye(2), ["a", "b"]) == 1.0
    assert expected_calibration_error([[0], [1]], np.eye(2).astype(np.float32)) == 0.0


def test_probabilities_that_are_drawn_from_are_calibrated():
    proba = drawn_probabilities(0, 20_000)
    u = np.random.default_rng(1).random((20_000, 1))
    assert expected_calibration_error((proba.cumsum(axis=1) < u).sum(axis=1), proba) < 0.02


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ([0, 1], np.eye(3)[:2]), ValueError, "3 columns and 2 labels.*candidates"),
        (lambda: ([0, 1], np.eye(2), [1, 1]), ValueError, "2 columns and 2 labels of 1 classes"),
        (lambda: ([0, 1], [[2.0, -1.0]] * 2), ValueError, "from -1 to 2.*predict_proba returns"),
        (lambda: ([0, 1], [[0.9, 0.9]] * 2), ValueError, "each row sums to one"),
        (lambda: ([0, 1], [[np.nan, 0.9]] * 2), ValueError, "NaN"),
        (lambda: ([0, 1, 1], np.eye(2)), ValueError, "inconsistent numbers of samples"),
        (lambda: ([0, 1], np.eye(2), ["a", "b"]), TypeError, "strings"),
        (lambda: ([0, 1], np.eye(2), None, 0), ValueError, "n_bins=0 is out of range"),
        (lambda: ([0, 1], np.eye(2), None, 2.5), TypeError, "n_bins=2.5"),
    ],
)
def test_what_has_no_calibration_error(call, error, message):
    with pytest.raises(error, match=message):
        expected_calibration_error(*call())
