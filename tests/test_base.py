"""What all zero-shot classifiers share: tables, candidates, space, scores, input and its errors."""

import copy
import math
import pickle
import re
import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import log_softmax, softmax
from sklearn import clone
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_score

import sklearn_claster._base as base
import sklearn_claster._claster as claster
from sklearn_claster import ClassEmbeddings, ClasterZSL
from sklearn_claster.baselines import ESZSL
from sklearn_claster.model_selection import ZeroShotKFold


def small(**parameters):
    parameters = {
        "n_clusters": 2,
        "hidden_layer_sizes": (64,),
        "max_epochs": 2,
        "centroids": "kmeans",
        "learning_rate": 1e-2,
        "random_state": 0,
    } | parameters
    return ClasterZSL(**parameters)


@pytest.fixture(autouse=True)
def short_training(monkeypatch):
    monkeypatch.setattr("sklearn_claster._core.learning.PROJECTOR_STEPS", 40)
    monkeypatch.setattr("sklearn_claster._core.learning.ESTIMATOR_EPOCHS", 3)


both = pytest.mark.parametrize("make", [small, ESZSL], ids=["ClasterZSL", "ESZSL"])

N_SEEN, N_CLASSES, N_FEATURES = 5, 8, 6
NAMES = [f"class {i}" for i in range(N_CLASSES)]
UNSEEN = NAMES[N_SEEN:]


def make_data(seed=2):
    """Classes whose features are a linear map of their embeddings, plus a little noise."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(N_CLASSES, 4))
    centers = vectors @ rng.normal(size=(4, N_FEATURES))
    X = np.repeat(centers, 10, axis=0) + 0.1 * rng.normal(size=(10 * N_CLASSES, N_FEATURES))
    return X, np.repeat(np.arange(N_CLASSES), 10), vectors


ALL_X, ALL_CODES, VECTORS = make_data()
ALL_Y = np.array(NAMES)[ALL_CODES]
IS_SEEN = ALL_CODES < N_SEEN
X, Y, CODES = ALL_X[IS_SEEN], ALL_Y[IS_SEEN], ALL_CODES[IS_SEEN]
NEW_X, NEW_Y = ALL_X[~IS_SEEN], ALL_Y[~IS_SEEN]
TABLE = ClassEmbeddings(NAMES, VECTORS)
SEEN_TABLE, UNSEEN_TABLE = TABLE.select(NAMES[:N_SEEN]), TABLE.select(UNSEEN)
OLD_AS_NEW = {"new": VECTORS[0]}
CANDIDATES = {"zsl": UNSEEN, "gzsl": NAMES, "seen": NAMES[:N_SEEN]}


@cache
def first_fitted(make, parameters):
    return make(**dict(parameters)).fit(X, Y, TABLE)


def fitted(make, **parameters):
    """A model of the test's own, fitted once per process."""
    return copy.deepcopy(first_fitted(make, tuple(parameters.items())))


def answers(model, rows=ALL_X, **keywords):
    return model.predict(rows, **keywords), model.predict_proba(rows, **keywords)


def assert_same_answers(one, other):
    for left, right in zip(one, other, strict=True):
        assert_array_equal(left, right)


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
    assert_allclose(probabilities, softmax(scores, axis=1), rtol=1e-5)
    assert_allclose(model.predict_log_proba(ALL_X), np.log(probabilities), atol=1e-4)
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
    model = fitted(make, space="gzsl")
    scores = model.decision_function(ALL_X)
    labels, _ = model.candidates()
    for space in ("zsl", "seen"):
        part = np.isin(labels, CANDIDATES[space])
        model.set_params(space=space)
        assert_allclose(model.decision_function(ALL_X), scores[:, part], rtol=1e-5, atol=1e-6)


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


# score


@both
def test_score_is_the_accuracy(make):
    model = fitted(make, space="gzsl")
    right = model.predict(ALL_X) == ALL_Y
    assert 0.0 < right.mean() < 1.0
    assert model.score(ALL_X, ALL_Y) == pytest.approx(right.mean())
    assert type(model.score(ALL_X, ALL_Y)) is float
    weights = np.random.default_rng(0).uniform(size=len(ALL_X))
    weighted = model.score(ALL_X, ALL_Y, sample_weight=weights)
    assert weighted == pytest.approx(np.average(right, weights=weights))
    assert weighted == model.score(ALL_X, ALL_Y, weights)
    assert model.score(ALL_X, ALL_Y, sample_weight=right.astype(float)) == 1.0
    assert model.score(pd.DataFrame(ALL_X), pd.Series(ALL_Y)) == pytest.approx(right.mean())
    assert model.score(ALL_X.tolist(), ALL_Y.tolist()) == pytest.approx(right.mean())


@both
def test_score_warns_if_no_label_can_be_named(make):
    model = fitted(make)
    with pytest.warns(UserWarning, match="None of the labels in y .*space='zsl'.*ZeroShotKFold"):
        assert model.score(X, Y) == 0.0
    with pytest.warns(UserWarning, match=r"Only \d+% of the labels in y .*space='zsl'"):
        assert model.score(ALL_X, ALL_Y) > 0.0
    model.set_params(space="seen")
    with pytest.warns(UserWarning, match="None of the labels in y .*space='seen'"):
        assert model.score(NEW_X, NEW_Y) == 0.0


@both
def test_default_folds_warn_and_zero_shot_folds_do_not(make):
    with pytest.warns(UserWarning, match="cv=ZeroShotKFold"):
        scores = cross_val_score(make(), X, Y, cv=3, params={"class_embeddings": TABLE})
    assert_array_equal(scores, 0.0)
    params = {"class_embeddings": TABLE}
    scores = cross_val_score(make(), X, Y, cv=ZeroShotKFold(5), params=params, error_score="raise")
    assert np.isfinite(scores).all()  # and no warning: they are errors here


@both
def test_a_forgotten_table_is_warned_of(make):
    with pytest.warns(UserWarning, match="None of .*fit did not get.*params={'class_embeddings'"):
        scores = cross_val_score(make(), X, Y, cv=ZeroShotKFold(2))
    assert_array_equal(scores, 0.0)
    assert make().fit(X, Y).score(X, Y) > 0.5  # an ordinary classifier, without a warning
    assert np.isfinite(cross_val_score(make(), X, Y, cv=3)).all()


