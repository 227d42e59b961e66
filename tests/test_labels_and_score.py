"""score, and the labels that it compares."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import cross_val_score
from small_problem import (
    ALL_CODES,
    ALL_X,
    ALL_Y,
    CANDIDATES,
    CODES,
    IS_SEEN,
    N_CLASSES,
    N_SEEN,
    NAMES,
    NEW_X,
    NEW_Y,
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
    fitted,
)

from sklearn_claster.model_selection import ZeroShotKFold

pytestmark = pytest.mark.usefixtures("short_training")


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
    assert make(space="seen").fit(X, y, {0: VECTORS[0], 1: VECTORS[3]}).predict(X).dtype == bool
    with pytest.raises(TypeError, match=r"class_embeddings are of the type int64 .* y are bool"):
        make().fit(X, y, {False: VECTORS[0], True: VECTORS[3], 2: VECTORS[6], 3: VECTORS[7]})


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
