"""What the operator must fix. Failures of a service under test are values, not exceptions."""

from __future__ import annotations

import traceback
from pathlib import PurePath


class ShadowError(Exception):
    """The command, the config or a capture is wrong; the command ends with exit code 2.

    `message` is one line that names the thing (file and line, option, target);
    `hint` is one line that says what to do about it, or empty.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class CaptureError(ShadowError):
    """A capture cannot be read at all: missing, unreadable, of no known format."""


class ConfigError(ShadowError):
    """An option or an entry of shadow.toml is wrong."""


class UnfinishedError(ShadowError):
    """The run could not complete (exit code 4): target unreachable, disk full."""

    exit_code = 4


def where(error: BaseException) -> str:
    """Say what an error is and where it came up, without its text: that may quote an answer."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
