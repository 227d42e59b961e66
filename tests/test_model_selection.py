import pickle
import unicodedata
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import clone, config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import KMeans
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, check_cv, cross_val_score, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import get_routing_for_object

from sklearn_claster import ClasterZSL
from sklearn_claster._class_embeddings import ClassEmbeddings
from sklearn_claster._utils.responses import cluster_labels
from sklearn_claster.baselines import ESZSL
from sklearn_claster.metrics import (
    ausuc,
    class_purity,
    cluster_purity,
    gzsl_report,
    mean_per_class_accuracy,
)
from sklearn_claster.model_selection import (
    ZeroShotKFold,
    ZeroShotShuffleSplit,
    ausuc_scorer,
    class_purity_scorer,
    cluster_purity_scorer,
    gzsl_scorer,
    mean_per_class_scorer,
    top_k_scorer,
)

SPLITTERS = [ZeroShotKFold, ZeroShotShuffleSplit]
SIZES = [1, 2, 3, 5, 10, 40, 7, 4]
Y = np.random.default_rng(0).permutation(np.repeat(np.arange(8), SIZES))
X = np.zeros((len(Y), 2))


def split(splitter, y=Y):
    return list(splitter.split(np.zeros((len(y), 1)), y))


def same(folds, others):
    return len(folds) == len(others) and all(
        np.array_equal(one, other)
        for fold, other_fold in zip(folds, others, strict=True)
        for one, other in zip(fold, other_fold, strict=True)
    )


def held_out(splitter, y=Y):
    return [set(np.unique(y)) - set(y[train]) for train, _ in split(splitter, y)]


# which classes


