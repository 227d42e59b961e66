"""The candidates of predict: spaces, class tables, names of columns."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax, softmax
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_problem import (
    ALL_X,
    CANDIDATES,
    CODES,
    N_SEEN,
    NAMES,
    NEW_X,
    NEW_Y,
    OLD_AS_NEW,
    SEEN_TABLE,
    TABLE,
    UNSEEN,
    UNSEEN_TABLE,
    VECTORS,
    X,
    Y,
    answers,
    assert_same_answers,
    both,
    fit,
    fitted,
    small,
)

from sklearn_claster._candidates import best_candidates
from sklearn_claster.baselines import ESZSL
from sklearn_claster.model_selection import ZeroShotKFold

pytestmark = pytest.mark.usefixtures("short_training")


# spaces and candidates


@both
@pytest.mark.parametrize("space", CANDIDATES)
def test_a_space_decides_the_candidates(make, space):
    model = fitted(make, space=space)
    labels, vectors = model.candidates()
    assert labels.tolist() == CANDIDATES[space]
    assert_array_equal(vectors, TABLE.select(labels).vectors)
    assert set(model.predict(ALL_X)) <= set(CANDIDATES[space])


@both
@pytest.mark.parametrize("space", CANDIDATES)
def test_a_method_is_told_which_candidates_are_seen(make, monkeypatch, space):
    model = fitted(make, space=space)
    prepare, told = type(model)._prepare_candidates, []

    def spy(self, vectors, is_seen):
        told.append((vectors, is_seen))
        return prepare(self, vectors, is_seen)

    monkeypatch.setattr(type(model), "_prepare_candidates", spy)
    model.predict(ALL_X)
    ((vectors, is_seen),) = told  # once per call
    assert is_seen.tolist() == [name in CANDIDATES["seen"] for name in CANDIDATES[space]]
    assert_array_equal(vectors, TABLE.select(CANDIDATES[space]).vectors)


@both
def test_what_was_learnt_is_kept_for_every_space(make):
    model = fit(make)
    assert model.classes_.tolist() == NAMES[:N_SEEN]
    assert model.unseen_classes_.tolist() == UNSEEN
    assert model.class_embeddings_ is TABLE


@both
@pytest.mark.parametrize("space", CANDIDATES)
def test_the_outputs_agree_with_each_other(make, space):
    model = fitted(make, space=space)
    labels, _ = model.candidates()
    probabilities = model.predict_proba(ALL_X)
    assert probabilities.shape == (len(ALL_X), len(labels))
    assert (probabilities >= 0.0).all()
    assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)
    assert_array_equal(labels[probabilities.argmax(axis=1)], model.predict(ALL_X))
    scores = model.decision_function(ALL_X)
    assert scores.shape == probabilities.shape
    assert_allclose(probabilities, softmax(scores, axis=1), rtol=1e-5, atol=1e-30)
    logs = np.exp(model.predict_log_proba(ALL_X))  # some probabilities vanish
    assert_allclose(logs, probabilities, rtol=1e-4, atol=1e-30)
    assert_allclose(model.predict_log_proba(ALL_X), log_softmax(scores, axis=1), atol=1e-5)


def test_log_probabilities_stay_finite_where_probabilities_vanish():
    model = fitted(small, space="gzsl", temperature=1e-3)
    assert (model.predict_proba(ALL_X) == 0.0).any()
    assert np.isfinite(model.predict_log_proba(ALL_X)).all()


@both
def test_the_classes_are_learnt(make):
    assert fitted(make, space="seen").score(X, Y) > 0.9
    assert fitted(make, space="zsl").score(NEW_X, NEW_Y) > 0.9


@both
def test_gzsl_scores_are_those_of_seen_and_unseen_side_by_side(make):
    """Of a gate's experts, that is. Without a gate the one for seen classes takes no part."""
    model = fitted(make, space="gzsl")
    raw, experts = model._raw_scores(ALL_X)
    scores = model.decision_function(ALL_X)
    assert_array_equal(scores, raw)
    labels, _ = model.candidates()
    for space in ("zsl", "seen"):
        part = np.isin(labels, CANDIDATES[space])
        found = model.set_params(space=space).decision_function(ALL_X)
        assert_allclose(found, experts[:, part], rtol=1e-5, atol=1e-6)
        if make is ESZSL or space == "zsl":
            assert_allclose(found, scores[:, part], rtol=1e-5, atol=1e-6)
        else:
            assert not np.allclose(found, scores[:, part])