@both
def test_a_table_in_the_place_of_weights_is_named(make):
    model = fitted(make)
    frame = pd.DataFrame(UNSEEN_TABLE.vectors, index=UNSEEN_TABLE.labels)
    for table in (UNSEEN_TABLE, dict(zip(UNSEEN, UNSEEN_TABLE.vectors, strict=True)), frame):
        with pytest.raises(TypeError, match=r"score\(X, y, unseen_embeddings=table\)"):
            model.score(NEW_X, NEW_Y, table)
    assert model.score(NEW_X, NEW_Y, tuple(np.ones(len(NEW_X)))) == model.score(NEW_X, NEW_Y)


@both
def test_score_compares_no_strings_with_numbers(make):
    for model in (fitted(make, space="seen"), make().fit(X, Y)):
        with pytest.raises(TypeError, match=r"in y are numbers \(0, .* keyed by strings"):
            model.score(X, CODES)


@both
@pytest.mark.parametrize("space", ["zsl", "gzsl"])
def test_no_unseen_class_names_the_ways_out(make, space):
    model = make(space=space).fit(X, Y, SEEN_TABLE)
    for method in (model.predict, model.predict_proba, model.decision_function):
        with pytest.raises(ValueError, match=r"no unseen class.*set space='seen'.*ZeroShotKFold"):
            method(X)
    with pytest.raises(ValueError, match="Pass unseen_embeddings"):
        model.score(X, Y)
    with pytest.raises(ValueError, match="Pass unseen_embeddings"):
        model.candidates()
    assert model.set_params(space="seen").score(X, Y) > 0.9


# labels

LABEL_KINDS = {
    "strings": np.array(NAMES),
    "objects": np.array(NAMES, dtype=object),
    "one character": np.array(list("hgfedcba")),
    "not ASCII": np.array(["ä", "ö", "ü", "ß", "é", "日", "本", "🏹"]),
    "of unequal length": np.array(["a", "ab", "abc" * 50, "b", "", "c" * 9, " ", "d"]),
    "integers": np.arange(N_CLASSES),
    "negative integers": np.array([-5, 3, 0, -1, 7, 2, -9, 100]),
    "large integers": 2**53 + np.arange(N_CLASSES),
    "int8": np.arange(N_CLASSES, dtype=np.int8),
    "uint64": np.arange(N_CLASSES, dtype=np.uint64),
    "whole floats": np.arange(N_CLASSES) * 1.0,
}


@both
@pytest.mark.parametrize("names", LABEL_KINDS.values(), ids=LABEL_KINDS)
@pytest.mark.parametrize("space", CANDIDATES)
def test_labels_of_every_kind_keep_type_and_meaning(make, names, space):
    model = make(space=space).fit(X, names[CODES], (names, VECTORS))
    labels, vectors = model.candidates()
    wanted = {"zsl": names[N_SEEN:], "gzsl": names, "seen": names[:N_SEEN]}[space]
    assert labels.tolist() == sorted(wanted.tolist())
    for label, row in zip(labels, vectors, strict=True):
        assert_array_equal(row, VECTORS[names == label][0])
    assert_array_equal(model.classes_, np.sort(names[:N_SEEN]))
    assert_array_equal(model.unseen_classes_, np.sort(names[N_SEEN:]))
    predicted = model.predict(ALL_X)
    assert predicted.dtype.kind == names.dtype.kind
    assert {type(label) for label in predicted.tolist()} == {type(names.tolist()[0])}
    plain = fitted(make, space=space)
    if space != "zsl":  # classes come in another order here: other first weights
        true = names[CODES]
        assert (model.predict(X) == true).mean() >= 0.9 * (plain.predict(X) == Y).mean()


@both
def test_whole_numbers_of_an_object_index_are_numbers(make):
    table = pd.DataFrame(VECTORS, index=pd.Index(range(N_CLASSES), dtype=object))
    model = make().fit(X, CODES, table)
    assert model.predict(NEW_X).dtype == np.int64
    assert model.score(NEW_X, ALL_CODES[~IS_SEEN]) == fitted(make).score(NEW_X, NEW_Y)


@both
def test_boolean_labels(make):
    y = CODES >= 2
    model = make().fit(X, y)
    assert model.predict(X).dtype == bool
    assert model.score(X, y) > 0.8
    table = {False: VECTORS[0], True: VECTORS[3], 2: VECTORS[6], 3: VECTORS[7]}
    assert set(make().fit(X, y, table).predict(X)) <= {2, 3}


@both
@pytest.mark.parametrize(
    "y",
    [Y.tolist(), tuple(Y), pd.Series(Y), pd.Series(Y, dtype="category"), Y.astype(object)],
    ids=["list", "tuple", "series", "categorical series", "objects"],
)
def test_y_of_every_container_gives_the_same_model(make, y):
    assert_same_answers(answers(make().fit(X, y, TABLE)), answers(fitted(make)))


@both
@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.float32, torch.bfloat16])
def test_tensor_labels(make, dtype):
    y = torch.tensor(CODES).to(dtype)
    model = make(space="gzsl").fit(X, y, (np.arange(N_CLASSES), VECTORS))
    assert model.classes_.tolist() == list(range(N_SEEN))
    assert model.score(ALL_X, torch.tensor(ALL_CODES).to(dtype)) == pytest.approx(
        (model.predict(ALL_X) == ALL_CODES).mean()
    )


@both
def test_a_column_of_labels_is_flattened_with_scikit_learns_warning(make):
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        model = make().fit(X, Y[:, None], TABLE)
    assert_same_answers(answers(model), answers(fitted(make)))


# forms of X


def read_only(rows):
    rows = rows.copy()
    rows.setflags(write=False)
    return rows


def memory_map(rows):
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        mapped = np.memmap(file.name, dtype=rows.dtype, mode="w+", shape=rows.shape)
        mapped[:] = rows
        mapped.flush()
        return np.memmap(file.name, dtype=rows.dtype, mode="r", shape=rows.shape)


