"""MessagePack and CBOR written in any of the ways they allow."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.integers(-3, 300)
    | st.floats(width=32)
    | st.floats()
    | TEXT
    | st.binary(max_size=6)
)
KEYS = st.sampled_from(["a", "b", "bytes", "map", "é"]) | st.integers(-1, 3) | st.binary(max_size=1)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
RANDOM = st.randoms(use_true_random=False)


def canonical(value: Any) -> Any:
    """A value as something that `==` compares type-strictly and without the order of a map."""
    if isinstance(value, dict):
        pairs = [(repr(canonical(key)), canonical(item)) for key, item in value.items()]
        return ("map", sorted(pairs, key=lambda pair: pair[0]))
    if isinstance(value, list):
        return ("list", [canonical(item) for item in value])
    return (type(value).__name__, repr(value))


def _shuffled(value: dict[Any, Any], choose: random.Random) -> list[tuple[Any, Any]]:
    pairs = list(value.items())
    choose.shuffle(pairs)
    return pairs


def _fits_single(value: float) -> bool:
    if not math.isfinite(value):
        return True
    try:
        return bool(struct.unpack(">f", struct.pack(">f", value))[0] == value)
    except OverflowError:
        return False


def messagepack(value: Any, choose: random.Random) -> bytes:
    """A value in MessagePack, each length and number in any width that holds it."""
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, (int, float)):
        return _messagepack_number(value, choose)
    if isinstance(value, str):
        data = value.encode()
        return _head(len(data), choose, 0xA0, 31, (0xD9, 0xDA, 0xDB)) + data
    if isinstance(value, bytes):
        return _head(len(value), choose, 0, -1, (0xC4, 0xC5, 0xC6)) + value
    if isinstance(value, list):
        inside = [messagepack(item, choose) for item in value]
        return _head(len(value), choose, 0x90, 15, (None, 0xDC, 0xDD)) + b"".join(inside)
    pairs = _shuffled(value, choose)
    inside = [messagepack(part, choose) for pair in pairs for part in pair]
    return _head(len(value), choose, 0x80, 15, (None, 0xDE, 0xDF)) + b"".join(inside)


def _messagepack_number(value: Any, choose: random.Random) -> bytes:
    if isinstance(value, float):
        single = _fits_single(value) and choose.random() < 0.5
        return b"\xca" + struct.pack(">f", value) if single else b"\xcb" + struct.pack(">d", value)
    forms: list[bytes] = [
        bytes([mark]) + value.to_bytes(size, signed=mark >= 0xD0)
        for mark, size in zip(range(0xCC, 0xD4), (1, 2, 4, 8) * 2, strict=True)
        if (-(1 << 8 * size - 1) <= value < 1 << 8 * size - 1 if mark >= 0xD0 else value >= 0)
        and value < 1 << 8 * size
    ]
    if -32 <= value < 128:
        forms.append(value.to_bytes(1, signed=value < 0))
    return choose.choice(forms)


def _head(
    size: int, choose: random.Random, fixed: int, most: int, marks: tuple[int | None, int, int]
) -> bytes:
    forms = [
        bytes([mark]) + size.to_bytes(width)
        for mark, width in zip(marks, (1, 2, 4), strict=True)
        if mark is not None and size < 1 << 8 * width
    ]
    if size <= most:
        forms.append(bytes([fixed | size]))
    return choose.choice(forms)


def cbor(value: Any, choose: random.Random) -> bytes:
    """A value in CBOR, each head in any width, lengths definite or not."""
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", False: b"\xf4", True: b"\xf5"}[value]
    if isinstance(value, int):
        return _cbor_integer(value, choose)
    if isinstance(value, float):
        single = _fits_single(value) and choose.random() < 0.5
        return b"\xfa" + struct.pack(">f", value) if single else b"\xfb" + struct.pack(">d", value)
    if isinstance(value, (str, bytes)):
        return _cbor_string(value, choose)
    if isinstance(value, list):
        return _cbor_container(4, value, choose, lambda item: cbor(item, choose))
    pairs = _shuffled(value, choose)
    return _cbor_container(
        5, pairs, choose, lambda pair: cbor(pair[0], choose) + cbor(pair[1], choose)
    )


def cbor_head(major: int, argument: int, choose: random.Random) -> bytes:
    forms = [
        bytes([major << 5 | 24 + n]) + argument.to_bytes(1 << n)
        for n in range(4)
        if argument < 1 << (8 << n)
    ]
    if argument < 24:
        forms.append(bytes([major << 5 | argument]))
    return choose.choice(forms)


def _cbor_integer(value: int, choose: random.Random) -> bytes:
    magnitude = value if value >= 0 else -1 - value
    if choose.random() < 0.2:
        data = magnitude.to_bytes(9)
        return (b"\xc2" if value >= 0 else b"\xc3") + cbor_head(2, len(data), choose) + data
    return cbor_head(0 if value >= 0 else 1, magnitude, choose)


def _cbor_string(value: str | bytes, choose: random.Random) -> bytes:
    major = 3 if isinstance(value, str) else 2
    parts: list[bytes] = [value.encode() if isinstance(value, str) else value]
    chunked = choose.random() < 0.3
    if chunked:
        cut = choose.randint(0, len(value))
        parts = [
            half.encode() if isinstance(half, str) else half for half in (value[:cut], value[cut:])
        ]
    coded = b"".join(cbor_head(major, len(part), choose) + part for part in parts)
    return bytes([major << 5 | 31]) + coded + b"\xff" if chunked else coded


def _cbor_container(
    major: int, items: list[Any], choose: random.Random, encode: Callable[[Any], bytes]
) -> bytes:
    inside = b"".join(encode(item) for item in items)
    if choose.random() < 0.3:
        return bytes([major << 5 | 31]) + inside + b"\xff"
    return cbor_head(major, len(items), choose) + inside