@both
def test_a_space_set_after_fit_counts(make):
    model = fitted(make)
    for space in ("seen", "gzsl", "zsl"):
        other = fitted(make, space=space)
        assert_same_answers(answers(model.set_params(space=space)), answers(other))


@both
def test_two_candidates_have_one_score_second_minus_first(make):
    model = fitted(make)
    two = UNSEEN_TABLE.select(UNSEEN[:2])
    margin = model.decision_function(ALL_X, unseen_embeddings=two)
    assert margin.shape == (len(ALL_X),)
    probabilities = model.predict_proba(ALL_X, unseen_embeddings=two)
    assert probabilities.shape == (len(ALL_X), 2)
    assert_allclose(margin, np.diff(np.log(probabilities), axis=1)[:, 0], atol=1e-4)
    predicted = model.predict(ALL_X, unseen_embeddings=two)
    assert_array_equal(predicted, two.labels[(margin > 0).astype(int)])
    three = model.decision_function(ALL_X)
    assert_allclose(margin, three[:, 1] - three[:, 0], rtol=1e-4, atol=1e-5)


@both
def test_two_seen_classes_have_one_score_too(make):
    rows = CODES < 2
    model = make(space="seen").fit(X[rows], Y[rows], TABLE)
    margin = model.decision_function(X[rows])
    assert margin.shape == (rows.sum(),)
    assert ((margin > 0) == (Y[rows] == NAMES[1])).mean() > 0.9


@both
def test_a_single_candidate_is_always_named(make):
    model = fitted(make)
    one = UNSEEN_TABLE.select(UNSEEN[1:2])
    assert set(model.predict(ALL_X, unseen_embeddings=one)) == {UNSEEN[1]}
    assert_array_equal(model.predict_proba(ALL_X, unseen_embeddings=one), np.ones((len(ALL_X), 1)))
    assert model.decision_function(ALL_X, unseen_embeddings=one).shape == (len(ALL_X), 1)


@both
def test_classes_of_the_table_without_samples_are_the_default_candidates(make):
    whole, parts = fitted(make), make().fit(X, Y, SEEN_TABLE)
    assert_same_answers(answers(whole), answers(parts, unseen_embeddings=UNSEEN_TABLE))
    assert len(parts.unseen_classes_) == 0


@both
@pytest.mark.parametrize("space", ["zsl", "gzsl"])
def test_unseen_embeddings_replace_the_default_candidates(make, space):
    model = fitted(make, space=space)
    before = answers(model)
    rng = np.random.default_rng(5)
    table = {"new b": rng.normal(size=4), UNSEEN[0]: rng.normal(size=4), "a": rng.normal(size=4)}
    labels, vectors = model.candidates(unseen_embeddings=table)
    seen = CANDIDATES["seen"] if space == "gzsl" else []
    assert labels.tolist() == sorted([*seen, *table])
    for name, row in table.items():
        assert_array_equal(vectors[labels == name][0], row)
    assert model.predict_proba(ALL_X, unseen_embeddings=table).shape[1] == len(labels)
    assert set(model.predict(NEW_X, unseen_embeddings=table)) <= set(labels)
    with warnings.catch_warnings():  # no label of NEW_Y need be named
        warnings.simplefilter("ignore")
        accuracy = model.score(NEW_X, NEW_Y, unseen_embeddings=table)
    predicted = model.predict(NEW_X, unseen_embeddings=table)
    assert accuracy == accuracy_score(NEW_Y, predicted)
    assert_same_answers(answers(model), before)  # nothing is remembered