EXACT_FORMS = {
    "list": lambda rows: rows.tolist(),
    "object array": lambda rows: rows.astype(object),
    "fortran order": np.asfortranarray,
    "read-only": read_only,
    "every second column": lambda rows: np.repeat(rows, 2, axis=1)[:, ::2],
    "reversed view": lambda rows: np.ascontiguousarray(rows[::-1, ::-1])[::-1, ::-1],
    "big-endian": lambda rows: rows.astype(">f8"),
    "memory map": memory_map,
    "tensor": torch.tensor,
    "tensor, not contiguous": lambda rows: torch.tensor(rows.T.copy()).T,
    "tensor that requires grad": lambda rows: torch.tensor(rows, requires_grad=True),
    "tensor of a graph": lambda rows: torch.tensor(rows, requires_grad=True) * 1.0,
    "frame without string names": pd.DataFrame,
}
CLOSE_FORMS = {
    "float32": (lambda rows: rows.astype(np.float32), 1e-4),
    "float16": (lambda rows: rows.astype(np.float16), 1e-2),
    "float32 tensor": (lambda rows: torch.tensor(rows).float(), 1e-4),
    "float16 tensor": (lambda rows: torch.tensor(rows).half(), 1e-2),
    "bfloat16 tensor": (lambda rows: torch.tensor(rows).bfloat16(), 5e-2),
    "bfloat16 tensor that requires grad": (
        lambda rows: torch.tensor(rows).bfloat16().requires_grad_(),
        5e-2,
    ),
}


@both
@pytest.mark.parametrize("form", EXACT_FORMS.values(), ids=EXACT_FORMS)
def test_the_same_numbers_in_another_form_give_the_same_answers(make, form):
    plain = fitted(make, space="gzsl")
    model = make(space="gzsl").fit(form(X), Y, TABLE)
    assert_allclose(model.predict_proba(ALL_X), plain.predict_proba(ALL_X), rtol=1e-4, atol=1e-6)
    probabilities = model.predict_proba(form(ALL_X))
    assert_allclose(probabilities, plain.predict_proba(ALL_X), rtol=1e-4, atol=1e-6)
    assert_array_equal(model.predict(form(ALL_X)), plain.predict(ALL_X))
    assert isinstance(model.predict(form(ALL_X)), np.ndarray)


@both
@pytest.mark.parametrize(("form", "tolerance"), CLOSE_FORMS.values(), ids=CLOSE_FORMS)
def test_fewer_digits_give_nearly_the_same_scores(make, form, tolerance):
    plain = fitted(make, space="gzsl")
    assert_allclose(
        plain.predict_proba(form(ALL_X)), plain.predict_proba(ALL_X), rtol=0, atol=tolerance
    )
    model = make(space="gzsl").fit(form(X), Y, TABLE)
    assert model.score(form(ALL_X), ALL_Y) == pytest.approx(plain.score(ALL_X, ALL_Y), abs=0.1)


@both
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int16, np.uint16, bool])
def test_whole_numbers_of_every_type_give_the_same_answers(make, dtype):
    whole = np.round((ALL_X - ALL_X.min()) * 20)
    whole = whole > whole.mean() if dtype is bool else whole
    assert whole.max() < 2**15
    plain = make(space="gzsl").fit(whole[IS_SEEN] * 1.0, Y, TABLE)
    model = make(space="gzsl").fit(whole[IS_SEEN].astype(dtype), Y, TABLE)
    assert_allclose(
        model.predict_proba(whole.astype(dtype)), plain.predict_proba(whole * 1.0), rtol=1e-4
    )


@both
def test_whole_numbers_beyond_float32_keep_their_digits(make):
    whole = np.round(ALL_X * 20).astype(np.int64)
    plain = make(space="seen").fit(whole[IS_SEEN], Y, TABLE)
    model = make(space="seen").fit(whole[IS_SEEN] + 10**10, Y, TABLE)
    assert_array_equal(model.predict(whole + 10**10), plain.predict(whole))


@both
@pytest.mark.parametrize("as_tensor", [False, True])
def test_the_callers_data_stay_as_they_are(make, as_tensor):
    rows, new, y, vectors = X.copy(), ALL_X.copy(), Y.copy(), VECTORS.copy()
    weights = np.ones(len(ALL_X))
    table = dict(zip(NAMES, vectors, strict=True))
    passed, passed_new = (
        (torch.from_numpy(rows), torch.from_numpy(new)) if as_tensor else (rows, new)
    )
    model = make(space="gzsl").fit(passed, y, table)
    answers(model, passed_new)
    model.predict(passed_new, unseen_embeddings={"new": vectors[6]})
    model.score(passed_new, ALL_Y, sample_weight=weights)
    assert_array_equal(rows, X)
    assert_array_equal(new, ALL_X)
    assert_array_equal(y, Y)
    assert_array_equal(vectors, VECTORS)
    assert list(table) == NAMES
    rows[:], new[:], vectors[:] = 0.0, 0.0, 0.0  # and the model holds no view of them
    assert_same_answers(answers(model), answers(fitted(make, space="gzsl")))


