"""The reference and the schema of shadow.toml, from its structs."""

from __future__ import annotations

import ast
import inspect
import json
import types
from typing import Any, Final, Literal, Union, get_args, get_origin

import msgspec

from docs.pages.markdown import fenced, page, prose, sentence, table
from shadow.config.file import FILE_NAME, Config


def render(example: str) -> str:
    """docs/reference/config.md."""
    intro = (
        f"`{FILE_NAME}` is looked for in the working directory and upward; `--config PATH` names "
        "one. It is optional. `${VAR}` in any text is replaced by the environment's value. "
        "An unknown key is an error that names the nearest known one. Editors that know JSON "
        "Schema can check the file against "
        "[`shadow/schemas/config.schema.json`](../../shadow/schemas/config.schema.json)."
    )
    return page(
        FILE_NAME,
        intro,
        "## A whole file",
        fenced(example.strip(), "toml"),
        *(_config_table(shape, names) for shape, names in _tables(Config).items()),
    )


def _tables(shape: Any, name: str = "") -> dict[Any, list[str]]:
    """Every table of the file with the headings it goes by, in the order of the fields."""
    found: dict[Any, list[str]] = {}
    for field in _keys(shape):
        inner, form = _inner_table(field.type)
        if inner is None:
            continue
        place = f"{name}.{field.encode_name}".lstrip(".")
        found.setdefault(inner, []).append(form.format(place))
        for below, names in _tables(inner, form.strip("[]").format(place)).items():
            found.setdefault(below, []).extend(names)
    return found


def _keys(shape: Any) -> list[msgspec.structs.FieldInfo]:
    """The fields that are keys of the file."""
    return [field for field in msgspec.structs.fields(shape) if field.name != "source"]


def _inner_table(hint: Any) -> tuple[Any, str]:
    """The struct that a key holds, with its heading's form; None for a value."""
    arguments = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return next((found for found in map(_inner_table, arguments) if found[0]), (None, ""))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint, "[{}]"
    if arguments and _inner_table(arguments[-1])[0]:
        inner = _inner_table(arguments[-1])[0]
        return inner, "[[{}]]" if get_origin(hint) is list else "[{}.NAME]"
    return None, ""


def _config_table(shape: Any, names: list[str]) -> str:
    notes = field_notes(shape)
    rows = [
        [
            f"`{field.encode_name}`",
            _type_name(field.type),
            _default(field),
            prose(notes[field.name]),
        ]
        for field in _keys(shape)
        if _inner_table(field.type)[0] is None
    ]
    text = " ".join((inspect.getdoc(shape) or "").split())
    text = text.partition(": ")[2] or text
    heading = "## " + ", ".join(f"`{name}`" for name in names)
    parts = [heading, prose(sentence(text))]
    if rows:
        parts.append(table(["key", "value", "default", ""], rows))
    return "\n\n".join(parts)


def field_notes(shape: type) -> dict[str, str]:
    """The string literals that stand after the fields of a class."""
    body = ast.parse(inspect.getsource(shape)).body[0]
    assert isinstance(body, ast.ClassDef)
    notes: dict[str, str] = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            notes[field.target.id] = " ".join(after.value.value.split())
    return notes


_TYPE_NAMES: Final = {
    "str": "text",
    "int": "integer",
    "float": "number",
    "bool": "`true` or `false`",
    "date": "date",
    "datetime": "time",
}


def _type_name(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_type_name(each) for each in arguments if each is not type(None))
    if origin is Literal:
        return " or ".join(f"`{json.dumps(each)}`" for each in arguments)
    if origin in (list, tuple, frozenset):
        return f"list of {_type_name(arguments[0])}"
    if origin is dict:
        return f"table of {_type_name(arguments[1])}"
    if arguments:  # Annotated
        return _type_name(arguments[0])
    return _TYPE_NAMES.get(getattr(hint, "__name__", ""), str(hint))


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default
    if value is msgspec.NODEFAULT:
        value = field.default_factory()
    return "" if value is None else f"`{json.dumps(msgspec.to_builtins(value))}`"


def schema() -> dict[str, Any]:
    """shadow/schemas/config.schema.json: what msgspec knows, with our words, and no other keys."""
    schema = msgspec.json.schema(Config)
    shapes = {shape.__name__: shape for shape in (Config, *_tables(Config))}
    definitions = {name: _definition(schema["$defs"][name], shapes[name]) for name in shapes}
    whole = definitions.pop("Config")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:shadow:schema:config:1",
        **whole,
        "title": FILE_NAME,
        "$defs": definitions,
    }


def _definition(definition: dict[str, Any], shape: type) -> dict[str, Any]:
    notes = field_notes(shape)
    properties = {}
    for field in _keys(shape):
        given = _without_null(definition["properties"][field.encode_name])
        if _inner_table(field.type)[0] is not None or given.get("default", 0) is None:
            given.pop("default", None)
        note = {"description": notes[field.name]} if field.name in notes else {}
        properties[field.encode_name] = {**note, **given}
    described = {key: definition[key] for key in ("description", "type")}
    required = {"required": definition["required"]} if definition["required"] else {}
    return {**described, "properties": properties, **required, "additionalProperties": False}


def _without_null(given: dict[str, Any]) -> dict[str, Any]:
    """TOML has no null: a key that may be absent is of its one other type."""
    options = [each for each in given.get("anyOf", []) if each != {"type": "null"}]
    rest = {key: value for key, value in given.items() if key != "anyOf"}
    if len(options) == 1:
        return {**options[0], **rest}
    return {"anyOf": options, **rest} if options else rest
