"""The example and the benchmark: they run from the command line, and their rows are honest."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sklearn_claster import ClasterZSL
from sklearn_claster.baselines import ESZSL
from sklearn_claster.datasets import make_zero_shot_classification
from sklearn_claster.metrics import mean_per_class_accuracy

ROOT = Path(__file__).resolve().parents[1]
SMALL = ["max_epochs=2", "hidden_layer_sizes=(8,)", "centroids=None", "inference=visual"]
SMALL = [word for value in SMALL for word in ("--set", value)]


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
def benchmark_module(monkeypatch):
    """Imports a module of benchmarks/, which is no package; forgets them all afterwards."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    before = set(sys.modules)
    yield __import__
    for path in (ROOT / "benchmarks").glob("*.py"):
        if path.stem not in before:
            sys.modules.pop(path.stem, None)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder with tiny.npz: 12 classes, two kinds of class vectors, a repeated class split."""
    folder = tmp_path_factory.mktemp("data")
    made = make_zero_shot_classification(
        n_samples=240, n_features=8, n_seen=9, n_unseen=3, n_embedding_features=5, random_state=0
    )
    labels, vectors = made.class_embeddings.labels, made.class_embeddings.vectors
    test = np.array([[0, 1, 2], [2, 1, 0], [3, 4, 5], [6, 7, 11]])
    train = np.stack([np.setdiff1d(np.arange(12), row) for row in test])
    train[1] = train[1, ::-1]
    np.savez(
        folder / "tiny.npz",
        X=made.data,
        y=np.searchsorted(labels, made.target),
        class_names=labels,
        attributes=vectors,
        doubled=np.hstack([vectors, vectors]).astype(np.float32),
        split_train=train,
        split_test=test,
        video=np.array(["a", "b"]),
    )
    return folder


@pytest.mark.slow
def test_example(tmp_path):
    picture = tmp_path / "pairs.png"
    done = run("examples/plot_digit_pairs.py", "--output", picture, "--random-state", 1)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    found = re.findall(r"^(ClasterZSL|ESZSL) +([01]\.\d{3}) +\d+\.\d   \S", done.stdout, re.M)
    accuracies = {method: float(accuracy) for method, accuracy in found}
    assert list(accuracies) == ["ClasterZSL", "ESZSL"]
    assert min(accuracies.values()) > 0.8  # chance is 1 in 30
    pixels = plt.imread(picture)
    assert min(pixels.shape[:2]) > 800
    assert pixels[..., :3].std() > 0.1  # not blank


@pytest.mark.slow
def test_the_gate_example_beats_no_gate(tmp_path):
    picture = tmp_path / "gate.png"
    done = run("examples/plot_seen_and_unseen.py", "--output", picture, "--random-state", 1)
    assert done.returncode == 0, done.stderr
    rows = re.findall(
        r"^(.{22}) +(?:[01]\.\d{3} +){2}([01]\.\d{3}) +[01]\.\d{3}$", done.stdout, re.M
    )
    means = {name.strip(): float(mean) for name, mean in rows}
    assert list(means) == ["no gate", "calibrated stacking", "BiasDetector"]
    assert means["BiasDetector"] > means["no gate"]
    assert plt.imread(picture)[..., :3].std() > 0.1  # not blank


@pytest.mark.slow
def test_rows_are_resumable_and_reproducible(tiny, tmp_path, benchmark_module):
    output = tmp_path / "new" / "rows.jsonl"
    arguments = ["--datasets", "tiny", "--data", tiny, "--output", output]

    done = run("benchmarks/zero_shot.py", *arguments, "--splits", 1, *SMALL)
    assert done.returncode == 0, done.stderr
    assert "4 rows to compute, 0 finished" in done.stderr
    first = read(output)
    assert {(row["embedding"], row["method"]) for row in first} == {
        (embedding, method)
        for embedding in ("attributes", "doubled")
        for method in ("ClasterZSL", "ESZSL")
    }

    done = run("benchmarks/zero_shot.py", *arguments, "--splits", 2, "--jobs", 2, *SMALL)
    assert done.returncode == 0, done.stderr
    assert "4 rows to compute, 4 finished" in done.stderr
    rows = read(output)
    assert rows[:4] == first
    assert len({(row["embedding"], row["method"], row["split"]) for row in rows}) == len(rows) == 8

    # Other parameters of ClasterZSL are other rows; those of ESZSL stay.
    zero_shot = benchmark_module("zero_shot")
    arguments = [*map(str, arguments), *SMALL, "--set", "n_neighbors=1"]
    finished = set(map(zero_shot.key, rows))
    wanted = zero_shot.tasks(zero_shot.make_parser().parse_args(arguments), tiny)
    todo = [task for task in wanted if task["split"] < 2 and zero_shot.key(task) not in finished]
    assert [task["method"] for task in todo] == ["ClasterZSL"] * 4
    assert {task["parameters"]["n_neighbors"] for task in todo} == {1}

    # Every row says enough to get its figure again.
    data = benchmark_module("data")
    for row in rows:
        assert row["versions"]["numpy"] == np.__version__
        assert row["tune_seconds"] >= 0 < row["fit_seconds"]
        problem = data.load_problem(
            row["dataset"], row["embedding"], row["split"], row["seed"], tiny
        )
        if row["method"] == "ESZSL":
            estimator = ESZSL(**row["chosen"])
            assert set(row["chosen"]) == {"gamma", "lam"}
        else:
            assert row["parameters"]["centroids"] is None
            assert row["parameters"]["inference"] == "visual"
            assert row["parameters"]["hidden_layer_sizes"] == [8]
            estimator = ClasterZSL(**row["parameters"], random_state=row["seed"] + row["split"])
        estimator.fit(problem.X_seen, problem.y_seen, problem.seen)
        y_pred = estimator.predict(problem.X_unseen, unseen_embeddings=problem.unseen)
        expected = mean_per_class_accuracy(problem.y_unseen, y_pred)
        assert row["mean_per_class_accuracy"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("method", ["ClasterZSL", "ESZSL"])
def test_fit_gets_along_without_unseen_classes(method, tiny, benchmark_module):
    problem = benchmark_module("data").load_problem("tiny", "attributes", 0, 0, tiny)
    problem = replace(problem, X_unseen=None, y_unseen=None, unseen=None)
    parameters = {
        "ClasterZSL": {"max_epochs": 1, "hidden_layer_sizes": (4,), "centroids": None},
        "ESZSL": {"grid": {"gamma": [0.1, 10.0], "lam": [0.1, 10.0]}, "folds": 3},
    }[method]
    fit = benchmark_module("zero_shot").METHODS[method]
    estimator, _, chosen = fit(problem, 0, parameters)
    assert estimator.classes_.tolist() == problem.seen.labels.tolist()
    assert set(chosen) <= {"gamma", "lam"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--datasets", "nowhere"], "Name the folder with --data"),
        (["--datasets", "digit_pairs", "--set", "colour=red"], "Invalid parameter 'colour'"),
        (["--datasets", "digit_pairs", "--set", "random_state=1"], "use --seed"),
        (["--set", "alpha"], "expected name=value"),
    ],
)
def test_wrong_arguments_say_the_cure(
    arguments, message, tiny, benchmark_module, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["zero_shot.py", "--data", str(tiny), *arguments])
    with pytest.raises(SystemExit):
        benchmark_module("zero_shot").main()
    assert message in capsys.readouterr().err


def test_splits_of_a_file(tiny, benchmark_module):
    data = benchmark_module("data")
    assert data.names_of_embeddings("tiny", tiny) == ["attributes", "doubled"]
    assert data.number_of_splits("tiny", tiny) == 3  # the second row repeats the first
    problems = [data.load_problem("tiny", "doubled", split, 0, tiny) for split in range(3)]
    assert [p.unseen.labels.tolist() for p in problems] == [
        [f"class_{code:02d}" for code in codes] for codes in ([0, 1, 2], [3, 4, 5], [6, 7, 11])
    ]
    assert_whole_classes(problems, 240)


def test_splits_of_digit_pairs(benchmark_module):
    data = benchmark_module("data")
    problems = [data.load_problem("digit_pairs", "one_hot_digits", i, 0, None) for i in range(2)]
    assert_whole_classes(problems, 3000)
    assert problems[0].unseen.labels.tolist() != problems[1].unseen.labels.tolist()


def assert_whole_classes(problems, n_rows):
    """The rows of seen and unseen classes are all rows, and no class is on both sides."""
    for problem in problems:
        assert len(problem.X_seen) == len(problem.y_seen)
        assert len(problem.X_seen) + len(problem.X_unseen) == n_rows
        assert not set(problem.y_seen) & set(problem.y_unseen)
        assert set(problem.seen.labels) == set(problem.y_seen)
        assert set(problem.unseen.labels) == set(problem.y_unseen)


def test_real_data(claster_data, benchmark_module):
    data = benchmark_module("data")
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
        assert set(data.names_of_embeddings(dataset, claster_data)) == embeddings
        assert data.number_of_splits(dataset, claster_data) == 10
        embedding = min(embeddings)
        problems = [data.load_problem(dataset, embedding, i, 0, claster_data) for i in range(10)]
        assert_whole_classes(problems, n_rows)
        assert len({tuple(problem.unseen.labels) for problem in problems}) == 10
        for problem in problems:
            assert problem.X_seen.shape[1] == n_features
            assert len(problem.seen.labels) == n_seen
            assert len(problem.unseen.labels) == n_unseen


def made_up_rows():
    """Three paired splits of one data set, and one of another; figures that add up by hand."""
    parameters = {
        "ClasterZSL": {"alpha": 0.1, "n_clusters": 6},
        "ESZSL": {"grid": {"gamma": [0.1, 1.0], "lam": [0.1, 1.0, 10.0]}, "folds": 4},
    }
    accuracies = {
        "one": {"ClasterZSL": [0.5, 0.6, 0.7], "ESZSL": [0.4, 0.4, 0.4]},
        "two": {"ClasterZSL": [0.25], "ESZSL": [0.5]},
    }
    return [
        {
            "dataset": dataset,
            "embedding": "words",
            "method": method,
            "split": split,
            "seed": 7,
            "parameters": parameters[method],
            "versions": {"python": "3.11", "numpy": "2.0"},
            "mean_per_class_accuracy": accuracy,
            "tune_seconds": 3.0 if method == "ESZSL" else 0.0,
            "fit_seconds": 1.0 + split,
            "device": "cpu",
            "date": f"2026-01-0{split + 1}T00:00:00+00:00",
            "cores": 2,
            "command": "python benchmarks/zero_shot.py",
        }
        for dataset, methods in accuracies.items()
        for method, values in methods.items()
        for split, accuracy in enumerate(values)
    ]


def test_report(benchmark_module):
    report = benchmark_module("report").report
    text = report(made_up_rows()[::-1], "rows.jsonl")
    # Differences of 10, 20 and 30 points: mean 20, standard deviation 10, so the half width is
    # t(0.975; 2) * 10 / sqrt(3) = 4.3027 * 5.7735 = 24.84.
    assert (
        "| one | words | 3 | 60.0 ± 10.0 | 40.0 ± 0.0 | +20.0 [-4.8, +44.8] | 2.0 | 5.0 |" in text
    )
    assert "| two | words | 1 | 25.0 | 50.0 | -25.0 | 1.0 | 4.0 |" in text
    for fact in (
        "`alpha=0.1`, `n_clusters=6`",
        "among 6 pairs by 4-fold",
        "seed 7 + i",
        "python 3.11, numpy 2.0",
        "2 cores",
        "run 2026-01-01 to 2026-01-03",
        "`rows.jsonl`",
        "```bash\npython benchmarks/zero_shot.py\n```",
    ):
        assert fact in re.sub(r"\s*\n {2}", " ", text)


def test_report_leaves_out_what_has_no_partner(benchmark_module):
    rows = [r for r in made_up_rows() if (r["method"], r["split"]) != ("ESZSL", 2)]
    rows = [row for row in rows if (row["dataset"], row["method"]) != ("two", "ESZSL")]
    text = benchmark_module("report").report(rows, "rows.jsonl")
    # 10 and 20 points: mean 15, half width t(0.975; 1) * 5 = 63.53
    assert "| one | words | 2 | 55.0 ± 7.1 | 40.0 ± 0.0 | +15.0 [-48.5, +78.5] |" in text
    assert "| two |" not in text


@pytest.mark.parametrize("field", ["parameters", "versions", "seed"])
def test_report_refuses_a_mixture(field, benchmark_module):
    rows = made_up_rows()
    rows[0][field] = {"alpha": 0.9} if field != "seed" else 8
    with pytest.raises(SystemExit, match=f"The rows differ in {field}"):
        benchmark_module("report").report(rows, "rows.jsonl")


def test_report_from_the_command_line(tmp_path):
    rows, page = tmp_path / "rows.jsonl", tmp_path / "docs" / "page.md"
    rows.write_text("".join(json.dumps(row) + "\n" for row in made_up_rows()), "utf-8")
    done = run("benchmarks/report.py", rows, "--output", page)
    assert done.returncode == 0, done.stderr
    assert "| one | words | 3 |" in page.read_text("utf-8")
