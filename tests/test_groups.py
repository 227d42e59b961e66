"""Splits that keep groups (clips of one video, windows of one recording, subjects) apart."""

import itertools
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score

from sklearn_claster import ClassEmbeddings
from sklearn_claster.baselines import ESZSL
from sklearn_claster.model_selection import ZeroShotKFold, ZeroShotShuffleSplit, gzsl_scorer

SPLITTERS = [ZeroShotKFold, ZeroShotShuffleSplit]
Y = np.repeat(np.arange(8), 50)
VIDEO = np.repeat(np.arange(80), 5)  # ten of five clips in each class
SUBJECT = np.tile(np.arange(10), 40)  # each does everything, five times


def split(splitter, y, groups):
    return list(splitter.split(np.zeros((len(y), 1)), y, groups))


def apart(folds, groups):
    return not any(np.intersect1d(groups[train], groups[test]).size for train, test in folds)


def same(folds, others):
    return all(map(np.array_equal, itertools.chain(*folds), itertools.chain(*others)))


@pytest.mark.parametrize("fit", [False, True], ids=["split", "fit"])
def test_groups_of_two_columns_are_told(fit):
    """Their name is not y."""
    groups = pd.DataFrame({"subject": SUBJECT, "video": VIDEO})
    with pytest.raises(ValueError, match=r"groups has to .* the shape \(400, 2\)\. Join"):
        if fit:
            table = ClassEmbeddings(np.arange(8), np.eye(8))
            ESZSL(space="seen").fit(np.eye(8)[Y], Y, table, groups)
        else:
            split(ZeroShotKFold(4), Y, groups)


def test_a_name_as_groups_is_told():
    with pytest.raises(ValueError, match=r"groups has to hold one .* the shape \(\)\."):
        ESZSL(space="seen").fit(np.eye(8)[Y], Y, groups="subject")


# groups within one class


