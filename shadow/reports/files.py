"""Where an endpoint lives in the repository, from `[endpoints] files` of the config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

FALLBACK: Final = "shadow.toml"
"""Code scanning and Code Quality want a file: this one, where the config names none."""
OTHERS: Final = "*"
_LINE: Final = re.compile(r"(?P<path>.+):(?P<line>[1-9][0-9]{0,8})")


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the repository, relative to its root and with forward slashes."""

    path: str
    line: int = 1
    known: bool = True
    """The config names it."""


def location(files: Mapping[str, str], endpoint: str) -> Location:
    """Say where an endpoint lives; `FALLBACK` where the config does not."""
    entry = files.get(endpoint) or files.get(OTHERS)
    if not entry:
        return Location(path=FALLBACK, known=False)
    found = _LINE.fullmatch(entry)
    path = found["path"] if found else entry
    line = int(found["line"]) if found else 1
    return Location(path=_relative(path), line=line)


def _relative(path: str) -> str:
    """A path that stays inside the repository, whatever the config says."""
    steps = [step for step in path.replace("\\", "/").split("/") if step not in ("", ".", "..")]
    return "/".join(steps) or FALLBACK
