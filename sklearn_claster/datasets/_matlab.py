"""MATLAB's .mat files, of version 5 to 7 and of version 7.3 (HDF5), as NumPy arrays."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat, whosmat
from scipy.sparse import issparse

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_USER_BLOCK = 512  # bytes of MATLAB's own header before the HDF5 part of a version 7.3 file


def read_mat(
    path: str | Path, required: Collection[str], optional: Collection[str] = ()
) -> dict[str, NDArray[Any]]:
    """Read some variables of a .mat file, in MATLAB's shapes.

    Parameters
    ----------
    path : str or Path
        The file.
    required : collection of str
        Variables that the file has to hold.
    optional : collection of str, default=()
        Variables that are read if they exist.

    Returns
    -------
    dict
        Arrays with MATLAB's axes, for all versions of the file: numbers as they are
        stored, cell arrays of strings as one-dimensional arrays of str, structs as
        SciPy returns them.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no .mat file, is incomplete, or lacks a variable.
    ImportError
        If the file has version 7.3 and h5py is not installed.
    """
    path = Path(path)
    if not path.is_file():
        what = "a folder" if path.is_dir() else "nothing"
        raise FileNotFoundError(
            f"Expected a .mat file at {path}; there is {what}. Check the path, and that the "
            "archive was unpacked."
        )
    wanted = [*required, *optional]
    reader = _read_hdf5 if _is_hdf5(path) else _read_classic
    found, names = reader(path, wanted)
    missing = sorted(set(required) - set(found))
    if missing:
        raise ValueError(
            f"{path.name} has to hold {_join(required)}; {_join(missing)} is missing, and it "
            f"holds {_join(names) or 'nothing'}. Is it another file of the data set?"
        )
    return found


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_USER_BLOCK + len(_HDF5_SIGNATURE))
    return head.startswith(_HDF5_SIGNATURE) or head[_USER_BLOCK:] == _HDF5_SIGNATURE


def _read_classic(path: Path, wanted: list[str]) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Read files of versions 4 to 7 with SciPy."""
    try:
        names = [name for name, _, _ in whosmat(path)]
        content = loadmat(path, variable_names=wanted)
    except MemoryError:
        raise
    except Exception as error:  # what a damaged file raises depends on where it is damaged
        raise _unreadable(path, error) from error
    return {name: _plain(content[name]) for name in wanted if name in content}, names


def _read_hdf5(path: Path, wanted: list[str]) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Read files of version 7.3 with h5py."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            f"{path.name} is a .mat file of version 7.3 (HDF5), which needs h5py. Install it with "
            "pip install 'sklearn_claster[hdf5]', or save the file in MATLAB with the option -v7."
        ) from error
    try:
        with h5py.File(path, "r") as file:
            names = sorted(name for name in file if not name.startswith("#"))
            found = {name: _from_hdf5(file, name) for name in wanted if name in file}
    except MemoryError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error
    return found, names


def _from_hdf5(file: Any, name: str) -> NDArray[Any]:
    """Read one variable. MATLAB reverses the axes and marks its variables; other writers do not."""
    node = file[name]
    if not hasattr(node, "shape"):
        raise TypeError(f"{name} is a struct; save the file in MATLAB with the option -v7")
    if node.attrs.get("MATLAB_empty"):  # what is stored then is the shape
        return np.empty(0)
    if "ref" not in (node.dtype.metadata or {}) and node.dtype.kind in "OS":  # h5py's strings
        return np.asarray(node.asstr()[...], dtype=str).ravel()
    if node.dtype.kind == "O":  # a cell array: references to character codes
        return np.array([_text(file[cell]) for cell in np.asarray(node).ravel()])
    if node.attrs.get("MATLAB_class") == b"char":
        return np.array([_text(node)])
    values = np.asarray(node)
    return values.T if "MATLAB_class" in node.attrs else values


def _text(node: Any) -> str:
    if node.attrs.get("MATLAB_empty"):
        return ""
    return "".join(map(chr, np.asarray(node).ravel().tolist()))


def _plain(value: Any) -> NDArray[Any]:
    """Convert cell arrays of strings and char matrices to one-dimensional arrays of str."""
    if issparse(value):
        return value.toarray()
    if value.dtype.kind == "U":
        return np.array([str(line).rstrip() for line in value.ravel()])
    if value.dtype.kind == "O":
        return np.array([_innermost(cell) for cell in value.ravel()])
    return np.asarray(value)


def _innermost(cell: Any) -> str:
    """Return the string inside cells in cells: MATLAB users wrap names once or twice."""
    while isinstance(cell, np.ndarray) and cell.size == 1:
        cell = cell.item()
    return "" if isinstance(cell, np.ndarray) and not cell.size else str(cell)


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"Expected a complete .mat file; {path.name} ({path.stat().st_size} bytes) cannot be read: "
        f"{type(error).__name__}: {error}. A broken download is the usual cause: download the file "
        "again, and compare its size with that of the source."
    )


def _join(names: Collection[str], n_shown: int = 12) -> str:
    shown = ", ".join(list(names)[:n_shown])
    return shown + (f", ... ({len(names)} in all)" if len(names) > n_shown else "")
