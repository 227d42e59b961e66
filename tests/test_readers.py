"""Readers of the field's files: both MATLAB versions, and each way in which files can be wrong."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.io import savemat
from scipy.sparse import csc_matrix

from sklearn_claster import ClasterZSL
from sklearn_claster.datasets import load_i3d, load_xlsa17

NAMES = ["antelope", "grizzly bear", "killer whale", "beaver", "dalmatian", "pig"]
N_PER_CLASS, N_FEATURES = 5, 4
UNSEEN = [3, 6]  # from 1


def content(seed=0, **changes):
    """A small data set as MATLAB counts it: six classes of five samples, two classes unseen."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(1, 7), N_PER_CLASS))
    vectors = rng.standard_normal((3, 6))
    rows = np.arange(1, len(labels) + 1)
    seen = rows[~np.isin(labels, UNSEEN)]
    test_seen = np.concatenate([seen[labels[seen - 1] == c][:1] for c in (1, 2, 4, 5)])
    data = {
        "features": rng.standard_normal((N_FEATURES, len(labels))),
        "labels": labels[:, None],
        "att": vectors / np.linalg.norm(vectors, axis=0),
        "original_att": vectors,
        "allclasses_names": np.array([[name] for name in NAMES], dtype=object),
        "trainval_loc": np.setdiff1d(seen, test_seen)[:, None],
        "test_seen_loc": test_seen[:, None],
        "test_unseen_loc": rows[np.isin(labels, UNSEEN)][:, None],
    }
    data.update(changes)
    return {name: value for name, value in data.items() if value is not None}


FEATURE_FILE = ("features", "labels", "image_files")


def write(folder, data=None, features_file="res101.mat", split_file="att_splits.mat", writer=None):
    data = content() if data is None else data
    writer = writer or savemat
    folder.mkdir(parents=True, exist_ok=True)
    (folder / split_file).parent.mkdir(parents=True, exist_ok=True)
    writer(folder / features_file, {k: v for k, v in data.items() if k in FEATURE_FILE})
    writer(folder / split_file, {k: v for k, v in data.items() if k not in FEATURE_FILE})
    return folder


def save_hdf5(path, variables):
    """A file of version 7.3 as MATLAB lays it out: axes in reverse, strings behind references."""
    h5py = pytest.importorskip("h5py", reason="needs the extra hdf5")
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            value = np.asarray(value)
            if value.dtype.kind != "O":
                if value.size:
                    node = file.create_dataset(name, data=value.T)
                else:
                    node = file.create_dataset(name, data=np.zeros(2, dtype=np.uint64))
                    node.attrs["MATLAB_empty"] = np.uint8(1)
                node.attrs["MATLAB_class"] = np.bytes_("double")
                continue
            cells = np.empty(value.T.shape, dtype=h5py.ref_dtype)
            for i, text in enumerate(value.ravel()):
                codes = np.array([[ord(letter)] for letter in text], dtype=np.uint16)
                cell = file.create_dataset(f"#refs#/{name}{i}", data=codes)
                cell.attrs["MATLAB_class"] = np.bytes_("char")
                cells.flat[i] = cell.ref
            file.create_dataset(name, data=cells).attrs["MATLAB_class"] = np.bytes_("cell")
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(116))


@pytest.mark.parametrize("writer", [savemat, save_hdf5], ids=["classic", "7.3"])
def test_what_was_written_is_read(tmp_path, writer):
    data = content()
    bunch = load_xlsa17(write(tmp_path / "AWA", data, writer=writer))
    names = np.array(NAMES)
    assert_array_equal(bunch.data, data["features"].T.astype(np.float32))
    assert bunch.data.flags["C_CONTIGUOUS"]
    assert_array_equal(bunch.target, names[data["labels"].ravel() - 1])
    for part, name in [("train", "trainval"), ("test_seen",) * 2, ("test_unseen",) * 2]:
        assert_array_equal(bunch[part], data[f"{name}_loc"].ravel() - 1)
    assert_array_equal(bunch.unseen_classes, ["killer whale", "pig"])
    assert_array_equal(bunch.seen_classes, sorted(set(NAMES) - {"killer whale", "pig"}))
    for label, vector in zip(NAMES, data["att"].T, strict=True):
        assert_array_equal(bunch.class_embeddings.select([label]).vectors[0], vector)
    assert bunch.tuning_train is None and bunch.tuning_validation is None
    assert "30" in bunch.DESCR and "unknown" in bunch.DESCR and "AWA" in bunch.DESCR


def test_the_folder_one_is_in_has_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(write(tmp_path / "AWA"))
    assert load_xlsa17(".").DESCR.startswith("AWA, a data set")


