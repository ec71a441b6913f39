"""Presence: what is null, empty, zero or not there at all."""

from __future__ import annotations

import re
from typing import Any, Final

from shadow.compare.classes.base import DivergenceClass, Place, Samples
from shadow.compare.classes.examples import Example, json_pair
from shadow.compare.classes.likeness import enclosing, stands_elsewhere
from shadow.compare.classes.value_types import ANY, among, between
from shadow.compare.difference import ABSENT
from shadow.compare.json_text import Number

_ZERO: Final = re.compile(r"-?0(?:\.0{1,30})?")


def _empty_list(value: Any) -> bool:
    return isinstance(value, list) and not value


def _empty_object(value: Any) -> bool:
    return isinstance(value, dict) and not value


def _zero(value: Any) -> bool:
    """The zero value of a Go string, number or bool as JSON has it."""
    if isinstance(value, Number):
        return _ZERO.fullmatch(value.lexeme) is not None
    return value is False or (isinstance(value, str) and not value)


def _zero_or_empty(value: Any) -> bool:
    return _zero(value) or _empty_list(value) or _empty_object(value)


def _is_nil_slice_null(place: Place) -> bool:
    if not place.in_json:
        return False
    return (place.go is None and _empty_list(place.rust)) or (
        place.rust is None and _empty_list(place.go)
    )


def _is_nil_map_null(place: Place) -> bool:
    return place.in_json and place.go is None and _empty_object(place.rust)


def _is_unit_struct_null(place: Place) -> bool:
    return place.in_json and place.rust is None and _empty_object(place.go)


def _only_in_rust(place: Place) -> bool:
    return place.go is ABSENT and enclosing(place) is not None and not stands_elsewhere(place)


def _only_in_go(place: Place) -> bool:
    return place.rust is ABSENT and enclosing(place) is not None and not stands_elsewhere(place)


def _is_missing_vs_null(place: Place) -> bool:
    return place.rust is None and _only_in_rust(place)


def _is_missing_vs_zero(place: Place) -> bool:
    return _zero_or_empty(place.rust) and _only_in_rust(place)


def _is_zero_vs_skipped(place: Place) -> bool:
    return (place.go is None or _zero_or_empty(place.go)) and _only_in_go(place)


def _are_zero_vs_null(samples: Samples) -> bool:
    """Every difference of the place, at least two, is a zero against null, one way round.

    A Go value that is not zero against a null of Rust would be a lost value, so one such
    sample refutes the class.
    """
    if len(samples) < 2:
        return False
    return all(_zero(go) and rust is None for go, rust in samples) or all(
        go is None and _zero(rust) for go, rust in samples
    )


