"""Any exchange that a capture can hold, for property tests."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from hypothesis import strategies as st

from shadow.model import Exchange, NoAnswer, Request, Response

TOKEN_CHARS = "!#$%&'*+-.^_`|~0123456789abcXYZ"
tokens = st.text(TOKEN_CHARS, min_size=1, max_size=12)
wire_text = st.text(st.characters(max_codepoint=255, blacklist_characters="\x00\r\n"))
targets = st.text(st.characters(max_codepoint=255, blacklist_characters="\x00\r\n "), min_size=1)
all_headers = st.lists(st.tuples(tokens, wire_text), max_size=5).map(tuple)
names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=256)
requests = st.builds(
    Request,
    method=tokens,
    target=targets,
    headers=all_headers,
    body=st.binary(),
    decoded=st.booleans(),
    truncated=st.booleans(),
)
responses = st.builds(
    Response,
    status=st.integers(100, 999),
    headers=all_headers,
    body=st.binary(),
    decoded=st.booleans(),
    truncated=st.booleans(),
)
answers: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {
            "response": responses,
            "latency_ms": st.none() | st.floats(0, allow_infinity=False, allow_nan=False),
        }
    ),
    st.fixed_dictionaries(
        {
            "error": st.builds(
                NoAnswer,
                kind=st.sampled_from(["connect", "timeout", "reset", "protocol", "tls"]),
                detail=st.text(),
            )
        }
    ),
)


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    return Exchange(
        id=draw(names),
        request=draw(requests),
        session=draw(st.none() | names),
        ts=draw(st.none() | st.datetimes(timezones=st.just(UTC))),
        **draw(answers),
    )
