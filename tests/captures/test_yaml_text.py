from __future__ import annotations

import itertools
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from shadow.captures import yaml_text
from shadow.captures.streams import Damage
from shadow.captures.yaml_text import items


def values(text: str, *inside: str, size: int = 5) -> list[Any]:
    data = text.encode()
    chunks = (data[at : at + size] for at in range(0, len(data), size))
    return [value for _, value in items(chunks, frozenset(inside))]


def test_scalars_stay_the_text_that_they_are() -> None:
    (found,) = values(
        "a: on\nb: 2026-08-03\nc: 010\nd: 1_000\ne: !!python/object:os.system x\nf: ~\ng: '~'\n"
    )
    assert found == {
        "a": "on",
        "b": "2026-08-03",
        "c": "010",
        "d": "1_000",
        "e": "x",
        "f": None,
        "g": "~",
    }


def test_binary_and_aliases() -> None:
    (found,) = values("a: &x {b: !!binary aGk=}\nc: *x\nd: [*x, *x]\ne: !binary |-\n  aGk=\n")
    assert found["e"] == b"hi"
    assert found["a"] == {"b": b"hi"}
    assert found["c"] is found["a"]
    assert found["d"][1] is found["a"]


def test_items_of_a_list_come_one_by_one_with_their_lines() -> None:
    text = b"version: 1\nother: [1]\nlist:\n- a: 1\n- b\nlast: 2\n---\nlist: [c]\n"
    assert list(items(iter([text]), frozenset({"list"}))) == [(4, {"a": "1"}), (5, "b"), (8, "c")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [", "it is not YAML: did not find expected node content"),
        ("a: *b", "an alias names nothing"),
        ("a: !!binary '?'", "a binary value is not base64"),
        ("[" * 1000, "it is nested too deeply"),
        ("- " * 1000, "it is nested too deeply"),
        ("a: \x01", "it is not YAML: "),
    ],
)
def test_what_is_wrong_ends_the_file(text: str, reason: str) -> None:
    (found,) = values(text)
    assert isinstance(found, Damage)
    assert found.reason.startswith(reason)


def test_damage_of_the_stream_is_told() -> None:
    chunks: Iterator[bytes | Damage] = iter(
        [b"list:\n- a\n- b", Damage("the gzip data ends in the middle")]
    )
    found = [value for _, value in items(chunks, frozenset({"list"}))]
    assert found == ["a", "b", Damage("the gzip data ends in the middle")]


def test_a_file_of_a_few_lines_cannot_fill_the_memory() -> None:
    names = "abcdefghijklmnopqrstuvwxyz"
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in itertools.pairwise(names)
    )
    tracemalloc.start()
    begun = time.process_time()
    (found,) = values(bomb, size=1000)
    took, peak = time.process_time() - begun, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == Damage("its aliases stand for too much")
    assert peak < 2_000_000
    assert took < 5


def test_what_anchors_hold_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "MAX_SHARED", 100_000)
    text = "list:\n" + "".join(f"- &a{n} [{'x' * 10_000}]\n" for n in range(20))
    *few, last = values(text, "list", size=1000)
    assert last == Damage("its anchors hold too much")
    assert len(few) < 10


def test_headers_that_all_share_are_not_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "MAX_SHARED", 1_000)
    first, *rest = values("list:\n- &a {b: c}\n" + "- [d, *a]\n" * 5_000, "list", size=1000)
    assert len(rest) == 5_000
    assert rest[-1][1] is first


def test_directives_are_bounded() -> None:
    tags = "".join(f"%TAG !a{n}! b\n" for n in range(50_000))
    begun = time.process_time()
    *_, last = values(f"a: b\n...\n{tags}---\nc: d\n", size=1000)
    assert last == Damage("it has more than 1000 directives")
    assert time.process_time() - begun < 2


def test_an_encoding_in_which_nothing_is_bounded() -> None:
    (found,) = [value for _, value in items(iter(["a: b".encode("utf-16")]))]
    assert found == Damage("it is not YAML in UTF-8")


def test_values_and_bytes_of_an_item_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "MAX_NODES", 100)
    (found,) = values(f"[{'1,' * 200}]")
    assert found == Damage("it has more than 100 values")
    monkeypatch.setattr(yaml_text, "MAX_RECORD_BYTES", 10_000)
    *few, last = values("list:\n- a\n- '" + "x" * 200_000 + "'\n- b\n", "list", size=1000)
    assert isinstance(last, Damage)
    assert "longer than 10000 bytes" in last.reason
    assert len(few) <= 1