@both
@pytest.mark.parametrize("form", ["dict", "frame", "pair"])
def test_tables_of_every_form_give_the_same_answers(make, form):
    forms = {
        "dict": lambda table: dict(zip(table.labels.tolist(), table.vectors, strict=True)),
        "frame": lambda table: pd.DataFrame(table.vectors, index=table.labels)[::-1],
        "pair": lambda table: (table.labels[::-1], table.vectors[::-1].tolist()),
    }
    model = make().fit(X, Y, forms[form](TABLE))
    assert_same_answers(answers(model), answers(fitted(make)))
    other = make().fit(X, Y, forms[form](SEEN_TABLE))
    assert_same_answers(
        answers(other, unseen_embeddings=forms[form](UNSEEN_TABLE)), answers(fitted(make))
    )


@both
@pytest.mark.parametrize("space", CANDIDATES)
def test_without_a_table_it_is_an_ordinary_classifier_whatever_the_space(make, space):
    model = make(space=space).fit(X, Y)
    labels, vectors = model.candidates()
    assert labels.tolist() == NAMES[:N_SEEN]
    assert_array_equal(vectors, np.eye(N_SEEN))
    assert_array_equal(model.class_embeddings_.vectors, np.eye(N_SEEN))
    assert len(model.unseen_classes_) == 0
    assert model.predict_proba(X).shape == (len(X), N_SEEN)
    assert model.score(X, Y) > 0.9
    one_hot = make(space="seen").fit(X, Y, (NAMES[:N_SEEN], np.eye(N_SEEN)))
    assert_same_answers(answers(model), answers(one_hot))


@both
def test_classes_without_samples_never_touch_training(make):
    rng = np.random.default_rng(9)
    others = dict(zip(SEEN_TABLE.labels.tolist(), SEEN_TABLE.vectors, strict=True))
    others |= {f"other {i}": 1e6 * rng.normal(size=4) for i in range(20)}
    one, other = fitted(make, space="seen"), make(space="seen").fit(X, Y, others)
    assert_same_answers(answers(one), answers(other))
    one.set_params(space="zsl"), other.set_params(space="zsl")
    assert_same_answers(answers(one), answers(other, unseen_embeddings=UNSEEN_TABLE))


@both
def test_classes_that_share_a_vector_are_warned_of(make):
    vectors = VECTORS.copy()
    vectors[1] = vectors[0]
    with pytest.warns(UserWarning, match="Only 4 of the 5 seen classes.*cannot be told apart"):
        make().fit(X, Y, (NAMES, vectors))


@both
def test_unseen_classes_that_share_a_vector_are_warned_of_once_per_call(make):
    vectors = VECTORS.copy()
    vectors[7] = vectors[5]
    with pytest.warns(UserWarning, match="vectors in class_embeddings: 'class 5', 'class 7'.") as w:
        model = make().fit(X, Y, (NAMES, vectors))
    assert len(w) == 1
    assert "class 7" not in model.predict(ALL_X)  # quietly
    twins = {"ride bike": VECTORS[5], "bike ride": VECTORS[5], "new": VECTORS[6]}
    calls = {name: (NEW_X,) for name in ("predict", "predict_proba", "decision_function")}
    calls["score"] = (NEW_X, np.full(len(NEW_X), "new"))
    for name, arguments in calls.items():
        with pytest.warns(UserWarning, match="in unseen_embeddings: 'bike ride', 'ride bike'") as w:
            getattr(model, name)(*arguments, unseen_embeddings=twins)
        assert len(w) == 1
    model.candidates(twins)


@both
def test_an_unseen_class_with_a_seen_ones_vector_is_warned_of_in_gzsl_only(make):
    model = fitted(make)
    model.predict(NEW_X, unseen_embeddings=OLD_AS_NEW)
    with pytest.warns(UserWarning, match="in unseen_embeddings: 'class 0', 'new'"):
        model.set_params(space="gzsl").predict(NEW_X, unseen_embeddings=OLD_AS_NEW)
    table = dict(zip(NAMES[:N_SEEN], VECTORS, strict=False)) | OLD_AS_NEW
    make().fit(X, Y, table)
    make(space="seen").fit(X, Y, table)
    with pytest.warns(UserWarning, match="in class_embeddings: 'class 0', 'new'"):
        make(space="gzsl").fit(X, Y, table)


