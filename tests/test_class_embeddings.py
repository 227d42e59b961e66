import copy
import datetime
import pickle
import re
import sys
import unicodedata
import warnings
from concurrent.futures import Future
from dataclasses import FrozenInstanceError
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import clone, config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV, cross_validate

from sklearn_claster import ClassEmbeddings
from sklearn_claster._class_embeddings import warn_of_mixed_units
from sklearn_claster.baselines import ESZSL
from sklearn_claster.model_selection import ZeroShotKFold
from sklearn_claster.persistence import load_model, save_model

LABELS = ["yoyo", "archery", "bowling"]
VECTORS = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.25]])
SORTED = ["archery", "bowling", "yoyo"]
SORTED_VECTORS = VECTORS[[1, 2, 0]]


def table():
    return ClassEmbeddings(LABELS, VECTORS)


def assert_same(one, other):
    assert_array_equal(one.labels, other.labels)
    assert_array_equal(one.vectors, other.vectors)


# accepted forms


STRING_FORMS = {
    "table": table(),
    "dict of arrays": dict(zip(LABELS, VECTORS, strict=True)),
    "dict of lists": dict(zip(LABELS, VECTORS.tolist(), strict=True)),
    "dict of tuples": {name: tuple(row) for name, row in zip(LABELS, VECTORS, strict=True)},
    "dict of series": {name: pd.Series(row) for name, row in zip(LABELS, VECTORS, strict=True)},
    "dict of float32": dict(zip(LABELS, VECTORS.astype(np.float32), strict=True)),
    "dict of tensors": dict(zip(LABELS, torch.tensor(VECTORS), strict=True)),
    "dict of float16 tensors": dict(zip(LABELS, torch.tensor(VECTORS).half(), strict=True)),
    "dict with np.str_ keys": {np.str_(k): v for k, v in zip(LABELS, VECTORS, strict=True)},
    "mapping": MappingProxyType(dict(zip(LABELS, VECTORS, strict=True))),
    "frame": pd.DataFrame(VECTORS, index=LABELS),
    "frame, object index": pd.DataFrame(VECTORS, index=pd.Index(LABELS, dtype=object)),
    "frame, categorical index": pd.DataFrame(VECTORS, index=pd.Categorical(LABELS)),
    "frame, columns of two types": pd.DataFrame(
        {"a": VECTORS[:, 0].astype(np.float32), "b": VECTORS[:, 1]}, index=LABELS
    ),
    "list and matrix": (LABELS, VECTORS),
    "list and lists": (LABELS, VECTORS.tolist()),
    "tuple and matrix": (tuple(LABELS), VECTORS),
    "array and matrix": (np.array(LABELS), VECTORS),
    "object array and matrix": (np.array(LABELS, dtype=object), VECTORS),
    "series and frame": (pd.Series(LABELS), pd.DataFrame(VECTORS)),
    "keys and values": (dict.fromkeys(LABELS).keys(), VECTORS),
    "column of labels": (np.array(LABELS)[:, None], VECTORS),
    "list and tensor": (LABELS, torch.tensor(VECTORS)),
    "fortran order": (LABELS, np.asfortranarray(VECTORS)),
    "not contiguous": (LABELS, np.repeat(VECTORS, 2, axis=1)[:, ::2]),
}


@pytest.mark.parametrize("form", STRING_FORMS.values(), ids=STRING_FORMS)
def test_every_form_with_strings_is_read(form):
    read = ClassEmbeddings.from_table(form)
    assert read.labels.tolist() == SORTED
    assert {type(label) for label in read.labels.tolist()} == {str}
    assert_array_equal(read.vectors, SORTED_VECTORS)
    assert read.vectors.dtype == np.float64


INT_FORMS = {
    "dict with int keys": {7: [0, 1], -2: [1, 0], 0: [2, 2]},
    "dict with np.int64 keys": {
        np.int64(k): v for k, v in {7: [0, 1], -2: [1, 0], 0: [2, 2]}.items()
    },
    "frame": pd.DataFrame([[0, 1], [1, 0], [2, 2]], index=[7, -2, 0]),
    "list and lists": ([7, -2, 0], [[0, 1], [1, 0], [2, 2]]),
    "array and matrix": (np.array([7, -2, 0]), np.array([[0, 1], [1, 0], [2, 2]])),
    "object array": (np.array([7, -2, 0], dtype=object), [[0, 1], [1, 0], [2, 2]]),
    "tensor": (torch.tensor([7, -2, 0]), torch.tensor([[0, 1], [1, 0], [2, 2]])),
    "float keys": {7.0: [0, 1], -2.0: [1, 0], 0.0: [2, 2]},
}


@pytest.mark.parametrize("form", INT_FORMS.values(), ids=INT_FORMS)
def test_every_form_with_numbers_is_read(form):
    read = ClassEmbeddings.from_table(form)
    assert read.labels.tolist() == [-2, 0, 7]
    assert_array_equal(read.vectors, [[1.0, 0.0], [2.0, 2.0], [0.0, 1.0]])


def test_integer_labels_stay_integers_and_booleans_booleans():
    assert ClassEmbeddings.from_table({3: [1.0], 1: [2.0]}).labels.dtype.kind == "i"
    assert ClassEmbeddings.from_table({True: [1.0], False: [2.0]}).labels.tolist() == [False, True]
    assert ClassEmbeddings.from_table({1.5: [1.0], 1: [2.0]}).labels.tolist() == [1.0, 1.5]


