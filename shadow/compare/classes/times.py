"""Times: the same instant in another notation."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, NamedTuple

from shadow.compare.classes.base import (
    ABSENT,
    TEXTS,
    DivergenceClass,
    Place,
    among,
    between,
    json_pair,
)
from shadow.compare.json_text import Number

_LONGEST: Final = 100
_EPOCH: Final = date(1970, 1, 1).toordinal()
_GO_ZERO: Final = "0001-01-01T00:00:00Z"
_UNIX_ZERO: Final = "1970-01-01T00:00:00Z"
_BILLION: Final = 10**9


class Instant(NamedTuple):
    """A moment to the nanosecond."""

    nanos: int
    """Since 1970-01-01T00:00:00 UTC; of the wall clock where the offset is None."""
    offset: int | None
    """Seconds east of UTC as written; None where none is written."""

    def same(self, other: Instant) -> bool:
        """The same moment; a time without an offset is held against UTC only."""
        offsets = {self.offset, other.offset}
        return self.nanos == other.nanos and (None not in offsets or offsets <= {None, 0})


_RFC3339: Final = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})T(?P<clock>[0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]{1,9}))?(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})"
)
_ISO: Final = re.compile(
    r"(?:\+00)?(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})(?:T| )(?P<clock>[0-9]{1,2}:[0-9]{2}:[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]{1,9}))?"
    r"(?: ?(?P<offset>Z|UTC|[+-][0-9]{2}(?::?[0-9]{2}(?::[0-9]{2})?)?)"
    r"(?: (?:[A-Z]{3,5}|[+-][0-9]{2,4})(?: m=[+-][0-9]+\.[0-9]+)?|\[[A-Za-z0-9_+/:-]+\])?)?"
)
"""Time.String of Go, Display of chrono and time, iso8601, and jiff's zone in brackets."""
_MAIL: Final = re.compile(
    r"(?P<weekday>[A-Z][a-z]{2}), (?P<day>[0-9]{1,2}) (?P<month>[A-Z][a-z]{2}) (?P<year>[0-9]{4})"
    r" (?P<clock>[0-9]{2}:[0-9]{2}:[0-9]{2}) (?P<offset>GMT|UTC|[+-][0-9]{4})"
)
"""RFC 1123 and RFC 2822, as in HTTP and mail headers."""
_PLAIN: Final = re.compile(r"-?[0-9]{1,24}(?:\.[0-9]{1,9})?")
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)


def rfc3339(value: Any) -> Instant | None:
    """The instant of an RFC 3339 time with capital T and Z, or None."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    match = _RFC3339.fullmatch(value)
    return _instant(*match.group("date", "clock", "fraction", "offset")) if match else None


def _any_instant(value: Any) -> Instant | None:
    """The instant of a time in any notation that either stack prints."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    if match := _ISO.fullmatch(value):
        return _instant(*match.group("date", "clock", "fraction", "offset"))
    match = _MAIL.fullmatch(value)
    if match is None or match["month"] not in _MONTHS or match["weekday"] not in _WEEKDAYS:
        return None
    day = f"{match['year']}-{_MONTHS.index(match['month']) + 1:02}-{match['day']:0>2}"
    found = _instant(day, match["clock"], None, match["offset"])
    if found is None or date.fromisoformat(day).weekday() != _WEEKDAYS.index(match["weekday"]):
        return None
    return found


def _instant(day: str, clock: str, fraction: str | None, zone: str | None) -> Instant | None:
    hours, minutes, seconds = map(int, clock.split(":"))
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    try:
        days = date.fromisoformat(day).toordinal() - _EPOCH
        offset = None if zone is None else _offset(zone)
    except ValueError:
        return None
    wall = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return Instant((wall - (offset or 0)) * _BILLION + int((fraction or "").ljust(9, "0")), offset)


def _offset(zone: str) -> int:
    """Seconds east of UTC. Raises ValueError for one out of range, and for minus zero."""
    if zone in ("Z", "UTC", "GMT"):
        return 0
    digits = zone[1:].replace(":", "").ljust(6, "0")
    hours, minutes, seconds = int(digits[:2]), int(digits[2:4]), int(digits[4:])
    east = (hours * 60 + minutes) * 60 + seconds
    if hours > 23 or minutes > 59 or seconds > 59 or (zone[0] == "-" and not east):
        raise ValueError(zone)
    return east if zone[0] == "+" else -east


def _both_rfc3339(place: Place) -> tuple[Instant, Instant] | None:
    """Both sides, where they are different texts of RFC 3339 times."""
    if not place.in_json or not isinstance(place.go, str) or not isinstance(place.rust, str):
        return None
    return _times(str(place.go), str(place.rust)) if place.go != place.rust else None


