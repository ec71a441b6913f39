"""Blocks of rich to text of a width, in which nothing is interpreted."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Final

from rich.console import Console, RenderableType
from rich.table import Table

NARROWEST: Final = 60
"""Columns below which nothing is laid out."""


def printed(blocks: Iterable[RenderableType], *, width: int, color: bool) -> str:
    """Return the blocks as text: neither control characters nor markup of rich has effect."""
    console = Console(
        file=io.StringIO(),
        width=max(width, NARROWEST),
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


def columns() -> Table:
    """Return an empty table as all of them look: no lines, two spaces between the columns."""
    return Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
