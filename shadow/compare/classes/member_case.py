"""Letter case of members: encoding/json matches names whatever it is, serde does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from shadow.compare.classes.base import DivergenceClass, Pair, Place
from shadow.compare.classes.decoder_texts import MISSING_FIELD, serde_reasons
from shadow.compare.classes.error_texts import LONGEST, texts
from shadow.compare.classes.examples import Example, answer, asked, plain
from shadow.compare.classes.inputs import json_for, json_value
from shadow.compare.classes.likeness import equal
from shadow.compare.difference import ABSENT
from shadow.compare.json_text import Number

_MOST_MEMBERS: Final = 1000


def _fold(name: str) -> str:
    """Case folding rune by rune, as encoding/json matches names."""
    return "".join(one if len(one := c.casefold()) == 1 else c for c in name)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    stack, room = [value], LONGEST
    while stack and room:
        room -= 1
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def _respelled(wanted: str, holder: dict[str, Any]) -> str | None:
    """The name in a request's object that only folds to the wanted one."""
    if wanted in holder or len(holder) > _MOST_MEMBERS:
        return None
    return next((name for name in holder if _fold(name) == _fold(wanted)), None)


def _sent(pair: Pair) -> Any:
    return json_value(pair.request.body) if pair.request is not None else ABSENT


def _is_unmatched_case(pair: Pair) -> bool:
    if not pair.go.accepted or pair.rust.status not in (400, 422) or pair.request is None:
        return False
    found = (
        MISSING_FIELD.fullmatch(reason)
        for text in texts(pair.rust)
        for reason in serde_reasons(text)
    )
    return any(
        missing and any(_respelled(missing[1], holder) for holder in _objects(_sent(pair)))
        for missing in found
    )


def _is_zero(value: Any) -> bool:
    if isinstance(value, Number):
        return not value.lexeme.strip("-0.")
    return value is ABSENT or value is None or value is False or value in ("", [], {})


def _sends_an_object(pair: Pair) -> bool:
    return pair.go.accepted and pair.rust.accepted and isinstance(_sent(pair), dict)


def _is_silent_zero(place: Place) -> bool:
    """Go read a member under another case; Rust answers as if it had not been sent."""
    pair = place.pair
    if not place.in_json or not pair.go.accepted or not pair.rust.accepted:
        return False
    sent = _sent(pair)
    if not isinstance(sent, dict):
        return False
    ours, theirs = json_value(pair.go.text), json_value(pair.rust.text)
    for step in place.difference.path:
        if not isinstance(ours, dict) or not isinstance(step, str):
            return False
        ours = ours.get(step, ABSENT)
        theirs = theirs.get(step, ABSENT) if isinstance(theirs, dict) else ABSENT
        name = _respelled(step, sent)
        if name is not None:
            return equal(sent[name], ours) and not _is_zero(ours) and _is_zero(theirs)
    return False


_SENT: Final = asked("/echo", "POST", '{"NAME":"a"}', Content_Type="application/json")
_TAKEN: Final = answer(200, '{"name":"a","age":0}')
_MISSING_TEXT: Final = (
    "Failed to deserialize the JSON body into the target type: "
    "missing field `name` at line 1 column 12"
)

CLASSES: Final = (
    DivergenceClass(
        id="decode-case-insensitive",
        title="A member under another case is not matched by serde",
        go="encoding/json matches names whatever their case, Unicode folds too; the last wins.",
        rust="The name must be exact: `missing field`, or with a default a silent zero.",
        impact="Requests are refused, or data is lost without a word.",
        fix_go="Move to encoding/json/v2, which is case-sensitive.",
        fix_rust="`#[serde(alias)]`, or normalise the names first.",
        severity="breaking",
        policy="fail",
        needs="request",
        whole=_is_unmatched_case,
        at=_is_silent_zero,
        when=_sends_an_object,
        valid=(
            Example(go=_TAKEN, rust=plain(422, _MISSING_TEXT), request=_SENT),
            json_for(_SENT, '{"name":"a"}', '{"name":""}'),
        ),
        invalid=(
            Example(
                go=_TAKEN, rust=plain(422, _MISSING_TEXT), request=asked("/echo", "POST", "{}")
            ),
            json_for(_SENT, '{"name":"b"}', '{"name":""}'),
            json_for(_SENT, '{"name":"a"}', '{"name":"b"}'),
        ),
    ),
)
"""Members under another case."""