def test_the_warning_of_shared_vectors_names_a_few():
    table = {f"u{i:02}": VECTORS[i % 4] + [0.0, -0.0, 1.0, 1.0] for i in range(10)}
    expected = "'u00', 'u04', 'u08'; 'u01', 'u05', 'u09'; 'u02', 'u06'; ... (4 groups in all)."
    with pytest.warns(UserWarning, match=re.escape(expected)):
        fitted(ESZSL).predict(X, table)
    zeros = {"minus": [-0.0] * 4, "plus": [0.0] * 4}
    with pytest.warns(UserWarning, match="'minus', 'plus'"):
        fitted(ESZSL).predict(X, zeros)


# names of columns

FRAME = pd.DataFrame(VECTORS, index=NAMES, columns=["red", "green", "blue", "dark"])
SEEN_FRAME, UNSEEN_FRAME = FRAME[:N_SEEN], FRAME[N_SEEN:]
BAD_COLUMNS = {
    "another order": (UNSEEN_FRAME[UNSEEN_FRAME.columns[::-1]], "another order. Pass table"),
    "another name": (
        UNSEEN_FRAME.rename(columns={"red": "grey"}),
        "other names: missing 'red'; not known 'grey'. Pass table.list.model.class_embeddings_",
    ),
    "a name less": (UNSEEN_FRAME[["red", "blue"]], "missing 'dark', 'green'; not known none"),
    "series": (dict(UNSEEN_FRAME[UNSEEN_FRAME.columns[::-1]].iterrows()), "another order"),
}


@both
@pytest.mark.parametrize("form", [lambda frame: frame, lambda frame: dict(frame.iterrows())])
def test_tables_with_the_fitted_columns_are_taken(make, form):
    model = make().fit(X, Y, form(SEEN_FRAME))
    assert model.class_embeddings_.feature_names == ("red", "green", "blue", "dark")
    expected = answers(fitted(make))
    assert_same_answers(answers(model, unseen_embeddings=form(UNSEEN_FRAME)), expected)
    assert_same_answers(answers(model, unseen_embeddings=UNSEEN_TABLE), expected)  # no names
    cured = UNSEEN_FRAME[UNSEEN_FRAME.columns[::-1]][list(model.class_embeddings_.feature_names)]
    assert_same_answers(answers(model, unseen_embeddings=cured), expected)
    assert_same_answers(answers(fitted(make), unseen_embeddings=form(UNSEEN_FRAME)), expected)


@pytest.mark.parametrize(("table", "message"), BAD_COLUMNS.values(), ids=BAD_COLUMNS)
def test_tables_with_other_columns_are_refused(table, message):
    model = ESZSL().fit(X, Y, SEEN_FRAME)
    with pytest.raises(ValueError, match=f"columns of unseen_embeddings have to be.*{message}"):
        model.predict(NEW_X, unseen_embeddings=table)


# set_candidates: unseen classes for whatever calls predict without a table


@both
@pytest.mark.parametrize("space", ["zsl", "gzsl"])
def test_set_candidates_is_as_good_as_passing_them(make, space):
    new = {"new": VECTORS[5], "newer": VECTORS[7]}
    model = fit(make, table=SEEN_TABLE, space=space)
    expected = answers(model, unseen_embeddings=new)
    assert model.set_candidates(new) is model
    assert_same_answers(answers(model), expected)
    assert model.unseen_classes_.tolist() == ["new", "newer"]
    assert model.candidates()[0].tolist() == [*(NAMES[:N_SEEN] if space == "gzsl" else []), *new]
    assert_array_equal(model.class_embeddings_.select(["newer"]).vectors[0], VECTORS[7])
    model.set_candidates(UNSEEN_TABLE)
    assert_same_answers(answers(model), answers(fit(make, space=space)))


def test_searches_and_pipelines_see_the_candidates_that_were_set():
    search = GridSearchCV(ESZSL(), {"gamma": [1.0]}, cv=ZeroShotKFold(2, random_state=0))
    search.fit(X, Y, class_embeddings=SEEN_TABLE)
    with pytest.raises(ValueError, match=r"set_candidates on the fitted model.*best_estimator_"):
        search.predict(NEW_X)
    search.best_estimator_.set_candidates(UNSEEN_TABLE)
    assert set(search.predict(NEW_X)) <= set(UNSEEN)
    pipeline = make_pipeline(StandardScaler(), ESZSL())
    pipeline.fit(X, Y, eszsl__class_embeddings=SEEN_TABLE)
    pipeline[-1].set_candidates(UNSEEN_TABLE)
    assert pipeline.score(NEW_X, NEW_Y) > 0.5


