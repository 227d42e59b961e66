"""The examples run, say what they should, and leave pictures."""

import re
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def run(monkeypatch, capfd, tmp_path):
    """Runs an example as a notebook would: the accuracies that it prints, by method, and all that.

    A notebook has no file, and the arguments of its kernel. Pictures are left in the folder.
    """

    def call(script, *pictures):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
        source = (ROOT / "examples" / script).read_text("utf-8")
        exec(compile(source, script, "exec"), {"__name__": "__main__"})
        plt.close("all")
        text, errors = capfd.readouterr()
        assert not errors
        assert sorted(path.name for path in tmp_path.glob("*.png")) == sorted(pictures)
        for picture in pictures:
            pixels = plt.imread(picture)
            assert min(pixels.shape[:2]) > 380 and pixels[..., :3].std() > 0.1  # not blank
        rows = re.findall(r"^(\S.*?)  +.*?([01]\.\d{3})$", text, re.MULTILINE)
        return {method: float(accuracy) for method, accuracy in rows}, text

    return call


@pytest.mark.slow
def test_digit_pairs(run):
    _, text = run("plot_digit_pairs.py", "digit_pairs.png")
    found = re.findall(r"^(ClasterZSL|ESZSL) +([01]\.\d{3}) +\d+\.\d$", text, re.MULTILINE)
    assert [method for method, _ in found] == ["ClasterZSL", "ESZSL"]
    claster, eszsl = (float(accuracy) for _, accuracy in found)
    assert claster > 0.85 and eszsl > 0.8  # chance: 0.033


@pytest.mark.slow
def test_seen_and_unseen(run):
    _, text = run("plot_seen_and_unseen.py", "seen_and_unseen.png")
    row = r"^(.{22}) +(?:[01]\.\d{3} +){2}([01]\.\d{3}) +[01]\.\d{3}$"
    means = {name.strip(): float(mean) for name, mean in re.findall(row, text, re.MULTILINE)}
    assert list(means) == ["no gate", "calibrated stacking", "BiasDetector"]
    # with four seeds by 0.03 to 0.09
    assert min(means["calibrated stacking"], means["BiasDetector"]) > means["no gate"] + 0.02


@pytest.mark.slow
def test_grid_search(run):
    _, text = run("plot_grid_search.py", "grid_search.png")
    assert re.match(r"{'n_neighbors': \d, 'whiten': (True|False)}", text)
    assert float(re.search(r"unseen classes: ([\d.]+)", text)[1]) > 0.8  # chance: 0.033


@pytest.mark.slow
def test_representation(run):
    names = ("clusters", "detector", "epochs", "map", "seen_unseen")
    _, text = run("plot_representation.py", *(f"representation_{name}.png" for name in names))
    areas = re.search(r"ClasterZSL ([\d.]+), ESZSL ([\d.]+)", text)
    assert min(float(area) for area in areas.groups()) > 0.6
    assert float(re.search(r"of the detector: ([\d.]+)", text)[1]) > 0.9


@pytest.mark.slow
def test_files_to_predictions(run):
    accuracies, text = run("plot_files_to_predictions.py", "files_to_predictions.png")
    assert list(accuracies) == ["words", "attributes", "both", "chance"]
    assert min(accuracies[name] for name in ("words", "attributes", "both")) > 0.6
    assert "shapes, a data set in the form of xlsa17" in text and "16 seen, 9 unseen" in text


@pytest.mark.slow
def test_video_features(run):
    pytest.importorskip("av", reason="needs the extra video")
    accuracies, text = run("plot_video_features.py", "video_features.png")
    assert list(accuracies) == ["RGB", "RGB + flow"]
    assert accuracies["RGB + flow"] > 0.85 and accuracies["RGB"] > 0.7  # chance: 0.125
    assert re.search(r"^RGB \+ flow +512 features", text, re.MULTILINE)
    assert "144 of them of seen classes" in text


@pytest.mark.slow
def test_operating_point(run):
    _, text = run("plot_operating_point.py", "operating_point.png")
    rows = re.findall(r"^0\.\d+ +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)", text, re.MULTILINE)
    held_seen, held_unseen, seen, unseen = np.array(rows, dtype=float).T
    for falling, rising in ((held_seen, held_unseen), (seen, unseen)):
        assert (np.diff(falling) <= 0).all() and (np.diff(rising) >= 0).all()
    chosen = float(re.search(r"contamination': ([\d.]+)", text)[1])
    fits = held_seen >= 0.7
    best = np.where(fits, held_unseen, -1).argmax() if fits.any() else held_seen.argmax()
    assert chosen == [0.02, 0.1, 0.2, 0.4][best]


@pytest.mark.slow
def test_unlabelled_samples(run):
    accuracies, _ = run("plot_unlabelled_samples.py", "unlabelled_sizes.png", "unlabelled_map.png")
    for name in ("ClasterZSL", "ESZSL"):
        assert accuracies[f"{name}, 15 per class"] > accuracies[f"{name}, without samples"]
