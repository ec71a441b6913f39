"""UUIDs: the same 128 bits in another notation."""

from __future__ import annotations

import re
from typing import Any, Final

from shadow.compare.classes.base import DivergenceClass, Place
from shadow.compare.classes.examples import json_pair
from shadow.compare.classes.value_types import among
from shadow.compare.difference import ABSENT
from shadow.compare.json_text import Number

_UUID: Final = re.compile(
    r"(?P<open>\{|urn:uuid:)?"
    r"(?P<digits>[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9A-F]{8}-(?:[0-9A-F]{4}-){3}[0-9A-F]{12})"
    r"(?P<close>\})?"
)
_SIMPLE: Final = re.compile(r"[0-9a-f]{32}|[0-9A-F]{32}")
_NIL: Final = "00000000-0000-0000-0000-000000000000"


def _uuid_bits(value: Any) -> tuple[int, bool] | None:
    """The 128 bits, and whether the notation alone says that it is a UUID."""
    if isinstance(value, list):
        return _bits_of_octets(value)
    if not isinstance(value, str) or len(value) > 45:
        return None
    if _SIMPLE.fullmatch(value):
        return int(value, 16), False
    match = _UUID.fullmatch(value)
    if match is None or (match["open"] == "{") != (match["close"] == "}"):
        return None
    return int(match["digits"].replace("-", ""), 16), True


def _bits_of_octets(items: list[Any]) -> tuple[int, bool] | None:
    if len(items) != 16:
        return None
    bits = 0
    for item in items:
        if not isinstance(item, Number) or not re.fullmatch(r"[0-9]{1,3}", item.lexeme):
            return None
        octet = int(item.lexeme)
        if octet > 255:
            return None
        bits = bits << 8 | octet
    return bits, False


def _is_uuid_format(place: Place) -> bool:
    if not place.in_json:
        return False
    go, rust = _uuid_bits(place.go), _uuid_bits(place.rust)
    if go is None or rust is None or go[0] != rust[0] or not (go[1] or rust[1]):
        return False
    return bool(place.go != place.rust)


def _is_nil_uuid_null(place: Place) -> bool:
    if not place.in_json:
        return False
    for nil, other in ((place.go, place.rust), (place.rust, place.go)):
        if isinstance(nil, str) and nil == _NIL and (other is None or other is ABSENT):
            return True
    return False


CLASSES: Final = (
    DivergenceClass(
        id="uuid-format",
        title="A UUID in another notation",
        go="google/uuid writes lower case with hyphens; a [16]byte is an array of numbers.",
        rust="uuid writes the same; .simple() has no hyphens, {:X} is upper case.",
        impact="Harmless to a UUID parser; breaks clients that compare or look up the text.",
        fix_go="Give the type a MarshalText with the agreed notation.",
        fix_rust="Serialize Uuid itself (hyphenated, lower case).",
        severity="risky",
        policy="fail",
        at=_is_uuid_format,
        types=among(("string", "uuid"), ("string", "uuid", "array")) - {"uuid uuid"},
        valid=(
            json_pair(
                '{"v":"6ba7b810-9dad-11d1-80b4-00c04fd430c8"}',
                '{"v":"6BA7B810-9DAD-11D1-80B4-00C04FD430C8"}',
            ),
            json_pair(
                '{"v":"6ba7b810-9dad-11d1-80b4-00c04fd430c8"}',
                '{"v":"6ba7b8109dad11d180b400c04fd430c8"}',
                "simple",
            ),
            json_pair(
                '{"v":"6ba7b810-9dad-11d1-80b4-00c04fd430c8"}',
                '{"v":"{6ba7b810-9dad-11d1-80b4-00c04fd430c8}"}',
                "braced",
            ),
            json_pair(
                '{"v":[107,167,184,16,157,173,17,209,128,180,0,192,79,212,48,200]}',
                '{"v":"6ba7b810-9dad-11d1-80b4-00c04fd430c8"}',
                "[16]byte",
            ),
        ),
        invalid=(
            json_pair(
                '{"v":"6ba7b810-9dad-11d1-80b4-00c04fd430c8"}',
                '{"v":"6BA7B810-9DAD-11D1-80B4-00C04FD430C9"}',
                "another UUID",
            ),
            json_pair(
                '{"v":"6ba7b8109dad11d180b400c04fd430c8"}',
                '{"v":"6BA7B8109DAD11D180B400C04FD430C8"}',
                "32 hex digits may be a hash",
            ),
            json_pair(
                '{"v":"6ba7b810-9dad-11d1-80b4-00c04fd430c8"}',
                '{"v":"{6ba7b810-9dad-11d1-80b4-00c04fd430c8"}',
                "half a brace",
            ),
        ),
    ),
    DivergenceClass(
        id="nil-uuid-null",
        title="The nil UUID against null",
        go="An unset uuid.UUID is written as all zeros.",
        rust="Option<Uuid> None is written as null, or skipped.",
        impact="Breaks a typed client that takes no null; rarely seen otherwise.",
        fix_go="uuid.NullUUID.",
        fix_rust="Uuid::nil() in place of None.",
        severity="risky",
        policy="fail",
        at=_is_nil_uuid_null,
        types=among(("uuid",), ("null", "absent")),
        valid=(
            json_pair('{"v":"00000000-0000-0000-0000-000000000000"}', '{"v":null}'),
            json_pair('{"v":"00000000-0000-0000-0000-000000000000"}', "{}", "skipped"),
        ),
        invalid=(
            json_pair('{"v":"00000000-0000-0000-0000-000000000001"}', '{"v":null}', "not nil"),
            json_pair('{"v":"00000000-0000-0000-0000-000000000000"}', '{"v":""}', "empty text"),
        ),
    ),
)
