"""scikit-learn's fit callbacks."""

import itertools
import re

import numpy as np
import pytest
from small_models import DATA, TABLE, X_UNSEEN, Y_UNSEEN, X, Y, fitted, identical, make

from sklearn_claster import BiasDetector
from sklearn_claster._core import learning
from sklearn_claster._utils.callbacks import CallbackSupportMixin, Task

# Tiny data: it happens, and a test of its own asks for it.
pytestmark = [
    pytest.mark.usefixtures("short_training"),
    pytest.mark.filterwarnings("ignore:.*clusters hold no training sample"),
]


# ------------------------------------------------------------------ scikit-learn's callbacks


@pytest.fixture
def callback():
    pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")

    class Recorder:
        """Notes what it is told; `answer` decides what the end of an epoch returns."""

        def __init__(self, answer=lambda epoch: None):
            self.answer = answer
            self.events = []
            self.models = []

        def setup(self, estimator, context):
            self.events.append("setup")
            self.root = context

        def teardown(self, estimator, context):
            self.events.append("teardown")

        def on_fit_task_begin(self, estimator, context, *, X, y):
            self.events.append(f"begin {context.task_name}")
            self.data = X, y

        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            self.events.append(f"end {context.task_name}")
            if context.task_name == "epoch":
                self.models.append(fitted_estimator)
                return self.answer(len(self.models))
            self.last = fitted_estimator

    return Recorder


def told(name, *parts):
    """The events of a part and of what it consists of."""
    inside = [told(part) if isinstance(part, str) else told(*part) for part in parts]
    return [f"begin {name}", *itertools.chain(*inside), f"end {name}"]


def test_callbacks_are_told_of_every_stage_and_epoch(callback):
    recorder = callback()
    zsl = make(max_epochs=3).set_callbacks(recorder).fit(X, Y, TABLE)
    phi, epochs = ["epoch of phi"] * learning.ESTIMATOR_EPOCHS, ["epoch"] * 3
    stages = ["prior and temperature", "input space", "a'", ("phi", *phi), "clusters"]
    expected = ["setup", *told("fit", *stages, ("V", *epochs)), "teardown"]
    assert recorder.events == expected
    assert np.array_equal(recorder.data[0], X)
    assert np.array_equal(recorder.data[1], Y)
    assert identical(zsl, fitted(max_epochs=3))
    assert zsl.fit(X, Y, TABLE) is zsl
    assert recorder.events == 2 * expected
    assert not [name for name in vars(zsl) if "context" in name or "ctx" in name]


def test_callbacks_get_a_fitted_estimator_that_stays_as_it_is(callback, stopped):
    recorder = callback()
    zsl = make(max_epochs=4, alpha=1.0).set_callbacks(recorder).fit(X, Y, TABLE)
    for i, model in enumerate(recorder.models):
        expected = stopped(i + 1, max_epochs=4, alpha=1.0)
        assert identical(model, expected)
        assert model.history_ == expected.history_
        assert model.n_iter_ == i + 1
        assert model.get_params() == zsl.get_params()
        assert model.classes_.tolist() == zsl.classes_.tolist()
        assert set(model.predict(X_UNSEEN)) <= set(DATA.unseen_classes)
        assert 0 <= model.score(X_UNSEEN, Y_UNSEEN) <= 1
    assert identical(recorder.last, zsl)


def test_an_estimator_in_a_callback_knows_of_no_earlier_fit(callback):
    recorder = callback()
    zsl = make().fit(X_UNSEEN, Y_UNSEEN, TABLE)
    zsl.set_callbacks(recorder).fit(X, Y, TABLE)
    assert recorder.models[0].unseen_classes_.tolist() == DATA.unseen_classes.tolist()
    assert recorder.models[0].n_iter_ == 1


