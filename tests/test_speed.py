"""The benchmark of speed: its formulas, its plain loops, its clocks, and the command."""

import json
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score
from torch.utils.flop_counter import FlopCounterMode

from sklearn_claster import ClasterZSL
from sklearn_claster._core.adam import FusedAdam
from sklearn_claster.datasets import make_zero_shot_classification

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def bench(monkeypatch):
    """Imports a module of benchmarks/, which is no package; forgets them all afterwards."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    before = set(sys.modules)
    yield __import__
    for path in (ROOT / "benchmarks").glob("*.py"):
        if path.stem not in before:
            sys.modules.pop(path.stem, None)


@pytest.fixture
def problem():
    data = make_zero_shot_classification(
        n_samples=400, n_features=12, n_seen=12, n_unseen=4, random_state=0
    )
    seen = np.isin(data.target, data.seen_classes)
    return data, seen


def counted(function):
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


@pytest.mark.parametrize("widths", [(5, 3), (5, 7, 3), (5, 7, 6, 3)])
def test_a_training_step_takes_as_many_operations(bench, widths):
    floor, net = bench("floor"), bench("bare").network(widths)
    x = torch.ones(4, widths[0])
    assert counted(lambda: net(x)) == floor.forward_flop(4, widths)
    assert counted(lambda: net(x).sum().backward()) == floor.training_flop(4, widths)
    assert sum(p.numel() for p in net.parameters()) == floor.n_parameters(widths)


@pytest.mark.parametrize("reinforce_steps", [None, 7])
def test_the_formulas_count_what_the_plain_loops_do(bench, reinforce_steps):
    floor, bare = bench("floor"), bench("bare")
    sizes = floor.Sizes(
        96, 40, 20, 8, hidden=(64, 64), batch=32, epochs=3, clusters=2, whiten=False,
        reinforce_steps=reinforce_steps,
    )  # fmt: skip
    problem = bench("problems").random_problem(sizes)
    plain = {"hidden": (64, 64), "batch": 32, "epochs": 3, "n_clusters": 2, "whiten": False}
    plain["reinforce_steps"] = reinforce_steps
    found = counted(lambda: bare.fit(problem.X, problem.y, problem.seen, **plain))
    work = floor.fit_work(sizes)
    by_formula = sum(stage.flop for name, stage in work.items() if name != "clusters")
    assert found == pytest.approx(by_formula, rel=0.02)  # distances are no products there


def test_the_least_of_the_input_space(bench):
    floor = bench("floor")
    work = floor.fit_work(floor.Sizes(10, 3, 2, 2))["input space"]
    assert work.flop64 == 27 / 3 + 27 / 3  # Cholesky, inverse
    assert work.flop == 10 * 9 + 10 * 9  # scatter, rows times a triangle
    plain = floor.fit_work(floor.Sizes(10, 3, 2, 2, whiten=False))["input space"]
    assert plain.flop == plain.flop64 == 0


def test_seconds_are_operations_and_bytes_over_rates(bench):
    floor, rates = bench("floor"), bench("rates")
    products, steps, steps_alone = {"a": 5.0, "b": 10.0}, {3: 7.0}, {3: 14.0}
    slow = rates.Rates(products, 2.0, 4.0, steps, steps_alone)
    work = floor.Work(20.0, 6.0, 8.0, {3: 2}) + floor.Work(steps={3: 1})
    assert work.optimiser_bytes == 28 * 3 * 3
    assert work.seconds(slow) == 20 / 10 + 6 / 2 + 8 / 4 + 28 * 9 / 7
    assert work.seconds(slow.alone) == 20 / 10 + 6 / 2 + 8 / 4 + 28 * 9 / 14
    assert slow.mean(slow) == slow
    one, three = (rates.Rates({"a": x}, x, x, {5: x}, {5: 2 * x}) for x in (1.0, 3.0))
    assert one.mean(three) == rates.Rates({"a": 2.0}, 2.0, 2.0, {5: 2.0}, {5: 4.0})


def test_between_is_called_before_each_call_and_does_not_count(bench):
    calls = []
    timer = bench("timing").Timer(budget=0.0)

    def between():
        calls.append("-")
        time.sleep(0.01)

    taken = timer.typical(lambda: calls.append("step"), 3, between)
    assert calls == ["step"] + 3 * ["-", "step"] and taken < 0.01


def test_steps_are_those_of_the_estimator(bench, problem):
    data, seen = problem
    X, y = data.data[seen], data.target[seen]
    sizes = bench("floor").Sizes(len(X), X.shape[1], 1, 12, batch=20, epochs=3)
    model = ClasterZSL(
        2, hidden_layer_sizes=(4,), max_epochs=3, batch_size=20, device="cpu", random_state=0
    )
    steps = []
    step = FusedAdam.step

    def counting(self, *args, **kwargs):
        steps.append(1)
        return step(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FusedAdam, "step", counting)
        model.fit(X, y, data.class_embeddings)
    assert len(steps) == sizes.projector_steps + 10 * sizes.steps_an_epoch + sizes.classifier_steps
    assert all(a > 0 for widths in sizes.widths.values() for a, _ in pairwise(widths))


def test_plain_predict_agrees_with_the_estimator(bench, problem):
    data, seen = problem
    bare = bench("bare")
    for change in ({}, {"whiten": False}, {"linear_shortcut": False}):
        model = ClasterZSL(hidden_layer_sizes=(32,), random_state=0, device="cpu", **change)
        model.fit(data.data[seen], data.target[seen], data.class_embeddings)
        labels, vectors = model.candidates()
        X_new = data.data[~seen].astype(np.float32)
        own = model.predict(X_new)
        plain = labels[bare.predict(bare.constants(model), X_new, vectors)]
        assert np.mean(own == plain) > 0.99  # equal scores aside


def test_plain_fit_learns(bench, problem):
    data, seen = problem
    bare = bench("bare")
    X, y = data.data[seen].astype(np.float32), data.target[seen]
    model = ClasterZSL(hidden_layer_sizes=(32,), batch_size=16, random_state=0, device="cpu")
    model.fit(X, y, data.class_embeddings)
    seen_vectors = data.class_embeddings.select(model.classes_).vectors
    codes = np.searchsorted(model.classes_, y)
    state = torch.get_rng_state()
    plain = bare.fit(X, codes, seen_vectors, hidden=(32,), batch=16)
    assert torch.equal(torch.get_rng_state(), state)
    labels, vectors = model.candidates()
    X_new, y_new = data.data[~seen].astype(np.float32), data.target[~seen]
    accuracy = accuracy_score(y_new, labels[bare.predict(plain, X_new, vectors)])
    assert min(accuracy, model.score(X_new, y_new)) > 0.6  # chance is 0.25


def test_stages_are_timed_and_put_back(bench, problem, monkeypatch):
    data, seen = problem
    stages, timing = bench("stages"), bench("timing")
    monkeypatch.setitem(stages.NAMES, "gone", ["no_such_function", "NoClass.method"])
    module = __import__(stages.WHERE, fromlist=["_"])
    before = dict(vars(module))
    timer = timing.Timer()
    with stages.watched(timer) as watch:
        model = ClasterZSL(2, hidden_layer_sizes=(8,), max_epochs=2, random_state=0, device="cpu")
        whole = timer.seconds(model.fit, data.data[seen], data.target[seen], data.class_embeddings)
    assert dict(vars(module)) == before
    assert "gone" not in watch.seconds
    assert {"a'", "phi", "V"} <= set(watch.seconds)
    assert 0.5 * whole < sum(watch.seconds.values()) <= whole


def test_time_inside_another_stage_counts_once(bench):
    stages, timing = bench("stages"), bench("timing")
    watch = stages.Watch(timing.Timer())
    with watch.stage("outer"), watch.stage("inner"):
        time.sleep(0.05)
    assert watch.seconds["outer"] < 0.04 < watch.seconds["inner"]


def test_threads_are_put_back(bench):
    before = torch.get_num_threads()
    with bench("timing").threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_of_memory(bench):
    with bench("memory").peak_bytes() as peak:
        held = np.ones(2**23)
        time.sleep(0.05)
        del held
    assert 60 * 2**20 < peak[0] < 120 * 2**20


def test_cells(bench):
    cell = bench("pages_speed").cell
    assert cell([2.0, 1.0, 40.0]) == "2.00 (1.00 to 40.0)"
    assert cell([0.5]) == "0.500" and cell(12345.6) == "12,346"
    assert cell(None) == "" and cell(float("nan")) == "" and cell(0.0) == "0"


@pytest.mark.slow
def test_the_command(bench, tmp_path, monkeypatch, capsys):
    """Tiny sizes through the same code, some studies after the others."""
    script = ROOT / "benchmarks" / "speed.py"

    def run(*words):
        words = ["--quick", "--runs", "2", "--device", "cpu", "--threads", "1", *words]
        monkeypatch.setattr(sys, "argv", [str(script), *words, "--output", str(tmp_path)])
        bench("speed").main()
        return (tmp_path / "speed.md").read_text("utf-8")

    run("--only", "rates", "fit", "paper", "precision")
    text = run("--only", "small", "predict", "fit", "others")
    rows = [json.loads(x) for x in (tmp_path / "speed.jsonl").read_text("utf-8").splitlines()]
    studies = {"rates", "fit", "paper", "precision", "small", "predict", "others"}
    assert {row["study"] for row in rows} == studies
    assert {row["runs"] for row in rows if row["study"] == "paper"} == {1}
    steps = [row for row in rows if row["study"] == "precision"]
    assert len({row["label"] for row in steps}) == 2  # there are only so many rows: one batch
    assert all(w > s for row in steps for w, s in zip(row["whole"], row["seconds"], strict=True))
    assert all(0.0 < share < 1.0 for row in steps for share in row["of_floor"])
    whole = [row for row in rows if (row["study"], row["label"]) == ("fit", "whole")]
    assert len(whole) == 1 and len(whole[0]["ratio"]) == 2 and min(whole[0]["ratio"]) > 1.0
    assert whole[0]["versions"]["torch"] == torch.__version__
    assert "Not measured yet on a GPU" in text and str(tmp_path) not in text
    assert run("--pages-only") == text
    assert "fit: 8 rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["--device", "cuda"], ["--clock", "processor", "--threads", "2"], ["--only", "x"]]
)
def test_the_command_refuses(bench, words, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["speed.py", *words])
    with pytest.raises(SystemExit):
        bench("speed").main()
    assert "error" in capsys.readouterr().err