@both
def test_frames_give_and_check_feature_names(make):
    columns = [f"f{i}" for i in range(N_FEATURES)]
    model = make().fit(pd.DataFrame(X, columns=columns), Y, TABLE)
    assert model.feature_names_in_.tolist() == columns
    assert model.n_features_in_ == N_FEATURES
    frame = pd.DataFrame(ALL_X, columns=columns)
    assert_allclose(model.predict_proba(frame), fitted(make).predict_proba(ALL_X), rtol=1e-4)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[columns[::-1]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(ALL_X)
    assert not hasattr(make().fit(X, Y, TABLE), "feature_names_in_")
    assert not hasattr(model.fit(X, Y, TABLE), "feature_names_in_")  # a second fit forgets them


# blocks and sizes


@both
@pytest.mark.parametrize("name", ["_ROWS_AT_ONCE", "_SCORES_AT_ONCE"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_blocks_of_rows_give_the_same_answers(make, monkeypatch, name, size):
    model = fitted(make, space="gzsl")
    whole = model.decision_function(ALL_X)
    sizes = []
    score_rows = type(model)._score_rows

    def spy(self, rows, candidates):
        sizes.append(len(rows))
        return score_rows(self, rows, candidates)

    monkeypatch.setattr(type(model), "_score_rows", spy)
    monkeypatch.setattr(base, name, size)
    assert_allclose(model.decision_function(ALL_X), whole, rtol=1e-4, atol=1e-5)
    limit = size if name == "_ROWS_AT_ONCE" else max(1, size // N_CLASSES)
    assert sum(sizes) == len(ALL_X)
    assert max(sizes) <= limit
    assert_array_equal(model.predict(ALL_X), np.array(NAMES)[whole.argmax(axis=1)])


@both
def test_thousands_of_candidates(make):
    rng = np.random.default_rng(0)
    table = ClassEmbeddings([f"u{i:05}" for i in range(10_000)], rng.normal(size=(10_000, 4)))
    model = fitted(make, space="gzsl")
    probabilities = model.predict_proba(NEW_X, unseen_embeddings=table)
    assert probabilities.shape == (len(NEW_X), 10_000 + N_SEEN)
    assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-4)
    labels, _ = model.candidates(unseen_embeddings=table)
    assert_array_equal(
        model.predict(NEW_X, unseen_embeddings=table), labels[probabilities.argmax(axis=1)]
    )


@both
@pytest.mark.parametrize("space", CANDIDATES)
def test_a_row_is_scored_alike_alone_and_among_others(make, space):
    model = fitted(make, space=space)
    scores = model.decision_function(ALL_X)
    for i in range(0, len(ALL_X), 20):
        assert_allclose(
            model.decision_function(ALL_X[i : i + 1]), scores[i : i + 1], rtol=1e-4, atol=1e-5
        )
        assert model.predict(ALL_X[i : i + 1]).shape == (1,)


@pytest.mark.filterwarnings("ignore:.*has one feature")
@both
def test_one_sample_a_class_and_one_feature_are_enough(make):
    first = np.unique(CODES, return_index=True)[1]
    model = make().fit(X[first], Y[first], TABLE)
    assert np.isfinite(model.predict_proba(ALL_X)).all()
    model = make().fit(X[:, :1], Y, (NAMES, VECTORS[:, :1]))
    assert np.isfinite(model.predict_proba(ALL_X[:, :1])).all()


@both
def test_classes_of_very_unequal_size(make):
    rows = np.r_[np.flatnonzero(CODES == 0), [10, 20, 30]]
    model = make(space="seen").fit(X[rows], Y[rows], TABLE)
    assert model.classes_.tolist() == NAMES[:4]
    assert np.isfinite(model.predict_proba(ALL_X)).all()


# fit is all or nothing


def state(model):
    return pickle.dumps(vars(model))


def break_fit(monkeypatch, model, error):
    """Let fit fail in the middle: after labels and table are set, in or after training."""
    fit_seen = type(model)._fit_seen

    def fail(self, *arguments):
        fit_seen(self, *arguments)
        raise error

    monkeypatch.setattr(type(model), "_fit_seen", fail)


@both
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, RuntimeError("broken"), SystemExit, MemoryError]
)
def test_a_failed_fit_leaves_an_unfitted_estimator_unfitted(make, monkeypatch, error):
    model = make()
    before = dict(vars(model))
    break_fit(monkeypatch, model, error)
    with pytest.raises(error if isinstance(error, type) else type(error)):
        model.fit(pd.DataFrame(X).add_prefix("f"), Y, TABLE)
    assert vars(model) == before
    with pytest.raises(NotFittedError):
        model.predict(X)


@both
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError("broken")])
def test_a_failed_fit_leaves_a_fitted_estimator_as_it_was(make, monkeypatch, error):
    model = fitted(make, space="gzsl")
    before, keys = answers(model), list(vars(model))
    break_fit(monkeypatch, model, error)
    with pytest.raises(error if isinstance(error, type) else type(error)):
        model.fit(X[::-1, :4], CODES)
    assert list(vars(model)) == keys
    assert_same_answers(answers(model), before)


@both
def test_wrong_data_leave_a_fitted_estimator_as_it_was(make):
    model = fitted(make)
    before = answers(model)
    for wrong in (
        lambda: model.fit(X, Y, {"class 0": [1.0]}),  # fails after classes_ is set
        lambda: model.fit(X[:, :2], Y[:3], TABLE),
        lambda: model.fit(X[:, :2], np.zeros(len(X)), TABLE),
        lambda: model.fit(X[:10, :2], Y[:10], TABLE),  # fails after n_features_in_ is set
        lambda: model.fit(pd.DataFrame(X[:10]).add_prefix("f"), Y[:10]),
    ):
        with pytest.raises(ValueError, match=r"no vector|inconsistent|at least 2|missing names"):
            wrong()
        assert model.n_features_in_ == N_FEATURES
        assert not hasattr(model, "feature_names_in_")
        assert_same_answers(answers(model), before)


def test_an_interrupt_between_epochs_leaves_the_earlier_model(monkeypatch):
    model = fitted(small, space="gzsl")
    before = answers(model)
    epochs = []

    def report(self, history):
        epochs.append(len(history["loss"]))
        if len(epochs) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ClasterZSL, "_report", report)
        model.fit(X[::-1], Y[::-1])
    assert epochs == [1, 2]
    assert_same_answers(answers(model), before)
    assert_same_answers(answers(model.fit(X, Y, TABLE)), before)


@both
def test_a_second_fit_forgets_the_first(make):
    model = make(space="gzsl").fit(np.random.default_rng(0).normal(size=(9, 2)), list("abcabcabc"))
    assert_same_answers(answers(model.fit(X, Y, TABLE)), answers(fitted(make, space="gzsl")))


@both
def test_predicting_changes_nothing(make):
    model = fitted(make, space="gzsl")
    before, keys = state(model), list(vars(model))
    answers(model)
    answers(model, unseen_embeddings=UNSEEN_TABLE)
    model.score(ALL_X, ALL_Y)
    model.candidates()
    assert (state(model), list(vars(model))) == (before, keys)


@both
def test_a_clone_is_unfitted_and_a_copy_is_not(make):
    model = fitted(make)
    with pytest.raises(NotFittedError):
        clone(model).predict(X)
    assert_same_answers(answers(copy.deepcopy(model)), answers(model))


# extreme numbers


@both
@pytest.mark.parametrize("factor", [1e-300, 1e-30, 1e-10, 1e10, 1e30, 1e300])
def test_the_scale_of_X_does_not_matter(make, factor):
    plain, model = fitted(make, space="gzsl"), make(space="gzsl").fit(X * factor, Y, TABLE)
    assert_allclose(
        model.predict_proba(ALL_X * factor), plain.predict_proba(ALL_X), rtol=1e-2, atol=1e-4
    )