@lru_cache(maxsize=4)  # several classes ask in turn
def _times(baseline: str, candidate: str) -> tuple[Instant, Instant] | None:
    go, rust = rfc3339(baseline), rfc3339(candidate)
    return None if go is None or rust is None else (go, rust)


_TIMES: Final = among(("string", "time"), ("string", "time"))


def _zone_of(text: str) -> str:
    return "Z" if text.endswith("Z") else text[-6:]


def _is_go_zero_time(place: Place) -> bool:
    if not place.in_json or not isinstance(place.go, str) or place.go != _GO_ZERO:
        return False
    unset = place.rust is None or place.rust is ABSENT
    return unset or (isinstance(place.rust, str) and place.rust == _UNIX_ZERO)


def _is_time_fraction_digits(place: Place) -> bool:
    times = _both_rfc3339(place)
    return times is not None and times[0] == times[1] and _zone_of(place.go) == _zone_of(place.rust)


def _is_time_offset_notation(place: Place) -> bool:
    times = _both_rfc3339(place)
    return times is not None and times[0] == times[1] and _zone_of(place.go) != _zone_of(place.rust)


def _is_time_zone_normalised(place: Place) -> bool:
    times = _both_rfc3339(place)
    return times is not None and times[0].same(times[1]) and times[0].offset != times[1].offset


