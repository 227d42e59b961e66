"""Model files without pickle: identical answers, nothing but data, and clear errors."""

import inspect
import json
import os
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_persistence import DATA, ESTIMATORS, X, Y, fit, fitted, make, same, shortened

from sklearn_claster import ClassEmbeddings, ClasterZSL
from sklearn_claster._core.model import ClasterModel
from sklearn_claster.baselines import ESZSL
from sklearn_claster.persistence import _codec, load_model, model_card, save_model

safetensors = pytest.importorskip("safetensors", reason="model files need safetensors")
numpy_files = pytest.importorskip("safetensors.numpy")

pytestmark = pytest.mark.filterwarnings("ignore:.*clusters hold no training sample")
__all__ = ["shortened"]  # a fixture, used by name


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def read(path):
    """Header and arrays of a file."""
    with safetensors.safe_open(path, framework="numpy") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def rewrite(path, change):
    """Change a file's header, or its objects, and write it again."""
    header, arrays = read(path)
    header.pop("sha256")  # which a forger would leave out, and older files do not have
    objects = json.loads(header["objects"])
    change(header, objects)
    if "objects" in header:
        header["objects"] = json.dumps(objects)
    numpy_files.save_file(arrays, path, metadata=header)


# ------------------------------------------------------------------ round trips


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "foreign gate"])
def test_a_round_trip_changes_nothing(name, path):
    model = fitted(name)
    save_model(model, path)
    assert same(load_model(path), model)
    assert os.listdir(path.parent) == [path.name]  # no part is left
    header, arrays = read(path)
    assert all(array.dtype.kind in "biuf" for array in arrays.values())
    assert json.loads(header["versions"])["torch"] == version("torch")
    assert "torch.device" not in header["objects"]


def test_what_is_shared_is_stored_once(path):
    """The gate's experts are the model itself."""
    model = fitted("soft gate")
    save_model(model, path)
    loaded = load_model(path)
    assert loaded.bias_detector_.estimator_._model is loaded._model
    objects = json.loads(read(path)[0]["objects"])
    assert [o["class"] for o in objects].count("ClasterModel") == 1


@pytest.mark.parametrize(
    ("names", "dtype"),
    [
        (np.array(["ä", "日本", "", "a" * 50, "b"]), "U"),
        (np.array(["a", "b", "c", "d", "e"], dtype=object), "UO"),
        (np.array([2**62, -1, 0, 5, 7]), "i"),
        pytest.param(
            np.arange(5, dtype=np.uint64) + 2**63,
            "u",
            marks=pytest.mark.skipif(
                np.__version__ == "2.0.0", reason="setdiff1d of NumPy 2.0.0 overflows"
            ),
        ),
        (np.arange(5) * 1.0, "f"),
    ],
    ids=["text", "objects", "int64", "uint64", "float"],
)
def test_labels_of_every_kind(names, dtype, path):
    rng = np.random.default_rng(0)
    y = names[np.arange(40) % 4]
    model = ESZSL().fit(rng.normal(size=(40, 4)), y, (names, rng.normal(size=(5, 3))))
    save_model(model, path)
    loaded = load_model(path)
    assert loaded.predict(np.eye(4)).tolist() == model.predict(np.eye(4)).tolist()
    assert loaded.classes_.dtype.kind in dtype
    assert_array_equal(loaded.classes_, model.classes_)


def test_parameters_keep_value_and_type(path):
    model = fit(
        make(
            random_state=np.random.RandomState(3),
            alpha=np.float32(0.25),
            hidden_layer_sizes=[8],
            n_clusters=np.int64(2),
            space=np.str_("gzsl"),
            whiten=np.True_,
            device=torch.device("cpu"),
        )
    )
    save_model(model, path)
    loaded = load_model(path)
    assert type(loaded.alpha) is np.float32 and loaded.alpha == np.float32(0.25)
    assert loaded.hidden_layer_sizes == [8] and loaded.n_clusters == 2
    assert loaded.whiten and loaded.space == "gzsl" and loaded.device == "cpu"
    # where the generator stopped
    assert loaded.random_state.randint(2**31) == model.random_state.randint(2**31)
    assert same(loaded.set_params(random_state=0), model.set_params(random_state=0))


