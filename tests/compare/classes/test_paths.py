from __future__ import annotations

import pytest

from shadow.compare.classes import paths
from shadow.compare.classes.examples import answer, asked, http_error, plain
from shadow.model import Observation, Request
from tests.compare.classes.http_families import explained_by


def explained(go: Observation, rust: Observation, request: Request | None = None) -> list[str]:
    return explained_by(paths, go, rust, request)


def read(target: str, go: str, rust: str) -> list[str]:
    return explained(answer(200, go), answer(200, rust), asked(target))


@pytest.mark.parametrize(
    ("target", "go", "rust", "id_"),
    [
        ("/seg/a%2Fb", '{"id":"a%2Fb"}', '{"id":"a/b"}', "path-escape"),
        ("/seg/a%2eb", '{"id":"a.b"}', '{"id":"a%2eb"}', "path-escape"),
        ("/seg/%ff", '{"id":"%ff"}', '{"id":"\ufffd"}', "path-bad-escape"),
    ],
)
def test_the_request_explains_both_values(target: str, go: str, rust: str, id_: str) -> None:
    assert read(target, go, rust) == [id_]
    assert explained(answer(200, go), answer(200, rust)) == []


@pytest.mark.parametrize(
    ("target", "go", "rust"),
    [
        ("/seg/a%2Fb", '{"id":"a%2Fc"}', '{"id":"a/c"}'),
        ("/seg/a%2Fb", '{"id":"a%2Fb"}', '{"id":"a\\\\b"}'),
    ],
)
def test_near_misses_of_the_request_are_not_named(target: str, go: str, rust: str) -> None:
    assert read(target, go, rust) == []


def test_a_path_parameter_must_be_in_the_path() -> None:
    go = http_error(400, 'strconv.Atoi: parsing "abc": invalid syntax')
    rust = plain(400, "Invalid URL: Cannot parse `id` with value `abc` to a `u32`")
    assert explained(go, rust, asked("/item/abc")) == ["path-param-type"]
    assert explained(go, rust, asked("/item/7")) == []
    assert explained(answer(500), rust, asked("/item/abc")) == []
