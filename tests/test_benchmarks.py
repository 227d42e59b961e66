"""The benchmark: it runs from the command line, and its rows are honest."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from sklearn_claster import ClasterZSL, baselines
from sklearn_claster._core.input_space import InputSpace
from sklearn_claster.datasets import load_truze_split, make_zero_shot_classification
from sklearn_claster.metrics import mean_per_class_accuracy

ROOT = Path(__file__).resolve().parents[1]


def run(script, *arguments):
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, str(ROOT / script), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def read(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def bench(monkeypatch):
    """Imports a module of benchmarks/, which is no package; forgets them all afterwards.

    ClasterZSL is small there, and two methods are tuned with few combinations.
    """
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    before = set(sys.modules)
    methods = __import__("methods")
    small = partial(ClasterZSL, 2, max_epochs=1, hidden_layer_sizes=(4,))
    monkeypatch.setattr(methods, "ClasterZSL", small)
    monkeypatch.setitem(methods.METHODS, "ClasterZSL", methods.Method({"temperature": [0.1, 1.0]}))
    monkeypatch.setitem(methods.METHODS, "ESZSL", methods.Method({"gamma": [0.1, 10.0]}))
    yield __import__
    for path in (ROOT / "benchmarks").glob("*.py"):
        if path.stem not in before:
            sys.modules.pop(path.stem, None)


@pytest.fixture
def runner(bench, tiny, tmp_path, monkeypatch, capsys):
    """Runs run.py in this process: what it wrote to stderr, and its rows."""

    def call(*words, data=tiny):
        output = tmp_path / "out"
        words = [*map(str, words), "--data", str(data), "--output", str(output)]
        words += ["--datasets", "tiny", "--methods", "ClasterZSL", "ESZSL"]
        monkeypatch.setattr(sys, "argv", [str(ROOT / "benchmarks" / "run.py"), *words])
        bench("run").main()
        return capsys.readouterr().err, read(output / "rows.jsonl")

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
    train = np.stack([np.setdiff1d(np.arange(12), row) for row in test])
    train[1] = train[1, ::-1]
    arrays = {
        "X": made.data,
        "y": np.searchsorted(labels, made.target),
        "class_names": labels,
        "attributes": vectors,
        "doubled": np.hstack([vectors, vectors]).astype(np.float32),
        "split_train": train,
        "split_test": test,
        "video": np.array(["a", "b"]),
    }
    change(arrays)
    np.savez(path, **arrays)


def test_finished_rows_are_skipped_and_changed_ones_computed(runner, bench, tmp_path, monkeypatch):
    words = ("methods", "--embeddings", "attributes", "--splits")
    said, first = runner(*words, 1)
    assert "validation: 4 rows to compute, 0 finished" in said
    # default, tuned, and ESZSL; the default may be best
    n_rows = int(re.search(r"methods: ([23]) rows to compute, 0 finished", said)[1])
    assert f"[{n_rows}/{n_rows}] about 0 min left | tiny attributes split 0 zsl" in said
    page = (tmp_path / "out" / "zero_shot.md").read_text("utf-8")
    assert "| tiny | attributes | 1 |" in page

    path = tmp_path / "out" / "rows.jsonl"
    lines = path.read_text("utf-8")
    path.write_text(lines + lines[: len(lines) // 20], "utf-8")  # interrupted while writing
    said, rows = runner(*words, 2)
    assert "validation: 0 rows to compute, 4 finished" in said
    assert re.search(rf"methods: [23] rows to compute, {n_rows} finished", said)
    assert rows[: len(first)] == first

    # Another default of ClasterZSL: its rows are others, those of ESZSL stay.
    methods, studies = bench("methods"), bench("studies")
    monkeypatch.setattr(methods, "ClasterZSL", partial(methods.ClasterZSL, n_neighbors=1))
    studies._defaults.cache_clear()
    before = len(rows)
    said, rows = runner(*words, 1)
    assert "validation: 2 rows to compute, 2 finished" in said
    assert {row["method"] for row in rows[before:]} == {"ClasterZSL"}
    assert {row["parameters"]["n_neighbors"] for row in rows[before:]} == {1}

    # Other versions are other rows.
    monkeypatch.setattr(bench("rows"), "versions", lambda: {"numpy": "0"})
    said, _ = runner(*words, 1)
    assert "validation: 4 rows to compute, 0 finished" in said


def test_a_row_says_enough_to_get_its_figure_again(runner, bench, tiny):
    _, rows = runner("methods", "--embeddings", "attributes", "attributes+doubled", "--splits", 2)
    data, methods = bench("data"), bench("methods")
    tests = [row for row in rows if row["kind"] == "test"]
    assert {row["embedding"] for row in tests} == {"attributes", "attributes+doubled"}
    for row in tests:
        problem = data.load_problem(tiny / "tiny.npz", row["embedding"], row["split"])
        seed = 100 * row["seed"] + row["split"]
        model = methods.build(row["method"], row["parameters"], seed)
        model.fit(problem.X_seen, problem.y_seen, problem.seen)
        y_pred = model.predict(problem.X_unseen, unseen_embeddings=problem.unseen)
        expected = mean_per_class_accuracy(problem.y_unseen, y_pred)
        assert row["mean_per_class_accuracy"] == pytest.approx(expected, abs=1e-12)
        assert row["versions"]["numpy"] == np.__version__
        assert row["fit_seconds"] > 0 < row["peak_memory_mib"]
        assert row["command"].startswith("python benchmarks/run.py methods")
        assert str(tiny.parent) not in json.dumps(row)


def test_nothing_of_unseen_classes_enters_the_choice(runner, tmp_path):
    def change(arrays):
        unseen = arrays["split_test"][0]
        rows = np.isin(arrays["y"], unseen)
        arrays["X"], arrays["attributes"] = arrays["X"].copy(), arrays["attributes"].copy()
        arrays["X"][rows] = np.random.default_rng(0).normal(size=arrays["X"][rows].shape)
        arrays["attributes"][unseen] += 7.0

    words = ("methods", "--embeddings", "attributes", "--splits", 1)
    _, rows = runner(*words)
    before = len(rows)
    write_tiny(tmp_path / "tiny.npz", change)
    _, rows = runner(*words, data=tmp_path / "tiny.npz")
    figures = [
        {
            kind: [
                row.get("validation", row.get("mean_per_class_accuracy"))
                for row in part
                if row["kind"] == kind
            ]
            for kind in ("validation", "test")
        }
        for part in (rows[:before], rows[before:])
    ]
    assert figures[0]["validation"] == figures[1]["validation"]
    assert len(figures[0]["validation"]) == 4
    assert figures[0]["test"] != figures[1]["test"]


def test_validation_touches_training_rows_only(bench, tiny):
    source = tiny / "tiny.npz"
    problem = bench("data").load_problem(source, "attributes", 0, "gzsl")
    stripped = replace(problem, X_held=None, y_held=None, X_unseen=None, y_unseen=None, unseen=None)
    task = {"method": "ESZSL", "parameters": {"gamma": 1.0}}
    [figures] = bench("measure").validate([task], stripped, 0)
    assert len(figures["validation_folds"]) == 3
    assert figures["validation"] == pytest.approx(np.mean(figures["validation_folds"]))


@pytest.mark.parametrize(
    ("kind", "name"), [("validation", "validation_folds"), ("test", "mean_per_class_accuracy")]
)
def test_tasks_with_a_fit_in_common_get_the_figures_of_fits_of_their_own(bench, tiny, kind, name):
    measure, studies = bench("measure"), bench("studies")
    changes = [{"visual_weight": w, "temperature": t} for t in (0.1, 1.0) for w in (0.0, 0.95)]
    case = studies.Case("tiny", "", "attributes", False, (0, 1))
    method = bench("methods").Method([{k: [v] for k, v in c.items()} for c in changes])
    method = replace(method, when_predicting=("visual_weight",))
    bench("methods").METHODS["ClasterZSL"] = method
    plan = studies.Plan((case,), methods=("ClasterZSL",), tuning_rows=5)
    tasks = studies.validation_tasks(plan, "ClasterZSL", case, 0)
    if kind == "test":
        tasks = [studies.make_task(case, 0, "ClasterZSL", task["changes"]) for task in tasks]
    groups = {}
    for task in tasks:
        groups.setdefault(studies.fit_of(task), []).append(task)
    assert [len(group) for group in groups.values()] == [2, 2]
    sources = {"tiny": tiny / "tiny.npz"}
    for group in groups.values():
        together = measure.measure(group, sources)
        for task, figures in zip(group, together, strict=True):
            [alone] = measure.measure([task], sources)
            assert figures[name] == alone[name]
        assert together[0][name] != together[1][name]
    gated = [task | {"setting": "gzsl", "gate": "learned"} for task in tasks]
    assert len({studies.fit_of(task) for task in gated}) == 4  # gates learn from such scores


def test_generalized_rows_and_details(runner):
    _, rows = runner("generalized", "analysis", "--embeddings", "attributes", "--splits", 1)
    generalized = [row for row in rows if row["kind"] == "test" and row["setting"] == "gzsl"]
    assert {row["method"] for row in generalized} == {"ClasterZSL", "ESZSL"}
    for row in generalized:
        h = 2 * row["seen"] * row["unseen"] / max(row["seen"] + row["unseen"], 1e-9)
        assert row["harmonic_mean"] == pytest.approx(h)
        assert 0 <= row["ausuc"] <= row["seen_only"]
        assert row["gate"] == "learned"
    detailed = [row for row in rows if row["details"]]
    assert len(detailed) == 2
    for row in detailed:
        assert set(row["by_rule"]) == {"combined", "compatibility", "seen_class"}
        counts = np.array(list(row["clusters_by_class"].values()))
        assert counts.shape == (3, 2)
        assert row["unseen_class_purity"] == pytest.approx(counts.max(axis=1).sum() / counts.sum())


def test_the_best_combination_and_the_best_baseline_are_those_of_validation(bench):
    studies, rows = bench("studies"), bench("rows")
    case = studies.Case("tiny", "", "attributes", False, (0, 1, "truze"))
    plan = studies.Plan((case,), methods=("ClasterZSL", "ESZSL", "SAE"))

    def by_key(scores):
        found = {}
        for method, values in scores.items():
            tasks = studies.validation_tasks(plan, method, case, 1)
            for task, value in zip(tasks, values, strict=True):
                assert task["split"] == 0  # tuned once for all numbered splits
                found[rows.key(task)] = task | {"validation": value}
        return found

    bench("methods").METHODS["SAE"] = bench("methods").Method({})
    studies._defaults = lambda method: {}
    known = by_key({"ClasterZSL": [0.2, 0.9], "ESZSL": [0.6, 0.6], "SAE": [0.5]})
    assert studies.chosen(plan, known, "ClasterZSL", case, 1) == ({"temperature": 1.0}, 0.9)
    assert studies.chosen(plan, known, "ESZSL", case, 1) == ({"gamma": 0.1}, 0.6)
    assert studies.selected_baseline(plan, known, case, 1) == "ESZSL"
    assert studies.selected_baseline(plan, by_key({"ESZSL": [1, 1]}), case, 1) is None
    own = replace(plan, tune_every_split=True)
    assert studies.chosen(own, known, "ESZSL", case, 1) is None  # that split is not tuned yet
    assert plan.tuning_split(case, "truze") == "truze"


def test_the_registry(bench, monkeypatch):
    methods = bench("methods")
    assert {"ClasterZSL", *methods.BASELINES} == {"ClasterZSL", *baselines.__all__}
    assert all(len(m.combinations()) <= methods.BUDGET for m in methods.METHODS.values())
    monkeypatch.setattr(baselines, "__all__", ["ESZSL"])
    with pytest.raises(ValueError, match=r"baselines has no SAE; it has ESZSL.*--methods"):
        methods.check_available(["ClasterZSL", "ESZSL", "SAE"])
    with pytest.raises(ValueError, match="Unknown method 'SVM'"):
        methods.check_available(["SVM"])
    assert not methods.is_applicable("DAP", binary=False)


def test_tuning_of_claster_may_stay_with_the_defaults():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        grid = __import__("methods").METHODS["ClasterZSL"].grid
    finally:
        sys.path.pop(0)
        sys.modules.pop("methods")
    defaults = ClasterZSL().get_params()
    assert all(defaults[name] in values for name, values in grid.items())


def test_one_failure_does_not_end_the_run(runner, bench, monkeypatch, tmp_path):
    measure = bench("measure")

    def fails(tasks, problem, seed):
        if tasks[0]["method"] == "ESZSL":
            raise RuntimeError("no luck")
        return [{"validation": 0.5, "fit_seconds": 0.0} for _ in tasks]

    monkeypatch.setattr(measure, "validate", fails)
    with pytest.raises(SystemExit, match=r"2 rows failed:\n.*ESZSL.*RuntimeError: no luck"):
        runner("methods", "--embeddings", "attributes", "--splits", 1)
    rows = read(tmp_path / "out" / "rows.jsonl")
    assert {row["method"] for row in rows} == {"ClasterZSL"}  # ESZSL is not tuned, so not tested


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--datasets", "nowhere"], "There is no data set nowhere"),
        (["--data", "nowhere.npz"], "Name .npz files or folders with --data"),
        (["tables"], "Unknown study tables; there are methods"),
        (["--methods", "SVM"], "Unknown method 'SVM'"),
        (["--embeddings", "colour"], "No data set has these class vectors"),
    ],
)
def test_wrong_arguments_say_the_cure(words, message, tiny, bench, monkeypatch, capsys):
    monkeypatch.setattr(
        sys, "argv", ["run.py", *words, *([] if "--data" in words else ["--data", str(tiny)])]
    )
    with pytest.raises(SystemExit):
        bench("run").main()
    assert message in capsys.readouterr().err


def test_without_a_folder_of_data_there_are_digit_pairs(bench, tmp_path, monkeypatch):
    data = bench("data")
    monkeypatch.setenv("CLASTER_DATA", str(tmp_path))
    assert data.default_folders() == [tmp_path]
    monkeypatch.delenv("CLASTER_DATA")
    monkeypatch.setattr(data, "__file__", str(tmp_path / "checkout" / "benchmarks" / "data.py"))
    assert data.default_folders() == []
    assert list(data.find_sources(data.default_folders())) == ["digit_pairs"]
    (tmp_path / "shared" / "data").mkdir(parents=True)
    assert data.default_folders() == [tmp_path / "shared" / "data"]


@pytest.mark.slow
def test_processes_and_pages_from_rows(tiny, tmp_path):
    words = ["--data", tiny, "--datasets", "tiny", "--embeddings", "attributes"]
    words += ["--methods", "ESZSL", "--splits", 2, "--output", tmp_path, "methods"]
    done = run("benchmarks/run.py", *words, "--jobs", 2)
    assert done.returncode == 0, done.stderr
    page = tmp_path / "zero_shot.md"
    text = page.read_text("utf-8")
    assert len(read(tmp_path / "rows.jsonl")) == 9 + 2
    page.unlink()
    done = run("benchmarks/run.py", *words, "--pages-only")
    assert done.returncode == 0, done.stderr
    assert page.read_text("utf-8") == text


def test_splits_of_a_file(tiny, bench):
    data, source = bench("data"), tiny / "tiny.npz"
    assert data.names_of_embeddings(source) == ["attributes", "doubled"]
    assert data.splits_of(source) == [0, 1, 2]  # the second row repeats the first
    problems = [data.load_problem(source, "doubled", split) for split in range(3)]
    assert [p.unseen.labels.tolist() for p in problems] == [
        [f"class_{code:02d}" for code in codes] for codes in ([0, 1, 2], [3, 4, 5], [6, 7, 11])
    ]
    assert_whole_classes(problems, 240)


def test_splits_of_digit_pairs(bench):
    data = bench("data")
    problems = [data.load_problem(None, "one_hot_digits", i) for i in range(2)]
    assert_whole_classes(problems, 3000)
    assert problems[0].unseen.labels.tolist() != problems[1].unseen.labels.tolist()


def test_a_fifth_of_each_seen_class_is_held_out(bench, tiny):
    data, source = bench("data"), tiny / "tiny.npz"
    whole, problem = (data.load_problem(source, "attributes", 1, s) for s in ("zsl", "gzsl"))
    assert len(whole.X_held) == 0
    assert np.array_equal(whole.X_unseen, problem.X_unseen)
    rows = np.concatenate([problem.X_seen, problem.X_held])
    assert sorted(map(tuple, rows)) == sorted(map(tuple, whole.X_seen))
    for label in problem.seen.labels:
        n_held, n_all = (problem.y_held == label).sum(), (whole.y_seen == label).sum()
        assert n_held == round(0.2 * n_all)


def test_truze_by_the_names_of_the_classes(bench, tmp_path):
    data, split = bench("data"), load_truze_split("hmdb51")
    names = np.concatenate([split.unseen_classes, split.seen_classes])
    y = np.repeat(np.arange(len(names)), 2)
    arrays = {"X": np.eye(len(y)), "y": y, "class_names": names, "words": np.eye(len(names))}
    np.savez(tmp_path / "mine.npz", **arrays)
    assert data.splits_of(tmp_path / "mine.npz") == [*range(10), "truze"]
    problem = data.load_problem(tmp_path / "mine.npz", "words", "truze")
    assert problem.unseen.labels.tolist() == split.unseen_classes.tolist()
    assert problem.seen.labels.tolist() == split.seen_classes.tolist()


def test_mat_files(bench, tmp_path, tiny):
    data = bench("data")
    with np.load(tiny / "tiny.npz") as archive:
        arrays = dict(archive)
    folder = tmp_path / "AWA"
    folder.mkdir()
    seen = np.arange(180)  # 20 rows of each class, class by class
    rows = {"trainval": seen[seen % 6 > 0], "test_seen": seen[seen % 6 == 0]}
    rows["test_unseen"] = np.arange(180, 240)
    order = np.argsort(arrays["y"], kind="stable")
    names = np.array([[str(name)] for name in arrays["class_names"]], dtype=object)
    savemat(
        folder / "res101.mat",
        {"features": arrays["X"][order].T, "labels": arrays["y"][order][:, None] + 1},
    )
    locations = {f"{name}_loc": where[:, None] + 1 for name, where in rows.items()}
    savemat(
        folder / "att_splits.mat",
        {"att": arrays["attributes"].T, "allclasses_names": names, **locations},
    )
    sources = data.find_sources([tmp_path])
    assert set(sources) == {"digit_pairs", "AWA"}
    assert data.splits_of(sources["AWA"]) == [*range(10), "own"]
    own = data.load_problem(sources["AWA"], "attributes", "own", "gzsl")
    assert [len(part) for part in (own.X_seen, own.X_held, own.X_unseen)] == [150, 30, 60]
    assert own.X_seen == pytest.approx(arrays["X"][order][rows["trainval"]], rel=1e-5)
    assert own.y_unseen.tolist() == arrays["class_names"][arrays["y"][order]][180:].tolist()
    problems = [data.load_problem(sources["AWA"], "attributes", split) for split in range(10)]
    assert_whole_classes(problems, 240)
    assert len({tuple(problem.unseen.labels) for problem in problems}) > 5


def test_changed_training_rows(bench, tiny):
    data = bench("data")
    problem = data.load_problem(tiny / "tiny.npz", "attributes", 0, "gzsl")
    few = data.change_training(problem, {"rows_a_class": 5}, 0)
    assert np.unique(few.y_seen, return_counts=True)[1].tolist() == [5] * 9
    noisy = data.change_training(problem, {"label_noise": 0.5}, 0)
    assert 0.35 < np.mean(noisy.y_seen != problem.y_seen) < 0.65
    assert set(noisy.y_seen) <= set(problem.y_seen)
    far = data.change_training(problem, {"outliers": 0.3}, 0)
    changed = (far.X_seen != problem.X_seen).any(axis=1)
    assert 0.15 < changed.mean() < 0.45
    spread = np.abs(far.X_seen - problem.X_seen.mean(axis=0)).mean(axis=1)
    assert spread[changed].min() > np.median(spread[~changed])
    for other in (few, noisy, far):
        for name in ("X_held", "y_held", "X_unseen", "y_unseen"):
            assert getattr(other, name) is getattr(problem, name)
    again = data.change_training(problem, {"label_noise": 0.5}, 0)
    assert np.array_equal(noisy.y_seen, again.y_seen)


def test_rotated_centroids_keep_lengths_and_angles(bench):
    centroids = np.random.default_rng(0).normal(size=(4, 10)).astype(np.float32)
    turned = bench("methods").rotated(centroids, 3)
    assert turned @ turned.T == pytest.approx(centroids @ centroids.T, abs=1e-4)
    assert np.abs(turned - centroids).mean() > 0.1


def test_given_centroids_keep_the_rest_of_the_model(bench, tiny):
    problem = bench("data").load_problem(tiny / "tiny.npz", "attributes", 0)
    fit = partial(bench("methods").fit, "ClasterZSL")
    args = (0, problem.X_seen, problem.y_seen, problem.seen)
    kmeans = fit({"centroids": "kmeans"}, *args)
    same = fit({"centroids": {"from": "kmeans", "rotated": False}}, *args)
    turned = fit({"centroids": {"from": "kmeans", "rotated": True}}, *args)
    assert np.array_equal(kmeans.transform(problem.X_seen), same.transform(problem.X_seen))
    assert not np.allclose(kmeans.cluster_centers_, turned.cluster_centers_)
    none = fit({"centroids": None}, *args)
    sizes = [
        np.linalg.norm(model.transform(problem.X_seen) - none.transform(problem.X_seen))
        for model in (kmeans, turned)
    ]
    assert sizes[0] == pytest.approx(sizes[1], rel=1e-4)


def assert_whole_classes(problems, n_rows):
    """The rows of seen and unseen classes are all rows, and no class is on both sides."""
    for problem in problems:
        assert len(problem.X_seen) == len(problem.y_seen)
        assert len(problem.X_seen) + len(problem.X_unseen) == n_rows
        assert not set(problem.y_seen) & set(problem.y_unseen)
        assert set(problem.seen.labels) == set(problem.y_seen)
        assert set(problem.unseen.labels) == set(problem.y_unseen)


def test_real_data(claster_data, bench):
    data = bench("data")
    with np.load(claster_data / "ucf101_captions.npz") as archive:
        train, test = archive["split_train"], archive["split_test"]
    assert data.distinct_rows(train)[:10].tolist() == [0, 1, 2, 3, 4, 5, 9, 10, 11, 12]
    for row in range(len(train)):
        assert sorted([*train[row], *test[row]]) == list(range(101))

    expected = {
        "ucf101_captions": (
            {"word2vec", "sentence_name", "sentence_description", "lsa_description"},
            (13320, 300, 51, 50),
        ),
        "snu_b36ex": ({"attributes", "attributes_linear"}, (8450, 128, 135, 34)),
    }
    for dataset, (embeddings, (n_rows, n_features, n_seen, n_unseen)) in expected.items():
        source = claster_data / f"{dataset}.npz"
        assert set(data.names_of_embeddings(source)) == embeddings
        name = {"ucf101_captions": "truze", "snu_b36ex": "own"}[dataset]
        assert data.splits_of(source) == [*range(10), name]
        embedding = min(embeddings)
        problems = [data.load_problem(source, embedding, i) for i in range(10)]
        assert_whole_classes(problems, n_rows)
        assert len({tuple(problem.unseen.labels) for problem in problems}) == 10
        for problem in problems:
            assert problem.X_seen.shape[1] == n_features
            assert len(problem.seen.labels) == n_seen
            assert len(problem.unseen.labels) == n_unseen


def made_up(method, split, accuracy, label=None, seed=0, **others):
    """An entry's label and a row with this figure."""
    row = {
        "dataset": "one", "embedding": "words", "split": split, "seed": seed, "method": method,
        "setting": "zsl", "mean_per_class_accuracy": accuracy, "fit_seconds": 1.0 + split,
        "predict_seconds": 0.5 + split, "peak_memory_mib": 100.0,
        "date": f"2026-01-0{split + 1}T00:00",
    }  # fmt: skip
    return label or method, row | others


