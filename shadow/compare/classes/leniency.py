"""Lenient parsers: times, numbers and bools that only one side takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from shadow.compare.classes.base import DivergenceClass, Pair, Side
from shadow.compare.classes.decoder_texts import (
    GO_TIME,
    RUST_BOOL_OR_FLOAT,
    RUST_TIME,
    serde_reasons,
)
from shadow.compare.classes.error_texts import reasons, texts
from shadow.compare.classes.examples import answer, http_error, pairs, plain


def _one_refuses(go: re.Pattern[str], rust: re.Pattern[str]) -> Callable[[Pair], bool]:
    """Exactly one side refuses, with a text of its parser."""

    def told(side: Side, pattern: re.Pattern[str]) -> bool:
        return side.status in (400, 404, 422) and any(
            pattern.fullmatch(reason)
            for text in texts(side)
            for reason in (*reasons(text), *serde_reasons(text))
        )

    def whole(pair: Pair) -> bool:
        if pair.go.accepted:
            return told(pair.rust, rust)
        return pair.rust.accepted and told(pair.go, go)

    return whole


_GO_NUMBER: Final = re.compile(
    r'strconv\.ParseFloat: parsing "[^\n]{1,400}": value out of range'
    r'|strconv\.ParseBool: parsing "[^\n]{0,400}": invalid syntax'
)
_TAKEN: Final = answer(200, '{"name":"a","age":0}')

CLASSES: Final = (
    DivergenceClass(
        id="time-parse-leniency",
        title="A time that only one parser takes",
        go="Refuses `z`, a space, second 60, `+0200`; takes `,5` and many fraction digits.",
        rust="chrono takes `z`, a space, `:60`; jiff refuses more than 9 digits.",
        impact="Requests with such times are refused by one side.",
        fix_go="Parse with a list of layouts.",
        fix_rust="An RFC 3339 parser of one's own, as strict as Go's.",
        severity="breaking",
        policy="fail",
        whole=_one_refuses(GO_TIME, RUST_TIME),
        valid=pairs(
            (http_error(400, 'parsing time "x" as "2006": cannot parse "x" as "2006"'), _TAKEN),
            (_TAKEN, plain(422, "at: input contains invalid characters at line 1 column 30")),
        ),
        invalid=pairs(
            (http_error(400, "bad time"), _TAKEN),
            (_TAKEN, plain(422, "the input is late")),
        ),
    ),
    DivergenceClass(
        id="parse-leniency",
        title="A number or bool that only one parser takes",
        go="ParseBool takes `1`, `t`, `TRUE`; ParseFloat `0x1p-2`; `1e400` is out of range.",
        rust="`bool` is `true` or `false`; f64 refuses hexadecimal; `1e400` is infinite.",
        impact="Requests with such values are refused by one side.",
        fix_go="Usually none.",
        fix_rust="A parse of one's own.",
        severity="breaking",
        policy="fail",
        whole=_one_refuses(_GO_NUMBER, re.compile(RUST_BOOL_OR_FLOAT)),
        valid=pairs(
            (_TAKEN, answer(400, '{"error":"provided string was not `true` or `false`"}')),
            (http_error(400, 'strconv.ParseFloat: parsing "1e400": value out of range'), _TAKEN),
        ),
        invalid=pairs(
            (_TAKEN, plain(400, "flag must be true or false")),
            (http_error(400, "bad"), plain(400, "invalid float literal")),
        ),
    ),
)
"""Values that only one parser takes."""
