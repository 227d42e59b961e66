"""Model files: identical answers, nothing but data, and one clear error for all that is wrong."""

import importlib
import inspect
import json
import os
import pickle
import re
import stat
import sys
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import OneClassSVM
from test_persistence import DATA, ESTIMATORS, X, Y, answers, fit, fitted, make, same

from sklearn_claster import BiasDetector, ClassEmbeddings, ClasterZSL
from sklearn_claster._core.model import ClasterModel
from sklearn_claster.baselines import DEM, ESZSL
from sklearn_claster.model_selection import ZeroShotKFold
from sklearn_claster.persistence import TRUSTED_TYPES, _writing, load_model, model_card, save_model

skops = pytest.importorskip("skops.io", reason="model files need skops")

pytestmark = [
    pytest.mark.usefixtures("short_training"),
    pytest.mark.filterwarnings("ignore:.*clusters hold no training sample"),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skops"


def read(path):
    """Schema and arrays of a file, as bytes."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(members.pop("schema.json")), members


def write(path, schema, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("schema.json", json.dumps(schema))
        for name, content in members.items():
            archive.writestr(name, content)


def state_of(schema):
    return schema["content"]["content"]


# ------------------------------------------------------------------ round trips


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "foreign gate"])
def test_a_round_trip_changes_nothing(name, path):
    model = fitted(name)
    save_model(model, path)
    assert same(load_model(path), model)
    assert same(skops.load(path, trusted=TRUSTED_TYPES), model)
    assert os.listdir(path.parent) == [path.name]  # no part is left
    assert read(path)[0]["versions"]["torch"] == version("torch")


def test_what_is_shared_is_stored_once(path):
    """The gate's experts are the model itself."""
    model = fitted("soft gate")
    save_model(model, path)
    loaded = load_model(path)
    assert loaded.bias_detector_.estimator_._model is loaded._model
    arrays = list(read(path)[1].values())
    assert len(set(arrays)) > 0.9 * len(arrays)
    assert path.stat().st_size < 0.7 * len(skops.dumps(model))


def test_pipelines_searches_and_other_detectors(path):
    table = DATA.class_embeddings
    models = [
        make_pipeline(StandardScaler(), FunctionTransformer(np.tanh), ESZSL()).fit(
            X, Y, eszsl__class_embeddings=table
        ),
        GridSearchCV(ESZSL(space="gzsl"), {"gamma": [1.0, 9.0]}, cv=ZeroShotKFold(2)).fit(
            X, Y, class_embeddings=table
        ),
        fit(ESZSL(space="gzsl", bias_detector=OneClassSVM())),
    ]
    for model in models:
        save_model(model, path)
        assert_array_equal(load_model(path).predict_proba(X), model.predict_proba(X))


LABELS = {
    "text": np.array(["ä", "日本", "", "a" * 50, "b"]),
    "objects": np.array(["a", "b", "c", "d", "e"], dtype=object),
    "int64": np.array([2**62, -1, 0, 5, 7]),
    "uint64": np.arange(5, dtype=np.uint64) + 2**62,
    "float": np.arange(5) * 1.0,
}


@pytest.mark.parametrize("names", LABELS.values(), ids=LABELS)
def test_labels_of_every_kind(names, path):
    rng = np.random.default_rng(0)
    y = names[np.arange(40) % 4]
    model = ESZSL().fit(rng.normal(size=(40, 4)), y, (names, rng.normal(size=(5, 3))))
    save_model(model, path)
    loaded = load_model(path)
    assert loaded.predict(np.eye(4)).tolist() == model.predict(np.eye(4)).tolist()
    assert loaded.classes_.dtype == model.classes_.dtype
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


def test_metadata_requests_are_kept(path):
    with config_context(enable_metadata_routing=True):
        model = ESZSL().set_score_request(sample_weight="w", unseen_embeddings=False)
        save_model(model.fit([[0.0, 1.0], [1.0, 0.0]], ["a", "b"]), path)
        for loaded in (load_model(path), pickle.loads(pickle.dumps(model))):
            assert str(loaded.get_metadata_routing()) == str(model.get_metadata_routing())
            assert loaded.get_metadata_routing().score.requests["sample_weight"] == "w"
    save_model(fitted("ESZSL"), path)
    assert "_metadata_request" not in vars(load_model(path))


# ------------------------------------------------------------------ where files are written


@pytest.mark.parametrize("gate", [None, BiasDetector()], ids=["raw", "gated"])
def test_a_device_to_load_onto(gate, path, monkeypatch):
    model = fit(make(space="gzsl", bias_detector=gate, device="auto"))
    pipeline = make_pipeline(StandardScaler(), model)
    with monkeypatch.context() as patch:  # as a machine with a GPU writes it
        patch.setattr(ClasterModel, "device", property(lambda self: torch.device("cuda:7")))
        save_model(pipeline[1:], path)
    loaded = load_model(path, device="cpu")[0]  # no warning: they are errors here
    assert loaded.device_ == torch.device("cpu") and loaded.device == "cpu"
    assert_array_equal(loaded.predict(X), model.predict(X))
    if gate is not None:
        assert loaded.bias_detector_.estimator_.device == "cpu"
    with pytest.raises(ValueError, match=r"^device='cuda:7' is not available here"):
        load_model(path, device="cuda:7")
    with pytest.warns(UserWarning, match="made with device='cuda:7'"):  # asked for no longer
        assert load_model(path)[0].device == "auto"


def test_a_device_for_the_next_fit_of_a_baseline(path):
    save_model(fit(DEM(device="auto")), path)
    assert load_model(path, device="cpu").device == "cpu"


def test_a_save_that_fails_leaves_the_old_file(path, monkeypatch):
    save_model(fitted("ESZSL"), path)
    before = path.read_bytes()
    write_bytes = Path.write_bytes

    def fail(self, content):
        write_bytes(self, content[:100])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "write_bytes", fail)
        save_model(fitted("SAE"), path)
    assert os.listdir(path.parent) == [path.name] and path.read_bytes() == before
    save_model(fitted("SAE"), str(path))  # a str is a path too
    assert same(load_model(str(path)), fitted("SAE"))


