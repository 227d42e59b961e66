"""Frames of real video files: mp4, avi, webm and mkv, whole and broken, written by PyAV."""

import shutil
import subprocess

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from video_files import N_FRAMES, RATE, numbered, numbers, write

from sklearn_claster.video import _decoding
from sklearn_claster.video._samples import as_samples, clips_of, identity
from sklearn_claster.video._sampling import Sampling

av = pytest.importorskip("av", reason="needs PyAV: pip install 'sklearn_claster[video]'")
SUFFIXES = ["mp4", "avi", "webm", "mkv"]


def shown(sample, n_clips=3, clip_length=4, frame_rate=None, n_frames=N_FRAMES):
    """The numbers of the frames in each clip."""
    clips = clips_of(sample, Sampling(n_clips, clip_length, frame_rate), np.array)
    return np.array([numbers(clip, n_frames) for clip in clips])


# ------------------------------------------------------------------ which frames


@pytest.mark.parametrize(
    ("n_clips", "clip_length", "n_steps", "expected"),
    [
        (1, 2, 10, [[4, 5]]),
        (2, 5, 10, [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]),
        (3, 2, 30, [[4, 5], [14, 15], [24, 25]]),
        (2, 4, 5, [[0, 1, 2, 3], [1, 2, 3, 4]]),
        (1, 5, 2, [[0, 1, 0, 1, 0]]),
        (2, 3, 1, [[0, 0, 0], [0, 0, 0]]),
        (4, 1, 4, [[0], [1], [2], [3]]),
    ],
)
def test_clips_lie_evenly_in_time(n_clips, clip_length, n_steps, expected):
    assert Sampling(n_clips, clip_length, None).steps(n_steps).tolist() == expected


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("rate", "size"), [(24, (48, 64)), (30, (50, 38))])
def test_the_frames_that_are_asked_for_come(suffix, rate, size, tmp_path):
    frames = numbered(size=size)
    path = write(tmp_path / f"video.{suffix}", frames, rate=rate)
    expected = Sampling(3, 4, None).steps(N_FRAMES)
    assert abs(shown(path) - expected).max() <= 1
    clips = clips_of(path, Sampling(3, 4, None), np.array)
    wanted = clips_of(frames, Sampling(3, 4, None), np.array)
    assert np.shape(clips) == np.shape(wanted) == (3, 4, *size, 3)
    assert abs(np.array(clips, dtype=float) - wanted).mean() < 4


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_lower_frame_rate_takes_every_second_frame(suffix, tmp_path):
    path = write(tmp_path / f"video.{suffix}", numbered())
    expected = 2 * Sampling(2, 5, None).steps(N_FRAMES // 2)
    assert abs(shown(path, 2, 5, RATE / 2) - expected).max() <= 1


def test_frames_with_times_of_their_own_are_sampled_in_time(tmp_path):
    """Half the frames come in the first tenth of the two seconds."""
    times = np.r_[np.linspace(0, 200, 24, endpoint=False), np.linspace(200, 2000, 24)]
    path = write(tmp_path / "video.mkv", numbered(), times=times)
    found = shown(path, 1, 8, 4.0)[0]
    at = (np.arange(8) / 4.0) * 1000
    expected = np.searchsorted(times, at, side="right") - 1
    assert abs(found - expected).max() <= 1


@pytest.mark.parametrize("gop", [4, 200])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_jumps_change_nothing(suffix, gop, tmp_path, monkeypatch):
    """With few key frames and with many, ten seconds with clips far apart."""
    frames = numbered(120)
    path = write(tmp_path / f"video.{suffix}", frames, rate=12, gop=gop)
    found = shown(path, 4, 2, n_frames=120)
    monkeypatch.setattr(_decoding, "_WORTH_A_SEEK", np.inf)
    assert_array_equal(found, shown(path, 4, 2, n_frames=120))
    assert abs(found - Sampling(4, 2, None).steps(120)).max() <= 1


@pytest.mark.parametrize(("suffix", "options"), [("webm", {"live": "1"}), ("h264", {})])
def test_files_that_do_not_say_how_long_they_last(suffix, options, tmp_path):
    """As browsers record them; and a bare stream, without any time."""
    path = write(tmp_path / f"video.{suffix}", numbered(), rate=25, **options)
    with av.open(str(path)) as container:
        assert not container.duration
    assert abs(shown(path) - Sampling(3, 4, None).steps(N_FRAMES)).max() <= 1


@pytest.mark.parametrize("fault", ["too far", "refused"])
def test_jumps_that_miss_are_made_up_for(fault, tmp_path, monkeypatch):
    path = write(tmp_path / "video.mp4", numbered(120), rate=12)
    expected = shown(path, 4, 2, n_frames=120)
    seek = _decoding._File.seek

    def missed(self, time):
        if fault == "refused":
            raise av.error.PermissionError(1, "not permitted")
        return seek(self, time + 3)

    monkeypatch.setattr(_decoding._File, "seek", missed)
    assert_array_equal(shown(path, 4, 2, n_frames=120), expected)


def test_a_long_file_is_not_read_whole(tmp_path, monkeypatch):
    path = write(tmp_path / "video.mp4", numbered(600), rate=10)
    decoded = []
    whole = _decoding._File.frames

    def counted(self):
        for found in whole(self):
            decoded.append(found[0])
            yield found

    monkeypatch.setattr(_decoding._File, "frames", counted)
    shown(path, 3, 2)
    assert len(decoded) < 60


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_rotated_videos_stand_upright(rotation, tmp_path):
    frames = np.zeros((6, 48, 64, 3), dtype=np.uint8)
    frames[:, :16, :16] = 255
    path = write(tmp_path / "video.mp4", frames, rotation=rotation)
    found = clips_of(path, Sampling(1, 1, None), np.array)[0][0]
    expected = np.rot90(frames[0], rotation // 90)
    assert found.shape == expected.shape
    assert abs(found.astype(float) - expected).mean() < 4
    if shutil.which("ffmpeg") is None:
        return
    command = ["ffmpeg", "-v", "error", "-i", path, "-frames:v", "1"]
    raw = subprocess.run(
        [*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], check=True, capture_output=True
    ).stdout
    by_ffmpeg = np.frombuffer(raw, np.uint8).reshape(expected.shape)
    assert abs(found.astype(float) - by_ffmpeg).mean() < 2


def test_sound_that_lasts_longer_does_not_freeze_the_picture(tmp_path):
    frames = numbered()
    path = write(tmp_path / "video.mkv", frames, sound=8.0)
    assert abs(shown(path) - Sampling(3, 4, None).steps(N_FRAMES)).max() <= 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_frame_and_few_begin_again(suffix, tmp_path):
    one = write(tmp_path / f"one.{suffix}", numbered()[:1])
    assert abs(shown(one, 2, 3)).max() <= 1
    few = write(tmp_path / f"few.{suffix}", numbered(5, (48, 64)))
    assert_allclose(shown(few, 1, 12, n_frames=5), [[0, 1, 2, 3, 4] * 2 + [0, 1]], atol=1)


# ------------------------------------------------------------------ what cannot be read


def no_pictures(folder):
    path = folder / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 8000), dtype=np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def empty(folder):
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def no_video(folder):
    (folder / "notes.mp4").write_text("not a video at all\n" * 100)
    return folder / "notes.mp4"


def headless(folder):
    """An mp4 that ends before its index, which stands at the end."""
    whole = write(folder / "whole.mp4", numbered())
    path = folder / "headless.mp4"
    path.write_bytes(whole.read_bytes()[:2000])
    return path


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda folder: folder / "none.mp4", FileNotFoundError, r"none.mp4' does not exist"),
        (lambda folder: folder, IsADirectoryError, "is a folder; expected a video file. Pass the"),
        (lambda folder: "https://a.org/b.mp4", ValueError, "is an address.*Download it first"),
        (empty, ValueError, r"empty.mp4' is empty.*Copy or download it again"),
        (no_video, ValueError, r"notes.mp4' cannot be decoded.*Is it a complete video"),
        (headless, ValueError, r"headless.mp4' cannot be decoded.*Is it a complete video"),
        (no_pictures, ValueError, r"sound.mkv' holds no video stream"),
    ],
)
def test_an_error_names_the_file_and_the_cure(make, error, message, tmp_path):
    with pytest.raises(error, match=message):
        shown(make(tmp_path))


