"""Reading in parts against the reference: the same walk over documents read to their ends."""

from __future__ import annotations

import gc
import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare import CompareOptions
from shadow.compare.difference import Around, Difference
from shadow.compare.json_text import NotJsonError, Number, read, read_exact
from shadow.compare.parts import Unread, compare, glance
from shadow.compare.rules import ListRule, Rules, Tolerance, parse_pattern
from shadow.compare.walk import Budget
from shadow.judge import Policy, judge
from shadow.model import Answer, Exchange, Judgement, Request, Response

REFERENCE = Budget(in_parts=False)
NUMBERS = st.sampled_from(
    ["0", "-0", "1", "1.0", "1e0", "1E+0", "10e-1", "18446744073709551617", "1e999", "9" * 4_400]
)
STRINGS = st.sampled_from(
    [
        '""',
        '"a"',
        '"\\u0061"',
        '"<"',
        '"\\u003c"',
        '"\\ud800"',
        '"\u00e9"',
        '"\\u00E9"',
        '"\\/"',
        '"\u2028"',
    ]
)
NAMES = st.sampled_from(['"a"', '"b"', '"id"', '"\\u0061"', '"__c"', '"\u00e9"', '""'])
SPACE = st.sampled_from(["", "", "", " ", "\n", "\t\r\n "])


@st.composite
def spelled(draw: st.DrawFn, inner: st.SearchStrategy[str], *, object_: bool) -> str:
    """A container of texts, with white space and names that may repeat."""
    parts = draw(st.lists(inner, max_size=5))
    space = draw(SPACE)
    if object_:
        parts = [f"{draw(NAMES)}{draw(SPACE)}:{space}{part}" for part in parts]
    marks = "{}" if object_ else "[]"
    return f"{marks[0]}{space}{f'{space},'.join(parts)}{space}{marks[1]}"


TEXTS = st.recursive(
    NUMBERS | STRINGS | st.sampled_from(["true", "false", "null"]),
    lambda inner: spelled(inner, object_=True) | spelled(inner, object_=False),
    max_leaves=12,
)
RULES = st.sampled_from(
    [
        Rules(),
        Rules(lists=(ListRule(path=parse_pattern("$.a"), unordered=True),)),
        Rules(lists=(ListRule(path=parse_pattern("$"), key=("id",)),)),
        Rules(lists=(ListRule(path=parse_pattern("$[*].b"), unordered=True),)),
        Rules(tolerances=(Tolerance(path=parse_pattern("$.a"), seconds=1.0, ulp=4),)),
    ]
)


def told(baseline: str, candidate: str, rules: Rules, budget: Budget) -> list[Difference]:
    """What differs, the objects around a place as they are."""
    found = compare(glance(baseline), glance(candidate), rules, budget)
    return [
        msgspec.structs.replace(
            each, around=each.around.pair if isinstance(each.around, Around) else each.around
        )
        for each in found
    ]


def judged(baseline: str, candidate: str, rules: Rules, budget: Budget) -> Judgement:
    headers = (("Content-Type", "application/json"),)
    sides = [
        Answer(response=Response(status=200, headers=headers, body=text.encode()))
        for text in (baseline, candidate)
    ]
    policy = Policy(compare=CompareOptions(rules={"*": rules}, budget=budget))
    exchange = Exchange(id="1", request=Request(method="GET", target="/x?a=1&a=2"))
    return judge(exchange, "GET /x", sides[0], sides[1], policy)


def same(baseline: str, candidate: str, rules: Rules) -> None:
    reference = told(baseline, candidate, rules, REFERENCE)
    in_parts = told(baseline, candidate, rules, Budget())
    assert [repr(each) for each in in_parts] == [repr(each) for each in reference]
    assert [lexemes(each) for each in in_parts] == [lexemes(each) for each in reference]
    judgements = [judged(baseline, candidate, rules, each) for each in (Budget(), REFERENCE)]
    assert judgements[0] == judgements[1]


def lexemes(difference: Difference) -> list[Any]:
    """How the two values are spelled, where that was kept."""
    return [getattr(side, "lexeme", None) for side in (difference.baseline, difference.candidate)]


@given(TEXTS, TEXTS, RULES)
def test_any_two_documents(left: str, right: str, rules: Rules) -> None:
    same(left, right, rules)


@given(st.lists(TEXTS, max_size=6), st.tuples(TEXTS, TEXTS), RULES, st.data())
def test_documents_that_are_mostly_alike(
    shared: list[str], changed: tuple[str, str], rules: Rules, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(shared)))
    left, right = changed

    def document(change: str) -> str:
        items = ",".join([*shared[:at], change, *shared[at:]])
        return data.draw(st.sampled_from(["[%s]", '{"a":[%s]}', '{"b":1,"a":[%s],"c":[]}'])) % items

    same(document(left), document(right), rules)


def mutated(value: Any, rng: random.Random) -> Any:
    """The value with members and items changed, gone, new, moved and respelled."""
    if isinstance(value, dict):
        items = [(key, mutated(each, rng)) for key, each in value.items() if rng.random() < 0.97]
        if rng.random() < 0.05:
            rng.shuffle(items)
        if rng.random() < 0.03:
            items.append((f"new{rng.randrange(3)}", rng.randrange(9)))
        return dict(items)
    if isinstance(value, list):
        found = [mutated(each, rng) for each in value if rng.random() < 0.98]
        if rng.random() < 0.05:
            rng.shuffle(found)
        if rng.random() < 0.05:
            found.insert(rng.randrange(len(found) + 1), value[0] if value else None)
        return found
    change = rng.random()
    if change < 0.02:
        return rng.choice([None, True, 1, 1.0, "a", [], {}])
    if change < 0.05 and isinstance(value, str):
        return value + rng.choice(["", "x", "<", "\u00e9"])
    return float(value) if change < 0.07 and type(value) is int else value