CLASSES: Final = (
    DivergenceClass(
        id="nil-slice-null",
        title="A nil slice is null, an empty vector is []",
        go="encoding/json writes a nil slice as null (encoding/json/v2 writes []).",
        rust="An empty Vec is []; Option<Vec> with None is null.",
        impact="Breaks typed clients that take the length of null; others rarely notice.",
        fix_go="Start from make([]T, 0), or keep null under v2 with FormatNilSliceAsNull.",
        fix_rust="Use Option<Vec<T>>, or serialize an empty vector as null where parity matters.",
        severity="breaking",
        policy="fail",
        at=_is_nil_slice_null,
        types=among(("null",), ("array",)),
        valid=(
            json_pair('{"items":null}', '{"items":[]}'),
            json_pair('{"items":[]}', '{"items":null}', note="json/v2 against Option<Vec>"),
            json_pair("null", "[]"),
            json_pair('[{"tags":null}]', '[{"tags":[]}]'),
        ),
        invalid=(
            json_pair('{"items":null}', '{"items":["x"]}'),
            json_pair('{"items":null}', '{"items":[null]}'),
            json_pair('{"items":null}', '{"items":{}}'),
            json_pair('{"items":null}', '{"items":"[]"}'),
        ),
    ),
    DivergenceClass(
        id="nil-map-null",
        title="A nil map is null, an empty HashMap is {}",
        go="encoding/json writes a nil map as null (encoding/json/v2 writes {}).",
        rust="An empty HashMap or BTreeMap is {}.",
        impact="Breaks typed clients that index into null; others rarely notice.",
        fix_go="Start from an empty map instead of a nil one.",
        fix_rust="Use Option<HashMap<_, _>>.",
        severity="breaking",
        policy="fail",
        at=_is_nil_map_null,
        types=between(("null",), ("object",)),
        valid=(json_pair('{"m":null}', '{"m":{}}'), json_pair("null", "{}")),
        invalid=(
            json_pair('{"m":null}', '{"m":{"a":1}}'),
            json_pair('{"m":null}', '{"m":[]}'),
            json_pair('{"m":{}}', '{"m":null}', note="the other way round is a unit struct"),
        ),
    ),
    DivergenceClass(
        id="unit-struct-null",
        title="An empty struct is {}, a unit struct is null",
        go="struct{}{} is {}.",
        rust="struct S; and () are null; struct S {} is {}.",
        impact="Minor; clients that read members of it fail on null.",
        fix_go="Leave the member out.",
        fix_rust="Declare struct S {} with braces.",
        severity="risky",
        policy="fail",
        at=_is_unit_struct_null,
        types=between(("object",), ("null",)),
        valid=(json_pair('{"s":{}}', '{"s":null}'), json_pair('{"v":[{}]}', '{"v":[null]}')),
        invalid=(
            json_pair('{"s":{"a":1}}', '{"s":null}'),
            json_pair('{"s":{}}', "{}"),
            json_pair('{"s":{}}', '{"s":"null"}'),
        ),
    ),
    DivergenceClass(
        id="omitempty-missing-vs-null",
        title="omitempty leaves the key out, None is null",
        go="omitempty drops a nil pointer, slice or map: the key is absent.",
        rust="Option::None without skip_serializing_if writes the key with null.",
        impact="Mostly harmless; breaks strict schemas, `in` checks and PATCH semantics.",
        fix_go="Drop omitempty.",
        fix_rust='Add #[serde(skip_serializing_if = "Option::is_none")].',
        severity="risky",
        policy="fail",
        at=_is_missing_vs_null,
        types=between(("absent",), ("null",)),
        valid=(
            json_pair('{"id":1}', '{"id":1,"nick":null}'),
            json_pair('[{"id":1}]', '[{"id":1,"nick":null}]'),
        ),
        invalid=(
            json_pair('{"id":1}', '{"id":1,"nick":"null"}'),
            json_pair("[1]", "[1,null]", note="an item, not a member"),
            json_pair('{"nickName":"x"}', '{"nick_name":null}', note="renamed and lost"),
            json_pair('{"id":1,"nick":"x"}', '{"id":1,"nick":null}'),
        ),
    ),
    DivergenceClass(
        id="omitempty-missing-vs-zero",
        title="omitempty leaves the key out, Rust writes the zero",
        go='omitempty drops "", 0, false and empty slices and maps (not structs or times).',
        rust='A plain field writes "", 0, 0.0, false, [] or {}.',
        impact="Mostly harmless; breaks clients that test for the key.",
        fix_go="Drop omitempty, or use omitzero (Go 1.24) where a zero is meant.",
        fix_rust="Add skip_serializing_if for the type (String::is_empty, an is_zero of your own).",
        severity="risky",
        policy="fail",
        at=_is_missing_vs_zero,
        types=between(("absent",), ANY),
        valid=(
            json_pair('{"k":"a"}', '{"k":"a","role":""}'),
            json_pair('{"k":"a"}', '{"k":"a","n":0,"ok":false}'),
            json_pair('{"k":"a"}', '{"k":"a","f":0.0}'),
            json_pair('{"k":"a"}', '{"k":"a","l":[],"m":{}}'),
        ),
        invalid=(
            json_pair('{"k":"a"}', '{"k":"a","role":"admin"}'),
            json_pair('{"k":"a"}', '{"k":"a","n":1}'),
            json_pair('{"k":"a"}', '{"k":"a","ok":true}'),
            json_pair('{"userID":7}', '{"user_id":0}', note="renamed and lost"),
            json_pair('["a"]', '["a",""]', note="an item, not a member"),
            json_pair('{"k":"a"}', '{"k":"a","l":[0]}'),
        ),
    ),
    DivergenceClass(
        id="zero-vs-skipped",
        title="Go writes the zero, Rust skips the key",
        go='Without omitempty a zero is written: null, 0, "", [] and so on.',
        rust="skip_serializing_if leaves the key out.",
        impact="Breaks clients that read the key.",
        fix_go="Add omitempty if the key may go.",
        fix_rust="Remove skip_serializing_if.",
        severity="breaking",
        policy="fail",
        at=_is_zero_vs_skipped,
        types=between(ANY, ("absent",)),
        valid=(
            json_pair('{"k":"a","tags":null}', '{"k":"a"}'),
            json_pair('{"k":"a","n":0,"s":"","b":false,"l":[],"m":{}}', '{"k":"a"}'),
        ),
        invalid=(
            json_pair('{"k":"a","n":1}', '{"k":"a"}'),
            json_pair('{"k":"a","s":" "}', '{"k":"a"}'),
            json_pair('["a",null]', '["a"]', note="an item, not a member"),
            json_pair('{"userID":0}', '{"user_id":7}', note="renamed and changed"),
            json_pair('{"id":0,"n":"x"}', '{"base":{"id":2},"n":"x"}', note="nested and changed"),
        ),
    ),
    DivergenceClass(
        id="zero-vs-null",
        title='A zero value against null: "" or 0 or false, None',
        go='A plain field that was never set is "", 0 or false.',
        rust="Option::None is null.",
        impact="Breaks typed clients.",
        fix_go="Use a pointer field, so that unset is null.",
        fix_rust="Call unwrap_or_default() before serializing.",
        severity="breaking",
        policy="fail",
        needs="corpus",
        over=_are_zero_vs_null,
        valid=(
            Example(samples=(('""', "null"), ('""', "null"))),
            Example(samples=(("0", "null"), ("0", "null"), ("0", "null"))),
            Example(samples=(("null", "false"), ("null", "false"))),
        ),
        invalid=(
            Example(samples=(("0", "null"),), note="one sample shows nothing"),
            Example(samples=(("0", "null"), ("7", "null")), note="a value was lost"),
            Example(samples=(('""', "null"), ("null", '""')), note="both ways round"),
        ),
    ),
)