def _is_time_precision_truncated(place: Place) -> bool:
    """Rust has Go's time cut to microseconds, milliseconds or seconds."""
    times = _both_rfc3339(place)
    if times is None or times[0].offset != times[1].offset:
        return False
    go, rust = times[0].nanos, times[1].nanos
    return go != rust and any(go // unit * unit == rust for unit in (10**3, 10**6, 10**9))


def _is_time_text_format(place: Place) -> bool:
    if not place.in_json or place.go == place.rust:
        return False
    if rfc3339(place.go) is not None and rfc3339(place.rust) is not None:
        return False
    go, rust = _any_instant(place.go), _any_instant(place.rust)
    return go is not None and rust is not None and go.same(rust)


def _time_and_other(place: Place) -> tuple[int, Any] | None:
    """The nanoseconds of the side that is an RFC 3339 time, and the other side's value."""
    if not place.in_json:
        return None
    for text, other in ((place.go, place.rust), (place.rust, place.go)):
        time = rfc3339(text)
        if time is not None:
            return time.nanos, other
    return None


def integer(value: Any) -> int | None:
    """The value of a JSON integer of at most 25 characters, or None."""
    if not isinstance(value, Number) or len(value.lexeme) > 25 or not value.integral:
        return None
    return int(value.lexeme)


def nanos_of(value: Any, seconds: str, nanos: str) -> int | None:
    """The nanoseconds of an object of exactly two members, or None."""
    if not isinstance(value, dict) or set(value) != {seconds, nanos}:
        return None
    whole, part = integer(value[seconds]), integer(value[nanos])
    if whole is None or part is None or abs(part) >= _BILLION:
        return None
    return whole * _BILLION + part


def _is_time_as_epoch(place: Place) -> bool:
    found = _time_and_other(place)
    if found is None:
        return False
    instant, other = found
    if isinstance(other, Number) and _PLAIN.fullmatch(other.lexeme):
        number = Fraction(other.lexeme)
        return any(number * unit == instant for unit in (10**9, 10**6, 10**3, 1))
    return nanos_of(other, "secs_since_epoch", "nanos_since_epoch") == instant


def _is_proto_timestamp_object(place: Place) -> bool:
    found = _time_and_other(place)
    return found is not None and nanos_of(found[1], "seconds", "nanos") == found[0]


CLASSES: Final = (
    DivergenceClass(
        id="go-zero-time",
        title="Go's zero time against none",
        go="time.Time{} is year 1; omitempty keeps it, omitzero (Go 1.24) drops it.",
        rust="Option None is null or skipped; DateTime::default() is 1970.",
        impact="Often an improvement; breaks clients that test for year 1.",
        fix_go="*time.Time, or omitzero.",
        fix_rust="Write Go's literal for None where parity is wanted.",
        severity="risky",
        policy="fail",
        at=_is_go_zero_time,
        sorts=between(("time",), ("null", "absent", "time")) | {"times apart"},
        valid=(
            json_pair('{"t":"0001-01-01T00:00:00Z"}', '{"t":null}'),
            json_pair('{"t":"0001-01-01T00:00:00Z","k":1}', '{"k":1}', "skipped"),
            json_pair('{"t":"0001-01-01T00:00:00Z"}', '{"t":"1970-01-01T00:00:00Z"}', "default"),
        ),
        invalid=(
            json_pair('{"t":"0001-01-01T00:00:00Z"}', '{"t":"2024-05-05T00:00:00Z"}', "a time"),
            json_pair('{"t":"0001-01-02T00:00:00Z"}', '{"t":null}', "a day later"),
            json_pair('{"t":"0001-01-01T00:00:00Z"}', '{"t":""}', "empty text"),
        ),
    ),
    DivergenceClass(
        id="time-fraction-digits",
        title="Final zeros in the fraction of a second",
        go="RFC3339Nano trims them: .5Z.",
        rust="chrono writes 0, 3, 6 or 9 digits: .500Z; jiff and time trim.",
        impact="The same instant; clients that sort or compare the text break.",
        fix_go="A layout with a fixed number of digits.",
        fix_rust="A serializer that trims, or jiff or time.",
        severity="risky",
        policy="fail",
        at=_is_time_fraction_digits,
        sorts=_TIMES,
        valid=(
            json_pair('{"v":"2024-01-02T03:04:05.5Z"}', '{"v":"2024-01-02T03:04:05.500Z"}'),
            json_pair(
                '{"v":"2024-01-02T03:04:05+02:00"}',
                '{"v":"2024-01-02T03:04:05.000000000+02:00"}',
            ),
        ),
        invalid=(
            json_pair('{"v":"2024-01-02T03:04:05.5Z"}', '{"v":"2024-01-02T03:04:05.050Z"}'),
            json_pair('{"v":"2024-01-02T03:04:05.5Z"}', '{"v":"2024-01-02T03:04:06.500Z"}'),
        ),
    ),
    DivergenceClass(
        id="time-offset-notation",
        title="UTC as Z or as +00:00",
        go="Z.",
        rust="serde writes Z, to_rfc3339() writes +00:00.",
        impact="The same instant in another text.",
        fix_go="The layout 2006-01-02T15:04:05-07:00.",
        fix_rust="to_rfc3339_opts(_, true).",
        severity="benign",
        policy="fail",
        at=_is_time_offset_notation,
        sorts=_TIMES,
        valid=(
            json_pair('{"v":"2024-01-02T03:04:05Z"}', '{"v":"2024-01-02T03:04:05+00:00"}'),
            json_pair('{"v":"2024-01-02T03:04:05.5Z"}', '{"v":"2024-01-02T03:04:05.500+00:00"}'),
        ),
        invalid=(
            json_pair('{"v":"2024-01-02T03:04:05Z"}', '{"v":"2024-01-02T03:04:05+02:00"}'),
            json_pair('{"v":"2024-01-02T03:04:05Z"}', '{"v":"2024-01-02T03:04:05-00:00"}'),
        ),
    ),
    DivergenceClass(
        id="time-zone-normalised",
        title="The same instant in another zone",
        go="Keeps the zone of the value: 03:04:05+02:00.",
        rust="DateTime<Utc> and jiff's Timestamp write UTC: 01:04:05Z.",
        impact="The same instant; clients that cut the date out of the text break.",
        fix_go=".UTC() before writing.",
        fix_rust="DateTime<FixedOffset>.",
        severity="risky",
        policy="fail",
        at=_is_time_zone_normalised,
        sorts=_TIMES,
        valid=(
            json_pair('{"v":"2024-01-02T03:04:05+02:00"}', '{"v":"2024-01-02T01:04:05Z"}'),
            json_pair('{"v":"2024-01-01T19:30:00.5-05:30"}', '{"v":"2024-01-02T01:00:00.500Z"}'),
        ),
        invalid=(
            json_pair('{"v":"2024-01-02T03:04:05+02:00"}', '{"v":"2024-01-02T03:04:05Z"}'),
            json_pair('{"v":"2024-01-02T03:04:05+02:00"}', '{"v":"2024-01-02T05:04:05Z"}'),
        ),
    ),
    DivergenceClass(
        id="time-precision-truncated",
        title="A time cut to micro-, milli- or whole seconds",
        go="Nanoseconds.",
        rust="Microseconds or milliseconds after a database, a driver or trunc_subsecs.",
        impact="The digits are lost; clocks of two services differ anyway.",
        fix_go="Truncate(time.Microsecond).",
        fix_rust="A type that keeps nanoseconds up to the serializer.",
        severity="benign",
        policy="fail",
        at=_is_time_precision_truncated,
        sorts=_TIMES,
        valid=(
            json_pair(
                '{"v":"2024-01-02T03:04:05.123456789Z"}', '{"v":"2024-01-02T03:04:05.123456Z"}'
            ),
            json_pair('{"v":"2024-01-02T03:04:05.9Z"}', '{"v":"2024-01-02T03:04:05Z"}', "seconds"),
        ),
        invalid=(
            json_pair(
                '{"v":"2024-01-02T03:04:05.123456789Z"}', '{"v":"2024-01-02T03:04:05.123457Z"}'
            ),
            json_pair(
                '{"v":"2024-01-02T03:04:05.123456789Z"}', '{"v":"2024-01-02T03:04:05.12345Z"}'
            ),
            json_pair('{"v":"2024-01-02T03:04:05.123Z"}', '{"v":"2024-01-02T03:04:05.123456Z"}'),
        ),
    ),
    DivergenceClass(
        id="time-text-format",
        title="A time that is not RFC 3339",
        go="RFC 3339 in JSON; String() is 2024-01-02 03:04:05.12 +0000 UTC.",
        rust="Display of chrono and time, iso8601, NaiveDateTime, jiff's Zoned.",
        impact="Breaks every client that parses the text.",
        fix_go="Format(time.RFC3339Nano).",
        fix_rust="A UTC type with an RFC 3339 serializer.",
        severity="breaking",
        policy="fail",
        at=_is_time_text_format,
        sorts=TEXTS,
        valid=(
            json_pair('{"v":"2024-01-02T03:04:05Z"}', '{"v":"2024-01-02 03:04:05 UTC"}'),
            json_pair(
                '{"v":"2024-01-02 03:04:05.12 +0000 UTC"}', '{"v":"2024-01-02T03:04:05.120Z"}'
            ),
            json_pair('{"v":"2024-01-02T03:04:05Z"}', '{"v":"2024-01-02T03:04:05"}', "naive"),
            json_pair(
                '{"v":"2024-01-02T03:04:05Z"}', '{"v":"2024-01-02 3:04:05.0 +00:00:00"}', "time"
            ),
            json_pair('{"v":"2024-01-02T03:04:05Z"}', '{"v":"+002024-01-02T03:04:05.000000000Z"}'),
            json_pair(
                '{"v":"2024-01-02T03:04:05-05:00"}',
                '{"v":"2024-01-02T03:04:05-05:00[America/New_York]"}',
                "jiff",
            ),
        ),
        invalid=(
            json_pair('{"v":"2024-01-02T03:04:05Z"}', '{"v":"2024-01-02 03:04:06 UTC"}'),
            json_pair('{"v":"2024-01-02T03:04:05+02:00"}', '{"v":"2024-01-02T03:04:05"}', "naive"),
            json_pair('{"v":"2024-01-02T03:04:05Z"}', '{"v":"2024-01-02"}', "the clock is lost"),
        ),
    ),
    DivergenceClass(
        id="proto-timestamp-object",
        title="A protobuf Timestamp as an object",
        go="protojson writes RFC 3339, always in UTC.",
        rust='prost_types::Timestamp with serde is {"seconds":...,"nanos":...}.',
        impact="Breaks every typed client: text became an object.",
        fix_go="None: protojson follows the specification.",
        fix_rust="pbjson-types.",
        severity="breaking",
        policy="fail",
        at=_is_proto_timestamp_object,
        sorts=among(("string", "time"), ("object",)),
        valid=(
            json_pair(
                '{"v":"2024-01-02T03:04:05.500Z"}', '{"v":{"seconds":1704164645,"nanos":500000000}}'
            ),
            json_pair('{"v":"1970-01-01T00:00:00Z"}', '{"v":{"seconds":0,"nanos":0}}'),
        ),
        invalid=(
            json_pair('{"v":"2024-01-02T03:04:05Z"}', '{"v":{"seconds":1704164646,"nanos":0}}'),
            json_pair('{"v":"2024-01-02T03:04:05Z"}', '{"v":{"seconds":1704164645}}'),
        ),
    ),
    DivergenceClass(
        id="time-as-epoch",
        title="A time as a number since 1970",
        go="RFC 3339 text.",
        rust="ts_seconds and its like write an integer; SystemTime an object of two.",
        impact="Breaks every typed client: text became a number.",
        fix_go="None.",
        fix_rust='Remove with = "ts_seconds" from the field.',
        severity="breaking",
        policy="fail",
        at=_is_time_as_epoch,
        sorts=among(("string", "time"), ("number", "object")),
        valid=(
            json_pair('{"v":"2024-01-02T03:04:05Z"}', '{"v":1704164645}'),
            json_pair('{"v":"2024-01-02T03:04:05.123Z"}', '{"v":1704164645123}', "milliseconds"),
            json_pair(
                '{"v":"2024-01-02T03:04:05.5Z"}',
                '{"v":{"secs_since_epoch":1704164645,"nanos_since_epoch":500000000}}',
            ),
        ),
        invalid=(
            json_pair('{"v":"2024-01-02T03:04:05Z"}', '{"v":1704164646}', "a second later"),
            json_pair(
                '{"v":"2024-01-02T03:04:05.5Z"}', '{"v":1704164645}', "the half second is lost"
            ),
            json_pair('{"v":"2024-01-02T03:04:05Z"}', '{"v":20240102}', "a number of the date"),
        ),
    ),
)
