"""The benchmarks: they run from the command line, and their rows and pages are honest."""

import ast
import gc
import mmap
import re
import sys
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.io import savemat
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import ParameterGrid
from torch.utils.flop_counter import FlopCounterMode

from sklearn_claster import ClasterZSL, baselines
from sklearn_claster._core.held_out import choose
from sklearn_claster._core.input_space import InputSpace
from sklearn_claster.datasets import make_zero_shot_classification
from sklearn_claster.metrics import mean_per_class_accuracy

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
def runner(bench, tiny, tmp_path, monkeypatch, capsys):
    """Runs run.py in this process: what it wrote to stderr, and its rows.

    ClasterZSL is small there, and two methods are tuned with few combinations.
    """
    methods = bench("methods")
    small = partial(ClasterZSL, 2, max_epochs=1, hidden_layer_sizes=(4,))
    monkeypatch.setattr(methods, "ClasterZSL", small)
    monkeypatch.setitem(methods.METHODS, "ClasterZSL", {"temperature": [0.1, 1.0]})
    monkeypatch.setitem(methods.METHODS, "ESZSL", {"gamma": [0.1, 10.0]})

    def call(*words, data=tiny):
        words = [*map(str, words), "--data", str(data), "--output", str(tmp_path / "out")]
        words += ["--datasets", "tiny", "--methods", "ClasterZSL", "ESZSL"]
        monkeypatch.setattr(sys, "argv", ["run.py", *words])
        bench("run").main()
        rows = bench("rows").read_rows(tmp_path / "out" / "rows.csv.gz")
        return capsys.readouterr().err, list(rows.values())

    return call


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder with tiny.npz: 12 classes, two kinds of class vectors, a repeated class split."""
    folder = tmp_path_factory.mktemp("data")
    write_tiny(folder / "tiny.npz")
    return folder


def write_tiny(path, change=lambda arrays: None):
    made = make_zero_shot_classification(
        n_samples=240, n_features=8, n_seen=9, n_unseen=3, n_embedding_features=5, random_state=0
    )
    labels, vectors = made.class_embeddings.labels, made.class_embeddings.vectors
    test = np.array([[0, 1, 2], [2, 1, 0], [3, 4, 5], [6, 7, 11]])
    arrays = {
        "X": made.data,
        "y": np.searchsorted(labels, made.target),
        "class_names": labels,
        "attributes": vectors,
        "doubled": np.hstack([vectors, vectors]).astype(np.float32),
        "split_train": np.stack([np.setdiff1d(np.arange(12), row) for row in test]),
        "split_test": test,
    }
    change(arrays)
    np.savez(path, **arrays)


def test_finished_rows_are_kept_and_those_of_other_code_made_anew(runner, bench, monkeypatch):
    words = ("methods", "--embeddings", "attributes", "--splits")
    said, first = runner(*words, 1)
    assert "validation: 4 rows to compute" in said
    n_rows = int(re.search(r"methods: ([23]) rows to compute", said)[1])  # the default may be best
    assert f"[{n_rows}/{n_rows}] about 0 min left | tiny attributes split 0 zsl" in said
    said, second = runner(*words, 2)
    assert "validation: 0 rows to compute" in said
    assert len(second) == len(first) + n_rows
    monkeypatch.setattr(bench("rows"), "code", lambda: "other")
    said, third = runner(*words, 2)
    assert f"methods: {2 * n_rows} rows to compute" in said
    assert [row["code"] for row in third] == ["other"] * len(second)


def test_a_row_says_enough_to_get_its_figure_again(runner, bench, tiny, tmp_path):
    _, rows = runner("methods", "--embeddings", "attributes", "doubled", "--splits", 2)
    tests = [row for row in rows if row["kind"] == "test"]
    assert {row["embedding"] for row in tests} == {"attributes", "doubled"}
    for row in tests:
        source = tiny / "tiny.npz"
        problem = bench("data").load_problem(source, row["embedding"], row["split"])
        model = bench("methods").build(row["method"], row["changes"], row["split"])
        model.fit(problem.X_seen, problem.y_seen, problem.seen)
        y_pred = model.predict(problem.X_unseen, unseen_embeddings=problem.unseen)
        expected = mean_per_class_accuracy(problem.y_unseen, y_pred)
        assert row["accuracy"] == pytest.approx(expected, abs=1e-12)
        assert f"numpy {np.__version__}" in row["versions"] and row["fit_seconds"] > 0
    page = (tmp_path / "out" / "zero_shot.md").read_text("utf-8")
    assert "| tiny, attributes | " in page and str(tmp_path) not in page
    runner("generalized", "--embeddings", "attributes", "--splits", 1)  # one of the two kinds
    page = (tmp_path / "out" / "zero_shot.md").read_text("utf-8")
    assert "| tiny, doubled | " in page and "## Table 3" in page


def test_words_are_no_change_of_the_code(bench):
    def tree(source):
        return ast.dump(bench("rows").without_docstrings(source))

    plain = tree("def f(x):\n    return x + 1\n")
    assert tree('"""A module."""\ndef f( x ):\n    """More."""\n    return x + 1  # one\n') == plain
    assert tree("def f(x):\n    return x + 2\n") != plain


def test_nothing_of_unseen_classes_enters_the_choice(runner, tmp_path):
    def change(arrays):
        unseen = arrays["split_test"][0]
        rows = np.isin(arrays["y"], unseen)
        arrays["X"], arrays["attributes"] = arrays["X"].copy(), arrays["attributes"].copy()
        arrays["X"][rows] = np.random.default_rng(0).normal(size=arrays["X"][rows].shape)
        arrays["attributes"][unseen] += 7.0

    words = ("methods", "--embeddings", "attributes", "--splits", 1)
    _, rows = runner(*words)
    write_tiny(tmp_path / "tiny.npz", change)
    _, others = runner(*words, data=tmp_path / "tiny.npz")
    assert {row["data"] for row in others}.isdisjoint(row["data"] for row in rows)
    for name, same in (("validation", True), ("accuracy", False)):
        before, after = ([row[name] for row in part] for part in (rows, others))
        assert np.array_equal(before, after, equal_nan=True) is same


def test_generalized_rows_and_clusters(runner, bench, monkeypatch):
    monkeypatch.delitem(bench("studies").ABLATION, "CLASTER w/o SE")
    _, rows = runner("generalized", "ablation", "--embeddings", "attributes", "--splits", 1)
    generalized = [row for row in rows if row["kind"] == "test" and row["setting"] == "gzsl"]
    assert {row["method"] for row in generalized} == {"ClasterZSL", "ESZSL"}
    for row in generalized:
        h = 2 * row["seen"] * row["unseen"] / max(row["seen"] + row["unseen"], 1e-9)
        assert row["harmonic_mean"] == pytest.approx(h) and 0 <= row["ausuc"] <= 1
    by_changes = {str(row["changes"]): row for row in rows if row["setting"] == "zsl"}
    assert np.isnan(by_changes["{'centroids': None}"]["class_purity"])
    assert by_changes["{}"]["accuracy"] == by_changes["{}"]["combined"]  # its own rule
    assert 0 < by_changes["{}"]["unseen_class_purity"] <= 1


def test_one_space_and_unlabelled_samples(runner, bench, tmp_path):
    def change(arrays):
        sums = np.zeros((12, 8))
        np.add.at(sums, arrays["y"], arrays["X"])
        arrays["means"] = sums / 20.0

    write_tiny(tmp_path / "tiny.npz", change)
    words = ("in_use", "probabilities", "--embeddings", "attributes", "means", "--splits", 2)
    _, rows = runner(*words, data=tmp_path / "tiny.npz")
    methods = bench("studies").SIMPLE
    assert len(rows) == 2 * (4 + len(methods))
    rows = pd.DataFrame(rows).set_index(["embedding", "method", "split"]).sort_index()
    table, sure = (rows[rows["kind"] == kind] for kind in ("in_use", "probabilities"))
    assert table["shared"].loc["means", "ClasterZSL"].tolist() == [1.0, 1.0]
    before, after = (
        table[f"all, {when}"].loc["means", "CosineZSL"] for when in ("before", "after")
    )
    assert before.tolist() == table["accuracy"].loc["means", "CosineZSL"].tolist()
    assert after.between(0, 1).all()
    own = table.loc[("means", "ClasterZSL")]
    assert np.allclose(sure["calibration"], table.loc[sure.index, "calibration"], atol=1e-4)
    for promised in (0.8, 0.9, 0.95):
        assert sure[f"zsl {promised}"].between(0, 1).all()
        assert sure[f"zsl {promised} size"].between(1, 3).all()
    one_space, pools = (
        (tmp_path / "out" / name).read_text("utf-8")
        for name in ("one_space.md", "unlabelled_samples.md")
    )
    gain = 100 * (own["accuracy"] - table.loc[("means", "CosineZSL"), "accuracy"])
    shown = f"({gain.mean():+.1f} ± {gain.std():.1f}; {gain.min():+.1f})"
    assert f"| tiny, means | ClasterZSL | {100 * own['accuracy'].mean():.1f} " in one_space
    assert shown in one_space and "tiny, attributes | CosineZSL" not in one_space
    gain = 100 * (own["90 % seen, after"] - own["90 % seen, before"])
    assert f"({gain.mean():+.1f} ± {gain.std():.1f})" in pools


def test_pools(bench):
    in_use = bench("in_use")
    y = np.repeat(np.arange(6), 10)
    sizes = {}
    for name in in_use.POOLS:
        own, foreign = in_use.draw_pool(name, y, 20, 0)
        assert len(np.unique(own)) == len(own) and len(np.unique(foreign)) == len(foreign)
        sizes[name] = np.bincount(y[own], minlength=6).tolist(), len(foreign)
    assert sizes["all"] == ([10] * 6, 0) and sizes["three each"] == ([3] * 6, 0)
    assert sorted(sizes["half absent"][0]) == [0, 0, 0, 10, 10, 10]
    assert max(sizes["unequal"][0]) == 10 > min(sizes["unequal"][0])
    for name, (own, foreign) in sizes.items():
        share = in_use.FOREIGN.get(name, 0.0)
        assert foreign / (sum(own) + foreign) == pytest.approx(share, abs=0.02)
    parts = in_use.nine_to_one(np.arange(50), np.arange(100, 103))
    assert [len(part) for part in parts] == [27, 3]


def test_the_best_combination_and_the_best_baseline_are_those_of_validation(bench, monkeypatch):
    studies, rows = bench("studies"), bench("rows")
    case = studies.Case("tiny", "", "attributes", False, (0, 1, "truze"))
    plan = studies.Plan((case,), methods=("ClasterZSL", "ESZSL", "SAE"))
    grids = {"ClasterZSL": {"alpha": [1.0, 2.0]}, "ESZSL": {"gamma": [5.0, 7.0]}, "SAE": {}}
    for name, grid in grids.items():
        monkeypatch.setitem(bench("methods").METHODS, name, grid)

    def by_key(scores):
        found = {}
        for method, values in scores.items():
            tasks = studies.validation_tasks(plan, method, case, 1)
            for task, value in zip(tasks, values, strict=True):
                assert task["split"] == 0  # tuned once for all numbered splits
                found[rows.key(task)] = task | {"validation": value}
        return found

    known = by_key({"ClasterZSL": [0.2, 0.9], "ESZSL": [0.6, 0.6], "SAE": [0.5]})
    assert studies.chosen(plan, known, "ClasterZSL", case, 1) == ({"alpha": 2.0}, 0.9)
    assert studies.chosen(plan, known, "ESZSL", case, 1) == ({"gamma": 5.0}, 0.6)
    assert studies.selected_baseline(plan, known, case, 1) == "ESZSL"
    assert studies.selected_baseline(plan, by_key({"ESZSL": [1, 1]}), case, 1) is None
    assert studies.validation_tasks(plan, "SAE", case, "truze")[0]["split"] == "truze"


def test_the_registry(bench):
    methods, case = bench("methods"), partial(bench("studies").Case, "tiny", "", "attributes")
    assert {"ClasterZSL", *methods.BASELINES} == {"ClasterZSL", *baselines.__all__}
    assert all(len(ParameterGrid(grid)) <= methods.BUDGET for grid in methods.METHODS.values())
    defaults = ClasterZSL().get_params()
    assert all(defaults[name] in values for name, values in methods.GRIDS["ClasterZSL"].items())
    assert not case(binary=False, splits=(), one_space=True).takes("DAP")
    assert not case(binary=True, splits=(), one_space=False).takes("RLA")


def test_one_failure_does_not_end_the_run(runner, bench, monkeypatch, tmp_path):
    def fails(task, problem, seed):
        if task["method"] == "ESZSL":
            raise RuntimeError("no luck")
        return {"validation": 0.5, "fit_seconds": 0.0}

    monkeypatch.setattr(bench("measure"), "validation", fails)
    with pytest.raises(SystemExit, match=r"2 rows failed:\n.*ESZSL.*RuntimeError: no luck"):
        runner("methods", "--embeddings", "attributes", "--splits", 1)
    table = pd.read_csv(tmp_path / "out" / "rows.csv.gz")
    assert set(table["method"]) == {"ClasterZSL"}  # ESZSL is not tuned, so not tested


@pytest.mark.parametrize(
    ("script", "words", "message"),
    [
        ("run", ["--datasets", "nowhere"], "There is no data set nowhere"),
        ("run", ["--data", "nowhere.npz"], "Name .npz files or folders with --data"),
        ("run", ["tables"], "invalid choice: 'tables'"),
        ("run", ["--methods", "SVM"], "invalid choice: 'SVM'"),
        ("run", ["--embeddings", "colour"], "No data set has these class vectors"),
        ("bench", ["floor"], "invalid choice: 'floor'"),
    ],
)
def test_wrong_arguments_say_the_cure(script, words, message, tiny, bench, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    data = [] if "--data" in words or script == "bench" else ["--data", str(tiny)]
    monkeypatch.setattr(sys, "argv", [f"{script}.py", *words, *data])
    with pytest.raises(SystemExit) as stop:
        bench(script).main()
    assert message in f"{stop.value}{capsys.readouterr().err}"


def test_the_pages_show_the_table_that_is_kept(bench, monkeypatch, tmp_path):
    """Pages and table come together: neither is edited alone."""
    source = ROOT / "benchmarks" / "results" / "rows.csv.gz"
    assert source.stat().st_size < 500_000
    run = bench("run")
    monkeypatch.setattr(run, "outputs", lambda args: (source, tmp_path))
    words = ["methods", "ablation", "in_use", "probabilities", "--pages-only"]
    monkeypatch.setattr(sys, "argv", ["run.py", *words])
    run.main()
    pages = ("zero_shot.md", "ablation.md", "one_space.md", "unlabelled_samples.md")
    for name in (*pages, *(page.replace(".md", ".csv") for page in pages)):
        shown = (ROOT / "docs" / "results" / name).read_text("utf-8")
        assert (tmp_path / name).read_text("utf-8") == shown


def test_arithmetic(bench):
    pages = bench("pages")
    # 10, 20 and 30 points: mean 20, standard deviation 10, so the half width of the interval is
    # t(0.975; 2) * 10 / sqrt(3) = 4.3027 * 5.7735 = 24.84.
    assert pages.difference(pd.Series([0.1, 0.2, 0.3])) == "+20.0 [-4.8, +44.8]"
    assert pages.difference(pd.Series([-0.25, np.nan])) == "-25.0"
    assert pages.mean_and_spread(pd.Series([0.5, 0.6, 0.7])) == "60.0 ± 10.0"
    assert pages.mean_and_spread(pd.Series([], dtype=float)) == ""
    found = pd.DataFrame({"case": "one", "split": [0, 1, 0], "label": ["a", "a", "b"]})
    found["accuracy"] = [0.5, 0.9, 0.4]  # split 1 has no partner
    line = pages.summary_of(found, ["accuracy"], "b").iloc[0]
    assert line[:4].tolist() == ["one", "a", "accuracy", 2] and line["mean"] == 70.0
    assert line["minus b"] == 10.0 and np.isnan(line["from"])
    table = pd.DataFrame({"one": ["+10.0"]}, index=pd.Index(["a"], name="label"))
    assert pages.markdown(table) == "| label | one |\n|---|---:|\n| a | +10.0 |"


def test_the_papers_figures_stand_beside_ours(bench):
    pages = bench("pages")
    methods = pd.DataFrame({"ours": 4 * [""]}, index=["ClasterZSL", "ESZSL", "ERHead", "ClassGCN"])
    column = pages.beside_paper(methods, "table_2_zsl")[pages.OF_PAPER]
    assert list(column) == ["W 46.7 ± 5.4", "", "ED 51.8 ± 2.9", "W 43.0 ± 4.9"]
    column = pages.beside_paper(methods, "table_4_truze")[pages.OF_PAPER]
    assert list(column) == ["45.8; H 47.3", "", "", ""]
    variants = pd.DataFrame(index=list(bench("studies").ABLATION))
    column = pages.beside_paper(variants, "table_1")[pages.OF_PAPER]
    assert sorted(column) == sorted(pages.printed_table("table_1")["UCF101"])


def test_splits_of_a_file(tiny, bench):
    data, source = bench("data"), tiny / "tiny.npz"
    assert list(data.tables_of(source)) == ["attributes", "doubled"]
    assert data.splits_of(source) == [0, 1, 2]  # the second line repeats the first
    problems = [data.load_problem(source, "doubled", split) for split in range(3)]
    assert [p.unseen.labels.tolist() for p in problems] == [
        [f"class_{code:02d}" for code in codes] for codes in ([0, 1, 2], [3, 4, 5], [6, 7, 11])
    ]
    assert_whole_classes(problems, 240)
    few = problems[0].thin(5, 0)
    assert np.unique(few.y_seen, return_counts=True)[1].tolist() == [5] * 9


def test_splits_of_digit_pairs(bench):
    load = bench("data").load_problem
    problems = [load("digit_pairs", "one_hot_digits", split) for split in range(2)]
    assert_whole_classes(problems, 3000)
    assert not np.array_equal(problems[0].X_seen, problems[1].X_seen)


def test_a_fifth_of_each_seen_class_is_held_out(bench, tiny):
    data, source = bench("data"), tiny / "tiny.npz"
    whole, problem = (data.load_problem(source, "attributes", 1, s) for s in ("zsl", "gzsl"))
    assert len(whole.X_held) == 0 and np.array_equal(whole.X_unseen, problem.X_unseen)
    rows = np.concatenate([problem.X_seen, problem.X_held])
    assert sorted(map(tuple, rows)) == sorted(map(tuple, whole.X_seen))
    for label in problem.seen.labels:
        assert (problem.y_held == label).sum() == round(0.2 * (whole.y_seen == label).sum())


def test_mat_files(bench, tmp_path, tiny):
    data, folder = bench("data"), tmp_path / "AWA"
    folder.mkdir()
    with np.load(tiny / "tiny.npz") as archive:
        arrays = dict(archive)
    seen, order = np.arange(180), np.argsort(arrays["y"], kind="stable")  # class by class
    rows = {"trainval": seen[seen % 6 > 0], "test_seen": seen[seen % 6 == 0]}
    rows["test_unseen"] = np.arange(180, 240)
    features = {"features": arrays["X"][order].T, "labels": arrays["y"][order][:, None] + 1}
    savemat(folder / "res101.mat", features)
    names = np.array([[str(name)] for name in arrays["class_names"]], dtype=object)
    splits = {f"{name}_loc": where[:, None] + 1 for name, where in rows.items()}
    splits |= {"att": arrays["attributes"].T, "allclasses_names": names}
    savemat(folder / "att_splits.mat", splits)
    source = data.find_sources([tmp_path])["AWA"]
    assert data.splits_of(source) == [*range(10), "own"]
    own = data.load_problem(source, "attributes", "own", "gzsl")
    assert [len(part) for part in (own.X_seen, own.X_held, own.X_unseen)] == [150, 30, 60]
    assert own.X_seen == pytest.approx(arrays["X"][order][rows["trainval"]], rel=1e-5)
    assert_whole_classes([data.load_problem(source, "attributes", s) for s in range(10)], 240)


def assert_whole_classes(problems, n_samples):
    """The samples of seen and unseen classes are all, and no class is on both sides."""
    for problem in problems:
        assert len(problem.X_seen) + len(problem.X_unseen) == n_samples
        assert not set(problem.y_seen) & set(problem.y_unseen)
        assert set(problem.seen.labels) == set(problem.y_seen)
        assert set(problem.unseen.labels) == set(problem.y_unseen)


def test_real_data(claster_data, bench):
    sizes = {"ucf101_captions": (13320, 51, 50, "truze"), "snu_b36ex": (8450, 135, 34, "own")}
    for name, (n_samples, n_seen, n_unseen, named) in sizes.items():
        data, source = bench("data"), claster_data / f"{name}.npz"
        assert data.splits_of(source) == [*range(10), named]
        kind = next(iter(data.tables_of(source)))
        problems = [data.load_problem(source, kind, split) for split in range(10)]
        assert_whole_classes(problems, n_samples)
        assert len({tuple(problem.unseen.labels) for problem in problems}) == 10
        n_classes = len(problems[0].seen.labels), len(problems[0].unseen.labels)
        assert n_classes == (n_seen, n_unseen)


def test_a_whitened_baseline_is_the_baseline_on_whitened_features(bench):
    data = make_zero_shot_classification(300, 8, n_seen=6, n_unseen=3, random_state=0)
    seen = np.isin(data.target, data.seen_classes)
    X, y, X_new = data.data[seen], data.target[seen], data.data[~seen]
    model = bench("methods").whitened(baselines.ESZSL)().fit(X, y, data.class_embeddings)
    space = InputSpace.fit(X, np.unique(y, return_inverse=True)[1])[0]
    plain = baselines.ESZSL().fit(space(X), y, data.class_embeddings)
    scores = plain.decision_function(space(X_new))
    np.testing.assert_allclose(model.decision_function(X_new), scores, rtol=1e-3)


def counted(function, *args, **options):
    with FlopCounterMode(display=False) as counter:
        function(*args, **options)
    return counter.get_total_flops()


def test_the_plain_loops_are_the_same_arithmetic(bench):
    """As many operations in matrix products."""
    bare = bench("bare")
    X, y, table, seen, unseen = bench("bench").random_problem(200, 24, 12, 8, 4)
    options = {"hidden_layer_sizes": (32,), "batch_size": 40, "max_epochs": 10, "whiten": True}
    model = ClasterZSL(2, **options, device="cpu", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of clusters that random data leave
        own = counted(model.fit, X, y, table)
    state, found = torch.get_rng_state(), []
    options = {"hidden": (32,), "batch": 40, "epochs": 10, "n_clusters": 2}
    plain = counted(lambda: found.append(bare.fit(X, y, seen, **options)))
    assert torch.equal(torch.get_rng_state(), state)
    choosing = counted(choose, X, y, seen, None, False, True, torch.device("cpu"))
    assert plain == pytest.approx(own - choosing, rel=0.1)  # V is asked twice more at the end
    once = counted(bare.predict, found[0], X, unseen)
    assert once == pytest.approx(counted(model.predict, X), rel=0.05)


def test_the_page_of_speeds(bench, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench.py", "--quick", "--threads", "1"])
    monkeypatch.setattr(bench("bench"), "ROOT", tmp_path)  # has no page to replace
    before = torch.get_num_threads()
    bench("bench").main()
    torch.set_num_threads(before)
    text = capsys.readouterr().out
    for line in ("ClasterZSL, one sample", "a'", "V", "16", "100,000 x 1,024, on disk"):
        assert re.search(rf"^\| {re.escape(line)} \| [\d.]+ ", text, re.MULTILINE), line
    page = tmp_path / "speed.md"
    page.write_text(text, "utf-8")
    bench("pictures").draw_speed(page, tmp_path / "speed.svg")
    assert "<svg" in (tmp_path / "speed.svg").read_text("utf-8")
    shown = bench("bench").shown
    assert shown([2.0, 1.0, 40.0]) == "2 (1 to 40)" and shown([1234.5]) == "1,230"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_of_memory(bench):
    size, watched = 2**26, bench("peak").peak_bytes
    garbage = [private_bytes(size)]
    garbage.append(garbage)
    del garbage  # stays until the collector comes
    with watched() as peak:
        gc.collect()
        held = private_bytes(size)
        for _ in range(500):  # until the thread that looks had its turn
            if peak[0] > 0.9 * size:
                break
            time.sleep(0.01)
        held.close()
    assert 0.9 * size < peak[0] < 1.9 * size


def private_bytes(size):
    """Memory of the process's own, written to: no page that was freed before serves again."""
    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory[:: mmap.PAGESIZE] = bytes(size // mmap.PAGESIZE)
    return memory
