"""TruZe, the splits of Xu et al., and names in many spellings."""

import unicodedata

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.io import savemat

from sklearn_claster.datasets import load_truze_split, load_xu_splits, match_class_names
from sklearn_claster.text import split_class_name


@pytest.mark.parametrize(
    ("dataset", "n_seen", "n_unseen"), [("ucf101", 70, 31), ("hmdb51", 29, 22)]
)
def test_truze_has_the_published_sizes(dataset, n_seen, n_unseen):
    split = load_truze_split(dataset)
    assert len(split.seen_classes) == n_seen and len(split.unseen_classes) == n_unseen
    assert len({*split.seen_classes, *split.unseen_classes}) == n_seen + n_unseen
    assert_array_equal(split.seen_classes, np.sort(split.seen_classes))
    assert "Gowda" in split.DESCR and str(n_unseen) in split.DESCR


def test_truze_with_its_three_repairs():
    ucf, hmdb = load_truze_split("ucf101"), load_truze_split("hmdb51")
    assert {"Basketball", "SalsaSpin"} <= set(ucf.seen_classes)
    assert "swing_baseball" in hmdb.seen_classes
    published = {"BasketballShooting", "SalsaSpins", "swing_basketball"}
    assert not published & {*ucf.seen_classes, *hmdb.seen_classes}


@pytest.mark.parametrize("dataset", ["ucf101", "hmdb51"])
def test_truze_in_the_users_spelling(dataset):
    own = load_truze_split(dataset)
    everything = np.concatenate([own.unseen_classes, own.seen_classes])
    words = [split_class_name(name) for name in everything]
    split = load_truze_split(dataset, words)
    assert_array_equal(
        match_class_names(split.unseen_classes, everything), np.sort(own.unseen_classes)
    )
    assert set(split.seen_classes) | set(split.unseen_classes) == set(words)


def test_truze_as_its_source_writes_it():
    own = load_truze_split("ucf101")
    names = [*own.seen_classes, *own.unseen_classes]
    names[names.index("SalsaSpin")] = "Salsa Spins"
    names[names.index("Basketball")] = "Basketball Shooting"
    names[names.index("BreastStroke")] = "Breaststroke"
    split = load_truze_split("ucf101", names)
    assert {"Salsa Spins", "Basketball Shooting", "Breaststroke"} <= set(split.seen_classes)
    assert len(split.seen_classes) == 70


def test_truze_refuses_other_classes():
    own = load_truze_split("hmdb51")
    names = [*own.seen_classes, *own.unseen_classes]
    with pytest.raises(ValueError, match=r"all 51 classes of hmdb51; 'wave' is missing"):
        load_truze_split("hmdb51", [name for name in names if name != "wave"])
    with pytest.raises(ValueError, match=r"got 'dancing', and the reference has"):
        load_truze_split("hmdb51", [*names, "dancing"])
    with pytest.raises(ValueError, match=r"exists for 'ucf101' or 'hmdb51'; got 'UCF-101'"):
        load_truze_split("UCF-101")


def test_names_match_in_either_form_of_unicode():
    forms = [unicodedata.normalize(form, "Straßencafé") for form in ("NFC", "NFD")]
    for one in forms:
        for other in forms:
            assert match_class_names([one], [other]).tolist() == [other]
    with pytest.raises(ValueError, match="both are"):
        match_class_names(forms, forms[:1])
    assert match_class_names(["हिन्दी"], ["हिन्दी"]).tolist() == ["हिन्दी"]


def test_match_class_names():
    reference = ["YoYo", "ride_bike", "pullup"]
    assert match_class_names(["Yo-yo", "RIDE BIKE"], reference).tolist() == ["YoYo", "ride_bike"]
    with pytest.raises(ValueError, match=r"got 'ride bikes', and the reference has 'ride_bike'"):
        match_class_names(["ride bikes"], reference)
    with pytest.raises(ValueError, match=r"got 'zzz', and the reference has nothing like it"):
        match_class_names(["zzz"], reference)
    with pytest.raises(ValueError, match=r"'pull up' and 'Pull-Up' both are 'pullup'"):
        match_class_names(["pull up", "Pull-Up"], reference)
    with pytest.raises(ValueError, match=r"'a_b' and 'AB' have the same letters"):
        match_class_names(["ab"], ["a_b", "AB"])


# Xu et al.


def pair(seen, unseen):
    return {"train": np.asarray(seen, float), "test": np.asarray(unseen, float)}


