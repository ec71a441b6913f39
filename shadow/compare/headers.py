"""Compares headers case-insensitively with multiplicity, cookies by name and attribute set."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from shadow.compare.difference import ABSENT, Difference
from shadow.model import Headers, Response

HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "te",
        "trailer",
        "upgrade",
    }
)
FRAMING: Final = frozenset({"content-length", "transfer-encoding"})
_QUIET: Final = HOP_BY_HOP | FRAMING | {"date", "content-encoding"}
_Values = dict[str, list[str]]


def group(headers: Headers) -> _Values:
    """Values by lower-case name, in wire order."""
    found: _Values = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    return found


def compare_headers(baseline: Response, candidate: Response) -> list[Difference]:
    """Every difference of two header blocks.

    Name case, order, framing, hop-by-hop fields, `Date` and the content-coding have kind
    `spelling`; the coding is judged by what it decodes to.
    """
    if baseline.headers == candidate.headers:
        return []
    found: list[Difference] = []
    left, right = group(baseline.headers), group(candidate.headers)
    for name in left.keys() | right.keys():
        ours, theirs = left.get(name), right.get(name)
        if ours == theirs:
            continue
        if name in _QUIET:
            found.append(_quiet(name, ours, theirs, left, right))
        elif name == "set-cookie":
            found.extend(_cookies(ours or [], theirs or []))
        else:
            found.append(_loud(name, ours, theirs))
    found.sort(key=lambda difference: difference.name or "")
    names = [tuple([name for name, _ in side.headers]) for side in (baseline, candidate)]
    if names[0] != names[1]:
        told = _known_names if max(map(len, names)) <= _MOST_KNOWN else _names
        found.extend(told(names[0], names[1]))
    return found


def _text(values: list[str] | None) -> Any:
    return ABSENT if values is None else ", ".join(values)


def _loud(name: str, ours: list[str] | None, theirs: list[str] | None) -> Difference:
    if ours is None:
        kind = "extra"
    elif theirs is None:
        kind = "missing"
    else:
        kind = "reordered" if sorted(ours) == sorted(theirs) else "value_changed"
    return _header(kind, name, _text(ours), _text(theirs))


def _header(
    kind: Any, name: str, ours: Any, theirs: Any, spelling: str | None = None
) -> Difference:
    return Difference(
        where="header", kind=kind, name=name, baseline=ours, candidate=theirs, spelling=spelling
    )


def _quiet(
    name: str, ours: list[str] | None, theirs: list[str] | None, left: _Values, right: _Values
) -> Difference:
    if name in FRAMING:
        chunked = ("transfer-encoding" in left) != ("transfer-encoding" in right)
        spelling = "transfer-framing" if chunked else "content-length-derived"
    elif name == "date":
        spelling = "date-volatile"
    elif name == "content-encoding":
        spelling = "compression-framing"
    else:
        spelling = "connection-header"
    return _header("spelling", name, _text(ours), _text(theirs), spelling)


def _names(ours: tuple[str, ...], theirs: tuple[str, ...]) -> tuple[Difference, ...]:
    """Case of names and order of fields, each reported once for the whole block."""
    found = []
    folded = [name.lower() for name in ours], [name.lower() for name in theirs]
    spelled = dict(zip(folded[0], ours, strict=True))
    if any(spelled.get(low, name) != name for low, name in zip(folded[1], theirs, strict=True)):
        found.append(
            _header("spelling", "", ", ".join(ours), ", ".join(theirs), "header-name-case")
        )
    shared = set(folded[0]) & set(folded[1])
    orders = [list(dict.fromkeys(name for name in side if name in shared)) for side in folded]
    if orders[0] != orders[1]:
        found.append(_header("spelling", "", ", ".join(ours), ", ".join(theirs), "header-order"))
    return tuple(found)


_known_names: Final = lru_cache(maxsize=256)(_names)
"""Two services name their fields in few ways."""
_MOST_KNOWN: Final = 50
"""Fields of a block that is remembered."""


class Cookie:
    """One Set-Cookie value: name, value, and attributes by lower-case name."""

    __slots__ = ("attributes", "name", "value")

    def __init__(self, text: str) -> None:
        pair, *rest = text.split(";")
        name, _, value = pair.partition("=")
        self.name = name.strip()
        self.value = value.strip()
        self.attributes: dict[str, str] = {}
        for attribute in rest:
            key, _, setting = attribute.partition("=")
            if key.strip():
                self.attributes[key.strip().lower()] = setting.strip()


def _cookies(ours: Iterable[str], theirs: Iterable[str]) -> list[Difference]:
    """Cookies by name; the n-th of a name stands for the n-th of the other side."""
    found: list[Difference] = []
    left, right = _by_name(ours), _by_name(theirs)
    for name in sorted(left.keys() | right.keys()):
        mine, other = left.get(name, []), right.get(name, [])
        place = f"set-cookie/{name}"
        found += [_header("missing", place, gone.value, ABSENT) for gone in mine[len(other) :]]
        found += [_header("extra", place, ABSENT, new.value) for new in other[len(mine) :]]
        for cookie, twin in zip(mine, other, strict=False):
            found.extend(_cookie(place, cookie, twin))
    return found


def _by_name(values: Iterable[str]) -> dict[str, list[Cookie]]:
    found: dict[str, list[Cookie]] = {}
    for value in values:
        cookie = Cookie(value)
        found.setdefault(cookie.name, []).append(cookie)
    return found


def _cookie(place: str, mine: Cookie, other: Cookie) -> list[Difference]:
    found = []
    if mine.value != other.value:
        found.append(_header("value_changed", place, mine.value, other.value))
    for name in sorted(mine.attributes.keys() | other.attributes.keys()):
        ours, theirs = mine.attributes.get(name), other.attributes.get(name)
        if ours == theirs or _same_setting(name, ours, theirs):
            continue
        kind = "extra" if ours is None else "missing" if theirs is None else "value_changed"
        found.append(
            _header(
                kind,
                f"{place}/{name}",
                ABSENT if ours is None else ours or name,
                ABSENT if theirs is None else theirs or name,
            )
        )
    return found


def _same_setting(name: str, ours: str | None, theirs: str | None) -> bool:
    """SameSite and Domain compare without case (RFC 6265bis 5.6)."""
    if ours is None or theirs is None or name not in ("samesite", "domain"):
        return False
    return ours.lower().lstrip(".") == theirs.lower().lstrip(".")
