"""VideoFeatures: from videos to features, with random weights; nothing is downloaded."""

import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks, get_tags
from tiny_clip import save_tiny_clip
from torch import nn
from video_files import numbered, write

from sklearn_claster import ClassEmbeddings, ClasterZSL
from sklearn_claster.model_selection import ZeroShotKFold
from sklearn_claster.text import embed_sentences
from sklearn_claster.video import VideoFeatures
from sklearn_claster.video import _torchvision as tv
from sklearn_claster.video._ahead import Progress, decoded_ahead

pytest.importorskip("av", reason="needs PyAV: pip install 'sklearn_claster[video]'")
try:
    torchvision = tv.torchvision_module()
except ImportError as error:
    pytest.skip(str(error), allow_module_level=True)

SMALL = {"weights": None, "random_state": 0, "frame_size": 32, "clip_length": 4, "n_clips": 2}


class Convolutions(nn.Module):
    """A network of clips with layers to name; `n_channels` 2 is for flow."""

    def __init__(self, n_channels=3):
        super().__init__()
        self.Mixed_5c = nn.Conv3d(n_channels, 4, 3, stride=2, padding=1)
        self.dropout = nn.Dropout()
        self.logits = nn.Linear(4, 7)
        generator = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.3, generator=generator)

    def forward(self, clips):
        return self.logits(self.dropout(self.Mixed_5c(clips).mean(dim=(2, 3, 4))))


class Colours:
    """An image-text model, as far as it matters: one vector per image."""

    def encode(self, images):
        assert {image.mode for image in images} == {"RGB"}
        return [np.asarray(image).mean(axis=(0, 1)) for image in images]


class Broken:
    """Takes one image only."""

    def encode(self, images):
        return np.ones(3)


def mean_colour(clips):
    return clips.mean(dim=(2, 3, 4))


def moves(first, second):
    """A stand-in for optical flow: what gets brighter moves down, what gets darker up."""
    change = (second - first).mean(dim=1, keepdim=True)
    return torch.cat([change, 10 * change], dim=1)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Four files, of several kinds, sizes and lengths; their frames differ in colour."""
    folder = tmp_path_factory.mktemp("videos")
    kinds = [("mp4", 24, (48, 64)), ("avi", 40, (40, 40)), ("webm", 30, (64, 36)), ("mkv", 3, None)]
    found = []
    for i, (suffix, n_frames, size) in enumerate(kinds):
        frames = numbered(n_frames, size or (32, 48)) // np.array([1 + i, 1, 4 - i], dtype=np.uint8)
        found.append(write(folder / f"{i}.{suffix}", frames.astype(np.uint8)))
    return found


@pytest.fixture(scope="module")
def r3d(paths):
    features = VideoFeatures("r3d_18", **SMALL)
    return features, features.fit_transform(paths)


# ------------------------------------------------------------------ the networks


def test_a_network_by_name_against_steps_by_hand(paths):
    """torchvision's own preset and network, clip by clip."""
    features = VideoFeatures("r3d_18", weights=None, random_state=3, n_clips=2, clip_length=4)
    frames = numbered(20, (60, 100))
    found = features.fit_transform([frames])
    network = tv.build("r3d_18", None, features._seed, "")
    preset = torchvision.models.video.R3D_18_Weights.KINETICS400_V1.transforms()
    clips = [torch.tensor(frames[start : start + 4]).permute(0, 3, 1, 2) for start in (3, 13)]
    with torch.inference_mode():
        expected = network(torch.stack([preset(clip) for clip in clips])).mean(dim=0)
    assert found.shape == (1, 512) and found.dtype == np.float32
    assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "width", "clip"),
    [
        ("mc3_18", 512, (16, 15.0)),
        ("r2plus1d_18", 512, (16, 15.0)),
        ("s3d", 1024, (128, 15.0)),
        ("mvit_v2_s", 768, (16, 7.5)),
        ("swin3d_t", 768, (32, 15.0)),
    ],
)
def test_every_kind_of_network_of_torchvision(name, width, clip, tmp_path):
    before = torch.get_rng_state()
    network = tv.build(name, None, 0, "")
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    loaded = tv.build(name, tmp_path / "weights.pth", 0, "")
    assert_array_equal(torch.get_rng_state(), before)
    assert tv.clip_of(name) == clip
    assert not network.training
    size = {"mvit_v2_s": 224, "s3d": 224}.get(name, 32)
    clip = torch.zeros(1, 3, 16, size, size)
    with torch.inference_mode():
        assert network(clip).shape == (1, width)
    for value, other in zip(
        network.state_dict().values(), loaded.state_dict().values(), strict=True
    ):
        assert torch.equal(value, other)