def test_a_table_is_read_as_itself():
    one = table()
    assert ClassEmbeddings.from_table(one) is one


def test_a_future_stands_for_the_table_that_it_holds():
    future = Future()
    future.set_result(table())
    assert_same(ClassEmbeddings.from_table(future), table())
    frame = pd.DataFrame(VECTORS, index=LABELS, columns=["result", "other"])
    assert_same(ClassEmbeddings.from_table(frame), table())


def test_names_of_columns_are_kept_if_all_are_strings():
    frame = pd.DataFrame(VECTORS, index=LABELS, columns=["red", "blue"])
    series = dict(frame.iterrows())
    for form in (frame, (LABELS, frame), series):
        read = ClassEmbeddings.from_table(form)
        assert_same(read, table())
        for one in (read, read.select(LABELS[:2]), pickle.loads(pickle.dumps(read))):
            assert one.feature_names == ("red", "blue")
    assert ClassEmbeddings(LABELS, VECTORS, ["red", "blue"]).feature_names == ("red", "blue")
    for form in (frame.set_axis([0, "blue"], axis=1), frame.set_axis([0, 1], axis=1), table()):
        assert ClassEmbeddings.from_table(form).feature_names is None


def test_a_model_file_keeps_names_of_columns(tmp_path):
    pytest.importorskip("skops", reason="model files need skops")
    frame = pd.DataFrame(STRINGS).T.set_axis(["red", "green", "blue"], axis=1)
    save_model(ESZSL().fit(X, Y.astype(str), frame), tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.class_embeddings_.feature_names == ("red", "green", "blue")


def test_a_table_without_names_is_pickled_as_before_there_were_names():
    assert len(table().__reduce__()[1]) == 2


def test_one_class_with_one_feature_is_a_table():
    one = ClassEmbeddings(["a"], [[3]])
    assert (one.labels.tolist(), one.vectors.tolist()) == (["a"], [[3.0]])


# refused forms

BARE = "which vector belongs to which class; got {}.*ClassEmbeddings"
ORDER = "in an order, as a list or an array; got {}"
MIXED = "all strings or all numbers; got both.*str\\(label\\)"
MISSING = "Labels are missing in the class table: got {} at the position.s. {}, counted from 0"
KIND = "strings or numbers; got the {}.*Convert them"
TWO = [[1.0, 2.0], [3.0, 4.0]]

REFUSED = {
    # a form that does not say whose vector it is
    "bare array": (lambda: np.eye(3), TypeError, BARE.format("ndarray")),
    "bare list": (lambda: TWO, TypeError, BARE.format("list")),
    "list of pairs": (lambda: [("a", [1.0]), ("b", [2.0])], TypeError, BARE.format("list")),
    "list of labels and matrix": (lambda: [["a", "b"], TWO], TypeError, BARE.format("list")),
    "generator": (lambda: (row for row in TWO), TypeError, BARE.format("generator")),
    "zip": (lambda: zip("ab", TWO, strict=True), TypeError, BARE.format("zip")),
    "set": (lambda: {"a", "b"}, TypeError, BARE.format("set")),
    "string": (lambda: "archery", TypeError, BARE.format("str")),
    "number": (lambda: 3, TypeError, BARE.format("int")),
    "series of numbers": (lambda: pd.Series({"a": 1.0}), ValueError, "got the shapes"),
    "tensor": (lambda: torch.eye(2), TypeError, BARE.format("Tensor")),
    "sparse matrix": (lambda: sparse.eye(2, format="csr"), TypeError, BARE.format("dia|cs")),
    "tuple of three": (lambda: (["a"], [[1.0]], None), TypeError, BARE.format("tuple")),
    "tuple of one": (lambda: (["a"],), TypeError, BARE.format("tuple")),
    # labels
    "duplicate labels": (lambda: (["a", "b", "a"], np.eye(3)), ValueError, "each label once: 'a'"),
    "duplicate index": (
        lambda: pd.DataFrame(TWO, index=[4, 4]),
        ValueError,
        "each label once: 4 .*Average the vectors",
    ),
    "1 and 1.0": (lambda: ([1, 1.0], TWO), ValueError, "each label once: 1.0"),
    "strings and numbers": (lambda: {"a": [1.0], 1: [2.0]}, TypeError, MIXED),
    "strings and numbers, list": (lambda: (["a", 1], TWO), TypeError, MIXED),
    "strings and numbers, object array": (
        lambda: (np.array(["a", 1], dtype=object), TWO),
        TypeError,
        MIXED,
    ),
    "bytes": (lambda: {b"a": [1.0], b"b": [2.0]}, TypeError, KIND.format("bytes b'a'")),
    "bytes, array": (lambda: (np.array([b"a", b"b"]), TWO), TypeError, r"decode\(\) for bytes"),
    "bytes and strings": (lambda: {"a": [1.0], b"b": [2.0]}, TypeError, KIND.format("bytes")),
    "None": (lambda: {None: [1.0], "b": [2.0]}, ValueError, MISSING.format("None", 0)),
    "None and a number": (lambda: ([1, None], TWO), ValueError, MISSING.format("None", 1)),
    "NaN": (lambda: {np.nan: [1.0], 1.0: [2.0]}, ValueError, MISSING.format("nan", 0)),
    "NaN, object array": (
        lambda: (np.array([np.nan, 1], dtype=object), TWO),
        ValueError,
        MISSING.format("nan", 0),
    ),
    "infinity": (lambda: ([np.inf, 1.0], TWO), ValueError, "labels.*finite; got infinity"),
    "complex": (lambda: ([1j, 2j], TWO), TypeError, KIND.format("complex")),
    "dates": (
        lambda: (np.array(["2020-01-01", "2021-01-01"], "datetime64[D]"), TWO),
        TypeError,
        "labels in the class table; got dates or durations .datetime64",
    ),
    "tuples": (lambda: {("a", 1): [1.0], ("b", 2): [2.0]}, ValueError, "1d.*shape \\(2, 2\\)"),
    "two levels": (
        lambda: pd.DataFrame(TWO, index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
        TypeError,
        KIND.format("tuple"),
    ),
    "a matrix of labels": (lambda: (np.array([["a", "b"]]), TWO), ValueError, r"shape \(1, 2\)"),
    "one string": (lambda: ("ab", TWO), TypeError, ORDER.format("str")),
    "a set of labels": (lambda: ({"a", "b"}, TWO), TypeError, ORDER.format("set")),
    "a frozenset of labels": (lambda: (frozenset("ab"), TWO), TypeError, ORDER.format("frozenset")),
    "a dict of labels": (lambda: ({"a": 1, "b": 0}, TWO), TypeError, ORDER.format("dict")),
    "a number of labels": (lambda: (2, TWO), TypeError, ORDER.format("int")),
    # vectors
    "empty dict": (dict, ValueError, "class_embeddings is empty: it needs one vector per class"),
    "empty frame": (pd.DataFrame, ValueError, "class_embeddings is empty"),
    "empty pair": (lambda: ([], np.empty((0, 2))), ValueError, "0 sample"),
    "no features": (lambda: {"a": [], "b": []}, ValueError, "0 feature"),
    "vectors of None": (lambda: {"a": None, "b": None}, ValueError, "got the shapes"),
    "a vector of None": (lambda: {"a": None, "b": [1.0]}, ValueError, "got the shapes"),
    "None in a vector": (
        lambda: {"a": [None, 1.0], "b": [1.0, 2.0]},
        ValueError,
        "of 'a' hold NaN",
    ),
    "NaN in a vector": (lambda: (["a", "b"], [[np.nan], [1]]), ValueError, "of 'a' hold NaN"),
    "NaN in a frame": (
        lambda: pd.DataFrame([[np.nan], [1.0]], index=["a", "b"]),
        ValueError,
        "class_embeddings is no class table. The vectors of 'a' hold NaN or infinity.*Repair",
    ),
    "inf in a vector": (lambda: {"a": [np.inf], "b": [1.0]}, ValueError, "of 'a' hold NaN or inf"),
    "a column of labels": (
        lambda: pd.DataFrame({"label": ["a", "b"], "x": [0.0, 1.0]}),
        ValueError,
        "without the labels .in a DataFrame these are the index: set_index.*could not convert",
    ),
    "scalars": (lambda: {"a": 1.0, "b": 2.0}, ValueError, "one-dimensional.*got the shapes"),
    "matrices": (lambda: {"a": np.eye(2), "b": np.eye(2)}, ValueError, r"shapes \[\(2, 2\)\]"),
    "ragged": (lambda: {"a": [1.0], "b": [1.0, 2.0]}, ValueError, r"shapes \[\(1,\), \(2,\)\]"),
    "ragged pair": (lambda: (["a", "b"], [[1.0], [1.0, 2.0]]), ValueError, "inhomogeneous"),
    "one-dimensional matrix": (lambda: (["a", "b"], [1.0, 2.0]), ValueError, "Expected 2D array"),
    "three-dimensional matrix": (lambda: (["a"], np.zeros((1, 1, 1))), ValueError, "dim 3"),
    "sparse vectors": (lambda: (["a", "b"], sparse.csr_array(TWO)), TypeError, "Sparse data"),
    "complex vectors": (
        lambda: (["a"], np.array([[1j]])),
        ValueError,
        "Complex data not supported",
    ),
    "text as vectors": (lambda: {"a": ["x"], "b": ["y"]}, ValueError, "could not convert string"),
    "series in two orders": (
        lambda: {"a": pd.Series({"x": 1.0, "y": 2.0}), "b": pd.Series({"y": 2.0, "x": 1.0})},
        ValueError,
        "one common index.*that of 'b' differs from that of 'a'. Pass pandas.DataFrame.table..T",
    ),
    "too few names": (
        lambda: ClassEmbeddings(["a", "b"], TWO, ["x"]),
        ValueError,
        "one name per column of the vectors: expected 2, got 1",
    ),
    "more labels": (lambda: (["a", "b", "c"], TWO), ValueError, "got 3 labels and 2 vectors"),
    "fewer labels": (lambda: (["a"], TWO), ValueError, "got 1 labels and 2 vectors"),
}


@pytest.mark.parametrize(("make", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_table_is_refused(make, error, message):
    with pytest.raises(error, match=f"(?s){message}"):
        ClassEmbeddings.from_table(make())


def test_messages_call_the_table_by_the_name_of_its_argument():
    for wrong in ({}, np.eye(2), {"a": 1.0}):
        with pytest.raises((TypeError, ValueError), match="unseen_embeddings"):
            ClassEmbeddings.from_table(wrong, "unseen_embeddings")


def test_a_message_shows_five_labels_and_counts_the_rest():
    names = [f"c{i}" for i in range(8)]
    with pytest.raises(ValueError, match=re.escape("'c0', 'c1', 'c2', 'c3', 'c4', ... (8 in all)")):
        ClassEmbeddings(names * 2, np.zeros((16, 1)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_vectors_may_be_any_tensor_that_X_may_be(dtype):
    vectors = torch.tensor(VECTORS, dtype=dtype, requires_grad=True)
    assert_same(ClassEmbeddings(LABELS, vectors), table())


# labels of the table against labels of y

X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.repeat([0, 1, 2], 4)
NUMBERS = {i: row for i, row in enumerate(np.random.default_rng(1).normal(size=(5, 3)))}
STRINGS = {str(key): row for key, row in NUMBERS.items()}


@pytest.mark.parametrize(
    ("y", "wrong", "words"),
    [
        (Y, STRINGS, "labels in y are numbers .0, 1, 2. but class_embeddings is keyed by strings"),
        (Y.astype(str), NUMBERS, "labels in y are strings .* is keyed by numbers"),
        (Y.astype(str).astype(object), NUMBERS, "labels in y are strings .* is keyed by numbers"),
        (Y % 2 == 0, {"True": [1.0, 0.0], "False": [0.0, 1.0]}, "are numbers .*keyed by strings"),
    ],
)
def test_strings_never_meet_numbers(y, wrong, words):
    with pytest.raises(TypeError, match=f"{words}.*Use the same labels in both"):
        ESZSL().fit(X, y, wrong)


@pytest.mark.parametrize(
    ("y", "right"),
    [
        (Y.astype(str), STRINGS),
        (Y.astype(str).astype(object), STRINGS),
        (Y.astype(str), pd.DataFrame(list(STRINGS.values()), index=list(STRINGS))),
        (pd.Series(Y.astype(str)), STRINGS),
        (Y, NUMBERS),
        (Y.astype(np.int8), {np.int64(key): row for key, row in NUMBERS.items()}),
        (Y.astype(float), NUMBERS),
        (Y, {float(key): row for key, row in NUMBERS.items()}),
    ],
)
def test_labels_match_across_types_of_one_kind(y, right):
    model = ESZSL().fit(X, y, right)
    assert len(model.classes_) + len(model.unseen_classes_) == len(model.class_embeddings_.labels)
    assert len(model.unseen_classes_) == 2
    assert set(model.predict(X).tolist()) <= set(model.unseen_classes_.tolist())


# content


def test_labels_are_sorted_and_vectors_go_with_them():
    assert_array_equal(table().labels, SORTED)
    assert_array_equal(table().vectors, SORTED_VECTORS)


def test_the_order_of_labels_does_not_matter():
    order = np.random.default_rng(0).permutation(20)
    vectors = np.random.default_rng(1).normal(size=(20, 3))
    assert_same(ClassEmbeddings(order, vectors[order]), ClassEmbeddings(range(20), vectors))
    shuffled = {int(i): NUMBERS[i] for i in [3, 1, 4, 0, 2]}
    one, other = ESZSL().fit(X, Y, NUMBERS), ESZSL().fit(X, Y, shuffled)
    assert_array_equal(one.coef_, other.coef_)
    assert_array_equal(one.predict(X), other.predict(X))


def test_repr_tells_the_size_only():
    assert repr(table()) == "ClassEmbeddings(3 classes, 2 features)"
    assert len(repr(ClassEmbeddings(range(1000), np.zeros((1000, 300))))) < 60


def test_its_size_is_that_of_its_arrays():
    small, large = [ClassEmbeddings(range(n), np.ones((n, 5))) for n in (2, 1000)]
    assert sys.getsizeof(large) - sys.getsizeof(small) == 998 * (8 + 5 * 8)


def test_select_takes_rows_by_label_in_sorted_order():
    part = table().select(["yoyo", "archery"])
    assert type(part) is ClassEmbeddings
    assert_array_equal(part.labels, ["archery", "yoyo"])
    assert_array_equal(part.vectors, [[1.0, 0.0], [0.0, 1.0]])
    assert_same(table().select(LABELS), table())
    numbers = ClassEmbeddings.from_table(NUMBERS).select(np.array([4, 0]))
    assert_array_equal(numbers.vectors, [NUMBERS[0], NUMBERS[4]])


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (
            ["yoyo", "golf", "polo"],
            ValueError,
            "2 class.es. have no vector .*: 'golf', 'polo'.*Leave",
        ),
        (["archery "], ValueError, "'archery '.*It holds 3 classes: 'archery', 'bowling', 'yoyo'"),
        ([1, 2], TypeError, "labels are numbers .1, 2. but the class table is keyed by strings"),
        (["yoyo", "yoyo"], ValueError, "each label once: 'yoyo'"),
    ],
)
def test_select_refuses_what_the_table_does_not_hold(labels, error, message):
    with pytest.raises(error, match=message):
        table().select(labels)


# immutable, and no sequence


def test_attributes_cannot_be_set_or_deleted():
    one = table()
    with pytest.raises(FrozenInstanceError):
        one.labels = np.array(["a", "b", "c"])
    with pytest.raises(FrozenInstanceError):
        one.vectors = np.zeros((3, 2))
    with pytest.raises(FrozenInstanceError):
        one.other = 1
    with pytest.raises(FrozenInstanceError):
        del one.vectors
    assert_same(one, table())


def test_arrays_cannot_be_written():
    one = table()
    with pytest.raises(ValueError, match="read-only"):
        one.labels[0] = "golf"
    with pytest.raises(ValueError, match="read-only"):
        one.vectors[0, 0] = 5.0
    with pytest.raises(ValueError, match="read-only"):
        one.vectors += 1.0
    for part in (one.select(SORTED[:2]), pickle.loads(pickle.dumps(one)), copy.deepcopy(one)):
        assert not part.labels.flags.writeable
        assert not part.vectors.flags.writeable


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_callers_arrays_are_neither_kept_nor_changed(dtype):
    labels, vectors = np.array(SORTED), SORTED_VECTORS.astype(dtype)  # sorted: no reordering copies
    one = ClassEmbeddings(labels, vectors)
    assert labels.flags.writeable
    assert vectors.flags.writeable
    labels[0], vectors[0] = "z", 9.0
    assert_array_equal(one.labels, SORTED)
    assert_array_equal(one.vectors, SORTED_VECTORS)


@pytest.mark.parametrize(
    "name", ["__len__", "shape", "__array__", "__iter__", "__dataframe__", "iloc"]
)
def test_it_is_no_sequence(name):
    assert getattr(table(), name, None) is None


def test_it_has_no_length_and_no_iteration():
    with pytest.raises(TypeError):
        len(table())
    with pytest.raises(TypeError):
        iter(table())
    assert np.asarray(table()).dtype == object
    assert np.asarray(table()).shape == ()


def test_tables_compare_by_identity_and_can_be_keys():
    one, other = table(), table()
    assert one == one
    assert one != other
    assert len({one, other}) == 2


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_round_trip(protocol):
    for one in (table(), ClassEmbeddings.from_table(NUMBERS)):
        loaded = pickle.loads(pickle.dumps(one, protocol))
        assert type(loaded) is ClassEmbeddings
        assert_same(loaded, one)
        assert loaded.labels.dtype == one.labels.dtype


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: clone(one, safe=False)])
def test_copy_round_trip(copied):
    one = table()
    other = copied(one)
    assert type(other) is ClassEmbeddings
    assert_same(other, one)
    assert other.labels.dtype == one.labels.dtype


# scikit-learn's searches cut what is as long as X


class Peek(ClassifierMixin, BaseEstimator):
    """Keeps what a search passes to fit."""

    __metadata_request__fit = {"class_embeddings": True}
    passed: list = []

    def __init__(self, level=0):
        self.level = level

    def fit(self, X, y, class_embeddings=None):
        self.passed.append(class_embeddings)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


N = 12  # samples and classes alike
CUT_X = np.random.default_rng(2).normal(size=(N, 4))
CUT_Y = np.repeat(np.arange(4), 3)  # classes 4 to 11 have no sample
CUT_VECTORS = np.random.default_rng(3).normal(size=(N, 5))
WHOLE = ClassEmbeddings(range(N), CUT_VECTORS)


@pytest.mark.parametrize("routing", [False, True])
def test_a_search_passes_class_embeddings_whole(monkeypatch, routing):
    monkeypatch.setattr(Peek, "passed", [])
    with config_context(enable_metadata_routing=routing):
        search = GridSearchCV(Peek(), {"level": [1, 2]}, cv=ZeroShotKFold(2))
        search.fit(CUT_X, CUT_Y, class_embeddings=WHOLE)
    assert len(Peek.passed) == 5
    assert all(passed is WHOLE for passed in Peek.passed)


@pytest.mark.parametrize("routing", [False, True])
def test_a_search_over_as_many_classes_as_samples_works_with_class_embeddings(routing):
    with config_context(enable_metadata_routing=routing):
        search = GridSearchCV(
            ESZSL(), {"gamma": [0.1, 1.0]}, cv=ZeroShotKFold(2), error_score="raise"
        )
        search.fit(CUT_X, CUT_Y, class_embeddings=WHOLE)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert_same(search.best_estimator_.class_embeddings_, WHOLE)
    assert_array_equal(search.best_estimator_.unseen_classes_, np.arange(4, N))


CUT_FORMS = {
    "dict": (dict(enumerate(CUT_VECTORS)), TypeError),
    "frame": (pd.DataFrame(CUT_VECTORS), ValueError),
}


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize(("form", "error"), CUT_FORMS.values(), ids=CUT_FORMS)
def test_a_table_cut_into_folds_raises_and_names_the_cure(monkeypatch, form, error, routing):
    monkeypatch.setattr(Peek, "passed", [])
    with config_context(enable_metadata_routing=routing):
        cross_validate(Peek(), CUT_X, CUT_Y, params={"class_embeddings": form}, cv=2)
        assert all(len(passed) == N // 2 for passed in Peek.passed)  # it was cut indeed
        cv = ZeroShotKFold(2, shuffle=False)  # classes 2 and 3 get the rows 6 to 11 of the table
        search = GridSearchCV(ESZSL(), {"gamma": [0.1, 1.0]}, cv=cv, error_score="raise")
        with pytest.raises(error, match="ClassEmbeddings"):
            search.fit(CUT_X, CUT_Y, class_embeddings=form)


def test_a_dict_that_is_not_as_long_as_X_travels_whole():
    search = GridSearchCV(ESZSL(), {"gamma": [1.0]}, cv=ZeroShotKFold(2), error_score="raise")
    search.fit(CUT_X, CUT_Y, class_embeddings=dict(enumerate(CUT_VECTORS[:-1])))
    assert len(search.best_estimator_.class_embeddings_.labels) == N - 1


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="NumPy has it from 2.0 on")
def test_text_of_variable_width_is_text():
    labels = np.array(["b", "a", "a longer name"], np.dtypes.StringDType())
    table = ClassEmbeddings(labels, np.eye(3))
    assert table.labels.dtype.kind == "U"
    assert table.labels.tolist() == ["a", "a longer name", "b"]
    X, y = np.array([[0.0, 1.0], [1.0, 0.0]] * 3), np.tile(labels[:2], 3)
    zsl = ESZSL(space="gzsl").fit(X, y, (labels, np.eye(3)))
    assert_array_equal(zsl.classes_, ["a", "b"])
    folds = list(ZeroShotKFold(3, shuffle=False).split(np.zeros((6, 1)), np.tile(labels, 2)))
    assert [test.tolist() for _, test in folds] == [[1, 4], [2, 5], [0, 3]]


# one label, some labels, all but some


def test_a_label_gives_its_vector():
    one = table()
    assert_array_equal(one["archery"], [1.0, 0.0])
    assert not one["archery"].flags.writeable
    assert "yoyo" in one
    assert "golf" not in one
    assert 1 not in one
    assert ["yoyo"] not in one
    for wrong in ("golf", 0, ["yoyo"]):
        with pytest.raises(KeyError, match=r"is no label of the class table.*use select"):
            one[wrong]
    numbers = ClassEmbeddings([2**53, 2**53 + 1], [[1.0], [2.0]])
    assert numbers[np.uint64(2**53 + 1)] == 2.0
    assert 2**53 + 2 not in numbers


def test_without_is_what_select_leaves():
    one = table()
    assert_same(one.without(["archery"]), one.select(["bowling", "yoyo"]))
    assert_same(one.without({"archery", "yoyo"}), one.select({"bowling"}))
    assert_same(one.without([]), one)
    with pytest.raises(ValueError, match=r"1 class.es. have no vector in the class table: 'golf'"):
        one.without(["golf"])


@pytest.mark.parametrize("method", ["select", "without", "scaled"])
def test_of_a_label_that_is_not_there_the_cure_is_its_own(method):
    """Not that of `fit`: there are neither samples nor folds."""
    with pytest.raises(ValueError, match=r"no vector.*: 'golf'\. It holds 3") as caught:
        getattr(table(), method)(["yoyo", "golf"])
    assert str(caught.value).endswith(
        "Leave them out, or bring names into the table's spelling: match_class_names of "
        "sklearn_claster.datasets."
    )


@pytest.mark.parametrize("part", [lambda one: one.select([]), lambda one: one.without(LABELS)])
def test_a_part_holds_a_class(part):
    with pytest.raises(ValueError, match=r"(select|without)\(labels\) has to leave at least one"):
        part(table())


def test_a_part_is_not_validated_again(monkeypatch):
    one = table()

    def fail(*arguments, **keywords):
        pytest.fail("validated again")

    monkeypatch.setattr("sklearn_claster._class_embeddings.check_array", fail)
    part = one.select(["yoyo", "archery"])
    assert_array_equal(part.vectors, [[1.0, 0.0], [0.0, 1.0]])
    assert not part.vectors.flags.writeable


def test_labels_match_in_either_spelling_of_unicode():
    composed, decomposed = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))
    one = ClassEmbeddings([composed, "tea"], [[1.0], [2.0]])
    assert one[decomposed] == one[composed] == 1.0
    assert one.select([decomposed]).labels.tolist() == [composed]
    y = np.where(Y == 0, decomposed, "tea")
    model = ESZSL(space="seen").fit(X, y, ClassEmbeddings([composed, "tea"], np.eye(2)))
    assert set(model.predict(X)) <= {decomposed, "tea"}
    other = np.where(Y == 0, composed, "tea")
    assert model.score(X, other) == model.score(X, y)
    with pytest.raises(ValueError, match=r"1 class.es. seen in fit"):
        model.set_params(space="gzsl").predict(X, {composed: [1.0, 0.0]})