@pytest.mark.parametrize("seen_fraction", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("splitter", SPLITTERS)
def test_a_video_lies_on_one_side_and_every_row_on_one(splitter, seen_fraction):
    cv = splitter(4, seen_fraction=seen_fraction, random_state=0)
    folds = split(cv, Y, VIDEO)
    assert apart(folds, VIDEO)
    for (train, test), (plain_train, _) in zip(folds, split(cv, Y, None), strict=True):
        assert sorted([*train, *test]) == list(range(len(Y)))
        assert set(Y[train]) == set(Y[plain_train])  # the same classes are held out
        for label in set(Y[train]):
            assert (Y[test] == label).sum() == seen_fraction * 50


@pytest.mark.parametrize("seen_fraction", [0.05, 0.2, 0.35, 0.7])
@pytest.mark.parametrize("seed", range(6))
def test_whole_groups_come_near_to_the_share(seed, seen_fraction):
    """No group more, and none less, would come nearer, unless a side would be left without one."""
    rng = np.random.default_rng(seed)
    sizes = [rng.integers(1, 30, size=rng.integers(2, 8)).tolist() for _ in range(6)]
    y = np.repeat(np.arange(6), [sum(of_class) for of_class in sizes])
    groups = np.repeat(np.arange(sum(map(len, sizes))), np.concatenate(sizes))
    mixed = rng.permutation(len(y))
    y, groups = y[mixed], groups[mixed]
    for cv in (
        ZeroShotKFold(3, seen_fraction=seen_fraction, random_state=seed),
        ZeroShotKFold(3, seen_fraction=seen_fraction, shuffle=False),
    ):
        folds = split(cv, y, groups)
        assert apart(folds, groups)
        for train, test in folds:
            for label in set(y[train]):
                kept = np.unique(groups[train][y[train] == label], return_counts=True)[1]
                moved = np.unique(groups[test][y[test] == label], return_counts=True)[1]
                assert len(kept) and len(moved)
                short = seen_fraction * sum(sizes[label]) - moved.sum()
                assert len(kept) == 1 or short <= kept.min() / 2
                assert len(moved) == 1 or -short <= moved.max() / 2


@pytest.mark.parametrize("splitter", SPLITTERS)
def test_groups_of_one_row_move_as_many_rows_as_no_groups(splitter):
    y = np.repeat(np.arange(8), [1, 2, 3, 5, 10, 40, 7, 4])
    cv = splitter(3, seen_fraction=0.25, random_state=0)
    for (_, test), (_, plain) in zip(
        split(cv, y, np.arange(len(y))), split(cv, y, None), strict=True
    ):
        moved, plainly = np.bincount(y[test]), np.bincount(y[plain])
        assert np.abs(moved - plainly).max() <= 1  # halves are rounded to even without groups


def test_a_class_of_one_group_is_trained_on_and_one_class_of_two_is_needed():
    y, groups = np.repeat(list("abcd"), 4), np.repeat([0, 1, 2, 3, 4], [4, 4, 4, 2, 2])
    cv = ZeroShotKFold(4, seen_fraction=0.5, shuffle=False)
    folds = list(itertools.islice(cv.split(y, y, groups), 3))
    assert [sorted(set(y[test])) for _, test in folds] == [["a", "d"], ["b", "d"], ["c", "d"]]
    with pytest.raises(ValueError, match=r"at least two groups.*all have a single group"):
        split(cv, y, groups)  # where "d" is held out


def test_moved_groups_are_random_or_the_last_ones():
    y, groups = np.repeat([0, 1, 2], 10), np.repeat(np.arange(15), 2)
    ordered = ZeroShotKFold(3, seen_fraction=0.4, shuffle=False)
    assert split(ordered, y, groups)[0][1].tolist() == [*range(10), *range(16, 20), *range(26, 30)]
    moved = {
        frozenset(groups[test[y[test] == 2]].tolist())
        for seed in range(80)
        for train, test in split(ZeroShotKFold(3, seen_fraction=0.4, random_state=seed), y, groups)
        if 2 in y[train]
    }
    assert len(moved) == 10  # all pairs out of five groups


@pytest.mark.parametrize("splitter", SPLITTERS)
def test_an_int_gives_the_same_groups_at_every_call(splitter):
    cv = splitter(3, seen_fraction=0.3, random_state=0)
    folds = split(cv, Y, VIDEO)
    assert same(folds, split(pickle.loads(pickle.dumps(cv)), Y, VIDEO))
    assert not same(folds, split(splitter(3, seen_fraction=0.3, random_state=1), Y, VIDEO))


# groups of several classes


@pytest.mark.parametrize("splitter", SPLITTERS)
def test_subjects_that_do_everything_are_trained_on_or_tested_on(splitter):
    cv = splitter(3, seen_fraction=0.2, random_state=0)
    with pytest.warns(UserWarning, match="hold training and held-out classes") as caught:
        folds = split(cv, Y, SUBJECT)
    assert len(caught) == 1
    assert "f'{label}/{group}'" in str(caught[0].message)
    for train, test in folds:
        tested = np.unique(SUBJECT[test])
        assert len(tested) == 2
        assert set(SUBJECT[train]) == set(range(10)) - set(tested)
        assert test.tolist() == np.flatnonzero(np.isin(SUBJECT, tested)).tolist()
        assert len(train) == len(set(Y[train])) * 40  # what they do of held-out classes is left out


def test_subjects_that_do_everything_need_a_share_to_test_on():
    with pytest.raises(
        ValueError, match=r"class 4 is trained on.*seen_fraction above 0.*f'{label}"
    ):
        split(ZeroShotKFold(2, shuffle=False), Y, SUBJECT)


def test_one_subject_cannot_be_on_both_sides():
    cv = ZeroShotKFold(2, seen_fraction=0.2, random_state=0)
    with pytest.raises(ValueError, match=r"is held out and cannot be tested on"):
        split(cv, Y, np.zeros(len(Y), int))


def test_a_recording_across_a_class_border_is_tested_on_and_trains_nothing():
    y, groups = np.repeat(list("abcd"), 4), np.repeat(np.arange(6), [2, 4, 4, 2, 2, 2])
    cv = ZeroShotKFold(4, shuffle=False)
    with pytest.warns(UserWarning, match="2 of 16 samples lie in neither set"):
        train, test = next(cv.split(y, y, groups))
    assert test.tolist() == [0, 1, 2, 3]  # all of "a", whatever the groups
    assert train.tolist() == list(range(6, 16))  # "b" without the recording that begins in "a"


def test_a_recording_of_two_training_classes_counts_for_both():
    y, groups = np.repeat(list("aabbcc"), 2), np.array([0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 4, 4])
    cv = ZeroShotKFold(3, seen_fraction=0.5, shuffle=False)
    train, test = next(cv.split(y, y, groups))
    assert np.bincount(codes := np.unique(y, return_inverse=True)[1][test]).tolist() == [4, 2, 2]
    assert len(codes) + len(train) == len(y) and apart([(train, test)], groups)


def crossing(seed):
    """Contiguous groups of any size, whatever classes they meet; and a few that come back."""
    rng = np.random.default_rng(seed)
    y = np.sort(rng.integers(0, 6, 200))
    groups = np.cumsum(rng.random(200) < 0.15)
    back = rng.random(200) < rng.choice([0.0, 0.05, 0.5])
    return y, np.where(back, rng.permutation(groups), groups)


@pytest.mark.parametrize("seen_fraction", [0.0, 0.1, 0.3, 0.6])
def test_whatever_groups_there_are_they_are_kept_apart_or_refused(seen_fraction):
    n_kept = 0
    for seed in range(40):
        y, groups = crossing(seed)
        for cv in (
            ZeroShotKFold(3, seen_fraction=seen_fraction, random_state=seed),
            ZeroShotShuffleSplit(2, seen_fraction=seen_fraction, random_state=seed),
        ):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Groups hold training and held-out")
                try:
                    folds = split(cv, y, groups)
                except ValueError as error:
                    assert "cannot be kept apart" in str(error)
                    continue
            n_kept += 1
            assert apart(folds, groups)
            for (train, test), (plain, _) in zip(folds, split(cv, y, None), strict=True):
                assert not set(train) & set(test)
                trained = set(y[plain])
                assert set(y[train]) == trained
                assert set(y[test]) >= set(y) - trained
                assert bool(seen_fraction) or not set(y[test]) & trained
    assert n_kept > 40


# forms, and what is refused


def test_groups_are_the_same_in_every_form():
    cv = ZeroShotKFold(4, seen_fraction=0.2, random_state=0)
    expected = split(cv, Y, VIDEO)
    names = np.char.add("v_", VIDEO.astype(str))
    for form in (
        VIDEO.tolist(),
        names,
        names.astype(object),
        pd.Series(names, index=np.arange(len(Y))[::-1]),
        pd.Series(pd.Categorical(names)),
        torch.tensor(VIDEO),
        VIDEO / 7.0,
        VIDEO[:, None],
    ):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="A column-vector y was passed")
            assert same(split(cv, Y, form), expected)


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT])
def test_a_sample_without_a_group_is_named(missing):
    groups = VIDEO.astype(object)
    groups[7] = missing
    with pytest.raises(ValueError, match=r"for sample 7; expected the group of every sample"):
        ZeroShotKFold(2).split(Y, Y, groups)


