from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import headers
from shadow.compare.classes.examples import answer
from shadow.model import Observation, Request
from tests.compare.classes.http_families import explained_by


def explained(go: Observation, rust: Observation, request: Request | None = None) -> list[str]:
    return explained_by(headers, go, rust, request)


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
