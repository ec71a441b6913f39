"""Other header fields: Allow, gRPC, HTTP/2."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final
from urllib.parse import unquote

from shadow.compare.classes.base import DivergenceClass, Place
from shadow.compare.classes.examples import answer, pairs
from shadow.compare.classes.value_types import HEADER
from shadow.compare.difference import ABSENT

_LONGEST: Final = 10_000
_METHODS: Final = re.compile(r"[A-Z]{1,20}(?:, ?[A-Z]{1,20}){0,20}")


def methods(value: Any) -> frozenset[str] | None:
    """The methods of an Allow field; None where it is none."""
    if not isinstance(value, str) or not _METHODS.fullmatch(value):
        return None
    return frozenset(value.replace(" ", "").split(","))


def same_methods(go: Any, rust: Any) -> bool:
    """Equal sets but for what routers add by themselves: HEAD beside GET, and OPTIONS."""
    ours, theirs = methods(go), methods(rust)
    if ours is None or theirs is None:
        return False
    added = {"OPTIONS"} | ({"HEAD"} if "GET" in ours & theirs else set())
    return ours - added == theirs - added


def _is_allow_spelling(place: Place) -> bool:
    go, rust = place.pair.go, place.pair.rust
    same_answer = go.status == rust.status and go.body == rust.body
    return place.name == "allow" and same_answer and same_methods(place.go, place.rust)


def words(value: Any) -> set[str] | None:
    """The words of a comma list in lower case; empty for an absent field."""
    if value is ABSENT:
        return set()
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    return {word.strip(" ").lower() for word in value.split(",")}


def _is_grpc_text(place: Place) -> bool:
    """An equal status whose message or details are only written otherwise."""
    statuses = [side.headers.get("grpc-status") for side in (place.pair.go, place.pair.rust)]
    both = isinstance(place.go, str) and isinstance(place.rust, str)
    if not both or statuses[0] is None or statuses[0] != statuses[1]:
        return False
    if place.name == "grpc-message":
        sound = r"[ -$&-~]*(?:%[0-9a-fA-F]{2}[ -$&-~]*)*"
        texts = (place.go, place.rust)
        return all(re.fullmatch(sound, text) for text in texts) and unquote(
            place.go, "latin-1"
        ) == unquote(place.rust, "latin-1")
    if place.name == "grpc-status-details-bin":
        ours = _bytes(place.go)
        return ours is not None and ours == _bytes(place.rust)
    return False


def _bytes(text: str) -> bytes | None:
    """Base64 with or without its padding, as gRPC allows."""
    try:
        bare = text.rstrip("=")
        data = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    sound = base64.b64encode(data).decode().rstrip("=") == bare
    return data if sound and len(text) <= 16384 else None


CLASSES: Final = (
    DivergenceClass(
        id="allow-header-format",
        title="The Allow list is written otherwise",
        go="`GET, HEAD`; chi `GET`; echo `OPTIONS, GET`.",
        rust="`GET,HEAD`.",
        impact="None, unless the list is compared as a string.",
        fix_go="None needed.",
        fix_rust="None needed.",
        severity="benign",
        policy="fail",
        at=_is_allow_spelling,
        types=HEADER,
        valid=pairs(
            (answer(405, Allow="GET, HEAD"), answer(405, allow="GET,HEAD")),
            (answer(405, Allow="GET"), answer(405, allow="GET,HEAD")),
        ),
        invalid=pairs(
            (answer(405, Allow="GET, HEAD"), answer(405, allow="GET,POST")),
            (answer(405, Allow="GET, HEAD"), answer(405, allow="GETHEAD")),
        ),
    ),
    DivergenceClass(
        id="grpc-status",
        title="A gRPC status is written otherwise",
        go="Percent-encoded grpc-message; details in grpc-status-details-bin.",
        rust="tonic: the same protocol; details need tonic-types.",
        impact="None where code, message and details are equal, and only then is it named.",
        fix_go="None needed.",
        fix_rust="Send details with `tonic_types`.",
        severity="benign",
        policy="allow",
        at=_is_grpc_text,
        types=HEADER,
        valid=pairs(
            (
                answer(200, Grpc_Status="5", Grpc_Message="no%20item"),
                answer(200, grpc_status="5", grpc_message="no item"),
            ),
            (
                answer(200, Grpc_Status="5", Grpc_Status_Details_Bin="CAU="),
                answer(200, grpc_status="5", grpc_status_details_bin="CAU"),
            ),
        ),
        invalid=pairs(
            (answer(200, Grpc_Status="5"), answer(200, grpc_status="2")),
            (
                answer(200, Grpc_Status="5", Grpc_Message="no%20item"),
                answer(200, grpc_status="5", grpc_message="no items"),
            ),
            (
                answer(200, Grpc_Status="5", Grpc_Message="a%20b"),
                answer(200, grpc_status="2", grpc_message="a b"),
            ),
        ),
    ),
    DivergenceClass(
        id="http2-frames",
        title="HTTP/2 settings, priorities and frames",
        go="HPACK in lower case, SETTINGS and priorities of its own.",
        rust="hyper's h2: others.",
        impact="None: status, headers and body do not show it.",
        fix_go="None needed.",
        fix_rust="None needed.",
        severity="benign",
        policy="allow",
        needs="never",
    ),
)
"""Header fields that are written otherwise."""
