"""One line on stderr for the operator."""

from __future__ import annotations

import contextlib
import sys

from shadow.printable import printable


def tell(line: str) -> None:
    """Print one line on stderr, whatever `quiet` says, above the bar where there is one."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):  # nowhere is left to say so
            sys.stderr.write(f"shadow: {printable(line)}\n")
            sys.stderr.flush()
