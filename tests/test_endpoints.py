from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow import endpoints as endpoints_module
from shadow.endpoints import Endpoints, infer, path_of
from shadow.errors import ConfigError


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/v1/items", "/v1/items"),
        ("/v1/items/17", "/v1/items/{id}"),
        ("/v1/items/sku-17", "/v1/items/{id}"),
        ("/v1/items/drf-af1cd12cdc5d", "/v1/items/{id}"),
        ("/v1/items/sold-out", "/v1/items/sold-out"),
        ("/v1/items/17/badge.png", "/v1/items/{id}/badge.png"),
        ("/v1/items/17.json", "/v1/items/{id}.json"),
        ("/u/6ba7b810-9dad-11d1-80b4-00c04fd430c8/x", "/u/{id}/x"),
        ("/u/507f1f77bcf86cd799439011", "/u/{id}"),
        ("/d/2024-01-02", "/d/{id}"),
        ("/v2.1/health", "/v2.1/health"),
        ("/a%2Fb/c", "/{id}/c"),
        ("/", "/"),
        ("*", "*"),
        ("//a/", "//a/"),
    ],
)
def test_the_template_follows_the_shape_of_the_segments(path: str, template: str) -> None:
    assert infer(path) == template


@given(st.lists(st.text("ab7-_.%@/v\u00b2", max_size=12).map("/".__add__), max_size=6))
def test_what_came_before_changes_no_template(paths: list[str]) -> None:
    after_others = [infer(path) for path in [*paths, *paths]]
    alone = []
    for path in [*paths, *paths]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(endpoints_module, "_literal", set())
            alone.append(infer(path))
    assert after_others == alone


def test_the_segments_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints_module, "_literal", set())
    monkeypatch.setattr(endpoints_module, "_MAX_LITERAL", 10)
    assert infer("/" + "/".join("abcdefghijklmno")) == "/" + "/".join("abcdefghijklmno")
    assert infer("/" + "a" * 63) == "/" + "a" * 63
    assert len(endpoints_module._literal) <= 10


def test_an_escaped_path_is_of_the_template_it_spells() -> None:
    endpoints = Endpoints(["GET /a/{id}", "GET /a b"])
    assert endpoints.name("GET", "/a%20b") == "GET /a b"
    assert endpoints.name("GET", "/a/%2e") == "GET /a/{id}"
    assert endpoints.name("POST", "/a%20b") == "POST /{id}"


def test_the_most_literal_configured_template_wins() -> None:
    endpoints = Endpoints(["GET /v1/{kind}/{id}", "GET /v1/items/{id}", "GET /files/{path...}"])
    assert endpoints.name("GET", "/v1/items/abc?x=1") == "GET /v1/items/{id}"
    assert endpoints.name("GET", "/v1/users/abc") == "GET /v1/{kind}/{id}"
    assert endpoints.name("GET", "/files/a/b/c") == "GET /files/{path...}"
    assert endpoints.name("POST", "/v1/items/7") == "POST /v1/items/{id}"


@pytest.mark.parametrize("template", ["/v1/items", "get /v1", "GET v1", ""])
def test_a_malformed_template_is_refused(template: str) -> None:
    with pytest.raises(ConfigError, match="endpoint template"):
        Endpoints([template])


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a?b=/c", "/a"),
        ("http://other/a?b", "/a"),
        ("/a#b", "/a"),
        ("//other/a", "//other/a"),
        ("/x?u=http://y/z", "/x"),
    ],
)
def test_the_path_of_a_target(target: str, path: str) -> None:
    assert path_of(target) == path


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_query_never_changes_the_endpoint(path: str, query: str) -> None:
    endpoints = Endpoints()
    bare = path.replace("?", "").replace("#", "").replace("://", "")
    assert endpoints.name("GET", f"/{bare}?{query}") == endpoints.name("GET", f"/{bare}")


def test_what_names_endpoints_can_be_handed_to_another_process() -> None:
    named = Endpoints(["GET /v1/{kind}/{id}", "GET /v1/items/{id}", "POST /v1/items"])
    again = pickle.loads(pickle.dumps(named))
    for method, target in (("GET", "/v1/items/7"), ("GET", "/v1/x/7"), ("POST", "/v1/items")):
        assert again.name(method, target) == named.name(method, target)
