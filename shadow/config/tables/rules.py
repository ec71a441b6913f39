"""`[compare]`, `[[accept]]` and `[noise]`: what the judge goes by."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec


class ListTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[compare.lists]]`: how the items of a list are matched."""

    endpoint: str = "*"
    """Endpoint, or `*` for every one."""
    path: str
    """RFC 9535 path of the list, `$.items`."""
    key: str | None = None
    """Match items by this member, `id` or nested `meta.id`."""
    unordered: bool = False
    """Match equal items wherever they stand."""


class ToleranceTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[compare.tolerances]]`: how far apart two values may be."""

    endpoint: str = "*"
    """Endpoint, or `*` for every one."""
    path: str
    """RFC 9535 path of the value, `$.items[*].score`."""
    absolute: float | None = None
    """Largest difference, in the value's unit."""
    relative: float | None = None
    """Largest difference as a share of the baseline's value."""
    ulp: int | None = None
    """Largest difference in steps of a double."""
    seconds: float | None = None
    """Largest difference of two RFC 3339 times."""


class ClassTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[compare.classes]]`: another policy for a class than its own."""

    id: str
    """Class id; `shadow explain` lists them."""
    policy: Literal["fail", "allow"]
    """Whether a divergence of the class fails the exchange."""
    endpoint: str = "*"
    """Endpoint, or `*` for every one."""


class ProtobufTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[compare.protobuf]]`: the message that an endpoint answers with, compared by field."""

    endpoint: str = "*"
    """Endpoint, or `*` for every one."""
    descriptor_set: str
    """File that `protoc --include_imports --descriptor_set_out` wrote."""
    message: str
    """Full name of the message, `shop.v1.Item`."""


class CompareTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[compare]`: comparing rules by endpoint and path."""

    lists: list[ListTable] = []
    tolerances: list[ToleranceTable] = []
    classes: list[ClassTable] = []
    protobuf: list[ProtobufTable] = []


class AcceptTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[accept]]`: a divergence that somebody takes responsibility for, until a date.

    At least one condition is given, and all that are given must hold.
    """

    reason: str
    """Why it does no harm."""
    owner: str
    """The team or person who says so."""
    expires: date
    """The last day on which the rule holds; afterwards it fails the run."""
    id: str | None = msgspec.field(default=None, name="class")
    """Condition: the class."""
    signature: str | None = None
    """Condition: the signature of the finding."""
    endpoint: str | None = None
    """Condition: the endpoint."""
    path: str | None = None
    """Condition: the whole RFC 9535 path in the body, `$.items[*].price`."""
    header: str | None = None
    """Condition: the header, in lower case; `set-cookie/NAME` for a cookie."""
    kind: str | None = None
    """Condition: the kind of difference, `value_changed`."""
    baseline: str | None = None
    """Condition: a shell pattern for the baseline's whole value; `*` is any text."""
    candidate: str | None = None
    """Condition: the same for the candidate's value."""
    verdict: Literal["accepted", "go-is-wrong"] = "accepted"
    """`go-is-wrong` lists it apart: the baseline has the bug."""


class NoiseTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[noise]`: what is known of the baseline's noise."""

    profile: str | None = None
    """File that `shadow noise learn` wrote."""
