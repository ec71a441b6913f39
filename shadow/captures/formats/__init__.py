"""The formats of captures, one module each: which are read, and which are written."""

from __future__ import annotations

from typing import Final

from shadow.captures.formats.gor import GorFormat
from shadow.captures.formats.har import HarFormat
from shadow.captures.formats.native import NativeFormat
from shadow.captures.records import Format, Writing

FORMATS: Final[tuple[Format, ...]] = (HarFormat(), GorFormat(), NativeFormat())
"""The first that recognises the head of a file reads it, so what asks for least is last."""

WRITINGS: Final[dict[str, Writing]] = {
    "native": NativeFormat(),
}
"""By the name that `shadow convert --to` takes."""