# types of labels

BIG = 2**53 + np.arange(5)  # float64 does not hold them all


@pytest.mark.parametrize("keys", [np.uint64, np.int64, object], ids=str)
@pytest.mark.parametrize("labels", [np.int64, np.uint64], ids=str)
def test_predictions_are_of_the_type_of_y(labels, keys):
    vectors = np.array(list(NUMBERS.values()))
    model = ESZSL(space="gzsl").fit(X, BIG.astype(labels)[Y], (BIG.astype(keys), vectors))
    assert model.predict(X).dtype == labels
    assert set(model.predict(X).tolist()) <= set(BIG.tolist())
    assert_array_equal(model.unseen_classes_, BIG[3:])
    for label, vector in zip(BIG.tolist(), vectors, strict=True):
        assert_array_equal(model.class_embeddings_[label], vector)
    model.fit(X, BIG.astype(labels)[Y], (BIG[:3], vectors[:3]))
    found, known = model.candidates((BIG[3:].astype(keys), vectors[3:]))
    assert found.dtype == labels
    assert_array_equal(found, BIG)
    assert_array_equal(known, vectors)


def test_labels_that_the_type_of_y_cannot_hold_are_refused():
    halves = {key + 0.5 * (key == 4): row for key, row in NUMBERS.items()}
    with pytest.raises(TypeError, match=r"class_embeddings are of the type float64 .* y are int64"):
        ESZSL().fit(X, Y, halves)
    model = ESZSL(space="gzsl").fit(X, Y, NUMBERS)
    with pytest.raises(TypeError, match=r"unseen_embeddings are of the type float64 .* y are int"):
        model.predict(X, {9.5: [1.0, 2.0, 3.0]})


