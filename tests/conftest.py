"""What all tests share: threads, a picture backend without a screen, and skips that say why."""

import dataclasses
import os
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # One thread a worker, set before NumPy and torch load; loky's processes inherit it.
    os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "Agg"

import numpy as np
import pytest
import small_models
import torch

from sklearn_claster import _claster
from sklearn_claster._core import learning
from sklearn_claster._core.centroids import Reinforcement

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)


def operators_of_torchvision():
    """Their names, where torchvision is built for another torch (CUDA's, say, beside a CPU build).

    It could not be imported without them, nor could transformers; no network for videos calls one.
    """
    spec = find_spec("torchvision")
    if spec is None:
        return None
    try:
        torch.ops.load_library(Path(spec.origin).with_name("_C.so"))
    except OSError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return library
    return None


OPERATORS = operators_of_torchvision()  # they last as long as this

ROOT = Path(__file__).resolve().parents[1]
FULL = {name: getattr(learning, name) for name in small_models.SHORT}
SCIKIT_LEARN = tuple(map(int, version("scikit-learn").split(".")[:2]))


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items):
    for item in items:
        if "claster_data" in getattr(item, "fixturenames", ()):
            item.add_marker("real_data")


def pytest_runtest_setup(item):
    np.random.seed(0)  # noqa: NPY002  # random_state=None draws from here: no test needs luck
    if item.get_closest_marker("cuda") and not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU, and torch.cuda.is_available() is False")
    for mark in item.iter_markers("scikit_learn"):
        if mark.args > SCIKIT_LEARN:
            pytest.skip("needs scikit-learn " + ".".join(map(str, mark.args)))


@pytest.fixture(scope="session")
def claster_data():
    """The folder of the real data sets: the environment's CLASTER_DATA, or ../shared/data."""
    folder = Path(os.environ.get("CLASTER_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set CLASTER_DATA to the folder that has them")
    return folder


# what tests of training watch and bend


@pytest.fixture(scope="module")
def short_training():
    """Fewer steps for a' and phi, to which max_epochs says nothing: hundreds of models follow."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in small_models.SHORT.items():
            patch.setattr(learning, name, value)
        yield


@pytest.fixture
def full_training(monkeypatch):
    """What a user's fit takes, for a test among short ones."""
    for name, value in FULL.items():
        monkeypatch.setattr(learning, name, value)


@pytest.fixture
def accuracies(monkeypatch):
    """Sets what the search for the number of epochs finds in each epoch."""

    def pretend(*values):
        found = iter(values)
        monkeypatch.setattr(learning, "balanced_accuracy_score", lambda *_: next(found))

    return pretend


@pytest.fixture
def stopped(monkeypatch):
    """Fits a model that stops after so many epochs of its plan."""
    resolve = learning.Plan.of

    def fit(n_epochs, **parameters):
        with monkeypatch.context() as patch:
            plan = staticmethod(lambda *a: dataclasses.replace(resolve(*a), n_epochs=n_epochs))
            patch.setattr(_claster.Plan, "of", plan)
            return small_models.fitted(**parameters)

    return fit


@pytest.fixture
def updates(monkeypatch):
    """The batches that REINFORCE sees during fits: (points, probabilities, y) in turn."""
    seen = []

    class Recorded(Reinforcement):
        def __call__(self, *batch):
            seen.append(tuple(tensor.numpy().copy() for tensor in batch))
            super().__call__(*batch)

    monkeypatch.setattr(learning, "Reinforcement", Recorded)
    return seen
