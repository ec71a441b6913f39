"""Protobuf's JSON: protojson on the Go side against prost with plain serde derives.

Names and defaults look in one pair exactly like their counterparts without protobuf, so these
two are never named: the general class stands for them.
"""

from __future__ import annotations

import re
from typing import Final

from shadow.compare.classes.base import DivergenceClass, Samples
from shadow.compare.classes.enums import MAX_SAMPLES, one_to_one, small_number
from shadow.compare.classes.examples import Example

_UPPER_SNAKE: Final = re.compile(r"[A-Z][A-Z0-9]{0,63}(?:_[A-Z0-9]{1,64}){0,15}")


def _are_proto_enums(samples: Samples) -> bool:
    if not samples or len(samples) > MAX_SAMPLES:
        return False
    pairs = []
    for go, rust in samples:
        number = small_number(rust)
        if number is None or not isinstance(go, str) or not _UPPER_SNAKE.fullmatch(go):
            return False
        pairs.append((number, str(go)))
    return one_to_one(pairs)


CLASSES: Final = (
    DivergenceClass(
        id="proto-enum-number",
        title="A protobuf enum as a name in Go, as a number in Rust",
        go='protojson writes the value\'s name: "TYPE_INT64".',
        rust="prost keeps an i32, so serde writes 3.",
        impact="Breaks typed clients.",
        fix_go="Marshal with UseEnumNumbers.",
        fix_rust="Generate serde code with pbjson.",
        severity="breaking",
        policy="fail",
        needs="corpus",
        over=_are_proto_enums,
        valid=(
            Example(samples=(('"TYPE_INT64"', "3"), ('"TYPE_STRING"', "9"))),
            Example(samples=(('"ACTIVE"', "1"), ('"UNKNOWN"', "0"), ('"ACTIVE"', "1"))),
        ),
        invalid=(
            Example(samples=(('"TYPE_INT64"', "3"), ('"TYPE_INT64"', "3")), note="one value"),
            Example(samples=(('"TYPE_INT64"', "3"), ('"TYPE_STRING"', "3"))),
            Example(samples=(('"TYPE_INT64"', "3"), ('"TYPE_INT64"', "9"), ('"TYPE_A"', "1"))),
            Example(samples=(('"active"', "1"), ('"closed"', "2")), note="no protobuf names"),
        ),
    ),
    DivergenceClass(
        id="proto-field-name",
        title="A protobuf field as lowerCamel in Go, snake_case in Rust",
        go="protojson writes lowerCamel; UseProtoNames keeps snake_case.",
        rust="prost with serde derives writes snake_case; pbjson writes lowerCamel.",
        impact="Breaks every client that reads the field. Never named by itself: nothing in the "
        "answers tells it from field-name-case.",
        fix_go="Marshal with UseProtoNames.",
        fix_rust="Generate serde code with pbjson-build.",
        severity="breaking",
        policy="fail",
        needs="never",
    ),
    DivergenceClass(
        id="proto-default-omitted",
        title="protojson leaves unset fields out, prost writes them",
        go="protojson omits unset fields unless EmitUnpopulated is set.",
        rust="prost with serde derives writes every field.",
        impact="Harmless to protobuf clients. Never named by itself: nothing in the answers tells "
        "it from omitempty-missing-vs-zero.",
        fix_go="Marshal with EmitUnpopulated.",
        fix_rust="Generate serde code with pbjson.",
        severity="benign",
        policy="fail",
        needs="never",
    ),
)