# more forms


class Numbered:
    """The type of a column of polars."""

    def __init__(self, array):
        self.array = array

    def is_numeric(self):
        return self.array.dtype.kind in "if"

    def __str__(self):
        return {"f": "Float64", "i": "Int64", "O": "Date"}.get(self.array.dtype.kind, "String")


class Frame:
    """What is used of a frame of polars, which has no index."""

    def __init__(self, **columns):
        self.data = {name: np.array(column) for name, column in columns.items()}
        self.columns = list(columns)
        self.schema = {name: Numbered(column) for name, column in self.data.items()}
        self.dtypes = list(self.schema.values())

    def get_column(self, name):
        return self.data[name]

    def __getitem__(self, names):
        return (
            Frame(**{n: self.data[n] for n in names})
            if isinstance(names, list)
            else self.data[names]
        )

    def to_numpy(self):
        return np.column_stack(list(self.data.values()))


def polars_frame(**columns):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    return polars.DataFrame(columns)


@pytest.mark.parametrize("frame", [Frame, polars_frame], ids=["stand-in", "polars"])
def test_a_frame_without_an_index_has_a_column_of_labels(frame):
    red, blue = VECTORS.T.tolist()
    for form in (frame(name=LABELS, red=red, blue=blue), frame(red=red, blue=blue, label=LABELS)):
        read = ClassEmbeddings(form)
        assert_same(read, table())
        assert read.feature_names == ("red", "blue")
    numbers = frame(label=[2, 0, 1], red=red, blue=blue)
    assert ClassEmbeddings.from_table(numbers).labels.tolist() == [0, 1, 2]
    for wrong in (frame(red=red, blue=blue), frame(red=red, name=LABELS, other=LABELS)):
        with pytest.raises(
            ValueError, match=r"has to stand|have to stand in a column called 'label'"
        ):
            ClassEmbeddings.from_table(wrong)


