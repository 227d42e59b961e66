"""Networks of torchvision, with their own weights and preprocessing, or random weights."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from .._utils.torch import seeded_generator

# Frames, and frames per second, of the clips that torchvision measured its weights on.
_USUAL = (16, 15.0)
_CLIPS = {"mvit": (16, 7.5), "swin3d": (32, 15.0), "s3d": (128, 15.0)}
_HEADS = ("fc", "classifier", "head")


def torchvision_module() -> Any:
    """Import torchvision, or say how to get it.

    Raises
    ------
    ImportError
        If it is not installed, or is built for another torch.
    """
    try:
        import torchvision
    except ImportError as error:
        raise ImportError(
            "Networks by name, and flow='raft', need torchvision: pip install "
            "'sklearn_claster[video]'. A module or a callable of your own does not need it."
        ) from error
    except RuntimeError as error:
        raise ImportError(
            f"torchvision is installed, but not for torch {torch.__version__}: {error}. Install "
            "the two from one place, as pytorch.org says: both for the CPU or both for one CUDA."
        ) from error
    return torchvision


def video_networks() -> list[str]:
    """List the names of torchvision's networks for videos."""
    models = torchvision_module().models
    return list(models.list_models(module=models.video))


def clip_of(name: str) -> tuple[int, float]:
    """Return the frames per clip and the frames per second of a network."""
    return next((clip for start, clip in _CLIPS.items() if name.startswith(start)), _USUAL)


def preset_of(name: str) -> Any:
    """Return the preprocessing of the network's weights, without a download."""
    return torchvision_module().models.get_model_weights(name).DEFAULT.transforms()


def has_channels_last(network: nn.Module, layer: str) -> bool:
    """Return whether a layer's output is (b, t, h, w, c), as of most layers of Swin."""
    names = layer.split(".")
    around = [network.get_submodule(".".join(names[:n])) for n in range(len(names))]
    if not any(type(module).__name__ == "SwinTransformer3d" for module in around):
        return False
    return not isinstance(network.get_submodule(layer), (nn.Conv3d, nn.AdaptiveAvgPool3d))


def build(name: str, weights: str | os.PathLike[str] | None, seed: int, announce: str) -> nn.Module:
    """Make a network of torchvision without its classifier, in evaluation mode, on the CPU.

    Parameters
    ----------
    name : str
        What torchvision calls it.
    weights : {"default"}, path or None
        torchvision's own, those of a file with a state dict, or random ones.
    seed : int
        Seed of random weights.
    announce : str
        The name in the message about a download.

    Raises
    ------
    OSError
        If the file does not exist, or the weights cannot be downloaded.
    ValueError
        If the file holds no state dict of this network.
    """
    models = torchvision_module().models
    # Of weights that come from elsewhere only the names and shapes are made here.
    with torch.device("cpu" if weights is None else "meta"), _PrivateRandomness(seed):
        network: nn.Module = models.get_model(name, weights=None)
    for head in _HEADS:
        if hasattr(network, head):
            setattr(network, head, nn.Identity())
    if weights is not None:
        is_default = isinstance(weights, str) and weights == "default"
        state = _download(name, announce) if is_default else _read(Path(weights))
        _load(network, state, weights)
    return network.float().eval()


def weights_identity(name: str, weights: Any, seed: int) -> Any:
    """Return what identifies these weights."""
    if weights is None:
        return seed
    if isinstance(weights, str) and weights == "default":
        return torchvision_module().models.get_model_weights(name).DEFAULT.url
    status = os.stat(weights)
    return os.path.realpath(weights), status.st_size, status.st_mtime_ns


class _PrivateRandomness(TorchFunctionMode):
    """Context in which initial weights come from a private generator."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._generator = seeded_generator(seed)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if getattr(func, "__name__", "") in _DRAWS:
            kwargs["generator"] = self._generator
        return func(*args, **kwargs)


_DRAWS = {"normal_", "uniform_", "kaiming_normal_", "kaiming_uniform_"}


def _download(name: str, announce: str) -> Any:
    weights = torchvision_module().models.get_model_weights(name).DEFAULT
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    if not (folder / Path(weights.url).name).exists():
        print(  # noqa: T201
            f"[{announce}] the weights {weights} are downloaded once, "
            f"{weights.meta['_file_size']:.0f} MB from {weights.url} to {folder}",
            flush=True,
        )
    try:
        return weights.get_state_dict(progress=False, check_hash=True)
    except OSError as error:
        raise OSError(
            f"The weights of {name!r} could not be downloaded ({error}). Bring {weights.url} here "
            "by other means and pass its path as weights, or pass weights=None for random ones."
        ) from error


def _read(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(
            f"weights={str(path)!r} is no file; expected 'default', None or the path of a state "
            "dict, as torch.save(network.state_dict(), path) writes it."
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(
            f"weights={str(path)!r} cannot be read as weights: {error}. Save them with "
            "torch.save(network.state_dict(), path)."
        ) from error


def _load(network: nn.Module, state: Any, weights: Any) -> None:
    own = network.state_dict()
    kept = {}
    if isinstance(state, dict):
        kept = {k: v for k, v in state.items() if k.partition(".")[0] not in _HEADS}
    wrong = sorted(own.keys() ^ kept.keys())
    wrong += [k for k in own.keys() & kept.keys() if own[k].shape != kept[k].shape]
    if wrong:
        raise ValueError(
            f"weights={weights!r} holds no state dict of this network: {len(wrong)} entries are "
            f"missing, unknown or of another shape, for example {wrong[0]!r}. Expected what "
            f"network.state_dict() returns for {type(network).__name__}; the classifier may differ."
        )
    network.load_state_dict(kept, assign=True)
