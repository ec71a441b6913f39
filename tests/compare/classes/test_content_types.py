from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import content_types
from shadow.compare.classes.examples import answer, plain
from shadow.model import Observation, Request
from tests.compare.classes.http_families import explained_by


def explained(go: Observation, rust: Observation, request: Request | None = None) -> list[str]:
    return explained_by(content_types, go, rust, request)


JSON = "application/json"


@pytest.mark.parametrize(
    ("body", "go", "rust", "same"),
    [
        ("{}", "application/json; charset=utf-8", JSON, True),
        ("{}", JSON, "application/json;charset=UTF-8", True),
        ('"é"', "application/json; charset=utf-8", JSON, True),
        ("a", "text/css; charset=utf-8", "text/css", True),
        ("é", "text/css; charset=utf-8", "text/css", False),
        ("a", "text/css; charset=utf-8", "text/css; charset=latin-1", False),
        ("{}", JSON, "text/html; charset=utf-8", False),
        ("{}", JSON, "application/json; profile=x", False),
        ("{}", JSON, "application/jso; charset=utf-8", False),
    ],
)
def test_a_charset_is_excused_only_where_no_reader_can_tell(
    body: str, go: str, rust: str, same: bool
) -> None:
    sides = answer(200, body, Content_Type=go), answer(200, body, Content_Type=rust)
    assert ("content-type-charset" in explained(*sides)) is same


@given(st.data())
def test_a_changed_media_type_is_never_excused(data: st.DataObject) -> None:
    kind = "text/plain; charset=utf-8"
    index = data.draw(st.integers(0, len(kind) - 1))
    changed = kind[:index] + data.draw(st.sampled_from("xq9~/-")) + kind[index + 1 :]
    sides = plain(200, "ok"), answer(200, "ok", Content_Type=changed)
    allowed = {cls.id for cls in content_types.CLASSES if cls.policy == "allow"}
    assert changed == kind or not allowed & set(explained(*sides))


def test_sniffing_is_named_only_for_an_equal_body() -> None:
    go = plain(200, '{"id":1}\n')
    assert "content-type-sniffed" in explained(go, answer(200, '{"id":1}'))
    assert explained(go, answer(200, '{"id":2}')) == []
    assert explained(go, answer(201, '{"id":1}')) == []
    assert explained(plain(200, "not json"), answer(200, "not json", Content_Type=JSON)) == []
