"""Error texts of libraries that are shown to the client."""

from __future__ import annotations

from typing import Final

from shadow.compare.classes.base import DivergenceClass, Pair, Place
from shadow.compare.classes.error_table import same_mistake
from shadow.compare.classes.examples import Example, answer
from shadow.compare.classes.value_types import STRINGS, among


def _both_refuse(pair: Pair) -> bool:
    return pair.go.status == pair.rust.status >= 400


def _is_error_text(place: Place) -> bool:
    go, rust = place.pair.go, place.pair.rust
    if place.kind != "value_changed" or place.where != "body":
        return False
    if go.status != rust.status or go.status < 400:
        return False
    if not place.in_json:
        return same_mistake(_line(go.text), _line(rust.text))
    if not isinstance(place.go, str) or not isinstance(place.rust, str):
        return False
    return place.go != place.rust and same_mistake(str(place.go), str(place.rust))


def _line(text: str) -> str:
    """A text body without the newline that http.Error adds."""
    return text.removesuffix("\n")


def _refused(go: str, rust: str, note: str = "") -> Example:
    return Example(
        go=answer(400, f'{{"error":{go}}}'), rust=answer(400, f'{{"error":{rust}}}'), note=note
    )


_PLAIN: Final = "text/plain; charset=utf-8"

CLASSES: Final = (
    DivergenceClass(
        id="error-text",
        title="The same mistake in the words of another library",
        go="The texts of strconv, os, context, database/sql, google/uuid and so on.",
        rust="The texts of std, tokio, sqlx, uuid and so on.",
        impact="Harmless unless the text is shown or matched.",
        fix_go="Answer with a stable error code beside the text.",
        fix_rust="Answer with a stable error code beside the text.",
        severity="risky",
        policy="fail",
        at=_is_error_text,
        types=among(STRINGS, STRINGS) | {"text"},
        when=_both_refuse,
        valid=(
            _refused(
                r'"strconv.Atoi: parsing \"5.0\": invalid syntax"',
                '"invalid digit found in string"',
            ),
            _refused(
                r'"limit: strconv.ParseBool: parsing \"yes\": invalid syntax"',
                '"limit: provided string was not `true` or `false`"',
            ),
            _refused(
                '"open /x: no such file or directory"', '"No such file or directory (os error 2)"'
            ),
            _refused('"invalid UUID length: 3"', '"invalid length: found 3"'),
            Example(
                go=answer(504, "context deadline exceeded\n", Content_Type=_PLAIN),
                rust=answer(504, "deadline has elapsed", Content_Type=_PLAIN),
            ),
        ),
        invalid=(
            _refused(
                r'"strconv.Atoi: parsing \"5.0\": invalid syntax"',
                '"number too large to fit in target type"',
                note="another mistake",
            ),
            _refused(
                r'"strconv.Atoi: parsing \"5.0\": invalid syntax"',
                '"cannot parse integer from empty string"',
                note="another input",
            ),
            _refused('"invalid UUID length: 3"', '"invalid length: found 4"'),
            _refused('"open /x: no such file or directory"', '"Permission denied (os error 13)"'),
            Example(
                go=answer(400, r'{"error":"strconv.Atoi: parsing \"x\": invalid syntax"}'),
                rust=answer(422, '{"error":"invalid digit found in string"}'),
                note="another status",
            ),
            Example(
                go=answer(200, r'{"error":"strconv.Atoi: parsing \"x\": invalid syntax"}'),
                rust=answer(200, '{"error":"invalid digit found in string"}'),
                note="no error",
            ),
            _refused('"user not found"', '"user does not exist"', note="texts of the service"),
        ),
    ),
)