def test_random_weights_are_those_of_their_seed(paths, r3d):
    features, rows = r3d
    assert_allclose(clone(features).fit_transform(paths[:1]), rows[:1], rtol=1e-4, atol=1e-5)
    other = clone(features).set_params(random_state=1).fit_transform(paths[:1])
    assert abs(other - rows[:1]).max() > 1e-3
    drawn = clone(features).set_params(random_state=None).fit()
    copy = pickle.loads(pickle.dumps(drawn))
    assert_allclose(copy.transform(paths[:1]), drawn.transform(paths[:1]), rtol=1e-4, atol=1e-5)


def test_weights_from_a_file(paths, r3d, tmp_path):
    features, rows = r3d
    state = tv.build("r3d_18", None, features._seed, "").state_dict()
    state |= {"fc.weight": torch.zeros(7, 512), "fc.bias": torch.zeros(7)}
    torch.save(state, tmp_path / "own.pth")
    loaded = clone(features).set_params(weights=tmp_path / "own.pth", random_state=9)
    assert_allclose(loaded.fit_transform(paths), rows, rtol=1e-4, atol=1e-5)
    for wrong, message in [
        ({"conv.weight": torch.zeros(3)}, "holds no state dict of this network.*missing, unknown"),
        ({**state, "stem.0.weight": torch.zeros(3)}, r"1 entries are.*'stem\.0\.weight'"),
        ([1, 2], "holds no state dict of this network"),
    ]:
        torch.save(wrong, tmp_path / "wrong.pth")
        with pytest.raises(ValueError, match=message):
            clone(loaded).set_params(weights=str(tmp_path / "wrong.pth")).fit()
    (tmp_path / "wrong.pth").write_text("no weights")
    with pytest.raises(ValueError, match="cannot be read as weights"):
        clone(loaded).set_params(weights=tmp_path / "wrong.pth").fit()
    with pytest.raises(FileNotFoundError, match=r"none\.pth' is no file; expected 'default'"):
        clone(loaded).set_params(weights=tmp_path / "none.pth").fit()


def test_default_weights_are_downloaded_once(r3d, paths, tmp_path, monkeypatch, capsys):
    """What torchvision would download lies there already, or cannot be had."""
    features, rows = r3d
    default = clone(features).set_params(weights="default")
    weights = torchvision.models.video.R3D_18_Weights.DEFAULT
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def no_network(*args, **kwargs):
        raise OSError("no route to host")

    with monkeypatch.context() as patch:
        patch.setattr(type(weights), "get_state_dict", no_network)
        with pytest.raises(OSError, match=r"no route to host.*Bring https.*or pass weights=None"):
            default.fit()
    said = capsys.readouterr().out
    assert "downloaded once, 127 MB from https://" in said and str(tmp_path) in said
    (tmp_path / "checkpoints").mkdir()
    state = tv.build("r3d_18", None, features._seed, "").state_dict()
    torch.save(state, tmp_path / "checkpoints" / weights.url.rpartition("/")[2])
    assert_allclose(default.fit_transform(paths), rows, rtol=1e-4, atol=1e-5)
    assert capsys.readouterr().out == ""


def test_a_layer_of_your_own_network_pooled_as_in_the_paper():
    network = Convolutions()
    frames = numbered(16, (32, 32))
    network.train()
    features = VideoFeatures(network, layer="Mixed_5c", pooling="2x2", frame_size=32, n_clips=1)
    found = features.fit_transform([frames])
    assert network.training and network.dropout.training
    clip = torch.tensor(frames / 255, dtype=torch.float32).permute(3, 0, 1, 2)[None]
    with torch.no_grad():
        maps = network.Mixed_5c(clip)[0].numpy()  # (4, 8, 16, 16)
    quarters = maps.mean(axis=1).reshape(4, 2, 8, 2, 8).mean(axis=(2, 4))
    assert_allclose(found[0], quarters.ravel(), rtol=1e-4, atol=1e-5)
    mean = clone(features).set_params(pooling="mean").fit_transform([frames])
    assert_allclose(mean[0], maps.mean(axis=(1, 2, 3)), rtol=1e-4, atol=1e-5)
    assert clone(features).set_params(layer=None, pooling="mean").fit_transform([frames]).shape == (
        1, 7,
    )  # fmt: skip


def test_layers_of_swin_have_their_channels_last():
    """The mean of the last layer is what the network gives; 2 x 2 is of space, not of channels."""
    options = SMALL | {"n_clips": 1, "frame_size": 128}
    frames = [numbered(8, (128, 128))]
    features = VideoFeatures("swin3d_t", **options)
    whole = features.fit_transform(frames)
    for layer in ("norm", "avgpool"):
        found = clone(features).set_params(layer=layer).fit_transform(frames)
        assert_allclose(found, whole, rtol=1e-4, atol=1e-5)
    around = nn.Sequential(nn.Identity(), features._made._network)
    inside = VideoFeatures(around, layer="1.features.6", pooling="2x2", frame_size=128)
    quarters = inside.set_params(n_clips=1, clip_length=4).fit_transform(frames)
    with torch.inference_mode():
        clip = torch.tensor(frames[0][2:6] / 255, dtype=torch.float32).permute(3, 0, 1, 2)
        swin = around[1]
        maps = swin.features(swin.patch_embed(clip[None])).numpy()  # (1, 2, 4, 4, 768)
    expected = maps.mean(axis=1).reshape(2, 2, 2, 2, 768).mean(axis=(1, 3)).transpose(2, 0, 1)
    assert_allclose(quarters[0], expected.ravel(), rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match=r"attn.qkv' has no output.*Name.*'features.6.1.attn'"):
        clone(features).set_params(layer="features.6.1.attn.qkv").fit()