@pytest.mark.parametrize("answer", [True, np.True_])
def test_a_callback_can_stop_the_training(callback, stopped, answer):
    recorder = callback(lambda epoch: answer if epoch == 2 else None)
    zsl = make(max_epochs=5).set_callbacks(recorder).fit(X, Y, TABLE)
    assert zsl.n_iter_ == len(zsl.history_["loss"]) == len(recorder.models) == 2
    assert recorder.events[-2:] == ["end fit", "teardown"]
    assert identical(zsl, stopped(2, max_epochs=5))


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("fitted_before", [True, False])
def test_an_interruption_tears_down_and_leaves_the_estimator_as_it_was(
    callback, fitted_before, error
):
    def interrupt(epoch):
        raise error("stop")

    recorder = callback(interrupt)
    zsl = make(max_epochs=3)
    if fitted_before:
        zsl.fit(X, Y, TABLE)
    zsl.set_callbacks(recorder)
    before = {**vars(zsl)}
    with pytest.raises(error, match="stop"):
        zsl.fit(X_UNSEEN[:, :3], Y_UNSEEN, TABLE)
    assert recorder.events[-3:] == ["begin epoch", "end epoch", "teardown"]
    assert vars(zsl).keys() == before.keys()
    assert all(vars(zsl)[name] is before[name] for name in before)
    if fitted_before:
        assert identical(zsl, fitted(max_epochs=3))
    recorder.answer = lambda epoch: None
    assert identical(zsl.fit(X, Y, TABLE), fitted(max_epochs=3))


def test_callbacks_with_early_stopping_see_the_refit_only(callback, accuracies):
    accuracies(0.1, 0.6, 0.2)
    recorder = callback()
    zsl = make(max_epochs=3, early_stopping=True).set_callbacks(recorder).fit(X, Y, TABLE)
    assert zsl.n_iter_ == len(recorder.models) == 2
    assert recorder.last.history_["validation_accuracy"] == [0.1, 0.6, 0.2]


def test_scoring_monitor():
    monitors = pytest.importorskip("sklearn.callback", reason="from scikit-learn 1.9 on")
    monitor = monitors.ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    zsl = make(max_epochs=3, space="seen", inference="compatibility")
    zsl.set_callbacks(monitor).fit(X, Y, TABLE)
    log = monitor.get_logs().data
    epochs = [row for row in log if row["task_name"] == "epoch"]
    assert [row["task_id"] for row in epochs] == [0, 1, 2]
    assert epochs[-1]["accuracy"] == zsl.score(X, Y)
    assert epochs[0]["neg_log_loss"] < epochs[-1]["neg_log_loss"] < 0


def test_epochs_are_scored_without_the_gate_that_comes_after_them():
    monitors = pytest.importorskip("sklearn.callback", reason="from scikit-learn 1.9 on")
    logs = []
    for detector in (None, BiasDetector()):
        monitor = monitors.ScoringMonitor(scoring="accuracy")
        zsl = make(space="gzsl", bias_detector=detector, max_epochs=3).set_callbacks(monitor)
        zsl.fit(X, Y, TABLE)
        log = monitor.get_logs().data
        logs.append([row["accuracy"] for row in log if row["task_name"] == "epoch"])
        assert log[-1]["accuracy"] == zsl.score(X, Y)
    assert logs[0] == logs[1] and len(logs[0]) == 3


def test_callbacks_do_not_see_the_folds_of_a_gate(callback):
    recorder = callback()
    zsl = make(space="gzsl", bias_detector=BiasDetector()).set_callbacks(recorder)
    zsl.fit(X, Y, TABLE)
    assert recorder.events.count("begin fit") == recorder.events.count("setup") == 1
    assert len(recorder.models) == zsl.n_iter_