def test_links_are_followed(path, tmp_path):
    (tmp_path / "folder").mkdir()
    path.symlink_to(Path("folder") / "target")
    for content in (b"new", b"replaced"):
        _writing.write_whole(path, content)
        assert path.is_symlink() and (tmp_path / "folder" / "target").read_bytes() == content
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(OSError, match="symbolic links"):
        _writing.write_whole(path, b"a circle")
    assert path.is_symlink()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX")
def test_pipes_and_devices_are_written_into(path, tmp_path):
    os.mkfifo(path)
    (tmp_path / "link").symlink_to(path)
    model = fitted("ESZSL")
    for where in (path, tmp_path / "link"):
        found = []
        reader = threading.Thread(target=lambda found=found: found.append(path.read_bytes()))
        reader.start()
        save_model(model, where)
        reader.join()
        (tmp_path / "copy").write_bytes(found[0])
        assert same(load_model(tmp_path / "copy"), model) and stat.S_ISFIFO(path.stat().st_mode)
    _writing.write_whole(os.devnull, b"nothing")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


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


def test_there_has_to_be_a_file_or_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.skops")
    with pytest.raises(IsADirectoryError):
        load_model(tmp_path)
    with pytest.raises(IsADirectoryError):
        save_model(fitted("ESZSL"), tmp_path)
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*none to write m into"):
        save_model(fitted("ESZSL"), tmp_path / "none" / "m")


# ------------------------------------------------------------------ files that are wrong

REFUSED = r"model\.skops cannot be loaded: expected a model file written by .*, got a damaged or fo"


