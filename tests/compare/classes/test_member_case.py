from __future__ import annotations

import pytest

from shadow.compare.classes import member_case
from shadow.compare.classes.examples import answer, asked
from shadow.model import Observation, Request
from tests.compare.classes.http_families import explained_by


def explained(go: Observation, rust: Observation, request: Request | None = None) -> list[str]:
    return explained_by(member_case, go, rust, request)


@pytest.mark.parametrize(
    ("sent", "go", "rust"),
    [
        ('{"NAME":"a"}', '{"name":"a"}', '{"name":""}'),
        ('{"Age":7}', '{"age":7}', '{"age":0}'),
        ('{"tag\u017f":["x"]}', '{"tags":["x"]}', '{"tags":[]}'),
        ('{"Name":{"a":1}}', '{"name":{"a":1}}', "{}"),
    ],
)
def test_a_member_under_another_case_is_found(sent: str, go: str, rust: str) -> None:
    request = asked("/echo", "POST", sent)
    assert explained(answer(200, go), answer(200, rust), request) == ["decode-case-insensitive"]


@pytest.mark.parametrize(
    ("sent", "go", "rust"),
    [
        ('{"name":"a"}', '{"name":"a"}', '{"name":""}'),
        ('{"NAME":"b"}', '{"name":"a"}', '{"name":""}'),
        ('{"NAME":"a"}', '{"name":"a"}', '{"name":"x"}'),
        ('{"user_id":1}', '{"userId":1}', '{"userId":0}'),
    ],
)
def test_a_lost_value_of_another_cause_is_not_named(sent: str, go: str, rust: str) -> None:
    assert explained(answer(200, go), answer(200, rust), asked("/echo", "POST", sent)) == []
