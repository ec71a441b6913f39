"""Whether the formats of the captures keep what a replay or a diff needs; told before it starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from shadow.captures import STDIN, Fidelity, open_capture
from shadow.errors import ConfigError


def refuse_unfit(captures: Sequence[str], *, answers: str = "", times: str = "") -> None:
    """Refuse captures whose format never keeps what the named options need.

    `answers` names the option that compares recorded answers, `times` the one that follows
    recorded times. Raises ConfigError, and CaptureError as `open_capture`.
    """
    for path, name, fidelity in _formats(captures):
        if answers and not (fidelity.response and fidelity.response_body):
            what = "only the status of" if fidelity.response else "no"
            raise ConfigError(
                f"{path}: {name} keeps {what} recorded answers, and {answers} needs them",
                "replay it against two live services: --go URL --rust URL",
            )
        if times and not fidelity.timing:
            raise ConfigError(
                f"{path}: {name} keeps no times, and {times} follows them",
                "pace it with --rate instead",
            )


def losses(captures: Sequence[str]) -> list[str]:
    """Say of each capture what its format loses that a replay would have sent."""
    said = []
    for path, name, fidelity in _formats(captures):
        lost = []
        if not fidelity.headers:
            lost.append("no headers: requests go without them")
        if not fidelity.request_body:
            lost.append("no request bodies: what had one is skipped (truncated)")
        if lost:
            said.append(f"{path}: {name} keeps {'; '.join(lost)}")
    return said


def _formats(captures: Sequence[str]) -> Iterator[tuple[str, str, Fidelity]]:
    """Open each file for its format. A pipe can be opened once only, by who reads it."""
    for path in captures:
        if path != STDIN and Path(path).is_file():
            with open_capture(path) as capture:
                yield path, capture.format.name, capture.format.fidelity