@both
@pytest.mark.parametrize("factor", [1e-40, 1e-30, 1e30])
def test_the_scale_of_single_precision_X_does_not_matter(make, factor):
    plain = fitted(make, space="gzsl")
    scaled = (ALL_X * factor).astype(np.float32)
    model = make(space="gzsl").fit(scaled[IS_SEEN], Y, TABLE)
    assert (model.predict(scaled) == plain.predict(ALL_X)).mean() > 0.9


@both
def test_the_largest_floats_do_not_overflow(make):
    positive = ALL_X - ALL_X.min()
    huge = positive / positive.max() * np.finfo(np.float64).max  # the sum of a column overflows
    plain, model = fitted(make, space="gzsl"), make(space="gzsl").fit(huge[IS_SEEN], Y, TABLE)
    assert_allclose(model.predict_proba(huge), plain.predict_proba(ALL_X), rtol=1e-2, atol=1e-4)
    half = (ALL_X / np.abs(ALL_X).max() * 65504).astype(np.float16)
    model = make(space="gzsl").fit(half[IS_SEEN], Y, TABLE)
    assert_allclose(model.predict_proba(half), plain.predict_proba(ALL_X), rtol=0, atol=2e-2)


@both
def test_an_offset_of_X_does_not_matter(make):
    plain, model = fitted(make, space="gzsl"), make(space="gzsl").fit(X + 1e6, Y, TABLE)
    assert_allclose(model.predict_proba(ALL_X + 1e6), plain.predict_proba(ALL_X), rtol=1e-2)


@both
def test_constant_columns_do_not_matter(make):
    def widen(rows):
        return np.c_[rows, np.full(len(rows), 0.1), np.full(len(rows), -1e9), np.zeros(len(rows))]

    model = make(space="seen").fit(widen(X), Y, TABLE)
    assert model.score(widen(X), Y) > 0.9
    if make is ESZSL:  # the first weights of networks depend on the number of columns
        assert_allclose(
            model.decision_function(widen(X)), fitted(make, space="seen").decision_function(X)
        )


@both
def test_rows_of_zeros_and_duplicates_are_rows_like_others(make):
    rows = np.r_[X, np.zeros((5, N_FEATURES)), X, X[:1]]
    y = np.r_[Y, NAMES[:5], Y, Y[:1]]
    model = make(space="gzsl").fit(rows, y, TABLE)
    assert np.isfinite(model.predict_proba(np.r_[ALL_X, np.zeros((2, N_FEATURES))])).all()
    assert model.set_params(space="seen").score(X, Y) > 0.9


@both
@pytest.mark.parametrize("value", [0.0, 1.0, -3e5])
def test_all_rows_alike_teach_nothing_but_break_nothing(make, value):
    # K-means has a warning of its own for duplicate points
    parameters = {"n_clusters": 1} if make is small else {}
    rows = np.full((10, 3), value)
    model = make(space="gzsl", **parameters).fit(rows, np.array(NAMES)[np.arange(10) % 5], TABLE)
    assert np.isfinite(model.predict_proba(np.r_[rows, np.eye(3)])).all()


@both
@pytest.mark.parametrize("factor", [1e-300, 1e-30, 1e30, 1e300])
def test_the_scale_of_class_embeddings_does_not_matter(make, factor):
    plain, model = (
        fitted(make, space="gzsl"),
        make(space="gzsl").fit(X, Y, (NAMES, VECTORS * factor)),
    )
    assert_allclose(model.predict_proba(ALL_X), plain.predict_proba(ALL_X), rtol=1e-2, atol=1e-4)


@both
def test_an_offset_of_class_embeddings_does_not_matter(make):
    plain, model = fitted(make, space="gzsl"), make(space="gzsl").fit(X, Y, (NAMES, VECTORS + 1e6))
    assert_allclose(model.predict_proba(ALL_X), plain.predict_proba(ALL_X), rtol=1e-2, atol=1e-4)


@both
def test_unseen_embeddings_of_any_scale_are_scored(make):
    model = fitted(make)
    table = {"zero": np.zeros(4), "huge": [1e300, -1e300, 1e300, 0], "tiny": [1e-300, 0, 0, 0]}
    assert np.isfinite(model.predict_proba(ALL_X, unseen_embeddings=table)).all()


# bad input: what is refused, how, and that nothing was trained


def changed(value, where=(0, 0), rows=X):
    rows = rows.copy()
    rows[where] = value
    return rows


def fit(make, X=X, y=Y, table=TABLE, **parameters):
    return make(**parameters).fit(X, y, table)


