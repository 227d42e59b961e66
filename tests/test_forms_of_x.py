"""Forms of X, blocks of samples, extreme numbers."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from small_problem import (
    ALL_X,
    ALL_Y,
    CANDIDATES,
    CODES,
    IS_SEEN,
    N_CLASSES,
    N_FEATURES,
    N_SEEN,
    NAMES,
    NEW_X,
    TABLE,
    VECTORS,
    X,
    Y,
    answers,
    assert_same_answers,
    both,
    fitted,
    small,
)

import sklearn_claster._base as base
from sklearn_claster import ClassEmbeddings
from sklearn_claster.baselines import ESZSL

pytestmark = pytest.mark.usefixtures("short_training")


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
    "tensor that negates": lambda rows: torch.tensor(-1j * rows).conj().imag,
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
def test_squares_of_large_floats_do_not_overflow(make):
    positive = ALL_X - ALL_X.min()
    huge = positive / positive.max() * 1e300
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