@pytest.mark.parametrize("detector", [None, "stacking", BiasDetector()], ids=str)
def test_callbacks_get_the_gate_at_the_end_of_fit(callback, detector):
    recorder = callback()
    zsl = make(space="gzsl", bias_detector=detector).set_callbacks(recorder).fit(X, Y, TABLE)
    assert recorder.events[-2:] == ["end fit", "teardown"]
    assert recorder.last.gate_threshold_ == zsl.gate_threshold_
    assert np.array_equal(recorder.last.predict(X_UNSEEN), zsl.predict(X_UNSEEN))
    assert not [name for name in vars(zsl) if "hooks" in name]


def test_a_gate_that_fails_is_no_end_of_fit(callback, monkeypatch):
    def fail(*args):
        raise RuntimeError("stop")

    monkeypatch.setattr("sklearn_claster._gate.fitting.hold_out_classes", fail)
    recorder = callback()
    with pytest.raises(RuntimeError, match="stop"):
        make(space="gzsl", bias_detector="stacking").set_callbacks(recorder).fit(X, Y, TABLE)
    assert recorder.events[-2:] == ["begin gate", "teardown"]


def test_before_scikit_learn_has_callbacks_nobody_is_told():
    fit = Task.of_fit(object(), X, Y, 3)
    with fit.begin("stage", 2).handed_to(make()):
        assert not fit.end(pytest.fail)


def test_before_scikit_learn_has_callbacks_a_gate_is_fitted(monkeypatch):
    monkeypatch.delattr(CallbackSupportMixin, "set_callbacks", raising=False)
    assert make(space="gzsl", bias_detector=BiasDetector()).fit(X, Y, TABLE).gate_threshold_


WHOLE = {"space": "gzsl", "bias_detector": BiasDetector(), "early_stopping": True}


def share_done(root, ended):
    """What scikit-learn's progress bar shows: a part counts as the mean of its own parts."""
    if root in ended:
        return 1.0
    parts = root._children_map.values()
    return sum(share_done(part, ended) for part in parts) / root.max_subtasks if parts else 0.0


@pytest.mark.parametrize(
    "parameters",
    [{}, {"fusion": None}, {"early_stopping": True}, {"centroids": None}, WHOLE],
    ids=["plain", "no semantics", "early stopping", "no clusters", "whole"],
)
def test_the_bar_covers_all_of_the_fit_and_ends_with_it(callback, parameters):
    recorder, ended, shares = callback(), set(), []

    def end(estimator, context):
        ended.add(context)
        shares.append(share_done(recorder.root, ended))

    recorder.max_propagation_depth = 1  # as a progress bar: folds of a gate tell it, too
    recorder.on_fit_task_end = end
    make(max_epochs=4, **parameters).set_callbacks(recorder).fit(X, Y, TABLE)
    assert shares == sorted(shares) and shares[-1] == 1.0
    n_parts = recorder.root.max_subtasks
    assert len(recorder.root._children_map) == n_parts - 1  # the last one is the end of fit
    assert shares[-2] == pytest.approx(1 - 1 / n_parts)
    steps = np.diff(shares)
    assert steps.max() <= 1 / n_parts + 1e-9
    if parameters is WHOLE:
        assert recorder.events.count("setup") == recorder.events.count("teardown") == 1
        assert recorder.events.count("begin fit") == 4  # and three folds of the gate
        assert recorder.events.count("begin search epoch") == 16


@pytest.mark.parametrize("parameters", [{}, WHOLE], ids=["plain", "whole"])
def test_progress_bar(capfd, parameters):
    callbacks = pytest.importorskip("sklearn.callback", reason="from scikit-learn 1.9 on")
    pytest.importorskip("rich", reason="ProgressBar needs rich")
    zsl = make(**parameters).set_callbacks(callbacks.ProgressBar()).fit(X, Y, TABLE)
    bars = re.findall(r"ClasterZSL - ([^#]*?)(?: #\d+)? .*?(\d+)%", capfd.readouterr().out)
    assert {share for _, share in bars} == {"100"}
    names = {name for name, _ in bars}
    assert names >= {"fit", "phi", "V"} and (not parameters or names >= {"gate", "search"})
    assert identical(zsl, fitted(**parameters))
