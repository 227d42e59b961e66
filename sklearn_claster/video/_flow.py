"""The second stream: optical flow between frames, and its network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .._utils.torch import autocast
from . import _torchvision as tv
from ._backbones import Clips, as_tensor, content

_LARGEST = 20.0  # pixels per frame: as for I3D, flow is cut there and divided by it
_RAFT_SIZE = 128  # the smallest frames that RAFT takes
_RAFT_STEP = 8  # it takes multiples of this


def spreads(rows: NDArray[np.float32], widths: list[int]) -> NDArray[np.float32]:
    """Compute the spread of each stream, the root of its mean variance, as (n_features,).

    Rows of NaN are left out; the spread of a stream that does not vary is 1.

    Raises
    ------
    ValueError
        If no row is left.
    """
    known = rows[~np.isnan(rows).any(axis=1)]
    if not len(known):
        raise ValueError(
            "With flow, fit needs at least one training video with features, from which it learns "
            f"the spread of each stream; got none out of {len(rows)}. Pass videos that can be read."
        )
    variances = np.var(known, axis=0, dtype=np.float64)
    streams = np.split(variances, np.cumsum(widths)[:-1])
    roots = [np.sqrt(stream.mean()) or 1.0 for stream in streams]
    return np.repeat(roots, widths).astype(np.float32)


class TwoStreams:
    """Features of the frames and of the flow between them, side by side, one array each."""

    def __init__(
        self, frames: Clips, flow: Callable[[Tensor, Tensor], Any], flow_network: Clips | None
    ) -> None:
        self._frames, self._flow, self._flow_network = frames, flow, flow_network
        self.clip_length, self.frame_rate = frames.clip_length, frames.frame_rate

    def prepare(self, frame: NDArray[np.uint8]) -> Tensor:
        """Prepare a frame for the network of the frames."""
        return self._frames.prepare(frame)

    def features(self, clips: list[list[Any]]) -> list[NDArray[np.float32]]:
        """Compute features of the frames and of the flow: two streams."""
        flow = torch.stack([self._flow_of(torch.stack(clip)) for clip in clips])
        flow = flow.clamp(-_LARGEST, _LARGEST) / _LARGEST
        if self._flow_network is not None:
            return [*self._frames.features(clips), self._flow_network.of_values(flow)]
        speed = flow.norm(dim=1, keepdim=True)
        as_colours = torch.cat([flow, speed], dim=1)
        return [*self._frames.features(clips), self._frames.of_values(as_colours)]

    def key(self) -> Any:
        """Return the keys of both networks and of the flow."""
        other = None if self._flow_network is None else self._flow_network.key()
        return self._frames.key(), other, getattr(self._flow, "key", None) or content(self._flow)

    def _flow_of(self, clip: Tensor) -> Tensor:
        """Compute flow (2, t, h, w) in pixels between a clip's frames, with the last one twice."""
        frames = clip.to(self._frames.device).float() / 255
        with torch.inference_mode(), autocast(frames.device):
            found = self._flow(frames[:-1], frames[1:])
        flow = as_tensor(found)
        expected = (len(frames) - 1, 2, *frames.shape[2:])
        if flow.shape != expected:
            raise ValueError(
                f"The callable flow gave the shape {tuple(flow.shape)}; expected {expected}. "
                "Return (dx, dy) in pixels from each first frame (n, 3, h, w) to its second."
            )
        return torch.cat([flow, flow[-1:]]).movedim(0, 1).float().to(frames.device)


class Raft:
    """Optical flow by torchvision's small RAFT, for frames of any size.

    On a CPU it takes a third to a quarter of the time of the large RAFT.
    """

    name = "raft_small"

    def __init__(self, weights: Any, seed: int, device: torch.device, announce: str) -> None:
        if weights is not None:  # a path is of the backbone's weights
            weights = "default"
        self._network = tv.build(self.name, weights, seed, announce).to(device)
        self.key = (self.name, tv.weights_identity(self.name, weights, seed))

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Compute flow (n, 2, h, w) in pixels between frames (n, 3, h, w) from 0 to 1."""
        height, width = first.shape[2:]
        size = [max(-(-side // _RAFT_STEP) * _RAFT_STEP, _RAFT_SIZE) for side in (height, width)]
        first, second = (
            2 * nn.functional.interpolate(x, size=size, mode="bilinear") - 1
            for x in (first, second)
        )
        flow = self._network(first, second)[-1]
        flow = nn.functional.interpolate(flow, size=(height, width), mode="bilinear")
        scale = torch.tensor([width / size[1], height / size[0]], device=flow.device)
        return flow * scale.view(1, 2, 1, 1)