def test_feature_names_survive(path):
    frames = pytest.importorskip("pandas")
    frame = frames.DataFrame(X).add_prefix("f")
    save_model(ESZSL().fit(frame, Y, DATA.class_embeddings), path)
    loaded = load_model(path)
    assert loaded.feature_names_in_.tolist() == [f"f{i}" for i in range(5)]
    with pytest.raises(ValueError, match="feature names should match"):
        loaded.predict(frame[frame.columns[::-1]])


def test_numbers_that_json_has_not(path):
    model = fitted("ESZSL")
    model.gate_threshold_, before = float("nan"), model.gate_threshold_
    try:
        save_model(model, path)
    finally:
        model.gate_threshold_ = before
    assert np.isnan(load_model(path).gate_threshold_)


def test_a_file_replaces_another_in_one_step(path, monkeypatch):
    save_model(fitted("ESZSL"), path)
    before = path.read_bytes()

    write = Path.write_bytes

    def fail(self, content):
        write(self, content[:100])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "write_bytes", fail)
        save_model(fitted("SAE"), path)
    assert os.listdir(path.parent) == [path.name] and path.read_bytes() == before
    save_model(fitted("SAE"), str(path))  # a str is a path too
    assert same(load_model(str(path)), fitted("SAE"))


def test_a_file_from_a_gpu_is_read_where_there_is_none(path, monkeypatch):
    model = fitted("soft gate")
    with monkeypatch.context() as patch:
        patch.setattr(ClasterModel, "device", property(lambda self: torch.device("cuda:0")))
        save_model(model, path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.warns(UserWarning, match="made with device='cuda:0'.*not available here"):
        loaded = load_model(path)
    if loaded.device_.type == "cpu":
        assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


# ------------------------------------------------------------------ files that are wrong


BAD_FILES = {
    "empty": (lambda good: b"", "got an empty file"),
    "a pickle": (lambda good: pickle.dumps([1]), "got a pickle .which joblib.load reads"),
    "a zip": (lambda good: b"PK\x03\x04" + bytes(50), "got a zip archive"),
    "text": (lambda good: b"hello, world, this is no model", "got a truncated or foreign one"),
    "cut in the length": (lambda good: good[:5], "got a truncated or foreign one"),
    "cut in the header": (lambda good: good[:200], "got a truncated or foreign one"),
    "cut in the arrays": (lambda good: good[:-1], "got a truncated or foreign one"),
    "longer": (lambda good: good + b"0", "got a truncated or foreign one"),
    "a huge length": (lambda good: b"\xff" * 7 + good, "got a truncated or foreign one"),
    "another program's": (
        lambda good: numpy_files.save({"weight": np.ones(3)}),
        "got a safetensors file of another program",
    ),
}


@pytest.mark.parametrize(("content", "got"), BAD_FILES.values(), ids=BAD_FILES)
def test_wrong_files_are_refused(content, got, path):
    save_model(fitted("ESZSL"), path)
    path.write_bytes(content(path.read_bytes()))
    message = rf"model\.safetensors cannot be loaded: expected a model file.*{got}.*save the model"
    with pytest.raises(ValueError, match=f"(?s){message}"):
        load_model(path)


def test_every_cut_is_noticed(path):
    save_model(fitted("centroids=reinforce"), path)
    good = path.read_bytes()
    for length in np.linspace(0, len(good) - 1, 40).astype(int):
        path.write_bytes(good[:length])
        with pytest.raises(ValueError, match="cannot be loaded: expected a model file"):
            load_model(path)


def test_a_flipped_bit_is_noticed(path):
    save_model(fitted("soft gate"), path)
    good = path.read_bytes()
    start = 8 + int.from_bytes(good[:8], "little")  # of the arrays
    for at in np.linspace(start, len(good) - 1, 30).astype(int):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(ValueError, match=r"a damaged or altered one \(its checksum differs"):
            load_model(path)


def test_a_file_of_before_the_checksums_loads(path):
    model = fitted("soft gate")
    save_model(model, path)
    rewrite(path, lambda header, objects: None)
    assert same(load_model(path), model)


def test_metadata_requests_are_kept(path):
    with config_context(enable_metadata_routing=True):
        model = ESZSL().set_score_request(sample_weight="w", unseen_embeddings=False)
        save_model(model.fit([[0.0, 1.0], [1.0, 0.0]], ["a", "b"]), path)
        routing = load_model(path).get_metadata_routing()
    assert str(routing) == str(model.get_metadata_routing())
    assert routing.score.requests["sample_weight"] == "w"
    save_model(fitted("ESZSL"), path)
    assert "_metadata_request" not in vars(load_model(path))


def test_threads_that_save_to_the_same_file(path):
    models = [fitted("ESZSL"), fitted("centroids=reinforce")]

    def save(i):
        for _ in range(5):
            save_model(models[i % 2], path)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(save, range(4)))
    loaded = load_model(path)
    assert any(type(loaded) is type(model) and same(loaded, model) for model in models)
    assert os.listdir(path.parent) == [path.name]


