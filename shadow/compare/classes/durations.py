"""Durations: the same number of nanoseconds in another notation."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any, Final, NamedTuple

from shadow.compare.classes.base import DivergenceClass, Place
from shadow.compare.classes.examples import json_pair
from shadow.compare.classes.times import integer, nanos_of
from shadow.compare.classes.value_types import STRINGS, TEXTS, among

_LONGEST: Final = 64
_BILLION: Final = 10**9
_UNITS: Final = {
    "h": 3600 * _BILLION,
    "m": 60 * _BILLION,
    "s": _BILLION,
    "ms": 10**6,
    "us": 10**3,
    "\u00b5s": 10**3,
    "\u03bcs": 10**3,
    "ns": 1,
}
"""Nanoseconds; the micro sign and the Greek mu are both in use."""
_PART: Final = re.compile(r"([0-9]+)(\.[0-9]+)?(h|ms|m|s|us|\u00b5s|\u03bcs|ns)")
_SECONDS: Final = re.compile(r"(-?)([0-9]+)\.([0-9]{9})")
_ISO: Final = re.compile(r"(-?)PT(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)(?:\.([0-9]{1,9}))?S)?")
_PROTO: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]{3}|[0-9]{6}|[0-9]{9}))?s")


class _Duration(NamedTuple):
    notation: str
    nanos: Fraction


def _parts(text: str) -> Fraction | None:
    """Nanoseconds of a text like 1h30m0.5s: units fall, only the last has a fraction."""
    bare = text.removeprefix("-")
    total, last, fraction, position = Fraction(0), 0, "", 0
    while position < len(bare):
        part = _PART.match(bare, position)
        if part is None or fraction or (last and _UNITS[part[3]] >= last):
            return None
        last, fraction, position = _UNITS[part[3]], part[2] or "", part.end()
        total += Fraction(part[1] + fraction) * last
    if not last:
        return None
    return total if bare == text else -total


def _clock(text: str) -> _Duration | None:
    """Seconds with nine decimals (the time crate), or ISO 8601 (jiff)."""
    if match := _SECONDS.fullmatch(text):
        nanos = int(match[2]) * _BILLION + int(match[3])
        return _Duration("seconds", Fraction(-nanos if match[1] else nanos))
    match = _ISO.fullmatch(text)
    if match is None or text.endswith("T"):
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:4])
    whole = (hours * 60 + minutes) * 60 + seconds
    nanos = whole * _BILLION + int((match[5] or "").ljust(9, "0"))
    return _Duration("iso", Fraction(-nanos if match[1] else nanos))


def _duration(value: Any) -> _Duration | None:
    if isinstance(value, str):
        if len(value) > _LONGEST:
            return None
        found = _parts(value)
        return _clock(value) if found is None else _Duration("text", found)
    number = integer(value)
    if number is not None:
        return _Duration("integer", Fraction(number))
    if isinstance(value, dict):
        nanos = nanos_of(value, "secs", "nanos")
        return None if nanos is None else _Duration("object", Fraction(nanos))
    if not isinstance(value, list) or len(value) != 2:
        return None
    nanos = nanos_of({"secs": value[0], "nanos": value[1]}, "secs", "nanos")
    return None if nanos is None else _Duration("pair", Fraction(nanos))


_NOTATIONS: Final = (
    TEXTS
    | among(STRINGS, ("number", "object", "array"))
    | among(("number", "object"), ("object", "array"))
)


def _is_duration_representation(place: Place) -> bool:
    if not place.in_json:
        return False
    go, rust = _duration(place.go), _duration(place.rust)
    if go is None or rust is None or go.nanos != rust.nanos:
        return False
    return go.notation != rust.notation


def _is_duration_text(place: Place) -> bool:
    go, rust = place.go, place.rust
    if not place.in_json or not isinstance(go, str) or not isinstance(rust, str) or go == rust:
        return False
    if len(go) > _LONGEST or len(rust) > _LONGEST:
        return False
    ours = _parts(go)
    return ours is not None and ours == _parts(rust)


def _is_proto_duration(place: Place) -> bool:
    if not place.in_json:
        return False
    for text, other in ((place.go, place.rust), (place.rust, place.go)):
        nanos = nanos_of(other, "seconds", "nanos")
        if nanos is None or not isinstance(text, str) or len(text) > _LONGEST:
            continue
        match = _PROTO.fullmatch(text)
        if match is not None:
            size = int(match[2]) * _BILLION + int((match[3] or "").ljust(9, "0"))
            return nanos == (-size if match[1] else size)
    return False


CLASSES: Final = (
    DivergenceClass(
        id="proto-duration",
        title="A protobuf Duration as an object",
        go='protojson writes "90.500s".',
        rust='prost_types::Duration with serde is {"seconds":...,"nanos":...}.',
        impact="Breaks every typed client: text became an object.",
        fix_go="None: protojson follows the specification.",
        fix_rust="pbjson-types.",
        severity="breaking",
        policy="fail",
        at=_is_proto_duration,
        types=among(STRINGS, ("object",)),
        valid=(
            json_pair('{"v":"90.500s"}', '{"v":{"seconds":90,"nanos":500000000}}'),
            json_pair('{"v":"-0.000001s"}', '{"v":{"seconds":0,"nanos":-1000}}'),
        ),
        invalid=(
            json_pair('{"v":"90.500s"}', '{"v":{"seconds":90,"nanos":50000000}}', "nanos a tenth"),
            json_pair('{"v":"90.500s"}', '{"v":{"secs":90,"nanos":500000001}}', "a nanosecond off"),
        ),
    ),
    DivergenceClass(
        id="duration-representation",
        title="A duration in another JSON shape",
        go="time.Duration is an integer of nanoseconds; json/v2 refuses it without an option.",
        rust='{"secs","nanos"} (std), [s, ns] (chrono), "90.500000000" (time), "PT1M30.5S" (jiff).',
        impact="Breaks every typed client: the shape changed.",
        fix_go="None; under v2 the option v1.FormatDurationAsNano(true).",
        fix_rust="Serialise as_nanos() as i64.",
        severity="breaking",
        policy="fail",
        at=_is_duration_representation,
        types=_NOTATIONS,
        valid=(
            json_pair('{"v":90500000000}', '{"v":{"secs":90,"nanos":500000000}}', "std"),
            json_pair('{"v":90500000000}', '{"v":[90,500000000]}', "chrono"),
            json_pair('{"v":90500000000}', '{"v":"90.500000000"}', "time"),
            json_pair('{"v":90500000000}', '{"v":"PT1M30.5S"}', "jiff"),
        ),
        invalid=(
            json_pair('{"v":90500000000}', '{"v":{"secs":90,"nanos":500000}}', "other nanos"),
            json_pair('{"v":90500000000}', '{"v":[90,5]}', "other nanos"),
            json_pair('{"v":90}', '{"v":"PT1M30S"}', "seconds, not nanoseconds"),
        ),
    ),
    DivergenceClass(
        id="duration-text",
        title="A duration printed with other units",
        go="Duration.String: 1h30m0s, 0s.",
        rust="{:?}: 5400s, 0ns.",
        impact="Breaks clients that parse or show the text.",
        fix_go="A format of your own, shared by both.",
        fix_rust="A serializer that prints as Go does.",
        severity="breaking",
        policy="fail",
        at=_is_duration_text,
        types=TEXTS,
        valid=(
            json_pair('{"v":"1h30m0s"}', '{"v":"5400s"}'),
            json_pair('{"v":"0s"}', '{"v":"0ns"}'),
            json_pair('{"v":"1m30.5s"}', '{"v":"90.5s"}'),
        ),
        invalid=(
            json_pair('{"v":"1h30m0s"}', '{"v":"5401s"}', "a second more"),
            json_pair('{"v":"1h30m0s"}', '{"v":"5400ms"}', "another unit"),
            json_pair('{"v":"90m"}', '{"v":"90 m"}', "a length"),
        ),
    ),
)
