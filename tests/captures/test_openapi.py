from __future__ import annotations

import contextlib
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures import read
from shadow.captures.openapi import read_templates, templates
from shadow.config.file import load
from shadow.config.naming import endpoints
from shadow.errors import ConfigError
from shadow.model import Exchange

DATA = Path(__file__).parents[2] / "replay_data"


def found(tmp_path: Path, document: Any) -> list[str]:
    path = tmp_path / "openapi.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return read_templates(path)


def test_operations_are_templates(tmp_path: Path) -> None:
    assert found(
        tmp_path,
        {
            "openapi": "3.0.3",
            "servers": [{"url": "https://api.example.com/v2/"}, {"url": "/"}],
            "paths": {
                "/items/{id}": {"get": {}, "parameters": [], "x-note": {}},
                "/all": {"$ref": "#/components/pathItems/all~1of"},
                "/far": {"$ref": "https://elsewhere.example.com/a.yaml"},
                "no path": {"get": {}},
            },
            "components": {"pathItems": {"all/of": {"post": {}}}},
        },
    ) == ["GET /v2/items/{id}", "GET /items/{id}", "POST /v2/all", "POST /all"]


def test_swagger_2_in_yaml(tmp_path: Path) -> None:
    text = "swagger: '2.0'\nbasePath: /v1\npaths:\n  /a/{b}:\n    delete: {responses: {}}\n"
    assert found(tmp_path, text) == ["DELETE /v1/a/{b}"]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"openapi": "3.0.0", "paths": {}}, "has no paths"),
        ({"paths": {"/a": {"get": {}}}}, "is no OpenAPI document"),
        ("[1", "it is not YAML"),
        ("[" * 10_000, "nested too deeply"),
        ("", "is no OpenAPI document"),
    ],
)
def test_what_is_no_document(tmp_path: Path, document: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        found(tmp_path, document)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_templates(tmp_path / "none")


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["paths", "/a", "get", "$ref", "servers", "url", "openapi", "basePath"]
                ),
                inner,
            )
        ),
        max_leaves=20,
    )
)
def test_any_document_will_do(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    document = {"openapi": "3", **(value if isinstance(value, dict) else {"paths": value})}
    with contextlib.suppress(ConfigError):
        found(tmp_path_factory.getbasetemp(), document)


def test_the_config_names_endpoints_by_it(tmp_path: Path) -> None:
    document = DATA / "openapi" / "catalogue.yaml"
    config = tmp_path / "shadow.toml"
    config.write_text(f'[endpoints]\nopenapi = "{document}"\ntemplates = ["GET /v1/{{own}}"]\n')
    named = endpoints(load(str(config)))
    assert named.name("GET", "/v1/items/abc?x=1") == "GET /v1/items/{id}"
    assert named.name("POST", "/v1/quote") == "POST /v1/quote"
    known = set(read_templates(document))
    names = {
        named.name(each.request.method, each.request.target)
        for each in read([DATA / "catalogue.jsonl.gz"])
        if isinstance(each, Exchange) and each.request.target.startswith("/v1/items/")
    }
    assert "GET /v1/items/{id}" in names & known
    config.write_text('\n[endpoints]\nopenapi = "none.yaml"\n')
    with pytest.raises(ConfigError, match=r"shadow\.toml:3: .*none\.yaml: cannot be read"):
        endpoints(load(str(config)))


def test_too_many_operations_are_not_all_made(tmp_path: Path) -> None:
    every: dict[str, Any] = {method: {} for method in ("get", "put", "post", "delete")}
    document = {
        "openapi": "3.1.0",
        "servers": [{"url": "/" + "x" * 1_000 + str(number)} for number in range(20)],
        "paths": {f"/{number}": every for number in range(1_000)},
    }
    tracemalloc.start()
    with pytest.raises(ConfigError, match="more than 10000 operations"):
        templates(document, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30_000_000