@pytest.mark.parametrize("suffix", ["avi", "webm", "mkv"])
def test_of_a_truncated_file_what_is_there_counts(suffix, tmp_path):
    whole = write(tmp_path / f"whole.{suffix}", numbered())
    path = tmp_path / f"cut.{suffix}"
    content = whole.read_bytes()
    path.write_bytes(content[: len(content) * 7 // 10])
    found = shown(path, 4, 2)
    assert found.min() >= 0 and 12 < found.max() < 44
    assert len(np.unique(found)) >= 6  # no frame is frozen


def test_a_damaged_middle_is_passed_over(tmp_path):
    path = write(tmp_path / "video.avi", numbered())
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 600] = bytes(600)
    path.write_bytes(content)
    found = shown(path, 4, 2)
    assert (
        abs(found[[0, 3]] - Sampling(4, 2, None).steps(N_FRAMES)[[0, 3]]).max() <= 5
    )  # AVI has no times: it counts


def test_names_that_ffmpeg_would_read_otherwise(tmp_path):
    for name in ("a:b.mp4", "clip%03d.mp4", "ä ö.mp4"):
        assert shown(write(tmp_path / name, numbered())).shape == (3, 4)


def test_without_pyav_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    path = write(tmp_path / "video.mp4", numbered())
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn_claster\[video\]'"):
        shown(path)


# ------------------------------------------------------------------ arrays, tensors, images


def test_arrays_tensors_and_images_are_videos_as_well(tmp_path):
    from PIL import Image

    frames = numbered()
    paths = [tmp_path / f"{i:03d}.png" for i in range(N_FRAMES)]
    for path, frame in zip(paths, frames, strict=True):
        Image.fromarray(frame).save(path)
    forms = [
        frames,
        torch.tensor(frames),
        frames / 255.0,
        torch.tensor(frames / 255, dtype=torch.float32),
        paths,
        tuple(map(str, paths)),
    ]
    for sample in forms:
        clips = clips_of(sample, Sampling(3, 4, 12.0), np.array)
        assert_array_equal(clips, frames[Sampling(3, 4, None).steps(N_FRAMES)])


@pytest.mark.parametrize(
    ("sample", "error", "message"),
    [
        (np.zeros((5, 8, 8)), ValueError, r"\(frames, height, width, 3\).*got \(5, 8, 8\)"),
        (np.zeros((0, 8, 8, 3)), ValueError, r"at least one frame; got \(0, 8, 8, 3\)"),
        (np.full((2, 8, 8, 3), 200.0), ValueError, "got float64 from 200.0 to .*video.astype"),
        (np.full((2, 8, 8, 3), np.nan), ValueError, "floats from 0 to 1; got float64 from nan"),
        (np.zeros((2, 8, 8, 3), int), ValueError, "got int64 from 0 to 0. Convert.*astype"),
        (7, TypeError, "A video is a path, a list of image files or an array.*got int"),
        ([], TypeError, "A video is a path.*got list"),
        (["a.png", 3], TypeError, "A video is a path.*got list"),
    ],
)
def test_what_is_no_video(sample, error, message):
    with pytest.raises(error, match=message):
        clips_of(sample, Sampling(1, 2, None), np.array)


@pytest.mark.parametrize("fault", ["missing", "no image", "cut"])
def test_an_image_that_cannot_be_read_is_named(fault, tmp_path):
    from PIL import Image

    path = tmp_path / "frame.png"
    if fault != "missing":
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)).save(path)
        path.write_bytes(path.read_bytes()[:2000] if fault == "cut" else b"text")
    message = r"frame\.png' cannot be read as an image: .*frames of one video"
    with pytest.raises(OSError, match=message):
        clips_of([path], Sampling(1, 2, None), np.array)


def test_samples_of_x():
    pd = pytest.importorskip("pandas")
    paths = ["a.mp4", "b.mp4"]
    forms = [paths, tuple(paths), np.array(paths), np.array(paths)[:, None]]
    forms += [pd.Series(paths, index=[5, 6]), pd.DataFrame({"path": paths})]
    for X in forms:
        assert as_samples(X) == paths
    assert len(as_samples(np.zeros((2, 5, 8, 8, 3)))) == 2
    for wrong in ("a.mp4", iter(paths), set(paths), {"a.mp4": 1}):
        with pytest.raises(TypeError, match=r"list of videos.*\[path\].* list\(X\), .*sorted"):
            as_samples(wrong)
    with pytest.raises(ValueError, match=r"one column, of paths; got the shape \(2, 3\)"):
        as_samples(np.zeros((2, 3)))


def test_a_file_is_known_by_path_size_and_date(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"abc")
    before = identity(path)
    assert identity(str(path)) == before
    path.write_bytes(b"abcd")
    assert identity(path) != before
    frames = numbered(4)
    assert identity(frames) == identity(torch.tensor(frames)) != identity(frames[:3])
    assert identity([path, path]) == [identity(path)] * 2