@pytest.mark.parametrize("frame", [Frame, polars_frame], ids=["stand-in", "polars"])
def test_dates_of_a_frame_without_an_index_are_refused(frame):
    dated = frame(label=LABELS, when=[datetime.date(2020, 1, day) for day in (1, 2, 3)])
    with pytest.raises(TypeError, match=r"dates or durations \(\w+\) in column 'when'"):
        ClassEmbeddings.from_table(dated)


def test_a_series_of_vectors():
    assert_same(ClassEmbeddings(pd.Series(list(VECTORS), index=LABELS)), table())
    assert_same(
        ClassEmbeddings.from_table(pd.Series(dict(zip(LABELS, VECTORS, strict=True)))), table()
    )
    twice = pd.Series(list(VECTORS), index=["a", "a", "b"])
    with pytest.raises(ValueError, match="each label once: 'a'"):
        ClassEmbeddings.from_table(twice)


@pytest.mark.parametrize("form", [STRING_FORMS["frame"], STRING_FORMS["dict of lists"], table()])
def test_the_constructor_takes_a_whole_table(form):
    assert_same(ClassEmbeddings(form), table())


def test_a_frame_there_and_back():
    named = ClassEmbeddings(LABELS, VECTORS, ["red", "blue"])
    frame = named.to_frame()
    assert list(frame.columns) == ["red", "blue"]
    assert list(frame.index) == SORTED
    again = ClassEmbeddings(frame)
    assert_same(again, named)
    assert again.feature_names == named.feature_names
    assert ClassEmbeddings(table().to_frame()).feature_names is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("labels", [LABELS, [3, -1, 0], ["001", "2", "3"], ["NA", "None", "é, ü"]])