BAD_DATA = {
    "NaN in X": (lambda m: fit(m, changed(np.nan)), ValueError, "Input X contains NaN"),
    "inf in X": (lambda m: fit(m, changed(np.inf)), ValueError, "X contains infinity"),
    "-inf in X": (lambda m: fit(m, changed(-np.inf)), ValueError, "X contains infinity"),
    "NaN in tensor X": (
        lambda m: fit(m, torch.tensor(changed(np.nan))),
        ValueError,
        "X contains NaN",
    ),
    "1-D X": (lambda m: fit(m, X[:, 0]), ValueError, "Expected 2D array, got 1D.*Reshape"),
    "3-D X": (lambda m: fit(m, X[None]), ValueError, "array with dim 3"),
    "X a number": (lambda m: fit(m, 3.0), ValueError, "Expected 2D array, got scalar"),
    "X None": (lambda m: fit(m, None), ValueError, "Expected 2D array, got scalar"),
    "no samples": (lambda m: fit(m, X[:0], Y[:0]), ValueError, "0 sample.*minimum of 1"),
    "no features": (lambda m: fit(m, X[:, :0]), ValueError, "0 feature.*minimum of 1"),
    "sparse X": (lambda m: fit(m, sparse.csr_array(X)), TypeError, "Sparse.*dense.*toarray"),
    "complex X": (lambda m: fit(m, X * 1j), ValueError, "Complex data not supported"),
    "text X": (lambda m: fit(m, np.full(X.shape, "a")), ValueError, "could not convert string"),
    "ragged X": (lambda m: fit(m, [[1.0], [1.0, 2.0]], Y[:2]), ValueError, "inhomogeneous"),
    "y missing": (lambda m: m().fit(X), TypeError, "missing.*'y'"),
    "y None": (lambda m: fit(m, y=None), ValueError, "requires y to be passed, but.*y is None"),
    "y shorter": (lambda m: fit(m, y=Y[:-1]), ValueError, r"inconsistent.*\[50, 49\]"),
    "y 2-D": (lambda m: fit(m, y=np.c_[Y, Y]), ValueError, r"1d array.*shape \(50, 2\)"),
    "y continuous": (lambda m: fit(m, y=X[:, 0]), ValueError, "label type: continuous.*classifier"),
    "y NaN": (lambda m: fit(m, y=changed(np.nan, 0, CODES * 1.0)), ValueError, "y contains NaN"),
    "y inf": (lambda m: fit(m, y=changed(np.inf, 0, CODES * 1.0)), ValueError, "y contains inf"),
    "None in y": (
        lambda m: fit(m, y=changed(None, 0, Y.astype(object))),
        ValueError,
        "Unknown label type",
    ),
    "strings and numbers in y": (
        lambda m: fit(m, y=changed(3, 0, Y.astype(object))),
        ValueError,
        "Unknown label type",
    ),
    "bytes in y": (
        lambda m: fit(m, y=Y.astype("S")),
        (TypeError, FutureWarning),  # a warning below scikit-learn 1.7
        "bytes is (not supported|deprecated).*Convert",
    ),
    "one class": (
        lambda m: fit(m, X[:10], Y[:10]),
        ValueError,
        "at least 2 classes; got 1.*'class 0'",
    ),
    "one sample": (lambda m: fit(m, X[:1], Y[:1]), ValueError, "at least 2 classes; got 1"),
    "class without vector": (
        lambda m: fit(m, table=TABLE.select(NAMES[1:])),
        ValueError,
        "1 class.es. have no vector.*'class 0'.*It holds 7 classes.*Add the missing rows",
    ),
    "no class has a vector": (
        lambda m: fit(m, table={"Class 0": [1.0]}),
        ValueError,
        "5 class.es. have no vector",
    ),
    "labels twice": (
        lambda m: fit(m, table=(["class 0", *NAMES[:-1]], VECTORS)),
        ValueError,
        "each label once: 'class 0'.*Average",
    ),
    "numbers in the table, strings in y": (
        lambda m: fit(m, table=dict(enumerate(VECTORS))),
        TypeError,
        "labels in y are strings.*keyed by numbers.*Use the same labels",
    ),
    "strings in the table, numbers in y": (
        lambda m: fit(m, y=CODES),
        TypeError,
        "labels in y are numbers.*keyed by strings.*Use the same labels",
    ),
    "all vectors equal": (
        lambda m: fit(m, table=(NAMES, np.ones((8, 3)))),
        ValueError,
        "All 5 seen classes have the same vector.*at least two have to differ",
    ),
    "all seen vectors equal": (
        lambda m: fit(m, table=(NAMES, np.eye(8)[[0, 0, 0, 0, 0, 1, 2, 3]])),
        ValueError,
        "All 5 seen classes have the same vector",
    ),
    "empty table": (lambda m: fit(m, table={}), ValueError, "class_embeddings is empty.*needs one"),
    "table of NaN": (lambda m: fit(m, table=(NAMES, VECTORS * np.nan)), ValueError, "hold NaN"),
    "table a bare array": (
        lambda m: fit(m, table=VECTORS),
        TypeError,
        "got ndarray.*ClassEmbeddings",
    ),
    "table a bare list": (
        lambda m: fit(m, table=VECTORS.tolist()),
        TypeError,
        "got list.*ClassEmb",
    ),
    "table False": (lambda m: fit(m, table=False), TypeError, "got bool.*ClassEmbeddings"),
    "sample_weight": (
        lambda m: m().fit(X, Y, TABLE, sample_weight=np.ones(50)),
        TypeError,
        "unexpected keyword argument 'sample_weight'",
    ),
    "space unknown": (
        lambda m: fit(m, space="unseen"),
        ValueError,
        "space='unseen'.*'zsl', 'gzsl', 'seen'",
    ),
    "space None": (lambda m: fit(m, space=None), ValueError, "space=None is not a valid choice"),
    "space a list": (
        lambda m: fit(m, space=["zsl"]),
        ValueError,
        r"space=\['zsl'\] is not a valid",
    ),
    "space an array": (lambda m: fit(m, space=np.array(["zsl"])), ValueError, "not a valid choice"),
    "space in capitals": (lambda m: fit(m, space="ZSL"), ValueError, "space='ZSL' is not a valid"),
}


@pytest.fixture
def no_training(monkeypatch):
    """Fail if anything starts to learn."""

    def fail(*arguments, **keywords):
        pytest.fail("training started")

    for name in ("learn", "search_epochs"):
        monkeypatch.setattr(claster, name, fail)
    for name in ("fit_projector", "fit_estimator", "train_classifier", "make_aggregation"):
        monkeypatch.setattr(f"sklearn_claster._core.learning.{name}", fail)
    monkeypatch.setattr(ESZSL, "_fit_seen", fail)


def refuse(action, error, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error, match=f"(?s){message}"):
            action()


@both
@pytest.mark.parametrize(("action", "error", "message"), BAD_DATA.values(), ids=BAD_DATA)
@pytest.mark.usefixtures("no_training")
def test_bad_data_are_refused_before_training(make, action, error, message):
    refuse(lambda: action(make), error, message)


@both
@pytest.mark.usefixtures("no_training")
def test_good_data_would_be_trained_on(make):
    with pytest.raises(pytest.fail.Exception, match="training started"):
        fit(make)


def name_of(parameter, value):
    return re.sub(" at 0x.*", "", f"{parameter}={value!r}")  # no address: it differs by process


KIND, RANGE, CHOICE = (
    "has the wrong type; expected",
    "is out of range; expected",
    "not a valid choice",
)


def number(name, low, high=None, whole=False, also=None):
    """Wrong values of a parameter that is a number; low is "0" (allowed) or ">0" (not)."""
    wrong = ["0.1", None, [1], True, np.True_, 1j, np.array([1.0])]
    wrong += [1.0, 2.5, math.nan] if whole else []
    for value in wrong:
        yield name, value, TypeError, KIND
    yield name, -1, ValueError, RANGE
    yield name, np.int64(-1), ValueError, RANGE
    if low == ">0":
        yield name, 0, ValueError, RANGE
    if not whole:
        for value in (math.nan, np.float32("nan"), math.inf, -math.inf, -1e-9):
            yield name, value, ValueError, RANGE
    if high is not None:
        yield name, high + 0.01, ValueError, RANGE
    if also is not None:
        yield name, also.upper(), TypeError, f"or '{also}'"


