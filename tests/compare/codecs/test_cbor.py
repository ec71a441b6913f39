from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given

from shadow.compare.codecs import cbor
from shadow.compare.codecs.values import OverBudgetError, UnreadableError
from shadow.compare.json_text import to_text
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

LABEL = "application/cbor"
SEED = encoders.cbor(
    {"a": [1, -1.5, None, {"b": b"\0", "7": "x"}], "n": {1: [2**63]}, "t": True}, random.Random(1)
)


def read(data: str, label: str = LABEL) -> str:
    return to_text(cbor.read(content(bytes.fromhex(data), label), meter()).value)


@given(encoders.VALUES, encoders.RANDOM, encoders.RANDOM)
def test_widths_lengths_and_key_order_are_spelling(
    value: Any, one: random.Random, two: random.Random
) -> None:
    ours, theirs = (encoders.cbor(value, choose) for choose in (one, two))
    assert verdicts(ours, theirs, LABEL) <= SPELLING
    assert bool(verdicts(ours, theirs, LABEL)) == (ours != theirs)


@given(encoders.VALUES, encoders.VALUES, encoders.RANDOM)
def test_another_value_diverges(left: Any, right: Any, choose: random.Random) -> None:
    ours, theirs = (encoders.cbor(value, choose) for value in (left, right))
    differ = encoders.canonical(left) != encoders.canonical(right)
    assert diverges(ours, theirs, LABEL) == differ


@given(mutated(SEED, b"\x9f\x5f\x41a\xff\xff", b"\xc2\x41\x01", b"\xf9\x7e\x00"))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    reads_or_refuses("cbor", content(data, LABEL))


@pytest.mark.parametrize(
    ("data", "text"),
    # RFC 8949, appendix A.
    [
        ("1818", "24"),
        ("1bffffffffffffffff", "18446744073709551615"),
        ("c249010000000000000000", "18446744073709551616"),
        ("c349010000000000000000", "-18446744073709551617"),
        ("3bffffffffffffffff", "-18446744073709551616"),
        ("f98000", "-0.0"),
        ("f93e00", "1.5"),
        ("f97bff", "65504.0"),
        ("fa47c35000", "100000.0"),
        ("fb7e37e43c8800759c", "1e+300"),
        ("f90001", "5.960464477539063e-08"),
        ("f97c00", '{"float":"Infinity"}'),
        ("fa7fc00000", '{"float":"NaN"}'),
        ("f7", '{"simple":23}'),
        ("f0", '{"simple":16}'),
        ("f8ff", '{"simple":255}'),
        ("c11a514b67b0", '{"tag":[1,1363896240]}'),
        ("d74401020304", '{"tag":[23,{"bytes":"01020304"}]}'),
        ("64f0908591", '"\U00010151"'),
        ("a201020304", '{"map":{"1":2,"3":4}}'),
        ("5f42010243030405ff", '{"bytes":"0102030405"}'),
        ("7f657374726561646d696e67ff", '"streaming"'),
        ("9f018202039f0405ffff", "[1,[2,3],[4,5]]"),
        ("bf6346756ef563416d7421ff", '{"Fun":true,"Amt":-2}'),
        ("80", "[]"),
        ("a0", "{}"),
    ],
)
def test_the_examples_of_the_standard(data: str, text: str) -> None:
    assert read(data) == text


def test_places_and_types() -> None:
    choose = random.Random(3)
    ours = encoders.cbor({"items": [{"price": 1}], "at": "x"}, choose)
    theirs = encoders.cbor({"items": [{"price": 1.0}], "at": "x"}, choose)
    assert found(ours, theirs, LABEL) == [
        ("type_changed", "$['items'][0]['price']", "1", "1.0"),
    ]


def test_a_sequence_is_the_list_of_its_items() -> None:
    assert read("01f582 0203".replace(" ", ""), "application/cbor-seq") == "[1,true,[2,3]]"
    assert found(b"\x01\x02", b"\x01\x03", "application/cbor-seq") == [
        ("value_changed", "$[1]", "2", "3")
    ]


@pytest.mark.parametrize(
    "data",
    [
        "1c",
        "ff",
        "1f",
        "5f01ff",
        "5f5f4100ffff",
        "5f6161ff",
        "0102",
        "8201",
        "bf01ff",
        "f818",
        "c2",
        "9fff00",
        "61",
    ],
)
def test_what_is_not_cbor(data: str) -> None:
    with pytest.raises(UnreadableError):
        read(data)


def test_depth_and_size_are_bounded() -> None:
    deep = b"\x81" * 10_000
    ((kind, _, *values),) = found(deep + b"\x01", deep + b"\x02", LABEL, options=PATIENT)
    assert (kind, values) == ("value_changed", ["1", "2"])
    with pytest.raises(OverBudgetError):
        cbor.read(content(b"\x5f" + b"\x40" * 9_000 + b"\xff", LABEL), meter(8_000))


def test_a_long_bignum_is_not_printed() -> None:
    number = read("c25904 00".replace(" ", "") + "ff" * 1024)
    assert number.startswith('{"tag":[2,{"bytes":"ffff')


@pytest.mark.parametrize("white", [b"\t", b"\n", b"\r"])
def test_a_byte_of_white_space_is_an_integer(white: bytes) -> None:
    assert verdicts(white, b"\x18" + white, LABEL) == SPELLING
    assert diverges(white, b"\x0b", LABEL)
    assert diverges(white, b"", LABEL)
