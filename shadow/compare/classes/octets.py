"""Bytes in JSON: base64 text, arrays of numbers, and nothing at all."""

from __future__ import annotations

import binascii
import re
from typing import Any, Final

from shadow.compare.classes.base import DivergenceClass, Place
from shadow.compare.classes.examples import json_pair
from shadow.compare.classes.value_types import STRINGS, TEXTS, among, between
from shadow.compare.json_text import Number

_LONGEST: Final = 10_000
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)(?P<padding>={0,2})")
_URL_TO_STANDARD: Final = str.maketrans("-_", "+/")


def _octets_of_base64(text: Any) -> bytes | None:
    """The bytes of canonical base64 in one alphabet, padded in full or not at all."""
    if not isinstance(text, str) or not 1 < len(text) <= _LONGEST:
        return None
    match = _BASE64.fullmatch(text)
    if match is None or (match["padding"] and len(text) % 4):
        return None
    bare = text.rstrip("=").translate(_URL_TO_STANDARD)
    if len(bare) % 4 == 1:
        return None
    octets = binascii.a2b_base64(bare + "=" * (-len(bare) % 4))
    standard = binascii.b2a_base64(octets, newline=False).decode()
    return octets if standard.rstrip("=") == bare else None


def _octets_of_numbers(items: Any) -> bytes | None:
    if not isinstance(items, list) or len(items) > _LONGEST:
        return None
    found = bytearray()
    for item in items:
        if not isinstance(item, Number) or not re.fullmatch(r"[0-9]{1,3}", item.lexeme):
            return None
        octet = int(item.lexeme)
        if octet > 255:
            return None
        found.append(octet)
    return bytes(found)


def _is_standard(text: str) -> bool:
    return len(text) % 4 == 0 and "-" not in text and "_" not in text


def _is_base64_against_array(place: Place) -> bool:
    if not place.in_json:
        return False
    for text, items in ((place.go, place.rust), (place.rust, place.go)):
        octets = _octets_of_base64(text)
        if octets is not None and _is_standard(text):
            return octets == _octets_of_numbers(items)
    return False


def _is_bytes_nil(place: Place) -> bool:
    """Go's empty []byte is the only empty string that Rust would write as an empty array.

    null against "" or [] is not told apart from an unset string or a nil slice.
    """
    return place.in_json and place.go == "" and place.rust == []


def _is_base64_variant(place: Place) -> bool:
    """Equal bytes, at least one side standard and padded as Go writes it.

    Without a padding to see, only the alphabet differs; then `+1` could be a number that
    became `-1`, and `a/b` a path, so letters of both cases or two such marks are asked for.
    """
    go, rust = place.go, place.rust
    if not place.in_json or not isinstance(go, str) or not isinstance(rust, str) or go == rust:
        return False
    octets = _octets_of_base64(go)
    if octets is None or octets != _octets_of_base64(rust):
        return False
    if not _is_standard(go) and not _is_standard(rust):
        return False
    if go.endswith("=") or rust.endswith("="):
        return True
    mixed = re.search("[a-z]", go) and re.search("[A-Z]", go)
    return bool(mixed) or sum(a != b for a, b in zip(go, rust, strict=True)) > 1