def test_arithmetic(bench):
    figures = bench("figures")
    # 10, 20 and 30 points: mean 20, standard deviation 10, so the half width of the interval is
    # t(0.975; 2) * 10 / sqrt(3) = 4.3027 * 5.7735 = 24.84.
    assert figures.difference([0.1, 0.2, 0.3]) == "+20.0 [-4.8, +44.8]"
    assert figures.difference([-0.25]) == "-25.0"
    assert figures.difference([]) == ""
    assert figures.mean_and_spread([0.5, 0.6, 0.7]) == "60.0 ± 10.0"
    assert figures.mean_and_spread([0.5]) == "50.0"
    ours = [made_up("a", 0, 0.5)[1], made_up("a", 0, 0.7, seed=1)[1], made_up("a", 1, 0.3)[1]]
    theirs = [made_up("b", 0, 0.4)[1], made_up("b", 2, 0.9)[1]]

    def value(row):
        return row["mean_per_class_accuracy"]

    # The mean over seeds of split 0 is 0.6; splits 1 and 2 have no partner.
    assert figures.paired_differences(ours, theirs, value) == pytest.approx([0.2])
    assert figures.markdown(["x", "y"], [["a", 1]]) == "| x | y |\n|---|---:|\n| a | 1 |"


def test_page_of_methods(bench, monkeypatch):
    studies, page = bench("studies"), bench("pages_methods")
    case = studies.Case("one", "", "words", False, (0, 1, 2))
    plan = studies.Plan((case,), methods=("ClasterZSL", "ESZSL", "SAE"))
    rows = [
        made_up(method, split, accuracy)
        for method, accuracies in {
            "ClasterZSL": (0.5, 0.6, 0.7), "ESZSL": (0.4, 0.4, 0.4), "SAE": (0.6, 0.6, 0.6),
        }.items()
        for split, accuracy in enumerate(accuracies)
    ]  # fmt: skip
    found = [(studies.Entry(case, label, {}), row) for label, row in rows]
    monkeypatch.setattr(page, "selected_baseline", lambda *args: "ESZSL")
    text = page.methods_page(plan, {}, {"methods": found, "generalized": [], "named": []})
    assert (
        "| one | words | 3 | 60.0 ± 10.0 |  | ESZSL | 40.0 ± 0.0 | +20.0 [-4.8, +44.8] "
        "| SAE | 60.0 ± 0.0 | +0.0 [-24.8, +24.8] |" in text
    )
    assert "| ESZSL | 40.0 ± 0.0 | UCF101 15.0, HMDB51 18.5, Olympic Sports 39.6 |" in text
    assert re.search(r"\| SAE \| [\d.]+ ± [\d.]+ \|  \|", text)  # nothing published
    assert "| ESZSL | -20.0 [-44.8, +4.8] |" in text
    assert "| SAE | 1.00 | 0.50 | 100.00 | 2026-01-01 to 2026-01-03 |" in text
    assert "Table 3" not in text and "Table 4" not in text


