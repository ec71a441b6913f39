"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(target: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file beside its place, and put it there when nothing of it is missing.

    Of a link it is the link that is replaced. Raises OSError; what stood there before stays then.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        part.unlink(missing_ok=True)  # it may be a link that somebody laid there
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            os.fchmod(descriptor, mode)  # whatever the umask is
            file.write(data)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