def test_of_a_layer_that_gives_a_tuple_the_first_part_counts():
    class Halves(nn.Module):
        def forward(self, clips):
            return mean_colour(clips), clips.shape

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.halves = Halves()

        def forward(self, clips):
            return self.halves(clips)[0] * 2

    frames = [numbered(6)]
    options = {"n_clips": 2, "clip_length": 3, "frame_size": 8}
    expected = VideoFeatures(mean_colour, **options).fit_transform(frames)
    found = VideoFeatures(Whole(), layer="halves", **options).fit_transform(frames)
    assert_allclose(found, expected, rtol=1e-5)


def test_frames_of_other_sizes_are_cut_to_the_middle_square():
    frames = np.zeros((4, 20, 40, 3), dtype=np.uint8)
    frames[:, :, 10:30] = (255, 128, 0)
    found = VideoFeatures(mean_colour, frame_size=10, n_clips=1, clip_length=4).fit_transform(
        [frames, frames.transpose(0, 2, 1, 3)]
    )
    assert_allclose(found, [[1, 128 / 255, 0]] * 2, atol=1e-6)


def test_an_image_model_gives_the_mean_of_unit_vectors():
    frames = numbered(10)
    found = VideoFeatures(Colours(), n_clips=5).fit_transform([frames])
    vectors = frames[1::2].mean(axis=(1, 2))
    expected = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).mean(axis=0)
    assert_allclose(found[0], expected, rtol=1e-5)


def test_a_tiny_clip_puts_videos_and_class_names_in_one_space(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    sentence_transformers = pytest.importorskip(
        "sentence_transformers", reason="needs the extra text"
    )
    model = sentence_transformers.SentenceTransformer(str(save_tiny_clip(tmp_path)), device="cpu")
    frames = numbered(10)
    found = VideoFeatures(model, n_clips=5).fit_transform([frames])
    images = [Image.fromarray(frame) for frame in frames[1::2]]
    vectors = model.encode(images)
    expected = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).mean(axis=0)
    assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5)
    assert embed_sentences(["RideBike", "archery"], model).vectors.shape == (2, found.shape[1])


def test_outputs_that_are_pooled():
    def tokens(clips):
        return clips.mean(dim=(3, 4)).transpose(1, 2)  # (b, t, 3)

    frames = numbered(6)
    options = {"n_clips": 2, "clip_length": 3, "frame_size": 8}
    expected = VideoFeatures(mean_colour, **options).fit_transform([frames])
    for network in (tokens, lambda clips: clips, lambda clips: mean_colour(clips).numpy()):
        found = VideoFeatures(network, **options).fit_transform([frames])
        assert_allclose(found, expected, rtol=1e-5)


# ------------------------------------------------------------------ flow


