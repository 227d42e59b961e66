"""The examples run, say what they should, and leave pictures."""

import re
import runpy
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def run(monkeypatch, capfd):
    """Runs an example as a script: the accuracies that it prints, by method, and all that."""

    def call(script, picture, option="--output"):
        words = [script, option, str(picture), "--random-state", "1"]
        monkeypatch.setattr(sys, "argv", words)
        runpy.run_path(str(ROOT / "examples" / script), run_name="__main__")
        plt.close("all")
        text, errors = capfd.readouterr()
        assert not errors
        pictures = [picture] if picture.suffix else sorted(picture.parent.glob("*_*.png"))
        assert len(pictures) == text.count("saved ")
        for path in pictures:
            pixels = plt.imread(path)
            assert min(pixels.shape[:2]) > 400 and pixels[..., :3].std() > 0.1  # not blank
        rows = re.findall(r"^(\S.*?)  +.*?([01]\.\d{3})$", text, re.MULTILINE)
        return {method: float(accuracy) for method, accuracy in rows}, text

    return call


@pytest.mark.slow
def test_digit_pairs(run, tmp_path):
    picture = tmp_path / "digits.png"
    _, text = run("plot_digit_pairs.py", picture)
    found = re.findall(r"^(ClasterZSL|ESZSL) +([01]\.\d{3}) +\d+\.\d   \S", text, re.MULTILINE)
    assert [method for method, _ in found] == ["ClasterZSL", "ESZSL"]
    claster, eszsl = (float(accuracy) for _, accuracy in found)
    assert claster > 0.85 and eszsl > 0.8  # chance: 0.033
    assert min(plt.imread(picture).shape[:2]) > 600


@pytest.mark.slow
def test_seen_and_unseen(run, tmp_path):
    _, text = run("plot_seen_and_unseen.py", tmp_path / "gates.png")
    row = r"^(.{22}) +(?:[01]\.\d{3} +){2}([01]\.\d{3}) +[01]\.\d{3}$"
    means = {name.strip(): float(mean) for name, mean in re.findall(row, text, re.MULTILINE)}
    assert list(means) == ["no gate", "calibrated stacking", "BiasDetector"]
    # with four seeds by 0.03 to 0.09
    assert min(means["calibrated stacking"], means["BiasDetector"]) > means["no gate"] + 0.02


@pytest.mark.slow
def test_grid_search(run, tmp_path):
    _, text = run("plot_grid_search.py", tmp_path / "grid.png")
    assert len(re.findall(r"^{'alpha'.*±", text, re.MULTILINE)) == 9
    assert float(re.search(r"unseen classes ([\d.]+)", text)[1]) > 0.4  # chance: 0.2


@pytest.mark.slow
def test_representation(run, tmp_path):
    _, text = run("plot_representation.py", tmp_path / "digits", option="--prefix")
    assert text.count("saved ") == 5
    areas = re.search(r"ClasterZSL ([\d.]+), ESZSL ([\d.]+)", text)
    assert min(float(area) for area in areas.groups()) > 0.6


@pytest.mark.slow
def test_files_to_predictions(run, tmp_path):
    accuracies, text = run("plot_files_to_predictions.py", tmp_path / "files.png")
    assert list(accuracies) == ["words", "attributes", "both", "chance"]
    assert min(accuracies[name] for name in ("words", "attributes", "both")) > 0.6
    assert "shapes, a data set in the form of xlsa17" in text and "22 seen, 8 unseen" in text


@pytest.mark.slow
def test_video_features(run, tmp_path):
    accuracies, text = run("plot_video_features.py", tmp_path / "video.png")
    assert list(accuracies) == ["RGB", "flow", "RGB + flow", "chance"]
    assert accuracies["RGB + flow"] > 0.85 > accuracies["flow"] > accuracies["chance"]
    assert re.search(r"^RGB \+ flow +512 features", text, re.MULTILINE)


@pytest.mark.slow
def test_operating_point(run, tmp_path):
    _, text = run("plot_operating_point.py", tmp_path / "point.png")
    rows = re.findall(r"^0\.\d+ +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)", text, re.MULTILINE)
    held_seen, held_unseen, seen, unseen = np.array(rows, dtype=float).T
    for falling, rising in ((held_seen, held_unseen), (seen, unseen)):
        assert (np.diff(falling) <= 0).all() and (np.diff(rising) >= 0).all()
    chosen = text.splitlines().index(next(line for line in text.splitlines() if "chosen" in line))
    fits = held_seen >= 0.65
    best = np.where(fits, held_unseen, -1).argmax() if fits.any() else held_seen.argmax()
    assert chosen - 2 == best


@pytest.mark.slow
def test_unlabelled_samples(run, tmp_path):
    accuracies, _ = run("plot_unlabelled_samples.py", tmp_path / "unlabelled.png")
    for name in ("ClasterZSL", "ESZSL"):
        assert accuracies[f"{name}, 15 per class"] > accuracies[f"{name}, without samples"]
