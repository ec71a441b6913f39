"""Golden files: one a format, in `golden/`; `SHADOW_GOLDEN=write` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def check(name: str, text: str) -> None:
    """Compare a text with its golden file, or write that file."""
    path = FOLDER / name
    if os.environ.get("SHADOW_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text, f"{name} differs: look, then SHADOW_GOLDEN=write pytest"
