"""How long each network is trained, and what training warns of or refuses."""

import dataclasses
import math
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from sklearn import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from small_models import CENTROIDS, TABLE, X_UNSEEN, X, Y, agree, fitted, identical, make

from sklearn_claster import ClassEmbeddings, ClasterZSL
from sklearn_claster._core import learning
from sklearn_claster._core.learning import Plan, hidden_widths
from sklearn_claster.baselines import DEM, FCLSWGAN, ERHead

# Tiny data: it happens, and a test of its own asks for it.
pytestmark = [
    pytest.mark.usefixtures("short_training"),
    pytest.mark.filterwarnings("ignore:.*clusters hold no training sample"),
]


# ------------------------------------------------------------------ budgets


@pytest.mark.parametrize(("n_classes", "n_steps"), [(2, 100), (10, 100), (20, 200), (50, 300)])
@pytest.mark.usefixtures("full_training")
def test_the_other_networks_have_the_budgets_that_are_documented(monkeypatch, n_classes, n_steps):
    budgets = []
    for name in ("fit_projector", "fit_estimator"):
        monkeypatch.setattr(learning, name, lambda *args: budgets.append(args[5]))
    table = {label: np.random.RandomState(label).normal(size=4) for label in range(n_classes)}
    labels = np.arange(100) % n_classes
    for fusion in ("concatenate", None):
        zsl = make(max_epochs=1, centroids=None, fusion=fusion)
        zsl.fit(np.random.RandomState(0).normal(size=(100, 3)), labels, table)
    assert budgets == [n_steps, 10]
    documented = " ".join(ClasterZSL.__doc__.split())
    assert "100 to 300 steps over all classes for a' (ten per class, larger" in documented
    assert "10 epochs for phi" in documented


@pytest.mark.parametrize(
    ("batch_size", "n_samples", "rows"),
    [
        ("auto", 1, 8),
        ("auto", 80, 8),
        ("auto", 90, 9),
        ("auto", 320, 32),
        ("auto", 1024, 32),
        ("auto", 1056, 33),
        ("auto", 8192, 256),
        ("auto", 10**7, 256),
        (1, 100, 1),
        (64, 100, 64),
        (1000, 100, 1000),
    ],
)
def test_batch_size(batch_size, n_samples, rows):
    plan = Plan.of(make(batch_size=batch_size, max_epochs=5), n_samples)
    per_epoch = math.ceil(n_samples / rows)
    assert dataclasses.astuple(plan) == (rows, math.ceil(2.5 * per_epoch), 5 * per_epoch, 5)


@pytest.mark.parametrize(
    ("shape", "width"),
    [
        *[(shape, 256) for shape in ((300, 20, 15), (999, 32, 32), (1, 1, 1))],
        *[(shape, 512) for shape in ((1000, 20, 15), (300, 33, 15), (300, 20, 33), (10**6, 9, 9))],
    ],
)
def test_widths_of_layers(shape, width):
    assert hidden_widths("auto", *shape) == (width, width)
    for given in ((), [7], (4, 3, 2)):
        assert hidden_widths(given, *shape) is given


@pytest.mark.parametrize(("repeats", "width"), [(1, 256), (10, 512)])
def test_widths_of_a_fit(repeats, width):
    """By default, with vectors of 4 and of 40; the same ones as if they were named."""
    table = ClassEmbeddings(TABLE.labels, np.tile(TABLE.vectors, repeats))
    default = ClasterZSL(4, max_epochs=1, random_state=0, device="cpu")
    named = clone(default).set_params(hidden_layer_sizes=(width, width))
    assert default.hidden_layer_sizes == "auto"
    assert identical(default.fit(X, Y, table), named.fit(X, Y, table))


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [("auto", [8] * 9), (72, [72]), (500, [72]), (70, [36, 36])]
)
def test_batches_of_a_fit(updates, batch_size, sizes):
    fitted(batch_size=batch_size)
    assert [len(points) for points, _, _ in updates] == sizes


