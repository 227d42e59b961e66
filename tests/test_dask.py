"""Searches on a dask cluster, and predictions over dask arrays: the same answers, sent once."""

import os
import weakref
from collections import Counter

import joblib
import numpy as np
import pytest
import torch
from sklearn import config_context
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_claster import BiasDetector, ClassEmbeddings, ClasterZSL
from sklearn_claster._core.model import ClasterModel
from sklearn_claster.datasets import make_zero_shot_classification
from sklearn_claster.model_selection import ZeroShotKFold, mean_per_class_scorer

dask = pytest.importorskip("dask", reason="the extra dask brings it")
da = pytest.importorskip("dask.array", reason="the extra dask brings it")
distributed = pytest.importorskip("distributed", reason="the extra dask brings it")

pytestmark = pytest.mark.filterwarnings("ignore:.*clusters hold no training sample")

DATA = make_zero_shot_classification(
    192, 8, n_seen=8, n_unseen=4, n_embedding_features=4, class_sep=4.0, random_state=0
)
IS_SEEN = np.isin(DATA.target, DATA.seen_classes)
X, Y = DATA.data[IS_SEEN], DATA.target[IS_SEEN]
TABLE = DATA.class_embeddings
BIG_TABLE = ClassEmbeddings(  # joblib sends what is above a kilobyte apart from the fits
    [*TABLE.labels, *(f"other {i}" for i in range(40))],
    np.concatenate([TABLE.vectors, np.random.RandomState(1).randn(40, 4)]),
)
GRID = {"n_clusters": [1, 4], "alpha": [0.0, 0.5]}


class StopAfterOne:
    """A callback that ends a fit after one epoch; workers import it from here."""

    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context):
        return context.task_name == "epoch"


def make(**parameters):
    defaults = {
        "hidden_layer_sizes": (16,),
        "max_epochs": 2,
        "fusion": None,
        "random_state": 0,
        "device": "cpu",
    }
    return ClasterZSL(**{**defaults, **parameters})


def search(estimator, scoring=mean_per_class_scorer, refit=False, grid=GRID):
    folds = ZeroShotKFold(2, random_state=0)
    return GridSearchCV(
        estimator, grid, cv=folds, scoring=scoring, refit=refit, error_score="raise"
    )


@pytest.fixture(scope="module")
def client():
    """One for all tests, which must not scatter equal data under equal names.

    ``scatter`` names data after their content, unless told ``hash=False``. Where the futures of
    one test are released while the next one scatters the same, the scheduler forgets the new data
    with the old (dask/distributed#8576).
    """
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # any free port; None asks for 8787 all the same
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def n_pickled(monkeypatch):
    """How often estimators, callbacks, tables and models have been pickled here, by class."""
    counts = Counter()

    def count(cls, method):
        original = getattr(cls, method)

        def counted(self):
            counts[cls] += 1
            return original(self)

        monkeypatch.setattr(cls, method, counted)

    count(ClassEmbeddings, "__reduce__")
    for cls in (ClasterModel, ClasterZSL, StopAfterOne):
        count(cls, "__getstate__")
    return counts


# ------------------------------------------------------------------ searches


@pytest.fixture(scope="module")
def expected():
    return search(make(), refit=True).fit(X, Y, class_embeddings=BIG_TABLE)


@pytest.mark.parametrize("form", ["table", "routed table", "future"])
def test_a_search_on_a_cluster_is_the_search_of_one_process(client, n_pickled, expected, form):
    """The table travels once as a future, and where scikit-learn routes it."""
    here = os.getpid()

    def score_and_place(estimator, X, y):
        score = mean_per_class_scorer(estimator, X, y)
        return {"score": score, "away": os.getpid() != here}

    table = client.scatter(BIG_TABLE, hash=False) if form == "future" else BIG_TABLE
    with (
        config_context(enable_metadata_routing=form == "routed table"),
        joblib.parallel_config("dask"),
    ):
        found = search(make(), score_and_place, refit="score").fit(X, Y, class_embeddings=table)
    assert form == "table" or n_pickled[ClassEmbeddings] == 1
    assert n_pickled[ClasterModel] == 0
    assert found.cv_results_["mean_test_away"].tolist() == [1.0] * 4
    for split in ("split0", "split1", "mean", "rank"):
        scores = found.cv_results_[f"{split}_test_score"]
        assert scores.tolist() == expected.cv_results_[f"{split}_test_score"].tolist()
    assert found.best_params_ == expected.best_params_
    best, wanted = found.best_estimator_, expected.best_estimator_
    assert best.class_embeddings_.labels.tolist() == BIG_TABLE.labels.tolist()
    assert np.array_equal(best.predict(X), wanted.predict(X))


