"""The same seed gives the same model; what may touch training and what may not."""

import copy

import numpy as np
import pytest
import torch
from sklearn import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state
from small_models import (
    CENTROIDS,
    DATA,
    TABLE,
    X_UNSEEN,
    Y_UNSEEN,
    X,
    Y,
    fitted,
    identical,
    make,
    other_tables,
    weights,
)

from sklearn_claster import ClassEmbeddings
from sklearn_claster._core import model as model_module
from sklearn_claster._core.networks import CentroidSum, NetVLAD

# Tiny data: it happens, and a test of its own asks for it.
pytestmark = [
    pytest.mark.usefixtures("short_training"),
    pytest.mark.filterwarnings("ignore:.*clusters hold no training sample"),
]


# ------------------------------------------------------------------ what may touch training


@pytest.mark.parametrize("centroids", ["reinforce", "random"])
@pytest.mark.parametrize("table", [pytest.param(t, id=name) for name, t in other_tables()])
def test_classes_without_samples_never_touch_training(table, centroids):
    parameters = {"space": "seen", "centroids": centroids, "alpha": 1.0, "max_epochs": 4}
    assert identical(fitted(**parameters), make(**parameters).fit(X, Y, table))


def test_a_seen_vector_does_touch_training():
    vectors = TABLE.vectors.copy()
    vectors[np.isin(TABLE.labels, Y).argmax()] += 0.1
    changed = make(space="seen").fit(X, Y, (TABLE.labels, vectors))
    assert not identical(fitted(space="seen"), changed)


def test_unseen_embeddings_replace_the_candidates_of_the_table():
    zsl = fitted()
    later = ClassEmbeddings(["z1", "z2", "z3"], TABLE.vectors[~np.isin(TABLE.labels, Y)])
    seen_only = make().fit(X, Y, TABLE.select(DATA.seen_classes))
    assert np.array_equal(
        zsl.decision_function(X_UNSEEN), seen_only.decision_function(X_UNSEEN, later)
    )


def test_labels_are_names_only():
    """The order of the classes is the order of the sorted labels, and that is all."""
    codes = np.searchsorted(TABLE.labels, Y)
    numbered = make().fit(X, codes, dict(enumerate(TABLE.vectors)))
    assert identical(fitted(), numbered)
    expected = TABLE.labels[numbered.predict(X_UNSEEN)]
    assert np.array_equal(fitted().predict(X_UNSEEN), expected)


# ------------------------------------------------------------------ random_state


@pytest.mark.parametrize("centroids", CENTROIDS)
def test_an_int_gives_the_same_model_and_another_int_another(centroids):
    zsl = fitted(centroids=centroids)
    assert identical(zsl, fitted(centroids=centroids))
    assert identical(zsl, clone(zsl).fit(X, Y, TABLE))
    assert not identical(zsl, fitted(centroids=centroids, random_state=1))


@pytest.mark.parametrize("seed", [0, 2**31 - 1, 2**32 - 1])
def test_every_seed_of_numpy_is_a_seed(seed):
    assert identical(fitted(random_state=seed), fitted(random_state=seed))
    assert identical(fitted(random_state=seed), fitted(random_state=np.random.RandomState(seed)))


def test_a_generator_moves_on():
    rng = np.random.RandomState(3)
    first, second = fitted(random_state=rng), fitted(random_state=rng)
    assert not identical(first, second)
    assert identical(first, fitted(random_state=np.random.RandomState(3)))
    again = np.random.RandomState(3)
    zsl = make(random_state=again).fit(X, Y, TABLE)
    assert zsl.random_state is again
    assert identical(zsl.fit(X, Y, TABLE), second)


def test_refitting_forgets_the_first_fit():
    zsl = make().fit(X_UNSEEN[:, ::-1], Y_UNSEEN, TABLE)
    assert identical(zsl.fit(X, Y, TABLE), fitted())


def global_state():
    kind, keys, *rest = check_random_state(None).get_state()
    return kind, keys.tobytes(), *rest


def test_none_moves_the_global_generator_of_numpy_and_an_int_does_not():
    before = global_state()
    fitted(random_state=0).predict(X)
    assert global_state() == before
    first = fitted(random_state=None)
    assert global_state() != before
    assert not identical(first, fitted(random_state=None))
    after = global_state()
    first.predict_proba(X)
    first.transform(X)
    assert global_state() == after


