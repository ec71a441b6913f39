"""Layout: the order and spacing of a JSON text, and names it repeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from shadow.compare.classes.base import DivergenceClass, Place, Samples
from shadow.compare.classes.examples import Example, json_pair
from shadow.compare.classes.likeness import equal
from shadow.compare.classes.value_types import SPELLED
from shadow.compare.json_text import Number, Repeated
from shadow.compare.walk import encode

_MOST_ITEMS: Final = 10_000
_MOST_SAMPLES: Final = 100
_Tokens = tuple[bytes, ...]


def _spelled_as(spelling: str) -> Callable[[Place], bool]:
    """The walk has proved the values equal and named what is spelled differently."""

    def is_spelled_so(place: Place) -> bool:
        return place.difference.spelling == spelling

    return is_spelled_so


def _is_duplicate_output_key(place: Place) -> bool:
    """Rust writes a name twice and Go once, and Go's value is one of Rust's."""
    if not place.in_json or place.repeated is None:
        return False
    ours, theirs = place.repeated
    key = place.key
    if not isinstance(key, str) or not isinstance(theirs, Repeated) or key not in ours:
        return False
    if isinstance(ours, Repeated) and _given(ours, key) > 1:
        return False
    return _given(theirs, key) > 1 and any(
        name == key and equal(ours[key], value) for name, value in theirs.pairs
    )


def _given(members: Repeated, key: str) -> int:
    return sum(name == key for name, _ in members.pairs)


def _tokens(items: Any) -> _Tokens | None:
    if not isinstance(items, list) or not 1 < len(items) <= _MOST_ITEMS:
        return None
    try:
        return tuple(encode(item) for item in items)
    except (RecursionError, UnicodeEncodeError):
        return None


def _is_array_order(samples: Samples) -> bool:
    """Each sample holds equal items in another order, and the order is shown to be unstable.

    Shown by one of: a side gives the same items in two orders over the run; or only items
    with equal sort keys changed places. A mere reversal of a sorted list (the direction of a
    sort was lost) is no evidence.
    """
    kept = set()
    orders: dict[tuple[str, Any], set[_Tokens]] = {}
    only_ties = True
    for go, rust in samples[:_MOST_SAMPLES]:
        ours, theirs = _tokens(go), _tokens(rust)
        if ours is None or theirs is None or Counter(ours) != Counter(theirs):
            return False
        if ours == theirs[::-1] and (_is_sorted(go) or _is_sorted(rust)):
            continue
        kept.add((ours, theirs))
        items = frozenset(Counter(ours).items())
        orders.setdefault(("go", items), set()).add(ours)
        orders.setdefault(("rust", items), set()).add(theirs)
        only_ties = only_ties and _only_ties_moved(go, rust)
    return len(kept) > 1 and (only_ties or any(map(_is_unstable, orders.values())))


def _is_unstable(orders: set[_Tokens]) -> bool:
    """More than one order, and not one order and its reverse."""
    return len(orders) > 1 and any(order[::-1] not in orders for order in orders)


def _is_sorted(items: Sequence[Any]) -> bool:
    """Scalars of one type that rise or fall."""
    keys = [_sort_key(item) for item in items]
    if None in keys or len({key[0] for key in keys if key}) > 1:
        return False
    values = [key[1] for key in keys if key]
    return values in (sorted(values), sorted(values, reverse=True))


def _sort_key(value: Any) -> tuple[str, Any] | None:
    if isinstance(value, str):
        return ("string", value)
    if isinstance(value, Number) and len(value.lexeme) <= 40:
        return ("number", float(value.lexeme))
    return None


def _only_ties_moved(go: list[Any], rust: list[Any]) -> bool:
    """Some member is sorted, with ties, and stands equal at every position of both lists."""
    if not all(isinstance(item, dict) for item in (*go, *rust)):
        return False
    return any(_is_tied_sort_key(key, go, rust) for key in list(go[0])[:32])


def _is_tied_sort_key(key: str, go: list[Any], rust: list[Any]) -> bool:
    columns = [[_sort_key(item.get(key)) for item in side] for side in (go, rust)]
    if columns[0] != columns[1] or None in columns[0]:
        return False
    return len(set(columns[0])) > 1 and _is_sorted([item[key] for item in go])


CLASSES: Final = (
    DivergenceClass(
        id="duplicate-output-key",
        title="Rust writes a name twice in one object",
        go="An outer field shadows the embedded one: the name is written once.",
        rust="#[serde(flatten)] can write the name twice.",
        impact="What a client reads depends on its parser: the first, the last, or an error.",
        fix_go="None: Go is right.",
        fix_rust="Take the field out of the flattened struct or map.",
        severity="breaking",
        policy="fail",
        at=_is_duplicate_output_key,
        valid=(
            json_pair('{"id":1,"n":"a"}', '{"id":1,"n":"a","id":2}'),
            json_pair('{"id":1}', '{"id":2,"id":1}', "the last one is Go's"),
        ),
        invalid=(
            json_pair('{"id":1}', '{"id":2,"id":3}', "neither is Go's"),
            json_pair('{"id":1,"id":1}', '{"id":1}', "Go repeats"),
            json_pair('{"id":1}', '{"id":1,"x":2,"x":2}', "a name that Go lacks"),
        ),
    ),
    DivergenceClass(
        id="object-key-order",
        title="Members in another order",
        go="Structs in declaration order; maps sorted by byte, integer keys as text.",
        rust="Structs in declaration order; HashMap in random order; json! sorted.",
        impact="None for a JSON parser; signatures and hashes over the bytes change.",
        fix_go="A struct in place of a map gives a fixed order.",
        fix_rust="BTreeMap<String, _> sorts like Go; IndexMap keeps insertion order.",
        severity="benign",
        policy="allow",
        at=_spelled_as("object-key-order"),
        types=SPELLED,
        valid=(
            json_pair('{"z":1,"a":2}', '{"a":2,"z":1}'),
            json_pair('{"m":{"10":4,"9":5}}', '{"m":{"9":5,"10":4}}', "integer keys"),
        ),
        invalid=(
            json_pair('{"z":1,"a":2}', '{"z":2,"a":1}', "values swapped"),
            json_pair('["z","a"]', '["a","z"]', "a list has an order"),
        ),
    ),
    DivergenceClass(
        id="array-order",
        title="Items in another, unstable order",
        go="A slice filled by ranging over a map; sort.Slice leaves ties in any order.",
        rust="HashMap in random order; sort_by keeps ties in place; BTreeMap sorted.",
        impact="Breaks clients where the order is part of the contract.",
        fix_go="Sort by a total key, or sort.SliceStable.",
        fix_rust="Sort by the same total key.",
        severity="breaking",
        policy="fail",
        needs="corpus",
        over=_is_array_order,
        valid=(
            Example(
                samples=(
                    ('["c","d","a","b"]', '["a","b","c","d"]'),
                    ('["b","d","a","c"]', '["a","b","c","d"]'),
                ),
                note="Go gives the same items in two orders",
            ),
            Example(
                samples=(
                    (
                        '[{"s":9,"id":1},{"s":5,"id":2},{"s":5,"id":3}]',
                        '[{"s":9,"id":1},{"s":5,"id":3},{"s":5,"id":2}]',
                    ),
                    (
                        '[{"s":8,"id":4},{"s":8,"id":5},{"s":2,"id":6}]',
                        '[{"s":8,"id":5},{"s":8,"id":4},{"s":2,"id":6}]',
                    ),
                ),
                note="only items with the same score changed places",
            ),
        ),
        invalid=(
            Example(samples=(('["c","d","a","b"]', '["a","b","c","d"]'),), note="one sample"),
            Example(
                samples=(("[1,2,3]", "[3,2,1]"), ("[4,5,6]", "[6,5,4]")),
                note="the direction of the sort was lost",
            ),
            Example(
                samples=(('["a","b","b"]', '["a","a","b"]'), ('["a","b"]', '["b","a"]')),
                note="other items",
            ),
            Example(
                samples=(('["q","a","z"]', '["a","q","z"]'), ('["k","b","y"]', '["b","k","y"]')),
                note="a ranking that Rust lost: no sign that Go's order is unstable",
            ),
        ),
    ),
    DivergenceClass(
        id="json-trailing-newline",
        title="A newline after the JSON text",
        go="json.Encoder writes one after each value; json.Marshal does not.",
        rust="None.",
        impact="None for a JSON parser; Content-Length is one more.",
        fix_go="Marshal, then Write.",
        fix_rust="Append a newline to the body.",
        severity="benign",
        policy="allow",
        at=_spelled_as("json-trailing-newline"),
        types=SPELLED,
        valid=(
            json_pair('{"id":1}\n', '{"id":1}'),
            json_pair("[]", "[]\n", "on the Rust side"),
        ),
        invalid=(
            json_pair('{"t":"a\\n"}', '{"t":"a"}', "inside a string"),
            json_pair('{"id":1}\n', '{"id":1}\n{"id":1}\n', "a second value"),
        ),
    ),
    DivergenceClass(
        id="json-whitespace",
        title="White space between JSON tokens",
        go="Compact; gin IndentedJSON indents by four; protojson adds spaces at random per build.",
        rust="Compact; to_string_pretty indents by two.",
        impact="None for a JSON parser.",
        fix_go="json.Compact after protojson; JSON instead of IndentedJSON.",
        fix_rust="The same indentation with serde_json's PrettyFormatter.",
        severity="benign",
        policy="allow",
        at=_spelled_as("json-whitespace"),
        types=SPELLED,
        valid=(
            json_pair('{\n    "a": 1\n}', '{"a":1}'),
            json_pair('{"a": 1, "b": 2}', '{"a":1,"b":2}', "protojson"),
        ),
        invalid=(
            json_pair('{"t":"a b"}', '{"t":"ab"}', "inside a string"),
            json_pair('{"a": 1}', '{"a":2}', "another value"),
        ),
    ),
)
