"""Adds tables to a shadow.toml, leaving the rest of the file as it is."""

from __future__ import annotations

from pathlib import Path

from shadow.config.file import FILE_NAME, decode, find, parse, read_text
from shadow.replay.delivery import write_whole


def place_of(config: str | None) -> Path:
    """The file that is written to: the named one, the nearest one upward, or a new one here."""
    return Path(config) if config else find() or Path(FILE_NAME)


def append(path: Path, entry: str) -> None:
    """Append to the file. Raises ConfigError where it would not be valid, before or afterwards."""
    before = read_text(path) if path.exists() else ""
    parse(decode(before, path), text=before, source=str(path), expand=False)
    after = before + _gap(before) + entry
    parse(decode(after, path), text=after, source=str(path), expand=False)
    write_whole(after, str(path), hint="choose another --config PATH", private=False)


def _gap(before: str) -> str:
    """What stands between the file and the entry: an empty line."""
    if not before:
        return ""
    return "\n" if before.endswith("\n") else "\n\n"