def first(objects, name):
    return next(o for o in objects if o["class"] == name)["state"]


ALTERED = {
    "no model": lambda header, objects: header.pop("model"),
    "no objects": lambda header, objects: header.pop("objects"),
    "no JSON": lambda header, objects: header.update(model="{"),
    "an unknown class": lambda header, objects: objects[0].update({"class": "Popen"}),
    "a class by its path": lambda header, objects: objects[0].update({"class": "os.system"}),
    "a missing object": lambda header, objects: header.update(model='{"object": 99}'),
    "a missing array": lambda header, objects: first(objects, "ClasterModel").update(
        seen={"array": "none", "order": "C"}
    ),
    "an unknown kind": lambda header, objects: header.update(model='{"call": "exit"}'),
    "an empty node": lambda header, objects: header.update(model="{}"),
    "a circle": lambda header, objects: first(objects, "ClasterModel").update(
        seen={"object": len(objects) - 1}
    ),
    "only a list": lambda header, objects: header.update(model="[1, 2]"),
    "not fitted": lambda header, objects: objects[-1].update(state={"_state_format": 1}),
    "other sizes": lambda header, objects: first(objects, "ClasterModel")["sizes"]["dict"].update(
        n_features=7
    ),
    "absurd sizes": lambda header, objects: first(objects, "ClasterModel")["sizes"]["dict"].update(
        n_features=10**15
    ),
    "another dtype": lambda header, objects: first(objects, "Gate").update(dtype={"dtype": "eval"}),
}


@pytest.mark.parametrize("change", ALTERED.values(), ids=ALTERED)
def test_altered_files_are_refused(change, path):
    save_model(fitted("soft gate"), path)
    rewrite(path, change)
    with pytest.raises(ValueError, match=r"expected a model file.*a damaged or altered one"):
        load_model(path)


def test_a_lack_of_memory_does_not_blame_the_file(path, monkeypatch):
    save_model(fitted("ESZSL"), path)

    def value(self, tree):
        raise MemoryError

    monkeypatch.setattr("sklearn_claster.persistence._codec.Decoder.value", value)
    with pytest.raises(MemoryError):
        load_model(path)


@pytest.mark.parametrize(("found", "got"), [("2", "2"), ("next", "'next'"), (None, "none")])
def test_another_format_is_refused(found, got, path):
    save_model(fitted("ESZSL"), path)

    def change(header, objects):
        header.pop("format_version")
        header.update({} if found is None else {"format_version": found})

    rewrite(path, change)
    message = rf"model \(model\.safetensors\).*expected format 1, got {got}\. Load it with the ver"
    with pytest.raises(ValueError, match=message):
        load_model(path)


