"""The summary as JSON, for programs: keys stay the same within one version `v`."""

from __future__ import annotations

from typing import Final

import msgspec

from shadow.results.summary import Summary

VERSION: Final = 1


def render(summary: Summary) -> str:
    """Render the whole summary as one JSON object on one line."""
    fields = msgspec.to_builtins(summary)
    return msgspec.json.encode({"v": VERSION, **fields}).decode() + "\n"