@pytest.mark.parametrize("random_state", [None, 0])
@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("centroids", ["reinforce", "gradient", "netvlad", "random"])
@pytest.mark.filterwarnings("ignore:early_stopping found the best")
def test_the_global_generator_of_torch_never_moves(centroids, early_stopping, random_state):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    zsl = fitted(centroids=centroids, early_stopping=early_stopping, random_state=random_state)
    zsl.predict(X)
    zsl.transform(X)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    if random_state is not None:
        assert identical(zsl, clone(zsl).fit(X, Y, TABLE))


# ------------------------------------------------------------------------------------ precision


def test_half_precision_learns_nearly_the_same_and_predicts_in_full():
    full, half = fitted(max_epochs=4), fitted(max_epochs=4, precision="bfloat16")
    assert not identical(full, half)
    scores = [zsl.decision_function(X_UNSEEN) for zsl in (full, half)]
    assert scores[1].dtype == scores[0].dtype
    assert np.abs(scores[1] - scores[0]).max() < 0.1 * np.ptp(scores[0])
    assert all(array.dtype == np.float32 for array in weights(half).values())


def test_half_precision_is_used_where_it_is_asked_for(monkeypatch):
    seen = set()
    real = torch.nn.Linear.forward

    def forward(self, x):
        out = real(self, x)
        seen.add(out.dtype)
        return out

    monkeypatch.setattr(torch.nn.Linear, "forward", forward)
    fitted()
    assert seen == {torch.float32}
    zsl = fitted(precision="bfloat16")
    assert torch.bfloat16 in seen
    seen.clear()
    zsl.predict(X_UNSEEN.astype(np.float32))
    assert seen == {torch.float32}


@pytest.mark.parametrize("centroids", ["reinforce", "netvlad"])
def test_half_precision_leaves_the_clusters_in_full(monkeypatch, centroids):
    kind = {"reinforce": CentroidSum, "netvlad": NetVLAD}[centroids]
    found, in_full, real = [], [], kind.forward

    def forward(self, points):
        omega = real(self, points)
        found.append(omega.detach())
        with torch.autocast("cpu", enabled=False), torch.no_grad():
            in_full.append(real(self, points))
        return omega

    monkeypatch.setattr(kind, "forward", forward)
    fitted(precision="bfloat16", centroids=centroids)
    assert found
    for omega, expected in zip(found, in_full, strict=True):
        torch.testing.assert_close(omega, expected, rtol=0.0, atol=0.0)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_callers_autocast_changes_nothing(precision):
    """It would keep copies of the weights for as long as it lasts: nothing would be learnt."""
    expected = fitted(precision=precision)
    with torch.autocast("cpu", torch.bfloat16):
        inside = fitted(precision=precision)
        scores = inside.decision_function(X_UNSEEN)
    assert identical(inside, expected)
    np.testing.assert_array_equal(scores, expected.decision_function(X_UNSEEN))


def test_half_precision_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(
        "sklearn_claster._claster.resolve_device", lambda device: torch.device("mps")
    )
    with pytest.raises(ValueError, match=r"'bfloat16' is not available on MPS; expected 'float32'"):
        fitted(precision="bfloat16")


# ------------------------------------------------------------------------------ prepared once


def test_candidates_are_prepared_once_for_all_calls(monkeypatch):
    zsl, calls = fitted(), []
    real = model_module.make_candidates
    monkeypatch.setattr(
        model_module, "make_candidates", lambda *args: calls.append(len(args[1])) or real(*args)
    )
    rows = X_UNSEEN.astype(np.float32)
    expected = zsl.predict(rows)
    for start in range(0, len(rows), 5):
        np.testing.assert_array_equal(
            zsl.predict(rows[start : start + 5]), expected[start : start + 5]
        )
    assert calls == [3]
    zsl.set_params(n_neighbors=1).predict(rows)  # another rule
    zsl.set_params(space="gzsl").predict(rows)  # other candidates
    assert calls == [3, 3, 9]
    other = {"new": np.ones(4), "newer": -np.ones(4)}
    first = zsl.set_params(space="zsl").predict(rows, other)
    other["new"], other["newer"] = other["newer"], other["new"]  # the same classes, other vectors
    assert not np.array_equal(zsl.predict(rows, other), first)
    assert calls == [3, 3, 9, 2, 2]


def test_a_fitted_model_can_be_moved():
    zsl = fitted()
    shared, expected = copy.copy(zsl), zsl.decision_function(X_UNSEEN)
    assert zsl.to("cpu") is zsl and zsl.device == "cpu" and zsl.device_.type == "cpu"
    assert np.array_equal(zsl.decision_function(X_UNSEEN), expected)
    assert shared._model is not zsl._model  # a copy of the estimator keeps its own
    with pytest.raises(ValueError, match="device"):
        zsl.to("nowhere")
    with pytest.raises(NotFittedError):
        make().to("cpu")
