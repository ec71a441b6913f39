from __future__ import annotations

import pickle
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare import CompareOptions
from shadow.compare.codecs import protobuf
from shadow.compare.codecs.content import MessageType
from shadow.compare.codecs.values import OverBudgetError, UnreadableError
from shadow.compare.json_text import to_text
from shadow.config.file import parse
from shadow.config.judging import messages, policy
from shadow.errors import ConfigError
from shadow.model import Outcome
from tests.compare.codecs.answers import (
    ENDPOINT,
    content,
    found,
    in_bodies,
    judged,
    meter,
    mutated,
    reads_or_refuses,
)

LABEL = "application/protobuf"
DESCRIPTORS = import_module("google.protobuf.descriptor_pb2")
FIELDS = DESCRIPTORS.FieldDescriptorProto


def _file() -> Any:
    """`shop.proto`: an item with one field of each kind."""
    file = DESCRIPTORS.FileDescriptorProto(name="shop.proto", package="shop.v1", syntax="proto3")
    enum = file.enum_type.add(name="State")
    enum.value.add(name="UNKNOWN", number=0)
    enum.value.add(name="ACTIVE", number=1)
    item = file.message_type.add(name="Item")
    entry = item.nested_type.add(name="StockEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=FIELDS.TYPE_INT32, label=FIELDS.LABEL_OPTIONAL)
    entry.field.add(name="value", number=2, type=FIELDS.TYPE_STRING, label=FIELDS.LABEL_OPTIONAL)
    scalars = [
        ("id", FIELDS.TYPE_INT64),
        ("name", FIELDS.TYPE_STRING),
        ("price", FIELDS.TYPE_DOUBLE),
        ("raw", FIELDS.TYPE_BYTES),
        ("live", FIELDS.TYPE_BOOL),
    ]
    for number, (name, kind) in enumerate(scalars, 1):
        item.field.add(name=name, number=number, type=kind, label=FIELDS.LABEL_OPTIONAL)
    state = item.field.add(name="state", number=6, type=FIELDS.TYPE_ENUM)
    state.type_name, state.label = ".shop.v1.State", FIELDS.LABEL_OPTIONAL
    item.field.add(name="sizes", number=7, type=FIELDS.TYPE_UINT32, label=FIELDS.LABEL_REPEATED)
    for name, number, kind in (("parts", 8, "Item"), ("stock", 9, "Item.StockEntry")):
        field = item.field.add(name=name, number=number, type=FIELDS.TYPE_MESSAGE)
        field.type_name, field.label = f".shop.v1.{kind}", FIELDS.LABEL_REPEATED
    optional = item.field.add(name="count", number=10, type=FIELDS.TYPE_INT32)
    optional.label, optional.proto3_optional, optional.oneof_index = FIELDS.LABEL_OPTIONAL, True, 0
    item.oneof_decl.add(name="_count")
    return file


SET = DESCRIPTORS.FileDescriptorSet(file=[_file()]).SerializeToString()
ITEM = MessageType(descriptor_set=SET, name="shop.v1.Item")
OPTIONS = CompareOptions(messages={ENDPOINT: ITEM})
Item = protobuf._message_class(ITEM)


def wire(**fields: Any) -> bytes:
    data: bytes = Item(**fields).SerializeToString()
    return data


SEED = wire(id=7, name="a", price=1.5, raw=b"\0", state=1, sizes=[1, 2], stock={3: "x"})

SCALARS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.integers(-3, 3),
        "name": st.sampled_from(["", "a", "é"]),
        "price": st.sampled_from([0.0, -0.0, 1.0, 1.5]),
        "raw": st.binary(max_size=1),
        "live": st.booleans(),
        "state": st.integers(0, 2),
        "sizes": st.lists(st.integers(0, 2), max_size=2),
        "stock": st.dictionaries(st.integers(-1, 1), st.sampled_from(["", "x"]), max_size=2),
        "count": st.integers(0, 1),
    },
)
ITEMS = st.builds(
    lambda fields, parts: {**fields, "parts": [Item(**part) for part in parts]},
    SCALARS,
    st.lists(SCALARS, max_size=2),
)


def read(data: bytes) -> str:
    body = content(data, LABEL, ITEM)
    return to_text(protobuf.read(body, meter()).value)


@given(ITEMS, ITEMS)
def test_another_value_diverges(left: Any, right: Any) -> None:
    ours, theirs = wire(**left), wire(**right)
    outcome = judged(ours, theirs, LABEL, options=OPTIONS).outcome
    # Protobuf's own equality takes 0.0 for -0.0.
    same = Item(**left) == Item(**right) and str(Item(**left)) == str(Item(**right))
    assert (outcome == Outcome.DIVERGENT) != same


@given(mutated(SEED, b"\x0a", b"\xa2\x06\x01a", b"\x63\x64"))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    reads_or_refuses("protobuf", content(data, LABEL, ITEM))


def test_a_message_is_an_object_of_its_fields() -> None:
    data = wire(id=2**40, raw=b"\xff", live=True, state=1, sizes=[3, 1], stock={2: "b", 1: "a"})
    assert read(data + wire(price=1.0, parts=[Item(name="x")], count=0)) == (
        '{"id":1099511627776,"price":1.0,"raw":{"bytes":"ff"},"live":true,"state":"ACTIVE",'
        '"sizes":[3,1],"parts":[{"name":"x"}],"stock":{"1":"a","2":"b"},"count":0}'
    )
    assert read(wire(state=5, price=float("nan"))) == '{"price":{"float":"NaN"},"state":5}'


