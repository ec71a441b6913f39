from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.codecs import sse
from shadow.compare.codecs.values import OverBudgetError
from shadow.compare.json_text import to_text
from tests.compare.codecs.answers import (
    SPELLING,
    content,
    diverges,
    found,
    meter,
    mutated,
    reads_or_refuses,
    verdicts,
)
from tests.compare.values import VALUES, strictly_equal

LABEL = "text/event-stream"
SEED = b'event: a\ndata: {"x":1}\ndata: 2\nid: 7\n\n: comment\n\ndata: end\n\n'
LINES = st.text("ab: {[1é", max_size=5)
EVENTS = st.lists(
    st.fixed_dictionaries(
        {"data": st.lists(LINES, min_size=1, max_size=3)},
        optional={"event": LINES, "id": LINES, "retry": st.sampled_from(["10", "20"])},
    ),
    max_size=3,
)
RANDOM = st.randoms(use_true_random=False)


def written(events: list[dict[str, Any]], choose: random.Random) -> str:
    """A stream in any of the ways it may be written."""
    end = choose.choice(("\n", "\r\n", "\r"))
    lines = []
    for event in events:
        keys = list(event)
        choose.shuffle(keys)
        for key in keys:
            values = event[key] if key == "data" else [event[key]]
            for value in values:
                space = " " if value.startswith(" ") else choose.choice((" ", ""))
                lines.append(f"{key}:{space}{value}")
                lines += [": kept alive"] * choose.randint(0, 1)
        lines += [""] * choose.randint(1, 2)
    return "".join(line + end for line in lines)


def read(text: str) -> str:
    return to_text(sse.read(content(text, LABEL), meter()).value)


@given(EVENTS, RANDOM, RANDOM)
def test_layout_and_comments_are_spelling(
    events: Any, one: random.Random, two: random.Random
) -> None:
    ours, theirs = written(events, one), written(events, two)
    if ours.strip() and theirs.strip():
        assert verdicts(ours, theirs, LABEL) <= SPELLING


@given(EVENTS, EVENTS, RANDOM)
def test_another_value_diverges(left: Any, right: Any, choose: random.Random) -> None:
    ours, theirs = written(left, choose), written(right, choose)
    # JSON that is spelled apart is tried below.
    if not any(line.startswith(("{", "[")) for each in left + right for line in each["data"]):
        assert diverges(ours, theirs, LABEL) == (left != right)


@given(VALUES, VALUES)
def test_json_data_is_compared_as_json(left: Any, right: Any) -> None:
    def event(value: Any, **layout: Any) -> str:
        return f"data: {json.dumps([value], **layout)}\n\n"

    assert verdicts(event(left), event(left, separators=(",", ":")), LABEL) <= SPELLING
    assert diverges(event(left), event(right), LABEL) != strictly_equal(left, right)


@given(mutated(SEED, b"data", b"\xef\xbb\xbfdata:1\r\r"))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    reads_or_refuses("sse", content(data, LABEL))


def test_places() -> None:
    ours = 'event: price\ndata: {"a": {"b": 1}}\n\ndata: x\n\n'
    theirs = 'event: cost\ndata: {"a": {"b": 2}}\n\ndata: x\n\n'
    assert found(ours, theirs, LABEL) == [
        ("value_changed", "$[0]['event']", '"price"', '"cost"'),
        ("value_changed", "$[0]['data']['a']['b']", "1", "2"),
    ]
    assert found(ours, ours + "id: 3\ndata: y\n\n", LABEL) == [
        ("extra", "$[2]", None, '{"id":"3","data":"y"}')
    ]


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("data: a\ndata:  b\ndata\n\n", '[{"data":"a\\n b\\n"}]'),
        ("data: 1\n\n", '[{"data":"1"}]'),
        ("id: 1\nretry: 5\n\n", '[{"id":"1","retry":"5"}]'),
        ("event: a\nevent: b\ndata: x\n\n", '[{"event":"b","data":"x"}]'),
        ("color: red\ndata: x\n\n", '[{"data":"x"}]'),
        ("data: x\n", '[{"data":"x","unfinished":true}]'),
        ("data: x", '[{"data":"x","unfinished":true}]'),
        (": hello\n\n", "[]"),
    ],
)
def test_records(text: str, tree: str) -> None:
    assert read(text) == tree


def test_a_repeated_name_in_data_is_seen() -> None:
    assert diverges('data: {"a":1,"a":2}\n\n', 'data: {"a":2}\n\n', LABEL)


def test_size_is_bounded() -> None:
    with pytest.raises(OverBudgetError):
        sse.read(content("data: 1\n\n" * 5_000, LABEL), meter(9_000))
