# ruff: noqa: INP001 - a script, not a package
"""Writes docs/reference and the config's schema from the code: `python docs/generate.py`.

With `--check` it writes nothing, names the files that are not what the code says, and exits
with 1 if there are any.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from docs.pages import classes, commands, config, events, exit_codes, formats, summary

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
SCHEMAS = ROOT / "shadow" / "schemas"


def generated() -> dict[Path, str]:
    """Every generated file with its text."""
    example = (ROOT / "docs" / "example.toml").read_text("utf-8")
    event_schema = json.loads((SCHEMAS / "event.schema.json").read_text("utf-8"))
    return {
        REFERENCE / "commands.md": commands.render(),
        REFERENCE / "config.md": config.render(example),
        REFERENCE / "classes.md": classes.render(),
        REFERENCE / "events.md": events.render(event_schema),
        REFERENCE / "exit-codes.md": exit_codes.render(),
        REFERENCE / "formats.md": formats.render(),
        SCHEMAS / "config.schema.json": json.dumps(config.schema(), indent=2) + "\n",
        SCHEMAS / "summary.schema.json": json.dumps(summary.schema(), indent=2) + "\n",
    }


def main() -> int:
    """Write every generated file, or check them."""
    files = generated()
    stale = [path for path, text in files.items() if not _is(path, text)]
    if "--check" in sys.argv[1:]:
        for path in stale:
            sys.stderr.write(f"{path.relative_to(ROOT)} is not what the code says\n")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], "utf-8")
    return 0


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text("utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