def test_a_csv_file(tmp_path, labels, encoding):
    frame = pd.DataFrame(VECTORS, index=labels, columns=["red", "blue"])
    for path in (tmp_path / "table.csv", tmp_path / "table.txt"):
        frame.to_csv(path, encoding=encoding)
        read = ClassEmbeddings(path)
        assert_same(read, ClassEmbeddings(labels, VECTORS))
        assert read.feature_names == ("red", "blue")
    assert_same(ClassEmbeddings.from_table(str(tmp_path / "table.csv")), read)
    frame.set_axis([0, 1], axis=1).to_csv(path, encoding=encoding)
    assert ClassEmbeddings(path).feature_names is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a first line with the names"),
        ("label,x,y\n", "needs a first line with the names"),
        ("a,0.5,1.5\nb,2.5,3.5\n", "first line with the names of the columns.*'a,0.5,1.5'"),
        ("label,x,y\na,1\n", r"Line 2 of table.csv has to hold a label and 2 numbers.*\['1'\]"),
        ("label,x,y\na,1,2\nb,1,two\n", "Line 3 of table.csv has to hold"),
        (
            "label,x\na,1\nb,\n",
            "vectors of 'b' hold NaN or infinity, in column 0 .'x'. for example",
        ),
    ],
)
def test_another_file_is_refused(tmp_path, text, message):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        ClassEmbeddings(path)


