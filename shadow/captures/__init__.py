"""Captures: files of exchanges, read and written in every known format."""

from __future__ import annotations

from shadow.captures.formats import FORMATS, WRITINGS
from shadow.captures.reading import read, read_share
from shadow.captures.records import (
    Broken,
    Fidelity,
    Format,
    Record,
    Unsupported,
    UnwritableError,
    Writing,
)
from shadow.captures.shares import ELSEWHERE, WHOLE, Elsewhere, Share
from shadow.captures.sniff import Capture, open_capture
from shadow.captures.streams import STDIN, digest
from shadow.captures.writer import CaptureWriter, open_writer

__all__ = [
    "ELSEWHERE",
    "FORMATS",
    "STDIN",
    "WHOLE",
    "WRITINGS",
    "Broken",
    "Capture",
    "CaptureWriter",
    "Elsewhere",
    "Fidelity",
    "Format",
    "Record",
    "Share",
    "Unsupported",
    "UnwritableError",
    "Writing",
    "digest",
    "open_capture",
    "open_writer",
    "read",
    "read_share",
]