def test_fields_that_the_descriptor_lacks_are_seen() -> None:
    unknown = b"\xa0\x06\x05\xa2\x06\x01a\xa5\x06\x01\x00\x00\x00\xa3\x06\x08\x01\xa4\x06"
    assert read(unknown) == ('{"#unknown":{"100":[5,{"bytes":"61"},{"fixed32":1},{"1":[1]}]}}')
    assert found(b"\xa0\x06\x05", b"\xa0\x06\x06", LABEL, options=OPTIONS) == [
        ("value_changed", "$['#unknown']['100'][0]", "5", "6")
    ]


def test_places() -> None:
    ours, theirs = wire(parts=[Item(id=1)]), wire(parts=[Item(id=2)])
    assert found(ours, theirs, LABEL, options=OPTIONS) == [
        ("value_changed", "$['parts'][0]['id']", "1", "2")
    ]


@pytest.mark.parametrize("label", ["", "application/octet-stream", "application/x-protobuf"])
def test_order_packing_and_defaults_are_spelling(label: str) -> None:
    ours = b"\x08\x07\x3a\x02\x01\x02"
    theirs = b"\x38\x01\x38\x82\x00\x12\x00\x08\x07"
    (divergence,) = in_bodies(judged(ours, theirs, label, options=OPTIONS))
    assert (divergence.kind, divergence.verdict) == ("spelling", "equivalent")


def test_a_field_that_tracks_presence_differs_when_it_is_unset() -> None:
    assert found(wire(id=1, count=0), wire(id=1), LABEL, options=OPTIONS) == [
        ("missing", "$['count']", "0", None)
    ]


def test_without_a_configured_message_it_is_binary_and_says_so() -> None:
    ((kind, path, ours, _),) = found(wire(id=1), wire(id=2), LABEL)
    assert (kind, path) == ("value_changed", "")
    assert ours is not None
    assert ours.startswith("2 bytes, sha256 ")
    assert ours.endswith("; name its message under [[compare.protobuf]] to compare it by field")


def test_without_the_package_it_is_binary_and_says_so() -> None:
    script = """
import sys
sys.modules["google.protobuf"] = None
sys.path.insert(0, ".")
from shadow.compare import CompareOptions, compare
from shadow.compare.codecs import protobuf
from shadow.compare.codecs.content import MessageType
from shadow.model import Answer, Response
label = (("Content-Type", "application/protobuf"),)
one, two = (Answer(response=Response(status=200, headers=label, body=b"\\x08" + end))
            for end in (b"\\x01", b"\\x02"))
message = MessageType(descriptor_set=b"", name="x")
assert protobuf.fault(message) == ""
(found,) = compare(one, two, "GET /", CompareOptions(messages={"*": message}))
print(found.candidate)
"""
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert told.stderr == ""
    assert told.stdout.endswith("; pip install 'shadow-traffic[formats]' to compare it by field\n")


def test_what_is_no_such_message_is_binary() -> None:
    with pytest.raises(UnreadableError):
        read(b"\xff\xff")
    assert found(b"\x08\xff", b"\x08\x01", LABEL, options=OPTIONS)[0][:2] == ("value_changed", "")


def test_faults_of_a_descriptor_set() -> None:
    assert protobuf.fault(ITEM) == ""
    assert protobuf.fault(MessageType(descriptor_set=SET, name="shop.v1.Order")) == (
        "it has no message shop.v1.Order"
    )
    assert protobuf.fault(MessageType(descriptor_set=b"\xff", name="x"))
    incomplete = _file()
    incomplete.dependency.append("google/protobuf/timestamp.proto")
    part = DESCRIPTORS.FileDescriptorSet(file=[incomplete]).SerializeToString()
    assert "timestamp.proto" in protobuf.fault(
        MessageType(descriptor_set=part, name="shop.v1.Item")
    )


def test_the_config_names_the_message_of_an_endpoint(tmp_path: Path) -> None:
    file = tmp_path / "shop.binpb"
    file.write_bytes(SET)
    table = {"endpoint": ENDPOINT, "descriptor_set": str(file), "message": "shop.v1.Item"}
    config = parse({"compare": {"protobuf": [table]}})
    assert messages(config) == {ENDPOINT: ITEM}
    assert policy(config).compare.message_at(ENDPOINT) == ITEM
    assert policy(config).compare.message_at("GET /other") is None


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("shop.v1.Order", SET, "it has no message shop.v1.Order"),
        ("shop.v1.Item", b"\xff", "descriptor set"),
        ("shop.v1.Item", None, "cannot read descriptor set"),
    ],
)
def test_a_wrong_table_names_its_file(
    tmp_path: Path, name: str, data: bytes | None, message: str
) -> None:
    file = tmp_path / "shop.binpb"
    if data is not None:
        file.write_bytes(data)
    table = {"descriptor_set": str(file), "message": name}
    with pytest.raises(ConfigError) as refused:
        messages(parse({"compare": {"protobuf": [table]}}))
    assert message in refused.value.message
    assert str(file) in refused.value.message
    assert "protoc --include_imports" in refused.value.hint


def test_options_reach_another_process() -> None:
    options = pickle.loads(pickle.dumps(OPTIONS))
    assert options == OPTIONS
    assert found(wire(id=1), wire(id=2), LABEL, options=options)[0][1] == "$['id']"


def test_depth_and_size_are_bounded() -> None:
    data = b""
    for _ in range(10_000):
        size, head = len(data), b""
        while size > 127:
            head += bytes([size & 127 | 128])
            size >>= 7
        data = b"\x42" + head + bytes([size]) + data
    with pytest.raises(UnreadableError):
        read(data)
    with pytest.raises(OverBudgetError):
        protobuf.read(content(wire(sizes=range(9_000)), LABEL, ITEM), meter(8_000))
    with pytest.raises(OverBudgetError):
        protobuf.read(content(b"\x22" + bytes(protobuf.MAX_BYTES), LABEL, ITEM), meter())
