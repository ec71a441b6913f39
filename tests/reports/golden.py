"""Golden files: one a format, in `golden/`; `SHADOW_GOLDEN=write` writes them anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

from shadow import __version__

FOLDER = Path(__file__).parent / "golden"


def check(name: str, text: str) -> None:
    """Compare a text with its golden file, or write that file."""
    path = FOLDER / name
    text = re.sub(rf"(?<![\d.]){re.escape(__version__)}(?![\d.])", "VERSION", text)
    if os.environ.get("SHADOW_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text, f"{name} differs: look, then SHADOW_GOLDEN=write pytest"