def test_forms_of_vectors_and_names(tmp_path):
    data = content()
    data["labels"] = data["labels"].T.astype(np.uint8)
    data["trainval_loc"] = data["trainval_loc"].ravel().astype(np.float64)
    data["allclasses_names"] = np.array([[[name + " "]] for name in NAMES], dtype=object)
    data["features"] = csc_matrix(data["features"])
    bunch = load_xlsa17(write(tmp_path, data), embeddings="original_att", dtype=np.float64)
    assert_array_equal(bunch.class_embeddings.labels, sorted(NAMES))
    assert_array_equal(bunch.data, data["features"].toarray().T)
    raw = bunch.class_embeddings.select(["antelope"]).vectors[0]
    assert_array_equal(raw, data["original_att"][:, 0])

    data["allclasses_names"] = np.array(NAMES)  # a char matrix, padded with spaces
    assert_array_equal(load_xlsa17(write(tmp_path, data)).target, bunch.target)

    del data["allclasses_names"]
    numbered = load_xlsa17(write(tmp_path, data), class_names=range(1, 7))
    assert_array_equal(numbered.target, data["labels"].ravel())
    assert_array_equal(numbered.unseen_classes, UNSEEN)


@pytest.mark.parametrize("writer", [savemat, save_hdf5], ids=["classic", "7.3"])
def test_a_split_without_a_seen_test(tmp_path, writer):
    data = content(test_seen_loc=np.empty((0, 0)))
    assert len(load_xlsa17(write(tmp_path, data, writer=writer)).test_seen) == 0


def test_the_first_proposed_split_is_recognised_by_its_leak(tmp_path):
    data = content()
    rows = np.concatenate([data["trainval_loc"], data["test_seen_loc"]]).ravel()
    in_validation = data["labels"].ravel()[rows - 1] == 2
    data |= {"train_loc": rows[~in_validation], "val_loc": rows[in_validation]}
    bunch = load_xlsa17(write(tmp_path, data))
    assert bunch.split_version == "PS v1" and "recognised" in bunch.DESCR
    assert bunch.n_leaked_rows == len(data["test_seen_loc"]) == 4
    # what is handed on to tune with is free of the test, and is all of the training rows
    tuning = np.concatenate([bunch.tuning_train, bunch.tuning_validation])
    assert_array_equal(np.sort(tuning), np.sort(bunch.train))
    with pytest.raises(ValueError, match=r"first version: all 4 samples of test_seen_loc"):
        load_xlsa17(tmp_path, split_version="PS v2")
    assert load_xlsa17(tmp_path, split_version="PS v1").split_version == "PS v1"


def test_other_splits_are_unknown_unless_stated(tmp_path):
    data = content()
    train = data["trainval_loc"].ravel()
    leaky = np.append(train[9:], data["test_seen_loc"].ravel()[:1])
    clean = data | {"train_loc": train[:9], "val_loc": train[9:]}
    partly = data | {"train_loc": train[:9], "val_loc": leaky}
    half = data | {"train_loc": np.append(train, data["test_seen_loc"].ravel())}
    for name, case, n_leaked in [("a", data, 0), ("b", clean, 0), ("c", partly, 1), ("d", half, 4)]:
        bunch = load_xlsa17(write(tmp_path / name, case))
        assert (bunch.split_version, bunch.n_leaked_rows) == ("unknown", n_leaked)
        stated = load_xlsa17(tmp_path / name, split_version="PS v2")
        assert stated.split_version == "PS v2" and "as stated" in stated.DESCR
    with pytest.raises(ValueError, match=r'has to be "PS v1", "PS v2" or None; got 2'):
        load_xlsa17(tmp_path / "a", split_version=2)


def test_the_fingerprint_is_that_of_the_parts(tmp_path):
    data = content()
    first = load_xlsa17(write(tmp_path / "a", data)).split_fingerprint
    shuffled = data | {"trainval_loc": data["trainval_loc"][::-1]}
    moved = data | {"trainval_loc": data["trainval_loc"][1:]}
    swapped = data | {"test_seen_loc": data["trainval_loc"], "trainval_loc": data["test_seen_loc"]}
    again = [load_xlsa17(write(tmp_path / "b", d)).split_fingerprint for d in (shuffled, moved)]
    assert again[0] == first != again[1] and len(first) == 16
    assert load_xlsa17(write(tmp_path / "b", swapped)).split_fingerprint != first


def test_a_classifier_learns_from_what_is_read(tmp_path):
    bunch = load_xlsa17(write(tmp_path))
    zsl = ClasterZSL(n_clusters=2, max_epochs=2, random_state=0)
    zsl.fit(bunch.data[bunch.train], bunch.target[bunch.train], bunch.class_embeddings)
    assert_array_equal(zsl.unseen_classes_, bunch.unseen_classes)
    assert set(zsl.predict(bunch.data[bunch.test_unseen])) <= set(bunch.unseen_classes)