@pytest.mark.parametrize("content", [b"PK\x03\x04\xff\xfe", "label,x\na,1\n".encode("utf-16")])
def test_what_is_no_utf_8_is_named(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"table\.csv is no text in UTF-8 .* save it as UTF-8"):
        ClassEmbeddings(path)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        ClassEmbeddings(tmp_path / "none.csv")


@pytest.mark.parametrize("dtype", ["Float64", object])
def test_a_missing_number_is_named_by_class_and_column(dtype):
    frame = pd.DataFrame(VECTORS, index=LABELS, columns=["red", "blue"]).astype(dtype)
    frame.loc["archery", "blue"] = pd.NA
    series = {label: frame.loc[label] for label in LABELS}
    for form in (frame, series):
        with pytest.raises(
            ValueError, match=r"vectors of 'archery' hold NaN .*column 1 \('blue'\)"
        ):
            ClassEmbeddings.from_table(form)


class Attributes(ClassEmbeddings):
    """A table of somebody's own."""


def test_a_table_of_a_subclass_is_a_table():
    own = Attributes(LABELS, VECTORS)
    assert ClassEmbeddings.from_table(own) is own
    read = Attributes.from_table(table())
    assert type(read) is Attributes
    assert_same(read, table())
    assert ESZSL().fit(X, Y, Attributes(range(5), np.eye(5))).class_embeddings_.labels.tolist() == [
        *range(5)
    ]