def test_two_streams_stand_side_by_side_each_with_spread_one():
    frames = [numbered(12), numbered(12)[::-1] // 2, numbered(12, (40, 40)) // 3]
    options = {"frame_size": 16, "clip_length": 6, "n_clips": 2}
    alone = VideoFeatures(mean_colour, **options).fit_transform(frames)
    spread = np.sqrt(np.mean((alone - alone.mean(axis=0)) ** 2))
    features = VideoFeatures(mean_colour, flow=moves, **options)
    both = features.fit_transform(frames)
    assert both.shape == (3, 6)
    assert_allclose(both[:, :3], alone / spread, rtol=1e-4)
    assert_allclose(features.spreads_[:3], spread, rtol=1e-4)
    change, down, speed = both[:, 3:].T
    assert_allclose(both[:, 3:].var(axis=0).mean(), 1, rtol=1e-4)
    assert_allclose(down, 10 * change, rtol=1e-4)
    assert change[0] > 0 > change[1] and (speed > 0).all()
    assert_allclose(features.transform(frames[:1]), both[:1], rtol=1e-5)
    assert_allclose(clone(features).fit(frames).transform(frames[1:]), both[1:], rtol=1e-5)
    with pytest.raises(ValueError, match="With flow, fit needs the training videos"):
        features.fit()


def test_spreads_come_from_what_could_be_read():
    frames = [numbered(12), np.zeros((2, 3)), numbered(12)[::-1] // 2]
    features = make(flow=moves, on_error="nan")
    with pytest.warns(UserWarning, match="1 of 3 videos"):
        found = features.fit_transform(frames)
    assert_allclose(found[::2], make(flow=moves).fit_transform(frames[::2]), rtol=1e-5)
    still = make(flow=lambda first, second: 0 * first[:, :2]).fit_transform(frames[::2])
    assert_array_equal(still[:, 3:], 0)


@pytest.mark.parametrize("X", [[], ["none.mp4", "neither.avi"]], ids=["no video", "none that can"])
@pytest.mark.parametrize("method", ["fit", "fit_transform"])
@pytest.mark.filterwarnings("ignore:2 of 2 videos have no features")
def test_without_a_video_no_spread_is_learnt(X, method):
    """It would be NaN, and so would each row of each later call."""
    features = make(flow=moves, on_error="nan")
    with pytest.raises(ValueError, match=rf"one training video.* got none out of {len(X)}\. Pass"):
        getattr(features, method)(X)


def test_a_fit_that_fails_leaves_no_spread():
    features = make(flow=moves)
    for _ in range(2):  # the second time after a fit that went well
        with pytest.raises(FileNotFoundError, match="does not exist"):
            features.fit(["none.mp4"])
        with pytest.raises(NotFittedError):
            features.transform([numbered(12)])
        features.fit([numbered(12), numbered(12)[::-1] // 2])


def test_flow_goes_through_a_network_of_its_own():
    frames = [numbered(12)]
    features = VideoFeatures(
        Convolutions(), flow=moves, flow_backbone=Convolutions(2), layer="Mixed_5c",
        pooling="2x2", frame_size=16, clip_length=6, n_clips=2,
    )  # fmt: skip
    assert features.fit_transform(frames).shape == (1, 32)


def test_raft_on_frames_of_any_size():
    before = torch.get_rng_state()
    features = VideoFeatures(
        mean_colour, weights=None, flow="raft", frame_size=30, clip_length=2, n_clips=1,
        random_state=0,
    )  # fmt: skip
    found = features.fit_transform([numbered(6)])
    assert found.shape == (1, 6) and np.isfinite(found).all()
    assert_array_equal(torch.get_rng_state(), before)


# ------------------------------------------------------------------ the same features, however


def test_alone_in_a_batch_or_in_another_order(paths, r3d):
    features, rows = r3d
    for batch_size, n_jobs in [(1, 2), (3, None), (64, -1)]:
        other = clone(features).set_params(batch_size=batch_size, n_jobs=n_jobs).fit()
        assert_allclose(other.transform(paths[::-1])[::-1], rows, rtol=1e-3, atol=1e-4)
    for path, row in zip(paths, rows, strict=True):
        assert_allclose(features.transform([str(path)])[0], row, rtol=1e-3, atol=1e-4)


def test_from_a_file_or_from_an_array_of_its_frames(paths, r3d):
    import av

    features = clone(r3d[0]).set_params(frame_rate=None).fit()
    arrays = []
    for path in paths:
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        arrays.append(np.stack(frames))
    found = features.transform(arrays)
    assert_allclose(found, features.transform(paths), rtol=1e-3, atol=1e-4)
    assert_allclose(
        features.transform(list(map(torch.tensor, arrays))), found, rtol=1e-3, atol=1e-4
    )


def test_no_more_videos_are_decoded_ahead_than_threads_need():
    lock, decoded = threading.Lock(), []

    def decode(i):
        with lock:
            decoded.append(i)
        return -i

    for taken, (i, result) in enumerate(decoded_ahead(decode, range(50), 2)):
        assert (i, result()) == (taken, -taken)
        time.sleep(0.002)
        assert len(decoded) <= taken + 4


def test_threads_end_when_the_work_is_broken_off():
    n_threads = threading.active_count()
    ahead = decoded_ahead(lambda i: i, range(50), 2)
    next(ahead)
    ahead.close()
    assert threading.active_count() == n_threads


# ------------------------------------------------------------------ what fails, what is kept


def make(**parameters):
    return VideoFeatures(mean_colour, frame_size=16, clip_length=2, n_clips=2, **parameters)


def test_on_error(paths, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 100)
    X = [paths[0], tmp_path / "broken.mp4", paths[1], tmp_path / "none.avi", np.zeros((2, 3))]
    with pytest.raises(ValueError, match=r"broken\.mp4' cannot be decoded") as caught:
        make().fit_transform(X)
    assert caught.value.__notes__ == ["This is sample 1 of X, counted from 0."]
    features = make(on_error="nan", n_jobs=2)
    with pytest.warns(UserWarning, match=r"3 of 5 videos.*NaN.*errors_ says why.*broken\.mp4"):
        found = features.fit_transform(X)
    assert np.isnan(found).all(axis=1).tolist() == [False, True, False, True, True]
    assert_array_equal(found[[0, 2]], make().fit_transform(paths[:2]))
    assert list(features.errors_) == [1, 3, 4]
    assert "does not exist" in features.errors_[3]
    features.transform(paths)
    assert features.errors_ == {}
    with pytest.raises(TypeError, match="A video is a path"):
        features.transform([*paths, None])


def of_bright_videos(clips):
    """A network that divides by the brightness: NaN for black videos, infinity in a corner."""
    found = mean_colour(clips)
    return torch.cat([found / found.sum(dim=1, keepdim=True), 1 / (found[:, :1] - 1)], dim=1)


@pytest.mark.parametrize("value", [0, 255], ids=["NaN", "infinity"])
def test_features_that_are_not_finite_are_told(value, paths, tmp_path):
    bad = write(tmp_path / "bad.mkv", np.full((4, 32, 48, 3), value, dtype=np.uint8))
    images = [tmp_path / "1.png", tmp_path / "2.png"]
    for path in images:
        Image.fromarray(np.full((16, 16, 3), value, dtype=np.uint8)).save(path)
    features = make(memory=tmp_path / "kept").set_params(backbone=of_bright_videos)
    with pytest.raises(ValueError, match=r"finite features of '.*bad\.mkv'; got NaN") as caught:
        features.fit_transform([paths[0], bad])
    assert caught.value.__notes__ == ["This is sample 1 of X, counted from 0."]
    features.set_params(on_error="nan")
    X = [paths[0], bad, images, np.full((4, 16, 16, 3), value / 255), paths[1]]
    for _ in range(2):  # the second time from the memory
        with pytest.warns(UserWarning, match=r"3 of 5 videos have no features.*errors_ says why"):
            found = features.fit_transform(X)
        assert np.isnan(found).any(axis=1).tolist() == [False, True, True, True, False]
        assert np.isnan(found[1:4]).all() and np.isfinite(found[[0, 4]]).all()
        assert list(features.errors_) == [1, 2, 3]
        assert "1.png', ... (2 images)" in features.errors_[2]
        assert "an array (4, 16, 16, 3)" in features.errors_[3]


class Counting(Convolutions):
    """Counts the clips that it sees."""

    seen = 0

    def forward(self, clips):
        Counting.seen += len(clips)
        return super().forward(clips)


def test_an_interrupted_run_goes_on(paths, tmp_path, monkeypatch):
    features = make(memory=tmp_path / "kept", n_jobs=2).set_params(
        backbone=Counting(), batch_size=1
    )
    expected = make().set_params(backbone=Convolutions()).fit_transform(paths)
    features.fit()
    Counting.seen = 0

    class Stop(KeyboardInterrupt):
        pass

    def stop(clips):
        if Counting.seen >= 5:
            raise Stop
        return forward(clips)

    forward = features.backbone.forward
    with monkeypatch.context() as patch:
        patch.setattr(features.backbone, "forward", stop)
        with pytest.raises(Stop):
            features.transform(paths)
    assert Counting.seen == 5
    assert_allclose(features.transform(paths), expected, rtol=1e-5)
    assert Counting.seen == 5 + 4  # two videos of two clips were kept
    copy = pickle.loads(pickle.dumps(features))
    assert_allclose(copy.transform(paths[::-1])[::-1], expected, rtol=1e-5)
    assert Counting.seen == 9


def test_an_error_does_not_cost_what_was_decoded_before(paths, tmp_path):
    features = make(memory=tmp_path).set_params(backbone=Counting(), batch_size=50).fit()
    with pytest.raises(FileNotFoundError, match="none"):
        features.transform([*paths, tmp_path / "none.mp4"])
    Counting.seen = 0
    features.transform(paths)
    assert Counting.seen == 0


def test_what_is_kept_belongs_to_its_parameters_and_files(paths, tmp_path):
    own = write(tmp_path / "own.mp4", numbered(8))
    kept = make(memory=str(tmp_path / "kept")).set_params(backbone=Counting())
    changed = Counting()
    with torch.no_grad():
        changed.logits.bias += 1
    variants = [
        {}, {"n_clips": 3}, {"clip_length": 3}, {"frame_rate": 7}, {"frame_size": 12},
        {"layer": "Mixed_5c"}, {"backbone": changed},
    ]  # fmt: skip
    for variant in variants:
        features = clone(kept).set_params(**variant).fit()
        Counting.seen = 0
        first = features.transform([own, numbered(8)])
        assert Counting.seen == 2 * features.n_clips
        assert_array_equal(features.transform([own, numbered(8)]), first)
        assert_array_equal(clone(features).fit().transform([own, numbered(8)]), first)
        assert Counting.seen == 2 * features.n_clips + 1  # that of the second fit
    before = kept.fit().transform([own])
    write(own, numbered(9)[::-1])
    assert abs(kept.transform([own]) - before).max() > 1e-3


def test_what_is_kept_tells_functions_by_their_source(tmp_path):
    first = make(memory=tmp_path).set_params(backbone=lambda clips: mean_colour(clips))
    second = make(memory=tmp_path).set_params(backbone=lambda clips: 1 - mean_colour(clips))
    assert_allclose(first.fit_transform([numbered(5)]), 1 - second.fit_transform([numbered(5)]))
    unwritten = make(memory=tmp_path).set_params(backbone=eval("lambda clips: clips.mean((2, 3))"))
    with pytest.raises(ValueError, match=r"memory cannot tell <function.*memory=None"):
        unwritten.fit_transform([numbered(5)])


def test_a_file_of_the_memory_that_is_broken_is_made_again(paths, tmp_path, caplog):
    features = make(memory=str(tmp_path)).fit()
    expected = features.transform(paths)
    for path in tmp_path.rglob("output.pkl"):
        path.write_bytes(b"half")
    assert_array_equal(features.transform(paths), expected)
    assert "Exception while loading results" in caplog.text
    caplog.clear()
    assert_array_equal(features.transform(paths), expected)
    assert not caplog.text


@pytest.mark.slow
def test_two_processes_share_a_memory(paths, tmp_path):
    script = """
import sys
import numpy as np
from sklearn_claster.video import VideoFeatures
from test_video_processes import mean_colour
features = VideoFeatures(mean_colour, frame_size=16, clip_length=2, n_clips=2, memory=sys.argv[1])
for _ in range(3):
    found = features.fit_transform(sys.argv[3:] * 5)
np.save(sys.argv[2], found)
"""
    module = "def mean_colour(clips):\n    return clips.mean(dim=(2, 3, 4))\n"
    (tmp_path / "test_video_processes.py").write_text(module)
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, "script.py", str(tmp_path / "kept")]
    started = [
        subprocess.Popen([*command, f"{i}.npy", *map(str, paths)], cwd=tmp_path) for i in (0, 1)
    ]
    assert [process.wait(120) for process in started] == [0, 0]
    expected = make().fit_transform(paths * 5)
    for i in (0, 1):
        assert_array_equal(np.load(tmp_path / f"{i}.npy"), expected)
    assert len(list(tmp_path.rglob("output.pkl"))) == len(paths)


def test_verbose_tells_how_far_it_is(paths, capsys):
    make(verbose=1).fit_transform(paths)
    assert "[VideoFeatures] 4 of 4 videos in" in capsys.readouterr().out


def test_progress_estimates_the_time_left(monkeypatch, capsys):
    clock = iter([0.0, 2.0, 6.0, 8.0, 12.0])  # a line at most every five seconds
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    progress = Progress("VideoFeatures", 4)
    for _ in range(4):
        progress.step()
    assert capsys.readouterr().out.splitlines() == [
        "[VideoFeatures] 2 of 4 videos in 6 s, about 6 s left",
        "[VideoFeatures] 4 of 4 videos in 12 s, about 0 s left",
    ]


# ------------------------------------------------------------------ scikit-learn's contract


def test_a_pipeline_from_files_to_classes(tmp_path):
    """Colours are classes, and their class vectors are colours: two are unseen."""
    colours = {
        "red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "white": (1, 1, 1),
        "grey": (0.5, 0.5, 0.5), "yellow": (1, 1, 0), "pink": (1, 0.5, 0.5),
    }  # fmt: skip
    table = ClassEmbeddings(list(colours), [[*map(float, colours[c])] for c in colours])
    rng = np.random.default_rng(0)
    X, y = [], []
    for i in range(6):
        for name, colour in colours.items():
            frames = numbered(8, (32, 32)) * rng.uniform(0.6, 1)
            path = tmp_path / f"{name}{i}.{'mp4' if i % 2 else 'avi'}"
            X.append(write(path, (frames * colour).astype(np.uint8)))
            y.append(name)
    y = np.array(y)
    seen = np.flatnonzero(~np.isin(y, ["yellow", "pink"]))
    zsl = ClasterZSL(2, max_epochs=4, hidden_layer_sizes=(16,), random_state=0)
    pipeline = make_pipeline(make(memory=str(tmp_path / "kept")), zsl)
    fitted = clone(pipeline).fit([X[i] for i in seen], y[seen], clasterzsl__class_embeddings=table)
    unseen = np.flatnonzero(np.isin(y, ["yellow", "pink"]))
    copy = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(copy.predict([X[i] for i in unseen]), fitted.predict([X[i] for i in unseen]))
    search = GridSearchCV(
        pipeline, {"videofeatures__n_clips": [1, 2]}, cv=ZeroShotKFold(2), error_score="raise"
    )
    search.fit([X[i] for i in seen], y[seen], clasterzsl__class_embeddings=table)
    assert set(search.predict([X[i] for i in unseen])) <= set(colours)


def test_frames_and_names_by_one_model_are_found_to_share_a_space():
    rng = np.random.default_rng(0)
    colours = dict(zip("abcdefghijklmnop", rng.integers(20, 235, (16, 3)), strict=True))

    class ColoursAndNames:
        def encode(self, items):
            means = [colours.get(x) if isinstance(x, str) else np.mean(x, (0, 1)) for x in items]
            return np.cos(np.array(means) @ waves)

    waves = rng.normal(0, 0.02, (3, 32))
    y = np.repeat(list(colours), 4)
    videos = [np.clip(rng.normal(colours[c], 20, (4, 8, 8, 3)), 0, 255).astype(np.uint8) for c in y]
    model = ColoursAndNames()
    zsl = ClasterZSL(2, max_epochs=2, hidden_layer_sizes=(16,), random_state=0)
    pipeline = make_pipeline(VideoFeatures(model), zsl)
    table = embed_sentences(list(colours), model)
    pipeline.fit(videos[:48], y[:48], clasterzsl__class_embeddings=table)
    assert pipeline[-1].prior_ == "cosine"
    assert np.mean(pipeline.predict(videos[48:]) == y[48:]) > 0.7


@pytest.mark.parametrize(
    "check",
    [
        "check_do_not_raise_errors_in_init_or_set_param",
        "check_estimator_cloneable", "check_estimator_repr", "check_estimator_tags_renamed",
        "check_get_params_invariance", "check_mixin_order", "check_no_attributes_set_in_init",
        "check_parameters_default_constructible", "check_set_params", "check_valid_tag_types",
    ],
)  # fmt: skip
def test_checks_of_scikit_learn_that_need_no_table(check):
    """The others pass two-dimensional arrays."""
    if hasattr(estimator_checks, check):
        getattr(estimator_checks, check)("VideoFeatures", VideoFeatures())


def test_clone_parameters_and_tags():
    features = make(memory="somewhere", on_error="nan")
    assert clone(features).get_params() == features.get_params()
    assert repr(VideoFeatures()) == "VideoFeatures()"
    tags = get_tags(features).input_tags
    assert not tags.two_d_array and tags.string
    with pytest.raises(NotFittedError):
        features.transform([])
    assert "VideoFeatures" in features._repr_html_()


def test_clones_share_the_networks():
    features = make(memory="somewhere").set_params(
        backbone=Convolutions(), flow=moves, flow_backbone=Convolutions(2)
    )
    features.fit([numbered(5)] * 2).set_output(transform="pandas")
    copy = clone(features)
    for name in ("backbone", "flow", "flow_backbone"):
        assert getattr(copy, name) is getattr(features, name) is not None
    with pytest.raises(NotFittedError):
        copy.transform([])
    copy.set_params(memory=None)
    assert hasattr(copy.fit([numbered(5)] * 2).transform([numbered(5)]), "columns")
    assert features.memory == "somewhere"


def test_threads_may_share_a_network():
    network, videos = Convolutions().train(), [numbered(8, (32, 32)), numbered(8, (32, 32))[::-1]]
    features = [make(layer="Mixed_5c").set_params(backbone=network).fit() for _ in videos]
    expected = [one.transform([video]) for one, video in zip(features, videos, strict=True)]

    def asked(i):
        return all(
            np.array_equal(features[i].transform([videos[i]]), expected[i]) for _ in range(20)
        )

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(asked, [0, 1]))


@pytest.mark.parametrize("switch", ["float64", "meta", "no_grad", "autocast"])
def test_settings_of_torch_around_do_not_matter(switch, r3d, paths):
    features, rows = r3d
    contexts = {
        "meta": lambda: torch.device("meta"), "no_grad": torch.no_grad,
        "autocast": lambda: torch.autocast("cpu", torch.bfloat16), "float64": nullcontext,
    }  # fmt: skip
    try:
        if switch == "float64":
            torch.set_default_dtype(torch.float64)
        with contexts[switch]():
            found = clone(features).set_params(weights=None).fit().transform(paths[:1])
    finally:
        torch.set_default_dtype(torch.float32)
    if switch == "float64":  # draws other weights
        assert found.dtype == np.float32 and np.isfinite(found).all()
    else:
        assert_allclose(found, rows[:1], rtol=1e-3, atol=1e-4)


def test_feature_names_and_frames(paths):
    pd = pytest.importorskip("pandas")
    features = make().fit().set_output(transform="pandas")
    names = [f"videofeatures{i}" for i in range(3)]
    assert features.get_feature_names_out().tolist() == names
    X = pd.DataFrame({"path": paths[:2]}, index=[7, 9])
    found = features.transform(X)
    assert isinstance(found, pd.DataFrame) and found.columns.tolist() == names
    assert found.index.tolist() == [7, 9]
    assert features.transform([]).shape == (0, 3)


def test_a_pickle_holds_no_network(r3d):
    features, _ = r3d
    assert len(pickle.dumps(features)) < 2000


class Unasked(nn.Module):
    def __init__(self):
        super().__init__()
        self.asked = nn.Linear(3, 2)

    def forward(self, clips):
        return mean_colour(clips) @ self.asked.weight.T


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        (
            {"backbone": "r3d"},
            ValueError,
            r"'r3d' is no video network of torchvision; it has mc3_18",
        ),
        ({"backbone": 3}, TypeError, "backbone has to be the name.*or an object with.*got int"),
        ({"pooling": "max"}, ValueError, "pooling='max' is not a valid choice"),
        ({"pooling": "2x2"}, ValueError, r"gave the shape \(1, 3\); expected \(b, c, t, h, w\)"),
        ({"layer": "conv"}, ValueError, "layer='conv' is no layer.*no torch.nn.Module"),
        ({"backbone": Convolutions(), "layer": "Mixed_5"}, ValueError, "for example 'Mixed_5c'"),
        ({"backbone": nn.Sequential(Convolutions()), "layer": 0}, ValueError, "for example '0'"),
        ({"backbone": Unasked(), "layer": "asked"}, ValueError, "without calling.*Set layer=None"),
        ({"backbone": Colours(), "layer": "conv"}, ValueError, "encode.*got layer='conv'.*Set"),
        ({"backbone": Colours(), "pooling": "2x2"}, ValueError, "encode.*pooling='2x2'.*Set"),
        ({"weights": "i3d.pt"}, ValueError, "weights='i3d.pt' .* network by name.* function.*Load"),
        (
            {"backbone": Convolutions(), "weights": Path("i3d.pt")},
            ValueError,
            "weights=.*'i3d.pt'.*are of a network by name; got a Convolutions.*Load them into it",
        ),
        ({"backbone": Colours(), "weights": "clip.pt"}, ValueError, "by name; got a Colours"),
        ({"backbone": Colours()}, ValueError, "encode gets whole frames; got frame_size=16. Set"),
        ({"on_error": "skip"}, ValueError, "on_error='skip' is not a valid choice"),
        ({"n_clips": 0}, ValueError, "n_clips=0 is out of range"),
        ({"clip_length": 1.5}, TypeError, "clip_length=1.5 has the wrong type.*'auto'"),
        ({"frame_rate": 0}, ValueError, "frame_rate=0 is out of range"),
        ({"frame_size": "big"}, TypeError, "frame_size='big' has the wrong type"),
        ({"flow": "tv-l1"}, ValueError, "flow='tv-l1' is not a valid choice.*'raft'"),
        ({"flow_backbone": mean_colour}, ValueError, "flow_backbone needs a flow.*Set"),
        ({"flow": moves, "clip_length": 1}, ValueError, "got clip_length=1. Raise"),
        (
            {"flow": moves, "backbone": Colours(), "frame_size": "auto"},
            ValueError,
            "flow needs a backbone of clips",
        ),
        ({"flow": moves, "flow_backbone": "r3d_18"}, TypeError, "flow_backbone has to be a torch"),
        ({"flow": lambda a, b: a}, ValueError, r"gave the shape \(1, 3, 16, 16\); expected"),
        (
            {"backbone": Broken(), "frame_size": "auto"},
            ValueError,
            r"encode gave the shape \(3,\); expected \(2, n_f",
        ),
        ({"backbone": lambda clips: {"a": 1}}, ValueError, "returned a dict; expected a tensor"),
        ({"backbone": lambda clips: clips[:0]}, ValueError, r"gave the shape \(0, 3"),
        ({"weights": "none", "backbone": "r3d_18"}, FileNotFoundError, "'none' is no file"),
        ({"weights": None, "backbone": "s3d"}, ValueError, "take a clip of 2 frames.*frame_size"),
        ({"n_jobs": 0}, ValueError, "n_jobs=0 is no number of threads; expected None.*or -1"),
        ({"n_jobs": "2"}, ValueError, "n_jobs='2' is no number of threads"),
        ({"verbose": "yes"}, TypeError, "verbose='yes' has the wrong type"),
        ({"device": "gpu"}, ValueError, "device='gpu' names no device"),
    ],
)
def test_parameters_that_do_not_fit(parameters, error, message):
    with pytest.raises(error, match=message):
        make().set_params(**parameters).fit()


def test_your_own_network_may_have_no_weights_named():
    assert make(weights=None).fit_transform(np.zeros((1, 4, 16, 16, 3))).shape == (1, 3)


def test_torchvision_for_another_torch_is_told(monkeypatch):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "torchvision":
                raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.delitem(sys.modules, "torchvision")
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(ImportError, match=r"not for torch 2.*nms does not exist.*from one place"):
        VideoFeatures("r3d_18", weights=None).fit()
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn_claster\[video\]'"):
        VideoFeatures("r3d_18", weights=None).fit()