# What can be wrong, one thing at a time


def with_nan(name):
    values = content()[name].copy()
    values[1, 2] = np.nan
    return values


def edited(name, row, value):
    values = content()[name].copy()
    values[row] = value
    return values


WRONG = {
    "no features": ({"features": None}, r"res101\.mat has to hold features, labels; features is"),
    "no labels": ({"labels": None}, r"labels is missing, and it holds features\. Is it another"),
    "no att": ({"att": None}, r"att is missing, and it holds original_att, allclasses_names"),
    "no index": ({"test_unseen_loc": None}, r"test_unseen_loc is missing"),
    "no names": ({"allclasses_names": None}, r"no class names .*class_names=range\(1, 7\)"),
    "numbers for names": (
        {"allclasses_names": np.arange(6.0)},
        r"has to be a cell array of strings; got the type float64\. Pass class_names",
    ),
    "too few names": (
        {"allclasses_names": np.array(NAMES[:5], dtype=object)},
        r"one class name for each of the 6 class vectors; got 5\.",
    ),
    "a name twice": (
        {"allclasses_names": np.array([*NAMES[:5], "beaver"], dtype=object)},
        r"Class names have to differ; 'beaver' occurs more than once",
    ),
    "labels from 0": ({"labels": content()["labels"] - 1}, r"labels .*from 1; got 0\. Add 1"),
    "half a label": ({"labels": content()["labels"] / 2}, r"labels .*whole numbers; got \d\.5"),
    "labels as names": (
        {"labels": np.array(["a", "b"], dtype=object)},
        r"labels has to be a vector of whole numbers; got the shape \(2,\)",
    ),
    "rows from 0": (
        {"trainval_loc": np.arange(5)[:, None]},
        r"trainval_loc counts samples from 1, as MATLAB does; got 0\. Add 1 to all index vectors",
    ),
    "row behind the end": (
        {"test_seen_loc": edited("test_seen_loc", 0, 31)},
        r"indices of test_seen have to lie between 1 and 30, .*; got 31\. Take both files from",
    ),
    "tuning row behind the end": ({"val_loc": [99]}, r"indices of tuning_validation .*got 99"),
    "a matrix of rows": (
        {"trainval_loc": np.ones((3, 3))},
        r"trainval_loc has to be a vector of whole numbers; got the shape \(3, 3\)",
    ),
    "NaN as a row": (
        {"trainval_loc": np.array([1.0, np.nan])},
        r"trainval_loc has to be a vector of whole numbers; got nan",
    ),
    "a row twice": (
        {"trainval_loc": np.append(content()["trainval_loc"], content()["trainval_loc"][0])},
        r"trainval_loc has to hold each sample once; got 1 samples more than once",
    ),
    "one label too few": (
        {"labels": content()["labels"][1:]},
        r"one column for each of the 29 labels; got the shape \(4, 30\)\. Take both variables from",
    ),
    "transposed": (
        {"features": content()["features"].T},
        r"got the shape \(30, 4\)\. Save it transposed",
    ),
    "features as text": ({"features": np.array(["a"], dtype=object)}, r"features .*<U1"),
    "NaN in features": (
        {"features": with_nan("features")},
        r"NaN or infinity in 1 of 30 samples, the first in column 3 \(from 1\)",
    ),
    "overflow": ({"features": 1e39 * np.ones((2, 30))}, r"infinity in 30 of 30 samples"),
    "NaN in a vector": ({"att": with_nan("att")}, r"att has none for 'killer whale'\. Repair"),
    "vectors as text": ({"att": np.array(["a"], dtype=object)}, r"att has to be a matrix"),
    "a class without vector": (
        {
            "att": content()["att"][:, :5],
            "allclasses_names": np.array(NAMES[:5], dtype=object),
        },
        r"Each label needs a class vector: there are 5 vectors, but labels up to 6",
    ),
    "train in test": (
        {"test_seen_loc": content()["trainval_loc"][:2]},
        r"train and test_seen must not share samples; got 2 in both, the first is \d+ \(from 1\)",
    ),
    "test in test": (
        {"test_seen_loc": content()["test_unseen_loc"][:3]},
        r"test_seen and test_unseen must not share samples; got 3 in both",
    ),
    "no training": ({"trainval_loc": np.empty((0, 0))}, r"part train has to hold samples; it is"),
    "no test": ({"test_unseen_loc": np.empty((0, 0))}, r"part test_unseen has to hold samples"),
    "trained on unseen": (
        {
            "test_unseen_loc": content()["test_unseen_loc"][1:],
            "trainval_loc": np.append(content()["trainval_loc"], content()["test_unseen_loc"][0]),
        },
        r"must not be trained on; train holds samples of '(killer whale|pig)'\. Is it a standard",
    ),
    "seen test of another class": (
        {
            "test_unseen_loc": np.flatnonzero(content()["labels"].ravel() == 3) + 1,
            "test_seen_loc": np.flatnonzero(content()["labels"].ravel() == 6) + 1,
        },
        r"test_seen have to be trained on; train holds no sample of 'pig'",
    ),
}


