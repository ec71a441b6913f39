from __future__ import annotations

import gzip

import pytest

from shadow.compare.classes import framing
from shadow.compare.classes.examples import answer
from shadow.judge import QUIET
from shadow.model import Observation
from tests.compare.classes.http_families import explained_by


def explained(go: Observation, rust: Observation) -> list[str]:
    return explained_by(framing, go, rust)


def test_these_are_the_spellings_that_are_only_tallied() -> None:
    assert {cls.id for cls in framing.CLASSES} == QUIET
    assert {(cls.severity, cls.policy) for cls in framing.CLASSES} == {("benign", "allow")}


@pytest.mark.parametrize(
    ("go", "rust", "named"),
    [
        ("Origin", "origin, accept-encoding", True),
        ("Accept-Encoding, Origin", "Origin", True),
        ("Origin", "accept-encoding", False),
        ("Origin", "*", False),
        ("Origin", "Origin, accept-encodings", False),
    ],
)
def test_vary_may_only_gain_or_lose_the_coding(go: str, rust: str, *, named: bool) -> None:
    found = explained(answer(204, Vary=go), answer(204, Vary=rust))
    assert found == (["compression-framing"] if named else [])


def test_a_compressed_body_is_compared_decoded() -> None:
    packed = gzip.compress(b'{"id":1}', mtime=0)
    rust = answer(200, packed, Content_Encoding="gzip", Content_Type="application/json")
    assert explained(answer(200, '{"id":1}'), rust) == ["compression-framing"]


def test_a_header_of_the_service_is_not_framing() -> None:
    assert explained(answer(204, X_Plan="free"), answer(204, X_Plan="paid")) == []
    assert explained(answer(204, Last_Modified="a"), answer(204, Last_Modified="b")) == []
