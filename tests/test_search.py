"""ClasterZSL in scikit-learn's searches, cross-validation and pipelines, routing off and on."""

import warnings

import numpy as np
import pytest
from sklearn import config_context
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_claster import ClassEmbeddings, ClasterZSL
from sklearn_claster.baselines import ESZSL
from sklearn_claster.datasets import make_zero_shot_classification
from sklearn_claster.metrics import gzsl_report
from sklearn_claster.model_selection import ZeroShotKFold, ZeroShotShuffleSplit, gzsl_scorer

pytestmark = pytest.mark.filterwarnings("ignore:.*clusters hold no training sample")

DATA = make_zero_shot_classification(
    96, 8, n_seen=8, n_unseen=4, n_embedding_features=4, class_sep=8.0, random_state=0
)
IS_SEEN = np.isin(DATA.target, DATA.seen_classes)
X, Y = DATA.data[IS_SEEN], DATA.target[IS_SEEN]  # eight classes of eight rows
X_UNSEEN, Y_UNSEEN = DATA.data[~IS_SEEN], DATA.target[~IS_SEEN]
TABLE = DATA.class_embeddings
SEEN_TABLE = TABLE.select(DATA.seen_classes)
FOLDS = ZeroShotKFold(2, random_state=0)


def make(**parameters):
    defaults = {
        "n_clusters": 3,
        "hidden_layer_sizes": (16,),
        "max_epochs": 2,
        "fusion": None,
        "random_state": 0,
        "device": "cpu",
    }
    return ClasterZSL(**{**defaults, **parameters})


def piped(**parameters):
    return Pipeline([("scale", StandardScaler()), ("claster", make(**parameters))])


@pytest.fixture(params=[False, True], ids=["routing off", "routing on"])
def routing(request):
    with config_context(enable_metadata_routing=request.param):
        yield request.param


def key(routing, step="claster"):
    """How the class table is named in a pipeline's fit."""
    return "class_embeddings" if routing else f"{step}__class_embeddings"


# ------------------------------------------------------------------ searches


@pytest.mark.parametrize(("with_routing", "n_jobs"), [(False, 1), (True, 1), (True, 2)])
def test_grid_search_in_a_pipeline(with_routing, n_jobs):
    with config_context(enable_metadata_routing=with_routing):
        search_in_a_pipeline(with_routing, n_jobs)


def search_in_a_pipeline(routing, n_jobs):
    grid = {"claster__n_clusters": [1, 4], "claster__alpha": [0.0, 0.5]}
    search = GridSearchCV(
        piped(centroid_weight=1.0), grid, cv=FOLDS, n_jobs=n_jobs, error_score="raise"
    ).fit(X, Y, **{key(routing): TABLE})
    results = search.cv_results_
    assert len(results["params"]) == 4
    for i, parameters in enumerate(results["params"]):
        for fold, (train, test) in enumerate(FOLDS.split(X, Y)):
            one = piped(centroid_weight=1.0).set_params(**parameters)
            one.fit(X[train], Y[train], **{key(routing): TABLE})
            assert one[-1].unseen_classes_.tolist() == sorted({*Y[test], *DATA.unseen_classes})
            assert results[f"split{fold}_test_score"][i] == one.score(X[test], Y[test])
    assert search.best_score_ == results["mean_test_score"].max()
    best = piped(centroid_weight=1.0).set_params(**search.best_params_)
    best.fit(X, Y, **{key(routing): TABLE})
    assert np.array_equal(search.predict(X_UNSEEN), best.predict(X_UNSEEN))
    assert search.classes_.tolist() == DATA.seen_classes.tolist()
    assert search.score(X_UNSEEN, Y_UNSEEN) == best.score(X_UNSEEN, Y_UNSEEN)


@pytest.mark.parametrize("form", ["ClassEmbeddings", "pair"])
def test_tables_travel_whole_even_with_as_many_classes_as_samples(routing, form):
    """64 labels and 64 samples: whatever is as long as X gets cut into folds by scikit-learn."""
    labels = [*SEEN_TABLE.labels, *(f"other {i}" for i in range(56))]
    vectors = np.vstack([SEEN_TABLE.vectors, np.random.RandomState(1).randn(56, 4)])
    assert len(labels) == len(X)
    table = {
        "ClassEmbeddings": ClassEmbeddings(labels, vectors),
        "pair": (labels, vectors),
    }[form]
    results = cross_validate(
        make(),
        X,
        Y,
        cv=FOLDS,
        params={"class_embeddings": table},
        return_estimator=True,
        error_score="raise",
    )
    for estimator in results["estimator"]:
        assert estimator.class_embeddings_.labels.tolist() == sorted(labels)


def test_a_mapping_that_was_cut_is_refused_with_the_cure(routing):
    """Keyed by the numbers of the rows it does come back from the cut: as a list of vectors."""
    codes = np.searchsorted(SEEN_TABLE.labels, Y)
    mapping = dict(enumerate(np.random.RandomState(0).randn(len(X), 4)))
    with pytest.raises(TypeError, match=r"got list.*ClassEmbeddings.*never cut it into folds"):
        cross_validate(
            make(), X, codes, cv=FOLDS, params={"class_embeddings": mapping}, error_score="raise"
        )


