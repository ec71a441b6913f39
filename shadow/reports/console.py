"""Blocks of rich to text: bounded in width, with nothing in them interpreted."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.console import Console, RenderableType


def printed(blocks: Iterable[RenderableType], width: int, *, color: bool) -> str:
    """Print blocks in `width` columns, neither control characters nor markup taken as such."""
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
        _environ={},
    )
    with console.capture() as captured:
        for block in blocks:
            console.print(block, soft_wrap=False)
    lines = captured.get().splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"
