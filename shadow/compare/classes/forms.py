"""Forms: `ParseForm` against the form extractors."""

from __future__ import annotations

import re
from typing import Final

from shadow.compare.classes.base import DivergenceClass, Pair, Place
from shadow.compare.classes.error_texts import LONGEST, says
from shadow.compare.classes.examples import answer, asked, pairs, plain
from shadow.compare.classes.inputs import fields_of, is_semicolon_data, json_for
from shadow.model import Request


def _form(request: Request | None) -> str:
    """The text of a form body, empty where the request has none."""
    if request is None or len(request.body) > LONGEST:
        return ""
    types = [value for name, value in request.headers if name.lower() == "content-type"]
    is_form = any(value.startswith("application/x-www-form-urlencoded") for value in types)
    return request.body.decode("latin-1") if is_form else ""


def _has_semicolon(pair: Pair) -> bool:
    return ";" in _form(pair.request)


def _is_form_semicolon(place: Place) -> bool:
    return is_semicolon_data(place, fields_of(_form(place.pair.request)))


_FORM_REFUSED: Final = re.compile(
    r"Form requests must have `Content-Type: application/x-www-form-urlencoded`"
    r"|Content type error\.?"
)


def _is_form_type(pair: Pair) -> bool:
    taken = pair.go.accepted or pair.go.status == 400
    return taken and pair.rust.status == 415 and says(pair.rust, _FORM_REFUSED)


_TAKEN: Final = answer(200, '{"name":"a","age":0}')

CLASSES: Final = (
    DivergenceClass(
        id="form-content-type",
        title="A form under another Content-Type is refused",
        go="`ParseForm` ignores bodies of other types.",
        rust="415 `Form requests must have …`; the form of a GET is the query.",
        impact="Clients that do not label their form are refused.",
        fix_go="Check the header.",
        fix_rust="`RawForm`, or parse from `Bytes`.",
        severity="breaking",
        policy="fail",
        whole=_is_form_type,
        valid=pairs(
            (
                _TAKEN,
                plain(
                    415, "Form requests must have `Content-Type: application/x-www-form-urlencoded`"
                ),
            ),
            (_TAKEN, plain(415, "Content type error.")),
        ),
        invalid=pairs(
            (_TAKEN, plain(415, "only PNG")), (_TAKEN, plain(400, "Content type error."))
        ),
    ),
    DivergenceClass(
        id="form-semicolon",
        title="A semicolon in a form is data to Rust",
        go="`ParseForm` fails on a pair that holds `;`, and drops it.",
        rust="`;` is data.",
        impact="Rare.",
        fix_go="Usually none.",
        fix_rust="Refuse or drop such pairs.",
        severity="breaking",
        policy="fail",
        needs="request",
        at=_is_form_semicolon,
        when=_has_semicolon,
        valid=(
            json_for(
                asked("/f", "POST", "a=1;b", Content_Type="application/x-www-form-urlencoded"),
                "{}",
                '{"a":"1;b"}',
            ),
            json_for(
                asked("/f", "POST", "a=1;b", Content_Type="application/x-www-form-urlencoded"),
                '{"a":""}',
                '{"a":"1;b"}',
            ),
        ),
        invalid=(
            json_for(asked("/f", "POST", "a=1;b"), '{"a":""}', '{"a":"1;b"}'),
            json_for(
                asked("/f", "POST", "a=1;b", Content_Type="application/x-www-form-urlencoded"),
                '{"a":""}',
                '{"a":"1"}',
            ),
        ),
    ),
)
"""Forms that the two sides read or refuse apart."""
