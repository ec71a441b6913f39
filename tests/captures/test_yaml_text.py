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
    (found,) = values("a: &x {b: !!binary aGk=}\nc: *x\nd: [*x, *x]\n")
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
    assert len(found) == 26
    assert peak < 2_000_000
    assert took < 5


def test_values_and_bytes_of_an_item_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "MAX_NODES", 100)
    (found,) = values(f"[{'1,' * 200}]")
    assert found == Damage("it has more than 100 values")
    monkeypatch.setattr(yaml_text, "MAX_RECORD_BYTES", 10_000)
    *few, last = values("list:\n- a\n- '" + "x" * 200_000 + "'\n- b\n", "list", size=1000)
    assert isinstance(last, Damage)
    assert "longer than 10000 bytes" in last.reason
    assert len(few) <= 1
