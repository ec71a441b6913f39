"""Enums: a number, a name, or an object that tags the variant."""

from __future__ import annotations

import re
from typing import Any, Final

from shadow.compare.classes.base import DivergenceClass, Place, Samples
from shadow.compare.classes.examples import Example, json_pair
from shadow.compare.classes.likeness import MAX_OBJECT, alike, candidates, fold
from shadow.compare.classes.value_types import ANY, ONE_SIDED, TEXTS, between
from shadow.compare.json_text import Number, Repeated

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}(?:[_-][A-Za-z0-9]{1,64}){0,15}")
_VARIANT: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")
_SMALL: Final = re.compile(r"0|[1-9][0-9]{0,2}")
_HEX: Final = re.compile(
    r"(?=[A-F-]*[0-9]|[a-f-]*[0-9])(?:[0-9A-F]{4,}|[0-9a-f]{4,})(?:-[0-9A-Fa-f]+)*"
)
_TAGS: Final = ("t", "tag", "type", "kind")
_CONTENTS: Final = ("c", "content", "data", "value")
MAX_SAMPLES: Final = 100_000


def _is_name_case(place: Place) -> bool:
    """The same identifier in another style; hex digits are a token, not a name."""
    go, rust = place.go, place.rust
    if not place.in_json or not isinstance(go, str) or not isinstance(rust, str) or go == rust:
        return False
    if not _NAME.fullmatch(go) or not _NAME.fullmatch(rust) or _HEX.fullmatch(go):
        return False
    return fold(go) == fold(rust)


def _is_externally_tagged(place: Place) -> bool:
    return any(_tags(go, rust) or _tags_beside(go, rust) for go, rust in candidates(place))


def _tags(go: Any, rust: Any) -> bool:
    """`{"Circle": value}` for the value, or for the object that names the variant in a field."""
    if not isinstance(rust, dict) or isinstance(rust, Repeated) or len(rust) != 1:
        return False
    ((variant, inner),) = rust.items()
    if variant in ("Ok", "Err") or not _VARIANT.fullmatch(variant):
        return False
    if go is None or (isinstance(go, dict) and (variant in go or not go)):
        return False
    return alike(go, inner, MAX_OBJECT) or _alike_but_tag(go, variant, inner)


def _tags_beside(go: Any, rust: Any) -> bool:
    """`{"t": "Circle", "c": value}` for the object that names the variant in a field."""
    if not isinstance(rust, dict) or isinstance(rust, Repeated):
        return False
    tagged = _adjacent(rust)
    return tagged is not None and _alike_but_tag(go, *tagged)


def _adjacent(rust: dict[str, Any]) -> tuple[str, Any] | None:
    """The variant and the value of `{"t": "Circle", "c": value}`; None for any other object."""
    tag = next((key for key in _TAGS if key in rust), None)
    content = next((key for key in _CONTENTS if key in rust), None)
    if len(rust) != 2 or tag is None or content is None:
        return None
    variant = rust[tag]
    if not isinstance(variant, str) or not _VARIANT.fullmatch(variant):
        return None
    return variant, rust[content]


def looks_tagged(rust: dict[str, Any]) -> bool:
    """An object in one of serde's forms of a variant, whatever Go has in its place."""
    if len(rust) == 1:
        return _VARIANT.fullmatch(next(iter(rust))) is not None
    return _adjacent(rust) is not None


def _alike_but_tag(go: Any, variant: str, inner: Any) -> bool:
    """Whether an object without the one field that holds the variant's name is the inner one."""
    if not isinstance(go, dict) or isinstance(go, Repeated):
        return False
    name = fold(variant)
    holders = [key for key, value in go.items() if _names(value, name)]
    if len(holders) != 1:
        return False
    rest = {key: value for key, value in go.items() if key != holders[0]}
    return alike(rest, inner, MAX_OBJECT)


def _names(value: Any, folded: str) -> bool:
    return isinstance(value, str) and len(value) <= 64 and fold(value) == folded


def one_to_one(pairs: list[tuple[int, str]]) -> bool:
    """Whether numbers and names go together one to one, and there are two of each at least."""
    distinct = set(pairs)
    numbers, names = {number for number, _ in distinct}, {name for _, name in distinct}
    return len(distinct) == len(numbers) == len(names) >= 2


def small_number(value: Any) -> int | None:
    """A number of an enum as JSON has it: 0 to 999."""
    if isinstance(value, Number) and _SMALL.fullmatch(value.lexeme):
        return int(value.lexeme)
    return None


def _are_numbers_and_names(samples: Samples) -> bool:
    if not samples or len(samples) > MAX_SAMPLES:
        return False
    turned = isinstance(samples[0][0], str)
    pairs = []
    for go, rust in samples:
        number = small_number(rust if turned else go)
        name = go if turned else rust
        if number is None or not isinstance(name, str) or not _NAME.fullmatch(name):
            return False
        pairs.append((number, str(name)))
    return one_to_one(pairs)


