"""The reference of the events, from their schema."""

from __future__ import annotations

import json
from typing import Any

from docs.pages.markdown import fenced, page, table


def render(schema: dict[str, Any]) -> str:
    """docs/reference/events.md."""
    common = [_property(name, each) for name, each in schema["properties"].items()]
    intro = (
        f"{schema['description']} The schema is "
        "[`shadow/schemas/event.schema.json`](../../shadow/schemas/event.schema.json)."
    )
    head = ["field", "value", ""]
    parts = ["## Every event", table(head, common)]
    for rule in schema["allOf"]:
        name = rule["if"]["properties"]["event"]["const"]
        shape = schema["$defs"][rule["then"]["$ref"].rpartition("/")[2]]
        rows = [_property(key, each) for key, each in shape["properties"].items()]
        example = json.dumps(shape["examples"][0], ensure_ascii=False)
        parts += [f"## {name}", shape["description"], table(head, rows), fenced(example, "json")]
    return page("Events", intro, *parts)


def _property(name: str, shape: dict[str, Any]) -> list[str]:
    return [f"`{name}`", _values(shape), shape.get("description", "")]


def _values(shape: dict[str, Any]) -> str:
    if "const" in shape:
        return f"`{json.dumps(shape['const'])}`"
    if "enum" in shape:
        return ", ".join(f"`{each}`" if each is not None else "null" for each in shape["enum"])
    if "$ref" in shape:
        return "object"
    kinds = shape.get("type", "any")
    return kinds if isinstance(kinds, str) else " or ".join(kinds)
