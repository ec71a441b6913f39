from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.captures.formats.native import encode_line
from shadow.captures.openapi import read_document
from shadow.fuzzing.described import requests
from shadow.model import Exchange, Request

CATALOGUE = Path(__file__).parents[2] / "replay_data" / "openapi" / "catalogue.yaml"
QUOTE = """
openapi: 3.1.0
servers: [{url: http://127.0.0.1/v1}]
paths:
  /items/{id}:
    parameters: [{name: id, in: path, schema: {type: string, example: itm 1}}]
    get:
      parameters:
      - {$ref: '#/components/parameters/Page'}
      - {name: X-Trace, in: header, schema: {type: string, format: uuid}}
  /quote:
    post:
      requestBody:
        content:
          application/json:
            schema: {$ref: '#/components/schemas/Quote'}
components:
  parameters:
    Page: {name: page, in: query, schema: {type: integer, default: 2}}
  schemas:
    Quote:
      allOf:
      - {type: object, properties: {currency: {enum: [EUR, GBP]}}}
      - type: object
        properties:
          lines: {type: array, items: {$ref: '#/components/schemas/Line'}}
          coupon: {type: [string, 'null']}
          gift: {type: boolean}
    Line:
      type: object
      properties: {sku: {type: string, example: "007"}, quantity: {type: integer, example: 3},
        parent: {$ref: '#/components/schemas/Line'}}
"""


def made(tmp_path: Path, text: str) -> list[Request]:
    path = tmp_path / "openapi.yaml"
    path.write_text(text)
    return list(requests(read_document(path)))


def test_examples_defaults_and_types_make_a_request(tmp_path: Path) -> None:
    item, quote = made(tmp_path, QUOTE)
    assert (item.method, item.target) == ("GET", "/v1/items/itm%201?page=2")
    assert dict(item.headers)["X-Trace"] == "00000000-0000-4000-8000-000000000000"
    body = json.loads(quote.body)
    line = body["lines"][0]
    assert (body["currency"], body["coupon"], body["gift"]) == ("EUR", "a", True)
    assert (line["sku"], line["quantity"]) == ("007", 3)
    assert line["parent"]["quantity"] == 3  # and so on, to a depth


def test_an_example_of_the_body_wins(tmp_path: Path) -> None:
    (request,) = made(
        tmp_path,
        """
swagger: '2.0'
basePath: /v2
paths:
  /a:
    put:
      parameters:
      - {in: body, name: a, schema: {type: object, example: {n: 1, s: x, deep: [true]}}}
""",
    )
    assert (request.method, request.target) == ("PUT", "/v2/a")
    assert request.body == b'{"n":1,"s":"x","deep":[true]}'


def test_the_document_of_the_demo() -> None:
    found = {(each.method, each.target) for each in requests(read_document(CATALOGUE))}
    assert {("GET", "/v1/items/1/badge.png"), ("POST", "/v1/quote")} < found


names = st.sampled_from(
    (
        *("paths", "/a/{b}", "get", "parameters", "name", "in", "query", "schema", "type"),
        *("properties", "items", "$ref", "#/paths", "example", "examples", "enum", "allOf"),
        *("requestBody", "content", "application/json", "array", "object", "path", "body"),
    )
)


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | names | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=6),
        max_leaves=40,
    )
)
def test_any_document_makes_requests_that_can_be_written(value: Any) -> None:
    operation = value if isinstance(value, dict) else {"parameters": value}
    shared = {"paths": {"/a/{b}": {"get": operation, "post": {"requestBody": value}}}}
    for document in (shared, operation):
        for request in requests(document):
            encode_line(Exchange(id="x", request=request))
            assert len(request.body) < 8_000_000