def test_only_listed_classes_are_made():
    """What a file can make: estimators, their parts, and no function."""
    assert all(inspect.isclass(cls) for cls in _codec.CLASSES.values())
    assert {cls.__module__.partition(".")[0] for cls in _codec.CLASSES.values()} <= {
        "sklearn_claster",
        "sklearn",
    }


def test_there_has_to_be_a_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.safetensors")
    with pytest.raises(IsADirectoryError):
        load_model(tmp_path)


class Mine(ClasterZSL):
    """A subclass outside the package."""


UNSTORABLE = {
    "foreign gate": (
        lambda: fitted("foreign gate"),
        TypeError,
        r"is sklearn\.ensemble.*IsolationForest.*Use joblib\.dump or skops",
    ),
    "pipeline": (
        lambda: make_pipeline(StandardScaler(), ESZSL()),
        TypeError,
        r"got sklearn\.pipeline\.Pipeline.*Pass one of ALE.*joblib",
    ),
    "subclass": (lambda: Mine(), TypeError, r"got test_model_files\.Mine"),
    "class": (lambda: ClasterZSL, TypeError, r"got builtins\.type|got abc\.ABCMeta"),
    "table": (lambda: DATA.class_embeddings, TypeError, "got .*ClassEmbeddings"),
    "unfitted": (lambda: ClasterZSL(), NotFittedError, "not fitted yet"),
}


@pytest.mark.parametrize(("model", "error", "message"), UNSTORABLE.values(), ids=UNSTORABLE)
def test_what_cannot_be_stored_is_refused_and_leaves_no_file(model, error, message, path):
    with pytest.raises(error, match=message):
        save_model(model(), path)
    assert not os.listdir(path.parent)


def test_without_safetensors_the_extra_is_named(monkeypatch, path):
    save_model(fitted("ESZSL"), path)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    message = r"need safetensors: pip install 'sklearn_claster\[safetensors\]'"
    with pytest.raises(ImportError, match=message):
        save_model(fitted("ESZSL"), path)
    with pytest.raises(ImportError, match=message):
        load_model(path)


# ------------------------------------------------------------------ model cards


def test_a_card_says_what_there_is():
    model = fitted("soft gate")
    card = model_card(
        model,
        title="Actions",
        description="For trials.",
        scores={"harmonic | mean": 0.31234},
        data="Made up.",
    )
    for text in (
        "---\nlibrary_name: sklearn_claster\n",
        "# Actions\n\nFor trials.\n",
        "| seen classes | 4: 'class_",
        "| unseen classes in the table | 2: ",
        "| features of a sample | 5 |",
        "| features of a class vector | 3 |",
        '`space="gzsl"`',
        f"| gate threshold | {model.gate_threshold_:.4g} |",
        "## Data\n\nMade up.",
        r"| harmonic \| mean | 0.3123 |",
        "| gate | `'soft'` |",
        "| bias_detector | `BiasDetector()` |",
        f"| torch | {version('torch')} |",
    ):
        assert text in card, text
    assert all(line.count(" | ") == 1 for line in card.splitlines() if line.startswith("| seen"))


def test_a_card_names_what_is_missing():
    measured = model_card(ESZSL().fit(X, Y), scores={"accuracy": "0.5 ± 0.1"})
    assert "| accuracy | 0.5 ± 0.1 |" in measured
    card = model_card(ESZSL().fit(X, Y))
    assert "one-hot: no class table was given" in card and "gate threshold" not in card
    assert "## Data\n\nNot described." in card and "## Scores\n\nNone given." in card
    many = ClassEmbeddings(np.arange(500), np.random.default_rng(0).normal(size=(500, 3)))
    card = model_card(ESZSL().fit(X, np.arange(len(X)) % 18, many))
    assert "... (482 in all)" in card and len(card) < 3000


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (make_pipeline(StandardScaler(), ESZSL()), TypeError, "got Pipeline. Of a pipeline, pass"),
        (ESZSL(), NotFittedError, "not fitted yet"),
    ],
)
def test_a_card_needs_a_fitted_classifier(model, error, message):
    with pytest.raises(error, match=message):
        model_card(model)
