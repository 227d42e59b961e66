"""One fit on several processes: the model that one process would have learnt."""

import os
import pickle
import re
import subprocess
import sys
import warnings
from datetime import timedelta
from pathlib import Path
from time import monotonic
from unittest.mock import patch

import numpy as np
import pytest
import torch
from sklearn.ensemble import IsolationForest
from small_models import SHORT

from sklearn_claster import ClassEmbeddings, ClasterZSL
from sklearn_claster._core import learning
from sklearn_claster._utils.processes import Processes, current
from sklearn_claster.datasets import make_zero_shot_classification
from sklearn_claster.distributed import data_parallel

EMPTY = ".* clusters hold no training sample"  # as chance has it, where there is no seed
pytestmark = [
    pytest.mark.usefixtures("short_training"),
    pytest.mark.filterwarnings(f"ignore:{EMPTY}"),
    pytest.mark.skipif(
        not torch.distributed.is_available() or not torch.distributed.is_gloo_available(),
        reason="this build of torch has no gloo",
    ),
]
CASES = {
    "default": {},
    "alpha": {"alpha": 1.0, "max_epochs": 6},
    "gradient": {"centroids": "gradient"},
    "netvlad": {"centroids": "netvlad"},
    "without clusters": {"centroids": None},
    "without semantics": {"fusion": None},
    "early stopping": {"early_stopping": True},
    "no seed": {"random_state": None},
    "gated": {"space": "gzsl", "bias_detector": "stacking"},
    "no seed for a foreign gate": {
        "space": "gzsl",
        "random_state": None,
        "bias_detector": IsolationForest(n_estimators=5),
    },
    "tiny batches": {"batch_size": 1, "max_epochs": 2},
}


def problem(case="default"):
    """Rows of seen classes with their labels, the class table, and rows of unseen classes."""
    data = make_zero_shot_classification(
        n_samples=150, n_features=12, n_seen=6, n_unseen=3, random_state=0
    )
    seen = np.isin(data.target, data.seen_classes)
    X, y = data.data[seen], data.target[seen]
    if case == "tiny batches":  # every row is a step, and a step has three processes to wait for
        X, y = X[::4], y[::4]
    return X, y, data.class_embeddings, data.data[~seen]


def make(case):
    parameters = {"hidden_layer_sizes": (16,), "max_epochs": 4, "n_clusters": 3}
    parameters |= {"random_state": 0, "device": "cpu"}
    return ClasterZSL(**(parameters | CASES[case]))


def permuted(table):
    """The same labels with each other's vectors."""
    return ClassEmbeddings(table.labels, table.vectors[::-1])


def with_unseen_moved(table, y):
    """The same vectors of seen classes, other ones of the others."""
    moved = ~np.isin(table.labels, y)[:, None]
    return ClassEmbeddings(table.labels, table.vectors + moved)


def renamed(table):
    """The same vectors for other labels in the same order."""
    return ClassEmbeddings(np.char.add("a", table.labels), table.vectors)


def thread_names():
    """What the threads of this process are called; nothing where there is no /proc."""
    return [path.read_text("utf-8").strip() for path in Path("/proc/self/task").glob("*/comm")]


def refusal(estimator, X, y, table):
    """What a fit that the processes do not agree on says."""
    with pytest.raises(ValueError) as caught:
        estimator.fit(X, y, table)
    return str(caught.value)


def failure(estimator, X, y, table):
    """What a fit says that one process cannot begin."""
    with pytest.raises((ValueError, RuntimeError)) as caught:
        estimator.fit(X, y, table)
    return repr(caught.value)


class Stop:
    """A callback that stops after the first epoch, in one process only, as a clock might."""

    def __init__(self, rank):
        self.rank = rank

    def setup(self, estimator, context):
        """Nothing; nor do the others."""

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context):
        return context.task_name == "epoch" and self.rank == 1


def work(rank, size, folder):
    """What each process does: every case, and a fit with different data."""
    torch.set_num_threads(1)
    warnings.simplefilter("error")  # pytest's own filter does not reach here
    warnings.filterwarnings("ignore", EMPTY)
    vars(learning).update(SHORT)  # nor does the fixture
    torch.distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/rendezvous",
        rank=rank,
        world_size=size,
        timeout=timedelta(minutes=2),
    )
    X, y, table, _ = problem()
    found = {}
    with data_parallel():
        for case in CASES:
            found[case] = pickle.dumps(make(case).fit(*problem(case)[:3]))
        # as if each had rounded in its own way
        with patch("sklearn_claster._claster.best_epoch", lambda _: 2 + rank):
            found["apart"] = pickle.dumps(make("early stopping").fit(X, y, table))
        changed = {
            "rows": (X[rank::size], y[rank::size], table),
            "features": (X + rank, y, table),
            "table": (X, y, permuted(table) if rank == 0 else table),
            "unseen vectors": (X, y, with_unseen_moved(table, y) if rank == 0 else table),
            "labels": (X, np.char.add("a", y), renamed(table)) if rank == 0 else (X, y, table),
        }
        for name, data in changed.items():
            found[name] = refusal(make("default"), *data)
        centroids = np.zeros((100, 24))  # more than repr shows
        centroids[50, 12] = rank
        different = {
            "learning_rate": 1e-3 * (rank + 1),
            "centroids": centroids,
            "bias_detector": IsolationForest(n_estimators=rank + 1),
        }
        for name, value in different.items():
            changed = make("default").set_params(space="gzsl", **{name: value})
            found[name] = refusal(changed, X, y, table)
        broken = np.where(np.arange(X.size).reshape(X.shape) == 7, np.nan, X) if rank == 1 else X
        start = monotonic()
        for name, (rows, labels, parameters) in {
            "NaN in X": (broken, y, {}),
            "lengths": (X, y[int(rank == 1) :], {}),
            "parameter": (X, y, {"batch_size": int(rank != 1)}),
        }.items():
            found[name] = failure(make("default").set_params(**parameters), rows, labels, table)
        found["seconds"] = monotonic() - start
        found["together"] = ""
        try:
            with current.get().together():
                if rank == 1:
                    raise OSError("no such file")
        except (OSError, RuntimeError) as error:
            found["together"] = repr(error)
        with current.get().together():  # and go on
            pass
        found["stopped"] = make("default").set_callbacks(Stop(rank)).fit(X, y, table).n_iter_
    first = torch.distributed.new_group([0])
    found["outside"] = ""
    try:
        with data_parallel(first):
            pass
    except ValueError as error:
        found["outside"] = str(error)
    torch.distributed.destroy_process_group(first)
    del first
    found["afterwards"] = pickle.dumps(make("default").fit(X, y, table))
    torch.distributed.destroy_process_group()
    found["threads"] = thread_names()
    (folder / f"{rank}.pickle").write_bytes(pickle.dumps(found))


