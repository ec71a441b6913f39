from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import headers
from shadow.compare.classes.base import Place, answer
from shadow.compare.classes.replies import plain
from shadow.model import Observation
from tests.compare.classes.pairs import pair_of


def explained(go: Observation, rust: Observation) -> list[str]:
    pair = pair_of(go, rust)
    places = [Place(difference, pair) for difference in pair.differences]
    return [cls.id for cls in headers.CLASSES if cls.at is not None and any(map(cls.at, places))]


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
    body: str,
    go: str,
    rust: str,
    same: bool,
) -> None:
    sides = [answer(200, body, Content_Type=kind) for kind in (go, rust)]
    assert ("content-type-charset" in explained(*sides)) is same


@given(st.data())
def test_a_changed_media_type_is_never_excused(data: st.DataObject) -> None:
    kind = "text/plain; charset=utf-8"
    index = data.draw(st.integers(0, len(kind) - 1))
    changed = kind[:index] + data.draw(st.sampled_from("xq9~/-")) + kind[index + 1 :]
    sides = plain(200, "ok"), answer(200, "ok", Content_Type=changed)
    allowed = {cls.id for cls in headers.CLASSES if cls.policy == "allow"}
    assert changed == kind or not allowed & set(explained(*sides))


@pytest.mark.parametrize(
    ("rust", "named"),
    [
        ({"Access_Control_Allow_Origin": "*"}, True),
        ({"Access_Control_Allow_Origin": "https://a.example"}, False),
        ({"Access_Control_Allow_Origin": "*", "Access_Control_Allow_Credentials": "true"}, False),
        ({"Access_Control_Allow_Origin": "*", "Access_Control_Expose_Headers": "x-a,x-b"}, True),
        ({"Vary": "origin, access-control-request-method"}, True),
        ({"Vary": "origin, cookie"}, False),
    ],
)
def test_cors_is_named_where_rust_allows_no_less(rust: dict[str, str], named: bool) -> None:
    found = explained(answer(200, "{}"), answer(200, "{}", **rust))
    assert ("cors-headers" in found) is named


@given(
    st.lists(st.sampled_from(["GET", "PUT", "POST", "X-A"]), unique=True, min_size=1),
    st.lists(st.sampled_from(["GET", "PUT", "POST", "X-A"]), unique=True, min_size=1),
)
def test_a_method_that_is_no_longer_allowed_is_not_excused(go: list[str], rust: list[str]) -> None:
    sides = (
        answer(204, Access_Control_Allow_Methods=", ".join(go)),
        answer(204, Access_Control_Allow_Methods=",".join(rust)),
    )
    named = "cors-headers" in explained(*sides)
    assert not named or set(go) <= set(rust)


@pytest.mark.parametrize(
    ("go", "rust", "same"),
    [
        ("GET, HEAD", "GET,HEAD", True),
        ("HEAD, GET", "GET,HEAD", True),
        ("GET", "GET,HEAD", True),
        ("OPTIONS, GET", "GET,HEAD", True),
        ("GET, HEAD", "GET,POST", False),
        ("POST", "POST,HEAD", False),
        ("GET, HEAD", "GET,,HEAD", False),
        ("GET, HEAD", "get,head", False),
    ],
)
def test_allow_lists_are_sets_of_methods(go: str, rust: str, same: bool) -> None:
    assert headers.same_methods(go, rust) is same


@given(st.text(), st.text())
def test_a_grpc_message_is_equal_only_decoded(message: str, other: str) -> None:
    def said(text: str, safe: str) -> Observation:
        return answer(200, Grpc_Status="5", Grpc_Message=quote(text, safe=safe))

    assert explained(said(message, " "), said(message, "")) in ([], ["grpc-status"])
    if message != other:
        assert "grpc-status" not in explained(said(message, " "), said(other, ""))


@given(st.binary(min_size=1), st.binary(min_size=1))
def test_grpc_details_are_equal_as_bytes(details: bytes, other: bytes) -> None:
    def sent(data: bytes, *, padded: bool) -> Observation:
        text = base64.b64encode(data).decode()
        bare = text if padded else text.rstrip("=")
        return answer(200, Grpc_Status="5", Grpc_Status_Details_Bin=bare)

    same = explained(sent(details, padded=True), sent(details, padded=False))
    assert same == (["grpc-status"] if len(details) % 3 else [])
    if details != other:
        assert not explained(sent(details, padded=True), sent(other, padded=False))


def test_sniffing_is_named_only_for_an_equal_body() -> None:
    go = plain(200, '{"id":1}\n')
    assert "content-type-sniffed" in explained(go, answer(200, '{"id":1}'))
    assert explained(go, answer(200, '{"id":2}')) == []
    assert explained(go, answer(201, '{"id":1}')) == []
    assert explained(plain(200, "not json"), answer(200, "not json", Content_Type=JSON)) == []
