"""Shapes: the same values under another name, one level deeper, or in a wrapper."""

from __future__ import annotations

import re
from typing import Any, Final

from shadow.compare.classes.base import DivergenceClass, Place, Samples
from shadow.compare.classes.enums import looks_tagged
from shadow.compare.classes.examples import Example, json_pair
from shadow.compare.classes.likeness import (
    MAX_OBJECT,
    alike,
    by_fold,
    candidates,
    enclosing,
    fold,
    one_sided,
)
from shadow.compare.classes.value_types import ANY, ONE_SIDED, between
from shadow.compare.json_text import Number, Repeated

_CODE_POINT: Final = re.compile(r"[0-9]{1,7}")


def _is_field_name_case(place: Place) -> bool:
    """The member stands on the other side under a name of another style, and nothing else does."""
    around = enclosing(place)
    if around is None or not isinstance(place.key, str):
        return False
    go_only, rust_only = one_sided(*around)
    name = fold(place.key)
    ours, theirs = by_fold(go_only).get(name), by_fold(rust_only).get(name)
    if ours is None or theirs is None:
        return False
    return alike(around[0][ours], around[1][theirs])


def _is_embedded_vs_nested(place: Place) -> bool:
    around = enclosing(place)
    if around is None or not isinstance(place.key, str):
        return False
    go, rust = around
    go_only, rust_only = one_sided(go, rust)
    if _nests(place.key, go, go_only, rust, rust_only):
        return True
    # A tagged variant is enum-externally-tagged, or what that class refused.
    return not looks_tagged(rust) and _nests(place.key, rust, rust_only, go, go_only)


def _nests(
    key: str, outer: dict[str, Any], own: list[str], flat: dict[str, Any], promoted: list[str]
) -> bool:
    """Whether `key` is, or is promoted from, a member of `outer` that `flat` has spread out.

    `own` and `promoted` are the keys that only `outer` and only `flat` has. A key that two
    members could have given is not decided.
    """
    if sum(len(outer[name]) for name in own if isinstance(outer[name], dict)) > MAX_OBJECT:
        return False
    at_parent = by_fold(promoted)
    claims = [name for name in own if key in (name, *_claimed(outer[name], at_parent))]
    if len(claims) != 1:
        return False
    inner = outer[claims[0]]
    if not _claimed(inner, at_parent):
        return False
    taken = {name for name in own if name != claims[0] for name in _claimed(outer[name], at_parent)}
    spread = {name: flat[at_parent[fold(name)]] for name in inner}
    promoted_here = {at_parent[fold(name)] for name in inner}
    return taken.isdisjoint(promoted_here) and alike(inner, spread, MAX_OBJECT)


def _claimed(inner: Any, at_parent: dict[str, str]) -> list[str]:
    """The parent's keys that stand for the keys of a nested object; none unless all do."""
    if not isinstance(inner, dict) or isinstance(inner, Repeated):
        return []
    names = by_fold(inner)
    if len(names) != len(inner):
        return []
    found = [at_parent.get(name) for name in names]
    return [name for name in found if name is not None] if None not in found else []


def _is_nullable_wrapper(place: Place) -> bool:
    return any(_unwraps(go, rust) for go, rust in candidates(place))


def _unwraps(go: Any, rust: Any) -> bool:
    if not isinstance(go, dict) or isinstance(go, Repeated) or len(go) != 2:
        return False
    valid = go.get("Valid")
    if valid is False:
        return rust is None
    held = [value for key, value in go.items() if key != "Valid"]
    return (
        valid is True and len(held) == 1 and rust is not None and alike(held[0], rust, MAX_OBJECT)
    )


def _is_rust_result_leak(place: Place) -> bool:
    for go, rust in candidates(place):
        if not isinstance(rust, dict) or isinstance(rust, Repeated) or len(rust) != 1:
            continue
        ((key, value),) = rust.items()
        if key in ("Ok", "Err") and not (isinstance(go, dict) and key in go):
            return alike(go, value, MAX_OBJECT)
    return False


def _are_error_objects(samples: Samples) -> bool:
    """Go lost every error to {}, where Rust has at least two messages."""
    messages = [rust for go, rust in samples if isinstance(go, dict) and not go]
    if len(messages) != len(samples) or not all(isinstance(text, str) for text in messages):
        return False
    return len(set(messages)) >= 2 and all(messages)


