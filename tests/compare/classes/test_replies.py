from __future__ import annotations

import pytest

from shadow.compare.classes.examples import answer, asked, plain
from shadow.model import NoAnswer, Observation
from tests.compare.classes.http_families import names


def test_a_panic_needs_a_cut_connection_or_default_bodies() -> None:
    cut = NoAnswer(kind="reset", detail="eof")
    assert names(cut, plain(500, "Service panicked")) == {"panic-response"}
    assert names(answer(500), cut) == {"panic-response"}
    assert names(NoAnswer(kind="timeout"), answer(500)) == {None}
    assert names(cut, answer(503)) == {None}
    assert "panic-response" not in names(answer(500), answer(500, '{"error":"x"}'))


@pytest.mark.parametrize(
    ("go", "rust"),
    [
        (plain(503, "Service Unavailable"), answer(408)),
        (plain(503, "request timed out"), answer(502)),
        (plain(504, "request timed out"), answer(408)),
        (plain(503, "request timed out"), answer(408, "the body is late")),
    ],
)
def test_other_failures_are_no_timeouts(go: Observation, rust: Observation) -> None:
    assert "timeout-status" not in names(go, rust)


def test_a_raw_reply_is_told_from_a_handlers_400() -> None:
    raw = plain(400, "400 Bad Request", Connection="close")
    assert names(raw, answer(200, "{}")) == {"malformed-request-reply"}
    assert "malformed-request-reply" not in names(plain(400, "400 Bad Request"), answer(200, "{}"))
    mutant = plain(400, "400 Bad Requests", Connection="close")
    assert "malformed-request-reply" not in names(mutant, answer(200, "{}"))


def test_an_empty_head_answer_is_no_encode_failure() -> None:
    go = answer(200, Content_Type="application/json")
    rust = plain(500, "key must be a string")
    assert "encode-failure-200" in names(go, rust)
    assert "encode-failure-200" not in names(go, rust, asked(method="HEAD"))
