"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file in one step: an existing file stays until the new one is complete.

    Links are followed. Pipes and devices are written into.

    Raises
    ------
    OSError
        If the file cannot be written, for example because the folder does not exist.
    """
    path = Path(path)
    try:
        replaceable = stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        replaceable = True
    if not replaceable:
        path.write_bytes(content)
        return
    path = Path(os.path.realpath(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {path.parent} to write {path.name} into. Make the folder first."
        )
    part = path.with_name(f".{os.getpid()}.{threading.get_ident()}.part")  # each writes its own
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