def page(rng: random.Random) -> dict[str, Any]:
    """A page of items such as a service lists."""
    items = [
        {
            "id": rng.randrange(30),
            "name": rng.choice(["Oak chair", "Cr\u00e8me <mug>", "x"]),
            "price": {"amount": rng.randrange(900), "currency": "EUR"},
            "tags": rng.sample(["a", "b", "c"], 2),
        }
        for _ in range(rng.randrange(12))
    ]
    return {"page": 1, "a": items, "total": len(items)}


@given(st.integers(0, 2**32), RULES)
def test_a_page_and_what_became_of_it(seed: int, rules: Rules) -> None:
    rng = random.Random(seed)
    value = page(rng)
    layouts: list[dict[str, Any]] = [
        {"separators": (",", ":")},
        {"separators": (",", ":"), "ensure_ascii": False},
        {"indent": 1},
    ]
    left = json.dumps(value, **rng.choice(layouts))
    right = json.dumps(mutated(value, rng), **rng.choice(layouts))
    same(left, right, rules)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ('{"a":1,"a":2}', '{"a":3,"a":2}'),
        ('[{"a":1,"a":2},5]', '[{"a":2},6]'),
        ('[{"a":1,"a":2},{"a":2}]', '[{"a":2},{"a":1,"a":2}]'),
        ("[-0,1]", "[0,2]"),
        ("[0,-0]", "[-0,0]"),
        ('{"a":{"b":1,"c":2},"d":1}', '{"a":{"c":2,"b":1},"d":2}'),
        ('{"\\u0061":1,"b":2}', '{"a":1,"b":3}'),
        ("[" * 600 + "1" + "]" * 600, "[" * 600 + "2" + "]" * 600),
        ("[" * 3_000 + "1" + "]" * 3_000, "[" * 3_000 + "2" + "]" * 3_000),
        ('[18446744073709551617,{"a":1}]', '[18446744073709551618,{"a":2}]'),
        ('["\\u0041B",1,2]', '["AB",1,3]'),
        ('["A\\n",1,"x"]', '["A\\n",2,"y"]'),
        ('["A","\\u0041"]', '["\\u0041","A"]'),
    ],
)
def test_what_is_hard_to_tell(left: str, right: str) -> None:
    same(left, right, Rules())


@given(TEXTS, st.data())
def test_what_is_json_at_a_glance_is_json(text: str, data: st.DataObject) -> None:
    """A byte gone, doubled or replaced: nothing is taken for JSON that the reader refuses."""
    at = data.draw(st.integers(0, len(text)))
    put = data.draw(
        st.sampled_from(
            ['"', "\\", "0", "-", ".", "e", ",", ":", "]", "}", "\x01", "\x0b", "N", ""]
        )
    )
    spoiled = text[:at] + put + text[at + data.draw(st.integers(0, 1)) :]
    try:
        found = glance(spoiled)
    except NotJsonError:
        with pytest.raises(NotJsonError):
            read(spoiled)
        return
    assert found.whole() == read(spoiled)
    read_exact(spoiled)


def test_a_deep_document_is_not_looked_at_over_and_over() -> None:
    """Each level passes over all that is in it: beyond a share of that, both are read once."""
    deep = '{"n":' * 800 + "%s" + "}" * 800
    left, right = (glance(deep % f'"{"x" * 50_000}{end}"') for end in "ab")
    assert isinstance(left, Unread)
    (difference,) = compare(left, right)
    assert len(difference.path) == 800


@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a":', "}")])
def test_any_depth_is_compared(left: str, right: str) -> None:
    """At the edge of what is followed by recursion, where calls stand differently deep."""

    def text(depth: int, value: str) -> str:
        return left * depth + value + right * depth

    edge = next(n for n in range(500, 5_000) if not isinstance(glance(text(n, "1")), Unread))
    for depth in (*range(edge - 12, edge + 2), 5_000):
        (difference,) = compare(glance(text(depth, "1")), glance(text(depth, "2")))
        assert len(difference.path) == depth
        looked_at = difference.around
        assert not isinstance(looked_at, Around) or looked_at.pair


@given(st.integers(0, 2**32), st.integers(1, 200), RULES)
def test_nothing_is_over_budget_that_is_not_when_read_to_its_end(
    seed: int, nodes: int, rules: Rules
) -> None:
    rng = random.Random(seed)
    value = page(rng)
    left, right = (json.dumps(each) for each in (value, mutated(value, rng)))
    found = [
        told(left, right, rules, Budget(nodes=nodes, in_parts=in_parts))
        for in_parts in (True, False)
    ]
    over = [any(each.unfinished for each in side) for side in found]
    assert over[0] <= over[1]


def test_the_objects_around_every_level_can_be_looked_at() -> None:
    """What a walk may cost is over when its differences are looked at."""

    def nested(levels: int, value: str) -> str:
        text = f'{{"pad":"{"x" * 2_000}"}}'
        for _ in range(levels):
            text = f'{{"v":{value},"in":{text}}}'
        return text

    for levels in (5, 20, 100):
        same(nested(levels, "1"), nested(levels, "2"), Rules())


def test_differences_do_not_keep_their_walk() -> None:
    """A cycle would keep both bodies until the collector comes by."""
    gc.collect()
    gc.disable()
    try:
        found = compare(glance('{"a":{"b":1},"c":[1]}'), glance('{"a":{"b":2},"c":[1]}'))
        assert isinstance(found[0].around, Around)
        assert found[0].around.pair == ({"b": Number("1")}, {"b": Number("2")})
        del found
        assert gc.collect() == 0
    finally:
        gc.enable()