CLASSES: Final = (
    DivergenceClass(
        id="enum-externally-tagged",
        title="An enum's variant as a key around its value",
        go='A plain struct, often with the variant in a field: {"type":"Circle",…}.',
        rust='serde\'s default is {"Circle":{…}}; tag and content give {"t":"Circle","c":{…}}.',
        impact="Breaks every client that reads the object.",
        fix_go="Nothing to do.",
        fix_rust='Add #[serde(tag = "type")] or #[serde(untagged)].',
        severity="breaking",
        policy="fail",
        at=_is_externally_tagged,
        types=between(ANY, ("object",)) | ONE_SIDED,
        valid=(
            json_pair('{"s":{"type":"Circle","r":1}}', '{"s":{"Circle":{"r":1}}}'),
            json_pair('{"s":{"r":1}}', '{"s":{"Circle":{"r":1.0}}}'),
            json_pair('{"s":[2,3]}', '{"s":{"Rect":[2,3]}}'),
            json_pair('{"s":5}', '{"s":{"Count":5}}'),
            json_pair('{"type":"circle","r":1}', '{"Circle":{"r":1}}'),
            json_pair('{"type":"Circle","r":1}', '{"t":"Circle","c":{"r":1}}'),
        ),
        invalid=(
            json_pair('{"s":{"type":"Circle","r":1}}', '{"s":{"Circle":{"r":2}}}'),
            json_pair('{"s":{"type":"Square","r":1}}', '{"s":{"Circle":{"r":1}}}'),
            json_pair('{"s":{"type":"Circle","r":1}}', '{"s":{"Circle":{"r":1},"n":1}}'),
            json_pair('{"s":{"r":1}}', '{"s":{"circle":{"r":1}}}', note="no variant's name"),
            json_pair('{"s":5}', '{"s":{"Count":6}}'),
            json_pair('{"type":"Circle","r":1}', '{"t":"Square","c":{"r":1}}'),
        ),
    ),
    DivergenceClass(
        id="enum-name-case",
        title="An enum's name in another style",
        go='The string constant as written, often "active".',
        rust='The variant\'s name, "Active", or what rename_all makes of it ("ACTIVE").',
        impact="Breaks clients that compare the name.",
        fix_go="Agree on one spelling of the constants.",
        fix_rust='Add #[serde(rename_all = "snake_case")], or what the clients expect.',
        severity="breaking",
        policy="fail",
        at=_is_name_case,
        types=TEXTS,
        valid=(
            json_pair('{"s":"active"}', '{"s":"Active"}'),
            json_pair('{"s":"active"}', '{"s":"ACTIVE"}'),
            json_pair('{"s":"in_progress"}', '{"s":"InProgress"}'),
            json_pair('{"s":"in-progress"}', '{"s":"IN_PROGRESS"}'),
        ),
        invalid=(
            json_pair('{"s":"active"}', '{"s":"Inactive"}'),
            json_pair('{"s":"in progress"}', '{"s":"In progress"}', note="text of a user"),
            json_pair('{"s":"a.b"}', '{"s":"A.B"}'),
            json_pair('{"s":"deadbeef01"}', '{"s":"DEADBEEF01"}', note="a token"),
            json_pair('{"s":"active"}', '{"s":"Active "}'),
        ),
    ),
    DivergenceClass(
        id="enum-int-vs-name",
        title="An enum as a number in Go, as a name in Rust",
        go="An iota constant is its number; time.Weekday counts from 0, time.Month from 1.",
        rust='A unit variant is its name: "Suspended", "Sun", "March".',
        impact="Breaks typed clients.",
        fix_go="Give the type a MarshalText (stringer).",
        fix_rust="Derive with serde_repr.",
        severity="breaking",
        policy="fail",
        needs="corpus",
        over=_are_numbers_and_names,
        valid=(
            Example(samples=(("1", '"Suspended"'), ("0", '"Active"'), ("1", '"Suspended"'))),
            Example(samples=(("3", '"March"'), ("12", '"December"'))),
            Example(samples=(('"active"', "0"), ('"closed"', "2")), note="MarshalText, serde_repr"),
        ),
        invalid=(
            Example(samples=(("1", '"Suspended"'), ("1", '"Suspended"')), note="one value"),
            Example(samples=(("1", '"Suspended"'), ("1", '"Active"'), ("0", '"Closed"'))),
            Example(samples=(("1", '"Suspended"'), ("2", '"Suspended"'), ("0", '"Closed"'))),
            Example(samples=(("1", '"not found"'), ("2", '"bad id"')), note="no identifiers"),
            Example(samples=(("1001", '"Active"'), ("1002", '"Closed"')), note="no small numbers"),
        ),
    ),
)
