"""`VideoFeatures`: videos in, one vector per video out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from copy import copy
from dataclasses import astuple
from numbers import Integral, Real
from typing import Any, Self

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from .._utils.parameters import check_choice, check_number, is_number
from .._utils.torch import draw_seed
from .._utils.warning import warn
from ._ahead import Means, Progress, decoded_ahead
from ._backbones import Backbone, Clips, make_backbone, make_flow_network
from ._flow import Raft, TwoStreams, spreads
from ._kept import Kept
from ._samples import as_samples, clips_of, identity, named
from ._sampling import Sampling

_WHICH = "This is sample {} of X, counted from 0."


class VideoFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Transformer of videos to features, by a pretrained network.

    The network sees `n_clips` clips of each video, evenly in time; the mean of their features is
    the feature vector of the video. `fit` trains nothing: it makes the network, finds the number of
    features and, with `flow`, the spread of each stream.

    Parameters
    ----------
    backbone : str, torch.nn.Module, callable or object with `encode`, default="r3d_18"
        The network that turns frames into features:

        * the name of a video network of torchvision (``r3d_18``, ``mc3_18``, ``r2plus1d_18``,
          ``s3d``, ``mvit_v2_s``, ``swin3d_t``, ...), with its own preprocessing and without its
          classifier;
        * a module or a callable that takes clips (b, 3, t, h, w), with values from 0 to 1, and
          returns vectors (b, n_features), tokens (b, n, c) or maps (b, c, t, h, w). It computes on
          the device of its parameters;
        * an image-text model whose method `encode` takes PIL images, such as
          ``SentenceTransformer("clip-ViT-B-32")``. Each frame's vector is scaled to unit length,
          and their mean lies in one space with the model's vectors of class names.
    weights : {"default"}, path or None, default="default"
        The weights of a network by name: "default" are torchvision's, downloaded once; a path is
        a file with a state dict, whose classifier may differ; None draws random weights. Your own
        network has its weights: leave "default" or None.
    layer : str or None, default=None
        The layer of the network to read, by its name in `named_modules`. None reads the output.
        If the layer returns a tuple, as MViT's blocks do, its first part is read. Maps of
        torchvision's Swin have their channels last; their axes are moved.
    pooling : {"mean", "2x2"}, default="mean"
        How maps (b, c, t, h, w) become vectors: "mean" averages them over time and space; "2x2"
        averages them over time, pools them to 2 x 2 in space and flattens them, as in the paper.
    flow : {"raft"}, callable or None, default=None
        The paper's second stream, the motion between frames. "raft" is torchvision's small RAFT;
        a callable takes first and second frames (n, 3, h, w), with values from 0 to 1, and returns
        (dx, dy) in pixels as (n, 2, h, w). Features of the two streams stand side by side, each
        divided by its spread over the training videos, so that `fit` needs these videos.
    flow_backbone : torch.nn.Module, callable or None, default=None
        The network of the flow. It takes clips (b, 2, t, h, w) of flow, cut at 20 pixels and
        divided by 20. With None `backbone` takes flow and speed, as if they were colours.
    n_clips : int, default=5
        Clips per video.
    clip_length : int or "auto", default="auto"
        Frames per clip. "auto" is the value with which torchvision tested the network (16; 32 for
        Swin, 128 for S3D), 16 for other networks, 1 for an image-text model.
    frame_rate : float, "auto" or None, default="auto"
        Frames per second of a clip. None takes the rate of the video. "auto" is the value with
        which torchvision tested the network (15; 7.5 for MViT), None for others. Arrays and lists
        of images have no rate: their frames are taken one after the other.
    frame_size : int or "auto", default="auto"
        The side of the square, cut from the middle of the frame, that a network sees. "auto" is the
        value with which torchvision tested the network, 224 for other networks. An image-text model
        gets whole frames.
    batch_size : int, default=8
        Clips per batch of the network.
    device : str or torch.device, default="auto"
        The device of networks by name.
    n_jobs : int or None, default=None
        Threads that decode videos while the network computes. None is one thread, -1 one per
        processor.
    on_error : {"raise", "nan"}, default="raise"
        What happens to a video that cannot be read, or whose features are not finite: an error, or
        a row of NaN and a warning at the end. (A transformer must not leave out samples: they would
        no longer match `y`.)
    memory : str, path, joblib.Memory or None, default=None
        The folder that keeps finished rows. An interrupted run continues from there, and several
        processes may share it. Path, size and date identify a file, weights and layers a network,
        the source a function, and the pickle any other callable.
    random_state : int, RandomState or None, default=None
        Draws random weights if ``weights=None``.
    verbose : int, default=0
        Above 0 prints progress, with an estimate of the time left.

    Attributes
    ----------
    errors_ : dict of int to str
        The reasons why samples have no features in the latest call, by their position in X.
    spreads_ : ndarray of shape (n_features,)
        The divisor of each feature, with `flow` only: one value per stream, the root of its mean
        variance over the training videos.

    See Also
    --------
    sklearn_claster.text.embed_sentences : Class vectors from the same image-text model.

    Notes
    -----
    PyAV decodes every format that FFmpeg decodes. Frames are taken by their time stamps and rotated
    as the file asks for. In MP4, Matroska, WebM and AVI files the reader jumps over what lies
    between clips, from key frame to key frame; it reads other formats from the beginning. It uses
    those frames of a damaged file that can be decoded. A video shorter than a clip repeats. Memory
    holds the clips of a few videos, however long the videos are.

    Section 4 of the paper needs two networks that you bring: I3D for frames and I3D for flow, read
    at `Mixed_5c`, averaged over time, pooled to 2 x 2 and flattened (4096 features per stream)::

        VideoFeatures(i3d, flow="raft", flow_backbone=i3d_of_flow, layer="Mixed_5c", pooling="2x2")

    If a network expects values other than 0 to 1, put a layer that rescales them before it:
    ``nn.Sequential(rescale, i3d)``, read at ``layer="1.Mixed_5c"``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_claster.video import VideoFeatures
    >>> videos = np.random.default_rng(0).random((4, 20, 32, 48, 3))  # or paths of files
    >>> def colours(clips):  # your network: (b, 3, t, h, w) -> (b, n_features)
    ...     return clips.mean(dim=(2, 3, 4))
    >>> features = VideoFeatures(colours, frame_size=32)
    >>> features.fit_transform(videos).shape
    (4, 3)
    >>> features.get_feature_names_out()
    array(['videofeatures0', 'videofeatures1', 'videofeatures2'], dtype=object)
    """

    def __init__(
        self,
        backbone: Any = "r3d_18",
        *,
        weights: Any = "default",
        layer: str | None = None,
        pooling: str = "mean",
        flow: Any = None,
        flow_backbone: Any = None,
        n_clips: int = 5,
        clip_length: int | str = "auto",
        frame_rate: float | str | None = "auto",
        frame_size: int | str = "auto",
        batch_size: int = 8,
        device: Any = "auto",
        n_jobs: int | None = None,
        on_error: str = "raise",
        memory: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.layer = layer
        self.pooling = pooling
        self.flow = flow
        self.flow_backbone = flow_backbone
        self.n_clips = n_clips
        self.clip_length = clip_length
        self.frame_rate = frame_rate
        self.frame_size = frame_size
        self.batch_size = batch_size
        self.device = device
        self.n_jobs = n_jobs
        self.on_error = on_error
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Make the network, and with `flow` learn the spread of each stream.

        Parameters
        ----------
        X : sequence of n_videos samples, default=None
            The training videos, as for `transform`. They are read with `flow` only.
        y : object, default=None
            Not used.

        Returns
        -------
        VideoFeatures
            The transformer itself.

        Raises
        ------
        ValueError
            If a parameter is out of range, if the backbone returns no features, or if `flow` is set
            and `X` is missing.
        TypeError
            If a parameter has the wrong type.
        ImportError
            If torchvision is needed and missing.
        OSError
            If weights do not exist or cannot be downloaded.
        """
        self._begin()
        if self.flow is not None:
            if X is None:
                raise ValueError(
                    "With flow, fit needs the training videos, from which it learns the spread of "
                    "each stream; got X=None. Call fit(X), or fit_transform(X)."
                )
            self._learn_spreads(self._rows(X))
        return self

    def fit_transform(self, X: Any, y: Any = None) -> NDArray[np.float32]:
        """Fit, then transform the same videos, reading each of them once.

        Parameters
        ----------
        X : sequence of n_videos samples
            As for `transform`.
        y : object, default=None
            Not used.

        Returns
        -------
        ndarray of shape (n_videos, n_features)
            The features, in float32.
        """
        self._begin()
        rows = self._rows(X)
        if self.flow is None:
            return rows
        self._learn_spreads(rows)
        return rows / self.spreads_

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Compute the features of videos.

        Parameters
        ----------
        X : sequence of n_videos samples
            Each sample is the path of a video file; a list of paths of images, the frames in order;
            or an array or tensor (frames, height, width, 3) of uint8 or of floats from 0 to 1.

        Returns
        -------
        ndarray of shape (n_videos, n_features)
            The features, in float32.

        Raises
        ------
        NotFittedError
            If it is not fitted.
        OSError, ValueError
            If a video cannot be read, or has no finite features, and ``on_error="raise"``.
        TypeError
            If X is no list of videos.
        """
        check_is_fitted(self)
        self._check()
        rows = self._rows(X)
        return rows if self.flow is None else rows / self.spreads_

    def _begin(self) -> None:
        """Make the network, and try it on a blank clip."""
        self._check()
        self.__dict__.pop("spreads_", None)
        seed = draw_seed(self.random_state)
        made = self._make(seed)
        sampling = self._sampling(made)
        blank = made.prepare(np.zeros((32, 32, 3), dtype=np.uint8))
        try:
            streams = made.features([[blank] * sampling.clip_length])
        except RuntimeError as error:
            raise ValueError(
                f"The backbone does not take a clip of {sampling.clip_length} frames with "
                f"frame_size={self.frame_size!r}: {error}. Change clip_length or frame_size; "
                "'auto' suits torchvision's networks."
            ) from error
        self._seed, self._made = seed, made
        self._widths = [stream.shape[1] for stream in streams]
        self._n_features_out = sum(self._widths)

    def _learn_spreads(self, rows: NDArray[np.float32]) -> None:
        self.spreads_ = spreads(rows, self._widths)

    def _rows(self, X: Any) -> NDArray[np.float32]:
        """Compute features before the streams are scaled, which `memory` keeps."""
        samples, network = as_samples(X), self._network()
        rows = np.full((len(samples), self._n_features_out), np.nan, dtype=np.float32)
        self.errors_: dict[int, str] = {}
        kept, keys = Kept(self.memory), self._keys(network, samples)
        for i, key in keys.items():
            if (row := kept.get(key)) is not None:
                rows[i] = row
        missing = [i for i in range(len(samples)) if not np.isfinite(rows[i]).all()]
        for i, result in self._results(network, samples, missing):
            if isinstance(result, str):
                self.errors_[i] = result
                continue
            rows[i] = result
            if i in keys:
                kept.put(keys[i], rows[i])
        if self.errors_:
            shown = "; ".join(list(self.errors_.values())[:3])
            warn(
                f"{len(self.errors_)} of {len(samples)} videos have no features; their rows are "
                f"NaN, and errors_ says why: {shown}"
            )
        return rows

    def _results(
        self, network: Backbone, samples: list[Any], positions: list[int]
    ) -> Iterator[tuple[int, NDArray[np.float32] | str]]:
        """Yield the row of each sample at these positions, or the reason why it has none."""
        sampling = self._sampling(network)
        progress = Progress(type(self).__name__, len(positions)) if self.verbose > 0 else None
        means = Means(network, self.n_clips, self.batch_size)

        def decode(i: int) -> list[list[Any]]:
            return clips_of(samples[i], sampling, network.prepare)

        n_threads = joblib.effective_n_jobs(self.n_jobs)
        with closing(decoded_ahead(decode, positions, n_threads)) as ahead:
            for i, result in ahead:
                try:
                    clips = result()
                except (OSError, ValueError, TypeError) as error:
                    error.add_note(_WHICH.format(i))
                    if self.on_error == "raise" or isinstance(error, TypeError):
                        yield from self._finite(samples, means.rest())  # decoded, and not lost
                        raise
                    yield i, str(error)
                else:
                    yield from self._finite(samples, means.add(i, clips))
                if progress is not None:
                    progress.step()
        yield from self._finite(samples, means.rest())

    def _finite(
        self, samples: list[Any], rows: Iterable[tuple[int, NDArray[np.float32]]]
    ) -> Iterator[tuple[int, NDArray[np.float32] | str]]:
        """Yield finite rows as they are, and of others the reason."""
        for i, row in rows:
            wrong = int((~np.isfinite(row)).sum())
            if not wrong:
                yield i, row
                continue
            error = ValueError(
                f"Expected finite features of {named(samples[i])}; got NaN or infinity in {wrong} "
                f"of {len(row)}. Look at the weights of the backbone, or leave the video out."
            )
            error.add_note(_WHICH.format(i))
            if self.on_error == "raise":
                raise error
            yield i, str(error)

    def _network(self) -> Backbone:
        """Return the network, made again after a pickle, which holds parameters only."""
        if getattr(self, "_made", None) is None:
            self._made = self._make(self._seed)
        made: Backbone = self._made
        return made

    def _make(self, seed: int) -> Backbone:
        name = type(self).__name__
        made = make_backbone(
            self.backbone,
            weights=self.weights,
            layer=self.layer,
            pooling=self.pooling,
            frame_size=self.frame_size,
            device=self.device,
            seed=seed,
            announce=name,
        )
        if self.flow is None:
            return made
        if not isinstance(made, Clips):
            raise ValueError(
                "flow needs a backbone of clips; got a model of single frames. Set flow=None, or "
                "choose another backbone."
            )
        flow, other = self.flow, None
        if isinstance(flow, str):
            flow = Raft(self.weights, seed, made.device, name)
        if self.flow_backbone is not None:
            other = make_flow_network(
                self.flow_backbone, made.device, layer=self.layer, pooling=self.pooling
            )
        return TwoStreams(made, flow, other)

    def _sampling(self, network: Backbone) -> Sampling:
        length = network.clip_length if self.clip_length == "auto" else self.clip_length
        rate = network.frame_rate if self.frame_rate == "auto" else self.frame_rate
        if self.flow is not None and length == 1:
            raise ValueError(
                "flow needs at least 2 frames per clip; got clip_length=1. Raise clip_length, or "
                "set flow=None."
            )
        return Sampling(self.n_clips, int(length), None if rate is None else float(rate))

    def _keys(self, network: Backbone, samples: list[Any]) -> dict[int, str]:
        """Return the key of each row in `memory`; a missing file has none."""
        if self.memory is None:
            return {}
        known = joblib.hash((network.key(), astuple(self._sampling(network))))
        keys = {}
        for i, sample in enumerate(samples):
            with suppress(OSError):
                keys[i] = joblib.hash((known, identity(sample)))
        return keys

    def _check(self) -> None:
        check_choice(self, "pooling", ("mean", "2x2"))
        check_choice(self, "on_error", ("raise", "nan"))
        check_number(self, "n_clips", Integral, 1)
        check_number(self, "batch_size", Integral, 1)
        check_number(self, "clip_length", Integral, 1, also=("auto",))
        check_number(self, "frame_rate", Real, 0, low_allowed=False, also=("auto", None))
        check_number(self, "frame_size", Integral, 1, also=("auto",))
        check_number(self, "verbose", Integral, 0, also=(False, True))
        if self.n_jobs is not None and (not is_number(self.n_jobs, Integral) or not self.n_jobs):
            raise ValueError(
                f"n_jobs={self.n_jobs!r} is no number of threads; expected None for one, an "
                "integer from 1 on, or -1 for one per processor."
            )
        if not callable(self.flow):
            check_choice(self, "flow", (None, "raft"))
        if self.flow_backbone is not None and self.flow is None:
            raise ValueError(
                "flow_backbone needs a flow; got flow=None. Set flow='raft' or a callable, or "
                "flow_backbone=None."
            )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_n_features_out") and (self.flow is None or hasattr(self, "spreads_"))

    def __sklearn_clone__(self) -> Self:
        """Clone without a copy of the networks: nothing changes them, and they may be large."""
        networks = {name: getattr(self, name) for name in ("backbone", "flow", "flow_backbone")}
        bare = copy(self).set_params(**dict.fromkeys(networks))
        cloned: Self = BaseEstimator.__sklearn_clone__(bare)
        return cloned.set_params(**networks)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_made"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.requires_fit = True
        return tags