def choice(name, *wrong):
    for value in wrong:
        yield name, value, ValueError, f"{CHOICE}; expected one of"


BAD_PARAMETERS = {
    small: [
        *number("n_clusters", ">0", whole=True),
        *number("alpha", "0", 1.0),
        *choice("centroids", "none", "REINFORCE", True, False, 1, ["kmeans"]),
        *number("centroid_weight", "0", also="mean"),
        *choice("selection_probability", None, "LIKAS", 0, ["zero"]),
        *choice("use_semantics", None, 0, 1, "True", [True]),
        *choice("fusion", None, "concat", 1, ["sum"]),
        *choice("whiten", None, 0, 1, "True"),
        *choice("linear_shortcut", None, 0, 1, "True"),
        *choice("mixup", None, 0, 1, 0.5),
        *choice("inference", None, "", "eszsl", 1, True, ["visual"]),
        *number("visual_weight", "0", 1.0),
        *number("feature_weight", "0", 1000.0),
        *number("n_neighbors", "0", whole=True),
        *number("temperature", ">0"),
        *number("dropout", "0", 0.99),
        *number("learning_rate", ">0"),
        *number("weight_decay", "0"),
        *number("batch_size", ">0", whole=True, also="auto"),
        *number("max_epochs", ">0", whole=True),
        *number("reinforce_steps", "0", whole=True, also="auto"),
        *choice("precision", None, "", "float16", "bf16", 32, torch.bfloat16),
        *choice("early_stopping", None, 0, 1, "auto", 0.25),
        *(case for case in number("verbose", "0", whole=True) if case[1] is not True),
        *[
            ("hidden_layer_sizes", value, TypeError, f"{KIND} a sequence of widths, .*, or 'auto'")
            for value in (16, 16.0, None, "16", True, {16}, {16: 16}, np.int64(16))
        ],
        *[
            ("hidden_layer_sizes", value, ValueError, "positive integers; expected for example")
            for value in ((0,), (16, -1), (16.0,), ("16",), (None,), (math.nan,), ((16,),))
        ],
        *[
            ("device", value, ValueError, "names no device; expected 'auto', 'cpu'")
            for value in ("gpu", "", "CPU", None, True, 3.5, 0, ["cpu"])
        ],
        *[
            ("device", value, ValueError, "not available here. Use device='auto'")
            for value in ("cuda:99", "meta", "xla", torch.device("meta"))
        ],
        *[
            ("random_state", value, ValueError, "seed|Seed")
            for value in ("0", -1, 1.5, [0], math.nan, np.random.default_rng(0))
        ],
    ],
    ESZSL: [*number("gamma", ">0"), *number("lam", ">0")],
}


@pytest.mark.parametrize(
    ("make", "name", "value", "error", "message"),
    [
        pytest.param(make, *case, id=name_of(*case[:2]))
        for make, cases in BAD_PARAMETERS.items()
        for case in cases
    ],
)
@pytest.mark.usefixtures("no_training")
def test_bad_parameters_are_refused_before_training(make, name, value, error, message):
    named = "" if name == "random_state" else re.escape(f"{name}={value!r} ")
    refuse(lambda: fit(make, **{name: value}), error, f"{named}.*{message}" if named else message)


@pytest.mark.parametrize("value", [(True,), b"ab", np.array(16)], ids=repr)
@pytest.mark.usefixtures("no_training")
def test_odd_hidden_layer_sizes_are_refused_before_training(value):
    refuse(
        lambda: fit(small, hidden_layer_sizes=value), (TypeError, ValueError), "hidden_layer_sizes="
    )


@pytest.mark.usefixtures("no_training")
def test_visual_inference_without_semantics_is_refused():
    refuse(
        lambda: fit(small, inference="visual", use_semantics=False),
        ValueError,
        "inference='visual'.*use_semantics=False leaves out. Use inference='compatibility'",
    )


@pytest.mark.parametrize("device", ["cuda", "cuda:0", torch.device("cuda")])
@pytest.mark.usefixtures("no_training")
def test_a_missing_gpu_is_refused_before_training(monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refuse(lambda: fit(small, device=device), ValueError, "device=.*cuda.*not available here")


GOOD_PARAMETERS = {
    small: [
        ("n_clusters", np.int64(3)),
        ("n_clusters", np.uint8(1)),
        ("alpha", np.float32(0.5)),
        ("alpha", 0),
        ("alpha", 1),
        ("alpha", np.int64(1)),
        ("centroids", np.str_("random")),
        ("centroids", None),
        ("centroid_weight", np.float16(0.5)),
        ("centroid_weight", 0),
        ("centroid_weight", 1),
        ("use_semantics", np.True_),
        ("use_semantics", np.False_),
        ("early_stopping", np.False_),
        ("inference", np.str_("conse")),
        ("visual_weight", np.float64(1.0)),
        ("n_neighbors", np.int32(0)),
        ("n_neighbors", 10**6),
        ("temperature", np.float32(0.3)),
        ("temperature", 1),
        ("hidden_layer_sizes", [16]),
        ("hidden_layer_sizes", np.array([16, 4])),
        ("hidden_layer_sizes", (np.int64(16),)),
        ("hidden_layer_sizes", ()),
        ("hidden_layer_sizes", range(3, 5)),
        ("dropout", np.float32(0.2)),
        ("learning_rate", np.float64(1e-2)),
        ("weight_decay", 0),
        ("batch_size", np.int64(16)),
        ("batch_size", 10**6),
        ("max_epochs", np.int16(1)),
        ("reinforce_steps", np.int64(3)),
        ("reinforce_steps", 0),
        ("space", np.str_("gzsl")),
        ("device", torch.device("cpu")),
        ("device", "cpu:0"),
        ("random_state", np.int64(3)),
        ("random_state", np.random.RandomState(0)),
        ("random_state", None),
        ("verbose", np.int64(0)),
    ],
    ESZSL: [
        ("gamma", np.float32(0.5)),
        ("gamma", 3),
        ("lam", np.int64(2)),
        ("space", np.str_("seen")),
    ],
}


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        pytest.param(make, *case, id=name_of(*case[:2]))
        for make, cases in GOOD_PARAMETERS.items()
        for case in cases
    ],
)
def test_good_parameters_are_used_as_they_are(make, name, value):
    model = fit(make, **{name: value})
    assert vars(model)[name] is value
    probabilities = model.predict_proba(ALL_X)
    assert np.isfinite(probabilities).all()
    if isinstance(value, np.generic) and name != "random_state":  # as the plain value would be
        plain = fit(make, **{name: value.item()}).predict_proba(ALL_X)
        assert_allclose(probabilities, plain, rtol=1e-4, atol=1e-6)