def permutations(n_classes, n_seen, n_splits, seed=0):
    rng = np.random.default_rng(seed)
    rows = np.array([rng.permutation(n_classes) + 1 for _ in range(n_splits)])
    return rows[:, :n_seen], rows[:, n_seen:]


def save_xu(path, **changes):
    """A file of the published form, with the published repetitions."""
    ucf = permutations(101, 51, 12)
    for row in (6, 7, 8):  # in another order, which makes no other split
        ucf[0][row], ucf[1][row] = ucf[0][row - 6][::-1], np.roll(ucf[1][row - 6], 3)
    content = {
        "HMDB51": pair(*permutations(51, 26, 5)),
        "UCF101": pair(*ucf),
        "CCV": pair(*permutations(20, 10, 5)),
        "OlympicSports": pair(*permutations(16, 8, 5)),
    }
    savemat(path, {"Split": content | changes})
    return ucf


def test_xu_points_out_repetitions(tmp_path):
    seen, unseen = save_xu(tmp_path / "Split.mat")
    with pytest.warns(UserWarning, match=r"12 splits of ucf101 only 9 .*6 repeats 0, 7 repeats 1"):
        splits = load_xu_splits(tmp_path / "Split.mat", "ucf101")
    assert splits.repeats == {6: 0, 7: 1, 8: 2}
    assert splits.distinct.tolist() == [0, 1, 2, 3, 4, 5, 9, 10, 11]
    names = [*load_truze_split("ucf101").seen_classes, *load_truze_split("ucf101").unseen_classes]
    names = np.array(sorted(names, key=str.casefold))
    assert_array_equal(splits.seen_classes, names[seen - 1])
    assert_array_equal(splits.unseen_classes, names[unseen - 1])
    assert names[34:36].tolist() == ["Hammering", "HammerThrow"]  # as in classInd.txt


def test_xu_of_the_other_data_sets(tmp_path):
    save_xu(tmp_path / "Split.mat")
    hmdb = load_xu_splits(tmp_path / "Split.mat", "hmdb51")  # no warning: nothing repeats
    assert hmdb.seen_classes.shape == (5, 26) and hmdb.repeats == {}
    with pytest.raises(ValueError, match=r"Pass class_names for Olympic Sports"):
        load_xu_splits(tmp_path / "Split.mat", "olympic_sports")
    names = [f"sport {i:02}" for i in range(16)]
    sports = load_xu_splits(tmp_path / "Split.mat", "olympic_sports", names)
    assert set(sports.seen_classes[0]) | set(sports.unseen_classes[0]) == set(names)


def test_xu_refuses_other_files(tmp_path):
    path = tmp_path / "Split.mat"
    save_xu(path, UCF101=pair([[1, 2]], [[3, 3]]))
    with pytest.raises(ValueError, match=r"the classes 1 to 101 once, .* split 0 \(from 0\)"):
        load_xu_splits(path, "ucf101")
    save_xu(path, UCF101=pair(np.zeros((2, 51)), np.ones((1, 50))))
    with pytest.raises(ValueError, match=r"two matrices with one row per split"):
        load_xu_splits(path, "ucf101")
    with pytest.raises(ValueError, match=r"dataset has to be 'hmdb51' or 'ucf101' or .*got 'UCF'"):
        load_xu_splits(path, "UCF")
    for wrong in ({"UCF101": 3.0}, np.arange(3.0), "text"):
        savemat(path, {"Split": wrong})
        with pytest.raises(ValueError, match=r"Split has to be a struct .* Xu et al\.\?"):
            load_xu_splits(path, "ucf101")
    savemat(path, {"split": 1})
    with pytest.raises(ValueError, match=r"Split is missing, and it holds split"):
        load_xu_splits(path, "ucf101")


def test_xu_and_truze_agree_with_the_field(claster_data, tmp_path):
    with np.load(claster_data / "ucf101_captions.npz") as real:
        names, train, test = real["class_names"], real["split_train"], real["split_test"]
        truze = load_truze_split("ucf101")
        assert_array_equal(np.sort(names[real["truze_train"]]), truze.seen_classes)
        assert_array_equal(np.sort(names[real["truze_test"]]), truze.unseen_classes)
    save_xu(tmp_path / "Split.mat", UCF101=pair(train + 1, test + 1))
    with pytest.warns(UserWarning, match="6 repeats 0, 7 repeats 1, 8 repeats 2"):
        splits = load_xu_splits(tmp_path / "Split.mat", "ucf101")
    assert_array_equal(splits.seen_classes, names[train])
    assert splits.distinct[:10].tolist() == [0, 1, 2, 3, 4, 5, 9, 10, 11, 12]