@pytest.mark.parametrize("scattered", [False, True])
def test_samples_travel_once(client, monkeypatch, scattered):
    """From here to the scheduler, and from there (in this process as well) to one worker.

    Once a search; scattered, once for all searches inside the ``with``.
    """
    wide = np.random.RandomState(0).randn(len(X), 2000)  # scattered here alone
    sent = []
    write = distributed.comm.tcp.TCP.write

    async def counted(comm, *arguments, **options):
        sent.append(await write(comm, *arguments, **options))
        return sent[-1]

    estimator = make(hidden_layer_sizes=(4,), whiten=False)
    wanted = search(estimator).fit(wide, Y, class_embeddings=TABLE).cv_results_["mean_test_score"]
    monkeypatch.setattr("distributed.comm.tcp.TCP.write", counted)
    with joblib.parallel_config("dask", scatter=[wide] if scattered else None):
        for _ in range(2):
            found = search(estimator).fit(wide, Y, class_embeddings=TABLE)
            assert found.cv_results_["mean_test_score"].tolist() == wanted.tolist()
    monkeypatch.undo()
    assert sum(sent) < 3 * wide.nbytes * (1 if scattered else 2)


def test_a_callback_stops_fits_on_the_workers(client):
    pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")
    with joblib.parallel_config("dask"):
        found = search(make().set_callbacks(StopAfterOne()), lambda fitted, *_: fitted.n_iter_)
        found.fit(X, Y, class_embeddings=TABLE)
    assert found.cv_results_["mean_test_score"].tolist() == [1.0] * 4


@pytest.mark.parametrize("stopped", [False, True])
def test_an_estimator_and_its_callbacks_travel_once(client, n_pickled, stopped):
    """A step of a pipeline may be a future too, among the candidates."""

    def scores(estimator, X, y):
        score = mean_per_class_scorer(estimator, X, y)
        return {"score": score, "n_iter": estimator["zsl"].n_iter_}

    def fit(step, table):
        grid = {"zsl": [step], **{f"zsl__{name}": values for name, values in GRID.items()}}
        found = search(Pipeline([("zsl", "passthrough")]), scores, grid=grid)
        found.fit(X, Y, zsl__class_embeddings=table)
        return [found.cv_results_[f"mean_test_{name}"].tolist() for name in ("score", "n_iter")]

    zsl = make()
    if stopped:
        pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")
        zsl.set_callbacks(StopAfterOne())
    futures = client.scatter([zsl, BIG_TABLE], hash=False)
    with joblib.parallel_config("dask"):
        found = fit(*futures)
    once = [ClasterZSL, ClassEmbeddings, *([StopAfterOne] if stopped else [])]
    assert n_pickled == dict.fromkeys(once, 1)
    assert found == fit(zsl, BIG_TABLE)
    assert found[1] == [1.0 if stopped else 2.0] * 4


def test_a_worker_computes_with_one_thread(client):
    assert list(client.run(torch.get_num_threads).values()) == [1, 1]


# ------------------------------------------------------------------ predictions in blocks


@pytest.fixture(scope="module")
def rows():
    return np.tile(DATA.data, (4, 1))


@pytest.fixture(scope="module", params=["zsl", "gate"])
def fitted(request):
    gate = {"space": "gzsl", "bias_detector": BiasDetector()}
    return make(**(gate if request.param == "gate" else {})).fit(X, Y, TABLE)