CLASSES: Final = (
    DivergenceClass(
        id="bytes-base64-vs-array",
        title="Bytes as base64 against an array of numbers",
        go="[]byte is written as padded standard base64; json/v2 does so for [N]byte too.",
        rust="Vec<u8> and [u8; N] are written as arrays of numbers, also with serde_bytes.",
        impact="Breaks every typed client: text became an array.",
        fix_go="None for []byte; a type with MarshalJSON where an array is wanted.",
        fix_rust="serde_with::base64::Base64 on the field.",
        severity="breaking",
        policy="fail",
        at=_is_base64_against_array,
        types=among(STRINGS, ("array",)),
        valid=(
            json_pair('{"b":"aGn/"}', '{"b":[104,105,255]}'),
            json_pair('{"b":"AQIDBA=="}', '{"b":[1,2,3,4]}'),
            json_pair('{"b":[1,2,3,4]}', '{"b":"AQIDBA=="}', "the other way round"),
        ),
        invalid=(
            json_pair('{"b":"aGn/"}', '{"b":[104,105,254]}', "another byte"),
            json_pair('{"b":"AQIDBA=="}', '{"b":[1,2,3]}', "a byte short"),
            json_pair('{"b":"AQIDBB=="}', '{"b":[1,2,3,4]}', "not canonical base64"),
            json_pair('{"b":"abcd"}', '{"b":["abcd"]}', "a string in a list"),
        ),
    ),
    DivergenceClass(
        id="fixed-byte-array",
        title="A fixed byte array under encoding/json/v2",
        go="[N]byte: v1 writes an array of numbers, v2 writes base64.",
        rust="[u8; N] is written as an array of numbers.",
        impact=(
            "Breaks typed clients when Go moves to v2. The two answers look exactly like"
            " bytes-base64-vs-array (whether Go's field has a fixed length is not in them), so"
            " this is never named by itself."
        ),
        fix_go="The v2 option json/v1.FormatByteArrayAsArray(true).",
        fix_rust="serde_with::base64::Base64 where base64 is wanted.",
        severity="breaking",
        policy="fail",
        needs="never",
        invalid=(
            json_pair('{"b":"AQIDBA=="}', '{"b":[1,2,3,4]}', "named bytes-base64-vs-array"),
            json_pair('{"b":"AQIDBA=="}', '{"b":[1,2,3,5]}', "another byte"),
        ),
    ),
    DivergenceClass(
        id="bytes-nil",
        title="No bytes: empty text against an empty array",
        go='An empty []byte is written as ""; a nil one as null (json/v2: "").',
        rust="An empty Vec<u8> is written as [].",
        impact="Little: but a typed client meets an array where it knew text.",
        fix_go="None.",
        fix_rust="serde_with::base64::Base64 on the field.",
        severity="benign",
        policy="fail",
        at=_is_bytes_nil,
        types=between(("string",), ("array",)),
        valid=(
            json_pair('{"b":""}', '{"b":[]}'),
            json_pair('[{"id":1,"b":""}]', '[{"id":1,"b":[]}]'),
        ),
        invalid=(
            json_pair('{"b":""}', '{"b":[0]}', "a byte appeared"),
            json_pair('{"b":""}', '{"b":null}', "an unset string looks the same"),
            json_pair('{"b":[]}', '{"b":""}', "Go never writes bytes as an array"),
        ),
    ),
    DivergenceClass(
        id="base64-variant",
        title="Base64 with another alphabet or padding",
        go="base64.StdEncoding: + and /, padded with =.",
        rust="Often URL_SAFE_NO_PAD: - and _, no padding.",
        impact="Breaks clients with a strict decoder.",
        fix_go="The encoding that Rust uses.",
        fix_rust="general_purpose::STANDARD.",
        severity="breaking",
        policy="fail",
        at=_is_base64_variant,
        types=TEXTS,
        valid=(
            json_pair('{"b":"aGn/"}', '{"b":"aGn_"}', "alphabet"),
            json_pair('{"b":"+/8="}', '{"b":"-_8"}', "alphabet and padding"),
            json_pair('{"b":"AQIDBA=="}', '{"b":"AQIDBA"}', "padding"),
        ),
        invalid=(
            json_pair('{"b":"aGn/"}', '{"b":"aGn-"}', "other bytes"),
            json_pair('{"b":"AQIDBA=="}', '{"b":"AQIDBB"}', "other bits after the last byte"),
            json_pair('{"b":"+123"}', '{"b":"-123"}', "a number that changed its sign"),
            json_pair('{"b":"UTC+0200"}', '{"b":"UTC-0200"}', "a zone that changed its sign"),
            json_pair('{"b":"AQID"}', '{"b":"AQI="}', "a byte short"),
        ),
    ),
)