@pytest.mark.parametrize("n_splits", [2, 3, 5, 8])
@pytest.mark.parametrize("shuffle", [False, True])
def test_kfold_holds_out_each_class_once_with_all_its_rows(n_splits, shuffle):
    folds = split(ZeroShotKFold(n_splits, shuffle=shuffle))
    assert len(folds) == n_splits
    tested = []
    for train, test in folds:
        unseen = set(Y[test])
        assert not unseen & set(Y[train])
        assert train.tolist() == [i for i, label in enumerate(Y) if label not in unseen]
        assert test.tolist() == [i for i, label in enumerate(Y) if label in unseen]
        tested += sorted(unseen)
    assert sorted(tested) == list(range(8))
    assert {len(set(Y[test])) for _, test in folds} <= {8 // n_splits, -(-8 // n_splits)}


def test_without_shuffle_folds_are_blocks_of_the_sorted_classes():
    y = np.array(list("ecadbaaace"))
    unseen = [sorted(classes) for classes in held_out(ZeroShotKFold(2, shuffle=False), y)]
    assert unseen == [["a", "b", "c"], ["d", "e"]]


@pytest.mark.parametrize(
    ("n_classes", "test_size", "n_unseen"),
    [
        (51, 0.5, 25),  # HMDB51, as in the 50/50 protocol
        (101, 0.5, 50),  # UCF101
        (16, np.float32(0.5), 8),
        (100, 0.29, 29),  # 0.29 * 100 is a little less than 29
        (50, 0.07, 3),  # 0.07 * 50 is a little more than 3.5
        (7, 0.4, 3),
        (7, 5, 5),
        (7, np.int64(1), 1),
    ],
)
def test_shuffle_split_holds_out_that_many_classes(n_classes, test_size, n_unseen):
    y = np.tile(np.arange(n_classes), 2)
    splitter = ZeroShotShuffleSplit(4, test_size=test_size, random_state=0)
    folds = split(splitter, y)
    assert len(folds) == 4
    for train, test in folds:
        assert len(set(y[test])) == n_unseen
        assert not set(y[test]) & set(y[train])
        assert sorted([*train, *test]) == list(range(2 * n_classes))


def test_shuffle_split_draws_every_fold_anew():
    unseen = held_out(ZeroShotShuffleSplit(20, random_state=0))
    assert len(set(map(frozenset, unseen))) > 10
    assert set.union(*unseen) == set(range(8))


# which rows of seen classes


@pytest.mark.parametrize("seen_fraction", [0.01, 0.1, 0.2, 0.5, 0.75, 0.99, np.float32(0.25)])
@pytest.mark.parametrize("splitter", [*SPLITTERS, "ordered"])
def test_generalized_folds_move_the_share_of_every_training_class(splitter, seen_fraction):
    if splitter == "ordered":
        cv = ZeroShotKFold(3, seen_fraction=seen_fraction, shuffle=False)
    else:
        cv = splitter(3, seen_fraction=seen_fraction, random_state=1)
    for train, test in split(cv):
        assert sorted([*train, *test]) == list(range(len(Y)))
        for label, size in enumerate(SIZES):
            n_train, n_test = (Y[train] == label).sum(), (Y[test] == label).sum()
            if n_train:  # a seen class
                expected = min(max(round(float(seen_fraction) * size), 1), size - 1)
                assert (n_train, n_test) == (size - expected, expected)
            else:
                assert n_test == size
        assert 0 < len(set(Y[train])) < 8


def test_seen_rows_are_moved_at_random_or_from_the_end():
    y = np.repeat([0, 1, 2], 5)
    ordered = ZeroShotKFold(3, seen_fraction=0.4, shuffle=False)
    assert split(ordered, y)[0][1].tolist() == [0, 1, 2, 3, 4, 8, 9, 13, 14]
    mixed = np.tile([0, 1, 2], 500)  # long enough for a sort that is not stable to show
    _, test = split(ordered, mixed)[0]
    assert test[mixed[test] > 0].tolist() == [i for i in range(900, 1500) if mixed[i] > 0]
    moved = [
        frozenset(test[y[test] == 2].tolist())
        for seed in range(60)
        for train, test in split(ZeroShotKFold(3, seen_fraction=0.4, random_state=seed), y)
        if 2 in y[train]
    ]
    assert len(set(moved)) == 10  # all pairs out of five rows


@pytest.mark.parametrize("splitter", SPLITTERS)
def test_held_out_classes_depend_on_the_seed_and_the_classes_only(splitter):
    expected = held_out(splitter(4, random_state=3))
    assert held_out(splitter(4, seen_fraction=0.5, random_state=3)) == expected
    assert held_out(splitter(4, seen_fraction=0.5, random_state=3), np.sort(Y)) == expected
    assert held_out(splitter(4, random_state=4)) != expected


# random_state


@pytest.mark.parametrize("splitter", SPLITTERS)
@pytest.mark.parametrize("seed", [0, 7])
def test_an_int_gives_the_same_folds_at_every_call(splitter, seed):
    y = np.repeat(np.arange(20), 3)
    cv = splitter(3, seen_fraction=0.3, random_state=seed)
    state = check_random_state(None).get_state()[1]  # NumPy's global generator
    folds = split(cv, y)
    assert same(folds, split(cv, y))
    assert same(folds, split(clone(cv, safe=False), y))
    assert not same(folds, split(splitter(3, seen_fraction=0.3, random_state=seed + 1), y))
    np.testing.assert_array_equal(state, check_random_state(None).get_state()[1])


@pytest.mark.parametrize("splitter", SPLITTERS)
def test_none_and_a_generator_give_other_folds_at_every_call(splitter):
    y = np.repeat(np.arange(20), 3)
    for random_state in (None, np.random.RandomState(0)):
        cv = splitter(3, random_state=random_state)
        assert not same(split(cv, y), split(cv, y))
    cvs = [splitter(3, random_state=np.random.RandomState(0)) for _ in range(2)]
    assert same(*(split(cv, y) for cv in cvs))


# the splitter's interface


@pytest.mark.parametrize("splitter", SPLITTERS)
@pytest.mark.parametrize(
    "labels",
    [
        np.arange(8) * 2 - 5,
        np.arange(8) / 1.0,
        np.array(list("abcdefgh")),
        np.array(list("abcdefgh"), dtype=object),
        np.arange(8).astype(object),
    ],
    ids=lambda labels: labels.dtype.name,
)
def test_folds_are_the_same_whatever_the_kind_of_labels(splitter, labels):
    cv = splitter(3, seen_fraction=0.2, random_state=0)
    expected = split(cv)
    y = labels[Y]
    for form in (y, y.tolist(), pd.Series(y), pd.Series(pd.Categorical(y)), y[:, None]):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert same(list(cv.split(pd.DataFrame(X), form)), expected)


def test_classes_of_one_row_make_folds_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folds = split(ZeroShotKFold(3, random_state=0), np.arange(60))
    assert [len(test) for _, test in folds] == [20, 20, 20]


def test_repr_names_every_parameter():
    assert repr(ZeroShotKFold(3, seen_fraction=0.2)) == (
        "ZeroShotKFold(n_splits=3, random_state=None, seen_fraction=0.2, shuffle=True)"
    )
    assert " ".join(repr(ZeroShotShuffleSplit(random_state=0)).split()) == (
        "ZeroShotShuffleSplit(n_splits=10, random_state=0, seen_fraction=0.0, test_size=0.5)"
    )


@pytest.mark.parametrize("splitter", SPLITTERS)
def test_scikit_learn_knows_the_splitters(splitter):
    cv = splitter(4, random_state=0)
    assert cv.get_n_splits() == cv.get_n_splits(X, Y, None) == 4
    assert check_cv(cv, Y, classifier=True) is cv
    assert same(split(pickle.loads(pickle.dumps(cv))), split(cv))
    assert get_routing_for_object(cv).split.requests == {"groups": True}


@pytest.mark.parametrize(
    ("splitter", "parameters", "match"),
    [
        (ZeroShotKFold, {"n_splits": 1}, "n_splits .* at least 2; got 1"),
        (ZeroShotKFold, {"n_splits": 2.0}, "n_splits .* whole number"),
        (ZeroShotShuffleSplit, {"n_splits": 0}, "n_splits .* at least 1; got 0"),
        (ZeroShotShuffleSplit, {"n_splits": True}, "n_splits .* got True"),
        (ZeroShotKFold, {"seen_fraction": 1.0}, "seen_fraction .* below 1, .*0.2.*got 1.0"),
        (ZeroShotKFold, {"seen_fraction": -0.1}, "seen_fraction"),
        (ZeroShotKFold, {"seen_fraction": float("nan")}, "seen_fraction"),
        (ZeroShotShuffleSplit, {"seen_fraction": "0.2"}, "seen_fraction"),
        (ZeroShotShuffleSplit, {"seen_fraction": False}, "seen_fraction"),
        (ZeroShotKFold, {"shuffle": "no"}, "shuffle has to be True or False; got 'no'"),
        (ZeroShotKFold, {"shuffle": False, "random_state": 0}, "random_state=0 has no effect"),
        (ZeroShotShuffleSplit, {"test_size": 0}, "test_size"),
        (ZeroShotShuffleSplit, {"test_size": 1.0}, "test_size .* got 1.0"),
        (ZeroShotShuffleSplit, {"test_size": 2.5}, "test_size"),
        (ZeroShotShuffleSplit, {"test_size": True}, "test_size"),
        (ZeroShotShuffleSplit, {"test_size": None}, "test_size"),
    ],
)
def test_a_parameter_out_of_range_is_refused(splitter, parameters, match):
    with pytest.raises(ValueError, match=match):
        splitter(**parameters)


@pytest.mark.parametrize(
    ("cv", "y", "match"),
    [
        (ZeroShotKFold(5), list("aabbccdd"), "y has 4 class.*n_splits to at most"),
        (ZeroShotKFold(2), list("aabbcc"), "would hold out 2.*more splits hold out fewer"),
        (ZeroShotKFold(2), list("aabb"), "two training classes"),
        (ZeroShotShuffleSplit(test_size=0.1), list("aabbccdd"), "hold out 0.*Change test_size"),
        (ZeroShotShuffleSplit(test_size=0.9), list("aabbccdd"), "hold out 4"),
        (ZeroShotShuffleSplit(test_size=3), list("aabbccdd"), "hold out 3"),
        (ZeroShotShuffleSplit(test_size=9), list("aabbccdd"), "Change test_size"),
        (ZeroShotKFold(2), None, "ZeroShotKFold splits by class and needs y"),
        (ZeroShotKFold(2), [], "at least one class label"),
        (ZeroShotKFold(2), [0.1, 0.2, 0.3, 0.4], "y has to hold class labels.*continuous"),
        (ZeroShotKFold(2), np.eye(4), "1d array"),
        (ZeroShotKFold(2), [0.0, 1.0, 2.0, np.nan], "missing in y.* 3,"),
        (ZeroShotKFold(2), np.array(["a", "b", "c", None]), "position.s. 3, counted"),
    ],
)
def test_labels_that_make_no_folds_are_refused_at_once(cv, y, match):
    with pytest.raises((ValueError, TypeError), match=match):
        cv.split(np.zeros((8 if y is None else len(y), 1)), y)  # before the first fold is asked for


def test_the_smallest_number_of_classes_that_works():
    assert held_out(ZeroShotKFold(3, shuffle=False), np.array(list("abc"))) == [{"a"}, {"b"}, {"c"}]
    assert len(split(ZeroShotShuffleSplit(1, test_size=2), list("abcd"))) == 1


def test_x_and_y_have_to_be_of_one_length():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ZeroShotKFold(2).split(X[1:], Y)


def test_generalized_folds_need_a_class_of_two_rows():
    with pytest.raises(ValueError, match=r"at least two samples.*Set seen_fraction=0\.0"):
        split(ZeroShotKFold(2, seen_fraction=0.2), np.arange(6))
    y = np.array(list("aaaabcd"))
    with pytest.raises(ValueError, match="at least two samples"):  # where "a" is held out
        split(ZeroShotKFold(2, seen_fraction=0.2), y)


# in scikit-learn's searches


class NearestEmbedding(ClassifierMixin, BaseEstimator):
    """Names the candidate whose vector is nearest; seen ones are `seen_bonus` nearer."""

    __metadata_request__fit = {"class_embeddings": True}

    def __init__(self, seen_bonus=0.0, space="gzsl"):
        self.seen_bonus = seen_bonus
        self.space = space

    def fit(self, X, y, class_embeddings=None):
        assert isinstance(class_embeddings, ClassEmbeddings), "the table has to travel whole"
        self.classes_ = np.unique(y)
        self.n_rows_ = len(y)
        self.table_ = class_embeddings
        return self

    def predict(self, X):
        seen = np.isin(self.table_.labels, self.classes_)
        distances = np.linalg.norm(np.asarray(X)[:, None] - self.table_.vectors, axis=2)
        distances = distances - self.seen_bonus * seen
        if self.space == "zsl":
            distances[:, seen] = np.inf
        return self.table_.labels[distances.argmin(axis=1)]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    labels = np.array([f"class {i:02d}" for i in range(12)])
    vectors = rng.normal(size=(12, 4))
    codes = rng.permutation(np.repeat(np.arange(12), 8))
    points = vectors[codes] + 0.6 * rng.normal(size=(96, 4))
    return points, labels[codes], ClassEmbeddings(labels, vectors)


@pytest.fixture(params=[False, True], ids=["routing off", "routing on"])
def routing(request):
    with config_context(enable_metadata_routing=request.param):
        yield request.param


@pytest.mark.parametrize("piped", [False, True])
def test_grid_search_maximises_the_harmonic_mean(data, routing, piped):
    X, y, table = data
    estimator, name, key = NearestEmbedding(), "seen_bonus", "class_embeddings"
    if piped:
        estimator = make_pipeline(FunctionTransformer(), estimator)
        name = f"nearestembedding__{name}"
        key = key if routing else f"nearestembedding__{key}"
    search = GridSearchCV(
        estimator,
        {name: [100.0, 0.1, 1.5]},
        cv=ZeroShotKFold(3, seen_fraction=0.25, random_state=0),
        scoring=gzsl_scorer,
        refit="harmonic_mean",
        error_score="raise",
    ).fit(X, y, **{key: table})
    results = search.cv_results_
    assert search.best_params_ == {name: 0.1}
    assert search.best_score_ == results["mean_test_harmonic_mean"].max() > 0.5
    assert results["mean_test_seen"][0] > results["mean_test_seen"][1]
    assert results["mean_test_unseen"][0] == results["mean_test_harmonic_mean"][0] == 0.0
    assert search.classes_.tolist() == table.labels.tolist()  # refitted on all


@pytest.mark.parametrize("splitter", SPLITTERS)
def test_cross_validate_scores_unseen_classes_and_left_out_rows(data, routing, splitter):
    X, y, table = data
    cv = splitter(3, seen_fraction=0.25, random_state=0)
    results = cross_validate(
        NearestEmbedding(seen_bonus=0.1),
        X,
        y,
        cv=cv,
        scoring=gzsl_scorer,
        params={"class_embeddings": table},
        return_estimator=True,
        error_score="raise",
    )
    for i, (train, test) in enumerate(cv.split(X, y)):
        fitted = results["estimator"][i]
        assert fitted.n_rows_ == len(train)
        assert fitted.classes_.tolist() == sorted(set(y[train]))
        assert set(y[test]) == set(y)
        report = gzsl_report(y[test], fitted.predict(X[test]), sorted(set(y[train])))
        for key, value in report.items():
            assert results[f"test_{key}"][i] == value
        assert 0 < report["harmonic_mean"] <= 1


def test_ordinary_folds_score_unseen_classes_only(data, routing):
    X, y, table = data
    scores = cross_val_score(
        NearestEmbedding(space="zsl"),
        X,
        y,
        cv=ZeroShotShuffleSplit(4, random_state=0),
        params={"class_embeddings": table},
        error_score="raise",
    )
    assert len(scores) == 4
    assert scores.min() > 0.5


def test_a_search_inside_cross_validation(data, routing):
    X, y, table = data
    search = GridSearchCV(
        NearestEmbedding(),
        {"seen_bonus": [100.0, 0.1]},
        cv=ZeroShotKFold(3, seen_fraction=0.25, random_state=0),
        scoring=gzsl_scorer,
        refit="harmonic_mean",
        error_score="raise",
    )
    outer = ZeroShotKFold(3, seen_fraction=0.25, random_state=1)
    results = cross_validate(
        search,
        X,
        y,
        cv=outer,
        scoring=gzsl_scorer,
        params={"class_embeddings": table},
        return_estimator=True,
        error_score="raise",
    )
    assert min(results["test_harmonic_mean"]) > 0.4
    for fitted, (train, _) in zip(results["estimator"], outer.split(X, y), strict=True):
        assert fitted.best_params_ == {"seen_bonus": 0.1}
        assert fitted.classes_.tolist() == sorted(set(y[train]))


# the scorer by itself


def test_gzsl_scorer_is_the_report_of_the_predictions(data):
    X, y, table = data
    rows = y > "class 04"
    fitted = NearestEmbedding(0.3).fit(X[rows], y[rows], table)
    scores = gzsl_scorer(fitted, X, y)
    assert scores == gzsl_report(y, fitted.predict(X), table.labels[5:])
    assert len(set(scores.values())) == 3
    assert pickle.loads(pickle.dumps(gzsl_scorer)) is gzsl_scorer


@pytest.mark.parametrize("side", ["seen", "unseen"])
def test_gzsl_scorer_needs_rows_of_both_kinds(data, side):
    X, y, table = data
    rows = y > "class 04"
    fitted = NearestEmbedding().fit(X[rows], y[rows], table)
    rows = ~rows if side == "seen" else rows
    with pytest.raises(ValueError, match=rf"y has none of {side} classes.*seen_fraction=0\.2"):
        gzsl_scorer(fitted, X[rows], y[rows])


def test_gzsl_scorer_in_ordinary_folds_names_the_cure(data):
    X, y, table = data
    with pytest.raises(ValueError, match=r"ZeroShotKFold\(seen_fraction=0\.2\)"):
        cross_validate(
            NearestEmbedding(),
            X,
            y,
            cv=ZeroShotKFold(3),
            scoring=gzsl_scorer,
            params={"class_embeddings": table},
            error_score="raise",
        )


def test_gzsl_scorer_warns_when_no_seen_class_is_a_candidate(data):
    X, y, table = data
    rows = y > "class 04"
    fitted = NearestEmbedding(space="zsl").fit(X[rows], y[rows], table)
    with pytest.warns(UserWarning, match='space="gzsl"'):
        scores = gzsl_scorer(fitted, X, y)
    assert scores["seen"] == scores["harmonic_mean"] == 0.0


def test_gzsl_scorer_needs_classes(data):
    X, y, _ = data
    with pytest.raises(ValueError, match=r"NearestEmbedding has none.*gzsl_report"):
        gzsl_scorer(NearestEmbedding(), X, y)


# the other scorers


@pytest.mark.parametrize(
    "scorer",
    [mean_per_class_scorer, top_k_scorer, ausuc_scorer, class_purity_scorer, cluster_purity_scorer],
)
def test_scorers_are_callables_for_searches(data, routing, scorer):
    X, y, table = data
    zsl = ClasterZSL(2, hidden_layer_sizes=(8,), max_epochs=2, space="gzsl", random_state=0)
    pipe = make_pipeline(FunctionTransformer(), zsl)
    search = GridSearchCV(
        pipe,
        {"clasterzsl__n_neighbors": [0, 3]},
        cv=ZeroShotKFold(2, seen_fraction=0.25, random_state=0),
        scoring=scorer,
        error_score="raise",
    )
    prefix = "" if routing else "clasterzsl__"
    search.fit(X, y, **{f"{prefix}class_embeddings": table})
    assert 0 < search.best_score_ <= 1
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()
    assert pickle.loads(pickle.dumps(scorer)) is scorer


def test_scorers_are_the_metrics(data):
    X, y, table = data
    rows = y > "class 04"
    zsl = ClasterZSL(3, hidden_layer_sizes=(8,), max_epochs=2, space="gzsl", random_state=0)
    zsl.fit(X[rows], y[rows], table)
    assert mean_per_class_scorer(zsl, X, y) == mean_per_class_accuracy(y, zsl.predict(X))
    scores, labels = zsl.decision_function(X), zsl.candidates()[0]
    expected = ausuc(y, scores, labels, zsl.classes_)
    for estimator in (zsl, FrozenEstimator(zsl), FrozenEstimator(make_pipeline(zsl))):
        assert ausuc_scorer(estimator, X, y) == expected
    kmeans = KMeans(3, random_state=0).fit(X)
    assert class_purity_scorer(kmeans, X, y) == class_purity(kmeans.predict(X), y)
    assert cluster_purity_scorer(kmeans, X, y) == cluster_purity(kmeans.predict(X), y)


class Resampler(BaseEstimator):
    """As imbalanced-learn's samplers: something happens to rows in `fit`, and nothing later."""

    def fit_resample(self, X, y):
        raise AssertionError("only a fit resamples")


def test_pipelines_with_samplers_are_scored(data):
    X, y, table = data
    rows = y > "class 04"
    zsl = ClasterZSL(3, hidden_layer_sizes=(8,), max_epochs=2, space="gzsl", random_state=0)
    pipe = make_pipeline(StandardScaler(), zsl)
    pipe.fit(X[rows], y[rows], clasterzsl__class_embeddings=table)
    steps = [("sampler", Resampler()), pipe.steps[0], ("nothing", "passthrough"), ("no", None)]
    inner = Pipeline([("again", Resampler()), pipe.steps[1]])
    resampling = FrozenEstimator(Pipeline([*steps, ("inner", inner)]))
    for scorer in (ausuc_scorer, class_purity_scorer, cluster_purity_scorer):
        assert scorer(resampling, X, y) == scorer(pipe, X, y)


def test_a_callers_autocast_moves_no_row_to_another_cluster(data):
    X, y, table = data
    fitted = ClasterZSL(6, max_epochs=1, hidden_layer_sizes=(16,), random_state=0).fit(X, y, table)
    rows = np.random.default_rng(0).normal(size=(2000, X.shape[1]))  # many, some near a border
    expected = cluster_labels(fitted, rows)[0]
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_array_equal(cluster_labels(fitted, rows)[0], expected)


def test_the_string_of_scikit_learn_is_the_mean_per_class_accuracy(data):
    X, y, table = data
    options = {
        "cv": ZeroShotKFold(3, random_state=0),
        "params": {"class_embeddings": table},
        "error_score": "raise",
    }
    ours = cross_val_score(ESZSL(), X, y, scoring=mean_per_class_scorer, **options)
    theirs = cross_val_score(ESZSL(), X, y, scoring="balanced_accuracy", **options)
    np.testing.assert_allclose(ours, theirs)


def test_top_k_scorer_counts_the_classes_among_the_best(data):
    X, y, table = data
    rows = y > "class 04"
    model = make_pipeline(StandardScaler(), ESZSL(space="gzsl"))
    model.fit(X[rows], y[rows], eszsl__class_embeddings=table)
    eszsl, X_in = model[-1], model[0].transform(X)
    labels, proba = eszsl.candidates()[0], eszsl.predict_proba(X_in)
    for k in (1, 3):
        shares = []
        for label in np.unique(y):
            best = np.argsort(-proba[y == label], axis=1)[:, :k]
            shares.append(np.mean([label in labels[row] for row in best]))
        assert top_k_scorer(model, X, y, k) == pytest.approx(np.mean(shares))
    assert top_k_scorer(model, X, y, 1) == mean_per_class_scorer(model, X, y)
    assert top_k_scorer(model, X, y, len(labels)) == 1.0
    assert top_k_scorer(model, X, np.repeat("another", len(X))) == 0.0
    scores = cross_val_score(
        ESZSL(),
        X,
        y,
        cv=ZeroShotKFold(3, random_state=0),
        scoring=partial(top_k_scorer, k=2),
        params={"class_embeddings": table},
        error_score="raise",
    )
    assert (scores > 0.0).all()
    regression = LogisticRegression().fit(X, y)
    with pytest.raises(ValueError, match=r"LogisticRegression\. For other.*'top_k_accuracy'"):
        top_k_scorer(regression, X, y)
    with pytest.raises(ValueError, match="k=99 is out of range"):
        top_k_scorer(model, X, y, 99)


def test_top_k_scorer_knows_names_with_accents_in_either_spelling(data):
    X, y, table = data
    expected = top_k_scorer(ESZSL(space="seen").fit(X, y, table), X, y, 2)
    one, other = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    named = ClassEmbeddings(np.strings.add(one, table.labels), table.vectors)
    model = ESZSL(space="seen").fit(X, np.strings.add(one, y), named)
    for spelled in (one, other):
        assert top_k_scorer(model, X, np.strings.add(spelled, y), 2) == expected
    with pytest.raises(TypeError, match=r"y are numbers .* keyed by strings \('éclass 0\d', "):
        top_k_scorer(model, X, np.arange(len(X)), 2)


def test_ausuc_scorer_with_two_candidates(data):
    X, y, table = data
    rows, pair = y == "class 00", np.isin(y, ["class 00", "class 01"])
    trained = rows | (y == "class 02")
    zsl = ESZSL(space="gzsl").fit(
        X[trained], y[trained], table.select(np.unique(y[trained | pair]))
    )
    assert 0 <= ausuc_scorer(zsl, X[pair], y[pair]) <= 1
    regression = LogisticRegression().fit(X[pair], y[pair])
    with pytest.raises(ValueError, match="2 seen and 0 unseen"):
        ausuc_scorer(regression, X, y)


@pytest.mark.parametrize("side", ["seen", "unseen"])
def test_ausuc_scorer_needs_rows_of_both_kinds(data, side):
    X, y, table = data
    rows = y > "class 04"
    fitted = ESZSL(space="gzsl").fit(X[rows], y[rows], table)
    rows = ~rows if side == "seen" else rows
    with pytest.raises(ValueError, match=rf"ausuc_scorer.*none of {side} classes"):
        ausuc_scorer(fitted, X[rows], y[rows])


def test_scorers_name_the_cure(data):
    X, y, table = data
    rows = y > "class 04"
    fitted = ESZSL(space="zsl").fit(X[rows], y[rows], table)
    with pytest.raises(ValueError, match='space="gzsl"'):
        ausuc_scorer(fitted, X, y)
    with pytest.raises(ValueError, match="ESZSL puts no rows into clusters"):
        class_purity_scorer(fitted, X, y)
    with pytest.raises(ValueError, match="KMeans has no classes_"):
        ausuc_scorer(KMeans(2, random_state=0).fit(X), X, y)