def test_groups_have_the_length_of_y():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ZeroShotKFold(2).split(Y, Y, VIDEO[1:])
    with pytest.raises(ValueError, match="one name or number per sample"):
        ZeroShotKFold(2).split(Y, Y, np.eye(len(Y)))


def test_many_groups_are_no_wait():
    y = np.repeat(np.arange(20), 2000)
    groups = np.random.default_rng(0).integers(0, 5000, len(y))  # each in many classes
    with pytest.warns(UserWarning, match="neither set"):
        train, test = next(ZeroShotKFold(4, seen_fraction=0.2, random_state=0).split(y, y, groups))
    assert apart([(train, test)], groups)
    assert 0.19 < np.isin(y[test], y[train]).sum() / (15 * 2000) < 0.21


# in scikit-learn's searches


class Watched(ESZSL):
    """Remembers which rows it was fitted on: their last feature is their number."""

    fits = ()

    def fit(self, X, y, class_embeddings=None, groups=None):
        type(self).fits = (*self.fits, X[:, -1].astype(int))
        return super().fit(X, y, class_embeddings, groups)


def watched_problem():
    rng = np.random.default_rng(0)
    table = ClassEmbeddings(np.arange(8), rng.normal(size=(8, 4)))
    X = np.c_[table.vectors[Y] + 0.1 * rng.normal(size=(400, 4)), np.arange(400)]
    Watched.fits = ()
    return X, table


def every_fit_has_whole_videos(n_fits):
    return len(Watched.fits) == n_fits and all(
        set(np.bincount(VIDEO[rows], minlength=80)) == {0, 5} for rows in Watched.fits
    )


@pytest.mark.parametrize("routing", [False, True])
def test_searches_and_scores_take_groups(routing):
    X, table = watched_problem()
    cv = ZeroShotKFold(4, seen_fraction=0.2, random_state=0)
    options = {"cv": cv, "scoring": gzsl_scorer, "error_score": "raise"}
    with config_context(enable_metadata_routing=routing):
        search = GridSearchCV(Watched(space="gzsl"), {"gamma": [1.0, 2.0]}, refit=False, **options)
        search.fit(X, Y, class_embeddings=table, groups=VIDEO)
        assert every_fit_has_whole_videos(8)
        options["scoring"] = lambda zsl, X, y: zsl.score(X, y)
        params = {"class_embeddings": table}
        where = (
            {"params": {**params, "groups": VIDEO}}
            if routing
            else {"params": params, "groups": VIDEO}
        )
        assert len(cross_val_score(Watched(space="gzsl"), X, Y, **where, **options)) == 4
    assert every_fit_has_whole_videos(12)


def test_cross_val_predict_asks_every_row_once():
    X, table = watched_problem()
    predicted = cross_val_predict(
        Watched(), X, Y, cv=ZeroShotKFold(4), groups=VIDEO, params={"class_embeddings": table}
    )
    assert len(predicted) == len(Y)
