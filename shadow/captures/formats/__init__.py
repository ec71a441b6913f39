"""The formats of captures, one module each: which are read, and which are written."""

from __future__ import annotations

from typing import Final

from shadow.captures.formats.access_log import AccessLog
from shadow.captures.formats.curl import CurlScript
from shadow.captures.formats.envoy_tap import EnvoyTap
from shadow.captures.formats.gor import GorFormat
from shadow.captures.formats.har import HarFormat
from shadow.captures.formats.keploy import KeployTests
from shadow.captures.formats.mitmproxy import MitmproxyFlows
from shadow.captures.formats.native import NativeFormat
from shadow.captures.formats.postman import PostmanCollection
from shadow.captures.formats.tshark import TsharkJson
from shadow.captures.formats.vcr import VcrCassette
from shadow.captures.formats.vegeta import VegetaJsonFormat, VegetaPlainFormat
from shadow.captures.records import Format, Writing

FORMATS: Final[tuple[Format, ...]] = (
    HarFormat(),
    TsharkJson(),
    EnvoyTap(),
    PostmanCollection(),
    MitmproxyFlows(),
    GorFormat(),
    KeployTests(),
    VcrCassette(),
    VegetaPlainFormat(),
    AccessLog(),
    VegetaJsonFormat(),
    NativeFormat(),
)
"""The first that recognises the head of a file reads it, so what asks for least is last.

GoReplay is before the YAML formats, for a body in its file may have a line that begins like theirs.
"""

WRITINGS: Final[dict[str, Writing]] = {
    "native": NativeFormat(),
    "har": HarFormat(),
    "gor": GorFormat(),
    "vegeta": VegetaJsonFormat(),
    "curl": CurlScript(),
}
"""By the name that `shadow convert --to` takes."""
