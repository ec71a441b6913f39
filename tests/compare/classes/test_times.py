from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import times
from tests.compare.classes.scalars import (
    ANYTHING,
    check_examples,
    check_never_raises,
    named_json,
)


def test_each_example_is_judged_as_it_says() -> None:
    check_examples(times)


@given(ANYTHING, ANYTHING)
def test_no_predicate_raises(go: object, rust: object) -> None:
    check_never_raises(times, go, rust)


INSTANTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)).map(  # noqa: DTZ001 - made UTC
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
NANOS = st.integers(0, 999_999_999) | st.sampled_from([0, 500_000_000, 123_000_000, 123_456_000])
OFFSETS = st.integers(-23 * 60, 23 * 60)


def rfc3339(moment: datetime, nanos: int, offset: int, digits: int, *, zulu: bool = True) -> str:
    """With at least as many digits as the fraction needs; 0 trims it like Go."""
    local = moment.astimezone(timezone(timedelta(minutes=offset)))
    fraction = f"{nanos:09}".rstrip("0").ljust(digits, "0")
    zone = "Z" if zulu and not offset else local.isoformat()[-6:]
    clock = local.replace(tzinfo=None).isoformat()
    return clock + (f".{fraction}" if fraction else "") + zone


@given(
    moment=INSTANTS,
    nanos=NANOS,
    ours=OFFSETS,
    theirs=OFFSETS,
    many=st.integers(0, 9),
    few=st.integers(0, 9),
    zulu=st.booleans(),
)
def test_texts_of_one_instant_are_named(
    *, moment: datetime, nanos: int, ours: int, theirs: int, many: int, few: int, zulu: bool
) -> None:
    go, rust = rfc3339(moment, nanos, ours, many), rfc3339(moment, nanos, theirs, few, zulu=zulu)
    expected = "time-fraction-digits"
    if ours != theirs:
        expected = "time-zone-normalised"
    elif go[-1] != rust[-1] and "Z" in (go[-1], rust[-1]):
        expected = "time-offset-notation"
    assert named_json(json.dumps([go]), json.dumps([rust])) == [expected] * (go != rust)


@given(
    moment=INSTANTS,
    ours=NANOS,
    theirs=NANOS,
    here=OFFSETS,
    there=OFFSETS,
    digits=st.integers(0, 9),
)
def test_two_instants_are_never_named_but_where_rust_cut_digits(
    *, moment: datetime, ours: int, theirs: int, here: int, there: int, digits: int
) -> None:
    go, rust = rfc3339(moment, ours, here, 0), rfc3339(moment, theirs, there, digits)
    if ours == theirs:
        return
    cut = here == there and any(theirs == ours // unit * unit for unit in (10**3, 10**6, 10**9))
    assert named_json(json.dumps([go]), json.dumps([rust])) == [
        "time-precision-truncated" if cut else None
    ]


@given(INSTANTS, NANOS, OFFSETS)
def test_other_notations_of_one_instant_are_named(
    moment: datetime, nanos: int, offset: int
) -> None:
    go = rfc3339(moment, nanos, offset, 0)
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    utc = rfc3339(moment, nanos, 0, 9)
    for rust, expected in (
        (utc.replace("T", " ").replace("Z", " UTC"), "time-text-format"),
        (utc.replace("T", " ").replace("Z", " +0000 UTC"), "time-text-format"),
        (utc.replace("T", " ").replace("Z", " +00:00:00"), "time-text-format"),
        ("+00" + utc, "time-text-format"),
        (go + "[Europe/Berlin]", "time-text-format"),
        (seconds * 10**9 + nanos, "time-as-epoch"),
        ({"secs_since_epoch": seconds, "nanos_since_epoch": nanos}, "time-as-epoch"),
        ({"seconds": seconds, "nanos": nanos}, "proto-timestamp-object"),
    ):
        assert named_json(json.dumps([go]), json.dumps([rust])) == [expected]


def test_the_weekday_of_a_mail_date_is_checked() -> None:
    go = '["2024-01-02T03:04:05Z"]'
    assert named_json(go, '["Tue, 02 Jan 2024 03:04:05 GMT"]') == ["time-text-format"]
    assert named_json(go, '["Mon, 02 Jan 2024 03:04:05 GMT"]') == [None]
    assert named_json(go, '["Tue, 02 Jan 2024 03:04:05 +0100"]') == [None]


def test_a_time_without_zone_stands_for_utc_only() -> None:
    assert named_json('["2024-01-02T03:04:05Z"]', '["2024-01-02 03:04:05"]') == ["time-text-format"]
    assert named_json('["2024-01-02T03:04:05+01:00"]', '["2024-01-02 03:04:05"]') == [None]
    assert named_json('["2024-01-02T03:04:05+01:00"]', '["2024-01-02 02:04:05"]') == [None]


def test_a_date_that_does_not_exist_is_no_time() -> None:
    for day in ("2023-02-29T00:00:00", "2024-13-01T00:00:00", "2024-01-01T24:00:00"):
        assert named_json(f'["{day}Z"]', f'["{day}+00:00"]') == [None]
