from __future__ import annotations

from shadow.compare.classes import forms
from shadow.compare.classes.examples import answer, asked
from shadow.model import Observation, Request
from tests.compare.classes.http_families import explained_by


def explained(go: Observation, rust: Observation, request: Request | None = None) -> list[str]:
    return explained_by(forms, go, rust, request)


FORM = "application/x-www-form-urlencoded"


def test_form_semicolons_need_a_form() -> None:
    go, rust = answer(200, '{"a":""}'), answer(200, '{"a":"1;b"}')
    assert explained(go, rust, asked("/f", "POST", "a=1;b", Content_Type=FORM)) == [
        "form-semicolon"
    ]
    assert explained(go, rust, asked("/f", "POST", "a=1;b", Content_Type="text/plain")) == []