@pytest.fixture(autouse=True)
def one_thread():
    """As in each of the processes: sums of two threads may differ in their last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Of three processes, whose parts of a batch are of unequal size; a script below has two."""
    folder = tmp_path_factory.mktemp("processes")
    torch.multiprocessing.spawn(work, args=(3, folder), nprocs=3)
    return [pickle.loads((folder / f"{rank}.pickle").read_bytes()) for rank in range(3)]


@pytest.mark.parametrize("case", CASES)
def test_several_processes_learn_what_one_does(found, case):
    X, y, table, X_new = problem(case)
    models = [pickle.loads(one[case]) for one in found]
    scores = [model.decision_function(X_new) for model in models]
    for other in scores[1:]:
        np.testing.assert_allclose(other, scores[0], rtol=0.0, atol=1e-4)
    if "no seed" in case:
        return
    alone = make(case).fit(X, y, table)
    np.testing.assert_allclose(scores[0], alone.decision_function(X_new), rtol=0.0, atol=1e-3)
    for name in ("loss", "seen_accuracy", "centroid_movement"):
        np.testing.assert_allclose(models[0].history_[name], alone.history_[name], atol=1e-3)
    if alone.cluster_centers_ is not None:
        np.testing.assert_allclose(models[0].cluster_centers_, alone.cluster_centers_, atol=1e-4)


def test_each_process_takes_its_share_of_a_batch():
    """A fit whose processes had all the rows would learn the same: count the rows instead."""
    parts = []
    for rank in range(3):
        processes = Processes()
        processes.group, processes.rank, processes.size = object(), rank, 3
        parts.append(processes.part(torch.arange(10)).tolist())
    assert parts == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]]


def test_processes_with_different_data_are_told(found):
    for one in found:
        for cause in ("rows", "features", "table", "unseen vectors", "labels"):
            assert "have different data; expected the same X, y and class table" in one[cause]
        for name in ("learning_rate", "centroids", "bias_detector"):
            assert f"have different parameters: {name}. Give each the same." in one[name]


def test_what_each_would_choose_is_settled_by_the_first(found):
    models = [pickle.loads(one["apart"]) for one in found]
    assert [model.n_iter_ for model in models] == [2] * len(models)


def test_a_process_outside_of_the_group_is_told(found):
    assert not found[0]["outside"]
    for rank, one in enumerate(found[1:], start=1):
        assert f"Process {rank} is not in the group" in one["outside"]


def test_where_one_process_fails_all_do_at_once(found):
    for rank, one in enumerate(found):
        if rank == 1:
            assert one["together"] == "OSError('no such file')"
        else:
            assert one["together"].startswith("RuntimeError")
            assert "Process 1 of the" in one["together"] and "no such file" in one["together"]


@pytest.mark.parametrize(
    ("name", "own"), [("NaN in X", "NaN"), ("lengths", "inconsistent"), ("parameter", "batch_size")]
)
def test_where_one_process_has_bad_input_no_fit_begins(found, name, own):
    for rank, one in enumerate(found):
        if rank == 1:
            assert one[name].startswith("ValueError") and own in one[name]
        else:
            assert one[name].startswith("RuntimeError") and "Process 1 of the" in one[name]
            assert own in one[name]
        assert one["seconds"] < 30  # and not the two minutes that the group would wait


def test_a_process_alone_raises_its_own_error():
    with pytest.raises(OSError, match="no such file"), Processes().together():
        raise OSError("no such file")


def test_a_callback_that_stops_one_process_stops_all(found):
    assert [one["stopped"] for one in found] == [1] * len(found)


def test_outside_of_it_a_process_works_alone(found):
    X, y, table, X_new = problem()
    alone = make("default").fit(X, y, table).decision_function(X_new)
    for one in found:
        np.testing.assert_array_equal(
            pickle.loads(one["afterwards"]).decision_function(X_new), alone
        )


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_group_that_is_destroyed_is_gone(found):
    """Python may abort where threads of a group work on while it exits."""
    for one in found:
        assert not [name for name in one["threads"] if "gloo" in name]


def test_without_a_group_the_cure_is_named():
    with pytest.raises(RuntimeError, match="start the script with torchrun"), data_parallel():
        pass


def test_the_script_of_the_documentation_runs(tmp_path):
    page = Path(__file__).parents[1] / "docs/beyond_one_machine.md"
    script = re.search(r"^```py\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "train.py").write_text(script[1], "utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*torchrun, "--nproc-per-node=2", "train.py"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0.5
