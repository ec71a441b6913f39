"""What programs read: one JSON object on one line; keys stay the same within one version `v`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

VERSION: Final = 1


def render(found: msgspec.Struct) -> str:
    """Render a summary, or anything else that was found, with all its fields."""
    return line(msgspec.to_builtins(found))


def line(fields: Mapping[str, object]) -> str:
    """One object of these fields."""
    return msgspec.json.encode({"v": VERSION, **fields}).decode() + "\n"