def test_page_of_centroids(bench):
    study, page, studies = bench("centroid_study"), bench("pages_centroids"), bench("studies")
    case = studies.Case("one", "", "words", False, (0, 1, 2))
    plan = studies.Plan((case,), centroid_splits=3, long_splits=1)
    found = []
    for entry in study.centroid_study(plan, {}):
        split = entry.task["split"]
        gain = {"none": 0.0, "K-means": 0.1 * (split + 1), "REINFORCE": 0.3}.get(entry.label, 0.2)
        rules = {
            rule: {"unseen": 0.2 + gain, "seen": 0.5}
            for rule in ("combined", "compatibility", "seen_class")
        }
        _, row = made_up("ClasterZSL", split, 0.2, by_rule=rules)
        found.append((entry, row))
    text = page.centroid_page(plan, {}, {"centroids": found})
    gains = " | ".join(["+20.0 [-4.8, +44.8]"] * 3)
    assert f"| as it is | K-means | 3 | {gains} | +0.0 [+0.0, +0.0] |" in text
    assert f"| K = 50 | K-means | 3 | {gains} |" in text  # against the base without clusters
    assert "| p_j: zero | 3 | +10.0 [-14.8, +34.8] |" in text  # against the base's K-means
    assert "| 10,000 REINFORCE steps | REINFORCE | 1 | +30.0 |" in text
    assert "| 50% wrong labels | one | random directions | 40.0 ± 0.0 |" in text