def test_wrong_files_are_refused(path):
    save_model(fitted("ESZSL"), path)
    good = path.read_bytes()
    cuts = [good[:length] for length in np.linspace(0, len(good) - 1, 40).astype(int)]
    for content in [b"\x80\x04.", b"PK\x03\x04" + bytes(50), b"hello, world", *cuts]:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=REFUSED):
            load_model(path)


@pytest.mark.parametrize("name", ["ESZSL", "soft gate"])
def test_a_flipped_bit_raises_or_does_nothing(name, path):
    model = fitted(name)
    save_model(model, path)
    good, expected, n_raised = path.read_bytes(), answers(model), 0
    rng = np.random.default_rng(0)
    directory = good.index(b"PK\x01\x02")  # where each bit is one of the archive's own
    places = [*rng.integers(directory, len(good), 100), *rng.integers(0, len(good), 100)]
    for at in places:
        damaged = bytearray(good)
        damaged[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            loaded = load_model(path)
        except ValueError as error:
            assert re.search(REFUSED, str(error))
            n_raised += 1
        else:
            assert all(map(np.array_equal, answers(loaded), expected))
    assert n_raised > 100


def npy(shape, descr="<f8"):
    """An array file whose header promises this, and that holds eight bytes."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(8)


def doubling(depth):
    """Lists of the one below twice: as long as 2 to the depth, if what they refer to is read."""
    inner = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": "1"}
    for i in range(1, depth):
        content = [{**inner, "__id__": i}, {"__id__": i}]
        inner = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode"}
        inner["content"] = content
    return inner


def first_array(schema):
    return state_of(schema)["classes_"]["file"]


def in_place_of_an_array(content):
    return lambda schema, members: members.update({first_array(schema): content})


FORGED = {
    "an array without end": in_place_of_an_array(npy((10**15,))),
    "an array of nothing": in_place_of_an_array(npy((10**15,), "|V0")),
    "a header without end": in_place_of_an_array(npy("-" * 9000 + "1")),
    "an archive inside": in_place_of_an_array(b"PK\x05\x06" + bytes(18)),
    "a pickle inside": in_place_of_an_array(pickle.dumps([1])),
    "objects inside": in_place_of_an_array(npy((1,), "|O")),
    "a schema without end": lambda schema, m: schema.update(versions="x" * 2**26),
    "dictionaries without end": lambda schema, m: schema.update(versions=[{}] * 2**19),
    "deep": lambda schema, m: state_of(schema).update(
        classes_=json.loads('{"content": [' * 5000 + "1" + "]}" * 5000)
    ),
    "one array for all": lambda schema, m: state_of(schema)["unseen_classes_"].update(
        file=first_array(schema)
    ),
    "lists of lists": lambda schema, m: state_of(schema)["classes_"].update(
        type="json", content=[doubling(40)], shape=doubling(1)
    ),
    "a circle": lambda schema, m: state_of(schema).update(
        coef_={k: v for k, v in schema.items() if k != "content"}
    ),
    "a missing array": lambda schema, m: m.pop(first_array(schema)),
    "only a list": lambda schema, m: schema.update(doubling(2), __id__=1),
    "not fitted": lambda schema, m: [state_of(schema).pop(k) for k in list(state_of(schema))[5:-1]],
    "no state": lambda schema, m: schema.update(content=doubling(1)),
    "an unknown node": lambda schema, m: schema.update(__loader__="Node"),
    "a newer protocol": lambda schema, m: schema.update(protocol=99),
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_forged_files_end_in_an_error_within_a_second(change, path):
    save_model(fitted("ESZSL"), path)
    schema, members = read(path)
    sys.setrecursionlimit(limit := sys.getrecursionlimit())
    try:
        sys.setrecursionlimit(20_000)  # to write them
        change(schema, members)
        write(path, schema, members)
    finally:
        sys.setrecursionlimit(limit)
    start = time.perf_counter()
    with pytest.raises(ValueError, match=REFUSED):
        load_model(path)
    assert time.perf_counter() - start < 1.0


def test_bombs_are_not_unpacked(path):
    save_model(fitted("ESZSL"), path)
    schema, members = read(path)
    write(path, schema, {**members, first_array(schema): bytes(2**24)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="compressed or overlap"):
        load_model(path)


def test_a_lack_of_memory_does_not_blame_the_file(path, monkeypatch):
    save_model(fitted("ESZSL"), path)

    def out_of_memory(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(skops, "loads", out_of_memory)
    with pytest.raises(MemoryError):
        load_model(path)


# ------------------------------------------------------------------ files that would run code


def node(loader, cls, **content):
    module, _, name = cls.rpartition(".")
    return {"__loader__": loader, "__module__": module, "__class__": name, **content}


CODE = "__import__('os').mkdir('ran')"
TEXT = node("JsonNode", "builtins.str", content=json.dumps(CODE))
ARGUMENTS = node("TupleNode", "builtins.tuple", content=[TEXT])
NO_LIST = node("ListNode", "builtins.list", content=[])
NO_ITEMS = node("DictNode", "builtins.dict", content={}, key_types=NO_LIST)
EVAL = node("FunctionNode", "builtins.eval")
EVAL["content"] = {"module_path": "builtins", "function": "eval"}  # as skops had it first
HOSTILE = {
    "a call": node("ConstructorFromReduceNode", "builtins.eval", content=ARGUMENTS),
    "a type": node("TypeNode", "builtins.eval"),
    "a function": EVAL,
    "a process": node("ObjectNode", "subprocess.Popen", content=NO_ITEMS),
    "an array's class": node("NdArrayNode", "builtins.eval", type="json", content=[], shape=TEXT),
    "a list's class": node("ListNode", "builtins.eval", content=[TEXT]),
    "a generator's class": node("RandomStateNode", "builtins.eval", content=TEXT),
    "the type of a key": node(
        "DictNode",
        "builtins.dict",
        content={CODE: TEXT},
        key_types=node("ListNode", "builtins.list", content=[EVAL]),
    ),
    "a partial": node(
        "PartialNode",
        "functools.partial",
        content={"func": EVAL, "args": ARGUMENTS, "kwds": NO_ITEMS, "namespace": NO_ITEMS},
    ),
    "a method": node("MethodNode", "builtins.str", content={"func": "format", "obj": TEXT}),
    "an operator": node("OperatorFuncNode", "operator.methodcaller", attrs=ARGUMENTS),
    "a bit generator": node(
        "RandomGeneratorNode",
        "numpy.random._generator.Generator",
        content={
            "bit_generator": {"content": {"bit_generator": {"content": '"seed"'}}},
            "seed_seq": NO_ITEMS,
        },
    ),
    "a sparse matrix": node("SparseMatrixNode", "scipy.sparse._csr.csr_matrix", type="scipy"),
}


@pytest.fixture
def with_hostile(path, monkeypatch):
    """Writes a file with something hostile in it."""
    monkeypatch.chdir(path.parent)
    save_model(fitted("ESZSL"), path)
    schema, members = read(path)

    def write_it(hostile, protocol=2):
        state_of(schema)["hostile"] = hostile
        schema["content"]["key_types"]["content"].append(node("TypeNode", "builtins.str"))
        write(path, {**schema, "protocol": protocol}, members)

    return write_it


@pytest.mark.parametrize("protocol", [0, 2])
@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_no_code_of_a_file_runs(hostile, protocol, path, with_hostile):
    with_hostile(hostile, protocol)
    with pytest.raises(ValueError, match=REFUSED) as error:
        load_model(path)
    assert re.search(r"eval|Popen|partial|Method|Operator|Generator|Sparse", str(error.value))
    assert os.listdir() == [path.name]


def test_hostile_files_are_hostile(path, with_hostile):
    with_hostile(HOSTILE["a call"])
    skops.load(path, trusted=[*TRUSTED_TYPES, "builtins.eval"])
    assert sorted(os.listdir()) == [path.name, "ran"]


def test_only_plain_classes_are_trusted():
    """No functions: skops calls what is trusted with arguments from the file."""
    for name in TRUSTED_TYPES:
        module, _, cls = name.rpartition(".")
        assert inspect.isclass(getattr(importlib.import_module(module), cls))
        assert module.partition(".")[0] in {"sklearn", "sklearn_claster"}


# ------------------------------------------------------------------ what cannot be stored


class Mine(ClasterZSL):
    """A subclass outside the package."""


UNSTORABLE = {
    "a forest": (lambda: fitted("foreign gate"), TypeError, r"sklearn\.tree\._tree\.Tree"),
    "a subclass": (
        lambda: Mine(max_epochs=1).fit(X, Y),
        TypeError,
        r"holds test_model_files\.Mine",
    ),
    "a function": (
        lambda: make_pipeline(FunctionTransformer(np.sort), ESZSL()).fit(X, Y),
        TypeError,
        r"This Pipeline cannot go into a model file: it holds numpy\.sort\..*best_estimator_",
    ),
    "a class": (lambda: ClasterZSL, TypeError, "is a class"),
    "a table": (lambda: DATA.class_embeddings, TypeError, "not an estimator instance"),
    "not fitted": (lambda: ClasterZSL(), NotFittedError, "not fitted yet"),
}


@pytest.mark.parametrize(("model", "error", "message"), UNSTORABLE.values(), ids=UNSTORABLE)
def test_what_cannot_be_stored_is_refused_and_leaves_no_file(model, error, message, path):
    with pytest.raises(error, match=message):
        save_model(model(), path)
    assert not os.listdir(path.parent)


def test_without_skops_the_extra_is_named(monkeypatch, path):
    save_model(fitted("ESZSL"), path)
    monkeypatch.setitem(sys.modules, "skops.io", None)
    for ask in (
        lambda: save_model(fitted("ESZSL"), path),
        lambda: load_model(path),
        lambda: model_card(fitted("ESZSL")),
    ):
        with pytest.raises(
            ImportError, match=r"need skops: pip install 'sklearn_claster\[files\]'"
        ):
            ask()


# ------------------------------------------------------------------ model cards


def test_a_card_says_what_there_is(tmp_path):
    model = fitted("soft gate")
    card = model_card(model, {"harmonic mean": 0.31234, "accuracy": "0.5 ± 0.1"})
    card.add(**{"Data": "Made up."}).save(tmp_path / "README.md")
    text = " ".join((tmp_path / "README.md").read_text("utf-8").split())
    for part in (
        "| seen classes | 4: 'class_",
        "| features of a class vector | 5 |",
        f"| gate threshold | {model.gate_threshold_:.4g} |",
        "# Data Made up.",
        "| harmonic mean | 0.31234 |",
        "| accuracy | 0.5 ± 0.1 |",
        "| gate | soft |",
        f"| torch | {version('torch')} |",
    ):
        assert part in text, part


def test_a_card_names_what_is_missing():
    many = ClassEmbeddings(np.arange(500), np.random.default_rng(0).normal(size=(500, 3)))
    card = model_card(ESZSL().fit(X, np.arange(len(X)) % 18, many)).render()
    assert "... (482 in all)" in card and len(card) < 6000 and "gate threshold" not in card
    assert "## Evaluation Results\n\n[More Information Needed]" in card
    assert "one-hot: no class table was given" in model_card(ESZSL().fit(X, Y)).render()
    with pytest.raises(TypeError, match="got Pipeline"):
        model_card(make_pipeline(StandardScaler(), ESZSL()))
    with pytest.raises(NotFittedError, match="not fitted yet"):
        model_card(ESZSL())
