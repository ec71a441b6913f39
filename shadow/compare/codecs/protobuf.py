"""Protobuf, by field, where the config names the message an endpoint answers with.

A message is an object of its set fields by their names in the descriptor. Enum values are their
names, bytes `{"bytes": hex}`, map keys text. Fields that the descriptor lacks are in `#unknown`
by number. Spelling are the order of fields, packing, the width of varints, and a default that
is written out where the field does not track presence. Paths: `$['items'][3]['price']`,
`$['#unknown']['12'][0]`.

Needs the `protobuf` package, which comes with `shadow-traffic[formats]`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any, Final

from shadow.compare.codecs.content import Content, MessageType
from shadow.compare.codecs.values import (
    Meter,
    OverBudgetError,
    Tree,
    UnreadableError,
    integer,
    octets,
    real,
)
from shadow.compare.json_text import Json

name: Final = "protobuf"

MAX_BYTES: Final = 16 * 1024 * 1024
"""A message of many empty ones takes fifty times its size in memory."""

_TYPES: Final = frozenset(
    {
        "application/protobuf",
        "application/x-protobuf",
        "application/vnd.google.protobuf",
        "application/x-google-protobuf",
    }
)
_UNLABELLED: Final = frozenset({"", "application/octet-stream"})
_FIXED: Final = {1: "fixed64", 5: "fixed32"}
"""Wire types of which the value is not to be taken for a varint."""
_NO_PACKAGE: Final = "pip install 'shadow-traffic[formats]' to compare it by field"
_NO_MESSAGE: Final = "name its message under [[compare.protobuf]] to compare it by field"


def claims(content: Content) -> bool:
    """Whether the body is labelled as Protobuf, or has no telling label where one is expected."""
    kind = content.media_type
    if kind in _TYPES or kind.endswith("+protobuf"):
        return True
    return content.message is not None and kind in _UNLABELLED


def read(content: Content, meter: Meter) -> Tree:
    """The message. Raises UnreadableError, OverBudgetError."""
    if content.message is None:
        raise UnreadableError("of an unknown message", advice=_NO_MESSAGE)
    try:
        message_class = _message_class(content.message)
    except ImportError:
        raise UnreadableError("protobuf is not installed", advice=_NO_PACKAGE) from None
    if len(content.data) > MAX_BYTES:
        raise OverBudgetError(f"a message of more than {MAX_BYTES} bytes")
    try:
        message = message_class.FromString(content.data)
    except import_module("google.protobuf.message").DecodeError as error:
        raise UnreadableError(f"no {content.message.name}: {error}") from None
    return Tree(value=_Reader(meter).message(message))


def fault(message: MessageType) -> str:
    """Why messages cannot be read with this type; empty where they can, or cannot be known."""
    try:
        _message_class(message)
    except ImportError:
        return ""
    except KeyError:
        return f"it has no message {message.name}"
    except Exception as error:  # noqa: BLE001 - each backend of protobuf raises its own
        return str(error) or type(error).__name__
    return ""


@lru_cache(maxsize=64)
def _message_class(message: MessageType) -> Any:
    """The class of a message. Raises ImportError, KeyError, or what protobuf raises."""
    descriptors = import_module("google.protobuf.descriptor_pb2")
    pool = import_module("google.protobuf.descriptor_pool").DescriptorPool()
    for file in descriptors.FileDescriptorSet.FromString(message.descriptor_set).file:
        pool.Add(file)
    descriptor = pool.FindMessageTypeByName(message.name)
    return import_module("google.protobuf.message_factory").GetMessageClass(descriptor)


class _Reader:
    """Turns messages into trees. Protobuf itself reads at most 100 levels, so it may recurse."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.message_type = import_module("google.protobuf.message").Message
        self.unknown_fields = import_module("google.protobuf.unknown_fields").UnknownFieldSet

    def message(self, message: Any) -> Json:
        self.meter.spend()
        found = {
            f"[{field.full_name}]" if field.is_extension else field.name: self.field(field, value)
            for field, value in message.ListFields()
        }
        unknown = self.unknown_fields(message)
        if len(unknown):
            found["#unknown"] = self.unknown(unknown)
        return found

    def field(self, field: Any, value: Any) -> Json:
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            one = self.scalar(entry.fields_by_name["value"])
            return {_key(key): one(value[key]) for key in sorted(value)}
        one = self.scalar(field)
        single = isinstance(value, (str, bytes, bool, int, float, self.message_type))
        return one(value) if single else [one(item) for item in value]

    def scalar(self, field: Any) -> Callable[[Any], Json]:
        """How one value of a field is read."""
        if field.message_type is not None:
            return self.message
        names = field.enum_type.values_by_number if field.enum_type is not None else None

        def read_one(value: Any) -> Json:
            self.meter.spend()
            if names is not None:
                return names[value].name if value in names else integer(value)
            if isinstance(value, bytes):
                return octets(value)
            if isinstance(value, float):
                return real(value)
            return value if isinstance(value, (str, bool)) else integer(value)

        return read_one

    def unknown(self, fields: Any) -> Json:
        """Fields by number, each with its values in their order."""
        found: dict[str, list[Json]] = {}
        for field in fields:
            self.meter.spend()
            data = field.data
            if isinstance(data, bytes):
                value: Json = octets(data)
            else:
                value = integer(data) if isinstance(data, int) else self.unknown(data)
            if field.wire_type in _FIXED:
                value = {_FIXED[field.wire_type]: value}
            found.setdefault(str(field.field_number), []).append(value)
        return {number: found[number] for number in sorted(found)}


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