def test_every_condition_can_be_fitted(bench):
    study, studies = bench("centroid_study"), bench("studies")
    case = studies.Case("one", "", "words", False, (0,))
    tasks = [
        entry.task for entry in study.centroid_study(studies.Plan((case,), centroid_splits=1), {})
    ]
    known = set(ClasterZSL().get_params())
    assert all(set(task["parameters"]) <= known for task in tasks)
    names = [condition.name for condition in study.conditions(studies.Plan(()))]
    assert len(names) == len(set(names)) and set(names) >= study.BRIEF


def test_a_whitened_baseline_is_the_baseline_on_whitened_rows(bench):
    methods = bench("methods")
    data = make_zero_shot_classification(300, 8, n_seen=6, n_unseen=3, random_state=0)
    is_seen = np.isin(data.target, data.seen_classes)
    X, y = data.data[is_seen], data.target[is_seen]
    parameters = {"gamma": 1.0, "lam": 1.0}
    model = methods.fit("ESZSL, whitened", parameters, 0, X, y, data.class_embeddings)
    space = InputSpace.fit(X, np.unique(y, return_inverse=True)[1])[0]
    plain = baselines.ESZSL(**parameters).fit(space(X), y, data.class_embeddings)
    unseen = data.data[~is_seen]
    np.testing.assert_allclose(
        model.decision_function(unseen), plain.decision_function(space(unseen)), rtol=1e-3
    )
    direct = baselines.ESZSL(**parameters).fit(X, y, data.class_embeddings)
    assert not np.allclose(
        model.decision_function(unseen), direct.decision_function(unseen), rtol=1e-2
    )