@pytest.mark.parametrize("case", sorted(WRONG))
def test_wrong_content_is_named(tmp_path, case):
    changes, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        load_xlsa17(write(tmp_path, content(**changes)))


def test_swapped_files(tmp_path):
    folder = write(tmp_path)
    with pytest.raises(ValueError, match=r"features, labels is missing, and it holds att"):
        load_xlsa17(folder, features_file="att_splits.mat")


@pytest.mark.parametrize("file", ["res101.mat", "att_splits.mat"])
@pytest.mark.parametrize("writer", [savemat, save_hdf5], ids=["classic", "7.3"])
def test_damaged_files(tmp_path, writer, file):
    path = write(tmp_path, writer=writer) / file
    whole = path.read_bytes()
    for damage in (whole[: len(whole) * 3 // 5], whole[:600], whole[:60], b"", b"<html>no</html>"):
        path.write_bytes(damage)
        with pytest.raises(ValueError, match=rf"{file} (\(\d+ bytes\) cannot be read|has to hold)"):
            load_xlsa17(tmp_path)


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"att_splits\.mat; there is nothing\. Check"):
        load_xlsa17(tmp_path)
    (tmp_path / "att_splits.mat").mkdir()
    with pytest.raises(FileNotFoundError, match=r"there is a folder"):
        load_xlsa17(tmp_path)


def test_version_73_without_h5py_names_the_extra(tmp_path, monkeypatch):
    write(tmp_path, writer=save_hdf5)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"needs h5py.*pip install 'sklearn_claster\[hdf5\]'"):
        load_xlsa17(tmp_path)


@pytest.mark.parametrize("strings", [NAMES, np.array(NAMES, dtype=bytes)], ids=["str", "bytes"])
def test_hdf5_files_of_other_writers(tmp_path, strings):
    """Without MATLAB's marks axes are taken as they are, and strings are strings."""
    h5py = pytest.importorskip("h5py", reason="needs the extra hdf5")

    def writer(path, variables):
        with h5py.File(path, "w") as file:
            for name, value in variables.items():
                file[name] = strings if name == "allclasses_names" else value

    data = content()
    bunch = load_xlsa17(write(tmp_path, data, writer=writer))
    assert_array_equal(bunch.data, data["features"].T.astype(np.float32))
    assert_array_equal(bunch.target, np.array(NAMES)[data["labels"].ravel() - 1])


def test_version_73_structs_are_refused(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs the extra hdf5")
    write(tmp_path, writer=save_hdf5)
    with h5py.File(tmp_path / "att_splits.mat", "r+") as file:
        del file["att"]
        file.create_group("att")
    with pytest.raises(ValueError, match=r"att is a struct; save the file in MATLAB with .* -v7"):
        load_xlsa17(tmp_path)


# I3D


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    features = np.arange(8192.0)[:, None] + np.zeros(30)
    folder = tmp_path_factory.mktemp("ucf101")
    write(folder, content(features=features), "i3d.mat", "split_1/att_splits.mat")
    return write(folder, content(features=features), "i3d.mat", "split_12/att_splits.mat")


@pytest.mark.parametrize(
    ("stream", "first", "last"), [("both", 0, 8191), ("rgb", 0, 4095), ("flow", 4096, 8191)]
)
def test_streams_of_i3d(videos, stream, first, last):
    bunch = load_i3d(videos, stream=stream)
    assert_array_equal(bunch.data[0], np.arange(first, last + 1))
    assert bunch.data.flags["C_CONTIGUOUS"] and bunch.data.dtype == np.float32
    assert bunch.split_version == "split_1"


def test_splits_of_i3d(videos):
    assert load_i3d(videos, split=12).split_version == "split_12"
    assert load_i3d(
        videos / "..", split=f"{videos.name}/split_12", features_file=videos / "i3d.mat"
    )
    with pytest.raises(FileNotFoundError, match=r"split_3"):
        load_i3d(videos, split=3)


def test_i3d_refuses_what_has_no_streams(tmp_path):
    write(tmp_path, features_file="i3d.mat")
    assert load_i3d(tmp_path, split="").data.shape == (30, N_FEATURES)
    with pytest.raises(ValueError, match=r'stream="rgb" from; got 4\. Pass stream="both"'):
        load_i3d(tmp_path, split="", stream="rgb")
    with pytest.raises(ValueError, match=r'"both", "rgb" or "flow"; got "?\'?RGB'):
        load_i3d(tmp_path, split="", stream="RGB")
