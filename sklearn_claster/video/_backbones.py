"""Networks that turn prepared clips into features: torchvision's, your own, image-text models."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from threading import RLock
from typing import Any, Protocol

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .._utils.torch import as_host_array, autocast, resolve_device
from . import _torchvision as tv

_OWN_CLIP = (16, None)  # frames per clip and frames per second where the network does not say
_OWN_SIZE = 224  # that of I3D and of most others
_ALONE = RLock()  # hooks and modes belong to the network, which several estimators may share


class Backbone(Protocol):
    """Network that turns frames into features."""

    clip_length: int
    frame_rate: float | None

    def prepare(self, frame: NDArray[np.uint8]) -> Any:
        """Prepare a frame (height, width, 3) for the network."""

    def features(self, clips: list[list[Any]]) -> list[NDArray[np.float32]]:
        """Compute features (n_clips, n_features) of prepared clips, one array per stream."""

    def key(self) -> Any:
        """Return a value that differs between networks with different features."""


class Frames:
    """A model with `encode`: the mean of the unit vectors of a clip's frames."""

    clip_length = 1
    frame_rate: float | None = None

    def __init__(self, model: Any) -> None:
        self._model = model

    def prepare(self, frame: NDArray[np.uint8]) -> Any:
        """Convert a frame to a PIL image."""
        from PIL import Image

        return Image.fromarray(np.ascontiguousarray(frame))

    def features(self, clips: list[list[Any]]) -> list[NDArray[np.float32]]:
        """Average the unit vectors of each clip's frames."""
        frames = [frame for clip in clips for frame in clip]
        vectors = np.array(_floats(self._model.encode(frames)))
        if vectors.ndim != 2 or len(vectors) != len(frames):
            raise _wrong_output("encode", f"({len(frames)}, n_features)", vectors.shape)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.where(lengths > 0, lengths, 1)
        return [vectors.reshape(len(clips), -1, vectors.shape[1]).mean(axis=1)]

    def key(self) -> Any:
        """Return the model's type and content."""
        return content(self._model)


class Clips:
    """A network of clips (b, 3, t, h, w), with its preprocessing and the layer that is read."""

    def __init__(
        self,
        network: Callable[[Tensor], Any],
        device: torch.device,
        *,
        layer: str | None = None,
        pooling: str = "mean",
        clip: tuple[int, float | None] = _OWN_CLIP,
        resize: Callable[[NDArray[np.uint8]], Tensor],
        mean: Any = (0.0, 0.0, 0.0),
        std: Any = (1.0, 1.0, 1.0),
        key: Callable[[], Any] | None = None,
    ) -> None:
        self._network, self.device = network, device
        self._layer, self._pooling, self._resize, self._key = layer, pooling, resize, key
        self.clip_length, self.frame_rate = clip
        self._mean, self._std = (
            255 * torch.tensor(values, dtype=torch.float32, device=device).view(3, 1, 1, 1)
            for values in (mean, std)
        )  # of bytes
        if layer is not None:
            _module_at(network, layer)

    def prepare(self, frame: NDArray[np.uint8]) -> Tensor:
        """Scale a frame to the network's size, as bytes (3, h, w)."""
        return self._resize(frame)

    def features(self, clips: list[list[Any]]) -> list[NDArray[np.float32]]:
        """Compute the output of the network, or of the named layer, for prepared clips."""
        values = torch.stack([torch.stack(clip, dim=1) for clip in clips]).to(self.device)
        return [self.of_values(values.float().sub_(self._mean).div_(self._std))]

    def of_values(self, batch: Tensor) -> NDArray[np.float32]:
        """Compute the same for values (b, channels, t, h, w) that need no preparation."""
        with _ALONE, torch.inference_mode(), autocast(self.device), _evaluating(self._network):
            output = _read(self._network, self._layer, batch.to(self.device))
            pooled = pool(output, self._pooling, len(batch))
        return _floats(pooled)

    def key(self) -> Any:
        """Return the network's weights, the layer and the pooling."""
        known = content(self._network) if self._key is None else self._key()
        return known, self._layer, self._pooling


