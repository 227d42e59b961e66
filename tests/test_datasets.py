"""The data sets: what they promise about labels, leaks, randomness and difficulty."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression
from sklearn.metrics import pairwise_distances_argmin
from sklearn.utils import Bunch

from sklearn_claster._class_embeddings import ClassEmbeddings
from sklearn_claster.datasets import load_digit_pairs, make_zero_shot_classification

LOADERS = {
    "digits": lambda **kwargs: load_digit_pairs(n_samples_per_class=2, **kwargs),
    "synthetic": lambda **kwargs: make_zero_shot_classification(n_samples=60, **kwargs),
}


@pytest.fixture(scope="module")
def pairs():
    return load_digit_pairs()


@pytest.fixture(params=sorted(LOADERS))
def loader(request):
    return LOADERS[request.param]


def halves(images):
    """The left and the right image of each row, as bytes of whole pixels."""
    whole = np.asarray(images).astype(np.uint8)
    assert_array_equal(whole, images)
    return [[half.tobytes() for half in whole[:, :, side]] for side in (slice(8), slice(8, 16))]


def random_data(bunch):
    """The arrays of a data set that depend on the draw."""
    arrays = {name: value for name, value in bunch.items() if isinstance(value, np.ndarray)}
    return arrays | {"vectors": bunch.class_embeddings.vectors}


# What both data sets promise


def test_the_table_and_the_labels_fit_together(loader):
    bunch = loader(random_state=0)
    assert isinstance(bunch, Bunch)
    assert isinstance(bunch.class_embeddings, ClassEmbeddings)
    labels = bunch.class_embeddings.labels
    assert labels.dtype.kind == bunch.target.dtype.kind == "U"
    assert_array_equal(np.unique(bunch.target), labels)
    assert_array_equal(np.union1d(bunch.seen_classes, bunch.unseen_classes), labels)
    assert np.intersect1d(bunch.seen_classes, bunch.unseen_classes).size == 0
    for classes in (bunch.seen_classes, bunch.unseen_classes):
        assert_array_equal(classes, np.unique(classes))
    assert len(bunch.data) == len(bunch.target)
    assert isinstance(bunch.DESCR, str) and "{" not in bunch.DESCR


def test_an_integer_seed_fixes_the_data_and_leaves_the_global_generator_alone(loader):
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()  # noqa: NPY002
    first = random_data(loader(random_state=3))
    after = np.random.get_state()  # noqa: NPY002
    np.random.seed(6)  # noqa: NPY002
    second, other = random_data(loader(random_state=3)), random_data(loader(random_state=4))
    assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]
    for name, value in first.items():
        assert_array_equal(value, second[name])
    assert not np.array_equal(first["data"], other["data"])
    assert not np.array_equal(first["unseen_classes"], other["unseen_classes"])


def test_random_state_none_draws_from_the_global_generator(loader):
    np.random.seed(5)  # noqa: NPY002
    first, second = loader(random_state=None), loader(random_state=None)
    np.random.seed(5)  # noqa: NPY002
    again = loader(random_state=None)
    assert not np.array_equal(first.data, second.data)
    assert_array_equal(first.data, again.data)


def test_a_random_state_instance_is_used_and_goes_on(loader):
    generator = np.random.RandomState(3)
    first, second = loader(random_state=generator), loader(random_state=generator)
    assert_array_equal(first.data, loader(random_state=3).data)
    assert not np.array_equal(first.data, second.data)


def test_rows_are_in_random_order(loader):
    target = loader(random_state=0).target
    n_changes = np.sum(target[1:] != target[:-1])
    assert n_changes > 0.8 * len(target)
    assert list(dict.fromkeys(target)) != sorted(set(target))


def test_a_bad_seed_is_refused(loader):
    with pytest.raises(ValueError, match="seed"):
        loader(random_state="zero")


# Digit pairs


def test_digit_pairs_have_the_documented_shapes(pairs):
    assert pairs.data.shape == (3000, 128) and pairs.data.dtype == np.float32
    assert pairs.images.shape == (3000, 8, 16) and pairs.images.dtype == np.float32
    assert_array_equal(pairs.images.reshape(3000, 128), pairs.data)
    assert pairs.data.min() == 0 and pairs.data.max() == 16
    labels, counts = np.unique(pairs.target, return_counts=True)
    assert labels.tolist() == [f"{left}{right}" for left in range(10) for right in range(10)]
    assert set(counts) == {30}
    assert len(pairs.seen_classes) == 70 and len(pairs.unseen_classes) == 30
    row, column = 3, 11
    assert pairs.feature_names.index(f"pixel_{row}_{column}") == row * 16 + column
    assert len(set(pairs.feature_names)) == 128
    assert "3000 (30 for each" in pairs.DESCR and "70 seen, 30 unseen" in pairs.DESCR


def test_digit_pairs_take_their_sizes_from_the_parameters():
    bunch = load_digit_pairs(n_unseen=np.int64(12), n_samples_per_class=3)
    assert bunch.data.shape == (300, 128)
    assert len(bunch.unseen_classes) == 12
    assert set(np.unique(bunch.target, return_counts=True)[1]) == {3}


def test_a_class_vector_says_which_digit_stands_where(pairs):
    table = pairs.class_embeddings
    assert table.vectors.shape == (100, 20)
    for label, vector in zip(table.labels, table.vectors, strict=True):
        expected = np.zeros(20)
        expected[int(label[0])] = expected[10 + int(label[1])] = 1
        assert_array_equal(vector, expected)
        names = [pairs.embedding_names[i] for i in np.flatnonzero(vector)]
        assert names == [f"left_{label[0]}", f"right_{label[1]}"]


def test_load_digits_holds_no_image_twice():
    # the pools are split by row: two equal images could otherwise end up in both
    images = load_digits().images
    assert len({image.tobytes() for image in images}) == len(images)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("n_unseen", [1, 30, 90])
def test_the_images_are_the_labelled_digits_and_no_image_is_on_both_sides_of_the_split(
    n_unseen, seed
):
    bunch = load_digit_pairs(n_unseen=n_unseen, random_state=seed)
    digits = load_digits()
    digit_of = {
        image.tobytes(): digit
        for image, digit in zip(digits.images.astype(np.uint8), digits.target, strict=True)
    }
    left, right = halves(bunch.images)
    found = [f"{digit_of[one]}{digit_of[two]}" for one, two in zip(left, right, strict=True)]
    assert found == bunch.target.tolist()

    is_seen = np.isin(bunch.target, bunch.seen_classes)
    used = {True: set(), False: set()}
    for one, two, seen in zip(left, right, is_seen, strict=True):
        used[bool(seen)] |= {one, two}
    assert used[True] and used[False]
    assert not used[True] & used[False]


def test_the_pools_are_stratified_halves_of_all_images():
    bunch = load_digit_pairs(n_unseen=45, n_samples_per_class=150)  # enough to use every image
    target = load_digits().target
    is_seen = np.isin(bunch.target, bunch.seen_classes)
    for rows in (is_seen, ~is_seen):
        used = np.unique(bunch.source_indices[rows])
        counts = np.bincount(target[used], minlength=10)
        assert np.all(np.abs(counts - np.bincount(target) / 2) <= 0.5)


def test_source_indices_lead_back_to_load_digits(pairs):
    images = load_digits().images
    assert_array_equal(pairs.images[:, :, :8], images[pairs.source_indices[:, 0]])
    assert_array_equal(pairs.images[:, :, 8:], images[pairs.source_indices[:, 1]])


def test_no_row_of_a_class_occurs_twice(pairs):
    assert len(np.unique(pairs.source_indices, axis=0)) == 3000
    crowded = load_digit_pairs(n_samples_per_class=400)
    assert len(np.unique(crowded.source_indices, axis=0)) == 40_000


@pytest.mark.parametrize("n_unseen", [1, 30, 60, 89, 90])
def test_every_digit_stands_on_both_sides_among_the_seen_classes(n_unseen):
    for seed in range(12):
        bunch = load_digit_pairs(n_unseen=n_unseen, n_samples_per_class=1, random_state=seed)
        assert len(bunch.seen_classes) == 100 - n_unseen
        for side in (0, 1):
            assert {label[side] for label in bunch.seen_classes} == set("0123456789")


def test_more_unseen_classes_keep_the_images_and_add_classes():
    few, many = load_digit_pairs(n_unseen=20), load_digit_pairs(n_unseen=50)
    assert set(few.unseen_classes) < set(many.unseen_classes)
    few_seen = few.source_indices[np.isin(few.target, few.seen_classes)]
    many_unseen = many.source_indices[np.isin(many.target, many.unseen_classes)]
    assert np.intersect1d(few_seen, many_unseen).size == 0


WRONG = {TypeError: "has the wrong type", ValueError: "is out of range"}


@pytest.mark.parametrize(
    ("name", "value", "error", "expected"),
    [
        ("n_unseen", 0, ValueError, "an integer in [1, 90]. At least ten classes"),
        ("n_unseen", 91, ValueError, "an integer in [1, 90]. At least ten classes"),
        ("n_unseen", 30.0, TypeError, "an integer in [1, 90]. At least ten classes"),
        ("n_unseen", True, TypeError, "an integer in [1, 90]. At least ten classes"),
        ("n_unseen", "30", TypeError, "an integer in [1, 90]. At least ten classes"),
        ("n_samples_per_class", 0, ValueError, "an integer in [1, 7569]. No sample"),
        ("n_samples_per_class", 7570, ValueError, "an integer in [1, 7569]. No sample"),
        ("n_samples_per_class", None, TypeError, "an integer in [1, 7569]. No sample"),
    ],
)
def test_digit_pairs_refuse_bad_parameters(name, value, error, expected):
    message = f"{name}={value!r} {WRONG[error]}; expected {expected}"
    with pytest.raises(error, match=re.escape(message)):
        load_digit_pairs(**{name: value})


# Synthetic data


def synthetic(**kwargs):
    return make_zero_shot_classification(**({"random_state": 0} | kwargs))


def test_synthetic_data_have_the_documented_shapes():
    bunch = synthetic(
        n_samples=103, n_features=7, n_seen=8, n_unseen=3, n_embedding_features=4, label_noise=0.0
    )
    assert bunch.data.shape == (103, 7) and bunch.data.dtype == np.float64
    assert bunch.prototypes.shape == (11, 7)
    assert bunch.class_embeddings.vectors.shape == (11, 4)
    assert len(bunch.seen_classes) == 8 and len(bunch.unseen_classes) == 3
    assert bunch.class_embeddings.labels.tolist() == [f"class_{i:02d}" for i in range(11)]
    counts = np.unique(bunch.clean_target, return_counts=True)[1]
    assert set(counts) == {9, 10}
    assert_array_equal(bunch.target, bunch.clean_target)


@pytest.mark.parametrize("nonlinear", [False, True])
def test_without_noise_every_row_is_the_prototype_of_its_class(nonlinear):
    bunch = synthetic(noise=0, nonlinear=nonlinear, n_samples=200)
    labels = bunch.class_embeddings.labels
    assert_array_equal(bunch.data, bunch.prototypes[np.searchsorted(labels, bunch.target)])
    nearest = pairwise_distances_argmin(bunch.data, bunch.prototypes)
    assert_array_equal(labels[nearest], bunch.target)
    assert bunch.bayes_accuracy == {"zsl": 1.0, "seen": 1.0, "gzsl": 1.0}


def test_class_sep_is_the_distance_between_prototypes_and_noise_its_standard_deviation():
    bunch = synthetic(class_sep=3.5, noise=2.0, n_samples=2000)
    n_classes = len(bunch.prototypes)
    differences = bunch.prototypes[:, None] - bunch.prototypes[None]
    squares = np.sum(differences**2, axis=2)[~np.eye(n_classes, dtype=bool)]
    assert_allclose(np.sqrt(squares.mean()), 3.5)
    rows = np.searchsorted(bunch.class_embeddings.labels, bunch.clean_target)
    residual = bunch.data - bunch.prototypes[rows]
    assert_allclose(residual.std(), 2.0, rtol=0.01)
    assert_allclose(residual.std(axis=0), 2.0, rtol=0.08)  # every feature alike
    assert abs(residual.mean()) < 0.03


def test_the_hidden_map_is_linear_or_not():
    r2 = {}
    for nonlinear in (False, True):
        bunch = synthetic(nonlinear=nonlinear, n_seen=190, n_unseen=10)
        vectors = bunch.class_embeddings.vectors
        model = LinearRegression().fit(vectors[:150], bunch.prototypes[:150])
        r2[nonlinear] = model.score(vectors[150:], bunch.prototypes[150:])
    assert r2[False] == pytest.approx(1.0)
    assert 0.3 < r2[True] < 0.95  # learnable in part, not linear


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.777])
def test_label_noise_is_an_exact_share_of_the_seen_rows(share):
    bunch = synthetic(label_noise=share, n_samples=500)
    seen = np.isin(bunch.clean_target, bunch.seen_classes)
    wrong = bunch.target != bunch.clean_target
    assert np.sum(wrong) == round(share * np.sum(seen))
    assert not np.any(wrong[~seen])
    assert np.all(np.isin(bunch.target[seen], bunch.seen_classes))
    clean = synthetic(n_samples=500)
    assert_array_equal(bunch.data, clean.data)
    assert_array_equal(bunch.clean_target, clean.target)
    assert bunch.bayes_accuracy == clean.bayes_accuracy


def test_wrong_labels_are_spread_over_all_other_seen_classes():
    bunch = synthetic(label_noise=0.6, n_samples=2400, n_seen=4, n_unseen=2)
    wrong = bunch.target != bunch.clean_target
    moves, counts = np.unique(
        np.column_stack([bunch.clean_target[wrong], bunch.target[wrong]]),
        axis=0,
        return_counts=True,
    )
    assert len(moves) == 4 * 3  # 960 wrong rows: 80 expected for each move
    assert counts.min() > 50 and counts.max() < 115


def test_label_noise_keeps_a_correct_row_of_each_seen_class():
    bunch = synthetic(label_noise=0.6, n_samples=75)  # 3 rows a class, 36 of 60 wrong
    right = bunch.target == bunch.clean_target
    assert set(bunch.seen_classes) <= set(bunch.target[right])
    with pytest.raises(ValueError, match=r"at most 40 of 60 samples .* got label_noise=0\.7"):
        synthetic(label_noise=0.7, n_samples=75)


def test_bayes_accuracy_is_that_of_the_nearest_true_prototype():
    bunch = synthetic(class_sep=3.0, label_noise=0.2)
    labels, target = bunch.class_embeddings.labels, bunch.clean_target
    candidates = {"zsl": bunch.unseen_classes, "seen": bunch.seen_classes, "gzsl": labels}
    for space, classes in candidates.items():
        rows = np.isin(target, classes)
        centres = bunch.prototypes[np.isin(labels, classes)]
        squares = ((bunch.data[rows][:, None] - centres[None]) ** 2).sum(axis=2)
        expected = np.mean(classes[squares.argmin(axis=1)] == target[rows])
        assert bunch.bayes_accuracy[space] == pytest.approx(expected)
        assert 0.2 < expected < 0.95  # a difficulty at which the comparison means something
    assert f"{bunch.bayes_accuracy['zsl']:.1%}" in bunch.DESCR


def test_the_ratio_of_class_sep_and_noise_is_the_difficulty():
    accuracies = [synthetic(class_sep=sep).bayes_accuracy["gzsl"] for sep in (0.0, 2.0, 4.0, 8.0)]
    assert accuracies[0] == pytest.approx(1 / 25, abs=0.01)  # nothing to be learned
    assert accuracies == sorted(accuracies) and accuracies[-1] > 0.95
    scaled = synthetic(class_sep=20.0, noise=5.0)
    assert scaled.bayes_accuracy["gzsl"] == accuracies[2]


def test_the_seen_classes_carry_over_to_the_unseen():
    bunch = synthetic(n_seen=40)
    table, seen = bunch.class_embeddings, np.isin(bunch.target, bunch.seen_classes)
    rows = np.searchsorted(table.labels, bunch.target)
    model = LinearRegression().fit(table.vectors[rows[seen]], bunch.data[seen])
    guesses = model.predict(table.select(bunch.unseen_classes).vectors)
    named = bunch.unseen_classes[pairwise_distances_argmin(bunch.data[~seen], guesses)]
    assert np.mean(named == bunch.target[~seen]) > 0.8  # chance: 0.2


@pytest.mark.parametrize(
    ("name", "value", "error", "expected"),
    [
        ("n_seen", 1, ValueError, "an integer in [2, inf). A classifier needs two classes"),
        ("n_unseen", 0, ValueError, "an integer in [1, inf)."),
        ("n_unseen", 2.0, TypeError, "an integer in [1, inf)."),
        ("n_samples", 24, ValueError, "an integer in [25, inf). Each of the 25 classes"),
        ("n_features", 0, ValueError, "an integer in [1, inf)."),
        ("n_embedding_features", "a", TypeError, "an integer in [1, inf)."),
        ("class_sep", -1, ValueError, "a number in [0, inf). It is a distance"),
        ("class_sep", float("nan"), ValueError, "a number in [0, inf). It is a distance"),
        ("noise", float("inf"), ValueError, "a number in [0, inf). It is a standard deviation"),
        ("noise", None, TypeError, "a number in [0, inf). It is a standard deviation"),
        ("noise", True, TypeError, "a number in [0, inf). It is a standard deviation"),
        ("label_noise", 1.5, ValueError, "a number in [0, 1]. It is a share"),
        ("label_noise", -0.1, ValueError, "a number in [0, 1]. It is a share"),
    ],
)
def test_synthetic_data_refuse_bad_parameters(name, value, error, expected):
    message = f"{name}={value!r} {WRONG[error]}; expected {expected}"
    with pytest.raises(error, match=re.escape(message)):
        synthetic(**{name: value})


def test_synthetic_data_refuse_too_much_noise_and_unknown_maps():
    with pytest.raises(ValueError, match=r"at most 780 of 800 .* Lower label_noise or raise"):
        synthetic(label_noise=1.0)
    with pytest.raises(TypeError, match=r"nonlinear has to be .*; got 'tanh'\. Pass"):
        synthetic(nonlinear="tanh")
