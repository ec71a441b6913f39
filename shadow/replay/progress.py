"""The progress bar on stderr: none when that is not a terminal."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import (
    Progress as Bar,
)


class Progress:
    """Shows how far a run has got."""

    def __init__(self, total: int | None, *, shown: bool) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._shown = shown
        self._divergent = 0
        self._bar: Bar | None = None
        self._task = None
        if shown and self._console.is_terminal:
            self._bar = Bar(
                SpinnerColumn(),
                TextColumn("{task.completed:,.0f} exchanges"),
                BarColumn(bar_width=30),
                TextColumn("{task.description}"),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("starting", total=total)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def add(self, read: int, divergent: int) -> None:
        """Show that so many more exchanges have been kept."""
        self._divergent += divergent
        if self._bar is not None and self._task is not None:
            described = f"{self._divergent:,} divergent"
            self._bar.update(self._task, advance=read, description=described)
