"""Labels: what is one, which are missing, and that two types of them never mix unnoticed."""

import unicodedata

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal

from sklearn_claster._utils.labels import check_labels, is_among, labels_like, read_labels

BIG = 2**53  # from here on float64 does not hold every integer
COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))

WITHOUT_LABELS = {
    "None": np.array(["a", None, "b", None], dtype=object),
    "a list with None": ["a", None, "b", None],
    "a list with NaN": ["a", float("nan"), "b", np.nan],
    "floats": np.array([1.0, np.nan, 2.0, np.nan]),
    "a tensor": torch.tensor([1.0, torch.nan, 2.0, torch.nan]),
    "a Series": pd.Series(["a", None, "b", None]),
    "a Series of strings": pd.Series(["a", pd.NA, "b", pd.NA], dtype="string"),
    "nullable integers": pd.Series([1, None, 2, None], dtype="Int64"),
    "nullable booleans": pd.Series([True, None, False, None], dtype="boolean"),
    "categories": pd.Categorical(["a", None, "b", None]),
    "objects with NA": np.array([1, pd.NA, 2, pd.NaT], dtype=object),
}


@pytest.mark.parametrize("labels", WITHOUT_LABELS.values(), ids=WITHOUT_LABELS)
def test_missing_labels_are_named_by_their_position(labels):
    with pytest.raises(ValueError, match=r"Labels are missing in y: got .* position\(s\) 1, 3, co"):
        check_labels(labels, "y")


def test_a_missing_label_counts_before_the_kind_of_the_others():
    with pytest.raises(ValueError, match=r"missing in y: got None at the position\(s\) 2, counted"):
        check_labels([1, "a", None], "y")


KEPT = {
    "large integers in a list": [BIG, BIG + 1],
    "unsigned integers": np.array([2**63, 2**63 + 1], dtype=np.uint64),
    "integers as objects": np.array([BIG, BIG + 1], dtype=object),
    "nullable integers": pd.Series([BIG, BIG + 1], dtype="Int64"),
    "booleans": [True, False],
    "whole floats": np.array([1.0, 2.0]),
    "words": ["a", "b"],
    "words as objects": np.array(["a", "b"], dtype=object),
    "an index": pd.Index(["a", "b"]),
    "a range": range(2),
    "scalars of NumPy": [np.int64(BIG), np.uint64(BIG + 1)],
    "tensors": [torch.tensor(3), torch.tensor(4)],
}


@pytest.mark.parametrize("labels", KEPT.values(), ids=KEPT)
def test_labels_are_read_as_they_are(labels):
    assert read_labels(labels, "y").tolist() == [
        getattr(x, "item", lambda x=x: x)() for x in labels
    ]


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([BIG + 1, 0.5], ValueError, "numbers that no one type holds"),
        ([2**64, 1], ValueError, "numbers that no one type holds"),
        ([1, "a"], TypeError, "labels in y are all strings or all numbers; got both"),
        ([b"a", b"b"], TypeError, r"got the bytes b'a'.*label.decode\(\)"),
        ({"a", "b"}, TypeError, "in an order, as a list or an array; got set"),
        ("ab", TypeError, "got str"),
        (3, TypeError, "got int"),
        (np.eye(2), ValueError, r"should be a 1d array, one label each; got the shape \(2, 2\)"),
        ([[1, 2], [3, 4]], ValueError, r"got the shape \(2, 2\)"),
        (np.array(["2020"], dtype="datetime64[D]"), TypeError, "in y; got dates or durations"),
        (pd.Series(pd.to_datetime(["2020-01-01"])), TypeError, "in y; got dates or durations"),
    ],
)
def test_what_is_no_label_is_refused(labels, error, message):
    with pytest.raises(error, match=message):
        read_labels(labels, "y")


@pytest.mark.parametrize(
    "table", [{"a": [1.0]}, pd.DataFrame(np.eye(2)), (["a", "b"], np.eye(2))], ids=lambda x: type(x)
)
def test_a_class_table_in_the_place_of_labels_is_named(table):
    with pytest.raises(TypeError, match=r"y looks like a class table.*fit\(X, y, class_embeddings"):
        check_labels(table, "y")


# two sets of labels


@pytest.mark.parametrize("others", [np.int8, np.int64, np.uint8, np.uint64, np.float64, bool])
@pytest.mark.parametrize("labels", [np.int8, np.int64, np.uint8, np.uint64, np.float64, bool])
def test_labels_take_the_type_of_the_others(labels, others):
    same = labels_like(np.array([0, 1], labels), np.array([1, 0], others), "table", "y")
    assert same.dtype == others
    assert same.tolist() == [0, 1]


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
@pytest.mark.parametrize("other", [np.int64, np.uint64])
def test_large_integers_keep_their_value(dtype, other):
    labels = labels_like(np.array([BIG + 1], dtype), np.array([BIG], other), "table", "y")
    assert labels.tolist() == [BIG + 1]


@pytest.mark.parametrize(
    ("labels", "others", "expected"),
    [
        (np.array([1000]), np.array([1], np.int8), np.int64),
        (np.array([-1]), np.array([1], np.uint8), np.int64),
        (np.array([2**63], np.uint64), np.array([1], np.uint8), np.uint64),
        (np.array([1.5]), np.array([1], np.float16), np.float64),
    ],
)
def test_a_narrow_type_grows(labels, others, expected):
    grown = labels_like(labels, others, "table", "y")
    assert (grown.dtype, grown.tolist()) == (
        expected if labels[0] != 1.5 else np.float16,
        labels.tolist(),
    )


@pytest.mark.parametrize(
    ("labels", "others"),
    [
        (np.array([0.5]), np.array([1])),
        (np.array([2]), np.array([True])),
        (np.array([BIG + 1]), np.array([1.0])),
        (np.array([2**63], np.uint64), np.array([1])),
        (np.array([-1]), np.array([2**63], np.uint64)),
    ],
)
def test_what_the_other_type_cannot_hold_is_refused_by_both_names(labels, others):
    message = rf"table are of the type {labels.dtype} .* y are {others.dtype} .* cannot hold"
    with pytest.raises(TypeError, match=message):
        labels_like(labels, others, "table", "y")


def test_strings_never_meet_numbers():
    with pytest.raises(TypeError, match=r"table are strings \('1'\) but y is keyed by numbers \(1"):
        labels_like(np.array(["1"]), np.array([1]), "table", "y")


@pytest.mark.parametrize("kind", [None, object])
def test_strings_take_the_spelling_and_kind_of_the_others(kind):
    others = np.array([DECOMPOSED, "tea"], dtype=kind)
    same = labels_like(np.array([COMPOSED, "a longer name"]), others, "table", "y")
    assert same.tolist() == [DECOMPOSED, "a longer name"]
    assert same.dtype.kind == others.dtype.kind


def test_one_name_in_two_spellings_is_refused():
    both = np.array([COMPOSED, DECOMPOSED])
    with pytest.raises(ValueError, match=r"y holds 'Caf.*' in two spellings.*normalize\('NFC'"):
        labels_like(np.array([COMPOSED]), both, "table", "y")


@pytest.mark.parametrize(
    "some", [{"a", "c"}, frozenset("ac"), dict.fromkeys("ac").keys(), ["c", "a"]]
)
def test_labels_in_no_order_serve_where_none_matters(some):
    assert_array_equal(is_among(np.array(["a", "b", "c"]), some, "seen"), [True, False, True])