def in_blocks(fitted, rows, method="predict"):
    """As docs/beyond_one_machine.md has it."""
    model = dask.delayed(fitted)
    labels = fitted.candidates()[0]
    scores = np.float32 if fitted.bias_detector is None else np.float64
    if method == "predict":
        return da.map_blocks(ClasterZSL.predict, model, rows, drop_axis=1, meta=labels[:0])
    return da.map_blocks(
        getattr(ClasterZSL, method),
        model,
        rows,
        chunks=(rows.chunks[0], (len(labels),)),
        meta=np.empty((0, 0), scores),
    )


@pytest.mark.parametrize("scheduler", [dask.get, dask.threaded.get], ids=["one", "threads"])
def test_predictions_in_blocks_are_those_of_the_whole(fitted, rows, scheduler):
    blocks = da.from_array(rows, chunks=(100, -1))
    labels = in_blocks(fitted, blocks)
    expected = fitted.predict(rows)
    assert (labels.shape, labels.dtype) == (expected.shape, expected.dtype)
    assert labels.chunks == blocks.chunks[:1]
    assert np.array_equal(labels.compute(scheduler=scheduler), expected)
    simple = blocks.map_blocks(fitted.predict, dtype=expected.dtype, drop_axis=1)
    assert np.array_equal(simple.compute(scheduler=scheduler), expected)
    probabilities = in_blocks(fitted, blocks, "predict_proba")
    expected = fitted.predict_proba(rows)
    assert (probabilities.shape, probabilities.dtype) == (expected.shape, expected.dtype)
    found = probabilities.compute(scheduler=scheduler)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_other_candidates_and_pipelines_in_blocks(rows):
    few = TABLE.select(DATA.unseen_classes[:2])
    piped = make_pipeline(StandardScaler(), make()).fit(X, Y, clasterzsl__class_embeddings=TABLE)
    blocks = da.from_array(rows, chunks=(100, -1))
    found = da.map_blocks(
        Pipeline.predict,
        dask.delayed(piped),
        blocks,
        unseen_embeddings=few,
        drop_axis=1,
        meta=few.labels[:0],
    )
    expected = piped.predict(rows, unseen_embeddings=few)
    assert np.array_equal(found.compute(scheduler=dask.get), expected)


def test_nothing_is_predicted_before_it_is_asked_for(rows, monkeypatch):
    fitted = make().fit(X, Y, TABLE)
    called = []
    monkeypatch.setattr(ClasterZSL, "predict", lambda self, rows: called.append(rows.shape))
    in_blocks(fitted, da.from_array(rows, chunks=(100, -1)))
    assert called == []


def test_one_block_is_in_memory_at_a_time(fitted):
    alive, most = set(), []

    def load(block_info):
        (first, last), _ = block_info[None]["array-location"]
        block = np.resize(DATA.data, (last - first, 8)) + first
        alive.add(first)
        most.append(len(alive))
        weakref.finalize(block, alive.discard, first)
        return block

    blocks = da.map_blocks(load, chunks=((64,) * 20, (8,)), meta=np.empty((0, 0)))
    labels = in_blocks(fitted, blocks).compute(scheduler=dask.get)
    assert len(labels) == 64 * 20
    assert len(most) == 20 and max(most) <= 2


@pytest.mark.parametrize("form", ["delayed", "scattered"])
def test_the_model_travels_once(client, n_pickled, rows, form):
    fitted = make().fit(X, Y, TABLE)
    labels = fitted.predict(rows)
    model = dask.delayed(fitted) if form == "delayed" else client.scatter(fitted, hash=False)
    blocks = da.from_array(rows, chunks=(48, -1))
    meta = labels[:0]
    found = da.map_blocks(ClasterZSL.predict, model, blocks, drop_axis=1, meta=meta).compute()
    assert np.array_equal(found, labels)
    assert blocks.numblocks[0] == 16
    # A delayed model goes by way of the scheduler, which lives in this process as well.
    assert n_pickled[ClasterModel] == {"delayed": 2, "scattered": 1}[form]