# columns in different units


def test_scaled_divides_by_the_spread_of_the_seen_classes():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(6, 4)) * [1.0, 1e-3, 1e6, 0.0] + [0.0, 5.0, 1e7, 0.1]
    one = ClassEmbeddings(range(6), vectors, list("abcd"))
    scaled = one.scaled({0, 1, 2, 3})
    assert_allclose(scaled.select(range(4)).vectors.std(axis=0), [1, 1, 1, 0], atol=1e-9)
    assert_allclose(scaled.vectors[:, :3], vectors[:, :3] / vectors[:4, :3].std(axis=0))
    assert_array_equal(scaled.vectors[:, 3], vectors[:, 3])
    assert scaled.feature_names == one.feature_names


def in_grams(n_columns, column=1, seed=0, n_classes=8):
    vectors = np.random.default_rng(seed).normal(size=(n_classes, n_columns))
    vectors[:, column] *= 1000
    return vectors


@pytest.mark.parametrize("n_columns", [3, 7, 100])
def test_a_column_in_other_units_is_warned_of(n_columns):
    names = [f"f{i}" for i in range(n_columns)]
    with pytest.warns(UserWarning, match=r"100.0% .* 1 of \d+ columns .column 1 .'f1'.*scaled\("):
        warn_of_mixed_units(in_grams(n_columns), tuple(names))
    with pytest.warns(UserWarning, match="column 1"):
        ESZSL().fit(np.repeat(X, 2, axis=0), np.arange(24) % 6, (range(8), in_grams(n_columns)))


def test_a_column_of_years_is_warned_of():
    rng = np.random.default_rng(0)
    vectors = np.c_[rng.normal(size=(20, 12)), 2000 + rng.integers(-30, 25, 20)]
    with pytest.warns(UserWarning, match=r"9\d\.\d% of the variance .* \(column 12\)"):
        warn_of_mixed_units(vectors, None)


def test_two_columns_in_other_units_are_warned_of():
    vectors = in_grams(16)
    vectors[:, 5] *= 300
    with pytest.warns(UserWarning, match=r"2 of 16 columns \(column 1, column 5\)"):
        warn_of_mixed_units(vectors, None)


def no_columns_stand_out(vectors):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_mixed_units(np.asarray(vectors, dtype=float), None)


@pytest.mark.parametrize("n_columns", range(1, 8))
def test_narrow_tables_are_not_warned_of(n_columns):
    for seed in range(200):
        rng = np.random.default_rng(seed)
        no_columns_stand_out(rng.normal(size=(rng.integers(2, 20), n_columns)))
        no_columns_stand_out(rng.integers(0, 2, size=(10, n_columns)))
        no_columns_stand_out(rng.integers(0, 101, size=(10, n_columns)))


@pytest.mark.parametrize(
    "vectors",
    [
        np.eye(10),
        np.eye(10)[:, :3],
        np.c_[np.arange(10) * 1e6, np.ones((10, 5))],
        np.c_[np.arange(10) * 1e6, np.arange(10)[::-1]],
        ClassEmbeddings(range(8), in_grams(5)).scaled(range(8)).vectors,
        np.diag(0.9 ** np.arange(100)) @ np.random.default_rng(0).normal(size=(100, 100)),
        np.random.default_rng(0).normal(size=(50, 100)) / np.arange(1, 101),  # as after a PCA
        np.full((5, 4), 1e300),
    ],
)
def test_other_tables_are_not_warned_of(vectors):
    no_columns_stand_out(vectors)


@pytest.mark.parametrize("name", ["snu_b36ex", "ucf101_captions", "ucf101_minilm"])
def test_real_tables_are_not_warned_of(claster_data, name):
    data = np.load(claster_data / f"{name}.npz")
    keys = {"attributes", "attributes_linear", "word2vec", "sentence_name", "sentence_description"}
    keys |= {"lsa_description", "minilm_name", "minilm_description"}
    tables = [data[key] for key in keys & set(data)]
    assert tables
    for vectors in tables:
        no_columns_stand_out(vectors)
        no_columns_stand_out(vectors[::2])