@pytest.mark.parametrize("centroids", ["reinforce", "gradient", None])
@pytest.mark.parametrize(
    ("reinforce_steps", "n_iter"), [(0, 2), (1, 3), (9, 3), (10, 4), (18, 4), ("auto", 4)]
)
def test_reinforce_steps_follow_the_warm_up(updates, reinforce_steps, n_iter, centroids):
    """Nine steps an epoch; two of the four epochs are the warm-up."""
    zsl = fitted(centroids=centroids, reinforce_steps=reinforce_steps, max_epochs=4)
    assert zsl.n_iter_ == n_iter
    expected = 18 if reinforce_steps == "auto" else reinforce_steps
    assert len(updates) == (expected if centroids == "reinforce" else 0)


def test_as_many_reinforce_steps_as_auto_takes_change_nothing():
    assert identical(fitted(max_epochs=4), fitted(max_epochs=4, reinforce_steps=18))
    assert not identical(fitted(max_epochs=4), fitted(max_epochs=4, reinforce_steps=17))


@pytest.mark.parametrize("max_epochs", [1, 2, 3])
def test_history_has_an_entry_an_epoch(max_epochs):
    zsl = fitted(max_epochs=max_epochs)
    assert set(zsl.history_) == {
        "loss",
        "seen_accuracy",
        "reward",
        "centroid_movement",
        "cluster_counts",
    }
    assert {len(values) for values in zsl.history_.values()} == {max_epochs} == {zsl.n_iter_}
    for name in ("loss", "seen_accuracy", "reward", "centroid_movement"):
        assert {type(value) for value in zsl.history_[name]} == {float}
    agree(zsl.history_["reward"], 2 * np.array(zsl.history_["seen_accuracy"]) - 1)
    assert [sum(counts) for counts in zsl.history_["cluster_counts"]] == [len(X)] * max_epochs


def test_loss_and_accuracy_are_those_of_the_training_batches(updates):
    """In the REINFORCE epochs the batches are on record."""
    zsl = fitted(max_epochs=4)
    for epoch in (2, 3):
        part = updates[9 * (epoch - 2) : 9 * (epoch - 1)]
        _, z, y = map(np.concatenate, zip(*part, strict=True))
        loss = -np.log(z[np.arange(len(y)), y]).mean()
        assert zsl.history_["loss"][epoch] == pytest.approx(loss, rel=1e-5)
        accuracy = (z.argmax(axis=1) == y).mean()
        assert zsl.history_["seen_accuracy"][epoch] == pytest.approx(accuracy, rel=1e-6)


def test_verbose_tells_the_search_for_epochs_from_the_fit(capsys):
    fitted(verbose=1, max_epochs=2, early_stopping=True)
    search, fit = [], []
    for line in capsys.readouterr().out.splitlines():
        (search if "search" in line else fit).append(line)
    assert sum("held-out accuracy 0." in line for line in search) == 2
    assert 1 <= sum("loss" in line for line in fit) <= 2
    assert not any("accuracy 0." in line and "held-out" in line for line in fit)


@pytest.mark.parametrize(
    "switch", ["no_grad", "inference_mode", "autocast", "float64", "bfloat16", "meta"]
)
@pytest.mark.parametrize(
    "model", [make(), DEM(n_steps=50), FCLSWGAN(n_steps=20), ERHead(16)], ids=repr
)
def test_settings_of_torch_around_a_fit_do_not_matter(model, switch):
    expected = clone(model).set_params(random_state=0).fit(X, Y, TABLE)
    before = torch.get_default_dtype()
    contexts = {
        "no_grad": torch.no_grad, "inference_mode": torch.inference_mode,
        "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
        "meta": lambda: torch.device("meta"),  # a default device, as "cuda" would be
    }  # fmt: skip
    try:
        if "float" in switch:
            torch.set_default_dtype(getattr(torch, switch))
        with contexts[switch]() if switch in contexts else nullcontext():
            found = clone(model).set_params(random_state=0).fit(X, Y, TABLE)
            scores = found.decision_function(X_UNSEEN)
    finally:
        torch.set_default_dtype(before)
    agree(scores, expected.decision_function(X_UNSEEN), 1e-4)
    if isinstance(model, ClasterZSL):
        assert found.history_["cluster_counts"] == expected.history_["cluster_counts"]
        agree(found.cluster_centers_, expected.cluster_centers_, 1e-4)


