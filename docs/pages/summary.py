"""The schema of the JSON report, from the struct that it is written from."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import msgspec

from docs.pages.config import field_notes
from shadow.reports.machine import VERSION
from shadow.results.summary import Summary


def schema() -> dict[str, Any]:
    """shadow/schemas/summary.schema.json: what msgspec knows, with our words.

    Readers ignore what they do not know, so no key is forbidden.
    """
    found = msgspec.json.schema(Summary)
    shapes = _shapes(Summary, {})
    definitions = {name: _definition(shapes[name], each) for name, each in found["$defs"].items()}
    top = definitions.pop("Summary")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:shadow:schema:summary:{VERSION}",
        "title": "The JSON report of a run",
        **{key: value for key, value in top.items() if key != "title"},
        "properties": {
            "v": {"const": VERSION, "description": "Version of this format."},
            **top["properties"],
        },
        "required": ["v", *top["required"]],
        "$defs": definitions,
    }


def _shapes(hint: Any, found: dict[str, type[msgspec.Struct]]) -> dict[str, type[msgspec.Struct]]:
    """Every struct that a type is made of, by name."""
    is_struct = isinstance(hint, type) and issubclass(hint, msgspec.Struct)
    if is_struct and hint.__name__ not in found:
        found[hint.__name__] = hint
        for inner in get_type_hints(hint).values():
            _shapes(inner, found)
    for inner in get_args(hint):
        _shapes(inner, found)
    return found


def _definition(shape: type[msgspec.Struct], found: dict[str, Any]) -> dict[str, Any]:
    """One struct's schema with what stands after its fields; every field is always written."""
    notes = field_notes(shape)
    encoded = {field.name: field.encode_name for field in msgspec.structs.fields(shape)}
    properties = found["properties"]
    for field, note in notes.items():
        properties[encoded[field]]["description"] = note
    for each in properties.values():
        each.pop("default", None)
    return {**found, "required": list(properties)}