def _are_chars_and_numbers(samples: Samples) -> bool:
    """At least two characters, each beside its own code point, one way round."""
    pairs = [(go, rust) for go, rust in samples if _is_code_point(go, rust)]
    turned = [(rust, go) for go, rust in samples if _is_code_point(rust, go)]
    found = pairs or turned
    return len(found) == len(samples) and len({str(text) for _, text in found}) >= 2


def _is_code_point(number: Any, text: Any) -> bool:
    if not isinstance(number, Number) or not isinstance(text, str) or len(text) != 1:
        return False
    return bool(_CODE_POINT.fullmatch(number.lexeme)) and int(number.lexeme) == ord(text)


CLASSES: Final = (
    DivergenceClass(
        id="rust-result-leak",
        title='A Result was serialized: {"Ok": …} around the value',
        go="The plain value.",
        rust='serde writes a Result as {"Ok":…} or {"Err":…}.',
        impact="A bug: clients find an object where the value was.",
        fix_go="Nothing to do.",
        fix_rust="Unwrap the Result before it reaches Json.",
        severity="breaking",
        policy="fail",
        at=_is_rust_result_leak,
        types=between(ANY, ("object",)) | ONE_SIDED,
        valid=(
            json_pair('{"v":1}', '{"v":{"Ok":1}}'),
            json_pair('{"v":"x"}', '{"v":{"Err":"x"}}'),
            json_pair('{"v":{"a":1,"b":[2]}}', '{"v":{"Ok":{"a":1,"b":[2]}}}'),
            json_pair("[1]", '{"Ok":[1]}'),
        ),
        invalid=(
            json_pair('{"v":1}', '{"v":{"Ok":2}}'),
            json_pair('{"v":1}', '{"v":{"ok":1}}'),
            json_pair('{"v":1}', '{"v":{"Ok":1,"n":2}}'),
            json_pair('{"v":""}', '{"v":{"Err":"x"}}'),
            json_pair('{"v":{"Ok":1}}', '{"v":1}'),
        ),
    ),
    DivergenceClass(
        id="nullable-wrapper",
        title="A sql.Null wrapper against the value or null",
        go='sql.NullString is {"String":"x","Valid":true}; so are NullTime, NullInt64, Null[T].',
        rust='Option<String> is "x" or null.',
        impact="Breaks clients that read .String or .Valid; Rust's form is the better one.",
        fix_go="Use pointers, or guregu/null.",
        fix_rust="Write a wrapper struct with the value and Valid.",
        severity="breaking",
        policy="fail",
        at=_is_nullable_wrapper,
        types=between(("object",), ANY) | ONE_SIDED,
        valid=(
            json_pair('{"n":{"String":"x","Valid":true}}', '{"n":"x"}'),
            json_pair('{"n":{"String":"","Valid":false}}', '{"n":null}'),
            json_pair('{"n":{"Float64":1,"Valid":true}}', '{"n":1.0}'),
            json_pair('{"n":{"V":{"a":1},"Valid":true}}', '{"n":{"a":1}}'),
        ),
        invalid=(
            json_pair('{"n":{"String":"x","Valid":true}}', '{"n":"y"}'),
            json_pair('{"n":{"String":"x","Valid":false}}', '{"n":"x"}'),
            json_pair('{"n":{"String":"x","Valid":true}}', '{"n":null}'),
            json_pair('{"n":{"String":"x","Valid":"true"}}', '{"n":"x"}'),
            json_pair('{"n":{"String":"x","Valid":true,"k":1}}', '{"n":"x"}'),
        ),
    ),
    DivergenceClass(
        id="field-name-case",
        title="A field's name in another style",
        go="An untagged field keeps its Go name (UserID); tags are often userID or apiURL.",
        rust='Field names are snake_case; rename_all = "camelCase" gives userId, apiUrl.',
        impact="Breaks every client that reads the field.",
        fix_go="Tag the field with the agreed name.",
        fix_rust='Add #[serde(rename = "userID")] to each name with an acronym.',
        severity="breaking",
        policy="fail",
        at=_is_field_name_case,
        types=ONE_SIDED,
        valid=(
            json_pair('{"ID":1,"Name":"n"}', '{"id":1,"name":"n"}'),
            json_pair('{"userID":"u","apiURL":"x"}', '{"userId":"u","apiUrl":"x"}'),
            json_pair('{"addressLine1":"a"}', '{"address_line1":"a"}'),
            json_pair('{"Items":[{"ID":1,"F":2}]}', '{"items":[{"id":1,"f":2.0}]}'),
            json_pair('{"user_name":"a"}', '{"user-name":"a"}'),
        ),
        invalid=(
            json_pair('{"ID":1}', '{"id":2}'),
            json_pair('{"ID":1}', '{"id":"1"}'),
            json_pair('{"ID":1}', '{"uid":1}'),
            json_pair('{"ID":1}', '{"id":1,"iD":1}', note="two could stand for it"),
            json_pair('{"Items":[{"ID":1}]}', '{"items":[{"id":2}]}'),
        ),
    ),
    DivergenceClass(
        id="embedded-vs-nested",
        title="An embedded struct's fields one level deeper",
        go='The fields of an embedded struct are promoted: {"id":1,…}.',
        rust='A field is nested, {"base":{"id":1}}, unless it has #[serde(flatten)].',
        impact="Breaks every client that reads the promoted fields.",
        fix_go="Name the field instead of embedding it.",
        fix_rust="Add #[serde(flatten)] to the field.",
        severity="breaking",
        policy="fail",
        at=_is_embedded_vs_nested,
        types=ONE_SIDED,
        valid=(
            json_pair('{"id":1,"name":"n"}', '{"base":{"id":1},"name":"n"}'),
            json_pair('{"base":{"id":1,"at":"x"},"n":2}', '{"id":1,"at":"x","n":2}'),
            json_pair('{"ID":1,"CreatedAt":"x"}', '{"base":{"id":1,"created_at":"x"}}'),
        ),
        invalid=(
            json_pair('{"id":1,"name":"n"}', '{"base":{"id":2},"name":"n"}'),
            json_pair('{"id":1,"name":"n"}', '{"base":{"id":1,"x":2},"name":"n"}'),
            json_pair('{"id":1}', '{"base":{"id":1},"meta":{"id":1}}', note="two claim it"),
            json_pair('{"id":1}', '{"id":1,"base":{"id":1}}', note="not only in Go"),
            json_pair('{"type":"A","r":1}', '{"B":{"r":1}}', note="another variant of an enum"),
        ),
    ),
    DivergenceClass(
        id="error-object-empty",
        title="An error is {} in Go and a message in Rust",
        go="An error inside a struct has no exported fields, so it is {}.",
        rust="The error's Display text.",
        impact="Rust says more; what it says may be internal.",
        fix_go="Put err.Error() into the field.",
        fix_rust="Map the error to a stable code and text.",
        severity="risky",
        policy="fail",
        needs="corpus",
        over=_are_error_objects,
        keys=re.compile("err|cause|reason"),
        valid=(
            Example(samples=(("{}", '"no such host"'), ("{}", '"connection refused"'))),
            Example(samples=(("{}", '"not found"'), ("{}", '"not found"'), ("{}", '"bad id"'))),
        ),
        invalid=(
            Example(samples=(("{}", '"not found"'),), note="one sample shows nothing"),
            Example(samples=(("{}", '"not found"'), ('{"a":1}', '"bad id"'))),
            Example(samples=(("{}", '""'), ("{}", '"bad id"')), note="no message"),
        ),
    ),
    DivergenceClass(
        id="char-vs-number",
        title="A character is its number in Go, text in Rust",
        go="A rune or byte is its number: 97.",
        rust='A char is a string of one character: "a".',
        impact="Breaks typed clients.",
        fix_go="Write string(r).",
        fix_rust="Serialize the char as u32.",
        severity="breaking",
        policy="fail",
        needs="corpus",
        over=_are_chars_and_numbers,
        valid=(
            Example(samples=(("97", '"a"'), ("98", '"b"'))),
            Example(samples=(("128512", '"😀"'), ("233", '"é"'), ("233", '"é"'))),
        ),
        invalid=(
            Example(samples=(("97", '"a"'), ("97", '"a"')), note="one value shows nothing"),
            Example(samples=(("97", '"a"'), ("98", '"c"'))),
            Example(samples=(("1", '"1"'), ("2", '"2"')), note="the digit, not its code point"),
        ),
    ),
)