def test_centroids_that_are_changed_outside_change_no_model():
    zsl = fitted()
    expected = zsl.transform(X_UNSEEN)
    centroids = zsl.cluster_centers_
    centroids -= 1.0
    np.testing.assert_array_equal(zsl.transform(X_UNSEEN), expected)


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_verbose_prints_a_line_per_stage_and_epoch(verbose, capsys):
    zsl = fitted(verbose=verbose, max_epochs=3)
    lines = capsys.readouterr().out.splitlines()
    stages, epochs = lines[:-3], lines[-3:]
    assert len(lines) == (8 if verbose else 0)
    for line, stage in zip(stages, ("prior", "input", "a'", "phi", "clusters"), strict=False):
        assert line.startswith(f"[ClasterZSL] {stage}")
    for i, line in enumerate(epochs):
        assert line.startswith(f"[ClasterZSL] epoch {i + 1}: loss {zsl.history_['loss'][i]:.4f}, ")


def test_verbose_tells_of_the_gate(capsys):
    fitted(verbose=1, max_epochs=1, space="gzsl", bias_detector="learned")
    lines = capsys.readouterr().out.splitlines()
    told = [f"[ClasterZSL] gate, {fold} of 3 fits with fewer classes" for fold in (1, 2, 3)]
    assert lines[-3:] == told and "epoch 1" in lines[-4]


# ------------------------------------------------------------------ warnings and errors of training


@pytest.mark.parametrize("centroids", [c for c in CENTROIDS if c is not None])
def test_more_clusters_than_samples_are_cut_with_a_warning(centroids):
    rows = np.r_[0:3, 10:13, 20:22]
    with pytest.warns(UserWarning, match="n_clusters=9 is more than the 8 training samples; 8"):
        zsl = make(n_clusters=9, centroids=centroids).fit(X[rows], Y[rows], TABLE)
    assert zsl.n_clusters_ == len(zsl.cluster_centers_) == 8
    assert zsl.n_clusters == 9


def test_without_clusters_their_number_does_not_matter():
    rows = np.r_[0:3, 10:13, 20:22]
    make(n_clusters=9, centroids=None).fit(X[rows], Y[rows], TABLE)


def test_an_empty_cluster_is_reported():
    """Twelve rows share three places; whatever K-means makes of it, one cluster has none."""
    places = np.repeat(np.eye(3), 4, axis=0)
    with pytest.warns(ConvergenceWarning, match=r"\d of 4 clusters hold no.*Lower n_clusters\."):
        zsl = make(fusion=None).fit(places, np.repeat(["a", "b", "c"], 4))
    assert zsl.history_["cluster_counts"][-1].count(0) >= 1
    assert zsl.score(places, np.repeat(["a", "b", "c"], 4)) >= 0
    assert np.isfinite(zsl.decision_function(places)).all()


@pytest.mark.parametrize("centroids", CENTROIDS)
def test_divergence_is_an_error_that_names_the_cure(centroids):
    zsl = make(learning_rate=1e30, centroids=centroids)
    message = r"Training diverged.*Lower learning_rate=1e\+30 or raise temperature=0\.1"
    with pytest.raises(ValueError, match=message):
        zsl.fit(X, Y, TABLE)
    with pytest.raises(NotFittedError):
        zsl.predict(X)
