from __future__ import annotations

import random
import struct
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given

from shadow.compare.codecs import messagepack
from shadow.compare.codecs.values import OverBudgetError, UnreadableError
from shadow.compare.json_text import Number, to_text
from tests.compare.codecs import encoders
from tests.compare.codecs.answers import (
    PATIENT,
    SPELLING,
    content,
    diverges,
    found,
    meter,
    mutated,
    reads_or_refuses,
    verdicts,
)

LABEL = "application/msgpack"
SEED = encoders.messagepack(
    {"a": [1, -1.5, None, {"b": b"\0", "7": "x"}], "n": {1: [2**63]}, "t": True}, random.Random(1)
)


def read(data: bytes) -> str:
    return to_text(messagepack.read(content(data, LABEL), meter()).value)


@given(encoders.VALUES, encoders.RANDOM, encoders.RANDOM)
def test_widths_and_key_order_are_spelling(
    value: Any, one: random.Random, two: random.Random
) -> None:
    ours, theirs = (encoders.messagepack(value, choose) for choose in (one, two))
    assert verdicts(ours, theirs, LABEL) <= SPELLING
    assert bool(verdicts(ours, theirs, LABEL)) == (ours != theirs)


@pytest.mark.parametrize("white", [b"\t", b"\n", b"\r", b" "])
def test_a_byte_of_white_space_is_an_integer(white: bytes) -> None:
    assert verdicts(white, b"\xcc" + white, LABEL) == SPELLING
    assert verdicts(b"\xcd\0" + white, white, LABEL) == SPELLING
    assert diverges(white, b"\x0b", LABEL)
    assert verdicts(white, b"", LABEL) == {("missing", "divergent")}


@given(encoders.VALUES, encoders.VALUES, encoders.RANDOM)
def test_another_value_diverges(left: Any, right: Any, choose: random.Random) -> None:
    ours, theirs = (encoders.messagepack(value, choose) for value in (left, right))
    differ = encoders.canonical(left) != encoders.canonical(right)
    assert diverges(ours, theirs, LABEL) == differ


@given(encoders.VALUES)
def test_reads_what_another_encoder_writes(value: Any) -> None:
    ours = encoders.messagepack(value, random.Random(2))
    assert verdicts(ours, msgspec.msgpack.encode(value), LABEL) <= SPELLING


@given(mutated(SEED, b"\x91", b"\xc7\x0c\xff" + bytes(12)))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    reads_or_refuses("messagepack", content(data, LABEL))


def test_places_and_types() -> None:
    ours = msgspec.msgpack.encode({"items": [{"price": 1, "id": 7}], "raw": b"\0\xff"})
    theirs = msgspec.msgpack.encode({"items": [{"price": 1.0, "id": 7}], "raw": b"\0\xfe"})
    assert found(ours, theirs, LABEL) == [
        ("type_changed", "$['items'][0]['price']", "1", "1.0"),
        ("value_changed", "$['raw']['bytes']", '"00ff"', '"00fe"'),
    ]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x81\x01\xa1a", '{"map":{"1":"a"}}'),
        (b"\x82\x01\xa1a\xa11\xa1b", '{"map":{"1":"a","\\"1\\"":"b"}}'),
        (b"\x81\xa3map\x01", '{"map":{"\\"map\\"":1}}'),
        (b"\x81\x91\x01\x02", '{"map":{"[1]":2}}'),
        (b"\x82\xa1a\x01\xa1a\x02", '{"a":1,"a":2}'),
        (b"\xa2\xff\xfe", '{"text":"fffe"}'),
        (b"\xd4\x05\xab", '{"ext":[5,"ab"]}'),
        (b"\xd6\xff\x00\x00\x00\x07", '{"timestamp":[7,0]}'),
        (b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", '{"float":"NaN"}'),
        (b"\xca\xff\x80\x00\x00", '{"float":"-Infinity"}'),
        (b"\xcf" + b"\xff" * 8, "18446744073709551615"),
        (b"\xcb\x80" + bytes(7), "-0.0"),
    ],
)
def test_what_json_lacks(data: bytes, text: str) -> None:
    assert read(data) == text


def test_a_map_is_no_binary() -> None:
    assert diverges(b"\x91\xc4\x01\xff", b"\x91\x81\xa5bytes\xa2ff", LABEL)


def test_a_repeated_key_is_seen() -> None:
    assert diverges(b"\x81\xa1a\x02", b"\x82\xa1a\x01\xa1a\x02", LABEL)


def test_a_timestamp_is_exact_and_its_form_is_spelling() -> None:
    def long(nanoseconds: int) -> bytes:
        return b"\xc7\x0c\xff" + struct.pack(">Iq", nanoseconds, 1000)

    assert found(long(1), long(2), LABEL) == [
        ("value_changed", "$['timestamp'][1]", "1", "2"),
    ]
    assert verdicts(long(0), b"\xd6\xff" + struct.pack(">I", 1000), LABEL) == SPELLING
    moment = msgspec.msgpack.encode(datetime(2001, 9, 9, 1, 46, 40, 5, tzinfo=UTC))
    assert read(moment) == '{"timestamp":[1000000000,5000]}'


@pytest.mark.parametrize(
    "data", [b"\xc1", b"\x92\x01", b"\x01\x02", b"\xdd\xff\xff\xff\xff", b"\xa2a"]
)
def test_what_is_not_messagepack(data: bytes) -> None:
    with pytest.raises(UnreadableError):
        messagepack.read(content(data, LABEL), meter())


def test_depth_and_size_are_bounded() -> None:
    deep = b"\x91" * 10_000
    ((kind, path, *values),) = found(deep + b"\x01", deep + b"\x02", LABEL, options=PATIENT)
    assert (kind, values) == ("value_changed", ["1", "2"])
    assert path == "$" + "[0]" * 10_000
    with pytest.raises(OverBudgetError):
        messagepack.read(content(deep + b"\x01", LABEL), meter(9_000))


def test_keys_within_keys_do_not_double_with_each_level() -> None:
    deep = b"\x81" * 2_000 + b"\x01" + b"\x01" * 2_000
    value = messagepack.read(content(deep, LABEL), meter()).value
    assert len(to_text(value, 1 << 30)) < 300
    assert list(value["map"].values()) == [Number("1")]