@both
def test_candidates_that_do_not_fit_are_refused_and_change_nothing(make):
    model = fitted(make)
    before = answers(model)
    for wrong, message in [
        ({"new": np.ones(3)}, "have 3 features"),
        ({NAMES[0]: np.ones(4)}, "seen in fit"),
        ({7: np.ones(4)}, "numbers"),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            model.set_candidates(wrong)
    assert_same_answers(answers(model), before)
    with pytest.raises(ValueError, match="fit got no class_embeddings"):
        fit(make, table=None).set_candidates(UNSEEN_TABLE)
    with pytest.raises(NotFittedError):
        make().set_candidates(UNSEEN_TABLE)


# the k best


@both
@pytest.mark.parametrize("space", CANDIDATES)
@pytest.mark.parametrize("gate", [{}, {"bias_detector": "stacking"}, {"bias_detector": "energy"}])
@pytest.mark.parametrize("soft", ["hard", "soft"])
def test_the_k_best_are_the_largest_probabilities(make, space, gate, soft):
    if gate and space != "gzsl":
        return
    model = fitted(make, space=space, gate=soft, **gate)
    proba = model.predict_proba(ALL_X)
    k = len(CANDIDATES[space])
    for n in (1, 2, k):
        labels, probabilities = model.top_k(ALL_X, n)
        assert labels.shape == probabilities.shape == (len(ALL_X), n)
        assert_array_equal(labels[:, 0], model.predict(ALL_X))
        assert_allclose(probabilities, -np.sort(-proba, axis=1)[:, :n])
        columns = np.searchsorted(CANDIDATES[space], labels)
        assert_allclose(np.take_along_axis(proba, columns, axis=1), probabilities)
        assert all(len(set(row)) == n for row in labels.tolist())


@both
def test_the_k_best_of_a_table(make):
    model = fitted(make)
    labels, _ = model.top_k(ALL_X, 1, OLD_AS_NEW)
    assert set(labels.ravel()) == set(OLD_AS_NEW)
    assert_array_equal(model.top_k(NEW_X[:1], 3)[0], model.top_k(NEW_X, 3)[0][:1])


def test_the_k_best_in_blocks_are_those_of_all_at_once(monkeypatch):
    model = fitted(ESZSL, space="gzsl")
    whole = model.top_k(ALL_X, 3)
    monkeypatch.setattr("sklearn_claster._base._ROWS_AT_ONCE", 7)
    assert_array_equal(model.top_k(ALL_X, 3)[0], whole[0])


def test_of_equally_probable_candidates_the_first_is_better():
    log_proba = np.log([[0.25, 0.25, 0.25, 0.25], [0.1, 0.4, 0.1, 0.4]])
    scores = np.array([[1.0, 1.0, 1.5, 1.0], [0.0, 1.0, 0.0, 1.0]])
    columns, probabilities = best_candidates([(scores, log_proba)], 3, 4)
    assert columns.tolist() == [[2, 0, 1], [1, 3, 0]]
    assert_allclose(probabilities[1], [0.4, 0.4, 0.1])


@pytest.mark.parametrize(
    ("k", "error", "message"),
    [
        (0, ValueError, r"k=0 is out of range; expected an integer in \[1, 3\]"),
        (4, ValueError, r"k=4 is out of range.*no more candidates: lower k, or pass more"),
        (1.5, TypeError, "k=1.5 has the wrong type"),
        (True, TypeError, "k=True has the wrong type"),
    ],
)
def test_a_wrong_k_is_refused(k, error, message):
    with pytest.raises(error, match=message):
        fitted(ESZSL).top_k(NEW_X, k)
    with pytest.raises(NotFittedError):
        ESZSL().top_k(NEW_X, 1)
