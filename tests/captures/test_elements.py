from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures import elements
from shadow.captures.elements import CUT, NO_JSON, Elements
from shadow.captures.streams import Damage

PATH = ("log", "entries")
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def split(data: bytes, size: int = 7, path: tuple[str, ...] = PATH) -> list[bytes | Damage]:
    chunks = (data[at : at + size] for at in range(0, len(data), size))
    return list(Elements(chunks, path))


@given(st.lists(VALUES, max_size=6), VALUES, st.integers(1, 40), st.booleans())
def test_elements_come_as_they_stand(
    values: list[Any], other: Any, size: int, compact: bool
) -> None:
    separators = (",", ":") if compact else (" ,\n", " : ")
    given = {"a": other, "log": {"b": [other], "entries": values, "c": other}, "d": other}
    data = json.dumps(given, separators=separators).encode()
    assert [json.loads(each) for each in split(data, size) if isinstance(each, bytes)] == values


@given(st.lists(VALUES, min_size=1, max_size=5), st.integers(1, 20), st.data())
def test_a_document_that_is_cut_gives_every_whole_element(
    values: list[Any], size: int, data: st.DataObject
) -> None:
    whole = json.dumps({"log": {"entries": values}}).encode()
    begin, end = whole.index(b"["), whole.rindex(b"]")
    at = data.draw(st.integers(begin + 1, end))
    *found, last = split(whole[:at], size)
    assert last == CUT
    count = len(found)
    assert [json.loads(each) for each in found if isinstance(each, bytes)] == values[:count]


@given(st.binary(max_size=200), st.integers(1, 20))
def test_any_bytes_will_do(data: bytes, size: int) -> None:
    split(data, size)
    split(b'{"log":{"entries":[' + data, size)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"log":{"entries":[]}}', []),
        (b'{"l\\u006fg":{"entries":[1, "]" ,{}]', [b"1", b'"]"', b"{}"]),
        (b'{"log":{"entries":[{"a":"\\"}]"},[[]]]}', [b'{"a":"\\"}]"}', b"[[]]"]),
        (b'{"x":{"log":{"entries":[1]}},"log":{"x":{"entries":[2]},"entries":[3]}}', [b"3"]),
        (b'{"log":{"entries":[1}', [b"1", NO_JSON]),
        (b'{"log":{"entries":[1,:', [b"1", NO_JSON]),
        (b'{"log":{"entries":["a', [CUT]),
        (b'{"log":{"entries":["a\\', [CUT]),
    ],
)
def test_structure(data: bytes, expected: list[bytes | Damage]) -> None:
    for size in (1, 2, 1000):
        assert split(data, size) == expected


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[1]", b'{"log":[]}', b'{"log":{"entries":{}}}', b'{"log":{}}', b'{"a"}']
)
def test_a_document_without_the_array(data: bytes) -> None:
    reading = Elements(iter([data]), PATH)
    assert list(reading) == []
    assert not reading.found


def test_documents_may_follow_each_other() -> None:
    def documents(data: bytes) -> list[bytes | Damage]:
        return list(Elements(iter([data[:5], data[5:]]), None))

    assert documents(b'{"a":1}\n[2]{}') == [b'{"a":1}', b"[2]", b"{}"]
    assert documents(b' {"a":1}, {"b"') == [b'{"a":1}', CUT]
    assert documents(b"{} ]") == [b"{}", NO_JSON]
    assert documents(b" ") == []


def test_the_root_may_be_the_array() -> None:
    assert split(b' [1,{"a":2}] ', path=()) == [b"1", b'{"a":2}']


@pytest.mark.parametrize("value", ['"{}"', "[{}]", '{{"a":["{}"]}}'])
def test_what_is_too_long_is_passed_over(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setattr(elements, "MAX_RECORD_BYTES", 100)
    long = value.replace("{{", "{").replace("}}", "}").replace("{}", "1" * 300).encode()
    if value == "[{}]":
        long = b"[" + b"1," * 150 + b"1]"
    for size in (3, 64, 1000):
        found = split(b'{"log":{"entries":[1,' + long + b",2]}}", size)
        assert found == [b"1", elements.TOO_LONG, b"2"]


def test_memory_is_that_of_one_element() -> None:
    def peak(count: int) -> int:
        entry = b'{"a":"' + b"x" * 1000 + b'"},'
        chunks = iter([b'{"log":{"entries":[', *(entry * 50 for _ in range(count)), b"1]}}"])
        tracemalloc.start()
        assert sum(1 for _ in Elements(chunks, PATH)) == 50 * count + 1
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(40) < 1.5 * peak(4)