@pytest.mark.parametrize("estimator", [make(), ESZSL()])
def test_string_scorers(routing, estimator):
    results = cross_validate(
        estimator,
        X,
        Y,
        cv=FOLDS,
        scoring=["accuracy", "balanced_accuracy", "neg_log_loss"],
        params={"class_embeddings": SEEN_TABLE},
        return_estimator=True,
        error_score="raise",
    )
    for i, (_, test) in enumerate(FOLDS.split(X, Y)):
        fitted = results["estimator"][i]
        labels = fitted.candidates()[0]
        assert sorted(set(Y[test])) == labels.tolist()  # the held-out classes, no others
        predicted = fitted.predict(X[test])
        assert results["test_accuracy"][i] == (predicted == Y[test]).mean()
        expected = balanced_accuracy_score(Y[test], predicted)
        assert results["test_balanced_accuracy"][i] == expected
        loss = log_loss(Y[test], fitted.predict_proba(X[test]), labels=labels)
        assert results["test_neg_log_loss"][i] == pytest.approx(-loss)


def test_a_search_over_other_parameters_draws_them_all(routing):
    grid = {
        "centroids": ["kmeans", "gradient", None],
        "inference": ["compatibility", "conse"],
        "hidden_layer_sizes": [(), (4,)],
        "n_neighbors": [0, 5],
    }
    search = RandomizedSearchCV(make(), grid, n_iter=6, cv=FOLDS, random_state=0)
    search.fit(X, Y, class_embeddings=TABLE)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.get_params() == make(**search.best_params_).get_params()


def test_a_parameter_out_of_range_fails_the_fit_with_its_name():
    search = GridSearchCV(make(), {"alpha": [2.0]}, cv=FOLDS)
    with pytest.raises(ValueError, match=r"alpha=2\.0 is out of range"):
        search.fit(X, Y, class_embeddings=TABLE)


# ------------------------------------------------------------------ generalized


@pytest.mark.parametrize("pipe", [False, True])
def test_grid_search_for_the_harmonic_mean(routing, pipe):
    folds = ZeroShotKFold(2, seen_fraction=0.25, random_state=0)
    learnt = {"max_epochs": 30, "n_clusters": 1, "learning_rate": 0.01}
    estimator, name = (piped(**learnt), "claster__") if pipe else (make(**learnt), "")
    search = GridSearchCV(
        estimator,
        {f"{name}n_clusters": [1, 4], f"{name}space": ["gzsl"]},
        cv=folds,
        scoring=gzsl_scorer,
        refit="harmonic_mean",
        error_score="raise",
    ).fit(X, Y, **{key(routing) if pipe else "class_embeddings": SEEN_TABLE})
    results = search.cv_results_
    assert search.best_score_ == results["mean_test_harmonic_mean"].max() > 0
    for fold, (train, test) in enumerate(folds.split(X, Y)):
        one = make(space="gzsl", **learnt)
        rows = StandardScaler().fit(X[train]).transform(X) if pipe else X
        one.fit(rows[train], Y[train], SEEN_TABLE)
        report = gzsl_report(Y[test], one.predict(rows[test]), one.classes_)
        for side, value in report.items():
            assert results[f"split{fold}_test_{side}"][0] == value


def test_the_zsl_space_in_generalized_folds_is_noticed(routing):
    folds = ZeroShotKFold(2, seen_fraction=0.25, random_state=0)
    with pytest.warns(UserWarning, match='space="gzsl"'):
        results = cross_validate(
            make(), X, Y, cv=folds, scoring=gzsl_scorer, params={"class_embeddings": SEEN_TABLE}
        )
    assert results["test_seen"].tolist() == [0.0, 0.0]


# ------------------------------------------------------------------ cross-validation


def test_nested_search(routing):
    inner = GridSearchCV(
        make(), {"n_clusters": [1, 3]}, cv=ZeroShotKFold(2, random_state=1), error_score="raise"
    )
    results = cross_validate(
        inner,
        X,
        Y,
        cv=FOLDS,
        params={"class_embeddings": TABLE},
        return_estimator=True,
        error_score="raise",
    )
    for i, (train, test) in enumerate(FOLDS.split(X, Y)):
        fitted = results["estimator"][i]
        assert fitted.classes_.tolist() == sorted(set(Y[train]))
        best = make(**fitted.best_params_).fit(X[train], Y[train], TABLE)
        assert results["test_score"][i] == best.score(X[test], Y[test])


def test_overlapping_folds(routing):
    folds = ZeroShotShuffleSplit(3, test_size=3, seen_fraction=0.25, random_state=0)
    scores = cross_val_score(
        make(space="gzsl"),
        X,
        Y,
        cv=folds,
        params={"class_embeddings": SEEN_TABLE},
        error_score="raise",
    )
    assert np.isfinite(scores).all()