def make_backbone(
    backbone: Any,
    *,
    weights: Any,
    layer: str | None,
    pooling: str,
    frame_size: int | str,
    device: Any,
    seed: int,
    announce: str,
) -> Backbone:
    """Make the network that the parameter `backbone` stands for.

    Raises
    ------
    TypeError
        If it is neither a name, nor a module, nor a callable, nor has a method `encode`.
    ValueError
        If torchvision has no such network, the network has no such layer, the backbone has neither
        layers nor maps to pool, or weights or a size are given for a backbone that has its own.
    """
    size = None if frame_size == "auto" else int(frame_size)
    if isinstance(backbone, str):
        if backbone not in tv.video_networks():
            raise ValueError(
                f"backbone={backbone!r} is no video network of torchvision; it has "
                f"{', '.join(tv.video_networks())}. For an image-text model pass the model "
                "itself: SentenceTransformer('clip-ViT-B-32')."
            )
        preset, resolved = tv.preset_of(backbone), resolve_device(device)
        network = tv.build(backbone, weights, seed, announce).to(resolved)
        return Clips(
            network,
            resolved,
            layer=layer,
            pooling=pooling,
            clip=tv.clip_of(backbone),
            resize=partial(_as_preset, preset) if size is None else partial(_squared, size),
            mean=preset.mean,
            std=preset.std,
            key=lambda: (backbone, tv.weights_identity(backbone, weights, seed), size),
        )
    if weights not in (None, "default"):
        raise ValueError(
            f"weights={weights!r} are of a network by name; got a {type(backbone).__name__} as "
            "backbone. Load them into it, backbone.load_state_dict(torch.load(path)), and leave "
            "weights='default'."
        )
    if hasattr(backbone, "encode"):
        if layer is not None or pooling != "mean":
            raise ValueError(
                "A backbone with a method encode has neither layers nor maps; got "
                f"layer={layer!r}, pooling={pooling!r}. Set layer=None and pooling='mean'."
            )
        if size is not None:
            raise ValueError(
                "A backbone with a method encode gets whole frames; got "
                f"frame_size={frame_size!r}. Set frame_size='auto'."
            )
        return Frames(backbone)
    if not callable(backbone):
        raise TypeError(
            "backbone has to be the name of a video network of torchvision, a torch.nn.Module or a "
            "callable from clips to features, or an object with a method encode; got "
            f"{type(backbone).__name__}."
        )
    return Clips(
        backbone,
        _device_of(backbone, resolve_device(device)),
        layer=layer,
        pooling=pooling,
        resize=partial(_squared, size or _OWN_SIZE),
        key=lambda: (content(backbone), size),
    )


def make_flow_network(backbone: Any, device: torch.device, **reading: Any) -> Clips:
    """Make the network of the flow, which has the size of the frames.

    Raises
    ------
    TypeError
        If it is neither a module nor a callable.
    """
    if isinstance(backbone, str) or not callable(backbone):
        raise TypeError(
            "flow_backbone has to be a torch.nn.Module or a callable from clips of flow (b, 2, t, "
            f"h, w) to features, or None; got {backbone!r}."
        )
    return Clips(backbone, _device_of(backbone, device), resize=torch.tensor, **reading)


def pool(output: Any, pooling: str, n_clips: int) -> Tensor:
    """Pool maps (b, c, t, h, w), tokens (b, n, c) or vectors (b, c) to vectors (b, n_features).

    Raises
    ------
    ValueError
        If the output has another shape, or "2x2" is asked for and the output holds no maps.
    """
    try:
        output = as_tensor(output)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"The backbone does not fit: the network returned a {type(output).__name__}; expected "
            "a tensor. Wrap it in a function that returns the tensor, or name a layer=... to read."
        ) from error
    if output.ndim < 2 or len(output) != n_clips:
        raise _wrong_output("the network", f"({n_clips}, ...)", tuple(output.shape))
    if output.ndim == 2 and pooling == "mean":
        return output
    if output.ndim == 3 and pooling == "mean":
        return output.mean(dim=1)
    if output.ndim != 5:
        raise _wrong_output("the network", "(b, c, t, h, w) to pool", tuple(output.shape))
    if pooling == "mean":
        return output.mean(dim=(2, 3, 4))
    return nn.functional.adaptive_avg_pool2d(output.mean(dim=2), 2).flatten(start_dim=1)


def as_tensor(values: Any) -> Tensor:
    """Convert values to a tensor on their own device."""
    return values if isinstance(values, Tensor) else torch.as_tensor(values)


