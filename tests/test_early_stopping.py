"""The search for the number of epochs on held-out seen classes."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import balanced_accuracy_score
from small_models import DATA, TABLE, X, Y, fitted, identical, make, other_tables

from sklearn_claster._core import learning
from sklearn_claster._core.learning import Plan

# Tiny data: it happens, and a test of its own asks for it.
pytestmark = [
    pytest.mark.usefixtures("short_training"),
    pytest.mark.filterwarnings("ignore:.*clusters hold no training sample"),
]


# ------------------------------------------------------------------ early stopping


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ([0.2, 0.7, 0.3, 0.5, 0.6, 0.1], 2),
        ([0.2, 0.3, 0.5, 0.9, 0.8, 0.1], 4),
        ([0.5, 0.5, 0.5, 0.1, 0.1, 0.1], 3),
    ],
)
@pytest.mark.parametrize("centroids", ["reinforce", "netvlad"])
def test_early_stopping_takes_the_best_epoch(accuracies, centroids, values, best):
    parameters = {"max_epochs": 6, "centroids": centroids, "alpha": 1.0}
    accuracies(*values)
    zsl = fitted(early_stopping=True, **parameters)
    assert zsl.n_iter_ == best
    assert zsl.history_.pop("validation_accuracy") == values
    assert {len(history) for history in zsl.history_.values()} == {best}
    assert identical(zsl, fitted(**{**parameters, "max_epochs": best}))
    assert not identical(zsl, fitted(**parameters))


@pytest.mark.parametrize("reinforce_steps", ["auto", 7])
@pytest.mark.parametrize("n_epochs", [1, 2, 3])
def test_a_shortened_plan_keeps_both_phases(n_epochs, reinforce_steps):
    plan = Plan.of(make(max_epochs=5, reinforce_steps=reinforce_steps), 300)
    short = plan.shortened(n_epochs)
    assert short.n_epochs == n_epochs
    assert 0 < short.n_warm_up_steps < short.n_steps
    share = n_epochs / plan.n_epochs
    assert short.n_steps == pytest.approx(plan.n_steps * share, abs=1)
    assert short.n_warm_up_steps == pytest.approx(plan.n_warm_up_steps * share, abs=1)


def test_the_search_trains_on_other_seen_classes_than_it_validates_on(monkeypatch):
    fits = []
    learn = learning.learn

    def recorded(parameters, X, y, embeddings, *rest):
        fits.append((X, y, embeddings))
        return learn(parameters, X, y, embeddings, *rest)

    monkeypatch.setattr(learning, "learn", recorded)  # as the search knows it
    zsl = fitted(early_stopping=True, max_epochs=8)
    found = zsl.history_["validation_accuracy"]
    assert len(found) == 8
    assert zsl.n_iter_ == 8 - np.argmax(found[::-1])  # the last of equals

    [(X_kept, y_kept, embeddings)] = fits
    seen = TABLE.select(DATA.seen_classes).vectors
    kept = DATA.seen_classes[[(seen == row).all(axis=1).argmax() for row in embeddings]]
    assert len(set(kept)) == len(embeddings) == 4  # of six: at least two are held out
    inside = np.isin(Y, kept)
    assert np.array_equal(X_kept, X[inside])
    assert np.array_equal(kept[y_kept], Y[inside])

    inner = make(max_epochs=8).fit(X[inside], Y[inside], TABLE.select(DATA.seen_classes))
    assert found[-1] == balanced_accuracy_score(Y[~inside], inner.predict(X[~inside]))


@pytest.mark.parametrize("early_stopping", [True, False])
def test_unseen_classes_never_touch_the_search(early_stopping, accuracies):
    changed = dict(other_tables())["changed"]
    parameters = {"early_stopping": early_stopping, "max_epochs": 8, "space": "seen"}
    one, other = fitted(**parameters), make(**parameters).fit(X, Y, changed)
    assert identical(one, other)
    assert one.history_ == other.history_


def test_a_best_last_epoch_is_reported(accuracies):
    accuracies(0.1, 0.2, 0.3)
    with pytest.warns(ConvergenceWarning, match="last of 3 epochs.*increase max_epochs"):
        zsl = fitted(early_stopping=True, max_epochs=3)
    assert zsl.n_iter_ == 3
    assert identical(zsl, fitted(max_epochs=3))


@pytest.mark.parametrize(
    ("n_classes", "with_table", "reason"),
    [(3, True, "only 3 seen classes, and it needs 4"), (6, False, "without class_embeddings")],
)
def test_early_stopping_is_skipped_where_it_cannot_work(n_classes, with_table, reason):
    rows = np.isin(Y, DATA.seen_classes[:n_classes])
    table = TABLE if with_table else None
    with pytest.warns(UserWarning, match=rf"early_stopping is skipped: .*{reason}.*max_epochs=2"):
        zsl = make(early_stopping=True).fit(X[rows], Y[rows], table)
    assert "validation_accuracy" not in zsl.history_
    assert zsl.n_iter_ == 2
    assert identical(zsl, make().fit(X[rows], Y[rows], table))


def test_early_stopping_works_from_four_classes_on(accuracies):
    accuracies(0.9, 0.1)
    rows = np.isin(Y, DATA.seen_classes[:4])
    zsl = make(early_stopping=True).fit(X[rows], Y[rows], TABLE)
    assert zsl.history_["validation_accuracy"] == [0.9, 0.1]
    assert zsl.n_iter_ == 1


@pytest.mark.filterwarnings("error:n_clusters=", "ignore:early_stopping found the best")
@pytest.mark.filterwarnings("ignore:.*clusters hold no training sample")
def test_early_stopping_does_not_warn_of_clusters_that_all_samples_suffice_for():
    zsl = fitted(early_stopping=True, n_clusters=len(X))
    assert zsl.n_clusters_ == len(X)
    with pytest.raises(UserWarning, match="is more than the"):
        fitted(early_stopping=True, n_clusters=len(X) + 1)


@pytest.mark.parametrize("dtype", [">f4", ">f8", np.longdouble, np.int32, np.float16])
def test_given_centroids_may_be_of_any_type_of_number(dtype):
    given = fitted().cluster_centers_.astype(np.float16)
    given = given.astype(dtype)
    assert identical(fitted(centroids=given), fitted(centroids=given.astype(np.float32)))


def test_early_stopping_keeps_groups_apart(monkeypatch):
    trained = []
    learn = learning.learn
    monkeypatch.setattr(
        learning, "learn", lambda p, X, *args: trained.append(X) or learn(p, X, *args)
    )
    groups = np.arange(len(Y)) % 9  # each in many classes
    with pytest.raises(ValueError, match="groups tie them together"):
        make(early_stopping=True).fit(X, Y, TABLE, groups=groups)
    across = np.arange(len(Y))
    across[[np.flatnonzero(label == Y)[0] for label in np.unique(Y)]] = -1  # one in every class
    make(early_stopping=True).fit(X, Y, TABLE, groups=across)
    plain = len(trained[-1])
    make(early_stopping=True).fit(X, Y, TABLE)
    assert plain == len(trained[-1]) - len(np.unique(Y)) + 2  # of two held-out classes none counts
