"""Refused bodies: what both decoders refuse, with another status or in other words."""

from __future__ import annotations

from typing import Final

from shadow.compare.classes.base import DivergenceClass, Pair, Place
from shadow.compare.classes.decoder_texts import DATA_PREFIX, PAIRED, same_fault, unparsed, untyped
from shadow.compare.classes.error_texts import reasons, says, texts
from shadow.compare.classes.examples import answer, http_error, pairs, plain
from shadow.compare.classes.value_types import STRINGS, among


def _is_status_422(pair: Pair) -> bool:
    if pair.go.status != 400 or pair.rust.status != 422:
        return False
    told = any(
        reason.startswith(DATA_PREFIX) for text in texts(pair.rust) for reason in reasons(text)
    )
    return told and any(says(pair.go, go) for go, _ in PAIRED)


def _refused_alike(pair: Pair) -> bool:
    return pair.go.status == pair.rust.status and 400 <= pair.go.status < 500


def _is_error_text(pair: Pair) -> bool:
    bodies = [place for place in pair.differences if place.where == "body"]
    if not _refused_alike(pair) or len(bodies) != 1 or bodies[0].name != "":
        return False
    return any(same_fault(go, rust) for go in texts(pair.go) for rust in texts(pair.rust))


def _is_error_text_in_json(place: Place) -> bool:
    if not place.in_json or not _refused_alike(place.pair):
        return False
    both_text = isinstance(place.go, str) and isinstance(place.rust, str)
    return both_text and same_fault(place.go, place.rust)


_TYPE_TEXT: Final = "json: cannot unmarshal number into Go struct field P.name of type string"
_SYNTAX_TEXT: Final = "invalid character 'n' looking for beginning of value"
_WRONG_TYPE: Final = "name: invalid type: integer `1`, expected a string"

CLASSES: Final = (
    DivergenceClass(
        id="decode-status-422",
        title="A body of the wrong type: 400 against 422",
        go="The handler's choice for a decoder error, normally 400.",
        rust="axum's `Json`: 400 for bad syntax, 422 for a wrong type, 415 for the media type.",
        impact="Clients and dashboards that act on the status see another one.",
        fix_go="None needed.",
        fix_rust="An own extractor, or `WithRejection`, that answers 400.",
        severity="breaking",
        policy="fail",
        whole=_is_status_422,
        valid=pairs(
            (http_error(400, _TYPE_TEXT), untyped(_WRONG_TYPE)),
            (answer(400, f'{{"error":"{_TYPE_TEXT}"}}'), untyped(_WRONG_TYPE)),
        ),
        invalid=pairs(
            (http_error(400, "name is required"), untyped(_WRONG_TYPE)),
            (http_error(400, _TYPE_TEXT), plain(422, "name is taken")),
            (http_error(403, _TYPE_TEXT), untyped(_WRONG_TYPE)),
        ),
    ),
    DivergenceClass(
        id="decode-error-text",
        title="Both refuse a body, in their decoder's words",
        go="`unexpected EOF`, `invalid character …`, `json: cannot unmarshal …`.",
        rust="`Failed to parse the request body as JSON: … at line 1 column 8` and its like.",
        impact="None, unless the text is shown or compared.",
        fix_go="Answer with an error code of your own.",
        fix_rust="Answer with an error code of your own.",
        severity="risky",
        policy="fail",
        whole=_is_error_text,
        covers=frozenset({"body", "content-type"}),
        at=_is_error_text_in_json,
        types=among(STRINGS, STRINGS),
        when=_refused_alike,
        valid=pairs(
            (
                http_error(400, "unexpected EOF"),
                unparsed("name: EOF while parsing a value at line 1 column 8"),
            ),
            (
                answer(400, f'{{"error":"{_TYPE_TEXT}"}}'),
                answer(
                    400, f'{{"error":"Json deserialize error: {_WRONG_TYPE} at line 1 column 9"}}'
                ),
            ),
            (
                answer(400, '{"message":"Syntax error: offset=1, error=' + _SYNTAX_TEXT + '"}'),
                unparsed("expected ident at line 1 column 2"),
            ),
        ),
        invalid=pairs(
            (http_error(400, "unexpected EOF"), plain(400, "bad request")),
            (http_error(400, "unexpected EOF"), untyped(_WRONG_TYPE)),
            (http_error(400, _TYPE_TEXT), unparsed("expected value at line 1 column 1")),
        ),
    ),
)
"""Requests that both decoders refuse, another status first."""
