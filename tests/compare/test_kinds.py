from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.kinds import value_of


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('"6ba7b810-9dad-11d1-80b4-00c04fd430c8"', "string:uuid-lower"),
        ('"6BA7B810-9DAD-11D1-80B4-00C04FD430C8"', "string:uuid-upper"),
        ('"2026-11-22T10:00:00.123456789Z"', "string:time-z"),
        ('"2026-11-22T10:00:00+02:00"', "string:time-offset"),
        ('"Sun, 22 Nov 2026 10:00:00 GMT"', "string:http-date-time"),
        ('"2026-13-22T10:00:00Z"', "string:free"),
        ("1763805600", "number:epoch-s"),
        ("1763805600123", "number:epoch-ms"),
        ("1763805600123456789", "number:epoch-ns"),
        ("17", "number:integer"),
        ("-0.5e3", "number:number"),
        ('"00000000-0000-0000-0000-000000000000"', "string:nil"),
        ("1e999", "number:huge"),
        ('"17"', "string:integer"),
        ('"9f8e7d6c5b4a3021"', "string:hex-lower"),
        ('"9F8E7D6C5B4A3021"', "string:hex-upper"),
        ('"dGhpcyBpcyBhIHRva2VuIDEyMw=="', "string:token"),
        ('"hello world"', "string:free"),
        ('""', "string:empty"),
        ("true", "boolean"),
        ("null", "null"),
        ("[1]", "array"),
        ("{}", "object"),
        ('"cut…', "string:cut"),
        (None, "absent"),
    ],
)
def test_kinds_of_json_values(text: str | None, kind: str) -> None:
    assert value_of(text, is_json=True).kind == kind


def test_plain_text_is_not_read_as_json() -> None:
    assert value_of('"x"', is_json=False).kind == "text:free"
    assert value_of("9f8e7d6c5b4a3021", is_json=False).kind == "text:hex-lower"


@given(
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2200, 1, 1)),  # noqa: DTZ001 - hypothesis wants naive bounds
    st.integers(-14 * 60, 14 * 60),
)
def test_a_time_is_its_instant(moment: datetime, offset: int) -> None:
    there = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    value = value_of(f'"{there.isoformat()}"', is_json=True)
    assert value.is_time
    assert value.number == pytest.approx(there.astimezone(UTC).timestamp(), abs=1e-5)


@given(st.uuids())
def test_uuids_are_tokens(value: UUID) -> None:
    assert value_of(f'"{value}"', is_json=True).is_token


@given(st.text(max_size=60), st.booleans())
def test_every_text_has_a_kind(text: str, is_json: bool) -> None:
    assert value_of(text, is_json=is_json).kind