def _floats(values: Any) -> NDArray[np.float32]:
    return np.asarray(as_host_array(values), dtype=np.float32)


def _wrong_output(who: str, expected: str, shape: tuple[int, ...]) -> ValueError:
    return ValueError(
        f"The backbone does not fit: {who} gave the shape {shape}; expected {expected}. "
        "pooling='mean' takes maps (b, c, t, h, w), tokens (b, n, c) and vectors (b, c), "
        "pooling='2x2' only maps; layer='...' names the layer to read."
    )


def _as_preset(preset: Any, frame: NDArray[np.uint8]) -> Tensor:
    """Take the first two steps of torchvision's preset; the batch takes the others."""
    functional = tv.torchvision_module().transforms.functional
    pixels = _channels_first(frame)
    pixels = functional.resize(
        pixels, preset.resize_size, interpolation=preset.interpolation, antialias=False
    )
    cropped: Tensor = functional.center_crop(pixels, preset.crop_size)
    return cropped


def _squared(size: int, frame: NDArray[np.uint8]) -> Tensor:
    """Cut the middle square out of a frame and scale its side to `size`."""
    height, width = frame.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    pixels = _channels_first(frame[top : top + side, left : left + side])
    if side == size:
        return pixels.clone()
    scaled: Tensor = nn.functional.interpolate(
        pixels[None], size=(size, size), mode="bilinear", antialias=True
    )
    return scaled[0]


def _channels_first(frame: NDArray[np.uint8]) -> Tensor:
    """View the frame as (3, height, width); where torch cannot, view a copy."""
    known = frame.flags.writeable and min(frame.strides) > 0
    return torch.from_numpy(frame if known else frame.copy()).permute(2, 0, 1)


def _device_of(network: Any, otherwise: torch.device) -> torch.device:
    """Return the device of a module's parameters."""
    parameters = network.parameters() if _is_module(network) else iter(())
    return next((parameter.device for parameter in parameters), otherwise)


@contextmanager
def _evaluating(network: Any) -> Iterator[None]:
    """Put a module into evaluation mode, and back into its own mode afterwards."""
    training = [m for m in network.modules() if m.training] if _is_module(network) else []
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _is_module(network: Any) -> bool:
    return isinstance(network, nn.Module)


def _module_at(network: Any, layer: str) -> nn.Module:
    modules = dict(network.named_modules()) if _is_module(network) else {}
    if layer not in modules:
        close = (
            get_close_matches(str(layer), modules, n=5) or [name for name in modules if name][:5]
        )
        raise ValueError(
            f"layer={layer!r} is no layer of the backbone; it has for example "
            f"{', '.join(map(repr, close)) or 'none, as it is no torch.nn.Module'}."
        )
    return modules[layer]


def _read(network: Any, layer: str | None, batch: Tensor) -> Any:
    if layer is None:
        return network(batch)
    outputs: list[Any] = []
    hook = _module_at(network, layer).register_forward_hook(
        lambda module, inputs, output: outputs.append(output)
    )
    try:
        network(batch)
    finally:
        hook.remove()
    if not outputs:
        around = layer.rpartition(".")[0]
        raise ValueError(
            f"layer={layer!r} has no output: the backbone uses its weights without calling it. "
            + (f"Name the module around it, {around!r}." if around else "Set layer=None.")
        )
    output = outputs[-1][0] if isinstance(outputs[-1], tuple) else outputs[-1]
    return output.movedim(-1, 1) if tv.has_channels_last(network, layer) else output


def content(model: Any) -> Any:
    """Return what identifies a model: its type, parts and weights, or a function's source.

    Raises
    ------
    ValueError
        If it cannot be pickled and has no source.
    """
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    if isinstance(model, nn.Module):
        state = {name: as_host_array(value) for name, value in model.state_dict().items()}
        return kind, str(model), joblib.hash(state)
    try:
        if inspect.isfunction(model):
            return model.__module__, model.__qualname__, inspect.getsource(model)
        return kind, joblib.hash(model)
    except (OSError, pickle.PicklingError) as error:
        raise ValueError(
            f"memory cannot tell {model!r} from other models: {error}. Pass a torch.nn.Module or "
            "a function that is written in a file, or memory=None."
        ) from error