OLD = {"class 0": VECTORS[0], "new": VECTORS[1]}

# model fitted with TABLE, one with the seen classes only, one without a table -> what to do
BAD_QUESTIONS = {
    "NaN in X": (lambda m: m.predict(changed(np.nan)), ValueError, "X contains NaN"),
    "inf in X": (lambda m: m.predict(changed(np.inf)), ValueError, "X contains infinity"),
    "fewer features": (lambda m: m.predict(X[:, 1:]), ValueError, "5 features, but .* 6 features"),
    "more features": (lambda m: m.predict(np.c_[X, X]), ValueError, "12 features, but .* 6 feat"),
    "1-D X": (lambda m: m.predict(X[0]), ValueError, "Expected 2D array, got 1D.*Reshape"),
    "3-D X": (lambda m: m.predict(X[None]), ValueError, "array with dim 3"),
    "no samples": (lambda m: m.predict(X[:0]), ValueError, "0 sample.*minimum of 1"),
    "sparse X": (lambda m: m.predict(sparse.csr_array(X)), TypeError, "Sparse.*dense.*toarray"),
    "X None": (lambda m: m.predict(None), ValueError, "Expected 2D array, got scalar"),
    "text X": (lambda m: m.predict(np.full(X.shape, "a")), ValueError, "could not convert"),
    "not fitted": (lambda m: clone(m).predict(X), NotFittedError, "not fitted yet. Call 'fit'"),
    "not fitted, wrong X too": (lambda m: clone(m).predict(None), NotFittedError, "not fitted yet"),
    "score not fitted": (lambda m: clone(m).score(X, Y), NotFittedError, "not fitted yet"),
    "candidates not fitted": (lambda m: clone(m).candidates(), NotFittedError, "not fitted yet"),
    "unseen of another width": (
        lambda m: m.predict(X, {"new": [1.0, 2.0]}),
        ValueError,
        "unseen_embeddings have 2 features; the model was fitted with class embeddings of 4",
    ),
    "a seen class among the unseen": (
        lambda m: m.predict(X, OLD),
        ValueError,
        "unseen_embeddings holds 1 class.es. seen in fit: 'class 0'. Leave them out; space='gzsl'",
    ),
    "the whole table as unseen": (
        lambda m: m.predict(X, TABLE),
        ValueError,
        "unseen_embeddings holds 5 class.es. seen in fit",
    ),
    "unseen keyed by numbers": (
        lambda m: m.predict(X, {1: VECTORS[0]}),
        TypeError,
        "labels in unseen_embeddings are numbers .1. but y .*strings.*Use the same",
    ),
    "unseen a bare array": (
        lambda m: m.predict(X, VECTORS[5:]),
        TypeError,
        "unseen_embeddings has to say.*got ndarray.*ClassEmbeddings",
    ),
    "unseen a list": (lambda m: m.predict(X, UNSEEN), TypeError, "unseen_embeddings.*got list"),
    "unseen empty": (lambda m: m.predict(X, {}), ValueError, "unseen_embeddings is empty"),
    "unseen twice": (
        lambda m: m.predict(X, (["new", "new"], VECTORS[:2])),
        ValueError,
        "each label once: 'new'",
    ),
    "unseen NaN": (lambda m: m.predict(X, {"new": [np.nan] * 4}), ValueError, "hold NaN"),
    "unseen with space='seen'": (
        lambda m: m.set_params(space="seen").predict(X, UNSEEN_TABLE),
        ValueError,
        "cannot be used because space='seen'.*space='zsl' or 'gzsl'",
    ),
    "unseen in score with space='seen'": (
        lambda m: m.set_params(space="seen").score(X, Y, unseen_embeddings=UNSEEN_TABLE),
        ValueError,
        "cannot be used because space='seen'",
    ),
    "unseen after a fit without a table": (
        lambda m: m.fit(X, Y).predict(X, UNSEEN_TABLE),
        ValueError,
        "cannot be used because fit got no class_embeddings. Fit with a class table",
    ),
    "no unseen class": (
        lambda m: m.fit(X, Y, SEEN_TABLE).predict(X),
        ValueError,
        "no unseen class to predict with space='zsl'.*Pass unseen_embeddings.*ZeroShotKFold",
    ),
    "space unknown": (
        lambda m: m.set_params(space="all").predict(X),
        ValueError,
        "space='all' is not a valid choice; expected one of 'zsl'",
    ),
    "y shorter": (lambda m: m.score(NEW_X, NEW_Y[1:]), ValueError, r"inconsistent.*\[29, 30\]"),
    "weights shorter": (
        lambda m: m.score(NEW_X, NEW_Y, sample_weight=[1.0]),
        ValueError,
        r"inconsistent.*\[30, 30, 1\]",
    ),
    "parameter unknown": (lambda m: m.set_params(spaces="zsl"), ValueError, "Invalid parameter"),
}


@both
@pytest.mark.parametrize(("action", "error", "message"), BAD_QUESTIONS.values(), ids=BAD_QUESTIONS)
def test_bad_questions_are_refused(make, action, error, message):
    refuse(lambda: action(fitted(make)), error, message)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0),
        ("temperature", math.nan),
        ("visual_weight", math.nan),
        ("inference", "eszsl"),
        ("n_neighbors", -1),
    ],
)
def test_bad_parameters_set_after_fit_are_refused(name, value):
    model = fitted(small).set_params(**{name: value})
    refuse(lambda: model.predict_proba(X), (TypeError, ValueError), re.escape(f"{name}={value!r}"))


def test_one_feature_is_said_to_be_little():
    X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
    with pytest.warns(UserWarning, match="X has one feature"):
        ESZSL().fit(X, y)
    wide = np.hstack([X, np.square(X)])
    with pytest.warns(UserWarning, match="class_embeddings has one feature"):
        ESZSL().fit(wide, y, {0: [0.0], 1: [1.0], 2: [2.0]})