def test_cross_val_predict_names_every_row_once(routing):
    predicted = cross_val_predict(make(), X, Y, cv=FOLDS, params={"class_embeddings": SEEN_TABLE})
    for train, test in FOLDS.split(X, Y):
        one = make().fit(X[train], Y[train], SEEN_TABLE)
        assert np.array_equal(predicted[test], one.predict(X[test]))


@pytest.mark.parametrize("folds", [KFold(2, shuffle=True, random_state=0), StratifiedKFold(2), 2])
@pytest.mark.parametrize("estimator", [make(), ESZSL()])
def test_ordinary_folds_name_the_right_ones(routing, estimator, folds):
    """They hold out samples, not classes: a seen table leaves nothing, a whole one a sure zero."""
    params = {"class_embeddings": SEEN_TABLE}
    with pytest.raises(ValueError, match=r"no unseen class.*cv=ZeroShotKFold\(\)"):
        cross_val_score(estimator, X, Y, cv=folds, params=params, error_score="raise")
    with pytest.warns(UserWarning, match=r"no unseen class(.|\n)*cv=ZeroShotKFold\(\)"):
        scores = cross_val_score(estimator, X, Y, cv=folds, params=params)
    assert np.isnan(scores).all()
    with pytest.warns(UserWarning, match=r"None of the labels in y.*cv=ZeroShotKFold\(\)"):
        scores = cross_val_score(estimator, X, Y, cv=folds, params={"class_embeddings": TABLE})
    assert scores.tolist() == [0.0, 0.0]


def test_ordinary_folds_are_right_without_a_table_and_for_seen_classes(routing):
    for parameters, params in [({}, {}), ({"space": "seen"}, {"class_embeddings": TABLE})]:
        scores = cross_val_score(
            make(max_epochs=20, learning_rate=0.01, **parameters),
            X,
            Y,
            cv=4,
            params=params,
            error_score="raise",
        )
        assert scores.mean() > 0.5


# ------------------------------------------------------------------ pipelines


def test_candidates_reach_predict_through_a_pipeline(routing):
    zsl = piped().fit(X, Y, **{key(routing): SEEN_TABLE})
    unseen = TABLE.select(DATA.unseen_classes)
    expected = piped().fit(X, Y, **{key(routing): TABLE})
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        if method == "decision_function" and not routing:  # Pipeline passes nothing on there
            continue
        answer = getattr(zsl, method)(X_UNSEEN, unseen_embeddings=unseen)
        assert np.array_equal(answer, getattr(expected, method)(X_UNSEEN))
    with pytest.raises(ValueError, match="no unseen class"):
        zsl.predict(X_UNSEEN)


def test_as_a_transformer_in_a_pipeline(routing):
    steps = [("claster", make()), ("knn", KNeighborsClassifier(1))]
    pipeline = Pipeline(steps).fit(X, Y, **{key(routing): TABLE})
    omega = make().fit(X, Y, TABLE).transform(X)
    assert np.array_equal(pipeline[:1].transform(X), omega)
    assert pipeline.score(X, Y) == 1.0


def test_sample_weight_in_score(routing):
    zsl = make().fit(X, Y, TABLE)
    weight = np.random.RandomState(0).randint(3, size=len(Y_UNSEEN))
    hits = zsl.predict(X_UNSEEN) == Y_UNSEEN
    expected = np.average(hits, weights=weight)
    assert 0 < expected != hits.mean()
    assert zsl.score(X_UNSEEN, Y_UNSEEN, sample_weight=weight) == pytest.approx(expected)
    step = make().set_score_request(sample_weight=True) if routing else make()
    pipeline = Pipeline([("claster", step)]).fit(X, Y, **{key(routing): TABLE})
    assert pipeline.score(X_UNSEEN, Y_UNSEEN, sample_weight=weight) == pytest.approx(expected)


@pytest.mark.scikit_learn(1, 8)  # older pipelines refuse to route weights to score
def test_sample_weight_is_routed_to_score_in_a_search():
    """In every fold the score is the weighted one; fit gets no weights."""
    weight = np.random.RandomState(0).randint(1, 9, size=len(Y))
    with config_context(enable_metadata_routing=True):
        pipeline = Pipeline([("claster", make().set_score_request(sample_weight=True))])
        search = GridSearchCV(pipeline, {"claster__alpha": [0.0]}, cv=FOLDS, error_score="raise")
        search.fit(X, Y, class_embeddings=TABLE, sample_weight=weight)
        for i, (train, test) in enumerate(FOLDS.split(X, Y)):
            one = make(alpha=0.0).fit(X[train], Y[train], TABLE)
            expected = one.score(X[test], Y[test], sample_weight=weight[test])
            found = search.cv_results_[f"split{i}_test_score"][0]
            assert found == pytest.approx(expected)


def test_searches_are_silent(routing):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GridSearchCV(ESZSL(), {"gamma": [0.1, 1.0]}, cv=FOLDS, error_score="raise").fit(
            X, Y, class_embeddings=TABLE
        )
